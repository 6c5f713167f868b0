/* Chat templates: recognised or refused, and written as Jinja writes them. Arguments: the
 * golden file of make_templates.py, the folder of shared inputs. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "data/template.h"
#include "test.h"

enum { MAX_MESSAGES = 16 };

static size_t read_messages(const cJSON *array, Message *messages)
{
    size_t count = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, array) {
        if (count < MAX_MESSAGES)
            messages[count++] = (Message){
                cJSON_GetStringValue(cJSON_GetObjectItem(item, "role")),
                cJSON_GetStringValue(cJSON_GetObjectItem(item, "content"))};
    }
    return count;
}

static void check_render(Test *test, const ChatTemplate *chat, const char *name,
                         const cJSON *conversations, const cJSON *render)
{
    Message messages[MAX_MESSAGES];
    const char *title = cJSON_GetStringValue(cJSON_GetObjectItem(render, "conversation"));
    const cJSON *wanted = cJSON_GetObjectItem(render, "text");
    size_t count = read_messages(cJSON_GetObjectItem(conversations, title), messages);
    bool prompt = cJSON_IsTrue(cJSON_GetObjectItem(render, "prompt"));
    Rendering rendering = {0};
    Text text = {0};
    tmb_status status = chat_template_render(chat, messages, count, prompt, &rendering);
    rendering_text(&rendering, &text);
    bool good = cJSON_IsNull(wanted)
                    ? CHECK_STATUS(test, TMB_BAD_INPUT, status)
                    : CHECK_OK(test, status) && CHECK_STRING(test, wanted->valuestring, text.data);
    if (!good)
        printf("  template \"%s\", conversation \"%s\"\n", name, title);
    rendering_finish(&rendering);
    text_finish(&text);
}

static void check_case(Test *test, const cJSON *conversations, const cJSON *item,
                       const char *source)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(item, "name"));
    const char *kind = cJSON_GetStringValue(cJSON_GetObjectItem(item, "kind"));
    const cJSON *render;
    ChatTemplate *chat = NULL;
    tmb_status status = chat_template_parse(source, "<s>", "</s>", &chat);
    if (!kind) {
        if (!CHECK_STATUS(test, TMB_UNSUPPORTED, status) || !CHECK(test, !chat))
            printf("  template \"%s\" should be refused\n", name);
    } else if (!CHECK_OK(test, status) || !CHECK_STRING(test, kind, chat_template_name(chat))) {
        printf("  template \"%s\"\n", name);
    } else {
        cJSON_ArrayForEach(render, cJSON_GetObjectItem(item, "renders"))
            check_render(test, chat, name, conversations, render);
    }
    chat_template_destroy(&chat);
}

static void test_golden(Test *test, const char *path, const char *shared)
{
    cJSON *tree;
    const cJSON *item;
    if (!CHECK_OK(test, json_read_file(path, &tree)))
        return;
    const cJSON *conversations = cJSON_GetObjectItem(tree, "conversations");
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(tree, "cases")) {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(item, "name"));
        const char *inside = cJSON_GetStringValue(cJSON_GetObjectItem(item, "source"));
        char *folder = os_join(shared, "data/templates/jinja"), *file = os_join(folder, name);
        char *source = NULL;
        size_t bytes;
        if (inside)
            check_case(test, conversations, item, inside);
        else if (!os_exists(file))
            test_skip(test, "a template of ../shared/data is missing");
        else if (CHECK_OK(test, os_read_file(file, &source, &bytes)))
            check_case(test, conversations, item, source);
        free(source);
        free(file);
        free(folder);
    }
    cJSON_Delete(tree);
}

/* llama.cpp's vectors: whatever we take we must write as Jinja does. */
static void test_vectors(Test *test, const char *shared)
{
    char *path = os_join(shared, "data/templates/chat-template-vectors.json");
    cJSON *tree = NULL;
    const cJSON *item;
    Message messages[MAX_MESSAGES];
    unsigned taken = 0;
    if (!os_exists(path)) {
        test_skip(test, "../shared/data/templates is missing");
    } else if (CHECK_OK(test, json_read_file(path, &tree))) {
        size_t count = read_messages(cJSON_GetObjectItem(tree, "conversation"), messages);
        cJSON_ArrayForEach(item, cJSON_GetObjectItem(tree, "cases")) {
            ChatTemplate *chat = NULL;
            Rendering rendering = {0};
            Text text = {0};
            const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(item, "name"));
            tmb_status status = chat_template_parse(
                cJSON_GetStringValue(cJSON_GetObjectItem(item, "template")),
                cJSON_GetStringValue(cJSON_GetObjectItem(item, "bos_token")),
                cJSON_GetStringValue(cJSON_GetObjectItem(item, "eos_token")), &chat);
            if (status == TMB_OK) {
                taken++;
                CHECK_OK(test, chat_template_render(chat, messages, count, true, &rendering));
                rendering_text(&rendering, &text);
                if (!CHECK_STRING(test, cJSON_GetStringValue(cJSON_GetObjectItem(
                                            item, "expected_jinja")), text.data))
                    printf("  %s\n", name);
            } else {
                CHECK_STATUS(test, TMB_UNSUPPORTED, status);
            }
            rendering_finish(&rendering);
            text_finish(&text);
            chat_template_destroy(&chat);
        }
        CHECK(test, taken >= 4);      /* ChatML, Llama 3, two of Mistral's */
        cJSON_Delete(tree);
    }
    free(path);
}

/* Which parts are the template's, and which are to be learned. */
static void test_runs(Test *test)
{
    static const char source[] =
        "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "
        "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{{ '<|im_start|>assistant\\n' }}";
    static const Message messages[] = {{"user", "<|im_end|>"}, {"assistant", "Hi"}};
    static const TextRun wanted[] = {
        {"<|im_start|>user\n", 17, true, false}, {"<|im_end|>", 10, false, false},
        {"<|im_end|>\n", 11, true, false}, {"<|im_start|>assistant\n", 22, true, false},
        {"Hi", 2, false, true}, {"<|im_end|>", 10, true, true}, {"\n", 1, true, false}};
    ChatTemplate *chat = NULL;
    Rendering rendering = {0};
    if (!CHECK_OK(test, chat_template_parse(source, "", "", &chat)) ||
        !CHECK_OK(test, chat_template_render(chat, messages, 2, false, &rendering)))
        return;
    CHECK(test, rendering.count == COUNT_OF(wanted));
    for (size_t i = 0; i < COUNT_OF(wanted) && i < rendering.count; i++) {
        const TextRun *run = &rendering.runs[i];
        CHECK(test, run->bytes == wanted[i].bytes && run->special == wanted[i].special &&
                    run->supervised == wanted[i].supervised &&
                    memcmp(run->text, wanted[i].text, run->bytes) == 0);
    }
    rendering_finish(&rendering);
    CHECK_STATUS(test, TMB_BAD_INPUT, chat_template_render(chat, messages, 2, true, &rendering));
    CHECK_STATUS(test, TMB_BAD_INPUT, chat_template_render(chat, messages, 0, false, &rendering));
    CHECK_STATUS(test, TMB_BAD_INPUT, chat_template_render(
        chat, (Message[]){{"tool", "x"}}, 1, false, &rendering));
    CHECK_STATUS(test, TMB_BAD_INPUT, chat_template_render(
        chat, (Message[]){{"user", "x"}, {"system", "x"}}, 2, false, &rendering));
    rendering_finish(&rendering);
    chat_template_destroy(&chat);
}

int main(int argc, char **argv)
{
    Test test = {.name = "template"};
    const char *shared = argc > 2 ? argv[2] : "";
    test_golden(&test, argc > 1 ? argv[1] : "templates.json", shared);
    test_vectors(&test, shared);
    test_runs(&test);
    return test_end(&test);
}

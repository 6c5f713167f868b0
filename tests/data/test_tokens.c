/* SmolLM2's ids against Hugging Face's, and streaming. Argument: the golden file of
 * make_tokens.py. The model comes from TIMBRE_TEST_MODEL; skipped without it. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/utf8.h"
#include "data/template.h"
#include "test.h"

static bool same_ids(const cJSON *wanted, const Tokens *tokens)
{
    const cJSON *id;
    size_t at = 0;
    cJSON_ArrayForEach(id, wanted) {
        if (at == tokens->count || tokens->ids[at] != (uint32_t)id->valuedouble)
            return false;
        at++;
    }
    return at == tokens->count;
}

/* The same text in pieces as they would be generated: every piece whole characters. */
static void check_stream(Test *test, const Tokenizer *tokenizer, const Tokens *tokens,
                         const char *text, size_t bytes)
{
    TokenStream stream = {0};
    Text out = {0};
    for (size_t i = 0; i < tokens->count; i++) {
        size_t before = out.bytes;
        token_stream_push(&stream, tokenizer, tokens->ids[i], false, &out);
        if (out.bytes > before)
            CHECK(test, utf8_valid(out.data + before, out.bytes - before) == out.bytes - before);
    }
    token_stream_finish(&stream, &out);
    CHECK(test, out.bytes == bytes && (!bytes || memcmp(out.data, text, bytes) == 0));
    text_finish(&out);
}

static void check_lines(Test *test, const Tokenizer *tokenizer, const cJSON *lines)
{
    const cJSON *item;
    CHECK(test, cJSON_GetArraySize(lines) == 300);
    cJSON_ArrayForEach(item, lines) {
        Tokens tokens = {0};
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(item, "text"));
        size_t bytes = strlen(text);
        CHECK_OK(test, tokenizer_encode(tokenizer, text, bytes, false, &tokens));
        if (!CHECK(test, same_ids(cJSON_GetObjectItem(item, "ids"), &tokens)))
            printf("  \"%s\"\n", text);
        check_stream(test, tokenizer, &tokens, text, bytes);
        tokens_finish(&tokens);
    }
}

static void check_chats(Test *test, const Tokenizer *tokenizer, const ChatTemplate *chat,
                        const cJSON *chats)
{
    const cJSON *item, *message;
    cJSON_ArrayForEach(item, chats) {
        Message messages[4];
        size_t count = 0;
        Tokens tokens = {0};
        cJSON_ArrayForEach(message, cJSON_GetObjectItem(item, "messages")) {
            messages[count++] = (Message){
                cJSON_GetStringValue(cJSON_GetObjectItem(message, "role")),
                cJSON_GetStringValue(cJSON_GetObjectItem(message, "content"))};
        }
        CHECK_OK(test, chat_template_encode(chat, tokenizer, messages, count, true, &tokens));
        CHECK(test, same_ids(cJSON_GetObjectItem(item, "ids"), &tokens));
        tokens_finish(&tokens);
    }
    CHECK(test, cJSON_GetArraySize(chats) == 3);
}

static void check_model(Test *test, const Gguf *gguf, const cJSON *golden)
{
    Tokenizer *tokenizer;
    ChatTemplate *chat;
    if (!CHECK_OK(test, tokenizer_load(gguf, &tokenizer)))
        return;
    CHECK_STRING(test, "BPE smollm", tokenizer_kind(tokenizer));
    check_lines(test, tokenizer, cJSON_GetObjectItem(golden, "lines"));
    if (CHECK_OK(test, chat_template_load(gguf, tokenizer, &chat))) {
        CHECK_STRING(test, "chatml", chat_template_name(chat));
        CHECK(test, chat_template_end(chat) == tokenizer_special(tokenizer, "<|im_end|>"));
        check_chats(test, tokenizer, chat, cJSON_GetObjectItem(golden, "chats"));
    }
    chat_template_destroy(&chat);
    tokenizer_destroy(&tokenizer);
}

int main(int argc, char **argv)
{
    Test test = {.name = "tokens"};
    const char *model = getenv("TIMBRE_TEST_MODEL");
    Gguf *gguf = NULL;
    cJSON *golden = NULL;
    if (!model || !os_exists(model)) {
        test_skip(&test, "TIMBRE_TEST_MODEL names no model");
    } else if (CHECK_OK(&test, json_read_file(argc > 1 ? argv[1] : "", &golden)) &&
               CHECK_OK(&test, gguf_open(model, &gguf))) {
        check_model(&test, gguf, golden);
    }
    cJSON_Delete(golden);
    gguf_close(&gguf);
    return test_end(&test);
}

/* The ids of whole vocabularies against llama.cpp's own expectations: every string of each
 * .inp must give the line of its .out. Argument: the folder of shared inputs. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "data/tokenizer.h"
#include "test.h"

static const char separator[] = "\n__ggml_vocab_test__\n";

static void check_string(Test *test, const Tokenizer *tokenizer, const char *name, size_t line,
                         const char *text, size_t bytes, const char *wanted)
{
    Tokens tokens = {0};
    Text got = {0}, back = {0};
    CHECK_OK(test, tokenizer_encode(tokenizer, text, bytes, false, &tokens));
    for (size_t i = 0; i < tokens.count; i++)
        text_print(&got, "%s%u", i ? " " : "", tokens.ids[i]);
    if (!CHECK_STRING(test, wanted, got.data ? got.data : ""))
        printf("  %s, string %zu\n", name, line);
    tokenizer_decode(tokenizer, tokens.ids, tokens.count, true, &back);
    if (!CHECK(test, back.bytes == bytes && (!bytes || memcmp(back.data, text, bytes) == 0)))
        printf("  %s, string %zu does not come back\n", name, line);
    text_finish(&got);
    text_finish(&back);
    tokens_finish(&tokens);
}

/* The ids of one line without the space in front, as the file has them. */
static char *next_line(char **rest)
{
    char *line = *rest, *end = strchr(line, '\n');
    if (!*line)
        return NULL;
    *rest = end ? end + 1 : line + strlen(line);
    if (end)
        *end = '\0';
    size_t bytes = strlen(line);
    while (bytes && line[bytes - 1] == ' ')
        line[--bytes] = '\0';
    return line + strspn(line, " ");
}

static void check_vocabulary(Test *test, const char *folder, const char *name)
{
    char file[128], *inputs = NULL, *outputs = NULL;
    size_t input_bytes, output_bytes, line = 0;
    Gguf *gguf = NULL;
    Tokenizer *tokenizer = NULL;
    snprintf(file, sizeof file, "ggml-vocab-%s.gguf", name);
    char *path = os_join(folder, file);
    Text side = {0};
    text_print(&side, "%s.inp", path);
    bool ready = CHECK_OK(test, os_read_file(side.data, &inputs, &input_bytes));
    text_clear(&side);
    text_print(&side, "%s.out", path);
    ready = ready && CHECK_OK(test, os_read_file(side.data, &outputs, &output_bytes)) &&
            CHECK_OK(test, gguf_open(path, &gguf)) &&
            CHECK_OK(test, tokenizer_load(gguf, &tokenizer));
    gguf_close(&gguf);
    char *rest = outputs, *text = inputs;
    while (ready && *text) {             /* a separator ends every string, the last too */
        char *end = strstr(text, separator), *wanted = next_line(&rest);
        if (!CHECK(test, end && wanted))
            break;
        check_string(test, tokenizer, name, line++, text, (size_t)(end - text), wanted);
        text = end + strlen(separator);
    }
    CHECK(test, ready && line > 20 && !*rest);
    tokenizer_destroy(&tokenizer);
    text_finish(&side);
    free(inputs);
    free(outputs);
    free(path);
}

/* A text's ids with BOS in front against the tokens of llama2.c's table of losses:
 * position, input id, target id, loss. */
static void check_story(Test *test, const Tokenizer *tokenizer, const char *folder,
                        const char *text_name, const char *table_name)
{
    char *path = os_join(folder, text_name), *table_path = os_join(folder, table_name);
    char *text = NULL, *table = NULL;
    size_t bytes, table_bytes, at = 0;
    Tokens tokens = {0};
    tokens_push(&tokens, tokenizer_bos(tokenizer), false);
    if (CHECK_OK(test, os_read_file(path, &text, &bytes)) &&
        CHECK_OK(test, os_read_file(table_path, &table, &table_bytes)) &&
        CHECK_OK(test, tokenizer_encode(tokenizer, text, bytes, false, &tokens))) {
        unsigned position, input, target;
        for (const char *line = table; line; line = strchr(line, '\n'), line += line != NULL) {
            if (sscanf(line, "%u %u %u", &position, &input, &target) != 3)
                continue;
            CHECK(test, at + 1 < tokens.count && tokens.ids[at] == input &&
                        tokens.ids[at + 1] == target);
            at++;
        }
        CHECK(test, at > 10 && at + 1 == tokens.count);
    }
    tokens_finish(&tokens);
    free(text);
    free(table);
    free(path);
    free(table_path);
}

/* Tiny Shakespeare's last part, line by line: as many tokens as llama2.c scored. */
static void check_shakespeare(Test *test, const Tokenizer *tokenizer, const char *path)
{
    char *text = NULL;
    size_t bytes, at = 1003854;
    Tokens tokens = {0};
    if (!CHECK_OK(test, os_read_file(path, &text, &bytes)))
        return;
    while (at < bytes) {
        const char *end = memchr(text + at, '\n', bytes - at);
        size_t length = end ? (size_t)(end - text) - at + 1 : bytes - at;
        CHECK_OK(test, tokenizer_encode(tokenizer, text + at, length, false, &tokens));
        at += length;
    }
    CHECK(test, tokens.count == 72443);
    tokens_finish(&tokens);
    free(text);
}

static void check_stories(Test *test, const char *shared)
{
    char *model = os_join(shared, "data/models/stories260K/stories260K-f32.gguf");
    char *folder = os_join(shared, "data/reference/stories260K-oracle");
    char *shakespeare = os_join(shared, "data/datasets/tinyshakespeare/input.txt");
    Gguf *gguf = NULL;
    Tokenizer *tokenizer = NULL;
    if (!os_exists(model) || !os_is_directory(folder) || !os_exists(shakespeare)) {
        test_skip(test, "stories260K, its reference or Tiny Shakespeare is missing in ../shared");
    } else if (CHECK_OK(test, gguf_open(model, &gguf)) &&
               CHECK_OK(test, tokenizer_load(gguf, &tokenizer))) {
        check_story(test, tokenizer, folder, "text1-tinystory.txt", "text1.nll.tsv");
        check_story(test, tokenizer, folder, "text2-shakespeare.txt", "text2.nll.tsv");
        check_shakespeare(test, tokenizer, shakespeare);
    }
    tokenizer_destroy(&tokenizer);
    gguf_close(&gguf);
    free(model);
    free(folder);
    free(shakespeare);
}

/* Control tokens in text, where they are recognised and where not. Ids of llama.cpp
 * (node-llama-cpp 3.22.1, tokenize with and without special tokens). */
static void check_specials(Test *test, const char *folder)
{
    static const struct {
        const char *name, *text;
        bool special;
        const char *ids;
    } rows[] = {
        {"phi-3", "<s><|user|>\n hello<|end|>\n<|assistant|>\n\n x", true,
         "1 32010 22172 32007 32001 921"},
        {"phi-3", "<s>[INST] hi [/INST] yo</s>  z", true,
         "1 518 25580 29962 7251 518 29914 25580 29962 24800 2 503"},
        {"phi-3", "<s>[INST] hi [/INST] yo</s>  z", false,
         "529 29879 24566 25580 29962 7251 518 29914 25580 29962 24800 829 29879 29958 29871 503"},
        {"llama-spm", "<s>[INST] hi [/INST] yo</s>  z", true,
         "1 518 25580 29962 7251 518 29914 25580 29962 24800 2 259 503"},
        {"llama-bpe",
         "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>", true,
         "128000 128006 882 128007 271 6151 128009"},
        {"llama-bpe",
         "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>", false,
         "27 91 7413 3659 4424 91 1822 91 2527 8932 851 91 29 882 27 91 408 8932 851 91 1363 6151 "
         "27 91 68 354 851 91 29"},
        {"qwen2", "<|im_start|>user\n hi<|im_end|>\n a  b", true,
         "151644 872 198 15588 151645 198 264 220 293"},
        {"qwen2", "<|im_start|>user\n hi<|im_end|>\n a  b", false,
         "27 91 318 4906 91 29 872 198 15588 27 91 318 6213 91 397 264 220 293"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char file[128];
        Gguf *gguf = NULL;
        Tokenizer *tokenizer = NULL;
        Tokens tokens = {0};
        Text got = {0};
        snprintf(file, sizeof file, "ggml-vocab-%s.gguf", rows[i].name);
        char *path = os_join(folder, file);
        if (CHECK_OK(test, gguf_open(path, &gguf)) &&
            CHECK_OK(test, tokenizer_load(gguf, &tokenizer)))
            CHECK_OK(test, tokenizer_encode(tokenizer, rows[i].text, strlen(rows[i].text),
                                            rows[i].special, &tokens));
        for (size_t j = 0; j < tokens.count; j++)
            text_print(&got, "%s%u", j ? " " : "", tokens.ids[j]);
        CHECK_STRING(test, rows[i].ids, got.data);
        text_finish(&got);
        tokens_finish(&tokens);
        tokenizer_destroy(&tokenizer);
        gguf_close(&gguf);
        free(path);
    }
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"llama-bpe", "llama-spm", "qwen2", "gpt-2", "phi-3"};
    Test test = {.name = "vocabularies"};
    char *folder = os_join(argc > 1 ? argv[1] : "", "data/tokenizers/llamacpp-vocab");
    if (!os_is_directory(folder)) {
        test_skip(&test, "../shared/data/tokenizers is missing");
    } else {
        for (size_t i = 0; i < COUNT_OF(names); i++)
            check_vocabulary(&test, folder, names[i]);
        check_specials(&test, folder);
    }
    free(folder);
    check_stories(&test, argc > 1 ? argv[1] : "");
    return test_end(&test);
}

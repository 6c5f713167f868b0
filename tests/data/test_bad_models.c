/* Model files that are well-formed GGUF but whose tokenizer or chat template is not usable:
 * each is refused with one sentence. And files with random damage: never a crash.
 * Argument: a folder to write into. */
#include "base/rng.h"
#include "byte_model.h"
#include "test.h"

typedef enum NewValue { DROPPED, NUMBER, STRING, STRINGS, NUMBERS } NewValue;

/* The byte model with one key changed. */
static const struct {
    const char *key;
    NewValue kind;
    const char *text;        /* of a string, or of the only string of a list */
    uint32_t number;         /* the value, or how many values a list has */
    tmb_status status;
    const char *says;
} rows[] = {
    {"tokenizer.ggml.model", DROPPED, "", 0, TMB_BAD_INPUT, "tokenizer.ggml.model is missing"},
    {"tokenizer.ggml.model", NUMBER, "", 3, TMB_BAD_INPUT, "where a string is needed"},
    {"tokenizer.ggml.model", STRING, "bert", 0, TMB_UNSUPPORTED, "\"bert\""},
    {"tokenizer.ggml.model", STRING, "llama", 0, TMB_BAD_INPUT, "scores is missing"},
    {"tokenizer.ggml.pre", DROPPED, "", 0, TMB_UNSUPPORTED, "does not name its pre-tokenizer"},
    {"tokenizer.ggml.pre", STRING, "deepseek-llm", 0, TMB_UNSUPPORTED, "\"deepseek-llm\""},
    {"tokenizer.ggml.pre", STRING, "llama", 0, TMB_UNSUPPORTED, "\"llama\""},
    {"tokenizer.ggml.pre", STRING, "gpt-2 phi-2", 0, TMB_UNSUPPORTED, "\"gpt-2 phi-2\""},
    {"tokenizer.ggml.tokens", DROPPED, "", 0, TMB_BAD_INPUT, "tokens is missing"},
    {"tokenizer.ggml.tokens", STRINGS, "x", 0, TMB_BAD_INPUT, "0 tokens"},
    {"tokenizer.ggml.tokens", STRINGS, "x", 9, TMB_BAD_INPUT, "258 values for 9 tokens"},
    {"tokenizer.ggml.tokens", NUMBERS, "", 258, TMB_BAD_INPUT, "array of strings"},
    {"tokenizer.ggml.token_type", NUMBERS, "", 257, TMB_BAD_INPUT, "257 values for 258"},
    {"tokenizer.ggml.token_type", STRINGS, "x", 258, TMB_BAD_INPUT, "array of numbers"},
    {"tokenizer.ggml.scores", NUMBERS, "", 3, TMB_BAD_INPUT, "3 values for 258"},
    {"tokenizer.ggml.merges", DROPPED, "", 0, TMB_BAD_INPUT, "merges is missing"},
    {"tokenizer.ggml.merges", STRINGS, "ab", 1, TMB_BAD_INPUT, "merge 0"},
    {"tokenizer.ggml.merges", STRINGS, " a", 1, TMB_BAD_INPUT, "merge 0"},
    {"tokenizer.ggml.merges", STRINGS, "a ", 1, TMB_BAD_INPUT, "merge 0"},
    {"tokenizer.ggml.merges", STRINGS, "", 1, TMB_BAD_INPUT, "merge 0"},
    {"tokenizer.ggml.eos_token_id", NUMBER, "", 258, TMB_BAD_INPUT, "has 258 tokens"},
    {"tokenizer.ggml.bos_token_id", NUMBER, "", 4000000000u, TMB_BAD_INPUT, "has 258 tokens"},
    {"tokenizer.ggml.bos_token_id", STRING, "x", 0, TMB_BAD_INPUT, "whole number"},
    {"tokenizer.ggml.add_bos_token", NUMBER, "", 1, TMB_BAD_INPUT, "true or false"},
    {"tokenizer.chat_template", DROPPED, "", 0, TMB_UNSUPPORTED, "no chat template"},
    {"tokenizer.chat_template", NUMBER, "", 1, TMB_BAD_INPUT, "where a string is needed"},
    {"tokenizer.chat_template", STRING, "{% for", 0, TMB_UNSUPPORTED, "unknown form"},
    {"tokenizer.chat_template", STRING, "{{'<start_of_turn>user\n'}}", 0, TMB_UNSUPPORTED,
     "Gemma"},
    {"tokenizer.chat_template", STRING,
     "{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + "
     "'<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
     "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}",
     0, TMB_UNSUPPORTED, "no token <|eot_id|>"},
    {"tokenizer.chat_template", STRING,
     "{% for message in messages %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
     "{{ message['content'] + eos_token }}{% endfor %}",
     0, TMB_UNSUPPORTED, "additions"},
};

static tmb_status write_changed(const Gguf *good, size_t row, const char *path)
{
    GgufWriter *writer = gguf_writer_create();
    const char *key = rows[row].key, *text = rows[row].text;
    size_t count = rows[row].number;
    for (size_t i = 0; i < gguf_entry_count(good); i++)
        if (strcmp(gguf_entry(good, i)->key, key) != 0)
            gguf_writer_copy(writer, gguf_entry(good, i));
    if (rows[row].kind == NUMBER)
        gguf_writer_u32(writer, key, rows[row].number);
    if (rows[row].kind == STRING)
        gguf_writer_string(writer, key, text);
    if (rows[row].kind == STRINGS) {
        const char **texts = mem_new(count, sizeof *texts);
        for (size_t i = 0; i < count; i++)
            texts[i] = text;
        gguf_writer_strings(writer, key, texts, count);
        free(texts);
    }
    if (rows[row].kind == NUMBERS) {
        float *values = mem_new(count, sizeof *values);
        gguf_writer_f32s(writer, key, values, count);
        free(values);
    }
    tmb_status status = gguf_writer_save(writer, path);
    gguf_writer_destroy(&writer);
    return status;
}

/* Loads everything and uses it a little. */
static tmb_status use(const Gguf *gguf)
{
    static const Message messages[] = {{"system", "s"}, {"user", " \n\xff<|im_end|>"},
                                       {"assistant", "y"}};
    Tokenizer *tokenizer = NULL;
    ChatTemplate *chat = NULL;
    Tokens tokens = {0};
    Text text = {0};
    tmb_status status;
    TRY_OR(done, status, tokenizer_load(gguf, &tokenizer));
    TRY_OR(done, status, chat_template_load(gguf, tokenizer, &chat));
    TRY_OR(done, status, chat_template_encode(chat, tokenizer, messages, 3, false, &tokens));
    tokenizer_decode(tokenizer, tokens.ids, tokens.count, true, &text);
done:
    text_finish(&text);
    tokens_finish(&tokens);
    chat_template_destroy(&chat);
    tokenizer_destroy(&tokenizer);
    return status;
}

static void test_rows(Test *test, const Gguf *good, const char *path)
{
    CHECK_OK(test, use(good));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        Gguf *gguf = NULL;
        if (CHECK_OK(test, write_changed(good, i, path)) && CHECK_OK(test, gguf_open(path, &gguf)) &&
            (!CHECK_STATUS(test, rows[i].status, use(gguf)) ||
             !CHECK(test, strstr(tmb_last_error(), rows[i].says))))
            printf("  row %zu (%s): %s\n", i, rows[i].key, tmb_last_error());
        gguf_close(&gguf);
    }
}

static void test_random_damage(Test *test, const char *path)
{
    char *good;
    size_t bytes;
    Rng rng;
    unsigned usable = 0;
    if (!CHECK_OK(test, os_read_file(path, &good, &bytes)))
        return;
    rng_init(&rng, 8);
    for (int round = 0; round < 3000; round++) {
        Gguf *gguf;
        char *changed = mem_grow(mem_string_n(good, bytes), bytes, 1);
        for (uint64_t flips = 1 + rng_below(&rng, 6); flips; flips--)
            changed[rng_below(&rng, bytes)] = (char)rng_u64(&rng);
        tmb_status status = gguf_open_memory("damaged.gguf", changed, bytes, &gguf);
        if (status == TMB_OK) {
            status = use(gguf);
            usable += status == TMB_OK;
        }
        gguf_close(&gguf);
        if (status != TMB_OK && status != TMB_BAD_INPUT && status != TMB_UNSUPPORTED)
            CHECK_OK(test, status);
        free(changed);
    }
    CHECK(test, usable > 0);
    free(good);
}

int main(int argc, char **argv)
{
    Test test = {.name = "bad models"};
    const char *folder = argc > 1 ? argv[1] : ".";
    char *path = os_join(folder, "good.gguf"), *changed = os_join(folder, "changed.gguf");
    Gguf *gguf = NULL;
    if (CHECK_OK(&test, byte_model_write(path)) && CHECK_OK(&test, gguf_open(path, &gguf))) {
        test_rows(&test, gguf, changed);
        test_random_damage(&test, path);
    }
    gguf_close(&gguf);
    free(path);
    free(changed);
    return test_end(&test);
}

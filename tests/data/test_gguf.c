/* The GGUF reader and writer: what is written comes back; damage of every kind ends in
 * one sentence. Arguments: a folder to write into, the folder of shared inputs. */
#include "data/gguf.h"
#include "data/gguf_write.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/os.h"
#include "base/rng.h"
#include "test.h"

static tmb_status write_sample(const char *path)
{
    static const char *const words[] = {"<s>", "", "voice"};
    static const float scores[] = {0.0f, -1.5f, -2.0f};
    static const int32_t kinds[] = {3, 1, -7};
    static const float weights[6] = {1, 2, 3, 4, 5, 6};
    unsigned char blocks[2 * 34] = {7};
    GgufWriter *writer = gguf_writer_create();
    gguf_writer_string(writer, "general.architecture", "llama");
    gguf_writer_u32(writer, "llama.block_count", 30);
    gguf_writer_f32(writer, "llama.rope.freq_base", 1e5f);
    gguf_writer_bool(writer, "tokenizer.ggml.add_bos_token", true);
    gguf_writer_strings(writer, "tokenizer.ggml.tokens", words, 3);
    gguf_writer_f32s(writer, "tokenizer.ggml.scores", scores, 3);
    gguf_writer_i32s(writer, "tokenizer.ggml.token_type", kinds, 3);
    gguf_writer_tensor(writer, "norm.weight", DTYPE_F32, 2, (uint64_t[]){3, 2}, weights);
    gguf_writer_tensor(writer, "blocks.weight", DTYPE_Q8_0, 2, (uint64_t[]){32, 2}, blocks);
    tmb_status status = gguf_writer_save(writer, path);
    gguf_writer_destroy(&writer);
    return status;
}

static void test_arrays(Test *test, const Gguf *gguf)
{
    GgufArray array;
    const char *data;
    size_t bytes;
    if (CHECK_OK(test, gguf_string_array(gguf, "tokenizer.ggml.tokens", &array))) {
        CHECK(test, array.count == 3);
        CHECK(test, gguf_array_next(&array, &data, &bytes) && bytes == 3);
        CHECK(test, gguf_array_next(&array, &data, &bytes) && bytes == 0);
        CHECK(test, gguf_array_next(&array, &data, &bytes) && !memcmp(data, "voice", 5));
        CHECK(test, !gguf_array_next(&array, &data, &bytes));
    }
    if (CHECK_OK(test, gguf_number_array(gguf, "tokenizer.ggml.scores", &array)))
        CHECK(test, gguf_array_number(&array, 1) == -1.5);
    if (CHECK_OK(test, gguf_number_array(gguf, "tokenizer.ggml.token_type", &array)))
        CHECK(test, gguf_array_number(&array, 2) == -7);
    CHECK_STATUS(test, TMB_BAD_INPUT,
                 gguf_number_array(gguf, "tokenizer.ggml.tokens", &array));
    CHECK_STATUS(test, TMB_BAD_INPUT,
                 gguf_string_array(gguf, "llama.block_count", &array));
}

static void test_round_trip(Test *test, const char *path)
{
    Gguf *gguf = NULL;
    const GgufTensor *tensor;
    const char *text;
    uint32_t number;
    float real;
    bool flag;
    char line[32];
    if (!CHECK_OK(test, write_sample(path)) || !CHECK_OK(test, gguf_open(path, &gguf)))
        return;
    CHECK(test, gguf_version(gguf) == 3 && gguf_tensor_count(gguf) == 2);
    if (CHECK_OK(test, gguf_string(gguf, "general.architecture", &text)))
        CHECK_STRING(test, "llama", text);
    CHECK(test, gguf_u32(gguf, "llama.block_count", &number) == TMB_OK && number == 30);
    CHECK(test, gguf_f32(gguf, "llama.rope.freq_base", &real) == TMB_OK && real == 1e5f);
    CHECK(test, gguf_bool(gguf, "tokenizer.ggml.add_bos_token", &flag) == TMB_OK && flag);
    CHECK(test, gguf_u32_or(gguf, "none", 9, &number) == TMB_OK && number == 9);
    CHECK_STATUS(test, TMB_BAD_INPUT, gguf_u32(gguf, "none", &number));
    CHECK(test, strstr(tmb_last_error(), "none is missing") != NULL);
    CHECK_STATUS(test, TMB_BAD_INPUT, gguf_u32(gguf, "general.architecture", &number));
    CHECK_STATUS(test, TMB_BAD_INPUT, gguf_u32_or(gguf, "llama.rope.freq_base", 1, &number));
    CHECK_STATUS(test, TMB_BAD_INPUT, gguf_string(gguf, "llama.block_count", &text));
    gguf_entry_print(gguf_find_entry(gguf, "tokenizer.ggml.tokens"), line, sizeof line);
    CHECK_STRING(test, "[3 x string]", line);
    test_arrays(test, gguf);
    if (CHECK_OK(test, gguf_need_tensor(gguf, "norm.weight", &tensor))) {
        CHECK(test, tensor->dtype == DTYPE_F32 && tensor->dims == 2);
        CHECK(test, tensor->shape[0] == 3 && tensor->shape[1] == 2 && tensor->shape[3] == 1);
        CHECK(test, tensor->bytes == 24 && ((const float *)(const void *)tensor->data)[5] == 6);
    }
    if (CHECK_OK(test, gguf_need_tensor(gguf, "blocks.weight", &tensor)))
        CHECK(test, tensor->bytes == 68 && tensor->data[0] == 7);
    CHECK_STATUS(test, TMB_BAD_INPUT, gguf_need_tensor(gguf, "blocks", &tensor));
    gguf_close(&gguf);
}

/* Opens changed bytes; on success reads all there is, for the sanitizers to see. */
static tmb_status try_bytes(const void *data, size_t bytes)
{
    Gguf *gguf;
    char line[64];
    unsigned sum = 0;
    tmb_status status = gguf_open_memory("sample.gguf", data, bytes, &gguf);
    if (status != TMB_OK)
        return status;
    for (size_t i = 0; i < gguf_entry_count(gguf); i++) {
        GgufArray array;
        const char *text;
        size_t length;
        const char *key = gguf_entry(gguf, i)->key;
        gguf_entry_print(gguf_entry(gguf, i), line, sizeof line);
        if (gguf_string_array(gguf, key, &array) == TMB_OK)
            while (gguf_array_next(&array, &text, &length))
                for (size_t j = 0; j < length; j++)
                    sum += (unsigned char)text[j];
        if (gguf_number_array(gguf, key, &array) == TMB_OK)
            for (uint64_t j = 0; j < array.count; j++)
                sum += gguf_array_number(&array, j) > 0;
    }
    for (size_t i = 0; i < gguf_tensor_count(gguf); i++)
        for (uint64_t j = 0; j < gguf_tensor(gguf, i)->bytes; j++)
            sum += gguf_tensor(gguf, i)->data[j];
    gguf_close(&gguf);
    return sum == 1 ? TMB_FAILED : TMB_OK;      /* keeps the reads */
}

static void test_damage(Test *test, const char *path)
{
    char *good;
    size_t bytes;
    Rng rng;
    if (!CHECK_OK(test, os_read_file(path, &good, &bytes)))
        return;
    CHECK_OK(test, try_bytes(good, bytes));
    size_t last_tensor_end = bytes - 28;        /* 68 bytes of blocks, padded to 96 */
    for (size_t cut = 0; cut < last_tensor_end; cut++) {
        /* a block of its own size, so that reading beyond the cut is seen */
        char *part = mem_string_n(good, cut);
        part = mem_grow(part, cut, 1);
        CHECK_STATUS(test, TMB_BAD_INPUT, try_bytes(part, cut));
        free(part);
    }
    rng_init(&rng, 20);
    unsigned refused = 0;
    for (int round = 0; round < 20000; round++) {
        char *changed = mem_string_n(good, bytes);
        changed = mem_grow(changed, bytes, 1);
        for (uint64_t flips = 1 + rng_below(&rng, 4); flips; flips--)
            changed[rng_below(&rng, bytes - 160)] = (char)rng_u64(&rng);
        tmb_status status = try_bytes(changed, bytes);
        refused += status != TMB_OK;
        if (status != TMB_OK && status != TMB_BAD_INPUT && status != TMB_UNSUPPORTED)
            CHECK_OK(test, status);
        free(changed);
    }
    CHECK(test, refused > 10000);
    free(good);
}

/* Writes `value` over the `bytes` bytes that follow the `skip` bytes after `after`. */
static void patch(char *data, size_t bytes, const char *after, size_t skip, uint64_t value,
                  unsigned width)
{
    for (size_t i = 0; i + strlen(after) + skip + width <= bytes; i++)
        if (memcmp(data + i, after, strlen(after)) == 0) {
            for (unsigned j = 0; j < width; j++)
                data[i + strlen(after) + skip + j] = (char)(value >> 8 * j & 0xff);
            return;
        }
}

static void test_refusals(Test *test, const char *path)
{
    static const struct {
        const char *after;
        size_t skip;
        uint64_t value;
        unsigned width;
        tmb_status status;
        const char *says;
    } rows[] = {
        {"GGU", 0, 'X', 1, TMB_BAD_INPUT, "not a GGUF file"},
        {"GGUF", 0, 0x03000000, 4, TMB_BAD_INPUT, "big-endian"},
        {"GGUF", 0, 1, 4, TMB_UNSUPPORTED, "version 1"},
        {"GGUF", 0, 4, 4, TMB_UNSUPPORTED, "version 4"},
        {"GGUF", 4, UINT64_MAX, 8, TMB_BAD_INPUT, "claims"},
        {"GGUF", 12, UINT64_MAX / 2, 8, TMB_BAD_INPUT, "claims"},
        {"llama.block_count", 0, 77, 4, TMB_BAD_INPUT, "unknown type 77"},
        {"tokenizer.ggml.tokens", 8, UINT64_MAX / 8 + 2, 8, TMB_BAD_INPUT, "ends inside"},
        {"general.architecture", 4, UINT64_MAX, 8, TMB_BAD_INPUT, "ends inside"},
        {"norm.weight", 0, 5, 4, TMB_BAD_INPUT, "5 dimensions"},
        {"norm.weight", 4, 0, 8, TMB_BAD_INPUT, "extent 0"},
        {"norm.weight", 4, UINT64_MAX, 8, TMB_BAD_INPUT, "impossible extent"},
        {"norm.weight", 4, UINT64_C(1) << 40, 8, TMB_BAD_INPUT, "beyond the end"},
        {"norm.weight", 20, 16, 4, TMB_UNSUPPORTED, "IQ2_XXS"},
        {"norm.weight", 20, 999, 4, TMB_UNSUPPORTED, "number 999"},
        {"norm.weight", 24, 8, 8, TMB_BAD_INPUT, "multiple of 32"},
        {"norm.weight", 24, UINT64_MAX - 31, 8, TMB_BAD_INPUT, "beyond the end"},
        {"norm.weight", 24, 32, 8, TMB_BAD_INPUT, "overlap"},
        {"blocks.weight", 4, 33, 8, TMB_BAD_INPUT, "not a multiple of the 32"},
        {"llama.block_coun", 0, 0, 1, TMB_BAD_INPUT, "no usable name"},
    };
    char *good;
    size_t bytes;
    if (!CHECK_OK(test, os_read_file(path, &good, &bytes)))
        return;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *changed = mem_string_n(good, bytes);
        patch(changed, bytes, rows[i].after, rows[i].skip, rows[i].value, rows[i].width);
        if (CHECK_STATUS(test, rows[i].status, try_bytes(changed, bytes)) &&
            !CHECK(test, strstr(tmb_last_error(), rows[i].says) != NULL))
            printf("  row %zu: \"%s\" says no \"%s\"\n", i, tmb_last_error(), rows[i].says);
        free(changed);
    }
    free(good);
}

static void test_real_model(Test *test, const char *shared)
{
    char *path = os_join(shared, "data/models/stories260K/stories260K-f32.gguf");
    Gguf *gguf = NULL;
    const GgufTensor *tensor;
    if (!os_exists(path)) {
        test_skip(test, "../shared/data/models/stories260K is missing");
    } else if (CHECK_OK(test, gguf_open(path, &gguf))) {
        CHECK(test, gguf_tensor_count(gguf) == 48);
        if (CHECK_OK(test, gguf_need_tensor(gguf, "token_embd.weight", &tensor)))
            CHECK(test, tensor->shape[0] == 64 && tensor->shape[1] == 512 &&
                        tensor->dtype == DTYPE_F32);
        gguf_drop(gguf, tensor);
        gguf_close(&gguf);
    }
    free(path);
}

int main(int argc, char **argv)
{
    Test test = {.name = "gguf"};
    const char *folder = argc > 1 ? argv[1] : ".";
    char *path = os_join(folder, "sample.gguf");
    Gguf *gguf;
    test_round_trip(&test, path);
    test_damage(&test, path);
    test_refusals(&test, path);
    test_real_model(&test, argc > 2 ? argv[2] : "");
    CHECK_STATUS(&test, TMB_BAD_INPUT, gguf_open(folder, &gguf));
    CHECK_STATUS(&test, TMB_OK, os_remove(path));
    CHECK_STATUS(&test, TMB_BAD_INPUT, gguf_open(path, &gguf));
    CHECK(&test, gguf == NULL);
    free(path);
    return test_end(&test);
}

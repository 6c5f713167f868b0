/* safetensors: what is written comes back; damage of every kind ends in one sentence.
 * Argument: a folder to write into. */
#include "data/safetensors.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/os.h"
#include "base/rng.h"
#include "test.h"

static void test_round_trip(Test *test, const char *path)
{
    static const float a[6] = {1, -2, 3, 4.5f, 5, 6};
    static const uint16_t b[2] = {0x3c00, 0xc000}, c[2] = {0x3f80, 0xc040};
    static const SafeTensor tensors[] = {
        {.name = "layers.0.lora_A.weight", .dtype = DTYPE_F32, .dims = 2, .shape = {2, 3},
         .data = (const unsigned char *)a},
        {.name = "half \"quoted\" \xc3\xbc", .dtype = DTYPE_F16, .dims = 1, .shape = {2},
         .data = (const unsigned char *)b},
        {.name = "brain", .dtype = DTYPE_BF16, .dims = 2, .shape = {1, 2},
         .data = (const unsigned char *)c}};
    Safetensors *file = NULL;
    float values[6];
    if (!CHECK_OK(test, safetensors_save(path, tensors, 3)) ||
        !CHECK_OK(test, safetensors_open(path, &file)))
        return;
    CHECK(test, safetensors_count(file) == 3);
    for (size_t i = 0; i < 3; i++) {
        const SafeTensor *tensor = safetensors_find(file, tensors[i].name);
        if (!CHECK(test, tensor == safetensors_tensor(file, i)))
            continue;
        CHECK(test, tensor->dtype == tensors[i].dtype && tensor->dims == tensors[i].dims);
        CHECK(test, tensor->shape[0] == tensors[i].shape[0]);
        CHECK(test, memcmp(tensor->data, tensors[i].data, tensor->bytes) == 0);
        safetensor_read(tensor, values);
        CHECK(test, values[0] == 1 && values[1] == (i == 2 ? -3 : -2));
    }
    CHECK(test, !safetensors_find(file, "layers.0"));
    safetensors_close(&file);
}

static tmb_status try_bytes(const void *data, size_t bytes)
{
    Safetensors *file;
    unsigned sum = 0;
    tmb_status status = safetensors_open_memory("a.safetensors", data, bytes, &file);
    if (status != TMB_OK)
        return status;
    for (size_t i = 0; i < safetensors_count(file); i++)
        for (uint64_t j = 0; j < safetensors_tensor(file, i)->bytes; j++)
            sum += safetensors_tensor(file, i)->data[j];
    safetensors_close(&file);
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
    for (size_t cut = 0; cut < bytes; cut++) {
        char *part = mem_grow(mem_string_n(good, cut), cut, 1);
        CHECK_STATUS(test, TMB_BAD_INPUT, try_bytes(part, cut));
        free(part);
    }
    rng_init(&rng, 3);
    for (int round = 0; round < 20000; round++) {
        char *changed = mem_grow(mem_string_n(good, bytes), bytes, 1);
        for (uint64_t flips = 1 + rng_below(&rng, 3); flips; flips--)
            changed[rng_below(&rng, bytes)] = (char)rng_u64(&rng);
        tmb_status status = try_bytes(changed, bytes);
        if (status != TMB_OK && status != TMB_BAD_INPUT && status != TMB_UNSUPPORTED)
            CHECK_OK(test, status);
        free(changed);
    }
    free(good);
}

static void test_refusals(Test *test)
{
    static const struct {
        const char *header;
        tmb_status status;
        const char *says;
    } rows[] = {
        {"[]", TMB_BAD_INPUT, "not a safetensors file"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", TMB_BAD_INPUT,
         "the key \"a\" stands twice"},
        {"{\"a\":{}}", TMB_BAD_INPUT, "no dtype"},
        {"{\"a\":{\"dtype\":\"I64\"}}", TMB_UNSUPPORTED, "type I64"},
        {"{\"a\":{\"dtype\":\"F32\"}}", TMB_BAD_INPUT, "no shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0]}}", TMB_BAD_INPUT, "impossible shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1]}}", TMB_BAD_INPUT, "impossible shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1e15,1e15]}}", TMB_BAD_INPUT, "impossible shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1]}}", TMB_BAD_INPUT, "4 dimensions"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", TMB_BAD_INPUT, "no data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,400]}}", TMB_BAD_INPUT,
         "beyond the end"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", TMB_BAD_INPUT,
         "beyond the end"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", TMB_BAD_INPUT,
         "more or less data"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[2,6]}}", TMB_BAD_INPUT, "overlaps"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
         "\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[4,8]}}", TMB_BAD_INPUT, "twice"},
        {"{\"__metadata__\":{\"a\":\"b\",\"c\":\"d\"},\"__metadata__\":{\"e\":\"f\"}}", TMB_BAD_INPUT,
         "twice"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", TMB_OK, ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        Text text = {0};
        char length[8] = {(char)strlen(rows[i].header)};
        text_append(&text, length, 8);
        text_print(&text, "%s", rows[i].header);
        text_append(&text, "01234567", 8);
        if (!CHECK_STATUS(test, rows[i].status, try_bytes(text.data, text.bytes)) ||
            (rows[i].status != TMB_OK && !CHECK(test, strstr(tmb_last_error(), rows[i].says))))
            printf("  %s: %s\n", rows[i].header, tmb_last_error());
        text_finish(&text);
    }
}

int main(int argc, char **argv)
{
    Test test = {.name = "safetensors"};
    char *path = os_join(argc > 1 ? argv[1] : ".", "sample.safetensors");
    test_round_trip(&test, path);
    test_damage(&test, path);
    test_refusals(&test);
    free(path);
    return test_end(&test);
}

/* Adapters as GGUF-LoRA: what was written comes back to the bit, anything else is refused. */
#include <stdlib.h>

#include "test.h"

#include "base/mem.h"
#include "base/os.h"
#include "data/gguf_write.h"
#include "train/adapter.h"

static const char path[] = "test_adapter.gguf";

static Adapter *sample(void)
{
    Adapter *adapter = adapter_create();
    AdapterPair *pair;
    snprintf(adapter->architecture, sizeof adapter->architecture, "llama");
    snprintf(adapter->base_sha256, sizeof adapter->base_sha256, "%064d", 7);
    adapter->alpha = 32;
    for (uint32_t i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "blk.%u.attn_q.weight", i);
        if (adapter_add(adapter, name, 8 + i, 6, 2 + i, &pair) != TMB_OK)
            abort();
        for (uint32_t j = 0; j < pair->rank * pair->in; j++)
            pair->a[j] = (float)j / 7;
        for (uint32_t j = 0; j < pair->rank * pair->out; j++)
            pair->b[j] = -(float)j / 3;
    }
    return adapter;
}

static void round_trip(Test *test)
{
    Adapter *adapter = sample(), *again = NULL;
    REQUIRE_OK(test, adapter_save(adapter, path));
    REQUIRE_OK(test, adapter_open(path, &again));
    CHECK(test, adapter_equal(adapter, again));
    CHECK(test, adapter_rank(again) == 4);
    CHECK_STRING(test, adapter->base_sha256, again->base_sha256);
    CHECK_STRING(test, "llama", again->architecture);
    again->pairs[1].b[0] += 1;
    CHECK(test, !adapter_equal(adapter, again));
    adapter_destroy(&adapter);
    adapter_destroy(&again);
}

static void every_cut_is_refused(Test *test)
{
    char *bytes = NULL;
    size_t count;
    Adapter *adapter = NULL;
    REQUIRE_OK(test, os_read_file(path, &bytes, &count));
    for (size_t cut = 0; cut < count; cut += 1 + count / 40) {
        CHECK_OK(test, os_write_file(path, bytes, cut));
        CHECK(test, adapter_open(path, &adapter) != TMB_OK);
    }
    free(bytes);
}

/* A GGUF with these tensors; b_rank is the contiguous extent of B. */
static void write_odd(Test *test, const char *type, const char *a, const char *b,
                      uint64_t b_rank, float value)
{
    const float data[12] = {value};
    uint64_t a_shape[2] = {4, 2}, b_shape[2] = {b_rank, 3};
    GgufWriter *writer = gguf_writer_create();
    gguf_writer_string(writer, "general.architecture", "llama");
    gguf_writer_string(writer, "general.type", type);
    gguf_writer_string(writer, "adapter.type", "lora");
    gguf_writer_f32(writer, "adapter.lora.alpha", 4);
    gguf_writer_tensor(writer, a, DTYPE_F32, 2, a_shape, data);
    gguf_writer_tensor(writer, b, DTYPE_F32, 2, b_shape, data);
    CHECK_OK(test, gguf_writer_save(writer, path));
    gguf_writer_destroy(&writer);
}

static void refused(Test *test)
{
    Adapter *adapter = NULL;
    write_odd(test, "adapter", "x.lora_a", "x.lora_b", 2, 1);
    CHECK_OK(test, adapter_open(path, &adapter));
    adapter_destroy(&adapter);
    write_odd(test, "model", "x.lora_a", "x.lora_b", 2, 1);
    CHECK_STATUS(test, TMB_BAD_INPUT, adapter_open(path, &adapter));
    CHECK_SAYS(test, "no LoRA adapter");
    write_odd(test, "adapter", "x.lora_a", "x.lora_b", 3, 1);       /* ranks differ */
    CHECK_STATUS(test, TMB_BAD_INPUT, adapter_open(path, &adapter));
    write_odd(test, "adapter", "x.lora_a", "y.lora_b", 2, 1);       /* no partner */
    CHECK_STATUS(test, TMB_BAD_INPUT, adapter_open(path, &adapter));
    write_odd(test, "adapter", "x.scale", "x.lora_b", 2, 1);        /* something else */
    CHECK_STATUS(test, TMB_UNSUPPORTED, adapter_open(path, &adapter));
    write_odd(test, "adapter", "x.lora_a", "x.lora_b", 2, NAN);
    CHECK_STATUS(test, TMB_BAD_INPUT, adapter_open(path, &adapter));
    CHECK_SAYS(test, "not finite");
    CHECK_STATUS(test, TMB_BAD_INPUT, adapter_open("missing.gguf", &adapter));
    CHECK(test, !adapter);
}

int main(void)
{
    Test test = {.name = "adapter"};
    round_trip(&test);
    every_cut_is_refused(&test);
    refused(&test);
    CHECK_OK(&test, os_remove(path));
    return test_end(&test);
}

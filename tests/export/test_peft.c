/* PEFT folders: names and row order as Hugging Face's, values back to the bit, strange or
 * damaged folders refused. */
#include <stdlib.h>

#include "test.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "data/safetensors.h"
#include "export/peft.h"

static const char folder[] = "test_peft folder";
static const char settings[] = "test_peft folder/adapter_config.json";
static const char tensors[] = "test_peft folder/adapter_model.safetensors";

static const ModelConfig config = {.architecture = "llama", .head_dim = 6, .rope_dims = 6};

/* Value (row, column) of B of the pair `index`, and of A. */
static float b_value(uint32_t index, uint64_t row, uint32_t column)
{
    return (float)(1000 * index + 10 * row + column) / 3;
}

static float a_value(uint32_t index, uint64_t at)
{
    return -(float)(100 * index + at) / 7;
}

static Adapter *sample(void)
{
    static const char *const names[] = {"blk.0.attn_q.weight", "blk.0.attn_v.weight",
                                        "blk.11.attn_k.weight", "blk.11.ffn_down.weight"};
    Adapter *adapter = adapter_create();
    AdapterPair *pair;
    snprintf(adapter->architecture, sizeof adapter->architecture, "llama");
    snprintf(adapter->base_sha256, sizeof adapter->base_sha256, "%064d", 7);
    adapter->alpha = 4;
    for (uint32_t i = 0; i < 4; i++) {
        if (adapter_add(adapter, names[i], 5, 12, 2, &pair) != TMB_OK)
            abort();
        for (uint32_t j = 0; j < 10; j++)
            pair->a[j] = a_value(i, j);
        for (uint32_t j = 0; j < 24; j++)
            pair->b[j] = b_value(i, j / 2, j % 2);
    }
    return adapter;
}

static void names_and_rows(Test *test)
{
    Safetensors *file;
    REQUIRE_OK(test, safetensors_open(tensors, &file));
    CHECK(test, safetensors_count(file) == 8);
    CHECK_STRING(test, "pt", safetensors_note(file, "format"));
    const SafeTensor *a = safetensors_find(
        file, "base_model.model.model.layers.11.self_attn.k_proj.lora_A.weight");
    const SafeTensor *q = safetensors_find(
        file, "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight");
    const SafeTensor *v = safetensors_find(
        file, "base_model.model.model.layers.0.self_attn.v_proj.lora_B.weight");
    REQUIRE(test, a && q && v);
    CHECK(test, a->shape[0] == 2 && a->shape[1] == 5 && q->shape[0] == 12 && q->shape[1] == 2);
    float got[24];
    /* rows of the GGUF behind rows 0 to 11 of a matrix of two heads of 6 */
    static const uint32_t order[12] = {0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11};
    safetensor_read(q, got);
    for (uint32_t i = 0; i < 24; i++)
        CHECK(test, got[i] == b_value(0, order[i / 2], i % 2));
    safetensor_read(v, got);
    for (uint32_t i = 0; i < 24; i++)
        CHECK(test, got[i] == b_value(1, i / 2, i % 2));
    safetensors_close(&file);
}

/* Where RoPE turns the first 4 rows of a head of 6, the others stay. */
static void partly_turned(Test *test)
{
    static const ModelConfig part = {.architecture = "llama", .head_dim = 6, .rope_dims = 4};
    static const uint32_t order[12] = {0, 2, 1, 3, 4, 5, 6, 8, 7, 9, 10, 11};
    Adapter *adapter = sample(), *again = NULL;
    Safetensors *file;
    float got[24];
    REQUIRE_OK(test, peft_save(adapter, &part, "base/model", folder));
    REQUIRE_OK(test, safetensors_open(tensors, &file));
    safetensor_read(safetensors_find(file, "base_model.model.model.layers.0.self_attn.q_proj."
                                           "lora_B.weight"), got);
    for (uint32_t i = 0; i < 24; i++)
        CHECK(test, got[i] == b_value(0, order[i / 2], i % 2));
    safetensors_close(&file);
    REQUIRE_OK(test, peft_open(folder, &part, &again));
    CHECK(test, adapter_equal(adapter, again));
    adapter_destroy(&again);
    adapter_destroy(&adapter);
}

static void settings_as_peft_reads_them(Test *test)
{
    cJSON *json;
    REQUIRE_OK(test, json_read_file(settings, &json));
    JsonAt at = json_at(settings, json), targets;
    const char *text;
    uint32_t rank;
    CHECK_OK(test, json_string(&at, "base_model_name_or_path", &text));
    CHECK_STRING(test, "base/model", text);
    CHECK_OK(test, json_u32(&at, "r", &rank));
    CHECK(test, rank == 2);
    REQUIRE_OK(test, json_array(&at, "target_modules", &targets));
    static const char *const wanted[] = {"q_proj", "k_proj", "v_proj", "down_proj"};
    REQUIRE(test, json_count(&targets) == COUNT_OF(wanted));
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        JsonAt item = json_element(&targets, i);
        if (CHECK_OK(test, json_as_string(&item, &text)))
            CHECK_STRING(test, wanted[i], text);
    }
    cJSON_Delete(json);
}

static void round_trip(Test *test)
{
    Adapter *adapter = sample(), *again = NULL;
    REQUIRE_OK(test, peft_save(adapter, &config, "base/model", folder));
    REQUIRE_OK(test, peft_open(folder, &config, &again));
    CHECK(test, adapter_equal(adapter, again));
    CHECK_STRING(test, adapter->base_sha256, again->base_sha256);
    adapter_destroy(&again);
    adapter_destroy(&adapter);
}

static void refused_settings(Test *test)
{
    static const struct {
        tmb_status status;
        const char *json;
    } cases[] = {
        {TMB_UNSUPPORTED, "{\"peft_type\": \"IA3\", \"r\": 2, \"lora_alpha\": 4}"},
        {TMB_UNSUPPORTED, "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 4, \"use_dora\": true}"},
        {TMB_UNSUPPORTED, "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 4, \"bias\": \"all\"}"},
        {TMB_UNSUPPORTED, "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 4, "
                          "\"rank_pattern\": {\"q_proj\": 8}}"},
        {TMB_UNSUPPORTED, "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 4, "
                          "\"init_lora_weights\": \"pissa_niter_16\"}"},
        {TMB_UNSUPPORTED, "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 4, "
                          "\"alora_invocation_tokens\": [7]}"},
        {TMB_BAD_INPUT, "{\"peft_type\": \"LORA\", \"r\": 0, \"lora_alpha\": 4}"},
        {TMB_BAD_INPUT, "{\"peft_type\": \"LORA\", \"r\": 3, \"lora_alpha\": 4}"},
        {TMB_BAD_INPUT, "{\"peft_type\": \"LORA\", \"lora_alpha\": 4}"},
        {TMB_BAD_INPUT, "[]"},
        {TMB_BAD_INPUT, "{"},
    };
    Adapter *adapter;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CHECK_OK(test, os_write_file(settings, cases[i].json, strlen(cases[i].json)));
        CHECK_STATUS(test, cases[i].status, peft_open(folder, &config, &adapter));
        CHECK(test, !adapter);
    }
    const char *stabilised = "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 4, "
                             "\"use_rslora\": true}";
    CHECK_OK(test, os_write_file(settings, stabilised, strlen(stabilised)));
    REQUIRE_OK(test, peft_open(folder, &config, &adapter));
    CHECK_NEAR(test, 4 * sqrt(2), adapter->alpha, 1e-6);   /* alpha/2 is then 4/sqrt(2) */
    adapter_destroy(&adapter);
}

static void every_cut_is_refused(Test *test)
{
    char *bytes = NULL;
    size_t count;
    Adapter *adapter;
    REQUIRE_OK(test, os_read_file(tensors, &bytes, &count));
    for (size_t cut = 0; cut < count; cut += 1 + count / 60) {
        CHECK_OK(test, os_write_file(tensors, bytes, cut));
        CHECK(test, peft_open(folder, &config, &adapter) != TMB_OK);
    }
    free(bytes);
}

int main(void)
{
    Test test = {.name = "peft"};
    CHECK_OK(&test, os_remove_tree(folder));
    CHECK_OK(&test, os_make_directories(folder));
    partly_turned(&test);
    round_trip(&test);
    names_and_rows(&test);
    settings_as_peft_reads_them(&test);
    refused_settings(&test);
    every_cut_is_refused(&test);
    CHECK_OK(&test, os_remove_tree(folder));
    return test_end(&test);
}

/* Model files that must be refused with a sentence, the adapter's targets and initial
 * values, RoPE tables. Usage: test_files GOLDEN_FOLDER */
#include <stdlib.h>

#include "base/os.h"
#include "data/gguf_write.h"
#include "model/architecture.h"
#include "model/lora.h"
#include "test.h"

typedef struct Copy {
    char *bytes;
    size_t count;
} Copy;

/* Where `text` occurs in the file; the file is small and the text unique enough. */
static char *find(const Copy *copy, const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i + length <= copy->count; i++)
        if (!memcmp(copy->bytes + i, text, length))
            return copy->bytes + i;
    return NULL;
}

static void refuse(Test *test, const Copy *copy, tmb_status wanted, const char *says)
{
    Model *model = NULL;
    CHECK_OK(test, os_write_file("damaged.gguf", copy->bytes, copy->count));
    CHECK_STATUS(test, wanted, model_open("damaged.gguf", &model));
    CHECK(test, model == NULL);
    CHECK_SAYS(test, says);
    model_close(&model);
}

static void test_damage(Test *test, const char *path)
{
    Copy good, bad;
    if (!CHECK_OK(test, os_read_file(path, &good.bytes, &good.count)))
        return;
    bad = (Copy){MEM_NEW_ARRAY(char, good.count), good.count};
    const struct { const char *at, *with; tmb_status status; const char *says; } edits[] = {
        {"llama", "gpt-x", TMB_UNSUPPORTED, "gpt-x"},
        {"blk.1.attn_q.weight", "blk.1.attn_x", TMB_BAD_INPUT, "blk.1.attn_q.weight"},
        {"llama.block_count", "llama.black_count", TMB_BAD_INPUT, "llama.block_count"},
        {"output_norm.weight", "output_morn", TMB_BAD_INPUT, "output_norm.weight"},
    };
    for (size_t i = 0; i < COUNT_OF(edits); i++) {
        memcpy(bad.bytes, good.bytes, good.count);
        char *at = find(&bad, edits[i].at);
        if (!CHECK(test, at != NULL))
            continue;
        memcpy(at, edits[i].with, strlen(edits[i].with));
        refuse(test, &bad, edits[i].status, edits[i].says);
    }
    /* the last tensor is the final norm: its last value becomes infinite */
    memcpy(bad.bytes, good.bytes, good.count);
    float infinite = INFINITY;
    memcpy(bad.bytes + bad.count - 4, &infinite, 4);
    refuse(test, &bad, TMB_BAD_INPUT, "not a finite number");
    for (size_t cut = 1; cut <= 20; cut++) {
        Model *model = NULL;
        CHECK_OK(test, os_write_file("damaged.gguf", good.bytes, good.count * cut / 21));
        CHECK(test, model_open("damaged.gguf", &model) == TMB_BAD_INPUT && !model);
    }
    CHECK_OK(test, os_remove("damaged.gguf"));
    free(good.bytes);
    free(bad.bytes);
}

/* The random model with something added to it. */
typedef struct Variant {
    void (*add)(GgufWriter *writer);
    tmb_status status;
    const char *says;
} Variant;

static void add_yarn(GgufWriter *writer)
{
    gguf_writer_string(writer, "llama.rope.scaling.type", "yarn");
}

static void add_experts(GgufWriter *writer)
{
    gguf_writer_u32(writer, "llama.expert_count", 8);
}

static void add_window(GgufWriter *writer)
{
    gguf_writer_u32(writer, "llama.attention.sliding_window", 128);
}

static void add_value_length(GgufWriter *writer)
{
    gguf_writer_u32(writer, "llama.attention.value_length", 12);
}

static void add_tokens(GgufWriter *writer)
{
    const char *tokens[161];
    for (size_t i = 0; i < COUNT_OF(tokens); i++)
        tokens[i] = "x";
    gguf_writer_strings(writer, "tokenizer.ggml.tokens", tokens, COUNT_OF(tokens));
}

static void add_bias(GgufWriter *writer)
{
    static const float bias[64] = {0};
    gguf_writer_tensor(writer, "blk.0.attn_q.bias", DTYPE_F32, 1, (const uint64_t[4]){64, 1, 1, 1},
                       bias);
}

static void add_bad_factors(GgufWriter *writer)
{
    static const float factors[8] = {1, 1, 1, 0, 1, 1, 1, 1};
    gguf_writer_tensor(writer, "rope_freqs.weight", DTYPE_F32, 1, (const uint64_t[4]){8, 1, 1, 1},
                       factors);
}

static void add_linear(GgufWriter *writer)
{
    gguf_writer_string(writer, "llama.rope.scaling.type", "linear");
    gguf_writer_f32(writer, "llama.rope.scaling.factor", 4);
}

static void add_factors(GgufWriter *writer)
{
    static const float factors[8] = {1, 1, 1, 2, 4, 8, 8, 8};
    gguf_writer_tensor(writer, "rope_freqs.weight", DTYPE_F32, 1, (const uint64_t[4]){8, 1, 1, 1},
                       factors);
}

/* As early files say it: a factor without a type, under its first name. */
static void add_old_linear(GgufWriter *writer)
{
    gguf_writer_f32(writer, "llama.rope.scale_linear", 2);
}

static void add_untyped_factor(GgufWriter *writer)
{
    gguf_writer_f32(writer, "llama.rope.scaling.factor", 4);
    add_factors(writer);
}

static void add_unused_factor(GgufWriter *writer)
{
    gguf_writer_string(writer, "llama.rope.scaling.type", "none");
    gguf_writer_f32(writer, "llama.rope.scaling.factor", 4);
}

static tmb_status write_variant(const char *path, void (*add)(GgufWriter *))
{
    Gguf *gguf = NULL;
    TRY(gguf_open(path, &gguf));
    GgufWriter *writer = gguf_writer_create();
    for (size_t i = 0; i < gguf_entry_count(gguf); i++)
        gguf_writer_copy(writer, gguf_entry(gguf, i));
    for (size_t i = 0; i < gguf_tensor_count(gguf); i++) {
        const GgufTensor *tensor = gguf_tensor(gguf, i);
        gguf_writer_tensor(writer, tensor->name, tensor->dtype, tensor->dims, tensor->shape,
                           tensor->data);
    }
    add(writer);
    tmb_status status = gguf_writer_save(writer, "variant.gguf");
    gguf_writer_destroy(&writer);
    gguf_close(&gguf);
    return status;
}

static void test_variants(Test *test, const char *path)
{
    const Variant variants[] = {
        {add_yarn, TMB_UNSUPPORTED, "yarn"},
        {add_experts, TMB_UNSUPPORTED, "experts"},
        {add_window, TMB_UNSUPPORTED, "sliding-window"},
        {add_value_length, TMB_UNSUPPORTED, "12 values"},
        {add_tokens, TMB_BAD_INPUT, "161 tokens"},
        {add_bias, TMB_UNSUPPORTED, "blk.0.attn_q.bias"},
        {add_bad_factors, TMB_BAD_INPUT, "rope_freqs.weight"},
    };
    for (size_t i = 0; i < COUNT_OF(variants); i++) {
        Model *model = NULL;
        CHECK_OK(test, write_variant(path, variants[i].add));
        CHECK_STATUS(test, variants[i].status, model_open("variant.gguf", &model));
        CHECK_SAYS(test, variants[i].says);
        model_close(&model);
    }
}

/* Linear scaling divides positions; Llama 3's factors divide frequencies. */
static void test_scaling(Test *test, const char *path)
{
    static const double factors[8] = {1, 1, 1, 2, 4, 8, 8, 8};
    static const struct {
        void (*add)(GgufWriter *);
        double positions;
        bool frequencies;
    } cases[] = {
        {add_linear, 4, false},         {add_factors, 1, true},       {add_old_linear, 2, false},
        {add_untyped_factor, 4, true},  {add_unused_factor, 1, false},
    };
    for (size_t c = 0; c < COUNT_OF(cases); c++) {
        Model *model = NULL;
        float table[6 * 16];
        CHECK_OK(test, write_variant(path, cases[c].add));
        REQUIRE(test, CHECK_OK(test, model_open("variant.gguf", &model)));
        model_rope_table(model, 6, table);
        for (uint32_t i = 0; i < 8; i++) {
            double angle = 5 * pow(10000, -2.0 * i / 16) / cases[c].positions;
            angle /= cases[c].frequencies ? factors[i] : 1;
            CHECK_NEAR(test, cos(angle), table[5 * 16 + 2 * i], 1e-7);
        }
        model_close(&model);
    }
    CHECK_OK(test, os_remove("variant.gguf"));
}

static void test_lora(Test *test, const Model *model)
{
    Lora *lora = NULL;
    CHECK_STATUS(test, TMB_USAGE, lora_create(model, &(LoraParams){.targets = "q,lm_head"}, 0, &lora));
    CHECK_SAYS(test, "head");
    CHECK_STATUS(test, TMB_USAGE, lora_create(model, &(LoraParams){.targets = "q,w2"}, 0, &lora));
    CHECK_SAYS(test, "w2");
    CHECK_STATUS(test, TMB_USAGE, lora_create(model, &(LoraParams){.rank = 500}, 0, &lora));
    CHECK_SAYS(test, "rank 500");
    CHECK_STATUS(test, TMB_USAGE, lora_create(model, &(LoraParams){.alpha = -1}, 0, &lora));
    REQUIRE(test, CHECK_OK(test, lora_create(model, &(LoraParams){.rank = 8, .targets = "v_proj,q"},
                                             0, &lora)));
    CHECK_STRING(test, "q_proj,v_proj", lora_targets(lora));
    CHECK(test, lora_count(lora) == 4 && lora_alpha(lora) == 16 && lora_rank(lora) == 8);
    CHECK_STRING(test, "blk.0.attn_v.weight", lora_linear(lora, 1)->name);
    const Parameters *set = lora_parameters(lora);
    CHECK_STRING(test, "blk.0.attn_q.weight.lora_b", set->items[1].name);
    CHECK(test, set->items[0].rows == 8 && set->items[0].cols == 64);
    Rng rng;
    float values[8 * 64];
    double sum = 0, largest = 0;
    rng_init(&rng, 3);
    lora_initial(lora, 0, &rng, values);
    for (uint32_t i = 0; i < COUNT_OF(values); i++) {
        sum += values[i];
        largest = fmax(largest, fabs(values[i]));
    }
    CHECK(test, largest <= 0.125 && largest > 0.12 && fabs(sum) < 5);
    lora_initial(lora, 1, &rng, values);
    CHECK(test, values[0] == 0 && values[511] == 0);
    lora_destroy(&lora);
}

static void test_rope(Test *test, const Model *model)
{
    float table[5 * 16];
    model_rope_table(model, 5, table);
    for (uint32_t i = 0; i < 8; i++) {
        double angle = 3 * pow(10000, -2.0 * i / 16);
        CHECK_NEAR(test, cos(angle), table[3 * 16 + 2 * i], 1e-7);
        CHECK_NEAR(test, sin(angle), table[3 * 16 + 2 * i + 1], 1e-7);
    }
}

static void test_weights(Test *test, const Model *model)
{
    float rows[2 * 64];
    CHECK_OK(test, model_weight_rows(model, "blk.1.attn_q.weight", 62, 2, rows));
    CHECK_STATUS(test, TMB_USAGE, model_weight_rows(model, "blk.1.attn_q.weight", 63, 2, rows));
    CHECK_STATUS(test, TMB_BAD_INPUT, model_weight_rows(model, "blk.9.attn_q.weight", 0, 1, rows));
    Graph *graph = NULL;
    ModelBuild build = {.mode = MODEL_EVAL, .row_tokens = 0};
    CHECK_STATUS(test, TMB_USAGE, model_build(model, &build, &graph));
    build.row_tokens = 257;
    CHECK_STATUS(test, TMB_USAGE, model_build(model, &build, &graph));
    CHECK_SAYS(test, "256");
}

int main(int argc, char **argv)
{
    Test test = {.name = "files"};
    Model *model = NULL;
    char path[1024];
    if (argc < 2)
        return 2;
    snprintf(path, sizeof path, "%s/random.gguf", argv[1]);
    test_damage(&test, path);
    test_variants(&test, path);
    test_scaling(&test, path);
    if (CHECK_OK(&test, model_open(path, &model))) {
        const ModelConfig *config = model_config(model);
        CHECK(&test, config->layers == 2 && config->hidden == 64 && config->tied);
        test_lora(&test, model);
        test_rope(&test, model);
        test_weights(&test, model);
    }
    model_close(&model);
    return test_end(&test);
}

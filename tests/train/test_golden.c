/* LoRA on small models against PEFT (golden/peft_steps*.json, made by peft_steps.py): the first
 * step's gradients with A and B drawn, then 30 optimizer steps loss by loss. The same batch
 * in other packings must give the same loss and gradients.
 * Usage: test_golden MODEL GOLDEN [single|both]: the last one puts the products on matrix
 * units, from operands in f32 or also in f16 (tests/matrix.h). Then it is PEFT with operands
 * rounded to f16 that must be met, which the golden file has, too. */
#include <stdlib.h>

#include "matrix.h"

#include "test.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"
#include "train/engine.h"
#include "train/schedule.h"

typedef struct Golden {
    cJSON *json;
    JsonAt at;
    Tokens *examples;
    size_t example_count;
    double alpha, rate, decay, clip;
    uint32_t rank, steps, warmup;
} Golden;

/* Relative differences that are allowed. f16 operands leave 11 bits. An error e in an operand takes
 * a share of its values to the other neighbour in f16 and grows to the size of the rounding itself
 * within a few layers (tests/model/test_half.c): rounded on the device, a step may differ from PEFT's
 * rounded one as much as that differs from f32, which is 2e-4 of the loss and 4e-3 of the worst
 * tensor's gradient; twice that is allowed. In 30 steps it makes 1.4e-4 of a loss and 7e-4 of a norm,
 * less than is allowed in f32. */
typedef struct Tolerance {
    double loss, gradient, step_loss, step_norm;   /* against PEFT */
    double packed_loss, packed_gradient;           /* one packing against another */
} Tolerance;

static const Tolerance single_precision = {1e-5, 1e-4, 1e-3, 1e-2, 1e-6, 1e-5};
static const Tolerance rounded = {4e-4, 8e-3, 1e-3, 1e-2, 1e-6, 1e-5};

typedef struct Setup {
    unsigned matrix;         /* bits of matrix.h */
    const Tolerance *allowed;
    JsonAt golden_at;        /* of losses, norms and gradients: `golden.at` or what is rounded there */
    Gpu *gpu;
    Model *model;
    Lora *lora;
    Engine *engine;
    Golden golden;
} Setup;

/* ---- the golden file ---------------------------------------------------- */

static tmb_status read_example(const JsonAt *at, Tokens *example)
{
    JsonAt ids;
    uint64_t first, id;
    TRY(json_u64(at, "first", &first));
    TRY(json_array(at, "ids", &ids));
    for (size_t i = 0; i < json_count(&ids); i++) {
        JsonAt item = json_element(&ids, i);
        TRY(json_as_u64(&item, &id));
        tokens_push(example, (uint32_t)id, i >= first);
    }
    return TMB_OK;
}

static tmb_status read_golden(const char *path, Golden *golden)
{
    JsonAt examples;
    TRY(json_read_file(path, &golden->json));
    golden->at = json_at(path, golden->json);
    TRY(json_double(&golden->at, "alpha", &golden->alpha));
    TRY(json_double(&golden->at, "rate", &golden->rate));
    TRY(json_double(&golden->at, "decay", &golden->decay));
    TRY(json_double(&golden->at, "clip", &golden->clip));
    TRY(json_u32(&golden->at, "rank", &golden->rank));
    TRY(json_u32(&golden->at, "steps", &golden->steps));
    TRY(json_u32(&golden->at, "warmup", &golden->warmup));
    TRY(json_array(&golden->at, "examples", &examples));
    golden->example_count = json_count(&examples);
    golden->examples = MEM_NEW_ARRAY(Tokens, golden->example_count);
    for (size_t i = 0; i < golden->example_count; i++) {
        JsonAt item = json_element(&examples, i);
        TRY(read_example(&item, &golden->examples[i]));
    }
    return TMB_OK;
}

static double number_at(const JsonAt *at, const char *key, size_t index)
{
    JsonAt array, item;
    double value = NAN;
    if (json_array(at, key, &array) == TMB_OK) {
        item = json_element(&array, index);
        if (json_as_double(&item, &value) != TMB_OK)
            value = NAN;
    }
    return value;
}

/* The examples of a step; list has room for 64. */
static uint32_t step_examples(const Golden *golden, size_t step, const Tokens **list)
{
    JsonAt order, items;
    uint64_t index;
    if (json_array(&golden->at, "order", &order) != TMB_OK)
        return 0;
    items = json_element(&order, step);
    for (size_t i = 0; i < json_count(&items); i++) {
        JsonAt item = json_element(&items, i);
        if (json_as_u64(&item, &index) != TMB_OK)
            return 0;
        list[i] = &golden->examples[index];
    }
    return (uint32_t)json_count(&items);
}

/* ---- the adapter's start, as peft_steps.py draws it ---------------------- */

static double start_value(uint64_t at, uint64_t salt)
{
    uint64_t x = (at + salt * 1000003) * 2654435761u & 0xffffffffu;
    x ^= x >> 15;
    x = x * 2246822519u & 0xffffffffu;
    x ^= x >> 13;
    return (double)x / 0x1p31 - 1.0;
}

static tmb_status set_start(Setup *setup, bool with_b)
{
    const Parameters *parameters = lora_parameters(setup->lora);
    for (uint32_t i = 0; i < parameters->count; i++) {
        const Parameter *parameter = &parameters->items[i];
        uint64_t count = parameter->rows * parameter->cols;
        float *values = MEM_NEW_ARRAY(float, count);
        double scale = i % 2 ? (with_b ? 0.1 : 0) : 1 / sqrt((double)parameter->cols);
        for (uint64_t j = 0; j < count; j++)
            values[j] = (float)(scale * start_value(j, i));
        tmb_status status = store_set(engine_store(setup->engine), LIFE_PARAMETER, parameter,
                                      values);
        free(values);
        TRY(status);
    }
    return TMB_OK;
}

static tmb_status make_engine(Setup *setup, uint32_t row_tokens, int recompute)
{
    EngineParams params = {.gpu = setup->gpu, .model = setup->model, .lora = setup->lora,
                           .row_tokens = row_tokens, .train = true, .recompute = recompute};
    engine_destroy(&setup->engine);
    return engine_create(&params, &setup->engine);
}

static tmb_status open_device(const Setup *setup, uint64_t vram_cap, Gpu **out)
{
    TRY(gpu_open(&(GpuParams){.vram_cap = vram_cap}, out));
    matrix_trust(*out, setup->matrix);
    return TMB_OK;
}

static bool is_used(const Engine *engine, const char *row)
{
    char name[80];
    uint32_t count;
    const char *const *lines = engine_kernels(engine, &count);
    snprintf(name, sizeof name, ": %s ", row);
    for (uint32_t i = 0; i < count; i++)
        if (strstr(lines[i], name))
            return true;
    return false;
}

static bool has_weights(const Model *model, Dtype dtype)
{
    const Gguf *gguf = model_gguf(model);
    for (size_t i = 0; i < gguf_tensor_count(gguf); i++)
        if (gguf_tensor(gguf, i)->dtype == dtype)
            return true;
    return false;
}

/* Whether this model has work for the row: attention wants heads of 16, and rows that decode weights
 * on the way are of one type. */
static bool has_work(const Model *model, const KernelRow *row)
{
    if (row->instead[0])
        return has_weights(model, row->bind[1].dtype);
    return model_config(model)->head_dim % 16 == 0 || !strstr(row->name, "attention");
}

/* The step is made of all rows on matrix units that are trusted, and of no others. */
static void check_kernels(Test *test, const Setup *setup)
{
    for (size_t i = 0; i < kernel_count(); i++) {
        const KernelRow *row = kernel_at(i);
        if (!(row->needs & GPU_CAP_COOPMAT) || !row->probe)
            continue;
        bool wanted = kernel_trusted(gpu_caps(setup->gpu), row) && has_work(setup->model, row);
        if (!CHECK(test, is_used(setup->engine, row->name) == wanted))
            printf("  %s is %s\n", row->name, wanted ? "not used" : "used");
    }
    CHECK(test, is_used(setup->engine, "matmul_nt_coopmat") == (setup->matrix != MATRIX_NONE));
}

/* Loss and gradients of a step, packed `together` examples to a batch. */
static tmb_status accumulate(Setup *setup, const Tokens *const *list, uint32_t count,
                             uint32_t together, uint32_t row_tokens, double *loss)
{
    static float losses[4096];
    uint64_t supervised = 0;
    double sum = 0;
    for (uint32_t i = 0; i < count; i++)
        for (size_t j = 1; j < list[i]->count; j++)
            supervised += list[i]->supervised[j];
    TRY(engine_begin(setup->engine));
    for (uint32_t first = 0; first < count; first += together) {
        Batch batch;
        uint32_t taken = count - first < together ? count - first : together;
        batch_pack(&batch, list + first, NULL, taken, row_tokens);
        for (uint32_t r = 0; r < batch.count; r++) {
            TRY(engine_row(setup->engine, &batch.rows[r], 1.0 / (double)supervised, losses));
            for (uint32_t i = 0; i < batch.rows[r].labels; i++)
                sum += (double)losses[i];
        }
        batch_finish(&batch);
    }
    *loss = sum / (double)supervised;
    return TMB_OK;
}

/* All gradients one after another, malloc'd. */
static float *gradients(Setup *setup, uint64_t *count)
{
    const Parameters *parameters = lora_parameters(setup->lora);
    *count = 0;
    for (uint32_t i = 0; i < parameters->count; i++)
        *count += parameters->items[i].rows * parameters->items[i].cols;
    float *values = MEM_NEW_ARRAY(float, *count), *to = values;
    for (uint32_t i = 0; i < parameters->count; i++) {
        if (store_get(engine_store(setup->engine), LIFE_GRADIENT, &parameters->items[i], to))
            values[0] = NAN;
        to += parameters->items[i].rows * parameters->items[i].cols;
    }
    return values;
}

/* ---- the checks --------------------------------------------------------- */

static void first_gradients(Test *test, Setup *setup)
{
    const Tokens *list[64];
    const Parameters *parameters = lora_parameters(setup->lora);
    uint32_t count = step_examples(&setup->golden, 0, list);
    uint64_t values;
    double loss, wanted, worst = 0;
    JsonAt golden, tensors;
    REQUIRE_OK(test, make_engine(setup, 128, 0));
    check_kernels(test, setup);
    REQUIRE_OK(test, set_start(setup, true));
    REQUIRE_OK(test, accumulate(setup, list, count, count, 128, &loss));
    REQUIRE_OK(test, json_object(&setup->golden_at, "gradients", &golden));
    REQUIRE_OK(test, json_object(&golden, "tensors", &tensors));
    REQUIRE_OK(test, json_double(&golden, "loss", &wanted));
    CHECK_NEAR(test, wanted, loss, setup->allowed->loss * wanted);
    float *got = gradients(setup, &values), *at = got;
    for (uint32_t i = 0; i < parameters->count; i++) {
        uint64_t elements = parameters->items[i].rows * parameters->items[i].cols;
        double squares = 0, probe = 0;
        for (uint64_t j = 0; j < elements; j++) {
            squares += (double)at[j] * (double)at[j];
            probe += (double)at[j] * start_value(j, 999);
        }
        double norm = number_at(&tensors, parameters->items[i].name, 0);
        double along = number_at(&tensors, parameters->items[i].name, 1);
        CHECK_NEAR(test, norm, sqrt(squares), setup->allowed->gradient * norm);
        CHECK_NEAR(test, along, probe, setup->allowed->gradient * norm);
        worst = fmax(worst, fmax(fabs(along - probe), fabs(norm - sqrt(squares))) / norm);
        at += elements;
    }
    free(got);
    printf("first gradients against PEFT: loss differs by %.2g, the worst gradient by %.2g\n",
           fabs(loss - wanted) / wanted, worst);
}

static void thirty_steps(Test *test, Setup *setup)
{
    const Golden *golden = &setup->golden;
    const Schedule *schedule;
    double worst = 0, worst_norm = 0, loss;
    REQUIRE_OK(test, schedule_find("cosine", &schedule));
    REQUIRE_OK(test, make_engine(setup, 128, 0));
    REQUIRE_OK(test, set_start(setup, false));
    for (uint32_t step = 0; step < golden->steps; step++) {
        const Tokens *list[64];
        uint32_t count = step_examples(golden, step, list);
        REQUIRE_OK(test, accumulate(setup, list, count, count, 128, &loss));
        EngineUpdate update = {.step = step + 1u, .weight_decay = golden->decay,
            .max_norm = golden->clip,
            .learning_rate = schedule_rate(schedule, golden->rate, step, golden->warmup,
                                           golden->steps)};
        REQUIRE_OK(test, engine_update(setup->engine, &update));
        CHECK(test, update.finite && !update.culprit);
        double wanted = number_at(&setup->golden_at, "losses", step);
        double norm = number_at(&setup->golden_at, "norms", step);
        CHECK_NEAR(test, wanted, loss, setup->allowed->step_loss * wanted);
        worst = fmax(worst, fabs(loss - wanted) / wanted);
        worst_norm = fmax(worst_norm, fabs(update.norm - norm) / norm);
    }
    CHECK(test, worst_norm < setup->allowed->step_norm);
    printf("30 steps against PEFT: largest relative difference of a loss %.2g, of a gradient "
           "norm %.2g\n", worst, worst_norm);
}

static double relative_difference(const float *a, const float *b, uint64_t count)
{
    double difference = 0, norm = 0;
    for (uint64_t i = 0; i < count; i++) {
        difference += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        norm += (double)a[i] * (double)a[i];
    }
    return sqrt(difference / norm);
}

/* Eight examples: all in one row, or one by one, in rows of other lengths, with everything
 * recomputed. Loss and gradients differ by rounding only. */
static void packings_agree(Test *test, Setup *setup)
{
    static const struct {
        uint32_t row_tokens, together;
        int recompute;
        bool same_bits;
    } ways[] = {{512, 8, 0, true}, {512, 8, 1, true}, {512, 8, 2, true}, {512, 1, 0, false},
                {256, 8, 0, false}, {64, 8, 0, false}};
    const Tokens *list[64];
    double first_loss = 0, loss, worst = 0;
    float *first = NULL;
    uint64_t count;
    uint32_t taken = step_examples(&setup->golden, 0, list);
    taken += step_examples(&setup->golden, 1, list + taken);
    for (size_t way = 0; way < COUNT_OF(ways); way++) {
        REQUIRE_OK(test, make_engine(setup, ways[way].row_tokens, ways[way].recompute));
        REQUIRE_OK(test, set_start(setup, true));
        REQUIRE_OK(test, accumulate(setup, list, taken, ways[way].together,
                                    ways[way].row_tokens, &loss));
        float *got = gradients(setup, &count);
        if (!first) {
            first = got;
            first_loss = loss;
            continue;
        }
        double apart = relative_difference(first, got, count);
        CHECK_NEAR(test, first_loss, loss, setup->allowed->packed_loss * first_loss);
        if (!CHECK(test, apart <= setup->allowed->packed_gradient))
            printf("  way %zu: gradients differ by %.2g\n", way, apart);
        worst = fmax(worst, apart);
        if (ways[way].same_bits)
            CHECK(test, !memcmp(first, got, count * sizeof *got));
        free(got);
    }
    free(first);
    printf("other packings: gradients differ by %.2g at most\n", worst);
}

/* What the plan says is what is allocated; less memory means more recomputation and the same
 * bits, or a refusal before anything is loaded. */
static void memory_caps(Test *test, Setup *setup)
{
    const Tokens *list[64];
    uint32_t count = step_examples(&setup->golden, 0, list);
    EngineParams params = {.gpu = setup->gpu, .model = setup->model, .lora = setup->lora,
                           .row_tokens = 512, .train = true};
    EngineFit roomy, tight;
    REQUIRE_OK(test, engine_fit(&params, &roomy));
    params.recompute = 2;
    REQUIRE_OK(test, engine_fit(&params, &tight));
    CHECK(test, tight.totals.total < roomy.totals.total);
    const uint64_t caps[] = {roomy.totals.total, (roomy.totals.total + tight.totals.total) / 2,
                             tight.totals.total, tight.totals.total * 9 / 10};
    double first_loss = 0, loss = 0;
    for (size_t i = 0; i < COUNT_OF(caps); i++) {
        Setup capped = *setup;
        capped.engine = NULL;
        REQUIRE_OK(test, open_device(setup, caps[i], &capped.gpu));
        tmb_status status = make_engine(&capped, 512, -1);
        if (i == 3) {
            CHECK_STATUS(test, TMB_OUT_OF_DEVICE, status);
            CHECK(test, gpu_memory(capped.gpu).peak == 0);
        } else if (CHECK_OK(test, status)) {
            uint64_t planned = engine_plan(capped.engine)->totals.total;
            uint64_t used = gpu_memory(capped.gpu).used;
            CHECK(test, used <= caps[i]);
            CHECK_NEAR(test, 1, (double)used / (double)planned, 0.05);
            CHECK_OK(test, set_start(&capped, true));
            CHECK_OK(test, accumulate(&capped, list, count, count, 512, &loss));
            first_loss = i ? first_loss : loss;
            CHECK(test, loss == first_loss);
        }
        engine_destroy(&capped.engine);
        gpu_close(&capped.gpu);
    }
}

/* An adapter with an infinite value: the step is refused, named, and changes nothing. */
static void not_finite(Test *test, Setup *setup)
{
    const Parameter *b = &lora_parameters(setup->lora)->items[5];
    const Tokens *list[64];
    uint32_t count = step_examples(&setup->golden, 0, list);
    uint64_t elements = b->rows * b->cols;
    float *values = MEM_NEW_ARRAY(float, elements), *after = MEM_NEW_ARRAY(float, elements);
    double loss;
    for (uint64_t i = 0; i < elements; i++)
        values[i] = i == 3 ? INFINITY : 0.01f;
    REQUIRE_OK(test, make_engine(setup, 128, 0));
    REQUIRE_OK(test, set_start(setup, true));
    CHECK_OK(test, store_set(engine_store(setup->engine), LIFE_PARAMETER, b, values));
    CHECK_OK(test, accumulate(setup, list, count, count, 128, &loss));
    CHECK(test, !isfinite(loss));
    EngineUpdate update = {.step = 1, .learning_rate = 0.1, .max_norm = 1};
    CHECK_OK(test, engine_update(setup->engine, &update));
    CHECK(test, !update.finite && update.culprit != NULL);
    CHECK_OK(test, store_get(engine_store(setup->engine), LIFE_PARAMETER, b, after));
    CHECK(test, !memcmp(values, after, elements * sizeof *values));
    free(values);
    free(after);
}

static void all(Test *test, Setup *setup, const char *model, const char *golden)
{
    REQUIRE_OK(test, read_golden(golden, &setup->golden));
    setup->golden_at = setup->golden.at;
    if (setup->matrix)
        REQUIRE_OK(test, json_object(&setup->golden.at, "rounded", &setup->golden_at));
    setup->allowed = setup->matrix ? &rounded : &single_precision;
    REQUIRE_OK(test, model_open(model, &setup->model));
    LoraParams params = {.rank = setup->golden.rank, .alpha = (float)setup->golden.alpha};
    REQUIRE_OK(test, lora_create(setup->model, &params, gpu_caps(setup->gpu)->storage_range,
                                 &setup->lora));
    first_gradients(test, setup);
    thirty_steps(test, setup);
    packings_agree(test, setup);
    memory_caps(test, setup);
    not_finite(test, setup);
}

int main(int argc, char **argv)
{
    Test test = {.name = "golden"};
    Setup setup = {0};
    setup.matrix = argc > 3 ? matrix_rows(argv[3]) : MATRIX_NONE;
    tmb_status status = open_device(&setup, 0, &setup.gpu);
    if (argc < 3 || !os_exists(argv[1]))
        test_skip(&test, "the model is not here");
    else if (status == TMB_NO_DEVICE)
        test_skip(&test, tmb_last_error());
    else if (CHECK_OK(&test, status) && matrix_here(&test, setup.gpu, setup.matrix))
        all(&test, &setup, argv[1], argv[2]);
    engine_destroy(&setup.engine);
    lora_destroy(&setup.lora);
    model_close(&setup.model);
    gpu_close(&setup.gpu);
    for (size_t i = 0; i < setup.golden.example_count; i++)
        tokens_finish(&setup.golden.examples[i]);
    free(setup.golden.examples);
    cJSON_Delete(setup.golden.json);
    return test_end(&test);
}

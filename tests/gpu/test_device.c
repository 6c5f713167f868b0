/* The device layer on a real device: copies, order, splitting, limits, profile. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/os.h"
#include "base/rng.h"
#include "kernels/kernel.h"
#include "rmsnorm.push.h"
#include "test.h"

enum { ROWS = 333, COLS = 96 };
#define MIB (1024ull * 1024)

/* Buffers and inputs of one rmsnorm_fwd. */
typedef struct Norm {
    GpuBuffer *x, *w, *y, *rstd;
    float *host_x, *host_w;
    RmsnormPush push;
} Norm;

static tmb_status norm_create(Gpu *gpu, uint32_t rows, Norm *norm)
{
    const uint64_t count = (uint64_t)rows * COLS;
    Rng rng;
    rng_init(&rng, 7);
    *norm = (Norm){.push = {.rows = rows, .cols = COLS, .eps = 1e-5f}};
    norm->host_x = MEM_NEW_ARRAY(float, count);
    norm->host_w = MEM_NEW_ARRAY(float, COLS);
    for (uint64_t i = 0; i < count; i++)
        norm->host_x[i] = (float)rng_normal(&rng);
    for (uint64_t i = 0; i < COLS; i++)
        norm->host_w[i] = (float)rng_normal(&rng);
    TRY(gpu_buffer_create(gpu, count * 4, GPU_HEAP_DEVICE, "x", &norm->x));
    TRY(gpu_buffer_create(gpu, COLS * 4, GPU_HEAP_DEVICE, "w", &norm->w));
    TRY(gpu_buffer_create(gpu, count * 4, GPU_HEAP_DEVICE, "y", &norm->y));
    TRY(gpu_buffer_create(gpu, rows * 4, GPU_HEAP_DEVICE, "rstd", &norm->rstd));
    TRY(gpu_upload(gpu, norm->x, 0, norm->host_x, count * 4));
    return gpu_upload(gpu, norm->w, 0, norm->host_w, COLS * 4);
}

static void norm_destroy(Gpu *gpu, Norm *norm)
{
    gpu_buffer_destroy(gpu, &norm->x);
    gpu_buffer_destroy(gpu, &norm->w);
    gpu_buffer_destroy(gpu, &norm->y);
    gpu_buffer_destroy(gpu, &norm->rstd);
    free(norm->host_x);
    free(norm->host_w);
}

static GpuSlice whole(GpuBuffer *buffer)
{
    return (GpuSlice){buffer, 0, gpu_buffer_bytes(buffer)};
}

static tmb_status norm_dispatch(Gpu *gpu, const Norm *norm, GpuBuffer *x, GpuBuffer *y,
                                double flops)
{
    const KernelRow *row = kernel_by_name("rmsnorm_fwd");
    GpuDispatch dispatch = {
        .bind = {whole(x), whole(norm->w), whole(y), whole(norm->rstd)}, .flops = flops};
    TRY(kernel_pipeline(gpu, row, NULL, &dispatch.pipeline));
    memcpy(dispatch.push, &norm->push, sizeof norm->push);
    row->grid(&norm->push, &row->tuning, dispatch.groups);
    return gpu_dispatch(gpu, &dispatch);
}

static double worst_of(const Norm *norm, const float *got)
{
    const uint64_t count = (uint64_t)norm->push.rows * COLS;
    double *x = MEM_NEW_ARRAY(double, count), *y = MEM_NEW_ARRAY(double, count);
    double *w = MEM_NEW_ARRAY(double, COLS), *rstd = MEM_NEW_ARRAY(double, norm->push.rows);
    double worst = 0;
    for (uint64_t i = 0; i < count; i++)
        x[i] = norm->host_x[i];
    for (uint64_t i = 0; i < COLS; i++)
        w[i] = norm->host_w[i];
    kernel_family("rmsnorm_fwd")->reference(&norm->push, (double *const[]){x, w, y, rstd});
    for (uint64_t i = 0; i < count; i++)
        worst = fabs(y[i] - got[i]) > worst || isnan(got[i]) ? fabs(y[i] - got[i]) : worst;
    free(x);
    free(y);
    free(w);
    free(rstd);
    return worst;
}

static void bytes_survive_the_round_trip(Test *test, Gpu *gpu)
{
    const uint64_t bytes = 40 * MIB + 12;      /* more than the staging ring, ragged */
    unsigned char *sent = malloc(bytes), *got = malloc(bytes);
    GpuBuffer *buffer = NULL, *other = NULL;
    Rng rng;
    rng_init(&rng, 1);
    for (uint64_t i = 0; i < bytes; i++)
        sent[i] = (unsigned char)rng_u64(&rng);
    REQUIRE_OK(test, gpu_buffer_create(gpu, bytes, GPU_HEAP_DEVICE, "round trip", &buffer));
    REQUIRE_OK(test, gpu_buffer_create(gpu, bytes, GPU_HEAP_STAGING, "host side", &other));
    CHECK(test, gpu_buffer_host(other) != NULL);
    CHECK(test, gpu_buffer_bytes(buffer) == bytes);
    CHECK_OK(test, gpu_upload(gpu, buffer, 4, sent, bytes - 4));
    CHECK_OK(test, gpu_copy(gpu, (GpuSlice){buffer, 4, bytes - 4}, (GpuSlice){other, 0, bytes - 4}));
    CHECK_OK(test, gpu_fill(gpu, (GpuSlice){buffer, 4, 8}, 0xdeadbeef));
    CHECK_OK(test, gpu_download(gpu, buffer, 4, got, bytes - 4));
    CHECK(test, !memcmp(gpu_buffer_host(other), sent, bytes - 4));
    CHECK(test, !memcmp(got, "\xef\xbe\xad\xde\xef\xbe\xad\xde", 8));
    CHECK(test, !memcmp(got + 8, sent + 8, bytes - 12));
    CHECK_STATUS(test, TMB_FAILED, gpu_upload(gpu, buffer, bytes, sent, 4));
    CHECK_STATUS(test, TMB_FAILED,
                 gpu_copy(gpu, (GpuSlice){buffer, 0, 64}, (GpuSlice){buffer, 32, 64}));
    gpu_buffer_destroy(gpu, &buffer);
    gpu_buffer_destroy(gpu, &other);
    CHECK(test, buffer == NULL);
    free(sent);
    free(got);
}

static void a_dispatch_computes(Test *test, Gpu *gpu)
{
    Norm norm;
    float got[ROWS * COLS];
    REQUIRE_OK(test, norm_create(gpu, ROWS, &norm));
    CHECK_OK(test, gpu_fill(gpu, whole(norm.y), 0x7fc00000));
    CHECK_OK(test, norm_dispatch(gpu, &norm, norm.x, norm.y, 0));
    CHECK_OK(test, gpu_download(gpu, norm.y, 0, got, sizeof got));
    CHECK_NEAR(test, 0, worst_of(&norm, got), 1e-5);
    /* a chain of dependent dispatches, to and fro: the same as waiting in between */
    float chained[ROWS * COLS], waited[ROWS * COLS];
    for (int i = 0; i < 20; i++)
        CHECK_OK(test, norm_dispatch(gpu, &norm, i % 2 ? norm.y : norm.x, i % 2 ? norm.x : norm.y, 0));
    CHECK_OK(test, gpu_download(gpu, norm.x, 0, chained, sizeof chained));
    CHECK_OK(test, gpu_upload(gpu, norm.x, 0, norm.host_x, sizeof got));
    for (int i = 0; i < 20; i++) {
        CHECK_OK(test, norm_dispatch(gpu, &norm, i % 2 ? norm.y : norm.x, i % 2 ? norm.x : norm.y, 0));
        CHECK_OK(test, gpu_wait(gpu));
    }
    CHECK_OK(test, gpu_download(gpu, norm.x, 0, waited, sizeof waited));
    CHECK(test, !memcmp(chained, waited, sizeof waited));
    norm_destroy(gpu, &norm);
}

static void misuse_is_refused(Test *test, Gpu *gpu)
{
    const KernelRow *row = kernel_by_name("rmsnorm_fwd");
    Norm norm;
    REQUIRE_OK(test, norm_create(gpu, ROWS, &norm));
    GpuDispatch dispatch = {
        .bind = {whole(norm.x), whole(norm.w), whole(norm.y), whole(norm.rstd)},
        .groups = {0, 1, 1}};
    CHECK_OK(test, kernel_pipeline(gpu, row, NULL, &dispatch.pipeline));
    CHECK_OK(test, gpu_dispatch(gpu, &dispatch));              /* nothing to do */
    dispatch.groups[0] = 65536;
    CHECK_STATUS(test, TMB_FAILED, gpu_dispatch(gpu, &dispatch));
    dispatch.groups[0] = 1;
    dispatch.bind[2].offset = 1;
    CHECK_STATUS(test, TMB_FAILED, gpu_dispatch(gpu, &dispatch));
    dispatch.bind[2].offset = gpu_caps(gpu)->offset_align;
    CHECK_STATUS(test, TMB_FAILED, gpu_dispatch(gpu, &dispatch));   /* beyond the end */
    dispatch.bind[2] = (GpuSlice){0};
    CHECK_STATUS(test, TMB_FAILED, gpu_dispatch(gpu, &dispatch));
    CHECK_OK(test, gpu_wait(gpu));
    norm_destroy(gpu, &norm);
}

/* The same norm with submits so short that it is cut into some twenty pieces. Its bindings are
 * larger than what TIMBRE_CAPS may allow. */
static void split_equals_whole(Test *test)
{
    const GpuParams calm = {.caps = "all"}, params = {.caps = "all", .submit_seconds = 5e-4};
    static float whole_y[70000 * COLS], split_y[70000 * COLS];
    Norm norm;
    Gpu *gpu = NULL;
    REQUIRE_OK(test, gpu_open(&calm, &gpu));
    CHECK_OK(test, norm_create(gpu, 70000, &norm));
    CHECK_OK(test, norm_dispatch(gpu, &norm, norm.x, norm.y, 0));
    CHECK_OK(test, gpu_download(gpu, norm.y, 0, whole_y, sizeof whole_y));
    norm_destroy(gpu, &norm);
    gpu_close(&gpu);
    REQUIRE_OK(test, gpu_open(&params, &gpu));
    CHECK_OK(test, norm_create(gpu, 70000, &norm));
    CHECK_OK(test, gpu_fill(gpu, whole(norm.y), 0x7fc00000));
    CHECK_OK(test, norm_dispatch(gpu, &norm, norm.x, norm.y, 5e7));
    CHECK_OK(test, gpu_download(gpu, norm.y, 0, split_y, sizeof split_y));
    CHECK(test, !memcmp(whole_y, split_y, sizeof whole_y));
    norm_destroy(gpu, &norm);
    gpu_close(&gpu);
}

static void the_cap_refuses(Test *test)
{
    Gpu *gpu = NULL;
    GpuBuffer *first = NULL, *second = NULL;
    REQUIRE_OK(test, gpu_open(&(GpuParams){.vram_cap = 8 * MIB}, &gpu));
    CHECK(test, gpu_caps(gpu)->heap_bytes == 8 * MIB);
    CHECK(test, gpu_memory(gpu).available <= 8 * MIB);
    CHECK_OK(test, gpu_buffer_create(gpu, 5 * MIB, GPU_HEAP_DEVICE, "first", &first));
    CHECK(test, gpu_memory(gpu).used == 5 * MIB && gpu_memory(gpu).peak == 5 * MIB);
    CHECK_STATUS(test, TMB_OUT_OF_DEVICE,
                 gpu_buffer_create(gpu, 4 * MIB, GPU_HEAP_DEVICE, "work arena", &second));
    CHECK_SAYS(test, "work arena");
    CHECK_SAYS(test, "--row-tokens");
    CHECK_SAYS(test, "--vram");
    CHECK(test, second == NULL);
    gpu_buffer_destroy(gpu, &first);
    CHECK_OK(test, gpu_buffer_create(gpu, 4 * MIB, GPU_HEAP_DEVICE, "work arena", &second));
    gpu_buffer_destroy(gpu, &second);
    CHECK(test, gpu_memory(gpu).used == 0 && gpu_memory(gpu).peak == 5 * MIB);
    gpu_close(&gpu);
}

static void times_are_kept(Test *test)
{
    Norm norm;
    Gpu *gpu = NULL;
    size_t count;
    REQUIRE_OK(test, gpu_open(&(GpuParams){.profile = true}, &gpu));
    CHECK_OK(test, norm_create(gpu, 20000, &norm));
    CHECK_OK(test, norm_dispatch(gpu, &norm, norm.x, norm.y, 100));
    CHECK_OK(test, gpu_wait(gpu));
    gpu_profile_reset(gpu);
    double begin = os_seconds();
    for (int i = 0; i < 30; i++)
        CHECK_OK(test, norm_dispatch(gpu, &norm, norm.x, norm.y, 100));
    CHECK_OK(test, gpu_wait(gpu));
    double wall = os_seconds() - begin;
    const GpuProfileRow *rows = gpu_profile(gpu, &count);
    if (gpu_caps(gpu)->bits & GPU_CAP_TIMESTAMPS) {
        REQUIRE(test, count == 1);
        CHECK(test, rows[0].dispatches == 30 && rows[0].flops == 3000);
        CHECK(test, rows[0].seconds > 0.5 * wall && rows[0].seconds < 1.05 * wall);
    }
    norm_destroy(gpu, &norm);
    gpu_close(&gpu);
}

static void a_device_is_chosen_by_name(Test *test)
{
    Gpu *gpu = NULL;
    GpuListing *list = NULL;
    size_t count = 0;
    REQUIRE_OK(test, gpu_list(&list, &count));
    CHECK(test, count > 0);
    CHECK_STATUS(test, TMB_NO_DEVICE, gpu_open(&(GpuParams){.device = "no such card"}, &gpu));
    CHECK_STATUS(test, TMB_NO_DEVICE, gpu_open(&(GpuParams){.device = "99"}, &gpu));
    CHECK_STATUS(test, TMB_USAGE, gpu_open(&(GpuParams){.caps = "nonsense"}, &gpu));
    for (size_t i = 0; i < count; i++) {
        if (list[i].problem[0])
            continue;
        char index[24];
        snprintf(index, sizeof index, "%zu", i);
        REQUIRE_OK(test, gpu_open(&(GpuParams){.device = index}, &gpu));
        CHECK_STRING(test, list[i].caps.name, gpu_caps(gpu)->name);
        CHECK(test, list[i].memory_free > 0);
        gpu_close(&gpu);
        CHECK(test, gpu == NULL);
        REQUIRE_OK(test, gpu_open(&(GpuParams){.device = list[i].caps.name}, &gpu));
        CHECK(test, strlen(gpu_why(gpu)) > 0);
        gpu_close(&gpu);
    }
    free(list);
}

/* An empty shader that asks for 64-bit floats, which we never enable: harmless to run, but
 * against the rules. Instructions as in the SPIR-V specification, word count << 16 | opcode. */
static const uint32_t undeclared_spirv[] = {
    0x07230203, 0x00010500, 0, 5, 0,
    2 << 16 | 17, 1,                                   /* OpCapability Shader */
    2 << 16 | 17, 10,                                  /* OpCapability Float64 */
    3 << 16 | 14, 0, 1,                                /* OpMemoryModel Logical GLSL450 */
    5 << 16 | 15, 5, 1, 0x6e69616d, 0,                 /* OpEntryPoint GLCompute %1 "main" */
    6 << 16 | 16, 1, 17, 1, 1, 1,                      /* OpExecutionMode %1 LocalSize 1 1 1 */
    2 << 16 | 19, 2, 3 << 16 | 33, 3, 2,               /* %2 = void, %3 = function */
    5 << 16 | 54, 2, 1, 0, 3, 2 << 16 | 248, 4,        /* %1 = OpFunction, %4 = OpLabel */
    1 << 16 | 253, 1 << 16 | 56,                       /* OpReturn, OpFunctionEnd */
};

/* Validation is silent on our own use, and loud when a rule is broken. */
/* Another process finds the same device by its number, whichever way it was chosen here. */
static void a_device_knows_its_number(Test *test)
{
    GpuListing *list = NULL;
    size_t count = 0;
    Gpu *gpu = NULL;
    char number[24];
    REQUIRE_OK(test, gpu_list(&list, &count));
    for (size_t i = 0; i < count; i++) {
        if (list[i].problem[0])
            continue;
        snprintf(number, sizeof number, "%zu", i);
        if (CHECK_OK(test, gpu_open(&(GpuParams){.device = number}, &gpu)))
            CHECK(test, gpu_index(gpu) == i);
        gpu_close(&gpu);
    }
    if (CHECK_OK(test, gpu_open(&(GpuParams){0}, &gpu))) {
        REQUIRE(test, gpu_index(gpu) < count);
        CHECK_STRING(test, list[gpu_index(gpu)].caps.name, gpu_caps(gpu)->name);
    }
    gpu_close(&gpu);
    free(list);
}

static void validation_is_heard(Test *test)
{
    Gpu *gpu = NULL;
    GpuPipeline *pipeline = NULL;
    tmb_status status = gpu_open(&(GpuParams){.validate = true}, &gpu);
    if (status == TMB_UNSUPPORTED) {
        test_skip(test, tmb_last_error());
        return;
    }
    REQUIRE_OK(test, status);
    a_dispatch_computes(test, gpu);
    bytes_survive_the_round_trip(test, gpu);
    CHECK_OK(test, gpu_wait(gpu));
    const GpuPipelineInfo info = {.name = "undeclared", .spirv = undeclared_spirv,
                                  .spirv_bytes = sizeof undeclared_spirv};
    CHECK_OK(test, gpu_pipeline_get(gpu, &info, &pipeline));
    CHECK_STATUS(test, TMB_FAILED, gpu_wait(gpu));
    CHECK_SAYS(test, "Float64");
    CHECK_OK(test, gpu_wait(gpu));             /* said once */
    gpu_close(&gpu);
}

int main(void)
{
    Test test = {.name = "gpu device"};
    Gpu *gpu = NULL;
    tmb_status status = gpu_open(&(GpuParams){0}, &gpu);
    if (status == TMB_NO_DEVICE) {
        test_skip(&test, tmb_last_error());
        return test_end(&test);
    }
    if (CHECK_OK(&test, status)) {
        printf("%s\n", gpu_why(gpu));
        bytes_survive_the_round_trip(&test, gpu);
        a_dispatch_computes(&test, gpu);
        misuse_is_refused(&test, gpu);
        gpu_close(&gpu);
        split_equals_whole(&test);
        the_cap_refuses(&test);
        times_are_kept(&test);
        a_device_is_chosen_by_name(&test);
        a_device_knows_its_number(&test);
        validation_is_heard(&test);
    }
    return test_end(&test);
}

/* Products that decode their weight in the tile give the bits of an expansion and the plain product with
 * its result, forward and backward: f32 tiles for every type, f16 operands where the device has
 * matrix units, and emulated ones for the types that have them. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "expand.push.h"
#include "kernels/decode.h"
#include "kernels/kernel.h"
#include "matmul.push.h"
#include "device.h"
#include "test.h"

/* a, the stored weight, the expanded one, c, scales of a's rows */
enum { A, STORED, WIDE, C, SCALE, BUFFERS };

typedef struct Product {
    Test *test;
    Gpu *gpu;
    Dtype dtype;
    bool nt, half;
    MatmulPush push;
    uint64_t count[BUFFERS];      /* elements of 4 bytes */
    GpuBuffer *buffer[BUFFERS];
} Product;

/* 37 rows against two blocks and a half tile's worth of the other side, all in eights or none. */
static void sizes(Product *p, bool aligned)
{
    const uint32_t block = dtype_info(p->dtype)->block, along = 2 * block, other = aligned ? 72 : 75;
    const uint32_t n = p->nt ? other : along, k = p->nt ? along : other;
    p->push = (MatmulPush){.m = 37, .n = n, .k = k, .a_stride = k, .b_stride = along, .c_stride = n,
                           .alpha = 1};
    p->count[A] = (uint64_t)37 * k;
    p->count[STORED] = (dtype_bytes(p->dtype, (uint64_t)n * k) + 3) / 4;
    p->count[WIDE] = (uint64_t)n * k;
    p->count[C] = (uint64_t)37 * n;
    p->count[SCALE] = 37;
}

/* Numbers around one, as f32 or as pairs of f16. */
static void draw(uint32_t *words, uint64_t count, bool half, uint64_t seed)
{
    Rng rng;
    rng_init(&rng, seed);
    for (uint64_t i = 0; i < count; i++) {
        float value = (float)rng_normal(&rng);
        memcpy(&words[i], &value, sizeof value);
        if (half)
            words[i] = float_to_half(value) | (uint32_t)float_to_half((float)rng_normal(&rng)) << 16;
    }
}

static void draw_blocks(const Product *p, uint32_t *words)
{
    double *wide = MEM_NEW_ARRAY(double, p->count[STORED]);
    decode_random_blocks(p->dtype, wide, p->count[STORED], 3);
    for (uint64_t i = 0; i < p->count[STORED]; i++)
        words[i] = (uint32_t)wide[i];
    free(wide);
}

static tmb_status fill(Product *p)
{
    for (unsigned b = 0; b < BUFFERS; b++) {
        uint32_t *words = MEM_NEW_ARRAY(uint32_t, p->count[b]);
        if (b == STORED)
            draw_blocks(p, words);
        else
            draw(words, p->count[b], p->half && b == A, b + 1);
        tmb_status status = gpu_buffer_create(p->gpu, p->count[b] * 4, GPU_HEAP_DEVICE, "operand", &p->buffer[b]);
        if (status == TMB_OK)
            status = gpu_upload(p->gpu, p->buffer[b], 0, words, p->count[b] * 4);
        free(words);
        TRY(status);
    }
    return TMB_OK;
}

static tmb_status dispatch(const Product *p, const KernelRow *row, const void *push, size_t push_bytes,
                           const unsigned *order)
{
    GpuDispatch dispatch = {0};
    KernelTuning tuning;
    if (!kernel_fit(gpu_caps(p->gpu), row, NULL, push, &tuning))
        return fail(TMB_UNSUPPORTED, "no tuning of %s fits", row->name);
    TRY(kernel_pipeline(p->gpu, row, &tuning, &dispatch.pipeline));
    for (uint32_t i = 0; i < kernel_bind_count(row); i++)
        dispatch.bind[i] = (GpuSlice){p->buffer[order[i]], 0, p->count[order[i]] * 4};
    memcpy(dispatch.push, push, push_bytes);
    row->grid(push, &tuning, dispatch.groups);
    return gpu_dispatch(p->gpu, &dispatch);
}

/* The family's row for these types on matrix units, or the one that runs anywhere; NULL: none here. */
static const KernelRow *row_of(const Product *p, const char *family, Dtype b, bool units)
{
    const Dtype dtypes[GPU_MAX_BIND] = {p->half ? DTYPE_F16 : DTYPE_F32, b, DTYPE_F32, DTYPE_F32};
    const KernelRow *rows[16];
    KernelTuning tuning;
    size_t count = kernel_candidates(family, dtypes, gpu_caps(p->gpu), rows, COUNT_OF(rows));
    for (size_t i = 0; i < count; i++)
        if (((rows[i]->needs & GPU_CAP_COOPMAT) != 0) == units && !(rows[i]->needs & GPU_CAP_CPU) &&
            (!rows[i]->suits || rows[i]->suits(&p->push)) &&
            kernel_fit(gpu_caps(p->gpu), rows[i], NULL, &p->push, &tuning))
            return rows[i];
    return NULL;
}

static tmb_status expanded(const Product *p, const KernelRow *plain, float *c)
{
    const unsigned expand[] = {STORED, WIDE}, multiply[] = {A, WIDE, C, SCALE};
    const Dtype dtypes[GPU_MAX_BIND] = {p->dtype, p->half ? DTYPE_F16 : DTYPE_F32};
    const ExpandPush all = {.count = (uint32_t)p->count[WIDE]};
    const KernelRow *row = kernel_choose(p->half ? "expand_half" : "expand", dtypes, gpu_caps(p->gpu), &all);
    TRY(dispatch(p, row, &all, sizeof all, expand));
    TRY(dispatch(p, plain, &p->push, sizeof p->push, multiply));
    return gpu_download(p->gpu, p->buffer[C], 0, c, p->count[C] * 4);
}

static tmb_status decoded(const Product *p, const KernelRow *row, float *c)
{
    const unsigned order[] = {A, STORED, C, SCALE};
    TRY(dispatch(p, row, &p->push, sizeof p->push, order));
    return gpu_download(p->gpu, p->buffer[C], 0, c, p->count[C] * 4);
}

static unsigned same_bits(Product *p, bool units)
{
    char plain_family[32], family[48];
    snprintf(plain_family, sizeof plain_family, "matmul_%s%s", p->nt ? "nt" : "nn", p->half ? "_half" : "");
    snprintf(family, sizeof family, "%s_blocks", plain_family);
    const KernelRow *plain = row_of(p, plain_family, p->half ? DTYPE_F16 : DTYPE_F32, units);
    const KernelRow *row = row_of(p, family, p->dtype, units);
    if (!plain || !row)
        return 0;
    float *want = MEM_NEW_ARRAY(float, p->count[C]), *got = MEM_NEW_ARRAY(float, p->count[C]);
    CHECK_OK(p->test, fill(p));
    CHECK_OK(p->test, expanded(p, plain, want));
    CHECK_OK(p->test, decoded(p, row, got));
    double size = 0;
    for (uint64_t i = 0; i < p->count[C]; i++)
        size += fabs(want[i]);
    CHECK(p->test, size > 0 && isfinite(size));
    if (!CHECK(p->test, !memcmp(want, got, p->count[C] * sizeof *got)))
        printf("  %s, %u x %u x %u\n", row->name, p->push.m, p->push.n, p->push.k);
    for (unsigned b = 0; b < BUFFERS; b++)
        gpu_buffer_destroy(p->gpu, &p->buffer[b]);
    free(want);
    free(got);
    return 1;
}

int main(void)
{
    Test test = {.name = "in_tile"};
    Gpu *gpu = test_device(&test, NULL);
    for (Dtype dtype = 0; gpu && dtype < DTYPE_COUNT; dtype++) {
        unsigned compared = 0;
        if (dtype_info(dtype)->block == 1)
            continue;
        for (unsigned way = 0; way < 6; way++) {
            /* f32, emulated, matrix units; forward and backward; aligned or not */
            Product p = {.test = &test, .gpu = gpu, .dtype = dtype, .nt = way % 2, .half = way >= 2};
            sizes(&p, (dtype + way) % 2);
            compared += same_bits(&p, way >= 4);
        }
        CHECK(&test, compared >= 2);
    }
    gpu_close(&gpu);
    return test_end(&test);
}

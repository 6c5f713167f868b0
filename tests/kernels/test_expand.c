/* Stored types against the gguf package: the reference decoder and every expand row on the
 * device give its f32 values bit for bit (golden/make_expand.py), and these rounded to f16. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/os.h"
#include "expand.push.h"
#include "kernels/decode.h"
#include "kernels/kernel.h"
#include "test.h"

enum { VALUES = 512 };

typedef struct Golden {
    char *data;
    const unsigned char *source;     /* VALUES of the type */
    size_t source_bytes;
    uint32_t wanted[VALUES];         /* bits of f32 */
} Golden;

static bool golden_read(Test *test, const char *folder, Dtype dtype, Golden *golden)
{
    char path[1024], lower[16] = "";
    const char *name = dtype_info(dtype)->name;
    for (size_t i = 0; name[i] && i + 1 < sizeof lower; i++)
        lower[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + 32) : name[i];
    snprintf(path, sizeof path, "%s/expand_%s.bin", folder, lower);
    size_t bytes = 0;
    *golden = (Golden){.source_bytes = dtype_bytes(dtype, VALUES)};
    if (!CHECK_OK(test, os_read_file(path, &golden->data, &bytes)) ||
        !CHECK(test, bytes == golden->source_bytes + sizeof golden->wanted))
        return false;
    golden->source = (const unsigned char *)golden->data;
    memcpy(golden->wanted, golden->source + golden->source_bytes, sizeof golden->wanted);
    return true;
}

static unsigned differing(const uint32_t *wanted, const float *got, size_t count)
{
    unsigned found = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &got[i], sizeof bits);
        if (bits != wanted[i] && !found++)
            printf("  value %zu: %08x instead of %08x\n", i, bits, wanted[i]);
    }
    return found;
}

/* As the references see the binding: one double a value, or one a word. */
static void reference_is_exact(Test *test, Dtype dtype, const Golden *golden)
{
    double *widened = MEM_NEW_ARRAY(double, VALUES);
    float got[VALUES];
    bool plain = dtype_info(dtype)->block == 1;
    size_t count = plain ? VALUES : golden->source_bytes / 4;
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        uint32_t word;
        if (plain) {
            memcpy(&half, golden->source + 2 * i, sizeof half);
            widened[i] = dtype == DTYPE_F16 ? half_to_float(half) : bfloat_to_float(half);
        } else {
            memcpy(&word, golden->source + 4 * i, sizeof word);
            widened[i] = word;
        }
    }
    for (unsigned i = 0; i < VALUES; i += 32)
        decode_reference_32(dtype, widened, i, got + i);
    if (!CHECK(test, differing(golden->wanted, got, VALUES) == 0))
        printf("  in the reference of %s\n", dtype_info(dtype)->name);
    free(widened);
}

static tmb_status expand(Gpu *gpu, const KernelRow *row, const Golden *golden,
                         const ExpandPush *push, float *got)
{
    GpuDispatch dispatch = {0};
    GpuBuffer *source = NULL, *y = NULL;
    tmb_status status = TMB_OK;
    const KernelTuning tuning = kernel_tuning(row, NULL, push);
    TRY_OR(done, status, kernel_pipeline(gpu, row, &tuning, &dispatch.pipeline));
    TRY_OR(done, status, gpu_buffer_create(gpu, golden->source_bytes, GPU_HEAP_DEVICE, "source",
                                           &source));
    TRY_OR(done, status, gpu_buffer_create(gpu, push->count * 4ull, GPU_HEAP_DEVICE, "y", &y));
    TRY_OR(done, status, gpu_upload(gpu, source, 0, golden->source, golden->source_bytes));
    dispatch.bind[0] = (GpuSlice){source, 0, golden->source_bytes};
    dispatch.bind[1] = (GpuSlice){y, 0, push->count * 4ull};
    memcpy(dispatch.push, push, sizeof *push);
    row->grid(push, &tuning, dispatch.groups);
    TRY_OR(done, status, gpu_dispatch(gpu, &dispatch));
    TRY_OR(done, status, gpu_download(gpu, y, 0, got, push->count * 4ull));
done:
    gpu_buffer_destroy(gpu, &source);
    gpu_buffer_destroy(gpu, &y);
    return status;
}

static void device_is_exact(Test *test, Gpu *gpu, Dtype dtype, const Golden *golden)
{
    const uint32_t block = dtype_info(dtype)->block;
    const Dtype dtypes[GPU_MAX_BIND] = {dtype, DTYPE_F32};
    const KernelRow *rows[8];
    size_t count = kernel_candidates("expand", dtypes, gpu_caps(gpu), rows, COUNT_OF(rows));
    CHECK(test, count > 0);
    /* all of it, and from the second block on: blocks of 18, 22, 34, 210 bytes move by half a word */
    const ExpandPush pushes[] = {{0, VALUES}, {block, VALUES - block}};
    for (size_t r = 0; r < count; r++)
        for (size_t p = 0; p < COUNT_OF(pushes); p++) {
            float got[VALUES] = {0};
            if (!CHECK_OK(test, expand(gpu, rows[r], golden, &pushes[p], got)))
                continue;
            if (!CHECK(test, differing(golden->wanted + pushes[p].first, got, pushes[p].count) == 0))
                printf("  in %s from value %u\n", rows[r]->name, pushes[p].first);
        }
}

/* The same bits as rounding on the host, but for numbers too small to be normal in f16. */
static void half_is_exact(Test *test, Gpu *gpu, Dtype dtype, const Golden *golden, uint32_t count)
{
    const Dtype dtypes[GPU_MAX_BIND] = {dtype, DTYPE_F16};
    const KernelRow *row = kernel_choose("expand_half", dtypes, gpu_caps(gpu), NULL);
    const ExpandPush push = {0, count};
    uint16_t got[2 * VALUES];
    if (!CHECK(test, row) || !CHECK_OK(test, expand(gpu, row, golden, &push, (float *)got)))
        return;
    for (uint32_t i = 0; i < count; i++) {
        float wanted;
        memcpy(&wanted, &golden->wanted[i], sizeof wanted);
        uint16_t half = float_to_half(wanted);
        bool tiny = (half & 0x7c00) == 0 && (got[i] & 0x7c00) == 0;
        if (!CHECK(test, tiny || got[i] == half))
            printf("  %s of %g: %04x instead of %04x\n", row->name, (double)wanted, got[i], half);
    }
}

/* Ties, and what f16 cannot hold: infinities and NaN stay visible. */
static void half_at_the_edges(Test *test, Gpu *gpu)
{
    const float values[] = {65504, 65519.99f, 65520, 65536, -1e5f, 3e38f, -INFINITY, INFINITY, NAN,
                            1 + 0x1p-11f, 1 + 0x3p-11f, 1 + 0x1.1p-11f, -1 - 0x1p-11f, 2 - 0x1p-12f,
                            0x1p-14f, 0x1.ffep-15f, 0x1p-26f, 0, -0.0f, 0x1.002p-14f,
                            3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
    Golden golden = {.source = (const unsigned char *)values, .source_bytes = sizeof values};
    memcpy(golden.wanted, values, sizeof values);
    half_is_exact(test, gpu, DTYPE_F32, &golden, COUNT_OF(values));        /* whole vectors */
    half_is_exact(test, gpu, DTYPE_F32, &golden, COUNT_OF(values) - 1);    /* and one by one */
}

int main(int argc, char **argv)
{
    Test test = {.name = "expand"};
    static const struct { Dtype dtype; uint32_t block; } types[] = {
        {DTYPE_F16, 1}, {DTYPE_BF16, 1},
#define KERNEL(...)
#define TYPE(name, NAME, BLOCK) {DTYPE_##NAME, BLOCK},
#include "kernels.def"
    };
    if (argc != 2) {
        printf("usage: %s GOLDEN_FOLDER\n", argv[0]);
        return 2;
    }
    Gpu *gpu = NULL;
    tmb_status status = gpu_open(&(GpuParams){0}, &gpu);
    if (status == TMB_NO_DEVICE)
        test_skip(&test, tmb_last_error());
    else
        CHECK_OK(&test, status);
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        Golden golden;
        CHECK(&test, dtype_info(types[i].dtype)->block == types[i].block);
        if (golden_read(&test, argv[1], types[i].dtype, &golden)) {
            reference_is_exact(&test, types[i].dtype, &golden);
            if (gpu)
                device_is_exact(&test, gpu, types[i].dtype, &golden);
            if (gpu && types[i].dtype != DTYPE_F16)    /* which is f16 already */
                half_is_exact(&test, gpu, types[i].dtype, &golden, VALUES);
        }
        free(golden.data);
    }
    if (gpu)
        half_at_the_edges(&test, gpu);
    gpu_close(&gpu);
    return test_end(&test);
}

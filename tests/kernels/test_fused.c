/* One dispatch gives the bits of two or three: a sum, its norm and that rounded to f16, so that
 * recomputed values, which are normed apart, equal those of the forward pass. */
#include <stdlib.h>

#include "add.push.h"
#include "base/mem.h"
#include "base/rng.h"
#include "cast_half.push.h"
#include "kernels/kernel.h"
#include "rmsnorm.push.h"
#include "device.h"
#include "test.h"

enum { TENSORS = 8, ROWS = 19 };
static const char letters[] = "abwxyrhs";

/* a, b, w, x = a + b, y = norm of x, rstd of x, y as f16 (two in a word), its scales. */
typedef struct Buffers {
    GpuBuffer *buffer[TENSORS];
    uint64_t count[TENSORS];
} Buffers;

static tmb_status fill(Gpu *gpu, Buffers *buffers, uint32_t cols)
{
    const uint64_t matrix = (uint64_t)ROWS * cols;
    const uint64_t counts[TENSORS] = {matrix, matrix, cols, matrix, matrix, ROWS,
                                      (uint64_t)ROWS * ((cols + 1) / 2), ROWS};
    float *values = MEM_NEW_ARRAY(float, matrix);
    Rng rng;
    tmb_status status = TMB_OK;
    rng_init(&rng, cols);
    for (unsigned t = 0; t < TENSORS; t++) {
        buffers->count[t] = counts[t];
        for (uint64_t i = 0; i < counts[t]; i++)
            values[i] = (float)rng_normal(&rng);
        if (!buffers->buffer[t])
            TRY_OR(done, status, gpu_buffer_create(gpu, counts[t] * 4, GPU_HEAP_DEVICE, "tensor",
                                                   &buffers->buffer[t]));
        TRY_OR(done, status, gpu_upload(gpu, buffers->buffer[t], 0, values, counts[t] * 4));
    }
done:
    free(values);
    return status;
}

/* The best row of a family on the tensors named by their letters. */
static tmb_status run(Gpu *gpu, const char *family, const void *push, size_t push_bytes,
                      const Buffers *buffers, const char *order)
{
    GpuDispatch dispatch = {0};
    const KernelRow *row = kernel_choose(family, NULL, gpu_caps(gpu), push);
    if (!row)
        return fail(TMB_UNSUPPORTED, "no kernel of family %s", family);
    KernelTuning tuning;
    if (!kernel_fit(gpu_caps(gpu), row, NULL, push, &tuning))
        return fail(TMB_UNSUPPORTED, "no tuning of %s fits the device", row->name);
    TRY(kernel_pipeline(gpu, row, &tuning, &dispatch.pipeline));
    for (unsigned i = 0; order[i]; i++) {
        unsigned t = (unsigned)(strchr(letters, order[i]) - letters);
        dispatch.bind[i] = (GpuSlice){buffers->buffer[t], 0, buffers->count[t] * 4};
    }
    memcpy(dispatch.push, push, push_bytes);
    row->grid(push, &tuning, dispatch.groups);
    return gpu_dispatch(gpu, &dispatch);
}

/* x and what follows, one after the other. */
static tmb_status results(Gpu *gpu, const Buffers *buffers, float *out)
{
    for (unsigned t = 3; t < TENSORS; out += buffers->count[t++])
        TRY(gpu_download(gpu, buffers->buffer[t], 0, out, buffers->count[t] * 4));
    return TMB_OK;
}

/* One dispatch each for a sum, its norm and the cast of it, or what one kernel does of them. */
static void same_bits(Test *test, Gpu *gpu, uint32_t cols)
{
    const AddPush add = {.count = ROWS * cols};
    const RmsnormPush norm = {.rows = ROWS, .cols = cols, .eps = 1e-5f};
    const RmsnormPush half = {.rows = ROWS, .cols = cols, .eps = 1e-5f, .keep = 1};
    const CastHalfPush cast = {.rows = ROWS, .cols = cols};
    const uint64_t count = (uint64_t)ROWS * (2 * cols + (cols + 1) / 2 + 2);
    float *apart = MEM_NEW_ARRAY(float, count), *fused = MEM_NEW_ARRAY(float, count);
    Buffers buffers[2] = {0};
    for (unsigned i = 0; i < 2; i++)
        CHECK_OK(test, fill(gpu, &buffers[i], cols));
    CHECK_OK(test, run(gpu, "add", &add, sizeof add, &buffers[0], "abx"));
    CHECK_OK(test, run(gpu, "rmsnorm_fwd", &norm, sizeof norm, &buffers[0], "xwyr"));
    CHECK_OK(test, results(gpu, &buffers[0], apart));
    CHECK_OK(test, run(gpu, "add_rmsnorm_fwd", &norm, sizeof norm, &buffers[1], "abwxyr"));
    CHECK_OK(test, results(gpu, &buffers[1], fused));
    CHECK(test, !memcmp(apart, fused, count * sizeof *apart));
    CHECK_OK(test, run(gpu, "cast_half", &cast, sizeof cast, &buffers[0], "yhs"));
    CHECK_OK(test, results(gpu, &buffers[0], apart));
    CHECK(test, memcmp(apart, fused, count * sizeof *apart));
    CHECK_OK(test, fill(gpu, &buffers[1], cols));
    CHECK_OK(test, run(gpu, "add_rmsnorm_half_fwd", &half, sizeof half, &buffers[1], "abwxyrhs"));
    CHECK_OK(test, results(gpu, &buffers[1], fused));
    CHECK(test, !memcmp(apart, fused, count * sizeof *apart));
    CHECK_OK(test, fill(gpu, &buffers[1], cols));
    CHECK_OK(test, run(gpu, "add", &add, sizeof add, &buffers[1], "abx"));
    CHECK_OK(test, run(gpu, "rmsnorm_half_fwd", &half, sizeof half, &buffers[1], "xwyrhs"));
    CHECK_OK(test, results(gpu, &buffers[1], fused));
    CHECK(test, !memcmp(apart, fused, count * sizeof *apart));
    for (unsigned i = 0; i < 2 * TENSORS; i++)
        gpu_buffer_destroy(gpu, &buffers[i / TENSORS].buffer[i % TENSORS]);
    free(apart);
    free(fused);
}

int main(void)
{
    Test test = {.name = "fused"};
    static const char *const caps[] = {NULL, "none"};
    for (size_t i = 0; i < COUNT_OF(caps); i++) {
        Gpu *gpu = test_device(&test, caps[i]);
        if (gpu) {
            same_bits(&test, gpu, 576);
            same_bits(&test, gpu, 131);
        }
        gpu_close(&gpu);
    }
    return test_end(&test);
}

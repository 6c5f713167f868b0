#include "check/check.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Room on both sides of every binding: what is written there went out of bounds. The
 * guard behind is bound too, because drivers silently drop accesses beyond a binding; it is as long
 * as a wrong stride or row may reach, and takes no time beside the kernels (4 KiB were too few). */
enum { GUARD_BYTES = 65536 };

/* What fills the guards: poison in the first run, an ordinary value of the binding's own in
 * the second. A kernel that copies NaNs from outside to outside shows in the second one, and
 * one that lets values from outside into its results gives two different ones. */
static uint32_t guard_word(Dtype dtype, uint32_t index, int run)
{
    if (!run)
        return truth_poison(dtype);
    return dtype == DTYPE_F32                               ? 0x447a0000u + 257 * index
           : dtype == DTYPE_F16 || dtype == DTYPE_BF16      ? 0x44004400u + 0x10001u * index
                                                            : 1 + index;
}

static uint64_t image_bytes(const TruthBind *bind)
{
    return bind->bytes + 2 * GUARD_BYTES;
}

static tmb_status rig_reserve(Rig *rig, uint32_t index, uint64_t bytes, const char *label)
{
    if (rig->buffer[index] && gpu_buffer_bytes(rig->buffer[index]) >= bytes)
        return TMB_OK;
    gpu_buffer_destroy(rig->gpu, &rig->buffer[index]);
    return gpu_buffer_create(rig->gpu, bytes, GPU_HEAP_DEVICE, label, &rig->buffer[index]);
}

void rig_finish(Rig *rig)
{
    for (uint32_t i = 0; i < GPU_MAX_BIND; i++)
        gpu_buffer_destroy(rig->gpu, &rig->buffer[i]);
}

void check_dispatch(const KernelRow *row, const KernelCase *one, const KernelTuning *tuning,
                    GpuPipeline *pipeline, GpuDispatch *out)
{
    *out = (GpuDispatch){.pipeline = pipeline, .label = row->name};
    memcpy(out->push, one->push, row->push_bytes);
    row->grid(one->push, tuning, out->groups);
    out->flops = row->flops ? row->flops(one->push) : 0;
}

/* The bytes of a binding with guards around, malloc'd. */
static unsigned char *image_of(const TruthBind *bind, uint32_t index, int run)
{
    unsigned char *image = mem_new(image_bytes(bind), 1);
    const uint32_t guard = guard_word(bind->dtype, index, run);
    for (uint64_t i = 0; i < GUARD_BYTES; i += 4) {
        memcpy(image + i, &guard, 4);
        memcpy(image + GUARD_BYTES + bind->bytes + i, &guard, 4);
    }
    memcpy(image + GUARD_BYTES, bind->before, bind->bytes);
    return image;
}

static tmb_status upload(Rig *rig, const KernelRow *row, const Truth *truth, int run,
                         GpuDispatch *dispatch)
{
    const uint64_t range = gpu_caps(rig->gpu)->storage_range;
    for (uint32_t i = 0; i < truth->count; i++) {
        const TruthBind *bind = &truth->bind[i];
        TRY(rig_reserve(rig, i, image_bytes(bind), row->bind[i].name));
        unsigned char *image = image_of(bind, i, run);
        tmb_status status = gpu_upload(rig->gpu, rig->buffer[i], 0, image, image_bytes(bind));
        free(image);
        TRY(status);
        uint64_t bytes = bind->bytes + GUARD_BYTES;
        bytes = bytes > range && bind->bytes <= range ? range : bytes;
        dispatch->bind[i] = (GpuSlice){rig->buffer[i], GUARD_BYTES, bytes};
    }
    return TMB_OK;
}

/* Runs once and brings back the images (guards included); free each. */
static tmb_status run_once(Rig *rig, const KernelRow *row, const Truth *truth, int run,
                           GpuDispatch *dispatch, unsigned char *images[GPU_MAX_BIND])
{
    TRY(upload(rig, row, truth, run, dispatch));
    TRY(gpu_dispatch(rig->gpu, dispatch));
    TRY(gpu_wait(rig->gpu));
    for (uint32_t i = 0; i < truth->count; i++) {
        images[i] = mem_new(image_bytes(&truth->bind[i]), 1);
        TRY(gpu_download(rig->gpu, rig->buffer[i], 0, images[i], image_bytes(&truth->bind[i])));
    }
    return TMB_OK;
}

static bool check_guards(const KernelRow *row, const Truth *truth, uint32_t index, int run,
                         const unsigned char *image, Text *problems)
{
    const TruthBind *bind = &truth->bind[index];
    const uint32_t guard = guard_word(bind->dtype, index, run);
    for (uint64_t i = 0; i < image_bytes(bind); i += 4) {
        if (i == GUARD_BYTES)
            i += bind->bytes;
        uint32_t word;
        memcpy(&word, image + i, 4);
        if (word == guard)
            continue;
        bool before = i < GUARD_BYTES;
        text_print(problems, "    %s: wrote %" PRIu64 " bytes %s its end of %" PRIu64 " elements\n",
                   row->bind[index].name,
                   before ? GUARD_BYTES - i : i - GUARD_BYTES - bind->bytes + 4,
                   before ? "before its start, not" : "beyond", bind->elements);
        return false;
    }
    return true;
}

static double ulp_distance(double got, double want)
{
    float narrow = fabsf((float)want);
    float unit = nextafterf(narrow, INFINITY) - narrow;
    return unit > 0 ? fabs(got - want) / unit : 0;
}

/* Share of the allowed error; 0 when the result is the narrowed reference itself. What must be
 * infinite has to be, with this sign: no finite number is near. */
static double error_share(const TruthBind *bind, uint64_t index, double got, double tolerance)
{
    double want = bind->want[index], other = bind->flushed ? bind->flushed[index] : want;
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got) ? 0 : INFINITY;
    /* denormals taken for zeros, in the inputs or on the way, give the other */
    if (got == truth_narrowed(bind->dtype, want) || got == truth_narrowed(bind->dtype, other))
        return 0;
    want = isfinite(want) ? want : other;
    other = isfinite(other) ? other : want;
    if (!isfinite(got) || !isfinite(want))
        return INFINITY;
    double allowed = tolerance * fmax(fabs(want), bind->scale), error = fabs(got - want);
    if (bind->flushed) {
        error = fmin(error, fabs(got - other));
        allowed += tolerance > 0 ? fabs(want - other) + ldexp(1, -100) : 0;
        error = fabs(want) < FLT_MIN && got == 0 ? 0 : error;
    }
    return error == 0 ? 0 : allowed > 0 ? error / allowed : INFINITY;
}

static double tolerance_of(const KernelRow *row, uint32_t index)
{
    return row->bind[index].tolerance > 0 ? row->bind[index].tolerance : row->tolerance;
}

static void compare(const KernelRow *row, const Truth *truth, uint32_t index,
                    const unsigned char *image, Worst *worst, uint64_t *wrong)
{
    const TruthBind *bind = &truth->bind[index];
    for (uint64_t k = 0; k < bind->elements; k++) {
        double got = truth_element(bind, image + GUARD_BYTES, k), want = bind->want[k];
        double share = error_share(bind, k, got, tolerance_of(row, index));
        *wrong += share > 1;
        if (share > worst->share)
            *worst = (Worst){row->bind[index].name, k, got, want, ulp_distance(got, want), share};
    }
}

static void judge(const KernelRow *row, const Truth *truth,
                  unsigned char *const first[GPU_MAX_BIND],
                  unsigned char *const second[GPU_MAX_BIND], Worst *worst, Text *problems)
{
    for (uint32_t i = 0; i < truth->count; i++) {
        const TruthBind *bind = &truth->bind[i];
        uint64_t wrong = 0;
        Worst here = {0};
        if (check_guards(row, truth, i, 0, first[i], problems))
            (void)check_guards(row, truth, i, 1, second[i], problems);
        if (memcmp(first[i] + GUARD_BYTES, second[i] + GUARD_BYTES, bind->bytes))
            text_print(problems, "    %s: two runs gave different bits (in the second one, other values "
                       "lie around the bindings)\n", row->bind[i].name);
        if (bind->access == GPU_READ) {
            if (memcmp(first[i] + GUARD_BYTES, bind->before, bind->bytes))
                text_print(problems, "    %s: an input was changed\n", row->bind[i].name);
            continue;
        }
        compare(row, truth, i, first[i], &here, &wrong);
        if (wrong)
            text_print(problems, "    %s: %" PRIu64 " of %" PRIu64 " elements are wrong, the worst "
                       "is [%" PRIu64 "]: got %.9g, want %.9g (%.3g ulp, %.3g x the tolerance "
                       "%.1e)%s\n", row->bind[i].name, wrong, bind->elements, here.index, here.got,
                       here.want, here.ulp, here.share, tolerance_of(row, i),
                       isnan(here.got) ? "; NaN: not written, or read from where nothing is" : "");
        *worst = here.share > worst->share ? here : *worst;
    }
}

tmb_status check_run(Rig *rig, const KernelRow *row, const KernelCase *one,
                     const KernelTuning *tuning, GpuPipeline *pipeline, const Truth *truth,
                     Worst *worst, Text *problems)
{
    unsigned char *first[GPU_MAX_BIND] = {0}, *second[GPU_MAX_BIND] = {0};
    GpuDispatch dispatch;
    tmb_status status = TMB_OK;
    *worst = (Worst){0};
    check_dispatch(row, one, tuning, pipeline, &dispatch);
    TRY_OR(done, status, run_once(rig, row, truth, 0, &dispatch, first));
    TRY_OR(done, status, run_once(rig, row, truth, 1, &dispatch, second));
    judge(row, truth, first, second, worst, problems);
done:
    for (uint32_t i = 0; i < GPU_MAX_BIND; i++) {
        free(first[i]);
        free(second[i]);
    }
    return status;
}

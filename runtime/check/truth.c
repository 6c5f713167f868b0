#include "check/truth.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

static bool is_half(Dtype dtype)
{
    return dtype == DTYPE_F16 || dtype == DTYPE_BF16;
}

static bool is_float(Dtype dtype)
{
    return dtype == DTYPE_F32 || is_half(dtype);
}

uint32_t truth_poison(Dtype dtype)
{
    /* quiet NaNs with a mark; for integers an empty span, and no index that exists */
    return dtype == DTYPE_F32 ? 0x7fc0deadu : dtype == DTYPE_F16 ? 0x7e5a7e5au
           : dtype == DTYPE_BF16 ? 0x7fda7fdau : 0xfffffff0u;
}

double truth_narrowed(Dtype dtype, double value)
{
    return dtype == DTYPE_F32    ? (double)(float)value
           : dtype == DTYPE_F16  ? (double)half_to_float(float_to_half((float)value))
           : dtype == DTYPE_BF16 ? (double)bfloat_to_float(float_to_bfloat((float)value))
                                 : value;
}

static void store(Dtype dtype, unsigned char *bytes, uint64_t index, double value)
{
    uint32_t poison = truth_poison(dtype), word;
    if (is_half(dtype)) {
        uint16_t half = isnan(value)         ? (uint16_t)poison
                        : dtype == DTYPE_F16 ? float_to_half((float)value)
                                             : float_to_bfloat((float)value);
        memcpy(bytes + 2 * index, &half, sizeof half);
        return;
    }
    float single = (float)value;
    if (isnan(value))
        word = poison;
    else if (dtype == DTYPE_F32)
        memcpy(&word, &single, sizeof word);
    else
        word = (uint32_t)value;
    memcpy(bytes + 4 * index, &word, sizeof word);
}

double truth_element(const TruthBind *bind, const unsigned char *bytes, uint64_t index)
{
    if (is_half(bind->dtype)) {
        uint16_t half;
        memcpy(&half, bytes + 2 * index, sizeof half);
        return bind->dtype == DTYPE_F16 ? half_to_float(half) : bfloat_to_float(half);
    }
    uint32_t word;
    float single;
    memcpy(&word, bytes + 4 * index, sizeof word);
    memcpy(&single, &word, sizeof single);
    return bind->dtype == DTYPE_F32 ? single : word == truth_poison(bind->dtype) ? NAN : word;
}

/* Every binding of every case has a stream of its own, whatever else is checked. */
static uint64_t stream_of(uint64_t seed, const KernelRow *row, const KernelCase *one,
                          unsigned index)
{
    uint64_t hash = 14695981039346656037ull ^ seed;
    const char *const parts[] = {row->family, one->name, row->bind[index].name};
    for (size_t p = 0; p < COUNT_OF(parts); p++)
        for (const char *c = parts[p]; *c; c++)
            hash = (hash ^ (unsigned char)*c) * 1099511628211ull;
    return hash;
}

/* Where nothing is compared, so many values are drawn and then repeated: drawing each of a model of
 * a billion parameters takes longer than the kernel. A prime, so that no two rows are alike. */
enum { MEASURED_VALUES = 65521 };

/* True when the case left this binding to us, so that it may hold any values. */
static bool draw(const KernelRow *row, const KernelCase *one, unsigned index, double *values,
                 uint64_t count, uint64_t most, uint64_t seed)
{
    Dtype dtype = row->bind[index].dtype;
    uint64_t stream = stream_of(seed, row, one, index);
    bool ours = !one->input || !one->input(one->push, index, values, count, stream);
    if (ours) {
        Rng rng;
        rng_init(&rng, stream);
        for (uint64_t i = 0; i < count; i++)
            values[i] = i >= most         ? values[i - most]
                        : is_float(dtype) ? rng_normal(&rng)
                                          : (double)(uint32_t)rng_u64(&rng);
    }
    for (uint64_t i = 0; i < count; i++)
        values[i] = truth_narrowed(dtype, values[i]);
    return ours && is_float(dtype);
}

static void set_nan(double *values, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        values[i] = NAN;
}

static tmb_status allocate(const KernelRow *row, const KernelCase *one, Truth *truth)
{
    uint64_t elements[GPU_MAX_BIND] = {0};
    row->extent(one->push, elements);
    truth->count = kernel_bind_count(row);
    for (uint32_t i = 0; i < truth->count; i++) {
        TruthBind *bind = &truth->bind[i];
        bind->dtype = row->bind[i].dtype;
        bind->access = row->bind[i].access;
        bind->elements = elements[i];
        bind->bytes = is_half(bind->dtype) ? (elements[i] + 1) / 2 * 4 : elements[i] * 4;
        bind->before = mem_try(bind->bytes, 1);
        bind->want = mem_try(elements[i], sizeof(double));
        if (!bind->before || !bind->want)
            return fail(TMB_OUT_OF_HOST, "%s %s: no memory for binding %s of %.0f MiB", row->name,
                        one->name, row->bind[i].name, (double)bind->bytes / (1 << 20));
    }
    return TMB_OK;
}

static void fill_before(TruthBind *bind, const double *values)
{
    uint32_t poison = truth_poison(bind->dtype);
    for (uint64_t i = 0; i < bind->bytes; i += 4)
        memcpy(bind->before + i, &poison, 4);
    for (uint64_t i = 0; i < bind->elements; i++)
        store(bind->dtype, bind->before, i, values[i]);
}

tmb_status truth_inputs(const KernelRow *row, const KernelCase *one, uint64_t seed, Truth *out)
{
    *out = (Truth){0};
    tmb_status status = allocate(row, one, out);
    for (uint32_t i = 0; i < out->count && status == TMB_OK; i++) {
        TruthBind *bind = &out->bind[i];
        if (bind->access == GPU_WRITE)
            set_nan(bind->want, bind->elements);
        else
            (void)draw(row, one, i, bind->want, bind->elements, MEASURED_VALUES, seed);
        fill_before(bind, bind->want);
        free(bind->want);
        bind->want = NULL;
    }
    if (status != TMB_OK)
        truth_finish(out);
    return status;
}

static void run_reference(const KernelRow *row, const KernelCase *one, Truth *truth)
{
    double *values[GPU_MAX_BIND] = {0};
    for (uint32_t i = 0; i < truth->count; i++)
        values[i] = truth->bind[i].want;
    row->reference(one->push, values);
}

/* Which elements of ADD bindings the reference overwrites without reading: those that
 * come out of a run over NaN as numbers. They start as poison on the device, so a kernel
 * that reads them gives itself away. True when that run is already the final one. */
static bool probe_overwrites(const KernelRow *row, const KernelCase *one, Truth *truth)
{
    bool all = true;
    for (uint32_t i = 0; i < truth->count; i++) {
        TruthBind *bind = &truth->bind[i];
        if (bind->access != GPU_READ && is_float(bind->dtype))
            set_nan(bind->want, bind->elements);
    }
    run_reference(row, one, truth);
    for (uint32_t i = 0; i < truth->count; i++) {
        const TruthBind *bind = &truth->bind[i];
        for (uint64_t k = 0; bind->access == GPU_ADD && k < bind->elements && all; k++)
            all = !isnan(bind->want[k]);
    }
    return all;
}

static double scale_of(const TruthBind *bind)
{
    double sum = 0;
    uint64_t count = 0;
    for (uint64_t i = 0; i < bind->elements; i++)
        if (isfinite(bind->want[i])) {
            sum += bind->want[i] * bind->want[i];
            count++;
        }
    return count ? sqrt(sum / (double)count) : 0;
}

/* One value of an extreme range in place of a normal one. */
static double extreme(TruthRange range, double normal, uint64_t index, int exponent)
{
    if (range == TRUTH_LARGE)
        return ldexp(normal, exponent);
    if (range == TRUTH_ZERO)
        return index % 2 ? -0.0 : 0.0;
    /* in this order: -0, normal numbers at the lower end, denormals */
    return index % 3 ? ldexp(normal, index % 3 == 1 ? -124 : -140) : -0.0;
}

/* How a truth is drawn beyond the ordinary. */
typedef struct Drawing {
    TruthInputs inputs;
    int exponent;            /* of TRUTH_LARGE */
    bool moves;              /* nothing is computed, so any bits must come through */
    bool flush, any;         /* denormals become zeros; out: some binding was ours to draw */
} Drawing;

static void reshape(Drawing *drawing, Dtype dtype, uint32_t bind, double *values, uint64_t count)
{
    const TruthInputs *inputs = &drawing->inputs;
    if (inputs->range == TRUTH_ORDINARY || (inputs->range == TRUTH_LARGE && inputs->bind != bind))
        return;
    drawing->any = true;
    if (drawing->moves && inputs->range == TRUTH_LARGE) {
        const double most[] = {FLT_MAX, -INFINITY, -FLT_MAX, INFINITY};
        for (uint64_t i = 0; i < count; i++)
            values[i] = truth_narrowed(dtype, most[i % COUNT_OF(most)]);
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        double value = extreme(inputs->range, values[i], i, drawing->exponent);
        value = truth_narrowed(dtype, value);
        values[i] = drawing->flush && fabs(value) < FLT_MIN ? 0 : value;
    }
}

static void prepare(const KernelRow *row, const KernelCase *one, uint64_t seed, Drawing *drawing,
                    Truth *truth)
{
    bool adds = false;
    for (uint32_t i = 0; i < truth->count; i++) {
        TruthBind *bind = &truth->bind[i];
        if (bind->access == GPU_WRITE)
            set_nan(bind->want, bind->elements);
        else if (draw(row, one, i, bind->want, bind->elements, UINT64_MAX, seed))
            reshape(drawing, bind->dtype, i, bind->want, bind->elements);
        adds |= bind->access == GPU_ADD && is_float(bind->dtype);
        fill_before(bind, bind->want);
    }
    bool final = adds && probe_overwrites(row, one, truth);
    for (uint32_t i = 0; i < truth->count && adds; i++) {
        TruthBind *bind = &truth->bind[i];
        for (uint64_t k = 0; bind->access == GPU_ADD && is_float(bind->dtype) && k < bind->elements;
             k++)
            if (!isnan(bind->want[k]))
                store(bind->dtype, bind->before, k, NAN);
        for (uint64_t k = 0; !final && bind->access != GPU_READ && k < bind->elements; k++)
            bind->want[k] = truth_element(bind, bind->before, k);
    }
    if (!final)
        run_reference(row, one, truth);
}

static tmb_status create(const KernelRow *row, const KernelCase *one, uint64_t seed,
                         Drawing *drawing, Truth *out)
{
    *out = (Truth){0};
    tmb_status status = allocate(row, one, out);
    if (status != TMB_OK) {
        truth_finish(out);
        return status;
    }
    prepare(row, one, seed, drawing, out);
    for (uint32_t i = 0; i < out->count; i++)
        out->bind[i].scale = scale_of(&out->bind[i]);
    return TMB_OK;
}

tmb_status truth_create(const KernelRow *row, const KernelCase *one, uint64_t seed, Truth *out)
{
    return create(row, one, seed, &(Drawing){.any = false}, out);
}

/* Far enough below the largest number that sums of many such terms stay finite, too. */
static bool within_range(const Truth *truth)
{
    const double largest_f32 = ldexp(1, 108), largest_f16 = 60000;
    for (uint32_t i = 0; i < truth->count; i++) {
        const TruthBind *bind = &truth->bind[i];
        double most = bind->dtype == DTYPE_F16 ? largest_f16 : largest_f32;
        for (uint64_t k = 0; bind->access != GPU_READ && is_float(bind->dtype) && k < bind->elements;
             k++)
            if (fabs(bind->want[k]) > most)
                return false;
    }
    return true;
}

static tmb_status create_large(const KernelRow *row, const KernelCase *one, uint64_t seed,
                               Drawing *drawing, Truth *out)
{
    static const int exponents[] = {100, 60, 40, 24, 12, 6};
    const float most = row->bind[drawing->inputs.bind].largest;
    *out = (Truth){0};
    for (size_t i = 0; i < COUNT_OF(exponents); i++) {
        drawing->exponent = exponents[i];
        if (most > 0 && ldexp(1, exponents[i]) > most)
            continue;
        TRY(create(row, one, seed, drawing, out));
        if (drawing->any && (drawing->moves || within_range(out))) {
            /* an exponential may stop at the smallest number instead of zero: times large ones */
            for (uint32_t b = 0; b < out->count; b++)
                out->bind[b].scale = fmax(out->bind[b].scale, 1);
            return TMB_OK;
        }
        truth_finish(out);
        if (!drawing->any)
            break;
    }
    return TMB_OK;
}

tmb_status truth_create_extreme(const KernelRow *row, const KernelCase *one, uint64_t seed,
                                TruthInputs inputs, Truth *out)
{
    Drawing drawing = {.inputs = inputs, .moves = row->tolerance == 0};
    if (inputs.range == TRUTH_LARGE)
        return create_large(row, one, seed, &drawing, out);
    TRY(create(row, one, seed, &drawing, out));
    if (!drawing.any)
        truth_finish(out);
    if (!drawing.any || inputs.range != TRUTH_TINY)
        return TMB_OK;
    Truth flushed;
    drawing.flush = true;
    tmb_status status = create(row, one, seed, &drawing, &flushed);
    for (uint32_t i = 0; i < out->count && status == TMB_OK; i++) {
        out->bind[i].flushed = flushed.bind[i].want;
        flushed.bind[i].want = NULL;
    }
    if (status == TMB_OK)
        truth_finish(&flushed);
    else
        truth_finish(out);
    return status;
}

void truth_finish(Truth *truth)
{
    for (uint32_t i = 0; i < truth->count; i++) {
        free(truth->bind[i].before);
        free(truth->bind[i].want);
        free(truth->bind[i].flushed);
    }
    *truth = (Truth){0};
}

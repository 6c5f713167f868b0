/* cast_half_rows: activations as f16 operands of matrix products, each row with a power of two of
 * its own, which the product multiplies back (matmul_nt_half, matmul_nn_half). */
#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "cast_half.push.h"
#include "kernels/families.h"
#include "kernels/half_rows.h"

/* Rows of f16 are whole words. */
static uint64_t half_cols(const CastHalfPush *p)
{
    return (uint64_t)p->cols + p->cols % 2;
}

static void cast_half_extent(const void *push, uint64_t elements[GPU_MAX_BIND])
{
    const CastHalfPush *p = push;
    elements[0] = ((uint64_t)p->first + p->rows) * p->cols;
    elements[1] = p->rows * half_cols(p);
    elements[2] = p->rows;
}

static void cast_half_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3])
{
    (void)tuning;
    kernel_fold(((const CastHalfPush *)push)->rows, groups);
}

static double cast_half_flops(const void *push)
{
    const CastHalfPush *p = push;
    return 2.0 * p->rows * p->cols;
}

/* floor(log2) of the largest magnitude, as far as f32 holds it: 128 with NaN or infinity. */
static int row_exponent(const double *x, uint64_t cols)
{
    int most = -127;
    for (uint64_t c = 0; c < cols; c++) {
        int exponent;
        frexp(x[c], &exponent);
        exponent = !isfinite(x[c]) ? 128 : x[c] == 0 ? -127 : exponent - 1;
        most = exponent > most ? exponent : most;
    }
    return most;
}

void half_row_reference(const double *x, uint64_t cols, double *y, double *scale)
{
    int power = 14 - row_exponent(x, cols);
    power = power > 126 ? 126 : power < -113 ? -113 : power;
    for (uint64_t c = 0; c < cols; c++)
        y[c] = half_to_float(float_to_half((float)ldexp(x[c], power)));
    if (cols % 2)
        y[cols] = 0;
    *scale = ldexp(1, -power);
}

static void cast_half_reference(const void *push, double *const bind[])
{
    const CastHalfPush *p = push;
    for (uint64_t r = 0; r < p->rows; r++)
        half_row_reference(bind[0] + (p->first + r) * p->cols, p->cols,
                           bind[1] + r * half_cols(p), &bind[2][r]);
}

/* Every row of another size, from 2^-110 to 2^120, all zeros among them; the last row has an
 * infinity, the one before it a NaN. */
static bool sizes_input(const void *push, unsigned index, double *values, uint64_t count,
                        uint64_t seed)
{
    const CastHalfPush *p = push;
    Rng rng;
    rng_init(&rng, seed);
    for (uint64_t i = 0; index == 0 && i < count; i++) {
        uint64_t row = i / p->cols;
        values[i] = row % 7 == 3 ? 0 : (float)ldexp(2 * rng_double(&rng) - 1, (int)(row * 23 % 231) - 110);
    }
    if (index == 0) {
        values[count - 1] = INFINITY;
        values[count - 1 - p->cols] = NAN;
    }
    return index == 0;
}

static const KernelCase cast_half_cases[] = {
    {.name = "smallest", .push = &(const CastHalfPush){.rows = 1, .cols = 1}},
    {.name = "ragged", .push = &(const CastHalfPush){.rows = 37, .cols = 131, .first = 5}},
    {.name = "sizes", .push = &(const CastHalfPush){.rows = 97, .cols = 40}, .input = sizes_input},
    {.name = "long", .push = &(const CastHalfPush){.rows = 3, .cols = 151936}},
    {.name = "folded", .push = &(const CastHalfPush){.rows = 65600, .cols = 2}},
    {.name = "smollm2", .push = &(const CastHalfPush){.rows = 512, .cols = 576}},
};
static const KernelTuning tunings[] = {{{16}}, {{32}}, {{64}}, {{128}}, {{256}}};

const KernelRow rows_cast_half[] = {
    {
        .name = "cast_half_rows",
        .family = "cast_half",
        .push_bytes = sizeof(CastHalfPush),
        .bind = {{"x", GPU_READ, .dtype = DTYPE_F32}, {"y", GPU_WRITE, .dtype = DTYPE_F16},
                 {"scale", GPU_WRITE, .dtype = DTYPE_F32}},
        .spec_count = 1,
        .tuning = {{128}}, .tunings = tunings, .tuning_count = COUNT_OF(tunings),
        .extent = cast_half_extent,
        .grid = cast_half_grid,
        .flops = cast_half_flops,
        .reference = cast_half_reference,
        .cases = cast_half_cases,
        .case_count = COUNT_OF(cast_half_cases),
        .large = &(const CastHalfPush){.rows = 4096, .cols = 4096},
        /* drivers may flush or cut off what is below the normal numbers of f16 */
        .tolerance = 1e-6,
    },
};
const size_t rows_cast_half_count = COUNT_OF(rows_cast_half);

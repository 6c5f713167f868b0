#ifndef KERNELS_MATRIX_H
#define KERNELS_MATRIX_H
/* What kernels for matrix units share: the constants of products, which unit to take, and how many
 * lanes it takes. */

#include "kernels/kernel.h"

/* Constants of shaders/matmul_matrix.comp; its comments say what they are. */
enum {
    MATRIX_THREADS, MATRIX_LANES, MATRIX_UNIT_M, MATRIX_UNIT_N, MATRIX_UNIT_K,
    MATRIX_TILE_M, MATRIX_TILE_N, MATRIX_TILE_K, MATRIX_SUB_M, MATRIX_SUB_N,
    MATRIX_BUFFERS, MATRIX_ALIGNED, MATRIX_SPECS
};

/* Constants of shaders/lib/attention_matrix.glsl; the first five are the same. */
enum {
    ATTENTION_ROWS = MATRIX_UNIT_K + 1, ATTENTION_HEAD_DIM, ATTENTION_COLS, ATTENTION_SUB_ROWS,
    ATTENTION_SPECS
};

typedef struct MatrixUnit {
    uint32_t m, n, k;     /* C[m,n] += A[m,k] B[k,n] */
    uint32_t lanes;       /* of the subgroups to compile with */
} MatrixUnit;

/* The largest of the device's units whose sides divide m, n and k; false: there is none. */
bool matrix_unit(const GpuCaps *caps, uint32_t m, uint32_t n, uint32_t k, MatrixUnit *out);

/* The subgroup size to compile kernels with that use this unit; 0: the device does not tell it. */
uint32_t matrix_lanes(const GpuCaps *caps, uint32_t unit_m, uint32_t unit_n);

/* Subgroup sums in registers; unit and lanes are those of most devices, and adapt puts in their
 * place what this one has. */
#define MATRIX_TUNING(TILE_M, TILE_N, TILE_K, SUB_M, SUB_N, BUFFERS)                    \
    {{32 * (TILE_M) / (SUB_M) * (TILE_N) / (SUB_N), 32, 16, 16, 16, TILE_M, TILE_N, TILE_K, \
      SUB_M, SUB_N, BUFFERS, 0}}

/* Products of f16 values are exact in f32, but NVIDIA's units cut each step's sum off toward zero
 * instead of rounding it (Fasi, Higham, Mikaitis, Pranesh: Numerical behavior of NVIDIA tensor cores,
 * PeerJ CS 2021): over 8,192 terms in steps of 8 or 16 that makes 1e-5 to 3e-5 of the result. */
#define MATRIX_UNIT_TOLERANCE 1e-4

/* Of rows with an f16 operand in memory: KernelRow.adapt, resize and grid. */
bool matrix_half_adapt(const GpuCaps *caps, KernelTuning *tuning);
void matrix_resize(const void *push, KernelTuning *tuning);
void matrix_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3]);

#endif

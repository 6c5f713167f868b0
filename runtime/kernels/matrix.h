#ifndef KERNELS_MATRIX_H
#define KERNELS_MATRIX_H
/* What kernels for matrix units share: their specialisation constants, and how many lanes a unit
 * takes. */

#include "kernels/kernel.h"

/* Constants of shaders/matmul_matrix.comp; its comments say what they are. */
enum {
    MATRIX_THREADS, MATRIX_LANES, MATRIX_UNIT_M, MATRIX_UNIT_N, MATRIX_UNIT_K,
    MATRIX_TILE_M, MATRIX_TILE_N, MATRIX_TILE_K, MATRIX_SUB_M, MATRIX_SUB_N,
    MATRIX_BUFFERS, MATRIX_ALIGNED, MATRIX_SPECS
};

/* The subgroup size to compile kernels with that use this unit. */
uint32_t matrix_lanes(const GpuCaps *caps, uint32_t unit_m, uint32_t unit_n);

#endif

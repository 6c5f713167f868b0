#ifndef KERNELS_MATMUL_H
#define KERNELS_MATMUL_H
/* What all rows of the families matmul_nt, matmul_nn and matmul_tn share, whatever they run on. */

#include "kernels/kernel.h"

void matmul_nt_extent(const void *push, uint64_t elements[GPU_MAX_BIND]);
void matmul_nn_extent(const void *push, uint64_t elements[GPU_MAX_BIND]);
void matmul_tn_extent(const void *push, uint64_t elements[GPU_MAX_BIND]);
void matmul_nt_shape(const KernelShape *shape, void *push);
void matmul_nn_shape(const KernelShape *shape, void *push);
void matmul_tn_shape(const KernelShape *shape, void *push);
double matmul_flops(const void *push);
void matmul_nt_reference(const void *push, double *const bind[]);
void matmul_nn_reference(const void *push, double *const bind[]);
void matmul_tn_reference(const void *push, double *const bind[]);
enum { MATMUL_ROWS_nt = 1, MATMUL_ROWS_nn = 1, MATMUL_ROWS_tn = 3 };   /* rows_word: m, m, k */
enum { MATMUL_NT_CASES = 18, MATMUL_NN_CASES = 19, MATMUL_TN_CASES = 14 };
extern const KernelCase matmul_nt_cases[MATMUL_NT_CASES], matmul_nn_cases[MATMUL_NN_CASES],
                        matmul_tn_cases[MATMUL_TN_CASES];

/* So few (an adapter's rank) that large tiles are mostly empty and small ones are few: the rows
 * matmul_nt_rank and matmul_nn_rank are for these. */
bool matmul_few_columns(const void *push);

/* Constants of shaders/matmul_tile.comp; its comments say what they are. */
enum { TILE_THREADS, TILE_M, TILE_N, TILE_K, TILE_WORK_M, TILE_WORK_N, TILE_BUFFERS, TILE_ALIGNED,
       TILE_SPECS };
void matmul_tile_grid(const void *push, const KernelTuning *tuning, uint32_t groups[3]);
/* Cards with small register files, or little more than Vulkan's 16 KiB of shared memory, take the
 * first tuning of the list that fits. */
bool matmul_tile_adapt(const GpuCaps *caps, KernelTuning *tuning);

#endif

#ifndef KERNELS_ATTENTION_H
#define KERNELS_ATTENTION_H
/* What all rows of the families attention_fwd, attention_bwd_d, attention_bwd_q and
 * attention_bwd_kv share, whatever they run on. */

#include "attention.push.h"
#include "kernels/kernel.h"

/* Causal grouped-query attention in double precision, written for reading; the contract
 * of each is the head of the shader of the same name. */
void attention_fwd_reference(const void *push, double *const bind[]);
void attention_bwd_d_reference(const void *push, double *const bind[]);
void attention_bwd_q_reference(const void *push, double *const bind[]);
void attention_bwd_kv_reference(const void *push, double *const bind[]);

void attention_fwd_extent(const void *push, uint64_t elements[GPU_MAX_BIND]);
void attention_bwd_d_extent(const void *push, uint64_t elements[GPU_MAX_BIND]);
void attention_bwd_q_extent(const void *push, uint64_t elements[GPU_MAX_BIND]);
void attention_bwd_kv_extent(const void *push, uint64_t elements[GPU_MAX_BIND]);

double attention_fwd_flops(const void *push);
double attention_bwd_d_flops(const void *push);
double attention_bwd_q_flops(const void *push);
double attention_bwd_kv_flops(const void *push);

/* KernelRow.shape: training sees one row of tokens, decoding keeps its few rows and its cache. */
void attention_shape(const KernelShape *shape, void *push);

enum {
    ATTENTION_FWD_CASES = 21, ATTENTION_BWD_D_CASES = 6, ATTENTION_BWD_Q_CASES = 16,
    ATTENTION_BWD_KV_CASES = 16
};
extern const KernelCase attention_fwd_cases[ATTENTION_FWD_CASES],
                        attention_bwd_d_cases[ATTENTION_BWD_D_CASES],
                        attention_bwd_q_cases[ATTENTION_BWD_Q_CASES],
                        attention_bwd_kv_cases[ATTENTION_BWD_KV_CASES];

/* Fields of a row of `kind`, but for its name, its family, its bindings, and how many cases. */
#define ATTENTION_FIELDS(kind)                                                                \
    .push_bytes = sizeof(AttentionPush), .extent = attention_##kind##_extent,                 \
    .flops = attention_##kind##_flops, .reference = attention_##kind##_reference,             \
    .cases = attention_##kind##_cases, .rows_word = 1
#define ATTENTION_FAMILY(row_name, kind)                                                      \
    .name = row_name, .family = "attention_" #kind, ATTENTION_FIELDS(kind),                   \
    .case_count = COUNT_OF(attention_##kind##_cases)

/* scores below -1e30 stand for no score */
#define ATTENTION_SCORED 0x1p60f
#define ATTENTION_IN(bind_name) {bind_name, GPU_READ, .dtype = DTYPE_F32}
#define ATTENTION_SPAN {"span", GPU_READ, .dtype = DTYPE_U32}
#define ATTENTION_FWD_BIND                                                                    \
    {{"q", GPU_READ, .dtype = DTYPE_F32, ATTENTION_SCORED},                                   \
     {"k", GPU_READ, .dtype = DTYPE_F32, ATTENTION_SCORED}, ATTENTION_IN("v"), ATTENTION_SPAN, \
     {"o", GPU_WRITE, .dtype = DTYPE_F32}, {"lse", GPU_WRITE, .dtype = DTYPE_F32}}
#define ATTENTION_BWD_D_BIND                                                                  \
    {ATTENTION_IN("o"), ATTENTION_IN("do"), {"d", GPU_WRITE, .dtype = DTYPE_F32}}
#define ATTENTION_BWD_Q_BIND                                                                  \
    {ATTENTION_IN("q"), ATTENTION_IN("k"), ATTENTION_IN("v"), ATTENTION_SPAN,                 \
     ATTENTION_IN("do"), ATTENTION_IN("lse"), ATTENTION_IN("d"),                              \
     {"dq", GPU_ADD, .dtype = DTYPE_F32}}
#define ATTENTION_BWD_KV_BIND                                                                 \
    {ATTENTION_IN("q"), ATTENTION_IN("k"), ATTENTION_IN("v"), ATTENTION_SPAN,                 \
     {"last", GPU_READ, .dtype = DTYPE_U32}, ATTENTION_IN("do"), ATTENTION_IN("lse"),         \
     ATTENTION_IN("d"), {"dk", GPU_ADD, .dtype = DTYPE_F32}, {"dv", GPU_ADD, .dtype = DTYPE_F32}}

#endif

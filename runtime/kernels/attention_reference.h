#ifndef KERNELS_ATTENTION_REFERENCE_H
#define KERNELS_ATTENTION_REFERENCE_H
/* Causal grouped-query attention in double precision, written for reading; the contract
 * of each is the head of the shader of the same name. */

void attention_fwd_reference(const void *push, double *const bind[]);
void attention_bwd_d_reference(const void *push, double *const bind[]);
void attention_bwd_q_reference(const void *push, double *const bind[]);
void attention_bwd_kv_reference(const void *push, double *const bind[]);

#endif

#include "kernels/attention.h"

#include <math.h>
#include <stdint.h>

static double dot(const double *a, const double *b, uint64_t count)
{
    double sum = 0;
    for (uint64_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Rows of q, o and their gradients; of k, v and theirs for the kv head that `head` reads. */
static uint64_t query_at(const AttentionPush *p, uint64_t row, uint64_t head)
{
    return (row * p->heads + head) * p->head_dim;
}

static uint64_t key_at(const AttentionPush *p, uint64_t row, uint64_t head)
{
    return (row * p->kv_heads + head / (p->heads / p->kv_heads)) * p->head_dim;
}

void attention_fwd_reference(const void *push, double *const bind[])
{
    const AttentionPush *p = push;
    const double *span = bind[3];
    for (uint64_t i = 0; i < p->rows; i++)
        for (uint64_t h = 0; h < p->heads; h++) {
            uint64_t begin = (uint64_t)span[2 * i], end = (uint64_t)span[2 * i + 1];
            const double *q = bind[0] + query_at(p, i, h);
            double *o = bind[4] + query_at(p, i, h), *lse = bind[5] + i * p->heads + h;
            for (uint64_t d = 0; d < p->head_dim; d++)
                o[d] = 0;
            *lse = 0;
            if (begin >= end)
                continue;
            double highest = -INFINITY, sum = 0;
            for (uint64_t j = begin; j < end; j++)
                highest = fmax(highest, p->scale * dot(q, bind[1] + key_at(p, j, h), p->head_dim));
            for (uint64_t j = begin; j < end; j++) {
                const double *k = bind[1] + key_at(p, j, h), *v = bind[2] + key_at(p, j, h);
                double weight = exp(p->scale * dot(q, k, p->head_dim) - highest);
                sum += weight;
                for (uint64_t d = 0; d < p->head_dim; d++)
                    o[d] += weight * v[d];
            }
            for (uint64_t d = 0; d < p->head_dim; d++)
                o[d] /= sum;
            *lse = highest + log(sum);
        }
}

void attention_bwd_d_reference(const void *push, double *const bind[])
{
    const AttentionPush *p = push;
    for (uint64_t i = 0; i < (uint64_t)p->rows * p->heads; i++)
        bind[2][i] = dot(bind[0] + i * p->head_dim, bind[1] + i * p->head_dim, p->head_dim);
}

void attention_bwd_q_reference(const void *push, double *const bind[])
{
    const AttentionPush *p = push;
    const double *span = bind[3];
    for (uint64_t i = 0; i < p->rows; i++)
        for (uint64_t h = 0; h < p->heads; h++) {
            const double *q = bind[0] + query_at(p, i, h), *d_o = bind[4] + query_at(p, i, h);
            double lse = bind[5][i * p->heads + h], d = bind[6][i * p->heads + h];
            double *dq = bind[7] + query_at(p, i, h);
            for (uint64_t c = 0; c < p->head_dim && !p->accumulate; c++)
                dq[c] = 0;
            for (uint64_t j = (uint64_t)span[2 * i]; j < (uint64_t)span[2 * i + 1]; j++) {
                const double *k = bind[1] + key_at(p, j, h), *v = bind[2] + key_at(p, j, h);
                double weight = exp(p->scale * dot(q, k, p->head_dim) - lse);
                double of_score = weight * (dot(d_o, v, p->head_dim) - d);
                for (uint64_t c = 0; c < p->head_dim; c++)
                    dq[c] += p->scale * of_score * k[c];
            }
        }
}

void attention_bwd_kv_reference(const void *push, double *const bind[])
{
    const AttentionPush *p = push;
    const double *last = bind[4];
    uint64_t elements = (uint64_t)p->rows * p->kv_heads * p->head_dim;
    for (uint64_t i = 0; i < elements && !p->accumulate; i++)
        bind[8][i] = bind[9][i] = 0;
    for (uint64_t j = 0; j < p->rows; j++)
        for (uint64_t h = 0; h < p->heads; h++) {
            const double *k = bind[1] + key_at(p, j, h), *v = bind[2] + key_at(p, j, h);
            double *dk = bind[8] + key_at(p, j, h), *dv = bind[9] + key_at(p, j, h);
            for (uint64_t i = j; i < (uint64_t)last[j]; i++) {
                const double *q = bind[0] + query_at(p, i, h), *d_o = bind[5] + query_at(p, i, h);
                double lse = bind[6][i * p->heads + h], d = bind[7][i * p->heads + h];
                double weight = exp(p->scale * dot(q, k, p->head_dim) - lse);
                double of_score = weight * (dot(d_o, v, p->head_dim) - d);
                for (uint64_t c = 0; c < p->head_dim; c++) {
                    dv[c] += weight * d_o[c];
                    dk[c] += p->scale * of_score * q[c];
                }
            }
        }
}

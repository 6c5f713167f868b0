#ifndef INFER_SAMPLE_H
#define INFER_SAMPLE_H
/* Choosing the next token from logits. Pure: same logits, parameters and generator
 * state give the same token on every machine. */

#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

typedef struct Sampling {
    double temperature;   /* <= 0: greedy */
    uint32_t top_k;       /* 0: all */
    double top_p;         /* <= 0 or >= 1: all */
} Sampling;

typedef struct Sampler Sampler;

Sampler *sampler_create(uint32_t vocab);
void sampler_destroy(Sampler **sampler);

/* Id of the largest logit; the lowest id on ties. NaN never wins. */
uint32_t sample_greedy(const float *logits, uint32_t vocab);

/* Temperature, then the top_k likeliest, then the smallest set whose probability
 * reaches top_p, then one draw (the order of llama.cpp and transformers agrees on
 * top-k before top-p). */
uint32_t sampler_draw(Sampler *sampler, const float *logits, const Sampling *sampling, Rng *rng);

#endif

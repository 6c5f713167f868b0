#include "infer/sample.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

typedef struct Choice {
    float logit;
    uint32_t id;
} Choice;

struct Sampler {
    uint32_t vocab;
    Choice *choices;      /* [vocab] */
    double *weights;      /* [vocab] */
};

Sampler *sampler_create(uint32_t vocab)
{
    Sampler *sampler = MEM_NEW(Sampler);
    sampler->vocab = vocab;
    sampler->choices = MEM_NEW_ARRAY(Choice, vocab);
    sampler->weights = MEM_NEW_ARRAY(double, vocab);
    return sampler;
}

void sampler_destroy(Sampler **sampler)
{
    if (!*sampler)
        return;
    free((*sampler)->choices);
    free((*sampler)->weights);
    free(*sampler);
    *sampler = NULL;
}

uint32_t sample_greedy(const float *logits, uint32_t vocab)
{
    uint32_t best = 0;
    float highest = -INFINITY;
    for (uint32_t id = 0; id < vocab; id++)
        if (logits[id] > highest) {
            highest = logits[id];
            best = id;
        }
    return best;
}

/* Likelier first; equal logits by id, so that the order is the same everywhere. */
static int by_logit(const void *a, const void *b)
{
    const Choice *x = a, *y = b;
    if (x->logit != y->logit)
        return x->logit > y->logit ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static uint32_t finite_choices(Sampler *sampler, const float *logits)
{
    uint32_t count = 0;
    for (uint32_t id = 0; id < sampler->vocab; id++)
        if (isfinite(logits[id]))
            sampler->choices[count++] = (Choice){logits[id], id};
    return count;
}

uint32_t sampler_draw(Sampler *sampler, const float *logits, const Sampling *sampling, Rng *rng)
{
    uint32_t greedy = sample_greedy(logits, sampler->vocab);
    if (!(sampling->temperature > 0))
        return greedy;
    uint32_t count = finite_choices(sampler, logits);
    if (!count)
        return greedy;
    qsort(sampler->choices, count, sizeof *sampler->choices, by_logit);
    if (sampling->top_k && sampling->top_k < count)
        count = sampling->top_k;
    double total = 0, highest = sampler->choices[0].logit;
    for (uint32_t i = 0; i < count; i++) {
        sampler->weights[i] = exp((sampler->choices[i].logit - highest) / sampling->temperature);
        total += sampler->weights[i];
    }
    if (sampling->top_p > 0 && sampling->top_p < 1) {
        double kept = 0;
        uint32_t keep = 0;
        while (keep < count && kept < sampling->top_p * total)
            kept += sampler->weights[keep++];
        count = keep;
        total = kept;
    }
    double mark = rng_double(rng) * total;
    for (uint32_t i = 0; i + 1 < count; i++) {
        mark -= sampler->weights[i];
        if (mark < 0)
            return sampler->choices[i].id;
    }
    return sampler->choices[count - 1].id;
}

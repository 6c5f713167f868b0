/* Sampling: greedy, top-k, top-p and the distribution that temperature promises. */
#include "infer/sample.h"

#include "../test.h"
#include "base/mem.h"

static void test_greedy(Test *test)
{
    const float logits[] = {0.5f, NAN, 3.0f, 3.0f, -INFINITY};
    CHECK(test, sample_greedy(logits, 5) == 2);      /* the lowest id on a tie */
    const float nothing[] = {NAN, NAN};
    CHECK(test, sample_greedy(nothing, 2) == 0);
}

/* Draws many tokens and counts them. */
static void draw(const float *logits, uint32_t vocab, const Sampling *sampling, unsigned draws,
                 unsigned *counts)
{
    Sampler *sampler = sampler_create(vocab);
    Rng rng;
    rng_init(&rng, 7);
    for (unsigned i = 0; i < draws; i++)
        counts[sampler_draw(sampler, logits, sampling, &rng)]++;
    sampler_destroy(&sampler);
}

static void test_temperature(Test *test)
{
    const float logits[] = {0.0f, 1.0f, 2.0f};
    unsigned counts[3] = {0};
    enum { DRAWS = 20000 };
    draw(logits, 3, &(Sampling){.temperature = 2.0}, DRAWS, counts);
    double total = exp(0.0) + exp(0.5) + exp(1.0);
    for (int i = 0; i < 3; i++)
        CHECK_NEAR(test, exp(0.5 * i) / total, counts[i] / (double)DRAWS, 0.012);
}

static void test_cuts(Test *test)
{
    const float logits[] = {4.0f, 3.0f, 2.0f, 1.0f};
    unsigned counts[4] = {0};
    draw(logits, 4, &(Sampling){.temperature = 5.0, .top_k = 2}, 2000, counts);
    CHECK(test, counts[0] > 0 && counts[1] > 0 && counts[2] == 0 && counts[3] == 0);
    unsigned nucleus[4] = {0};
    /* probabilities at temperature 1: 0.644, 0.237, 0.087, 0.032 */
    draw(logits, 4, &(Sampling){.temperature = 1.0, .top_p = 0.8}, 2000, nucleus);
    CHECK(test, nucleus[0] > 0 && nucleus[1] > 0 && nucleus[2] == 0 && nucleus[3] == 0);
    unsigned one[4] = {0};
    draw(logits, 4, &(Sampling){.temperature = 1.0, .top_p = 0.1}, 500, one);
    CHECK(test, one[0] == 500);
}

static void test_repeats(Test *test)
{
    const float logits[] = {0.1f, 0.2f, 0.3f, 0.4f, 0.5f};
    unsigned first[5] = {0}, second[5] = {0};
    draw(logits, 5, &(Sampling){.temperature = 1.0}, 300, first);
    draw(logits, 5, &(Sampling){.temperature = 1.0}, 300, second);
    CHECK(test, !memcmp(first, second, sizeof first));
}

int main(void)
{
    Test test = {.name = "sample"};
    test_greedy(&test);
    test_temperature(&test);
    test_cuts(&test);
    test_repeats(&test);
    return test_end(&test);
}

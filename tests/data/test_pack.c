/* Packing: every supervised token becomes one label with its whole past in the segment, no
 * row is overfull, what is never predicted from is not computed. */
#include <stdlib.h>

#include "test.h"

#include "base/rng.h"
#include "data/pack.h"

enum { EXAMPLES = 40 };

/* Ids tell where a token came from: 1000 * example + position. */
static void fill(Tokens *examples, Rng *rng, uint32_t longest)
{
    for (uint32_t e = 0; e < EXAMPLES; e++) {
        examples[e] = (Tokens){0};
        uint32_t count = 1 + (uint32_t)rng_below(rng, longest);
        for (uint32_t i = 0; i < count; i++)
            tokens_push(&examples[e], 1000 * e + i, rng_below(rng, 3) == 0);
    }
}

static void check_row(Test *test, const BatchRow *row, uint32_t row_tokens, unsigned *labelled)
{
    bool good = row->rows <= row_tokens && row->rows > 0;
    for (uint32_t i = 0; i < row->rows; i++) {
        uint32_t begin = row->span[2 * i];
        good &= row->span[2 * i + 1] == i + 1 && begin <= i && row->last[i] > i;
        good &= row->last[i] <= row->rows && row->positions[i] == i - begin;
        good &= row->tokens[i] % 1000 == i - begin;                  /* the whole past … */
        good &= row->tokens[i] / 1000 == row->tokens[begin] / 1000;  /* … of one example */
        good &= i + 1 == row->last[i] || row->span[2 * i + 2] == begin;
    }
    for (uint32_t j = 0; j < row->labels; j++) {
        uint32_t at = row->label_rows[j];
        good &= row->label_ids[j] == row->tokens[at] + 1 && row->label_weights[j] == 0.25f * (row->label_groups[j] % 5 + 1);
        good &= row->label_groups[j] == row->tokens[at] / 1000;
        good &= !j || row->label_rows[j - 1] < at;
        labelled[row->label_groups[j]]++;
    }
    /* the last computed token of each segment predicts something */
    for (uint32_t i = 0; i < row->rows; i++) {
        bool found = i + 1 != row->last[i];
        for (uint32_t j = 0; j < row->labels; j++)
            found |= row->label_rows[j] == i;
        good &= found;
    }
    CHECK(test, good);
}

static void random_examples(Test *test, uint64_t seed, uint32_t row_tokens, uint32_t longest)
{
    Tokens examples[EXAMPLES];
    const Tokens *list[EXAMPLES];
    unsigned labelled[EXAMPLES] = {0}, truncated = 0;
    Rng rng;
    rng_init(&rng, seed);
    fill(examples, &rng, longest);
    for (uint32_t e = 0; e < EXAMPLES; e++)
        list[e] = &examples[e];
    Batch batch;
    double weights[EXAMPLES], weight = 0;
    for (uint32_t e = 0; e < EXAMPLES; e++)
        weights[e] = 0.25 * (e % 5 + 1);
    batch_pack(&batch, list, weights, EXAMPLES, row_tokens);
    uint64_t tokens = 0, supervised = 0;
    for (uint32_t i = 0; i < batch.count; i++) {
        check_row(test, &batch.rows[i], row_tokens, labelled);
        tokens += batch.rows[i].rows;
        supervised += batch.rows[i].labels;
    }
    for (uint32_t e = 0; e < EXAMPLES; e++)
        weight += weights[e] * labelled[e];
    CHECK_NEAR(test, weight, batch.weight, 1e-9);
    CHECK(test, tokens == batch.tokens && supervised == batch.supervised);
    for (uint32_t e = 0; e < EXAMPLES; e++) {
        unsigned wanted = 0;
        bool cut = false;
        for (size_t i = 1; i < examples[e].count; i++) {
            wanted += examples[e].supervised[i] && i <= row_tokens;
            cut |= examples[e].supervised[i] && i > row_tokens;
        }
        truncated += cut;
        CHECK(test, labelled[e] == wanted);
        tokens_finish(&examples[e]);
    }
    CHECK(test, truncated == batch.truncated);
    batch_finish(&batch);
}

static void nothing_to_learn(Test *test)
{
    Tokens silent = {0};
    for (uint32_t i = 0; i < 9; i++)
        tokens_push(&silent, i, i == 0);     /* the first token is never predicted */
    const Tokens *list[1] = {&silent};
    Batch batch;
    batch_pack(&batch, list, NULL, 1, 16);
    CHECK(test, batch.count == 0 && batch.tokens == 0 && batch.supervised == 0);
    batch_finish(&batch);
    batch_pack(&batch, list, NULL, 0, 16);
    CHECK(test, batch.count == 0);
    batch_finish(&batch);
    tokens_finish(&silent);
}

int main(void)
{
    Test test = {.name = "pack"};
    for (uint64_t seed = 0; seed < 20; seed++) {
        random_examples(&test, seed, 16, 12);
        random_examples(&test, seed, 16, 40);
        random_examples(&test, seed, 64, 64);
        random_examples(&test, seed, 1, 5);
    }
    nothing_to_learn(&test);
    return test_end(&test);
}

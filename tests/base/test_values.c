/* Numbers: storage types, the generator, hashes, status codes. */
#include <stdlib.h>

#include "test.h"

#include "base/dtype.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "base/status.h"

static void every_half_survives_a_round_trip(Test *test)
{
    unsigned different = 0;
    for (uint32_t bits = 0; bits < 65536; bits++) {
        float value = half_to_float((uint16_t)bits);
        bool same = isnan(value) ? isnan(half_to_float(float_to_half(value)))
                                 : float_to_half(value) == bits;
        different += !same;
    }
    CHECK(test, different == 0);
}

/* The nearest half by trying them all: the definition, not the implementation. */
static uint16_t nearest_half(float value)
{
    uint16_t best = 0;
    double best_distance = INFINITY;
    for (uint32_t bits = 0; bits < 0x7c00; bits++) {
        double distance = fabs((double)half_to_float((uint16_t)bits) - fabs((double)value));
        if (distance < best_distance || (distance == best_distance && bits % 2 == 0)) {
            best = (uint16_t)bits;
            best_distance = distance;
        }
    }
    return value < 0 ? best | 0x8000u : best;
}

static void halves_round_to_the_nearest(Test *test)
{
    Rng rng;
    rng_init(&rng, 7);
    for (int i = 0; i < 200; i++) {
        float value = (float)(rng_normal(&rng) * pow(2, (double)rng_below(&rng, 40) - 26));
        if (fabsf(value) < 65504)
            CHECK(test, float_to_half(value) == nearest_half(value));
    }
    CHECK(test, float_to_half(65519.0f) == 0x7bff);
    CHECK(test, float_to_half(65520.0f) == 0x7c00);
    CHECK(test, float_to_half(1.0f + 0x1p-11f) == 0x3c00);            /* a tie goes to even */
    CHECK(test, float_to_half(1.0f + 3 * 0x1p-11f) == 0x3c02);
    CHECK(test, float_to_half(0x1p-25f) == 0);                        /* half the smallest */
    CHECK(test, float_to_half(0x1.8p-25f) == 1);
    CHECK(test, float_to_half(-0.0f) == 0x8000);
}

static void bfloats_round_to_the_nearest(Test *test)
{
    CHECK(test, float_to_bfloat(1.0f) == 0x3f80);
    CHECK(test, float_to_bfloat(1.0f + 0x1p-8f) == 0x3f80);           /* a tie goes to even */
    CHECK(test, float_to_bfloat(1.0f + 3 * 0x1p-8f) == 0x3f82);
    CHECK(test, float_to_bfloat(3.4e38f) == 0x7f80);
    CHECK(test, isnan(bfloat_to_float(float_to_bfloat(NAN))));
    CHECK(test, bfloat_to_float(0xc000) == -2.0f);
}

static void gguf_types_and_sizes(Test *test)
{
    Dtype type;
    CHECK(test, dtype_from_ggml(3, &type) && type == DTYPE_Q4_1);
    CHECK(test, !dtype_from_ggml(9999, &type));
    CHECK(test, dtype_bytes(DTYPE_Q4_1, 576) == 576 / 32 * 20);
    CHECK(test, dtype_bytes(DTYPE_Q6_K, 512) == 420);
    for (int i = 0; i < DTYPE_COUNT; i++)
        CHECK(test, dtype_info((Dtype)i)->name && dtype_info((Dtype)i)->block_bytes > 0);
}

/* The published xoshiro256** started from state {1, 2, 3, 4}. */
static void generator_matches_its_publication(Test *test)
{
    static const uint64_t expected[] = {11520, 0, 1509978240, 1215971899390074240};
    Rng rng = {{1, 2, 3, 4}};
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        CHECK(test, rng_u64(&rng) == expected[i]);
}

static void generator_distributions(Test *test)
{
    Rng rng;
    rng_init(&rng, 1);
    double sum = 0, squares = 0;
    uint32_t counts[7] = {0}, outside = 0;
    enum { DRAWS = 100000 };
    for (int i = 0; i < DRAWS; i++) {
        double value = rng_normal(&rng);
        sum += value;
        squares += value * value;
        counts[rng_below(&rng, 7)]++;
        double uniform = rng_double(&rng);
        outside += !(uniform >= 0 && uniform < 1);
    }
    CHECK(test, outside == 0);
    CHECK_NEAR(test, 0, sum / DRAWS, 0.02);        /* five standard errors */
    CHECK_NEAR(test, 1, squares / DRAWS, 0.03);
    for (int i = 0; i < 7; i++)
        CHECK_NEAR(test, DRAWS / 7.0, counts[i], 600);
}

static void shuffle_is_a_permutation_fixed_by_its_seed(Test *test)
{
    uint32_t first[100], second[100], seen[100] = {0};
    for (uint32_t i = 0; i < 100; i++)
        first[i] = second[i] = i;
    Rng rng;
    rng_init(&rng, 5);
    rng_shuffle(&rng, first, 100);
    rng_init(&rng, 5);
    rng_shuffle(&rng, second, 100);
    CHECK(test, memcmp(first, second, sizeof first) == 0);
    int moved = 0;
    for (uint32_t i = 0; i < 100; i++) {
        seen[first[i]]++;
        moved += first[i] != i;
    }
    for (int i = 0; i < 100; i++)
        CHECK(test, seen[i] == 1);
    CHECK(test, moved > 80);
}

static void digest_text(Sha256 *hash, char text[SHA256_TEXT])
{
    unsigned char digest[SHA256_BYTES];
    sha256_final(hash, digest);
    sha256_text(digest, text);
}

static void sha256_of_known_messages(Test *test)
{
    char text[SHA256_TEXT];
    Sha256 hash;
    sha256_init(&hash);
    digest_text(&hash, text);
    CHECK_STRING(test, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", text);
    sha256_init(&hash);
    sha256_update(&hash, "abc", 3);
    digest_text(&hash, text);
    CHECK_STRING(test, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", text);
    sha256_init(&hash);   /* a million letters a, in pieces that straddle the blocks */
    char piece[1000];
    memset(piece, 'a', sizeof piece);
    for (size_t left = 1000000, part = 1; left; left -= part) {
        part = part * 7 % 1000 + 1;
        if (part > left)
            part = left;
        sha256_update(&hash, piece, part);
    }
    digest_text(&hash, text);
    CHECK_STRING(test, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", text);
}

static void errors_are_kept_and_prefixed(Test *test)
{
    CHECK(test, fail(TMB_BAD_INPUT, "value %d", 7) == TMB_BAD_INPUT);
    CHECK_STRING(test, "value 7", tmb_last_error());
    CHECK(test, fail_in(TMB_BAD_INPUT, "line %d: ", 3) == TMB_BAD_INPUT);
    CHECK_STRING(test, "line 3: value 7", tmb_last_error());
    CHECK(test, fail(TMB_IO, "%s, again", tmb_last_error()) == TMB_IO);
    CHECK_STRING(test, "line 3: value 7, again", tmb_last_error());
    CHECK(test, tmb_exit_code(TMB_INTERRUPTED) == 130 && tmb_exit_code(TMB_NO_DEVICE) == 4);
    CHECK(test, tmb_exit_code(TMB_UNSUPPORTED) == 3 && tmb_exit_code((tmb_status)99) == 1);
}

int main(void)
{
    Test test = {.name = "base_values"};
    every_half_survives_a_round_trip(&test);
    halves_round_to_the_nearest(&test);
    bfloats_round_to_the_nearest(&test);
    gguf_types_and_sizes(&test);
    generator_matches_its_publication(&test);
    generator_distributions(&test);
    shuffle_is_a_permutation_fixed_by_its_seed(&test);
    sha256_of_known_messages(&test);
    errors_are_kept_and_prefixed(&test);
    return test_end(&test);
}

/* Learning-rate schedules against transformers 4's get_*_schedule_with_warmup. */
#include "test.h"

#include "base/mem.h"
#include "train/schedule.h"

/* LambdaLR factors by tests/train/golden/schedule.py: steps 10, warm-up 3 */
static const double constant_factors[11] = {0, 1.0 / 3, 2.0 / 3, 1, 1, 1, 1, 1, 1, 1, 1};
static const double linear_factors[11] = {0, 0.3333333333333333, 0.6666666666666666, 1,
    0.8571428571428571, 0.7142857142857143, 0.5714285714285714, 0.42857142857142855,
    0.2857142857142857, 0.14285714285714285, 0};
static const double cosine_factors[11] = {0, 0.3333333333333333, 0.6666666666666666, 1,
    0.9504844339512095, 0.8117449009293668, 0.6112604669781572, 0.38873953302184283,
    0.18825509907063326, 0.04951556604879048, 0};

static void check_table(Test *test, const char *name, const double *factors)
{
    const Schedule *schedule;
    REQUIRE_OK(test, schedule_find(name, &schedule));
    for (uint64_t step = 0; step < 11; step++)
        CHECK_NEAR(test, 0.003 * factors[step], schedule_rate(schedule, 0.003, step, 3, 10), 1e-16);
}

static void edges(Test *test)
{
    const Schedule *schedule;
    REQUIRE_OK(test, schedule_find("linear", &schedule));
    CHECK(test, schedule_rate(schedule, 1.0, 0, 0, 4) == 1.0);      /* no warm-up: full at once */
    CHECK(test, schedule_rate(schedule, 1.0, 3, 0, 4) == 0.25);
    CHECK(test, schedule_rate(schedule, 1.0, 9, 0, 4) == 0.0);      /* beyond the last step */
    CHECK(test, schedule_rate(schedule, 1.0, 5, 8, 8) == 0.625);    /* nothing but warm-up */
    CHECK_STATUS(test, TMB_USAGE, schedule_find("polynomial", &schedule));
    CHECK_SAYS(test, "cosine");
}

int main(void)
{
    Test test = {.name = "schedule"};
    check_table(&test, "constant", constant_factors);
    check_table(&test, "linear", linear_factors);
    check_table(&test, "cosine", cosine_factors);
    edges(&test);
    return test_end(&test);
}

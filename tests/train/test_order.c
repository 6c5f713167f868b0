/* The order of examples: each once an epoch, epochs differ, a restored state goes on alike. */
#include "test.h"

#include "train/order.h"

enum { COUNT = 23, WANT = 5 };

static void each_once_an_epoch(Test *test)
{
    Order order;
    uint32_t first[COUNT], got, same = 0;
    REQUIRE_OK(test, order_init(&order, COUNT, 9));
    for (unsigned epoch = 0; epoch < 3; epoch++) {
        unsigned seen[COUNT] = {0}, steps = 0, taken = 0;
        while (taken < COUNT) {
            const uint32_t *items = order_next(&order, WANT, &got);
            for (uint32_t i = 0; i < got; i++, taken++) {
                seen[items[i]]++;
                if (epoch == 0)
                    first[taken] = items[i];
                else if (epoch == 1)
                    same += first[taken] == items[i];
            }
            steps++;
        }
        CHECK(test, steps == 5 && got == 3);     /* 5 + 5 + 5 + 5 + 3 */
        for (unsigned i = 0; i < COUNT; i++)
            CHECK(test, seen[i] == 1);
    }
    CHECK(test, same < COUNT / 2);
    order_finish(&order);
}

/* A restored order equals the one that never stopped, wherever it was cut. */
static void goes_on_alike(Test *test, unsigned cut)
{
    Order straight, resumed;
    uint32_t got, again;
    REQUIRE_OK(test, order_init(&straight, COUNT, 1));
    REQUIRE_OK(test, order_init(&resumed, COUNT, 2));
    for (unsigned step = 0; step < cut; step++)
        order_next(&straight, WANT, &got);
    order_restore(&resumed, straight.epoch, straight.position, &straight.rng);
    for (unsigned step = 0; step < 20; step++) {
        const uint32_t *left = order_next(&straight, WANT, &got);
        const uint32_t *right = order_next(&resumed, WANT, &again);
        CHECK(test, got == again && !memcmp(left, right, got * sizeof *left));
    }
    order_finish(&straight);
    order_finish(&resumed);
}

int main(void)
{
    Test test = {.name = "order"};
    each_once_an_epoch(&test);
    for (unsigned cut = 0; cut < 13; cut++)
        goes_on_alike(&test, cut);
    return test_end(&test);
}

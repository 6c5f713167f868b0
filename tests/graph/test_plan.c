/* The planner: nothing alive together overlaps, totals are what a store would allocate,
 * arenas split into blocks, ranges are refused by name. */
#include "graph/layout.h"
#include "graph/ops.h"
#include "graph/parameters.h"
#include "test.h"

/* A chain of norms and sums over x [rows, cols], `layers` long. */
static Graph *chain(uint64_t rows, uint64_t cols, uint32_t layers, uint32_t recompute)
{
    Graph *graph = graph_create(&(GraphParams){.train = true, .recompute = recompute});
    Tensor *x = graph_tensor(graph, LIFE_INPUT, DTYPE_F32, rows, cols, "x");
    for (uint32_t i = 0; i < layers; i++) {
        char name[32];
        snprintf(name, sizeof name, "w%u", i);
        Tensor *w = graph_tensor(graph, LIFE_PARAMETER, DTYPE_F32, 1, cols, name);
        graph_layer(graph, (int32_t)i, x);
        snprintf(name, sizeof name, "norm%u", i);
        Tensor *branch = graph_rmsnorm(graph, x, w, 1e-5f, name);
        snprintf(name, sizeof name, "soft%u", i);
        branch = graph_softmax(graph, branch, name);
        snprintf(name, sizeof name, "add%u", i);
        x = graph_add(graph, x, branch, name);
    }
    Tensor *seed = graph_tensor(graph, LIFE_INPUT, DTYPE_F32, rows, cols, "seed");
    graph_backward(graph, x, seed);
    return graph;
}

static void test_overlap(Test *test)
{
    uint64_t before = UINT64_MAX;
    for (uint32_t recompute = 0; recompute < 3; recompute++) {
        Graph *graph = chain(33, 70, 12, recompute);
        Plan *plan = NULL;
        CHECK_OK(test, plan_create(graph, NULL, &plan));
        CHECK(test, !plan_overlaps(graph, plan));
        CHECK(test, plan->block_count == 1 && plan->block_bytes[0] <= before);
        before = plan->block_bytes[0];
        /* a slot moved onto a neighbour is found out */
        uint32_t moved = 0;
        for (uint32_t i = 0; i < plan->count && !moved; i++)
            if (graph->tensors[i]->life == LIFE_WORK && plan->slots[i].offset) {
                plan->slots[i].offset -= 256;
                moved = plan_overlaps(graph, plan);
                plan->slots[i].offset += 256;
            }
        CHECK(test, moved);
        plan_destroy(&plan);
        graph_destroy(&graph);
    }
}

static void test_blocks(Test *test)
{
    GpuCaps caps = {.storage_range = 1 << 20, .block_bytes = 64 * 1024};
    Graph *graph = chain(64, 64, 9, 0);
    Plan *plan = NULL;
    CHECK_OK(test, plan_create(graph, &caps, &plan));
    CHECK(test, plan->block_count > 1 && !plan_overlaps(graph, plan));
    for (uint32_t b = 0; b < plan->block_count; b++)
        CHECK(test, plan->block_bytes[b] <= caps.block_bytes);
    plan_destroy(&plan);
    caps.storage_range = 8 * 1024;
    CHECK_STATUS(test, TMB_OUT_OF_DEVICE, plan_create(graph, &caps, &plan));
    CHECK_SAYS(test, "--row-tokens");
    graph_destroy(&graph);
}

static void test_totals(Test *test)
{
    Graph *graphs[2] = {chain(16, 64, 3, 0), chain(32, 64, 2, 0)};
    Plan *plans[2] = {NULL, NULL};
    PlannedGraph planned[2];
    PlanTotals alone[2];
    for (int i = 0; i < 2; i++) {
        CHECK_OK(test, plan_create(graphs[i], NULL, &plans[i]));
        planned[i] = (PlannedGraph){graphs[i], plans[i]};
        alone[i] = plan_totals(&planned[i], 1);
    }
    PlanTotals both = plan_totals(planned, 2);
    CHECK(test, both.work == (alone[0].work > alone[1].work ? alone[0].work : alone[1].work));
    CHECK(test, both.io == alone[0].io + alone[1].io);
    CHECK(test, both.parameters == 256 && both.gradients == 256 && both.moments == 0);
    CHECK(test, both.total == both.parameters + both.gradients + both.work + both.io);
    Layout *layout = NULL;
    CHECK_STATUS(test, TMB_OK, layout_create(planned, 2, 1 << 30, &layout));
    CHECK(test, layout_bytes(layout, LIFE_WORK) == both.work);
    layout_destroy(&layout);
    for (int i = 0; i < 2; i++) {
        plan_destroy(&plans[i]);
        graph_destroy(&graphs[i]);
    }
}

static void test_parameters(Test *test)
{
    Parameters set;
    uint32_t table[2 * 192];
    parameters_init(&set, 4096);
    for (uint32_t i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%u", i);
        CHECK_OK(test, parameters_add(&set, name, 10 + i, 30));
    }
    CHECK_STATUS(test, TMB_OUT_OF_DEVICE, parameters_add(&set, "large", 100, 30));
    CHECK(test, set.chunk_count == 3 && set.chunk_first[1] == 2);
    CHECK(test, set.items[1].offset == 320 && set.items[2].offset == 0);
    CHECK(test, parameters_values(&set) == 320 + 384 + 384 + 448 + 448);
    CHECK(test, parameters_find(&set, "p4") == &set.items[4]);
    CHECK(test, optimizer_slots(&set) == 192 && optimizer_slot(&set, 3) == 65);
    optimizer_table(&set, table);
    CHECK(test, table[2 * 65] == set.items[3].offset && table[2 * 65 + 1] == 13 * 30);
    CHECK(test, table[2 * 2 + 1] == 0);
    parameters_finish(&set);
}

/* A large tensor's sum of squares is the work of several groups. */
static void test_slots(Test *test)
{
    Parameters set;
    uint32_t table[2 * 64];
    parameters_init(&set, 1 << 21);
    CHECK_OK(test, parameters_add(&set, "small", 3, 5));
    CHECK_OK(test, parameters_add(&set, "large", 3, 100001));
    CHECK_OK(test, parameters_add(&set, "last", 1, 7));
    CHECK(test, optimizer_slots(&set) == 64 && optimizer_slot_count(&set, 1) == 3);
    CHECK(test, optimizer_slot(&set, 1) == 1 && optimizer_slot(&set, 2) == 4);
    optimizer_table(&set, table);
    CHECK(test, table[2] == 64 && table[4] == 64 + 131072 && table[6] == 64 + 262144);
    CHECK(test, table[3] + table[5] + table[7] == 300003 && table[8] == set.items[2].offset);
    CHECK(test, table[9] == 7 && table[11] == 0);
    parameters_finish(&set);
}

/* A block of a head's rows is what one product sums over: no driver may be given too many. */
static void test_block_rows(Test *test)
{
    Graph *graph = graph_create(&(GraphParams){.train = true});
    Tensor *head = graph_tensor(graph, LIFE_WEIGHT, DTYPE_F32, 128256, 32, "head");
    Tensor *wide = graph_tensor(graph, LIFE_WEIGHT, DTYPE_F32, 8192, 2048, "wide");
    CHECK(test, graph_block_rows(graph, head, 32 << 20) == 16384);
    CHECK(test, graph_block_rows(graph, head, 0) == 128256);
    CHECK(test, graph_block_rows(graph, wide, 32 << 20) == 4096);
    graph_destroy(&graph);
}

int main(void)
{
    Test test = {.name = "plan"};
    test_overlap(&test);
    test_blocks(&test);
    test_totals(&test);
    test_parameters(&test);
    test_slots(&test);
    test_block_rows(&test);
    return test_end(&test);
}

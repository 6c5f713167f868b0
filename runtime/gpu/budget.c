#include "gpu/budget.h"

/* The slowest devices that are worth using; the first submits correct it. */
static const double FIRST_FLOPS = 1e11, FIRST_BYTES = 5e9;
/* Shorter submits measure launch overhead, not rates. */
static const double TELLING_SHARE = 0.1;

void budget_init(Budget *budget, double seconds)
{
    *budget = (Budget){seconds, FIRST_FLOPS, FIRST_BYTES};
}

double budget_cost(const Budget *budget, double flops, double bytes)
{
    double arithmetic = flops / budget->flops_per_second;
    double traffic = bytes / budget->bytes_per_second;
    return arithmetic > traffic ? arithmetic : traffic;
}

void budget_learn(Budget *budget, double estimated, double measured)
{
    double telling = TELLING_SHARE * budget->seconds;
    if (!(estimated > 0) || !(measured > 0) || (estimated < telling && measured < telling))
        return;
    /* slower than thought is believed at once, as a watchdog is near; faster in steps */
    double faster = estimated / measured;
    if (faster > 1)
        faster = faster > 4 ? 2 : 1 + (faster - 1) / 4;
    budget->flops_per_second *= faster;
    budget->bytes_per_second *= faster;
}

static int longest_side(const uint32_t groups[3])
{
    int side = 0;
    for (int i = 1; i < 3; i++)
        side = groups[i] > groups[side] ? i : side;
    return side;
}

uint32_t budget_pieces(const Budget *budget, double cost, const uint32_t groups[3])
{
    if (!(budget->seconds > 0) || cost <= budget->seconds)
        return 1;
    uint32_t limit = groups[longest_side(groups)];
    double pieces = cost / budget->seconds;
    return pieces >= limit ? limit : (uint32_t)pieces + 1;
}

void budget_piece(const uint32_t groups[3], uint32_t piece, uint32_t pieces, uint32_t base[3],
                  uint32_t count[3])
{
    int side = longest_side(groups);
    for (int i = 0; i < 3; i++) {
        base[i] = 0;
        count[i] = groups[i];
    }
    uint32_t begin = (uint32_t)((uint64_t)groups[side] * piece / pieces);
    uint32_t end = (uint32_t)((uint64_t)groups[side] * (piece + 1) / pieces);
    base[side] = begin;
    count[side] = end - begin;
}

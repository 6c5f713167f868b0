#ifndef GPU_BUDGET_H
#define GPU_BUDGET_H
/* How much work goes into one submit. Desktops reset a device that works longer than
 * two seconds on one submit, so the cost of a dispatch is estimated as
 * max(flops / F, bytes / B) with rates learned from finished submits. Pure. */

#include <stdbool.h>
#include <stdint.h>

typedef struct Budget {
    double seconds;                              /* of one submit; 0: no limit */
    double flops_per_second, bytes_per_second;   /* F, B */
} Budget;

void budget_init(Budget *budget, double seconds);
/* Estimated seconds of one dispatch. */
double budget_cost(const Budget *budget, double flops, double bytes);
/* A finished submit: its estimate and the seconds it really took. */
void budget_learn(Budget *budget, double estimated, double measured);
/* Into how many submits a dispatch of this cost is cut. */
uint32_t budget_pieces(const Budget *budget, double cost, const uint32_t groups[3]);
/* Piece 0…pieces-1 of a grid cut along its longest side; together they cover it once. */
void budget_piece(const uint32_t groups[3], uint32_t piece, uint32_t pieces, uint32_t base[3],
                  uint32_t count[3]);

#endif

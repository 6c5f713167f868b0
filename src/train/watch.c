#include "train/watch.h"

enum { LEARNED_FROM = 3 };              /* steps before anything is told */
static const double SLOW = 3, USUAL_AGAIN = 1.5;
static const double LEAST_SECONDS = 1;   /* shorter steps: a busy processor is enough */

void watch_restart(StepWatch *watch)
{
    watch->steps = 0;
    watch->slow = 0;
}

double watch_step(StepWatch *watch, double seconds, uint64_t tokens)
{
    double rate = seconds / (double)(tokens ? tokens : 1);
    if (!watch->steps++)
        return 0;
    double factor = watch->usual > 0 ? rate / watch->usual : 1;
    bool slow = factor >= SLOW && watch->steps > LEARNED_FROM && seconds >= LEAST_SECONDS;
    watch->slow = slow ? watch->slow + 1 : 0;
    watch->told &= factor > USUAL_AGAIN;
    if (!slow)      /* what is slow does not become the usual */
        watch->usual += (watch->usual > 0 ? 0.2 : 1) * (rate - watch->usual);
    if (watch->slow < 2 || watch->told)
        return 0;
    watch->told = true;
    return factor;
}

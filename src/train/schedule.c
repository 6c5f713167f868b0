#include "train/schedule.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

static double constant(double progress)
{
    (void)progress;
    return 1.0;
}

static double linear(double progress)
{
    return 1.0 - progress;
}

static double cosine(double progress)
{
    return 0.5 * (1.0 + cos(3.14159265358979323846 * progress));
}

static const Schedule schedules[] = {
    {"constant", constant},
    {"linear", linear},
    {"cosine", cosine},
};

tmb_status schedule_find(const char *name, const Schedule **out)
{
    for (size_t i = 0; i < COUNT_OF(schedules); i++)
        if (!strcmp(schedules[i].name, name)) {
            *out = &schedules[i];
            return TMB_OK;
        }
    return fail(TMB_USAGE, "no schedule is called \"%s\"; there are constant, linear and cosine",
                name);
}

double schedule_rate(const Schedule *schedule, double base_rate, uint64_t step, uint64_t warmup,
                     uint64_t steps)
{
    if (step < warmup)
        return base_rate * (double)step / (double)warmup;
    double span = steps > warmup ? (double)(steps - warmup) : 1.0;
    double progress = (double)(step - warmup) / span;
    double factor = schedule->factor(progress > 1.0 ? 1.0 : progress);
    return factor > 0.0 ? base_rate * factor : 0.0;
}

#include "gpu/hazard.h"

#include <string.h>

static bool conflicts(const HazardAccess *a, const HazardAccess *b)
{
    return a->id == b->id && a->begin < b->end && b->begin < a->end && (a->writes || b->writes);
}

static bool any_conflict(const Hazards *hazards, const HazardAccess *accesses, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < hazards->count; j++)
            if (conflicts(&accesses[i], &hazards->open[j]))
                return true;
    return false;
}

bool hazard_add(Hazards *hazards, const HazardAccess *accesses, size_t count)
{
    /* a full list gets a barrier too: one in hundreds of independent commands costs nothing */
    bool barrier = hazards->count + count > HAZARD_CAPACITY ||
                   any_conflict(hazards, accesses, count);
    if (barrier)
        hazards->count = 0;
    memcpy(&hazards->open[hazards->count], accesses, count * sizeof *accesses);
    hazards->count += count;
    return barrier;
}

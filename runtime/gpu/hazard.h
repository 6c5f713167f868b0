#ifndef GPU_HAZARD_H
#define GPU_HAZARD_H
/* Which accesses of earlier commands a new command must wait for. Pure: memory is
 * named by an id and a byte range. One barrier covers all memory, so a conflict
 * forgets everything recorded before it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct HazardAccess {
    uint64_t id;             /* of the buffer */
    uint64_t begin, end;     /* bytes, half open */
    bool writes;             /* reads otherwise; an access that does both counts as a write */
} HazardAccess;

enum { HAZARD_CAPACITY = 512 };

typedef struct Hazards {
    HazardAccess open[HAZARD_CAPACITY];   /* since the last barrier */
    size_t count;
} Hazards;

/* Adds the accesses of one command. True when a barrier must come before it: it reads
 * or writes what is written, or writes what is read, since the last barrier. */
bool hazard_add(Hazards *hazards, const HazardAccess *accesses, size_t count);

#endif

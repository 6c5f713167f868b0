#ifndef DATA_MERGE_H
#define DATA_MERGE_H
/* Merges neighbouring symbols, best pair first and leftmost among equals, until no pair
 * can be merged: O(n log n) by a heap over a linked list. Both kinds of BPE use it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define NO_SYMBOL UINT32_MAX

typedef struct MergeSymbol {
    uint32_t start, bytes;       /* in the text; bytes 0: merged into its left neighbour */
    uint32_t id;                 /* what the caller calls it */
    uint32_t previous, next;     /* NO_SYMBOL at the ends */
} MergeSymbol;

typedef struct MergeCandidate {
    uint32_t priority;           /* least first */
    uint32_t left;
    uint32_t bytes;              /* of the pair when it was found: tells when it is stale */
    uint32_t result;
} MergeCandidate;

/* Scratch memory that several texts may share. Zero to begin. */
typedef struct Merger {
    MergeSymbol *symbols;
    size_t symbol_count, symbol_capacity;
    MergeCandidate *heap;
    size_t heap_count, heap_capacity;
} Merger;

/* Whether two neighbours can be merged; sets the result's id and its priority. */
typedef bool MergePair(const void *context, const MergeSymbol *left, const MergeSymbol *right,
                       uint32_t *result, uint32_t *priority);

void merger_begin(Merger *merger);
TMB_MUST_USE tmb_status merger_add(Merger *merger, uint32_t start, uint32_t bytes, uint32_t id);
/* Afterwards symbols[0] begins the list that `next` leads through. */
TMB_MUST_USE tmb_status merger_run(Merger *merger, MergePair *pair, const void *context);
void merger_finish(Merger *merger);

#endif

#include "data/merge.h"

#include <stdlib.h>

#include "base/mem.h"

/* Doubles an array that grows with the text, which may be large: may fail. */
static tmb_status grow(void **items, size_t *capacity, size_t size)
{
    size_t wanted = *capacity ? *capacity * 2 : 64;
    void *grown = wanted > SIZE_MAX / size ? NULL : realloc(*items, wanted * size);
    if (!grown && wanted <= 4096)      /* it is not this piece that has taken it all */
        return fail(TMB_OUT_OF_HOST, "no memory is left to tokenize; use less text at once");
    if (!grown)
        return fail(TMB_OUT_OF_HOST, "no memory to tokenize a piece of %zu symbols; break the "
                    "text into lines", *capacity);
    *items = grown;
    *capacity = wanted;
    return TMB_OK;
}

void merger_begin(Merger *merger)
{
    merger->symbol_count = merger->heap_count = 0;
}

tmb_status merger_add(Merger *merger, uint32_t start, uint32_t bytes, uint32_t id)
{
    if (merger->symbol_count == merger->symbol_capacity) {
        void *symbols = merger->symbols;
        TRY(grow(&symbols, &merger->symbol_capacity, sizeof *merger->symbols));
        merger->symbols = symbols;
    }
    uint32_t at = (uint32_t)merger->symbol_count++;
    merger->symbols[at] = (MergeSymbol){start, bytes, id, at ? at - 1 : NO_SYMBOL, NO_SYMBOL};
    if (at)
        merger->symbols[at - 1].next = at;
    return TMB_OK;
}

static bool before(const MergeCandidate *a, const MergeCandidate *b)
{
    return a->priority != b->priority ? a->priority < b->priority : a->left < b->left;
}

static tmb_status push(Merger *merger, MergeCandidate candidate)
{
    if (merger->heap_count == merger->heap_capacity) {
        void *heap = merger->heap;
        TRY(grow(&heap, &merger->heap_capacity, sizeof *merger->heap));
        merger->heap = heap;
    }
    size_t at = merger->heap_count++;
    for (; at && before(&candidate, &merger->heap[(at - 1) / 2]); at = (at - 1) / 2)
        merger->heap[at] = merger->heap[(at - 1) / 2];
    merger->heap[at] = candidate;
    return TMB_OK;
}

static MergeCandidate pop(Merger *merger)
{
    MergeCandidate *heap = merger->heap, best = heap[0];
    size_t count = --merger->heap_count, at = 0;
    MergeCandidate last = heap[count];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && before(&heap[child + 1], &heap[child]))
            child++;
        if (!before(&heap[child], &last))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return best;
}

static tmb_status propose(Merger *merger, uint32_t left, MergePair *pair, const void *context)
{
    if (left == NO_SYMBOL || merger->symbols[left].next == NO_SYMBOL)
        return TMB_OK;
    const MergeSymbol *first = &merger->symbols[left], *second = &merger->symbols[first->next];
    MergeCandidate candidate = {.left = left, .bytes = first->bytes + second->bytes};
    if (!pair(context, first, second, &candidate.result, &candidate.priority))
        return TMB_OK;
    return push(merger, candidate);
}

tmb_status merger_run(Merger *merger, MergePair *pair, const void *context)
{
    MergeSymbol *symbols = merger->symbols;
    for (size_t i = 0; i + 1 < merger->symbol_count; i++)
        TRY(propose(merger, (uint32_t)i, pair, context));
    while (merger->heap_count) {
        MergeCandidate best = pop(merger);
        MergeSymbol *left = &symbols[best.left];
        if (!left->bytes || left->next == NO_SYMBOL)
            continue;
        /* Merging only ever lengthens either side, so equal length means the same pair. */
        MergeSymbol *right = &symbols[left->next];
        if (left->bytes + right->bytes != best.bytes)
            continue;
        left->bytes = best.bytes;
        left->id = best.result;
        left->next = right->next;
        right->bytes = 0;
        if (right->next != NO_SYMBOL)
            symbols[right->next].previous = best.left;
        TRY(propose(merger, left->previous, pair, context));
        TRY(propose(merger, best.left, pair, context));
    }
    return TMB_OK;
}

void merger_finish(Merger *merger)
{
    free(merger->symbols);
    free(merger->heap);
    *merger = (Merger){0};
}

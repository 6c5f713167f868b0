#include "data/pack.h"

#include <stdlib.h>

/* How much of an example is computed: up to the last supervised token, exclusive. */
static uint32_t used_tokens(const Tokens *example, uint32_t row_tokens, bool *truncated)
{
    size_t last = example->count;
    while (last > 1 && !example->supervised[last - 1])
        last--;
    if (last <= 1)
        return 0;                /* the very first token cannot be predicted */
    *truncated = last - 1 > row_tokens;
    if (!*truncated)
        return (uint32_t)(last - 1);
    last = (size_t)row_tokens + 1;
    while (last > 1 && !example->supervised[last - 1])
        last--;
    return (uint32_t)(last - 1);
}

typedef struct Piece {
    uint32_t example, tokens;
    uint32_t row, start;         /* where it goes */
} Piece;

static int longest_first(const void *left, const void *right)
{
    const Piece *a = left, *b = right;
    if (a->tokens != b->tokens)
        return a->tokens < b->tokens ? 1 : -1;
    return a->example < b->example ? -1 : 1;
}

/* First fit; returns the number of rows. fill has room for `count` rows. */
static uint32_t place(Piece *pieces, uint32_t count, uint32_t row_tokens, uint32_t *fill)
{
    uint32_t rows = 0;
    for (uint32_t i = 0; i < count && pieces[i].tokens; i++) {
        uint32_t row = 0;
        while (row < rows && fill[row] + pieces[i].tokens > row_tokens)
            row++;
        rows += row == rows;
        pieces[i].row = row;
        pieces[i].start = fill[row];
        fill[row] += pieces[i].tokens;
    }
    return rows;
}

static void add_piece(BatchRow *row, const Piece *piece, const Tokens *example, float weight)
{
    for (uint32_t i = 0; i < piece->tokens; i++) {
        uint32_t at = piece->start + i;
        row->tokens[at] = example->ids[i];
        row->positions[at] = i;
        row->span[2 * at] = piece->start;
        row->span[2 * at + 1] = at + 1;
        row->last[at] = piece->start + piece->tokens;
        if (!example->supervised[i + 1])
            continue;
        row->label_rows[row->labels] = at;
        row->label_ids[row->labels] = example->ids[i + 1];
        row->label_weights[row->labels] = weight;
        row->label_groups[row->labels++] = piece->example;
    }
}

static void make_row(Batch *batch, BatchRow *row, uint32_t tokens)
{
    Arena *arena = &batch->arena;
    row->rows = tokens;
    row->tokens = arena_new(arena, tokens, sizeof *row->tokens);
    row->positions = arena_new(arena, tokens, sizeof *row->positions);
    row->span = arena_new(arena, tokens, 2 * sizeof *row->span);
    row->last = arena_new(arena, tokens, sizeof *row->last);
    row->label_rows = arena_new(arena, tokens, sizeof *row->label_rows);
    row->label_ids = arena_new(arena, tokens, sizeof *row->label_ids);
    row->label_weights = arena_new(arena, tokens, sizeof *row->label_weights);
    row->label_groups = arena_new(arena, tokens, sizeof *row->label_groups);
}

void batch_pack(Batch *batch, const Tokens *const *examples, const double *weights,
                uint32_t count, uint32_t row_tokens)
{
    *batch = (Batch){0};
    Piece *pieces = arena_new(&batch->arena, count, sizeof *pieces);
    uint32_t *fill = arena_new(&batch->arena, count, sizeof *fill);
    for (uint32_t i = 0; i < count; i++) {
        bool truncated = false;
        pieces[i] = (Piece){.example = i,
                            .tokens = used_tokens(examples[i], row_tokens, &truncated)};
        batch->truncated += truncated;
    }
    qsort(pieces, count, sizeof *pieces, longest_first);
    batch->count = place(pieces, count, row_tokens, fill);
    batch->rows = arena_new(&batch->arena, batch->count, sizeof *batch->rows);
    for (uint32_t i = 0; i < batch->count; i++)
        make_row(batch, &batch->rows[i], fill[i]);
    for (uint32_t i = 0; i < count && pieces[i].tokens; i++)
        add_piece(&batch->rows[pieces[i].row], &pieces[i], examples[pieces[i].example],
                  weights ? (float)weights[pieces[i].example] : 1.0f);
    for (uint32_t i = 0; i < batch->count; i++) {
        batch->tokens += batch->rows[i].rows;
        batch->supervised += batch->rows[i].labels;
        for (uint32_t j = 0; j < batch->rows[i].labels; j++)
            batch->weight += (double)batch->rows[i].label_weights[j];
    }
}

void batch_finish(Batch *batch)
{
    arena_finish(&batch->arena);
    *batch = (Batch){0};
}

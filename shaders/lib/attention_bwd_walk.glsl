// What the two kernels of attention_bwd_matrix.comp differ in on the way in: bindings, which rows
// a tile holds, which columns a step brings, which of them see each other.
#ifndef LIB_ATTENTION_BWD_WALK_GLSL
#define LIB_ATTENTION_BWD_WALK_GLSL

#ifdef KEYS
layout(set = 0, binding = 0) readonly buffer Q { vec4 column_one[]; };
layout(set = 0, binding = 1) readonly buffer K { vec4 row_one[]; };
layout(set = 0, binding = 2) readonly buffer V { vec4 row_two[]; };
layout(set = 0, binding = 3) readonly buffer Span { uvec2 span[]; };
layout(set = 0, binding = 4) readonly buffer Last { uint last[]; };
layout(set = 0, binding = 5) readonly buffer Do { vec4 column_two[]; };
layout(set = 0, binding = 6) readonly buffer Lse { float lse[]; };
layout(set = 0, binding = 7) readonly buffer D { float sums[]; };
layout(set = 0, binding = 8) buffer Dk { vec4 of_one[]; };
layout(set = 0, binding = 9) buffer Dv { vec4 of_two[]; };
shared float column_lse[TILE_C], column_d[TILE_C];
float fetched_lse, fetched_d;
#else
layout(set = 0, binding = 0) readonly buffer Q { vec4 row_one[]; };
layout(set = 0, binding = 1) readonly buffer K { vec4 column_one[]; };
layout(set = 0, binding = 2) readonly buffer V { vec4 column_two[]; };
layout(set = 0, binding = 3) readonly buffer Span { uvec2 span[]; };
layout(set = 0, binding = 4) readonly buffer Do { vec4 row_two[]; };
layout(set = 0, binding = 5) readonly buffer Lse { float lse[]; };
layout(set = 0, binding = 6) readonly buffer D { float sums[]; };
layout(set = 0, binding = 7) buffer Dq { vec4 of_one[]; };
#endif

const float LOG2_E = 1.4426950408889634;

shared uint walk_begin, walk_end;   // keys that any row sees; queries that see any row
uint per_group, group, first_row, rows, begin, end, steps_each, steps;

// False when there is no such tile.
bool find_tile()
{
    per_group = push.heads / push.kv_heads;
#ifdef KEYS
    rows = push.rows;
#else
    rows = push.rows * per_group;
#endif
    uint tiles_each = (rows + TILE_R - 1) / TILE_R;
    group = GROUP_INDEX / tiles_each;
    // the longest walks first: those of the first keys, those of the last queries
    first_row = GROUP_INDEX % tiles_each * TILE_R;
#ifndef KEYS
    first_row = (tiles_each - 1) * TILE_R - first_row;
#endif
    return group < push.kv_heads;
}

bool row_inside(uint r)
{
    return first_row + r < rows;
}

// Number of row r of the tile in memory; with `KEYS` of k and v, else of q, do, lse and d.
uint row_at(uint r)
{
    uint row = first_row + r;
#ifdef KEYS
    return row * push.kv_heads + group;
#else
    return row / per_group * push.heads + group * per_group + row % per_group;
#endif
}

// First column that row r sees and how many.
uvec2 row_sees(uint r)
{
    if (!row_inside(r))
        return uvec2(0u);
#ifdef KEYS
    uvec2 seen = uvec2(first_row + r, last[first_row + r]);
#else
    uvec2 seen = span[(first_row + r) / per_group];
#endif
    return uvec2(seen.x, seen.y > seen.x ? seen.y - seen.x : 0u);
}

void find_walk()
{
    if (gl_LocalInvocationID.x == 0) {
        walk_begin = 0xffffffffu;
        walk_end = 0u;
    }
    barrier();
    for (uint r = gl_LocalInvocationID.x; r < TILE_R; r += THREADS) {
        uvec2 seen = row_sees(r);
        if (seen.y != 0u) {
            atomicMin(walk_begin, seen.x);
            atomicMax(walk_end, seen.x + seen.y);
        }
    }
    barrier();
    begin = walk_begin;
    end = walk_end;
    steps_each = end > begin ? (end - begin + TILE_C - 1) / TILE_C : 0;
#ifdef KEYS
    steps = steps_each * per_group;
#else
    steps = steps_each;
#endif
}

// The key or query that is column c of this step.
uint column_index(uint step, uint c)
{
    return begin + step % steps_each * TILE_C + c;
}

bool column_inside(uint step, uint c)
{
    return steps != 0 && column_index(step, c) < end;
}

uint column_at(uint step, uint c)
{
#ifdef KEYS
    return column_index(step, c) * push.heads + group * per_group + step / steps_each;
#else
    return column_index(step, c) * push.kv_heads + group;
#endif
}

// What is known of each column besides, the same way as the columns; THREADS >= TILE_C.
void fetch_column_numbers(uint step)
{
#ifdef KEYS
    uint c = gl_LocalInvocationID.x;
    fetched_lse = fetched_d = 0.0;
    if (c < TILE_C && column_inside(step, c)) {
        fetched_lse = lse[column_at(step, c)] * LOG2_E;
        fetched_d = sums[column_at(step, c)] * push.scale;
    }
#endif
}

void keep_column_numbers()
{
#ifdef KEYS
    if (gl_LocalInvocationID.x < TILE_C) {
        column_lse[gl_LocalInvocationID.x] = fetched_lse;
        column_d[gl_LocalInvocationID.x] = fetched_d;
    }
#endif
}

#endif

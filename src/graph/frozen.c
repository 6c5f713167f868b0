#include "graph/frozen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kernels/policy.h"
#include "matmul.push.h"

enum { LINE_BYTES = 256, CANDIDATES = 16 };

static size_t line_head(const KernelRow *row, char *text, size_t capacity)
{
    int bytes = snprintf(text, capacity, "%s: %s", row->family, row->name);
    return bytes < 0 ? 0 : (size_t)bytes < capacity ? (size_t)bytes : capacity - 1;
}

void frozen_line(const KernelRow *row, const KernelTuning *tuning, char *text, size_t capacity)
{
    size_t used = line_head(row, text, capacity);
    for (uint32_t i = 0; i < row->spec_count && used < capacity; i++) {
        int bytes = snprintf(text + used, capacity - used, " %u", (unsigned)tuning->spec[i]);
        used += bytes > 0 ? (size_t)bytes : 0;
    }
}

/* The constants of a line of this row, as text; NULL when it is of another row. */
static const char *constants(const char *line, const KernelRow *row)
{
    char head[LINE_BYTES];
    size_t bytes = line_head(row, head, sizeof head);
    bool same = !strncmp(line, head, bytes) && (line[bytes] == ' ' || !line[bytes]);
    return same ? line + bytes : NULL;
}

const KernelRow *frozen_row(const FrozenKernels *frozen, const char *family, const Dtype *dtypes,
                            const GpuCaps *caps, const void *push)
{
    const KernelRow *rows[CANDIDATES];
    KernelTuning tuning;
    size_t count = frozen ? kernel_candidates(family, dtypes, caps, rows, CANDIDATES) : 0;
    for (size_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < frozen->count; k++)
            if (constants(frozen->lines[k], rows[i]) && kernel_trusted(caps, rows[i]) &&
                (!rows[i]->suits || rows[i]->suits(push)) &&
                kernel_fit(caps, rows[i], NULL, push, &tuning))
                return rows[i];
    return NULL;
}

/* A file is not trusted with constants that the row could never have had here: its default and
 * each of its tunings, had that been found the best. */
static bool is_possible(const KernelRow *row, const GpuCaps *caps, const void *push,
                        const KernelTuning *tuning)
{
    size_t bytes = row->spec_count * sizeof *tuning->spec;
    KernelTuning known;
    bool possible = false;
    for (uint32_t i = 0; i <= row->tuning_count && !possible; i++) {
        const KernelTuning *tried = i ? &row->tunings[i - 1] : &row->tuning;
        possible = (kernel_fit_known(caps, row, tried, push, &known) && !memcmp(known.spec, tuning->spec, bytes)) ||
                   (kernel_fit(caps, row, tried, push, &known) && !memcmp(known.spec, tuning->spec, bytes));
    }
    return possible;
}

static bool read_constants(const char *text, const KernelRow *row, KernelTuning *out)
{
    char *end;
    *out = row->tuning;
    for (uint32_t i = 0; i < row->spec_count; i++) {
        unsigned long value = strtoul(text, &end, 10);
        if (end == text || value > UINT32_MAX)
            return false;
        out->spec[i] = (uint32_t)value;
        text = end;
    }
    return !*text;
}

void frozen_tuning(const FrozenKernels *frozen, const KernelRow *row, const GpuCaps *caps,
                   const void *push, KernelTuning *tuning)
{
    char line[LINE_BYTES];
    frozen_line(row, tuning, line, sizeof line);
    for (uint32_t i = 0; frozen && i < frozen->count; i++)
        if (!strcmp(frozen->lines[i], line))
            return;
    for (uint32_t i = 0; frozen && i < frozen->count; i++) {
        KernelTuning named;
        const char *text = constants(frozen->lines[i], row);
        if (text && read_constants(text, row, &named) && is_possible(row, caps, push, &named)) {
            *tuning = named;
            return;
        }
    }
}

/* As large as products of training are. */
static const MatmulPush usual_push = {.m = 512, .n = 1024, .k = 1024, .a_stride = 1024, .b_stride = 1024,
                                      .c_stride = 1024, .alpha = 1};

/* Whether a program would have the family's row for these types: its lines name it, or without lines it
 * was found faster. */
static bool is_taken(const FrozenKernels *frozen, const char *family, const Dtype *dtypes, const GpuCaps *caps)
{
    const KernelRow *row = kernel_choose(family, dtypes, caps, &usual_push);
    const KernelVerdict *verdict = row ? policy_verdict(caps->policy, row->name) : NULL;
    if (frozen && frozen->count)
        return frozen_row(frozen, family, dtypes, caps, &usual_push) != NULL;
    return verdict && verdict->finding == FINDING_FASTER;
}

static bool names_family(const FrozenKernels *frozen, const char *family)
{
    const size_t bytes = strlen(family);
    for (uint32_t i = 0; i < frozen->count; i++)
        if (!strncmp(frozen->lines[i], family, bytes) && frozen->lines[i][bytes] == ':')
            return true;
    return false;
}

/* Lines need not name both products: those of a program without gradients have the first one only. */
bool frozen_half(const FrozenKernels *frozen, const GpuCaps *caps)
{
    static const char *const families[] = {"matmul_nt_half", "matmul_nt_half_blocks", "matmul_nn_half",
                                           "matmul_nn_half_blocks"};
    if (!frozen || !frozen->count)
        return is_taken(frozen, families[0], NULL, caps) && is_taken(frozen, families[2], NULL, caps);
    bool half = names_family(frozen, families[0]) || names_family(frozen, families[1]);
    for (size_t i = 0; i < COUNT_OF(families) && half; i++)
        half = !names_family(frozen, families[i]) || is_taken(frozen, families[i], NULL, caps);
    return half;
}

InTile frozen_in_tile(const FrozenKernels *frozen, const GpuCaps *caps, bool half)
{
    InTile in_tile = {0, 0};
    for (Dtype dtype = 0; dtype < DTYPE_COUNT; dtype++) {
        const Dtype dtypes[GPU_MAX_BIND] = {half ? DTYPE_F16 : DTYPE_F32, dtype, DTYPE_F32, DTYPE_F32};
        if (dtype_info(dtype)->block == 1)
            continue;
        if (is_taken(frozen, half ? "matmul_nt_half_blocks" : "matmul_nt_blocks", dtypes, caps))
            in_tile.forward |= 1u << dtype;
        if (is_taken(frozen, half ? "matmul_nn_half_blocks" : "matmul_nn_blocks", dtypes, caps))
            in_tile.backward |= 1u << dtype;
    }
    return in_tile;
}

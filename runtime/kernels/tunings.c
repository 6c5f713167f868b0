/* The table of starting points. "Without a card" is tools/kernel-check --compile-for FAMILY
 * --all-tunings, which reports registers and how many subgroups a SIMD holds; where nothing was
 * measured by us the line says so, and the race at the first run decides. Constants are
 * the rows' own: of matmul tiles threads, tile m, n, k, sums down, across, buffers, aligned; of
 * attention tiles rows and columns in eighths around the head size, which follows from the model. */
#include "kernels/tunings.h"

#include <string.h>

#include "base/mem.h"
#include "gpu/caps.h"

const TuningLine tuning_lines[] = {
    {DRIVER_RADV, 64, 64, "matmul_*_tile", {{256, 128, 64, 16, 8, 4, 1, 0}},
     "GCN: 64 sums in groups of 64 take 132 registers, which leaves one subgroup a SIMD and nothing "
     "to hide memory behind; 32 sums in groups of 256 take 68 and leave three (RADV 25.0.7 without "
     "a card, polaris10 and vega10)"},
    {DRIVER_RADV, 64, 64, "attention_fwd_tile", {{2, 64, 4}},
     "GCN: 32 rows take 148 registers and 23 KiB of a compute unit's 64, two groups for its four "
     "SIMDs; 16 rows take 80 and 16 KiB, one group for each SIMD (RADV 25.0.7 without a card, polaris10 "
     "and vega10)"},
    {DRIVER_RADV, 64, 64, "attention_bwd_*_tile", {{1, 64, 2}},
     "GCN: 16 rows and 32 columns take 28 KiB of a compute unit's 64, two groups for its four SIMDs; 8 "
     "and 16 take 14 KiB, one group for each SIMD (RADV 25.0.7 without a card, polaris10 and vega10)"},
    {DRIVER_RADV, 64, 64, "matvec_*_subgroup", {{64, 64, 2, 16, 0, 64}},
     "a subgroup to two rows; four rows take 128 registers and leave two subgroups a SIMD (RADV "
     "25.0.7 without a card, polaris10)"},
    {DRIVER_RADV, 0, 0, "matmul_*_tile", {{64, 64, 64, 16, 8, 8, 1, 0}},
     "RDNA: 64 sums take 132 to 136 registers and leave six to eight subgroups a SIMD, a second "
     "buffer only four (RADV 25.0.7 without a card, navi21 and navi31); large tiles win there "
     "(llama.cpp #18749)"},
    {DRIVER_AMD_PROPRIETARY, 0, 0, "matmul_*_tile", {{256, 64, 64, 16, 4, 4, 1, 0}},
     "large tiles win on RADV and lose on AMD's own driver (llama.cpp #18749, #18763; not measured "
     "by us)"},
    {DRIVER_AMDVLK, 0, 0, "matmul_*_tile", {{256, 64, 64, 16, 4, 4, 1, 0}},
     "the compiler of AMD's own driver (see there; not measured by us)"},
    {DRIVER_INTEL_MESA, 0, 0, "matmul_*_tile", {{256, 64, 64, 16, 4, 4, 1, 0}},
     "16 sums are what the register files hold (ANV 25.0.7 without a card, skl to bmg), and one "
     "buffer needs 109 registers where two need 123"},
    {DRIVER_INTEL_WINDOWS, 0, 0, "matmul_*_tile", {{256, 64, 64, 16, 4, 4, 1, 0}},
     "register files as under Mesa (not measured by us)"},
    {DRIVER_NVIDIA, 0, 0, "matmul_*_tile", {{64, 64, 64, 16, 8, 8, 1, 0}},
     "an invocation has up to 255 registers, and 64 sums read shared memory half as often as 16 "
     "(not measured by us)"},
    {DRIVER_INTEL_MESA, 8, 32, "matvec_*_subgroup", {{32, 8, 2, 16, 0, 8}},
     "a thread's 128 registers are 128 values a lane in subgroups of 8 and 32 in subgroups of 32: with 8 "
     "nothing is spilled up to 16 vectors, with 32 one vector and two rows are too much (ANV 25.0.7 "
     "without a card, tgl and dg2)"},
    {DRIVER_INTEL_MESA, 16, 32, "matvec_*_subgroup", {{64, 16, 2, 16, 0, 16}},
     "128 values a lane in subgroups of 16, 64 in subgroups of 32 (ANV 25.0.7 without a card, bmg)"},
    {DRIVER_INTEL_WINDOWS, 8, 32, "matvec_*_subgroup", {{32, 8, 2, 16, 0, 8}},
     "register files as under Mesa (not measured by us)"},
    {DRIVER_INTEL_WINDOWS, 16, 32, "matvec_*_subgroup", {{64, 16, 2, 16, 0, 16}},
     "register files as under Mesa (not measured by us)"},
    {DRIVER_SWIFTSHADER, 0, 0, "matmul_*_tile", {{64, 64, 64, 16, 8, 8, 2, 0}},
     "barriers are dear: with a second buffer, which saves one, 1.4 s instead of 2.3 (measured, NT 64 x "
     "1536 x 576); 16 sums in groups of 256 take 3.1 s"},
    {DRIVER_SWIFTSHADER, 0, 0, "attention_bwd_d", {{64, 64, 1}},
     "a CPU: no barriers, and nothing is gained by neighbours at neighbouring bytes (not measured by us)"},
    {DRIVER_SWIFTSHADER, 0, 0, "attention_fwd_tile", {{4, 64, 2}},
     "16 columns took 0.30 s where 32 took 0.72, 8 or 16 rows were no faster than 32 (measured, 512 "
     "rows, 8 heads of 8)"},
    {DRIVER_LLVMPIPE, 0, 0, "expand_*", {{64, 1}},
     "nothing is gained by neighbours at neighbouring bytes, and what a group of 32 shares is decoded "
     "once: Q4_1 1.2 ms where four invocations to a group take 2.9 (measured on Mesa 22.3.6, 884,736 values)"},
    {DRIVER_SWIFTSHADER, 0, 0, "expand_*", {{64, 1}}, "a CPU, too (see llvmpipe; not measured by us)"},
    {DRIVER_LLVMPIPE, 0, 0, "rmsnorm_bwd_w", {{64, 1}},
     "barriers cost more than waiting: 4.5 to 9.2 ms where sixteen to a column take 10.5 to 11.8 (measured "
     "on Mesa 22.3.6, 512 x 576)"},
    {DRIVER_SWIFTSHADER, 0, 0, "rmsnorm_bwd_w", {{64, 1}}, "a CPU, too (see llvmpipe; not measured by us)"},
    {DRIVER_LLVMPIPE, 0, 0, "attention_*_lanes", {{8, 64}},
     "8 rows a subgroup: backward 36 and 37 ms where 4 take 38 and 59; forward 36 to 42 ms with "
     "either, within the noise (measured on Mesa 22.3.6, SmolLM2, 512 rows in one segment)"},
    {DRIVER_LLVMPIPE, 0, 0, "attention_fwd_decode", {{4, 64}},
     "0.48 ms where 8 heads a subgroup take 0.60 (measured on Mesa 22.3.6, SmolLM2, 1,030 keys)"},
    {DRIVER_LLVMPIPE, 0, 0, "attention_bwd_*_coopmat", {{128, 32, 16, 16, 16, 64, 32, 32, 16, 2, 0}},
     "compiled faster than larger ones; these rows are checked on processors, not used (Mesa 26.1.6)"},
};
const size_t tuning_line_count = COUNT_OF(tuning_lines);

static bool matches(const char *pattern, const char *name)
{
    const char *star = strchr(pattern, '*');
    if (!star)
        return !strcmp(pattern, name);
    size_t head = (size_t)(star - pattern), tail = strlen(star + 1), length = strlen(name);
    return length >= head + tail && !strncmp(pattern, name, head) &&
           !strcmp(star + 1, name + length - tail);
}

const TuningLine *tuning_line(const GpuCaps *caps, const KernelRow *row)
{
    for (size_t i = 0; i < tuning_line_count; i++) {
        const TuningLine *line = &tuning_lines[i];
        if (line->driver_id == caps->driver_id &&
            (!line->subgroup_min || line->subgroup_min == caps->subgroup_min) &&
            (!line->subgroup_max || line->subgroup_max == caps->subgroup_max) &&
            matches(line->row, row->name))
            return line;
    }
    return NULL;
}

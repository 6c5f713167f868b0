/* What breaks where; with kernels/tunings.c the one place that names vendors. A row says what
 * breaks, and who saw it where; rows without a measurement of our own say so. */
#include "base/mem.h"
#include "gpu/caps.h"

#define MESA(major) ((uint32_t)(major) << 22)   /* as VK_MAKE_VERSION */
#define GIB (1024ull * 1024 * 1024)

const GpuQuirk gpu_quirks[] = {
    {.driver_id = DRIVER_INTEL_WINDOWS, .strikes = GPU_CAP_COOPMAT, .lane_sums = 16,
     .why = "cooperative matrix up to 1,400 times slower than plain code on an A770 "
            "(llama.cpp #11074, #22750), register files as under Mesa; not measured by us"},
    {.driver_id = DRIVER_INTEL_MESA, .lane_sums = 16,
     .why = "32 sums an invocation spill 64 registers, 64 spill 128 to 250, 16 none, on skl to bmg "
            "(ANV 25.0.7 without a card, tools/kernel-check --compile-for intel --all-tunings)"},
    {.driver_id = DRIVER_INTEL_MESA, .strikes = GPU_CAP_COOPMAT, .unit_n = 8,
     .spared = {"(DG2", "(ATS-M"},
     .why = "cards without a matrix unit offer one that becomes plain code and spills up to 115 "
            "registers: skl to arl have no dpas in their code (ANV 25.0.7 without a card, "
            "tools/kernel-check --compile-for intel); wider units are real"},
    {.driver_id = DRIVER_RADV, .named = "GFX11", .before = MESA(23), .lane_sums = 32,
     .why = "64 sums an invocation spill 2 to 10 registers on gfx1100, where this compiler takes 132 "
            "(RADV 22.3.6 without a card, tools/kernel-check --compile-for navi31); 25.0.7 spills none"},
    {.driver_id = DRIVER_AMD_PROPRIETARY, .block_bytes = GIB / 2,
     .why = "allocations near the advertised 2 GiB fail on Windows "
            "(llama.cpp #5441, #11598; not measured by us)"},
    {.driver_id = DRIVER_MOLTENVK, .strikes = GPU_CAP_SUBGROUP_SIZE | GPU_CAP_COOPMAT,
     .why = "subgroup size follows the Metal compiler and cannot be pinned "
            "(MoltenVK's documentation; not measured by us)"},
    {.driver_id = DRIVER_NVIDIA, .one_subgroup_size = true,
     .why = "warps are of 32 on every card (CUDA's programming guide; a driver too old to say so "
            "itself was not measured by us)"},
    {.driver_id = DRIVER_SWIFTSHADER, .one_subgroup_size = true,
     .why = "a subgroup is a vector of the processor, of 4 in all shaders (measured on one that says so "
            "itself)"},
    {.driver_id = DRIVER_LLVMPIPE, .one_subgroup_size = true,
     .why = "a subgroup is a vector of the processor, of one width in all shaders (measured on Mesa "
            "22.3.6, 25.0.7 and 26.1.6, which say so themselves)"},
};
const size_t gpu_quirk_count = COUNT_OF(gpu_quirks);

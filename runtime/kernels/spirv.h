#ifndef KERNELS_SPIRV_H
#define KERNELS_SPIRV_H
/* The embedded SPIR-V, generated from shaders/kernels.def. */

#include <stddef.h>
#include <stdint.h>

typedef struct SpirvEntry {
    const char *name;
    const uint32_t *words;
    size_t bytes;
    const char *why_missing;   /* NULL when built */
} SpirvEntry;

extern const SpirvEntry spirv_table[];
extern const size_t spirv_table_count;

#endif

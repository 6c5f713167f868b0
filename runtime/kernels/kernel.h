#ifndef KERNELS_KERNEL_H
#define KERNELS_KERNEL_H
/* A kernel is declared once: its shader, one line of shaders/kernels.def and one
 * KernelRow. Pipeline creation, barriers, bounds checks, planner, interpreter,
 * kernel-check, roofline and splitting all read the row. */

#include "base/dtype.h"
#include "gpu/gpu.h"

typedef struct KernelBind {
    const char *name;      /* as in the shader */
    GpuAccess access;
    Dtype dtype;           /* quantised types: raw 32-bit words are bound (see below) */
    float largest;         /* f32 overflows on the way with inputs beyond this; 0: only where
                            * the results do. A fact about the formula, not about the shader */
    double tolerance;      /* of this output, 0: the row's. An f16 next to the right one is not
                            * wrong where what is rounded has the errors of f32 */
} KernelBind;

/* How double-precision references see memory: one double per element of the
 * binding. F32, F16, BF16 are widened; U32 and the words of quantised blocks are
 * widened exactly (each double holds an integer < 2^32). Results are narrowed the
 * same way. A WRITE output starts as NaN, an ADD one holds the previous values. */
typedef void (*KernelReference)(const void *push, double *const bind[]);

/* One test case: the push struct, and how inputs are drawn where plain normal
 * values would not do (ids below a limit, increasing segment bounds, …). */
typedef struct KernelCase {
    const char *name;                      /* "smallest", "ragged", "smollm2" */
    const void *push;
    /* Fills binding `index` (count elements) for this case; returns false to leave
     * it to the harness (standard normals for floats, random words for the rest). */
    bool (*input)(const void *push, unsigned index, double *values, uint64_t count,
                  uint64_t seed);
} KernelCase;

/* Values of the specialisation constants of a row, ids 0…GPU_MAX_SPEC-1. */
typedef struct KernelTuning {
    uint32_t spec[GPU_MAX_SPEC];
} KernelTuning;

/* Sizes of the model in use, at which tunings are compared. */
typedef struct KernelShape {
    uint32_t rows;                         /* tokens at once */
    uint32_t hidden, ffn, heads, kv_heads, head_dim, vocab;
    uint32_t types;                        /* 1 << Dtype of weights in blocks */
} KernelShape;

typedef struct KernelRow {
    const char *name;        /* the line of kernels.def; finds the SPIR-V */
    const char *family;      /* rows of one family are interchangeable: same binds, push,
                              * reference, cases; differ in dtype, needs, tuning */
    uint32_t needs;          /* GPU_CAP_… */
    uint32_t rank;           /* smaller is tried first among usable rows of a family */
    uint32_t subgroup_size;  /* subgroups must be of this size by nature; 0: any */
    uint32_t subgroup_spec;  /* 1 + the constant that is the subgroup size to compile with, in groups
                              * of spec[0] threads; 0: any */
    bool probe;              /* used only after a child process found it right and faster */
    bool tune;               /* its tunings are raced at the first run on a GPU; probe implies it */
    /* What was measured of this row holds for this one: constants of the same meaning, as in rows
     * of a family that differ in the type alone. NULL: its own */
    const char *tuned_as;
    const char *timed;       /* the case that this is done with; NULL: the first */
    /* What it does in one dispatch that otherwise takes two, one after the other: a row by its name,
     * then whatever is used of a family. It must be faster than both together to be used. NULL: nothing. */
    const char *instead[2];
    void (*instead_push)(const void *push, void *first, void *second);   /* theirs for its push */
    /* gives the push of that case the sizes of a model; NULL: it is raced as it is */
    void (*shape)(const KernelShape *shape, void *push);
    uint32_t texels;         /* bit i: binding i is a uimageBuffer of rgba32ui (GpuPipelineInfo) */
    /* A push beyond what caches hold, at which a kernel bound by memory is measured on a GPU: its cases,
     * which references must be quick with, are over before the card is awake. Inputs are drawn as for
     * cases[0]. NULL: the case with the most work is measured */
    const void *large;
    bool slow_on_cpu;        /* barriers in every group: tens of thousands of them take a CPU
                              * driver minutes, so only a --case by name runs them there */
    uint32_t push_bytes;
    KernelBind bind[GPU_MAX_BIND];
    uint32_t spec_count;
    KernelTuning tuning;             /* the default */
    const KernelTuning *tunings;     /* all legal ones, for sweeps; NULL: only the default */
    uint32_t tuning_count;
    /* Whether this row is meant for these sizes; NULL: for all. A row must be right for
     * every push that it suits, and the last candidate of a family suits all. A Program asks
     * once, with the largest number of rows: the row must be right for fewer as well. */
    bool (*suits)(const void *push);
    uint32_t rows_word;      /* 1 + the word of push that the rows of a batch make larger, where suits
                              * looks at it: kernel-check tries sizes that suit with more rows; 0: none */
    /* Sets the constants that follow from the sizes (a head size, say); NULL: none do. */
    void (*specialise)(const void *push, KernelTuning *tuning);
    /* Changes the default tuning for sizes that it would waste; NULL: it serves all. Not
     * applied to a tuning that was asked for. */
    void (*resize)(const void *push, KernelTuning *tuning);
    /* Sets the constants that follow from the device (its matrix unit, its subgroups) and says
     * whether the device can run this tuning; NULL: every one can. */
    bool (*adapt)(const GpuCaps *caps, KernelTuning *tuning);
    /* Elements behind each binding (U32 words for quantised types). */
    void (*extent)(const void *push, uint64_t elements[GPU_MAX_BIND]);
    /* Workgroups, already folded: x <= 65535, the shader's group index is
     * y * 65535 + x (GROUP_INDEX of lib/common.glsl). */
    void (*grid)(const void *push, const KernelTuning *tuning, uint32_t groups[3]);
    double (*flops)(const void *push);
    KernelReference reference;
    const KernelCase *cases;
    uint32_t case_count;
    double tolerance;        /* |got - want| <= tolerance * max(|want|, scale of the output) */
} KernelRow;

/* ---- the table (runtime/kernels/table.c) -------------------------------- */

/* Every family array (`const KernelRow rows_matmul[]` …) listed once. */
size_t kernel_count(void);
const KernelRow *kernel_at(size_t index);
const KernelRow *kernel_by_name(const char *name);
/* First row of a family: reference, extent and flops are the family's. */
const KernelRow *kernel_family(const char *family);
/* The rows of a family usable with these caps and bind dtypes (NULL: any), best
 * first. Returns how many were written to out (at most capacity). */
size_t kernel_candidates(const char *family, const Dtype *dtypes, const GpuCaps *caps,
                         const KernelRow **out, size_t capacity);
/* The first candidate that suits this push and is trusted (kernels/policy.h), NULL when there is
 * none. */
const KernelRow *kernel_choose(const char *family, const Dtype *dtypes, const GpuCaps *caps,
                               const void *push);
/* A tuning (NULL: the row's default) after the row's specialise for this push. */
KernelTuning kernel_tuning(const KernelRow *row, const KernelTuning *tuning, const void *push);
/* The constants to compile a row with on a device for these sizes: those of `tuning`, or with
 * NULL the best that is known (measured here, else by kernels/tunings.h, else the row's default),
 * after resize, specialise and adapt. False: none fits the device. */
bool kernel_fit(const GpuCaps *caps, const KernelRow *row, const KernelTuning *tuning,
                const void *push, KernelTuning *out);
/* The same had `known` been found to be the best. */
bool kernel_fit_known(const GpuCaps *caps, const KernelRow *row, const KernelTuning *known,
                      const void *push, KernelTuning *out);
/* Why kernel_fit begins with the tuning it does, one sentence. */
const char *kernel_fit_why(const GpuCaps *caps, const KernelRow *row);
uint32_t kernel_bind_count(const KernelRow *row);
/* SPIR-V embedded for a row; NULL with *why when this build could not compile it. */
const uint32_t *kernel_spirv(const char *name, size_t *bytes, const char **why);

/* Pipeline of a row; tuning NULL takes the row's default. */
TMB_MUST_USE tmb_status kernel_pipeline(Gpu *gpu, const KernelRow *row,
                                        const KernelTuning *tuning, GpuPipeline **out);

/* The same for other SPIR-V than the embedded one (kernel-check --shader); name is the
 * pipeline's and must differ from the row's. */
TMB_MUST_USE tmb_status kernel_pipeline_of(Gpu *gpu, const KernelRow *row,
                                           const KernelTuning *tuning, const char *name,
                                           const uint32_t *words, size_t bytes,
                                           GpuPipeline **out);

/* Folds a linear number of groups so that x <= 65535 (y * 65535 + x covers it;
 * surplus groups return early in the shader). */
void kernel_fold(uint64_t linear, uint32_t groups[3]);

#endif

#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H
/* One kernel run on one device against one truth. */

#include "base/mem.h"
#include "kernels/roof.h"
#include "check/truth.h"

/* Device memory of the bindings, kept and grown from case to case. */
typedef struct Rig {
    Gpu *gpu;
    const char *label;       /* what reports call it, where there are reports */
    GpuBuffer *buffer[GPU_MAX_BIND];
    KernelRoof roof;         /* with --bench */
    double matrix_flops;     /* a second on matrix units, with --bench; 0: none */
} Rig;

/* The worst element of all outputs. */
typedef struct Worst {
    const char *bind;        /* NULL: every output was right to the bit */
    uint64_t index;
    double got, want, ulp;   /* ulp: distance in units of the last place of f32 */
    double share;            /* error as a share of what the tolerance allows */
} Worst;

typedef enum Verdict { VERDICT_PASSED, VERDICT_FAILED, VERDICT_SKIPPED } Verdict;

/* Runs the pipeline twice over fresh memory and compares. Sentences about what is wrong
 * go to `problems`; `worst` is filled in either case. A failing status means that the
 * device itself failed. */
TMB_MUST_USE tmb_status check_run(Rig *rig, const KernelRow *row, const KernelCase *one,
                                  const KernelTuning *tuning, GpuPipeline *pipeline,
                                  const Truth *truth, Worst *worst, Text *problems);
void rig_finish(Rig *rig);

/* A dispatch of the row; the bindings are still to be set. */
void check_dispatch(const KernelRow *row, const KernelCase *one, const KernelTuning *tuning,
                    GpuPipeline *pipeline, GpuDispatch *out);

#endif

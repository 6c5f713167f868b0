#ifndef BENCH_RUN_MEASURES_H
#define BENCH_RUN_MEASURES_H
/* The figures, each on a device that does nothing else meanwhile. */

#include "gpu/gpu.h"
#include "model/model.h"

typedef struct TrainingFigures {
    double tokens_per_second;    /* live tokens per wall second, all steps but the first two */
    double slowest;              /* the same of the slowest of these steps */
    double cpu_seconds;          /* of the process, per 1,000 tokens */
    uint64_t peak_rss;           /* bytes of main memory, the highest so far */
    uint64_t device_bytes;
} TrainingFigures;

typedef struct DecodingFigures {
    double alone;                /* tokens per wall second of one sequence */
    double together;             /* of DECODING_TOGETHER side by side, all of them counted */
    double prefill;              /* prompt tokens per wall second */
    double cpu_milliseconds;     /* of the process, per token decoded alone */
} DecodingFigures;

enum { TRAINING_ROW = 512, TRAINING_RANK = 16, DECODING_TOGETHER = 4, DECODING_PROMPT = 256,
       DECODING_TOKENS = 64 };

/* LoRA of rank 16 on all linears, a full row of 512 tokens a step, every second one
 * supervised; steps >= 3. */
TMB_MUST_USE tmb_status measure_training(Gpu *gpu, const Model *model, unsigned steps,
                                         TrainingFigures *out);
TMB_MUST_USE tmb_status measure_decoding(Gpu *gpu, const Model *model, DecodingFigures *out);
/* Seconds of the matmul C[m,n] = A[m,k] · B[n,k]ᵀ, and the kernel that this device takes. */
TMB_MUST_USE tmb_status measure_matmul(Gpu *gpu, unsigned m, unsigned n, unsigned k,
                                       const char **kernel, double *seconds);

#endif

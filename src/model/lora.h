#ifndef MODEL_LORA_H
#define MODEL_LORA_H
/* Low-rank adapters (Hu et al., 2021), attached to linears by name from outside the
 * model: y += alpha/rank · (x Aᵀ) Bᵀ. A is [rank, in], B is [out, rank], both f32. */

#include "base/rng.h"
#include "model/model.h"

enum { LORA_RANK = 16 };     /* where none is given */

typedef struct LoraParams {
    uint32_t rank;           /* 0: LORA_RANK */
    float alpha;             /* 0: 2 × rank */
    const char *targets;     /* "all" or NULL: q,k,v,o,gate,up,down; else a list of them,
                              * comma-separated; also PEFT's q_proj … down_proj. Naming the
                              * head or the embedding is TMB_USAGE */
} LoraParams;

typedef struct Lora Lora;

/* range: caps.storage_range, 0: 128 MiB. */
TMB_MUST_USE tmb_status lora_create(const Model *model, const LoraParams *params,
                                    uint64_t range, Lora **out);
void lora_destroy(Lora **lora);

uint32_t lora_rank(const Lora *lora);
float lora_alpha(const Lora *lora);
/* The targets in PEFT's short names in fixed order, "q_proj,k_proj,…". */
const char *lora_targets(const Lora *lora);
/* The target that a weight belongs to by its GGUF name, NULL: none. */
const char *lora_target(const char *weight);
/* Where the tensors lie: "blk.0.attn_q.weight.lora_a", "….lora_b", linear by linear. */
const Parameters *lora_parameters(const Lora *lora);

/* The adapted linears; the items of lora_parameters are 2i (A) and 2i + 1 (B). */
uint32_t lora_count(const Lora *lora);
const ModelLinear *lora_linear(const Lora *lora, uint32_t index);

/* Initial values as PEFT: A uniform in ±1/sqrt(in) (Kaiming, a = sqrt 5), B zero, drawn
 * in the order of lora_parameters. */
TMB_MUST_USE tmb_status lora_initialise(const Lora *lora, Store *store, Rng *rng);
/* One tensor's initial values: `values` gets rows × cols floats. */
void lora_initial(const Lora *lora, uint32_t item, Rng *rng, float *values);

/* The graph hook (GraphParams.hook) with the Lora as its context. */
bool lora_hook(void *context, Graph *graph, const char *name, uint64_t in, uint64_t out,
               LinearAdapter *adapter);

#endif

#ifndef TRAIN_ADAPTER_H
#define TRAIN_ADAPTER_H
/* A low-rank adapter in main memory, and its own file format, which is GGUF-LoRA: what
 * llama.cpp loads (general.type "adapter", adapter.type "lora", adapter.lora.alpha, and
 * tensors "blk.N.attn_q.weight.lora_a" [rank, in], "….lora_b" [out, rank]).
 *
 * Rows of B lie as the rows of the base's GGUF; PEFT's order is src/export's business. */

#include <stdint.h>

#include "base/sha256.h"
#include "base/status.h"
#include "model/lora.h"

typedef struct AdapterPair {
    char *name;              /* of the base's weight: "blk.3.attn_q.weight" */
    uint64_t in, out;
    uint32_t rank;
    float *a;                /* [rank, in] */
    float *b;                /* [out, rank] */
} AdapterPair;

typedef struct Adapter {
    char architecture[32];   /* of the base; "" when the file does not say */
    char base_sha256[SHA256_TEXT];   /* of the base's file; "" when the file does not say */
    float alpha;             /* y += alpha / pair.rank · (x Aᵀ) Bᵀ */
    AdapterPair *pairs;
    uint32_t count;
} Adapter;

Adapter *adapter_create(void);
void adapter_destroy(Adapter **adapter);
/* Appends a pair with zeroed values; TMB_OUT_OF_HOST when there is no room for them. */
TMB_MUST_USE tmb_status adapter_add(Adapter *adapter, const char *name, uint64_t in,
                                    uint64_t out, uint32_t rank, AdapterPair **pair);
/* NULL when there is none for this weight. */
AdapterPair *adapter_find(const Adapter *adapter, const char *name);
uint32_t adapter_rank(const Adapter *adapter);      /* the largest of its pairs */
/* True when both hold the same pairs and every bit of their values agrees. */
bool adapter_equal(const Adapter *left, const Adapter *right);

/* Gives the values of item `item` of lora_parameters. */
typedef tmb_status (*AdapterRead)(void *user, uint32_t item, float *values);
/* The parameters of a Lora, wherever they lie now. base_sha256 may be "". */
TMB_MUST_USE tmb_status adapter_from(const Model *model, const char *base_sha256,
                                     const Lora *lora, AdapterRead read, void *user,
                                     Adapter **out);
/* Checks that the adapter belongs to this base (digest where both are known, names and
 * shapes always): TMB_BAD_INPUT naming what differs. `path` is for messages. */
TMB_MUST_USE tmb_status adapter_check(const Adapter *adapter, const char *path,
                                      const Model *model, const char *base_sha256);
/* A Lora with the adapter's rank and targets; smaller ranks are padded with zeros. */
TMB_MUST_USE tmb_status adapter_lora(const Adapter *adapter, const Model *model, uint64_t range,
                                     Lora **out);
/* Puts the values where adapter_lora's graphs read them. */
TMB_MUST_USE tmb_status adapter_to_store(const Adapter *adapter, const Lora *lora, Store *store);

/* Writes GGUF-LoRA, at once or not at all; `model` gives names for people (may be NULL). */
TMB_MUST_USE tmb_status adapter_save(const Adapter *adapter, const char *path);
/* TMB_BAD_INPUT when the file is damaged or no adapter. */
TMB_MUST_USE tmb_status adapter_open(const char *path, Adapter **out);

#endif

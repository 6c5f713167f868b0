#ifndef INFER_GENERATOR_H
#define INFER_GENERATOR_H
/* Token ids in, token ids out: prompts are read in blocks of rows, then all running
 * sequences advance together by one token a pass. Each sequence has a slot of the
 * key-value cache; what a slot already holds of a prompt is not computed again, so
 * the next turn of a conversation only reads what is new. */

#include "infer/sample.h"
#include "model/lora.h"

typedef struct Generator Generator;

typedef struct GeneratorParams {
    Gpu *gpu;                /* outlives the generator */
    const Model *model;      /* likewise */
    const Lora *lora;        /* NULL: the bare model; its values go to generator_store */
    uint32_t context;        /* tokens a sequence may hold; 0: min(2048, the model's) */
    uint32_t batch;          /* slots; 0: 1 */
    uint32_t prompt_rows;    /* most prompt tokens computed together; 0: 128 */
} GeneratorParams;

/* Uploads the weights. TMB_OUT_OF_DEVICE when they and the cache do not fit. */
TMB_MUST_USE tmb_status generator_create(const GeneratorParams *params, Generator **out);
void generator_destroy(Generator **generator);
/* Where adapter parameters live: set them before the first run. */
Store *generator_store(Generator *generator);

typedef struct GenerateRequest {
    const uint32_t *prompt;
    uint32_t prompt_count;
    uint32_t max_tokens;     /* of the reply */
    uint64_t seed;
    Sampling sampling;
    /* filled: the reply, the stopping token included; free() ids */
    uint32_t *ids;
    uint32_t count;
    bool ended;              /* stopped by a stop token, not by a limit */
} GenerateRequest;

typedef struct GenerateParams {
    GenerateRequest *requests;
    uint32_t request_count;
    const uint32_t *stops;   /* ids that end a reply */
    uint32_t stop_count;
    void (*on_token)(void *user, uint32_t request, uint32_t id, bool stop);
    void *user;
} GenerateParams;

/* Answers all requests, as many side by side as there are slots. A prompt that leaves
 * no room for one token is TMB_BAD_INPUT. TMB_INTERRUPTED after Ctrl-C. */
TMB_MUST_USE tmb_status generator_run(Generator *generator, const GenerateParams *params);

/* Logits after a prompt, f32 [vocab] each, of `count` of its last positions (tests and
 * exports compare with them); count <= prompt_count, prompt_rows and the maximum. */
enum { GENERATOR_MAX_LOGITS = 16 };
TMB_MUST_USE tmb_status generator_logits(Generator *generator, const uint32_t *prompt,
                                         uint32_t prompt_count, uint32_t count, float *logits);

#endif

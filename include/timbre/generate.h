#ifndef TIMBRE_GENERATE_H
#define TIMBRE_GENERATE_H
/* Replies: prompts in, text out, with or without an adapter. */

#include <stddef.h>
#include <stdint.h>

#include "timbre/device.h"
#include "timbre/model.h"
#include "timbre/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tmb_generator tmb_generator;

typedef struct tmb_generator_params {
    const char *adapter;      /* RUN, PEFT folder or GGUF-LoRA file; NULL: the base model */
    uint32_t context;         /* tokens a conversation may hold; 0: min(2048, the model's) */
    uint32_t batch;           /* prompts answered side by side; 0: 1 */
} tmb_generator_params;

/* Puts the model on the device, ready to answer. */
TMB_MUST_USE tmb_status tmb_generator_create(tmb_device *device, tmb_model *model,
                                             const tmb_generator_params *params,
                                             tmb_generator **out);
void tmb_generator_destroy(tmb_generator **generator);

typedef struct tmb_message {
    const char *role;         /* "system", "user", "assistant" */
    const char *content;      /* UTF-8 */
} tmb_message;

typedef struct tmb_conversation {
    const tmb_message *messages;
    size_t count;
} tmb_conversation;

typedef struct tmb_sampling {
    double temperature;       /* 0: greedy */
    uint32_t top_k;           /* 0: all */
    double top_p;             /* 0 or 1: all */
    uint64_t seed;
    uint32_t max_tokens;      /* 0: 256 */
    /* Called with each piece of reply `index` as it comes, the model's own bytes, characters whole;
     * may be NULL. */
    void (*on_text)(void *user, size_t index, const char *text, size_t bytes);
    void *user;
} tmb_sampling;

typedef struct tmb_reply {
    char *text;               /* UTF-8 (bytes that are none: U+FFFD), NUL-terminated */
    uint32_t *ids;            /* generated ids, the end token included when it came */
    size_t tokens, prompt_tokens;
    int ended;                /* non-zero: the model ended by itself */
} tmb_reply;

/* Answers count conversations, generator's batch at a time; replies[count] is
 * filled and released by tmb_replies_clear. */
TMB_MUST_USE tmb_status tmb_generate(tmb_generator *generator,
                                     const tmb_conversation *conversations, size_t count,
                                     const tmb_sampling *sampling, tmb_reply *replies);
void tmb_replies_clear(tmb_reply *replies, size_t count);

#ifdef __cplusplus
}
#endif
#endif

#ifndef API_API_H
#define API_API_H
/* What stands behind the public opaque handles. */

#include "data/template.h"
#include "data/tokenizer.h"
#include "gpu/gpu.h"
#include "model/lora.h"
#include "timbre/timbre.h"

struct tmb_device {
    Gpu *gpu;
    tmb_profile_row *rows;    /* copy handed out by tmb_device_profile */
    char note[512];           /* handed out by tmb_device_note */
};

struct tmb_model {
    char *path;
    Model *model;
    Tokenizer *tokenizer;
    ChatTemplate *chat;       /* NULL: chat_problem says why */
    char *chat_problem;
    char *tokenizer_note;     /* "bpe (smollm)" */
    char sha256[65];          /* filled by the first tmb_model_describe */
};

/* The chat template, or TMB_UNSUPPORTED with the reason it was refused. */
TMB_MUST_USE tmb_status api_chat(const tmb_model *model, const ChatTemplate **out);

#endif

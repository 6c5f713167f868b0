#ifndef DATA_TEMPLATE_H
#define DATA_TEMPLATE_H
/* Conversations as the model was taught to see them. The model's own chat template is
 * recognised (ChatML, Llama 3, Mistral [INST] and its relatives, with the details that
 * vary: default system prompt, white space, where the system prompt goes); one that is
 * not understood is refused by name. Rendering keeps apart what the template says from
 * what people wrote, so that nobody's text can spell a control token. */

#include "data/tokenizer.h"

typedef struct Message {
    const char *role;        /* "system", "user", "assistant" */
    const char *content;     /* UTF-8 */
} Message;

typedef struct ChatTemplate ChatTemplate;

/* Reads tokenizer.chat_template. TMB_UNSUPPORTED when there is none, when it is not one
 * of ours, or when the vocabulary lacks its end-of-turn token. Keeps nothing of both. */
TMB_MUST_USE tmb_status chat_template_load(const Gguf *gguf, const Tokenizer *tokenizer,
                                           ChatTemplate **out);
/* From the template's source and the names of BOS and EOS ("" for none); without ids. */
TMB_MUST_USE tmb_status chat_template_parse(const char *source, const char *bos,
                                            const char *eos, ChatTemplate **out);
void chat_template_destroy(ChatTemplate **chat);

const char *chat_template_name(const ChatTemplate *chat);   /* "chatml", "llama3", "mistral" */
/* The token that ends a turn (after chat_template_load). */
uint32_t chat_template_end(const ChatTemplate *chat);
/* Every token that ends a reply: the end of turn first, then EOS and the model's EOT
 * where they differ. Returns how many, at most CHAT_STOPS. */
enum { CHAT_STOPS = 3 };
size_t chat_template_stops(const ChatTemplate *chat, uint32_t ids[CHAT_STOPS]);

/* A conversation as runs of text, supervised where an assistant speaks: the reply from
 * the place where the prompt for it ends, and the end-of-turn token. The runs point into
 * the messages and the template. Zero to begin. */
typedef struct Rendering {
    TextRun *runs;
    size_t count, capacity;
    bool exhausted;          /* memory ran out */
} Rendering;

/* With `prompt`, the text goes on to where the assistant's next reply begins. A role or an
 * order of roles that the template does not know is TMB_BAD_INPUT. */
TMB_MUST_USE tmb_status chat_template_render(const ChatTemplate *chat, const Message *messages,
                                             size_t count, bool prompt, Rendering *out);
void rendering_text(const Rendering *rendering, Text *out);     /* appends all runs */
void rendering_finish(Rendering *rendering);

/* Renders and tokenizes, with BOS in front where the model wants one. The ids of a
 * prompt are the same here, in front of a known reply, and in generation. */
TMB_MUST_USE tmb_status chat_template_encode(const ChatTemplate *chat,
                                             const Tokenizer *tokenizer,
                                             const Message *messages, size_t count,
                                             bool prompt, Tokens *out);

#endif

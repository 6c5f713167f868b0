#ifndef DATA_CHAT_STYLE_H
#define DATA_CHAT_STYLE_H
/* Inside of the chat templates: what was recognised (template.c) and how it is written
 * out (render.c). */

#include "data/template.h"

typedef enum ChatSystem {
    CHAT_SYSTEM_MESSAGE,     /* a message like any other, anywhere */
    CHAT_SYSTEM_FIRST_USER,  /* in front of the first user message */
    CHAT_SYSTEM_LAST_USER,   /* in front of the last user message */
    CHAT_SYSTEM_NONE         /* there is no place for it */
} ChatSystem;

/* A message is written head, content, tail. */
typedef struct ChatWriting {
    const char *head, *tail;
    bool trim;               /* the content without white space at both ends */
} ChatWriting;

struct ChatTemplate {
    const char *name;
    const char *begin;               /* in front of everything: BOS or "" */
    const char *every_turn;          /* in front of every user message: BOS or "" (Llama 2) */
    ChatWriting system, user;
    const char *prompt;              /* what a prompt ends with: "<|im_start|>assistant\n" */
    ChatWriting assistant;           /* the reply that follows the prompt */
    const char *end, *after_end;     /* the end-of-turn token, and text that follows it */
    ChatSystem system_place;
    const char *default_system;      /* written when the conversation has no system message; or NULL */
    const char *system_between;      /* between system and user text when both share a turn */
    bool alternate;                  /* user and assistant must take turns */
    uint32_t end_id, eos_id, eot_id; /* NO_TOKEN without a vocabulary */
    Arena arena;                     /* the strings above */
};

/* The template without what makes no difference: comments, spaces between words, the
 * choice of quotes, message.content for message['content'], and literals written in
 * pieces. A literal stands between two '"', with its escapes resolved and its own '"'
 * as \2. malloc'd; NULL when tags or literals do not close. */
char *template_canonical(const char *source);

#endif

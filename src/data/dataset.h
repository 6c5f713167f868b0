#ifndef DATA_DATASET_H
#define DATA_DATASET_H
/* Examples from JSONL files, one JSON object a line; formats.def lists the kinds of line.
 * A byte order mark, CRLF line ends, blank lines and keys we do not know are fine; "\r\n" inside
 * a text is read as "\n", which letters in use have too. Every
 * line that is not usable is named with its reason, all of them before failing. */

#include "data/template.h"

typedef struct Example {
    Message *messages;       /* the last one is an assistant's: the reply */
    size_t count;            /* >= 1 */
    const char *rejected;    /* of a pair: the reply not to give; NULL otherwise */
    double weight;           /* 1e-9 to 1e9; 1 unless the line has a "weight" */
    const char *file;        /* where it was read */
    size_t line;             /* from 1 */
} Example;

/* Zero to begin. */
typedef struct Dataset {
    Arena arena;             /* everything the examples point to */
    Example *examples;
    size_t count, capacity;
    size_t pairs;            /* examples that have a rejected reply */
} Dataset;

/* Appends the examples of the files, in order; "-" is standard input. TMB_BAD_INPUT names
 * file, line and reason of every unusable line (those that do not fit into the sentence go
 * to the log), or the file that has no example. */
TMB_MUST_USE tmb_status dataset_read(Dataset *dataset, const char *const *paths, size_t count);
void dataset_finish(Dataset *dataset);

/* Puts this text in place of every system message, and first where there is none. */
TMB_MUST_USE tmb_status dataset_set_system(Dataset *dataset, const char *system);

/* The tokens of one example with its reply, or with the rejected one; zero *out first. */
TMB_MUST_USE tmb_status example_encode(const Example *example, const Tokenizer *tokenizer,
                                       const ChatTemplate *chat, bool rejected, Tokens *out);
/* All of them: out[count], zeroed or not; release each. Every example that cannot be
 * rendered, or has nothing supervised, is named as dataset_read does. */
TMB_MUST_USE tmb_status dataset_encode(const Dataset *dataset, const Tokenizer *tokenizer,
                                       const ChatTemplate *chat, Tokens *out);

/* ---- looking at data ---------------------------------------------------- */

/* The reply is nothing but white space. */
bool example_is_empty(const Example *example);
/* Which of `count` token sequences say again what an earlier one says: earlier[i] is the first that
 * equals i, or i itself. */
TMB_MUST_USE tmb_status tokens_find_repeats(const Tokens *tokens, size_t count, uint32_t *earlier);

typedef struct DataReport {
    uint64_t examples, tokens, supervised;
    uint64_t longest;            /* tokens of the longest example */
    uint64_t longest_line;       /* where it is */
    uint64_t truncated;          /* examples that lose supervised tokens with row_tokens */
    uint64_t empty_replies;      /* nothing but white space */
    uint64_t duplicates;         /* equal to an earlier example, token for token */
} DataReport;

/* Counts what training would see, and logs a warning for each example that may do harm. */
TMB_MUST_USE tmb_status dataset_check(const Dataset *dataset, const Tokenizer *tokenizer,
                                      const ChatTemplate *chat, uint32_t row_tokens,
                                      DataReport *out);

/* How supervised spans are told: in colour, between [[ and ]], or token by token (timbre/data.h). */
typedef enum DataStyle { DATA_COLOURED, DATA_BRACKETED, DATA_JSON } DataStyle;
/* Appends up to `limit` examples (0: all) as the model sees them. But in JSON, control characters
 * are shown as text_append_visible does. */
TMB_MUST_USE tmb_status dataset_show(const Dataset *dataset, const Tokenizer *tokenizer,
                                     const ChatTemplate *chat, size_t limit, DataStyle style,
                                     Text *out);

/* ---- plain text --------------------------------------------------------- */

/* Appends the tokens of a text file ("-": standard input), all of them supervised but the
 * first; UTF-8 is not required. by_line: every line encoded on its own, its end included.
 * bos: BOS once, at the very start. A file without a single prediction is TMB_BAD_INPUT. */
TMB_MUST_USE tmb_status text_encode_file(const Tokenizer *tokenizer, const char *path,
                                         bool by_line, bool bos, Tokens *out);

#endif

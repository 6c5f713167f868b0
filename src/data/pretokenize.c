#include "data/pretokenize.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

/* Unicode's White_Space. PCRE2's own \s would add U+180E, which the tokenizers the
 * models were trained with do not count. */
#define SPACE "\\t-\\r\\x{85}\\p{Z}"
#define WORD_OTHER "[^" SPACE "\\p{L}\\p{N}]"
#define TRAILING_SPACE "[" SPACE "]+(?![^" SPACE "])|[" SPACE "]+"

#define GPT2_PATTERN \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?" WORD_OTHER "+|" TRAILING_SPACE
/* {most} digits stay together */
#define CL100K_PATTERN(most)                                                            \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1," most "}| ?"  \
    WORD_OTHER "+[\\r\\n]*|[" SPACE "]*[\\r\\n]+|" TRAILING_SPACE
#define TEKKEN_PATTERN                                                                  \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*"                       \
    "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|"                                                   \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"                       \
    "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}| ?" WORD_OTHER "+[\\r\\n/]*|"                \
    "[" SPACE "]*[\\r\\n]+|" TRAILING_SPACE

enum { MAX_STAGES = 4 };

/* A stage cuts every piece of the one before at each match, and keeps what lies between. */
typedef struct PatternRow {
    const char *names;                 /* separated by spaces */
    const char *stages[MAX_STAGES];
    bool whole_words, adds_bos;
} PatternRow;

static const PatternRow pattern_rows[] = {
    {.names = "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2",
     .stages = {CL100K_PATTERN("3")}, .whole_words = true, .adds_bos = true},
    {.names = "qwen2 deepseek-r1-qwen megrez kormo", .stages = {CL100K_PATTERN("1")}},
    {.names = "gpt-2 phi-2 jina-es jina-de jina-v2-es jina-v2-de roberta-bpe gigachat mellum "
              "a.x-4.0 exaone4 modern-bert",
     .stages = {GPT2_PATTERN}},
    {.names = "smollm starcoder refact command-r codeshell exaone minerva-7b",
     .stages = {"\\p{N}", GPT2_PATTERN}},
    {.names = "tekken", .stages = {TEKKEN_PATTERN}, .whole_words = true, .adds_bos = true},
    {.names = "default",
     .stages = {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2_PATTERN, "\\p{N}+", "[0-9][0-9][0-9]"}},
};

struct Pretokenizer {
    const PatternRow *row;
    pcre2_code *stages[MAX_STAGES];
    size_t stage_count;
};

static bool has_name(const char *names, const char *name)
{
    size_t bytes = strlen(name);
    for (const char *at = names; bytes && (at = strstr(at, name)); at += bytes)
        if ((at == names || at[-1] == ' ') && (at[bytes] == ' ' || !at[bytes]))
            return strchr(name, ' ') == NULL;
    return false;
}

tmb_status pretokenizer_create(const char *name, Pretokenizer **out)
{
    const PatternRow *row = NULL;
    *out = NULL;
    for (size_t i = 0; i < COUNT_OF(pattern_rows) && !row; i++)
        if (has_name(pattern_rows[i].names, name))
            row = &pattern_rows[i];
    if (!row)
        return fail(TMB_UNSUPPORTED, "the pre-tokenizer \"%.64s\" is not supported; llama-bpe, "
                    "qwen2, gpt-2, smollm, tekken and their relatives are", name);
    Pretokenizer *made = MEM_NEW(Pretokenizer);
    made->row = row;
    for (size_t i = 0; i < MAX_STAGES && row->stages[i]; i++) {
        int error;
        PCRE2_SIZE offset;
        made->stages[i] = pcre2_compile((PCRE2_SPTR)row->stages[i], PCRE2_ZERO_TERMINATED,
                                        PCRE2_UTF | PCRE2_UCP, &error, &offset, NULL);
        if (!made->stages[i]) {
            pretokenizer_destroy(&made);
            return fail(TMB_FAILED, "PCRE2 refuses the pattern of pre-tokenizer %s (error %d)",
                        name, error);
        }
        /* may fail where the system forbids generated code: then patterns are interpreted */
        (void)pcre2_jit_compile(made->stages[i], PCRE2_JIT_COMPLETE);
        made->stage_count = i + 1;
    }
    *out = made;
    return TMB_OK;
}

void pretokenizer_destroy(Pretokenizer **pretokenizer)
{
    if (!*pretokenizer)
        return;
    for (size_t i = 0; i < MAX_STAGES; i++)
        pcre2_code_free((*pretokenizer)->stages[i]);
    free(*pretokenizer);
    *pretokenizer = NULL;
}

bool pretokenizer_whole_words(const Pretokenizer *pretokenizer)
{
    return pretokenizer->row->whole_words;
}

bool pretokenizer_adds_bos(const Pretokenizer *pretokenizer)
{
    return pretokenizer->row->adds_bos;
}

/* ---- splitting ---------------------------------------------------------- */

typedef struct Splitting {
    const Pretokenizer *pretokenizer;
    pcre2_match_data *match[MAX_STAGES];
    pcre2_match_context *limits;
    PieceVisit *visit;
    void *context;
} Splitting;

/* Cuts well-formed text by the stages from `stage` on. */
static tmb_status split(const Splitting *work, size_t stage, const char *text, size_t bytes)
{
    if (!bytes)
        return TMB_OK;
    if (stage == work->pretokenizer->stage_count)
        return work->visit(work->context, text, bytes);
    size_t at = 0;
    while (at < bytes) {
        int found = pcre2_match(work->pretokenizer->stages[stage], (PCRE2_SPTR)text, bytes, at,
                                PCRE2_NO_UTF_CHECK, work->match[stage], work->limits);
        if (found == PCRE2_ERROR_NOMATCH)
            break;
        const PCRE2_SIZE *range = pcre2_get_ovector_pointer(work->match[stage]);
        if (found < 0 || range[1] <= range[0])
            return fail(TMB_FAILED, "PCRE2 stopped in a text of %zu bytes (error %d)", bytes,
                        found);
        TRY(split(work, stage + 1, text + at, range[0] - at));
        TRY(split(work, stage + 1, text + range[0], range[1] - range[0]));
        at = range[1];
    }
    return split(work, stage + 1, text + at, bytes - at);
}

static tmb_status split_bytes(const Splitting *work, const char *text, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        size_t good = utf8_valid(text + at, bytes - at);
        TRY(split(work, 0, text + at, good));
        size_t bad = at += good;
        while (bad < bytes && !utf8_character(text + bad, bytes - bad))
            bad++;
        if (bad > at)
            TRY(work->visit(work->context, text + at, bad - at));
        at = bad;
    }
    return TMB_OK;
}

tmb_status pretokenize(const Pretokenizer *pretokenizer, const char *text, size_t bytes,
                       PieceVisit *visit, void *context)
{
    Splitting work = {.pretokenizer = pretokenizer, .visit = visit, .context = context};
    tmb_status status = TMB_OK;
    work.limits = pcre2_match_context_create(NULL);
    bool ready = work.limits != NULL;
    for (size_t i = 0; i < pretokenizer->stage_count && ready; i++) {
        work.match[i] = pcre2_match_data_create(1, NULL);
        ready = work.match[i] != NULL;
    }
    if (ready) {
        /* a run of a million spaces backtracks a million steps, once: no reason to stop */
        pcre2_set_match_limit(work.limits, UINT32_MAX);
        status = split_bytes(&work, text, bytes);
    } else {
        status = fail(TMB_OUT_OF_HOST, "no memory to match a text of %zu bytes", bytes);
    }
    for (size_t i = 0; i < MAX_STAGES; i++)
        pcre2_match_data_free(work.match[i]);
    pcre2_match_context_free(work.limits);
    return status;
}

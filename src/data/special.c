/* Finds special tokens in text: the longest name first over the whole text, then the next,
 * as llama.cpp does, so that overlapping names resolve alike. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "data/vocabulary.h"

typedef struct Search {
    const Tokenizer *tokenizer;
    const char *text;
    const TextRun *runs;
    size_t run_count;
    const size_t *run_ends;      /* offset of every run's end in the text */
} Search;

static void add(FragmentList *list, size_t begin, size_t end, uint32_t token, bool supervised)
{
    if (begin == end || list->exhausted)
        return;
    Fragment *items = mem_try_room(list->items, list->count, &list->capacity, sizeof *items);
    list->exhausted = !items;
    if (!items)
        return;
    list->items = items;
    list->items[list->count++] = (Fragment){begin, end, token, supervised};
}

/* Whether all of [begin, end) lies in one run where control tokens are recognised. */
static bool in_special_run(const Search *search, size_t begin, size_t end)
{
    size_t low = 0, high = search->run_count - 1;
    while (low < high) {         /* the first run that ends beyond `begin` */
        size_t middle = (low + high) / 2;
        if (search->run_ends[middle] > begin)
            high = middle;
        else
            low = middle + 1;
    }
    return search->runs[low].special && end <= search->run_ends[low];
}

static const char *find(const char *text, size_t bytes, const char *name, size_t name_bytes)
{
    const char *end = text + bytes;
    for (const char *at = text; (size_t)(end - at) >= name_bytes; at++) {
        at = memchr(at, name[0], (size_t)(end - at) - name_bytes + 1);
        if (!at)
            return NULL;
        if (memcmp(at, name, name_bytes) == 0)
            return at;
    }
    return NULL;
}

static bool is_space(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Cuts one fragment at every occurrence of the token. */
static void cut(const Search *search, const Fragment *fragment, uint32_t token,
                FragmentList *out)
{
    const VocabularyEntry *entry = &search->tokenizer->entries[token];
    size_t from = fragment->begin, at = from;
    const char *hit;
    while ((hit = find(search->text + at, fragment->end - at, entry->text, entry->bytes))) {
        size_t begin = (size_t)(hit - search->text), end = begin + entry->bytes;
        at = end;
        if (entry->kind != TOKEN_USER && !in_special_run(search, begin, end)) {
            at = begin + 1;
            continue;
        }
        add(out, from, begin, NO_TOKEN, fragment->supervised);
        add(out, begin, end, token, fragment->supervised);
        while (entry->strip_right && at < fragment->end && is_space(search->text[at]))
            at++;
        from = at;
    }
    add(out, from, fragment->end, NO_TOKEN, fragment->supervised);
}

static bool occurs(const Search *search, const FragmentList *list, const VocabularyEntry *entry)
{
    for (size_t i = 0; i < list->count; i++) {
        const Fragment *item = &list->items[i];
        if (item->token == NO_TOKEN && find(search->text + item->begin, item->end - item->begin,
                                            entry->text, entry->bytes))
            return true;
    }
    return false;
}

/* The fragments before any token is looked for: cut where `supervised` changes. */
static void first_fragments(const Search *search, FragmentList *list)
{
    size_t begin = 0;
    for (size_t i = 0; i < search->run_count; i++) {
        bool last = i + 1 == search->run_count;
        if (last || search->runs[i + 1].supervised != search->runs[i].supervised) {
            add(list, begin, search->run_ends[i], NO_TOKEN, search->runs[i].supervised);
            begin = search->run_ends[i];
        }
    }
}

tmb_status split_specials(const Tokenizer *tokenizer, const char *text, const TextRun *runs,
                          size_t run_count, FragmentList *out)
{
    size_t *run_ends = mem_try(run_count + 1, sizeof *run_ends), bytes = 0;
    bool any_special = false, present[256] = {false};
    *out = (FragmentList){0};
    if (!run_ends)
        return fail(TMB_OUT_OF_HOST, "no memory for %zu pieces of text", run_count);
    for (size_t i = 0; i < run_count; i++) {
        run_ends[i] = bytes += runs[i].bytes;
        any_special |= runs[i].special;
    }
    for (size_t i = 0; i < bytes; i++)
        present[(unsigned char)text[i]] = true;
    Search search = {tokenizer, text, runs, run_count, run_ends};
    first_fragments(&search, out);
    for (size_t i = 0; i < tokenizer->special_count; i++) {
        uint32_t token = tokenizer->specials[i];
        const VocabularyEntry *entry = &tokenizer->entries[token];
        if ((entry->kind != TOKEN_USER && !any_special) ||
            !present[(unsigned char)entry->text[0]] ||
            !present[(unsigned char)entry->text[entry->bytes - 1]] ||
            !occurs(&search, out, entry))
            continue;
        FragmentList next = {0};
        for (size_t j = 0; j < out->count; j++) {
            const Fragment *item = &out->items[j];
            if (item->token == NO_TOKEN)
                cut(&search, item, token, &next);
            else
                add(&next, item->begin, item->end, item->token, item->supervised);
        }
        next.exhausted |= out->exhausted;
        free(out->items);
        *out = next;
    }
    free(run_ends);
    if (out->exhausted)
        return fail(TMB_OUT_OF_HOST, "no memory for more than %zu special tokens in a text of %zu bytes",
                    out->count, bytes);
    return TMB_OK;
}

/* test_travel_voice DIR: what the letters in examples/travel-voice promise. Reads the files as
 * written, with libc and cJSON alone, so that it also judges a set somebody else put there.
 *
 * A word is a run of letters, digits, apostrophes and bytes above 0x7f, lower-cased. Words and
 * 8-grams are compared by 64-bit hash: some 10,000 of them collide with odds below 1e-11.
 * One line a check; the last line is "N passed, N failed, N skipped". */

#include <cjson/cJSON.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OPTIONS = 7, MAX_WORDS = 256, MAX_ROWS = 1024, GRAM = 8, EDGE = 5 };

typedef struct Words {
    uint64_t hash[MAX_WORDS];
    int count;
} Words;

typedef struct Row {
    const char *system, *letter, *reply;    // owned by json
    const char *kind;
    unsigned fits;                          // bit i: option i fits
    cJSON *json;
} Row;

typedef struct Pair {
    const char *letter, *chosen, *rejected;
    cJSON *json;
} Pair;

typedef struct Set {
    const char *folder;
    const char *options[MAX_OPTIONS];
    int option_count;
    cJSON *catalogue;
    Row train[MAX_ROWS], heldout[MAX_ROWS];
    int train_count, heldout_count;
    Pair pairs[MAX_ROWS];
    int pair_count;
    int bad_lines;
    int passed, failed;
} Set;

static void check(Set *set, bool good, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("%s  ", good ? "ok    " : "FAILED");
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    good ? set->passed++ : set->failed++;
}

// ---- words

static bool is_word(unsigned char c)
{
    return isalnum(c) || c == '\'' || c > 0x7f;
}

static Words words_of(const char *text)
{
    Words words = {.count = 0};
    for (const char *p = text; *p && words.count < MAX_WORDS;) {
        if (!is_word((unsigned char)*p)) {
            p++;
            continue;
        }
        uint64_t hash = 14695981039346656037u;      // FNV-1a
        for (; is_word((unsigned char)*p); p++)
            hash = (hash ^ (uint64_t)tolower((unsigned char)*p)) * 1099511628211u;
        words.hash[words.count++] = hash;
    }
    return words;
}

static uint64_t hash_run(const uint64_t *hash, int count)
{
    uint64_t sum = 14695981039346656037u;
    for (int i = 0; i < count; i++)
        sum = (sum ^ hash[i] ^ hash[i] >> 29) * 0x9e3779b97f4a7c15u;
    return sum;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int count_distinct(uint64_t *hash, int count)
{
    int distinct = count > 0;
    qsort(hash, (size_t)count, sizeof *hash, compare_u64);
    for (int i = 1; i < count; i++)
        distinct += hash[i] != hash[i - 1];
    return distinct;
}

static void words_to_set(Words *words)
{
    int kept = 0;
    qsort(words->hash, (size_t)words->count, sizeof *words->hash, compare_u64);
    for (int i = 0; i < words->count; i++)
        if (i == 0 || words->hash[i] != words->hash[i - 1])
            words->hash[kept++] = words->hash[i];
    words->count = kept;
}

// |a and b| / |a or b| of two sorted sets
static double jaccard(const Words *a, const Words *b)
{
    int both = 0, i = 0, j = 0;
    while (i < a->count && j < b->count) {
        both += a->hash[i] == b->hash[j];
        if (a->hash[i] < b->hash[j])
            i++;
        else if (a->hash[i] > b->hash[j])
            j++;
        else
            i++, j++;
    }
    int either = a->count + b->count - both;
    return either ? (double)both / either : 0;
}

// ---- reading

static char *file_read(const Set *set, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", set->folder, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    size_t size = 0, room = 1 << 22;
    char *text = malloc(room + 1);
    if (text)
        size = fread(text, 1, room, file);
    fclose(file);
    if (text)
        text[size] = 0;
    return text;
}

static const char *string_of(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(item) ? item->valuestring : NULL;
}

// content of message number `at`, NULL unless its role is as wanted
static const char *content_of(const cJSON *messages, int at, const char *role)
{
    const cJSON *message = cJSON_GetArrayItem(messages, at);
    const char *got = string_of(message, "role");
    return got && strcmp(got, role) == 0 ? string_of(message, "content") : NULL;
}

static int option_index(const Set *set, const char *name)
{
    for (int i = 0; name && i < set->option_count; i++)
        if (strcmp(set->options[i], name) == 0)
            return i;
    return -1;
}

static unsigned options_named(const Set *set, const char *text)
{
    unsigned named = 0;
    for (int i = 0; i < set->option_count; i++)
        if (strstr(text, set->options[i]))
            named |= 1u << i;
    return named;
}

static bool row_parse(const Set *set, cJSON *json, Row *row)
{
    const cJSON *messages = cJSON_GetObjectItemCaseSensitive(json, "messages");
    const cJSON *fits = cJSON_GetObjectItemCaseSensitive(json, "fits"), *fit;
    *row = (Row){.system = content_of(messages, 0, "system"), .letter = content_of(messages, 1, "user"),
                 .reply = content_of(messages, 2, "assistant"), .kind = string_of(json, "kind"), .json = json};
    cJSON_ArrayForEach(fit, fits) {
        int option = option_index(set, cJSON_IsString(fit) ? fit->valuestring : NULL);
        if (option < 0)
            return false;
        row->fits |= 1u << option;
    }
    return row->system && row->letter && row->reply && row->kind && row->fits &&
           cJSON_GetArraySize(messages) == 3;
}

static bool pair_parse(cJSON *json, Pair *pair)
{
    const cJSON *prompt = cJSON_GetObjectItemCaseSensitive(json, "prompt");
    *pair = (Pair){.letter = content_of(prompt, 1, "user"), .chosen = string_of(json, "chosen"),
                   .rejected = string_of(json, "rejected"), .json = json};
    return content_of(prompt, 0, "system") && pair->letter && pair->chosen && pair->rejected &&
           cJSON_GetArraySize(prompt) == 2;
}

// rows or pairs, whichever is not NULL
static int lines_read(Set *set, const char *name, Row *rows, Pair *pairs)
{
    char *text = file_read(set, name), *rest = text;
    int count = 0, number = 0;
    while (rest && *rest && count < MAX_ROWS) {
        char *end = strchr(rest, '\n');
        if (end)
            *end = 0;
        cJSON *json = cJSON_Parse(rest);
        bool good = end && json && (rows ? row_parse(set, json, &rows[count]) : pair_parse(json, &pairs[count]));
        number++;
        if (good) {
            count++;
        } else {
            if (++set->bad_lines <= 5)
                printf("        %s:%d: no line end, not JSON, a wrong role, a missing key or an unknown option\n",
                       name, number);
            cJSON_Delete(json);
        }
        rest = end ? end + 1 : NULL;
    }
    free(text);
    return count;
}

static void catalogue_read(Set *set)
{
    char *text = file_read(set, "catalogue.json");
    set->catalogue = text ? cJSON_Parse(text) : NULL;
    free(text);
    const cJSON *options = cJSON_GetObjectItemCaseSensitive(set->catalogue, "options"), *option;
    int complete = 0;
    cJSON_ArrayForEach(option, options) {
        const char *name = string_of(option, "name"), *theme = string_of(option, "theme");
        int words = name ? words_of(name).count : 0;
        bool good = words >= 1 && words <= 3 && option_index(set, name) < 0 && theme && *theme &&
                    cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(option, "facts")) > 0 &&
                    cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(option, "aliases")) > 0;
        complete += good;
        if (good && set->option_count < MAX_OPTIONS)
            set->options[set->option_count++] = name;
    }
    int listed = cJSON_GetArraySize(options);
    check(set, listed >= 5 && listed <= MAX_OPTIONS && complete == listed,
          "catalogue: %d options, %d complete (a name of 1 to 3 words used once, theme, facts, aliases)", listed,
          complete);
}

// ---- checks

static void check_form(Set *set)
{
    const char *system = set->train_count ? set->train[0].system : "";
    int differing = 0, words = words_of(system).count;
    for (int i = 0; i < set->train_count; i++)
        differing += strcmp(set->train[i].system, system) != 0;
    for (int i = 0; i < set->heldout_count; i++)
        differing += strcmp(set->heldout[i].system, system) != 0;
    for (int i = 0; i < set->pair_count; i++) {
        const cJSON *prompt = cJSON_GetObjectItemCaseSensitive(set->pairs[i].json, "prompt");
        differing += strcmp(content_of(prompt, 0, "system"), system) != 0;
    }
    check(set, set->bad_lines == 0, "lines: %d that cannot be read", set->bad_lines);
    check(set, set->train_count == 240 && set->heldout_count == 40 && set->pair_count == 40,
          "counts: %d training letters, %d held out, %d pairs (240, 40, 40)", set->train_count,
          set->heldout_count, set->pair_count);
    check(set, differing == 0 && words >= 1 && words <= 9, "system line: %d words, %d lines with another one",
          words, differing);
}

static void check_lengths(Set *set, const char *name, const Row *rows, int count)
{
    int letter_low = MAX_WORDS, letter_high = 0, reply_low = MAX_WORDS, reply_high = 0;
    for (int i = 0; i < count; i++) {
        int letter = words_of(rows[i].letter).count, reply = words_of(rows[i].reply).count;
        letter_low = letter < letter_low ? letter : letter_low;
        letter_high = letter > letter_high ? letter : letter_high;
        reply_low = reply < reply_low ? reply : reply_low;
        reply_high = reply > reply_high ? reply : reply_high;
    }
    check(set, count > 0 && letter_low >= 15 && letter_high <= 35, "%s: letters of %d to %d words (15 to 35)", name,
          letter_low, letter_high);
    check(set, count > 0 && reply_low >= 25 && reply_high <= 52, "%s: replies of %d to %d words (25 to 52)", name,
          reply_low, reply_high);
}

// every fitting option named as the catalogue spells it, no other one, each about equally often
static void check_options(Set *set, const char *name, const Row *rows, int count)
{
    int wrong = 0, crowded = 0, letter_names = 0, low = count, high = 0;
    int share[MAX_OPTIONS] = {0};
    for (int i = 0; i < count; i++) {
        wrong += options_named(set, rows[i].reply) != rows[i].fits;
        unsigned but_one = rows[i].fits & (rows[i].fits - 1);       // the lowest bit cleared
        crowded += (but_one & (but_one - 1)) != 0;
        letter_names += options_named(set, rows[i].letter) != 0;
        for (int option = 0; option < set->option_count; option++)
            share[option] += rows[i].fits >> option & 1;
    }
    for (int option = 0; option < set->option_count; option++) {
        low = share[option] < low ? share[option] : low;
        high = share[option] > high ? share[option] : high;
    }
    check(set, count > 0 && wrong == 0 && crowded == 0,
          "%s: %d replies name another set of options than fits, %d fit more than two", name, wrong, crowded);
    check(set, letter_names == 0, "%s: %d letters give the option away by name", name, letter_names);
    check(set, low > 0 && low * 4 >= high * 3, "%s: options fit %d to %d letters each (fewest at least 3/4 of most)", name,
          low, high);
}

// a kind of letter must not give its option away: each frequent one meets nearly all of them
static void check_kinds(Set *set)
{
    int frequent = 0, narrow = 0;
    for (int i = 0; i < set->train_count; i++) {
        unsigned met = 0;
        int letters = 0, options = 0;
        bool first = true;
        for (int j = 0; j < set->train_count; j++) {
            if (strcmp(set->train[i].kind, set->train[j].kind) != 0)
                continue;
            first = first && j >= i;
            letters++;
            met |= set->train[j].fits;
        }
        for (int option = 0; option < set->option_count; option++)
            options += met >> option & 1;
        if (first && letters >= 12) {
            frequent++;
            narrow += options < set->option_count - 1;
        }
    }
    check(set, frequent >= 6 && narrow == 0,
          "kinds: %d with 12 letters or more (6), %d of them miss more than one option", frequent, narrow);
}

static void check_edges(Set *set)
{
    static uint64_t opening[MAX_ROWS], closing[MAX_ROWS];
    int count = 0;
    for (int i = 0; i < set->train_count; i++) {
        Words words = words_of(set->train[i].reply);
        if (words.count < EDGE)
            continue;
        opening[count] = hash_run(words.hash, EDGE);
        closing[count++] = hash_run(words.hash + words.count - EDGE, EDGE);
    }
    int openings = count_distinct(opening, count), closings = count_distinct(closing, count);
    check(set, openings >= 200, "openings: %d distinct first five words in %d replies (200)", openings, count);
    check(set, closings >= 200, "closings: %d distinct last five words in %d replies (200)", closings, count);
}

typedef struct Gram {
    uint64_t hash;
    int text;
} Gram;

static int compare_gram(const void *a, const void *b)
{
    const Gram *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->text > y->text) - (x->text < y->text);
}

static int grams_add(const Set *set, const char *text, int number, Gram *grams, int count)
{
    char *bare = malloc(strlen(text) + 1);
    if (!bare)
        return count;
    strcpy(bare, text);
    for (int option = 0; option < set->option_count; option++)
        for (char *at = bare; (at = strstr(at, set->options[option]));)
            memset(at, ' ', strlen(set->options[option]));
    Words words = words_of(bare);
    free(bare);
    for (int i = 0; i + GRAM <= words.count; i++)
        grams[count++] = (Gram){hash_run(words.hash + i, GRAM), number};
    return count;
}

// over every reply there is: training, held out, rejected; catalogue names taken out
static void check_grams(Set *set)
{
    Gram *grams = malloc(sizeof *grams * 3 * MAX_ROWS * MAX_WORDS);
    int count = 0, texts = 0, worst = 0, repeated = 0;
    if (!grams) {
        check(set, false, "8-grams: out of memory");
        return;
    }
    for (int i = 0; i < set->train_count; i++)
        count = grams_add(set, set->train[i].reply, texts++, grams, count);
    for (int i = 0; i < set->heldout_count; i++)
        count = grams_add(set, set->heldout[i].reply, texts++, grams, count);
    for (int i = 0; i < set->pair_count; i++)
        count = grams_add(set, set->pairs[i].rejected, texts++, grams, count);
    qsort(grams, (size_t)count, sizeof *grams, compare_gram);
    for (int i = 0; i < count;) {
        int holders = 0, start = i;
        for (; i < count && grams[i].hash == grams[start].hash; i++)
            holders += i == start || grams[i].text != grams[i - 1].text;
        worst = holders > worst ? holders : worst;
        repeated += holders > 2;
    }
    free(grams);
    check(set, count > 0 && repeated == 0, "8-grams: %d in %d replies, %d in more than two, at most %d share one",
          count, texts, repeated, worst);
}

static void check_near(Set *set)
{
    static Words train[MAX_ROWS];
    double nearest = 0, twins = 0;
    int near = 0, at = 0, with = 0;
    for (int i = 0; i < set->train_count; i++) {
        train[i] = words_of(set->train[i].letter);
        words_to_set(&train[i]);
        for (int j = 0; j < i; j++)
            twins = jaccard(&train[i], &train[j]) > twins ? jaccard(&train[i], &train[j]) : twins;
    }
    for (int i = 0; i < set->heldout_count; i++) {
        Words letter = words_of(set->heldout[i].letter);
        words_to_set(&letter);
        double most = 0;
        for (int j = 0; j < set->train_count; j++) {
            double score = jaccard(&letter, &train[j]);
            most = score > most ? score : most;
            if (score > nearest)
                nearest = score, at = i + 1, with = j + 1;
        }
        near += most >= 0.3;
    }
    check(set, set->heldout_count > 0 && near == 0,
          "held out: %d letters near a training letter, nearest Jaccard %.3f (< 0.3; line %d, training line %d)",
          near, nearest, at, with);
    check(set, twins < 0.5, "train: the two nearest letters have Jaccard %.3f (< 0.5)", twins);
}

static void check_pairs(Set *set)
{
    int unmatched = 0, naming = 0, wrong = 0, unlike = 0;
    double low = 10, high = 0;
    for (int i = 0; i < set->pair_count; i++) {
        const Pair *pair = &set->pairs[i];
        const Row *row = i < set->heldout_count ? &set->heldout[i] : NULL;
        unsigned named = options_named(set, pair->rejected);
        double ratio = (double)words_of(pair->rejected).count / (words_of(pair->chosen).count + 1e-9);
        unmatched += !row || strcmp(row->letter, pair->letter) != 0 || strcmp(row->reply, pair->chosen) != 0;
        naming += named != 0;
        wrong += row && (named & ~row->fits) != 0;
        unlike += ratio < 0.6 || ratio > 1.4;
        low = ratio < low ? ratio : low;
        high = ratio > high ? ratio : high;
    }
    check(set, set->pair_count > 0 && unmatched == 0, "pairs: %d do not repeat the held-out line of their number",
          unmatched);
    check(set, set->pair_count > 0 && unlike == 0, "pairs: rejected is %.2f to %.2f times as long as chosen (0.6 to 1.4)", low, high);
    check(set, naming * 20 >= set->pair_count * 9 && naming * 20 <= set->pair_count * 11,
          "pairs: %d of %d rejected replies name an option (half, give or take 5 %%)", naming, set->pair_count);
    check(set, wrong == 0, "pairs: %d rejected replies name an option that does not fit", wrong);
}

static void check_texts(Set *set)
{
    static const char *const names[] = {"README.md", "voice-prompt.txt"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *text = file_read(set, names[i]);
        int named = 0;
        for (int option = 0; text && option < set->option_count; option++)
            named += strstr(text, set->options[option]) != NULL;
        check(set, text && named == set->option_count, "%s: names %d of %d options", names[i], named,
              set->option_count);
        free(text);
    }
}

int main(int argc, char **argv)
{
    static Set set;
    if (argc != 2) {
        fprintf(stderr, "usage: %s examples/travel-voice\n", argv[0]);
        return 2;
    }
    set.folder = argv[1];
    catalogue_read(&set);
    set.train_count = lines_read(&set, "train.jsonl", set.train, NULL);
    set.heldout_count = lines_read(&set, "heldout.jsonl", set.heldout, NULL);
    set.pair_count = lines_read(&set, "pairs.jsonl", NULL, set.pairs);
    check_form(&set);
    check_lengths(&set, "train", set.train, set.train_count);
    check_lengths(&set, "held out", set.heldout, set.heldout_count);
    check_options(&set, "train", set.train, set.train_count);
    check_options(&set, "held out", set.heldout, set.heldout_count);
    check_kinds(&set);
    check_edges(&set);
    check_grams(&set);
    check_near(&set);
    check_pairs(&set);
    check_texts(&set);
    for (int i = 0; i < set.train_count; i++)
        cJSON_Delete(set.train[i].json);
    for (int i = 0; i < set.heldout_count; i++)
        cJSON_Delete(set.heldout[i].json);
    for (int i = 0; i < set.pair_count; i++)
        cJSON_Delete(set.pairs[i].json);
    cJSON_Delete(set.catalogue);
    printf("%d passed, %d failed, 0 skipped\n", set.passed, set.failed);
    return set.failed ? 1 : 0;
}

/* All voice figures on the held-out letters, for the base model, for the base model
 * with a system prompt that describes the voice, and for a tuned adapter. A client of
 * the public API and cJSON alone:
 *
 *     measure MODEL RUN [FOLDER]       FOLDER: this one (heldout.jsonl, pairs.jsonl, …)
 *
 * Intervals are Wilson's, 95 %. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "timbre/timbre.h"

enum { MAX_LETTERS = 256, MAX_REPLY_TOKENS = 160, SIDE_BY_SIDE = 8, GRAM = 4 };

typedef struct Letter {
    const char *system, *letter;
    const cJSON *fits;               /* names of the options that fit */
} Letter;

typedef struct Setting {
    const char *name;
    const char *adapter;             /* NULL: the base model */
    const char *system;              /* NULL: as in the file */
} Setting;

typedef struct Figures {
    double nll, margin, distinct;
    unsigned wins, pairs, fitting, ended, letters;
} Figures;

static void stop(const char *what)
{
    fprintf(stderr, "measure: %s\n", what);
    exit(1);
}

static void need(tmb_status status)
{
    if (status != TMB_OK) {
        fprintf(stderr, "measure: %s\n", tmb_last_error());
        exit(tmb_exit_code(status));
    }
}

static char *read_text(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "measure: cannot open %s\n", path);
        exit(3);
    }
    size_t bytes = 0, capacity = 1 << 16;
    char *text = malloc(capacity + 1);
    for (size_t got; text && (got = fread(text + bytes, 1, capacity - bytes, file)) > 0;) {
        bytes += got;
        if (bytes == capacity)
            text = realloc(text, (capacity *= 2) + 1);
    }
    fclose(file);
    if (!text)
        stop("out of memory");
    text[bytes] = '\0';
    return text;
}

/* The letters of heldout.jsonl; the trees stay until the program ends. */
static unsigned read_letters(const char *folder, Letter *letters)
{
    unsigned count = 0;
    for (char *line = strtok(read_text(folder, "heldout.jsonl"), "\r\n"); line && count < MAX_LETTERS;
         line = strtok(NULL, "\r\n")) {
        cJSON *tree = cJSON_Parse(line);
        const cJSON *messages = cJSON_GetObjectItem(tree, "messages"), *message;
        Letter *letter = &letters[count];
        *letter = (Letter){.fits = cJSON_GetObjectItem(tree, "fits")};
        cJSON_ArrayForEach(message, messages)
        {
            const char *role = cJSON_GetStringValue(cJSON_GetObjectItem(message, "role"));
            const char *content = cJSON_GetStringValue(cJSON_GetObjectItem(message, "content"));
            if (role && !strcmp(role, "system"))
                letter->system = content;
            if (role && !strcmp(role, "user"))
                letter->letter = content;
        }
        if (!letter->letter || !cJSON_GetArraySize(letter->fits))
            stop("a held-out line lacks its letter or its fits");
        count++;
    }
    return count;
}

/* ---- figures of replies -------------------------------------------------- */

static int contains(const char *text, const char *name)
{
    size_t length = strlen(name);
    for (; *text; text++) {
        size_t i = 0;
        while (i < length && tolower((unsigned char)text[i]) == tolower((unsigned char)name[i]))
            i++;
        if (i == length)
            return 1;
    }
    return 0;
}

/* Names one of the fitting options, in any spelling that the catalogue accepts. */
static int names_fitting(const cJSON *catalogue, const Letter *letter, const char *reply)
{
    const cJSON *name, *option, *alias;
    cJSON_ArrayForEach(name, letter->fits)
    cJSON_ArrayForEach(option, cJSON_GetObjectItem(catalogue, "options"))
    {
        if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(option, "name")), cJSON_GetStringValue(name)))
            continue;
        cJSON_ArrayForEach(alias, cJSON_GetObjectItem(option, "aliases"))
            if (contains(reply, cJSON_GetStringValue(alias)))
                return 1;
    }
    return 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Distinct word 4-grams over all 4-grams of all replies. */
static double distinct_grams(const tmb_reply *replies, unsigned count)
{
    size_t total = 0, capacity = 0, distinct = 0;
    char **grams = NULL;
    for (unsigned r = 0; r < count; r++) {
        const char *words[1024];
        char *copy = malloc(strlen(replies[r].text) + 1);
        strcpy(copy, replies[r].text);
        size_t word_count = 0;
        for (char *word = strtok(copy, " \t\r\n"); word && word_count < 1024; word = strtok(NULL, " \t\r\n"))
            words[word_count++] = word;
        for (size_t i = 0; i + GRAM <= word_count; i++) {
            if (total == capacity)
                grams = realloc(grams, (capacity = capacity ? 2 * capacity : 256) * sizeof *grams);
            size_t bytes = 1;
            for (size_t w = i; w < i + GRAM; w++)
                bytes += strlen(words[w]) + 1;
            char *gram = grams[total++] = calloc(bytes, 1);
            for (size_t w = i; w < i + GRAM; w++)
                strcat(strcat(gram, words[w]), " ");
        }
        free(copy);
    }
    if (total)
        qsort(grams, total, sizeof *grams, by_text);
    for (size_t i = 0; i < total; i++)
        distinct += i == 0 || strcmp(grams[i - 1], grams[i]) != 0;
    for (size_t i = 0; i < total; i++)
        free(grams[i]);
    free(grams);
    return total ? (double)distinct / (double)total : 0;
}

static void measure_replies(tmb_device *device, tmb_model *model, const Setting *setting,
                            const cJSON *catalogue, const Letter *letters, Figures *out)
{
    static tmb_message messages[MAX_LETTERS][2];
    static tmb_conversation conversations[MAX_LETTERS];
    static tmb_reply replies[MAX_LETTERS];
    for (unsigned i = 0; i < out->letters; i++) {
        const char *system = setting->system ? setting->system : letters[i].system;
        messages[i][0] = (tmb_message){"system", system};
        messages[i][1] = (tmb_message){"user", letters[i].letter};
        conversations[i] = (tmb_conversation){system ? messages[i] : &messages[i][1], system ? 2 : 1};
    }
    tmb_generator *generator = NULL;
    need(tmb_generator_create(device, model,
                              &(tmb_generator_params){.adapter = setting->adapter, .context = 1024,
                                                      .batch = SIDE_BY_SIDE},
                              &generator));
    need(tmb_generate(generator, conversations, out->letters,
                      &(tmb_sampling){.max_tokens = MAX_REPLY_TOKENS}, replies));
    for (unsigned i = 0; i < out->letters; i++) {
        out->fitting += (unsigned)names_fitting(catalogue, &letters[i], replies[i].text);
        out->ended += replies[i].ended != 0;
    }
    out->distinct = distinct_grams(replies, out->letters);
    tmb_replies_clear(replies, out->letters);
    tmb_generator_destroy(&generator);
}

static void measure_likelihood(tmb_device *device, tmb_model *model, const Setting *setting,
                               const char *folder, Figures *out)
{
    char path[4096];
    tmb_eval_result result;
    snprintf(path, sizeof path, "%s/heldout.jsonl", folder);
    tmb_eval_params params = {.file = path, .adapter = setting->adapter, .system = setting->system};
    need(tmb_evaluate(device, model, &params, &result));
    out->nll = result.mean_nll;
    snprintf(path, sizeof path, "%s/pairs.jsonl", folder);
    need(tmb_evaluate(device, model, &params, &result));
    out->margin = result.mean_margin;
    out->wins = (unsigned)result.chosen_wins;
    out->pairs = (unsigned)result.pairs;
}

/* ---- the table ----------------------------------------------------------- */

static void print_share(unsigned hits, unsigned total)
{
    double n = total, p = hits / n, z = 1.959964;
    double centre = (p + z * z / (2 * n)) / (1 + z * z / n);
    double half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    printf("  %3.0f %% [%3.0f-%3.0f]", 100 * p, 100 * (centre - half), 100 * (centre + half));
}

static void print_row(const Setting *setting, const Figures *figures, const Figures *base)
{
    printf("%-18s  %6.4f  %+6.1f %%", setting->name, figures->nll,
           100 * (figures->nll / base->nll - 1));
    print_share(figures->wins, figures->pairs);
    printf("  %+7.3f", figures->margin);
    print_share(figures->fitting, figures->letters);
    print_share(figures->ended, figures->letters);
    printf("  %5.3f\n", figures->distinct);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: measure MODEL RUN [FOLDER]\n");
        return 2;
    }
    const char *folder = argc > 3 ? argv[3] : "examples/travel-voice";
    static Letter letters[MAX_LETTERS];
    unsigned count = read_letters(folder, letters);
    if (!count)
        stop("heldout.jsonl is empty");
    const cJSON *catalogue = cJSON_Parse(read_text(folder, "catalogue.json"));
    const Setting settings[] = {
        {"base", NULL, NULL},
        {"base with prompt", NULL, read_text(folder, "voice-prompt.txt")},
        {"tuned", argv[2], NULL},
    };
    tmb_model *model = NULL;
    tmb_device *device = NULL;
    need(tmb_model_open(argv[1], &model));
    need(tmb_device_open(&(tmb_device_params){0}, &device));
    printf("%u letters on %s\n", count, tmb_device_why(device));
    printf("%-18s  %6s  %8s  %-15s  %7s  %-15s  %-15s  %s\n", "", "NLL", "vs base", " chosen wins",
           "margin", " fitting option", " ends by itself", "distinct-4");
    Figures base = {0};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        Figures figures = {.letters = count};
        measure_likelihood(device, model, &settings[i], folder, &figures);
        measure_replies(device, model, &settings[i], catalogue, letters, &figures);
        if (i == 0)
            base = figures;
        print_row(&settings[i], &figures, &base);
    }
    tmb_device_close(&device);
    tmb_model_close(&model);
    return 0;
}

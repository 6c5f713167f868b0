/* What tools/quickstart does once everything is built: answers three held-out letters,
 * fine-tunes for as long as the time allows, answers them again, and shows both.
 *
 *     quickstart-run MODEL EXAMPLE RUN SECONDS COMMAND
 *
 * EXAMPLE is a folder with train.jsonl and heldout.jsonl; SECONDS is what is left in all;
 * COMMAND is how timbre is reached, for the commands to type next. A RUN that is
 * complete is used as it is, an interrupted one goes on. It uses the public API. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "timbre/timbre.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"

#include "showing.h"

enum { SCORED = 10, SCORE_SEED = 1, REPLY_TOKENS = 96, MIN_TRAIN_SECONDS = 45,
       FEW_STEPS = 20 };

/* Tried on the travel company's letters: with time for a hundred examples only, many small
 * steps at a high rate learn more than a few large ones. Two letters fill such a row. */
static const double learning_rate = 2e-3, warmup = 0.1;
enum { STEP_EXAMPLES = 2, ROW_TOKENS = 208 };

typedef struct Quickstart {
    const char *model_path, *example, *run, *command;
    double deadline;                    /* on os_seconds' clock */
    tmb_device *device;
    tmb_model *model;
    cJSON *letters[SHOWN];              /* owners of the texts below */
    tmb_message messages[SHOWN][2];     /* system and user */
    const char *asked[SHOWN];           /* the letters alone */
    const char *written[SHOWN];         /* the company's own replies */
} Quickstart;

/* ---- the letters -------------------------------------------------------- */

static tmb_status read_letter(Quickstart *quick, size_t index, const char *source, const char *line,
                              size_t bytes)
{
    TRY(json_parse(source, line, bytes, &quick->letters[index]));
    JsonAt top = json_at(source, quick->letters[index]), messages;
    TRY(json_array(&top, "messages", &messages));
    if (json_count(&messages) != 3)
        return fail(TMB_BAD_INPUT, "%s: a system line, a letter and a reply are needed", source);
    for (size_t i = 0; i < 2; i++) {
        JsonAt message = json_element(&messages, i);
        TRY(json_string(&message, "role", &quick->messages[index][i].role));
        TRY(json_string(&message, "content", &quick->messages[index][i].content));
    }
    quick->asked[index] = quick->messages[index][1].content;
    JsonAt reply = json_element(&messages, 2);
    return json_string(&reply, "content", &quick->written[index]);
}

/* The first, and those a third and two thirds down the file. */
static tmb_status read_letters(Quickstart *quick)
{
    char *path = os_join(quick->example, "heldout.jsonl"), *text = NULL;
    size_t bytes, lines = 0, line = 0, taken = 0;
    tmb_status status = os_read_file(path, &text, &bytes);
    for (size_t i = 0; status == TMB_OK && i < bytes; i++)
        lines += text[i] == '\n';
    if (status == TMB_OK && lines < SHOWN)
        status = fail(TMB_BAD_INPUT, "%s: at least %d letters are needed", path, SHOWN);
    for (char *at = text; status == TMB_OK && taken < SHOWN && *at; line++) {
        size_t length = strcspn(at, "\n");
        if (line == lines * taken / SHOWN)
            status = read_letter(quick, taken++, path, at, length);
        at += length + (at[length] == '\n');
    }
    free(text);
    free(path);
    return status;
}

/* Wraps at 76 columns behind a label; continuation lines are indented alike. */
static void print_wrapped(const char *label, const char *words)
{
    Text safe = {0};
    text_append_visible(&safe, words, strlen(words));
    const char *text = safe.data ? safe.data : "";
    enum { INDENT = 10, COLUMNS = 76 };
    printf("  %-*s", INDENT - 2, label);
    size_t column = INDENT;
    while (*(text += strspn(text, " \n\r\t"))) {
        size_t bytes = strcspn(text, " \n\r\t"), letters = 0;
        for (size_t i = 0; i < bytes; i++)
            letters += ((unsigned char)text[i] & 0xc0) != 0x80;
        if (column > INDENT && column + letters + 1 > COLUMNS) {
            printf("\n%*s", INDENT, "");
            column = INDENT;
        }
        printf("%s%.*s", column > INDENT ? " " : "", (int)bytes, text);
        column += letters + (column > INDENT);
        text += bytes;
    }
    putchar('\n');
    text_finish(&safe);
}

/* ---- showing ------------------------------------------------------------ */

/* One that was cut says so, lest the model seem to have stopped in mid-sentence. */
static char *shown_reply(const tmb_reply *reply)
{
    Text text = {0};
    text_print(&text, "%s%s", reply->text, reply->ended ? "" : " …");
    char *shown = mem_string(text.data);
    text_finish(&text);
    return shown;
}

static tmb_status show(Quickstart *quick, const char *adapter, Showing *out)
{
    double start = os_seconds();
    tmb_generator *generator = NULL;
    tmb_reply replies[SHOWN] = {{0}};
    tmb_conversation conversations[SHOWN];
    for (size_t i = 0; i < SHOWN; i++)
        conversations[i] = (tmb_conversation){quick->messages[i], 2};
    char *heldout = os_join(quick->example, "heldout.jsonl");
    tmb_generator_params answering = {.adapter = adapter, .context = 384, .batch = SHOWN};
    tmb_sampling greedy = {.max_tokens = REPLY_TOKENS};
    tmb_eval_params scoring = {.file = heldout, .adapter = adapter, .limit = SCORED, .seed = SCORE_SEED};
    tmb_eval_result score;
    tmb_status status = TMB_OK;
    TRY_OR(done, status, tmb_generator_create(quick->device, quick->model, &answering, &generator));
    TRY_OR(done, status, tmb_generate(generator, conversations, SHOWN, &greedy, replies));
    tmb_generator_destroy(&generator);   /* its memory is the evaluation's */
    TRY_OR(done, status, tmb_evaluate(quick->device, quick->model, &scoring, &score));
    for (size_t i = 0; i < SHOWN; i++)
        out->replies[i] = shown_reply(&replies[i]);
    out->loss = score.mean_nll;
    out->seconds = os_seconds() - start;
    out->there = true;
done:
    tmb_replies_clear(replies, SHOWN);
    tmb_generator_destroy(&generator);
    free(heldout);
    return status;
}

static void print_showings(const Quickstart *quick, const Showing *before, const Showing *after)
{
    for (size_t i = 0; i < SHOWN; i++) {
        printf("\nHeld-out letter %zu\n", i + 1);
        print_wrapped("letter", quick->messages[i][1].content);
        print_wrapped("before", before->replies[i]);
        print_wrapped("after", after->replies[i]);
        print_wrapped("theirs", quick->written[i]);
    }
    printf("\nHeld-out loss (per token, %d letters, seed %d): %.3f before, %.3f after (%+.1f %%)\n",
           SCORED, SCORE_SEED, before->loss, after->loss,
           100 * (after->loss - before->loss) / before->loss);
}

/* A word of a shell command, quoted where it must be. */
static void print_word(const char *word)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./~+-,=";
    putchar(' ');
    if (*word && strspn(word, plain) == strlen(word)) {
        fputs(word, stdout);
        return;
    }
    putchar('\'');
    for (; *word; word++)
        fputs(*word == '\'' ? "'\\''" : (char[]){*word, '\0'}, stdout);
    putchar('\'');
}

static void print_command(const char *const words[])
{
    putchar(' ');
    for (size_t i = 0; words[i]; i++)
        print_word(words[i]);
    putchar('\n');
}

static void print_next(const Quickstart *quick)
{
    const char *timbre = quick->command, *model = quick->model_path, *run = quick->run;
    char *train = os_join(quick->example, "train.jsonl");
    char *heldout = os_join(quick->example, "heldout.jsonl");
    printf("\nThe adapter is in %s. Next, from the folder of Timbre:\n", run);
    print_command((const char *[]){timbre, "generate", model, "--adapter", run,
                                   "My tent leaks and I walk alone. Help!", NULL});
    print_command((const char *[]){timbre, "chat", model, "--adapter", run, NULL});
    print_command((const char *[]){timbre, "train", model, train, "--val", heldout, "-o",
                                   "runs/mine", NULL});
    print_command((const char *[]){timbre, "export", run, "--to", "gguf-lora", "-o", "voice.gguf",
                                   NULL});
    free(train);
    free(heldout);
}

/* ---- training ----------------------------------------------------------- */

static void on_event(void *user, const tmb_train_event *event)
{
    (void)user;
    bool terminal = os_is_terminal(stdout);
    if (event->kind == TMB_EVENT_STEP) {
        printf("%sstep %llu/%llu  loss %.3f  %.0f tokens/s  %.0f s left%s", terminal ? "\r" : "  ",
               (unsigned long long)event->step, (unsigned long long)event->steps, event->loss,
               event->tokens_per_second, event->seconds_left,
               terminal && event->step < event->steps ? "    " : "\n");
        fflush(stdout);
    } else if (event->kind == TMB_EVENT_NOTE) {
        printf("%s\n", event->text);
        fflush(stdout);       /* where a pipe is read, too */
    }
}

static tmb_status train(Quickstart *quick, double seconds)
{
    char *file = os_join(quick->example, "train.jsonl");
    char *config = os_join(quick->run, "config.json");
    const char *const data[] = {file};
    tmb_train_params params = {
        .data = data, .data_count = 1, .run = quick->run, .max_seconds = seconds,
        .learning_rate = learning_rate, .warmup = warmup, .step_examples = STEP_EXAMPLES,
        .row_tokens = ROW_TOKENS,
        .resume = os_exists(config), .on_event = on_event,
    };
    tmb_train_result result;
    printf(params.resume ? "\nGoing on with %s\n" : "\nFine-tuning into %s\n", quick->run);
    tmb_status status = tmb_train(quick->device, quick->model, &params, &result);
    if (status == TMB_OK)
        printf("%llu step%s in %.0f s, %.1f tokens/s, loss %.3f -> %.3f\n",
               (unsigned long long)result.steps, result.steps == 1 ? "" : "s", result.seconds,
               result.tokens_per_second, result.first_loss, result.last_loss);
    if (status == TMB_OK && result.steps < FEW_STEPS)
        printf("So few steps teach little: this machine was busy or is slow. To give it longer, remove\n"
               "%s and run tools/quickstart --minutes 20.\n", quick->run);
    free(config);
    free(file);
    return status;
}

/* What is not yet known is answered or trained, and kept as soon as it is. Everything that is
 * left to do is timed before it is done: the second showing costs what the first did, and the
 * adapter makes it a little dearer. */
static tmb_status work(Quickstart *quick, Showings *kept)
{
    TRY(tmb_model_open(quick->model_path, &quick->model));
    TRY(tmb_device_open(&(tmb_device_params){0}, &quick->device));
    printf("Device: %s\n", tmb_device_why(quick->device));
    if (!kept->before.there) {
        printf("\nAnswering %d held-out letters with the base model\n", SHOWN);
        fflush(stdout);
        TRY(show(quick, NULL, &kept->before));
        printf("done in %.0f s; held-out loss %.3f\n", kept->before.seconds, kept->before.loss);
    }
    if (!kept->trained) {
        double left = quick->deadline - os_seconds() - kept->before.seconds * 1.25 - 10;
        tmb_status status = train(quick, left > MIN_TRAIN_SECONDS ? left : MIN_TRAIN_SECONDS);
        kept->trained = status == TMB_OK;
        if (status != TMB_OK && status != TMB_INTERRUPTED)
            return status;
        TRY(showings_save(quick->run, quick->model_path, quick->asked, kept));
        if (status != TMB_OK)
            return fail(TMB_INTERRUPTED, "stopped while fine-tuning; what was learned is in %s",
                        quick->run);
    }
    printf("\nAnswering them again\n");
    fflush(stdout);
    TRY(show(quick, quick->run, &kept->after));
    return showings_save(quick->run, quick->model_path, quick->asked, kept);
}

static tmb_status run(Quickstart *quick)
{
    Showings kept = {0};
    tmb_status status = TMB_OK;
    TRY_OR(done, status, read_letters(quick));
    showings_load(quick->run, quick->model_path, quick->asked, &kept);
    if (kept.trained)
        printf("The run in %s is complete and used again; remove it to train anew.\n", quick->run);
    if (!kept.after.there)
        TRY_OR(done, status, work(quick, &kept));
    print_showings(quick, &kept.before, &kept.after);
    print_next(quick);
done:
    showing_clear(&kept.before);
    showing_clear(&kept.after);
    for (size_t i = 0; i < SHOWN; i++)
        cJSON_Delete(quick->letters[i]);
    tmb_model_close(&quick->model);
    tmb_device_close(&quick->device);
    return status;
}

int main(int argc, char **argv)
{
    double start = os_seconds();
    os_arguments(&argc, &argv);
    os_interrupt_install();
    if (argc != 6) {
        fprintf(stderr, "usage: quickstart-run MODEL EXAMPLE RUN SECONDS COMMAND\n");
        return 2;
    }
    Quickstart quick = {.model_path = argv[1], .example = argv[2], .run = argv[3],
                        .command = argv[5], .deadline = start + strtod(argv[4], NULL)};
    tmb_status status = run(&quick);
    if (status != TMB_OK)
        fprintf(stderr, "quickstart: %s\n", tmb_last_error());
    if (status == TMB_INTERRUPTED)
        fprintf(stderr, "Run tools/quickstart again to go on.\n");
    return tmb_exit_code(status);
}

/* generate and chat. */
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/os.h"
#include "base/mem.h"
#include "base/status.h"
#include "cli/commands.h"

/* *model may be open already. */
static tmb_status open_generator(const CliArgs *args, tmb_model **model, tmb_device **device,
                                 tmb_generator **generator)
{
    if ((args->top_k || (args->top_p > 0 && args->top_p < 1)) && args->temperature == 0)
        fprintf(stderr, "warning: --top-k and --top-p have no effect at --temperature 0, which always takes "
                        "the likeliest token\n");
    TRY(cli_open(args, model, device));
    return tmb_generator_create(*device, *model,
                                &(tmb_generator_params){.adapter = args->adapter,
                                                        .context = (uint32_t)args->context,
                                                        .batch = (uint32_t)args->batch},
                                generator);
}

static tmb_sampling sampling_of(const CliArgs *args)
{
    return (tmb_sampling){.temperature = args->temperature,
                          .top_k = (uint32_t)args->top_k,
                          .top_p = args->top_p,
                          .seed = args->seed,
                          .max_tokens = (uint32_t)args->max_tokens};
}

/* As the examples of training are: without a byte order mark, lines ended by \n alone. */
static size_t plain_lines(char *text, size_t bytes)
{
    size_t from = bytes >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0, to = 0;
    for (; from < bytes; from++)
        if (text[from] != '\r' || from + 1 == bytes || text[from + 1] != '\n')
            text[to++] = text[from];
    text[to] = '\0';
    return to;
}

static tmb_status read_letter(const CliArgs *args, char **out)
{
    size_t bytes;
    if (args->positional_count > 1 && args->file)
        return fail(TMB_USAGE, "give the letter as an argument or with --file, not both");
    if (args->positional_count > 1) {
        *out = mem_string(args->positional[1]);
        return **out ? TMB_OK : fail(TMB_BAD_INPUT, "the letter is empty");
    }
    if (!args->file && os_is_terminal(stdin) && !args->quiet)
        fprintf(stderr, "type the letter; Ctrl-D on a line of its own ends it\n");
    TRY(os_read_file(args->file ? args->file : "-", out, &bytes));
    bytes = plain_lines(*out, bytes);
    while (bytes && strchr("\r\n", (*out)[bytes - 1]))
        (*out)[--bytes] = '\0';
    if (!bytes && !args->file)
        return fail(TMB_BAD_INPUT, "the letter is empty; give it as an argument, by --file, or on standard input");
    return bytes ? TMB_OK : fail(TMB_BAD_INPUT, "%s: the letter is empty", args->file);
}

/* Bytes of text that end before an incomplete UTF-8 character are the library's care;
 * here the pieces only go out at once, so that the reply is seen as it comes. user: a bool, whether
 * they go to a terminal, which a model must not steer; elsewhere all bytes are kept. */
static void print_piece(void *user, size_t index, const char *text, size_t bytes)
{
    (void)index;
    const bool *terminal = user;
    Text shown = {0};
    if (*terminal) {
        text_append_visible(&shown, text, bytes);
        text = shown.data;
        bytes = shown.bytes;
    }
    fwrite(text, 1, bytes, stdout);
    fflush(stdout);
    text_finish(&shown);
}

static void print_reply_json(const tmb_reply *reply)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "reply", reply->text);
    cJSON_AddNumberToObject(object, "prompt_tokens", (double)reply->prompt_tokens);
    cJSON_AddNumberToObject(object, "tokens", (double)reply->tokens);
    cJSON_AddBoolToObject(object, "ended", reply->ended);
    cJSON *ids = cJSON_AddArrayToObject(object, "ids");
    for (size_t i = 0; i < reply->tokens; i++)
        cJSON_AddItemToArray(ids, cJSON_CreateNumber(reply->ids[i]));
    cli_print_json_line(object);
}

/* ---- a file of letters -------------------------------------------------- */

/* Conversations read from JSONL lines; the reply at the end of a line
 * (what the model should have said) is left out. */
typedef struct Letters {
    tmb_conversation *conversations;
    cJSON **trees;
    size_t count;
} Letters;

static void letters_finish(Letters *letters)
{
    for (size_t i = 0; i < letters->count; i++) {
        free((void *)letters->conversations[i].messages);
        cJSON_Delete(letters->trees[i]);
    }
    free(letters->conversations);
    free(letters->trees);
}

/* Room for one more. */
static bool letters_reserve(Letters *letters)
{
    cJSON **trees = mem_try_grow(letters->trees, letters->count + 1, sizeof *trees);
    letters->trees = trees ? trees : letters->trees;
    tmb_conversation *conversations =
        mem_try_grow(letters->conversations, letters->count + 1, sizeof *conversations);
    letters->conversations = conversations ? conversations : letters->conversations;
    return trees && conversations;
}

/* The messages of a line up to the reply that is asked for; false when it has none. */
static bool read_turns(const CliArgs *args, const cJSON *turns, tmb_message *list, size_t *count)
{
    const cJSON *item;
    if (args->system)
        list[(*count)++] = (tmb_message){"system", args->system};
    char *letter = cJSON_GetStringValue(turns);
    if (letter) {
        plain_lines(letter, strlen(letter));
        list[(*count)++] = (tmb_message){"user", letter};
        return true;
    }
    cJSON_ArrayForEach(item, turns)
    {
        const char *role = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "role"));
        char *content = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "content"));
        if (!role || !content)
            return false;
        plain_lines(content, strlen(content));
        if (!args->system || strcmp(role, "system"))
            list[(*count)++] = (tmb_message){role, content};
    }
    while (*count && !strcmp(list[*count - 1].role, "assistant"))
        (*count)--;
    return cJSON_IsArray(turns) && *count;
}

/* As lines of training data: "messages", or "prompt" as a text or as messages. */
static tmb_status letters_add(Letters *letters, const CliArgs *args, const char *line, size_t bytes,
                              size_t number)
{
    cJSON *tree = cJSON_ParseWithLength(line, bytes);
    const cJSON *turns = cJSON_GetObjectItemCaseSensitive(tree, "messages");
    turns = turns ? turns : cJSON_GetObjectItemCaseSensitive(tree, "prompt");
    size_t capacity = (size_t)cJSON_GetArraySize(turns) + 2, count = 0;
    tmb_message *list = letters_reserve(letters) ? mem_try(capacity, sizeof *list) : NULL;
    if (!list) {
        cJSON_Delete(tree);
        return fail(TMB_OUT_OF_HOST, "%s: line %zu: no memory for more than %zu letters", args->file,
                    number, letters->count);
    }
    bool good = read_turns(args, turns, list, &count);
    letters->trees[letters->count] = tree;
    letters->conversations[letters->count++] = (tmb_conversation){list, count};
    if (!good)
        return fail(TMB_BAD_INPUT, "%s: line %zu: no \"messages\" with roles and contents, and no \"prompt\"",
                    args->file, number);
    return TMB_OK;
}

static tmb_status letters_read(const CliArgs *args, Letters *letters)
{
    char *data = NULL;
    size_t bytes;
    TRY(os_read_file(args->file, &data, &bytes));
    tmb_status status = TMB_OK;
    size_t number = 1;
    for (char *line = data; status == TMB_OK && *line; number++) {
        char *end = strchr(line, '\n');
        size_t length = end ? (size_t)(end - line) : strlen(line);
        bool blank = strspn(line, " \t\r\n\xef\xbb\xbf") >= length;
        if (!blank && (!args->limit || letters->count < args->limit))
            status = letters_add(letters, args, line, length, number);
        line += end ? length + 1 : length;
    }
    free(data);
    if (status == TMB_OK && !letters->count)
        return fail(TMB_BAD_INPUT, "%s holds no letters", args->file);
    return status;
}

static tmb_status generate_many(const CliArgs *args)
{
    tmb_model *model = NULL;
    tmb_device *device = NULL;
    tmb_generator *generator = NULL;
    Letters letters = {0};
    tmb_reply *replies = NULL;
    tmb_status status = TMB_OK;
    CliArgs batched = *args;
    TRY_OR(done, status, letters_read(args, &letters));
    if (!batched.batch)
        batched.batch = letters.count < 8 ? letters.count : 8;
    replies = mem_try(letters.count, sizeof *replies);
    if (!replies)
        TRY_OR(done, status, fail(TMB_OUT_OF_HOST, "no memory for %zu replies", letters.count));
    TRY_OR(done, status, open_generator(&batched, &model, &device, &generator));
    tmb_sampling sampling = sampling_of(args);
    double start = os_seconds();
    TRY_OR(done, status,
           tmb_generate(generator, letters.conversations, letters.count, &sampling, replies));
    cli_print_profile(args, device, os_seconds() - start);
    for (size_t i = 0; i < letters.count; i++)
        print_reply_json(&replies[i]);
done:
    if (replies)
        tmb_replies_clear(replies, letters.count);
    free(replies);
    letters_finish(&letters);
    tmb_generator_destroy(&generator);
    tmb_device_close(&device);
    tmb_model_close(&model);
    return status;
}

static bool is_jsonl(const char *path)
{
    size_t length = path ? strlen(path) : 0;
    return length > 6 && !strcmp(path + length - 6, ".jsonl");
}

tmb_status cmd_generate(const CliArgs *args)
{
    if (is_jsonl(args->file) && args->positional_count == 1)
        return generate_many(args);
    tmb_model *model = NULL;
    tmb_device *device = NULL;
    tmb_generator *generator = NULL;
    char *letter = NULL;
    tmb_reply reply = {0};
    tmb_status status = TMB_OK;
    TRY_OR(done, status, cli_open(args, &model, NULL));      /* before a letter is typed for nothing */
    TRY_OR(done, status, read_letter(args, &letter));
    TRY_OR(done, status, open_generator(args, &model, &device, &generator));
    tmb_message messages[2] = {{"system", args->system}, {"user", letter}};
    tmb_conversation conversation = {args->system ? messages : messages + 1, args->system ? 2 : 1};
    tmb_sampling sampling = sampling_of(args);
    bool terminal = os_is_terminal(stdout);
    sampling.on_text = args->json ? NULL : print_piece;
    sampling.user = &terminal;
    double start = os_seconds();
    TRY_OR(done, status, tmb_generate(generator, &conversation, 1, &sampling, &reply));
    cli_print_profile(args, device, os_seconds() - start);
    if (args->json)
        print_reply_json(&reply);
    else
        putchar('\n');
    fflush(stdout);      /* the reply before what is said about it */
    if (!reply.ended && !args->quiet)
        fprintf(stderr, "timbre: cut after %zu token%s; %s\n", reply.tokens, plural(reply.tokens),
                reply.tokens < (args->max_tokens ? args->max_tokens : 256)
                    ? "the context is full, --context may allow more" : "--max-tokens allows more");
done:
    tmb_replies_clear(&reply, 1);
    free(letter);
    tmb_generator_destroy(&generator);
    tmb_device_close(&device);
    tmb_model_close(&model);
    return status;
}

typedef struct Talk {
    tmb_message *messages;
    size_t count;
} Talk;

static void talk_add(Talk *talk, const char *role, const char *content)
{
    talk->messages = mem_grow(talk->messages, talk->count + 1, sizeof *talk->messages);
    talk->messages[talk->count++] = (tmb_message){role, mem_string(content)};
}

static void talk_finish(Talk *talk)
{
    for (size_t i = 0; i < talk->count; i++)
        free((void *)talk->messages[i].content);
    free(talk->messages);
}

typedef struct Turn {
    bool terminal;       /* of standard output */
    bool silent;         /* --json: the whole reply follows */
    Text said;
} Turn;

/* user: a Turn, which keeps what was said so far */
static void print_and_keep(void *user, size_t index, const char *text, size_t bytes)
{
    Turn *turn = user;
    if (!turn->silent)
        print_piece(&turn->terminal, index, text, bytes);
    text_append_valid(&turn->said, text, bytes);
}

/* Ctrl-C at a terminal ends the reply, not the conversation. */
static tmb_status chat_turn(const CliArgs *args, tmb_generator *generator, Talk *talk, bool terminal)
{
    tmb_reply reply = {0};
    Turn turn = {.terminal = os_is_terminal(stdout), .silent = args->json};
    tmb_sampling sampling = sampling_of(args);
    sampling.on_text = print_and_keep;
    sampling.user = &turn;
    tmb_conversation conversation = {talk->messages, talk->count};
    tmb_status status = tmb_generate(generator, &conversation, 1, &sampling, &reply);
    bool stopped = status == TMB_INTERRUPTED && terminal;
    if (stopped) {
        os_interrupt_clear();
        status = TMB_OK;
    }
    if (status == TMB_OK) {
        if (!args->json)
            printf(stopped ? " (stopped)\n\n" : "\n\n");
        else if (!stopped)
            print_reply_json(&reply);
        fflush(stdout);
        talk_add(talk, "assistant", stopped && !turn.said.bytes ? "" : stopped ? turn.said.data : reply.text);
    }
    text_finish(&turn.said);
    tmb_replies_clear(&reply, 1);
    return status;
}

/* Appends one line of any length; false at the end of the input. */
static bool read_line(Text *line)
{
    char part[1024];
    size_t before = line->bytes;
    while (fgets(part, sizeof part, stdin)) {
        size_t bytes = strlen(part);
        bool ended = bytes && part[bytes - 1] == '\n';
        while (bytes && (part[bytes - 1] == '\n' || part[bytes - 1] == '\r'))
            bytes--;
        text_append(line, part, bytes);
        if (ended)
            return true;
    }
    return line->bytes > before;
}

/* Reads one message. At a terminal it has several lines between two of """, or when they
 * were pasted at once; elsewhere a line is a message and an empty one ends the conversation. */
static bool read_message(Text *message, bool terminal)
{
    static const char quotes[] = "\"\"\"";
    text_clear(message);
    if (!terminal)
        return read_line(message) && message->bytes;
    do {
        printf("> ");
        fflush(stdout);
        text_clear(message);
        if (!read_line(message))
            return false;
    } while (!message->bytes && !os_input_waiting());
    bool quoted = message->bytes && !strcmp(message->data, quotes);
    if (quoted)
        text_clear(message);
    while (quoted || os_input_waiting()) {
        size_t before = message->bytes;
        if (before)
            text_append(message, "\n", 1);
        size_t begin = message->bytes;
        if (!read_line(message))
            return !quoted && message->bytes > 0;
        if (quoted && message->bytes > begin && !strcmp(message->data + begin, quotes)) {
            message->data[before] = '\0';
            message->bytes = before;
            break;
        }
    }
    return message->bytes || read_message(message, terminal);
}

tmb_status cmd_chat(const CliArgs *args)
{
    tmb_model *model = NULL;
    tmb_device *device = NULL;
    tmb_generator *generator = NULL;
    Talk talk = {0};
    Text message = {0};
    tmb_status status = TMB_OK;
    TRY_OR(done, status, open_generator(args, &model, &device, &generator));
    bool terminal = os_is_terminal(stdin);
    if (terminal && !args->quiet)
        fprintf(stderr, "Ctrl-C stops a reply, Ctrl-D ends the conversation; a letter of several lines goes "
                        "between two lines of \"\"\"\n");
    if (args->system)
        talk_add(&talk, "system", args->system);
    for (;;) {
        os_interrupt_reading(true);
        bool more = read_message(&message, terminal);
        os_interrupt_reading(false);
        if (!more)
            break;
        talk_add(&talk, "user", message.data);
        TRY_OR(done, status, chat_turn(args, generator, &talk, terminal));
    }
    if (terminal)
        putchar('\n');
done:
    text_finish(&message);
    talk_finish(&talk);
    tmb_generator_destroy(&generator);
    tmb_device_close(&device);
    tmb_model_close(&model);
    return status;
}

/* eval, generate, chat, export: using a model, with or without an adapter. */
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/os.h"
#include "base/mem.h"
#include "base/status.h"
#include "cli/commands.h"

static void print_eval(const CliArgs *args, const tmb_eval_result *result)
{
    if (args->json) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddNumberToObject(object, "tokens", (double)result->tokens);
        cJSON_AddNumberToObject(object, "mean_nll", result->mean_nll);
        cJSON_AddNumberToObject(object, "perplexity", result->perplexity);
        if (result->pairs) {
            cJSON_AddNumberToObject(object, "pairs", (double)result->pairs);
            cJSON_AddNumberToObject(object, "mean_margin", result->mean_margin);
            cJSON_AddNumberToObject(object, "chosen_wins", (double)result->chosen_wins);
        }
        cJSON_AddNumberToObject(object, "seconds", result->seconds);
        cli_print_json(object);
        return;
    }
    printf("%llu tokens, mean NLL %.6f, perplexity %.4f\n", (unsigned long long)result->tokens,
           result->mean_nll, result->perplexity);
    if (result->pairs)
        printf("%llu pairs, the chosen reply likelier in %llu, mean margin %+.4f per token\n",
               (unsigned long long)result->pairs, (unsigned long long)result->chosen_wins,
               result->mean_margin);
}

tmb_status cmd_eval(const CliArgs *args)
{
    tmb_model *model = NULL;
    tmb_device *device = NULL;
    tmb_eval_result result;
    tmb_status status = TMB_OK;
    TRY_OR(done, status, cli_open(args, &model, &device));
    double start = os_seconds();
    status = tmb_evaluate(device, model,
                          &(tmb_eval_params){
                              .file = args->positional[1],
                              .adapter = args->adapter,
                              .window = (uint32_t)args->window,
                              .by_line = args->by_line,
                              .bos = args->bos,
                              .limit = (uint32_t)args->limit,
                              .seed = args->seed,
                              .row_tokens = (uint32_t)args->row_tokens,
                              .system = args->system,
                          },
                          &result);
    cli_print_profile(args, device, os_seconds() - start);
    if (status == TMB_OK)
        print_eval(args, &result);
done:
    tmb_device_close(&device);
    tmb_model_close(&model);
    return status;
}

static tmb_status open_generator(const CliArgs *args, tmb_model **model, tmb_device **device,
                                 tmb_generator **generator)
{
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

static tmb_status read_letter(const CliArgs *args, char **out)
{
    size_t bytes;
    if (args->positional_count > 1 && args->file)
        return fail(TMB_USAGE, "give the letter as an argument or with --file, not both");
    if (args->positional_count > 1) {
        *out = mem_string(args->positional[1]);
        return TMB_OK;
    }
    TRY(os_read_file(args->file ? args->file : "-", out, &bytes));
    while (bytes && strchr("\r\n", (*out)[bytes - 1]))
        (*out)[--bytes] = '\0';
    return bytes ? TMB_OK : fail(TMB_BAD_INPUT, "the letter is empty");
}

/* Bytes of text that end before an incomplete UTF-8 character are the library's care;
 * here the pieces only go out at once, so that the reply is seen as it comes. */
static void print_piece(void *user, size_t index, const char *text, size_t bytes)
{
    (void)user;
    (void)index;
    fwrite(text, 1, bytes, stdout);
    fflush(stdout);
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
    cli_print_json(object);
}

tmb_status cmd_generate(const CliArgs *args)
{
    tmb_model *model = NULL;
    tmb_device *device = NULL;
    tmb_generator *generator = NULL;
    char *letter = NULL;
    tmb_reply reply = {0};
    tmb_status status = TMB_OK;
    TRY_OR(done, status, read_letter(args, &letter));
    TRY_OR(done, status, open_generator(args, &model, &device, &generator));
    tmb_message messages[2] = {{"system", args->system}, {"user", letter}};
    tmb_conversation conversation = {args->system ? messages : messages + 1, args->system ? 2 : 1};
    tmb_sampling sampling = sampling_of(args);
    sampling.on_text = args->json ? NULL : print_piece;
    double start = os_seconds();
    TRY_OR(done, status, tmb_generate(generator, &conversation, 1, &sampling, &reply));
    cli_print_profile(args, device, os_seconds() - start);
    if (args->json)
        print_reply_json(&reply);
    else
        putchar('\n');
    if (!reply.ended && !args->quiet)
        fprintf(stderr, "timbre: cut after %zu tokens; --max-tokens allows more\n", reply.tokens);
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

static tmb_status chat_turn(const CliArgs *args, tmb_generator *generator, Talk *talk)
{
    tmb_reply reply = {0};
    tmb_sampling sampling = sampling_of(args);
    sampling.on_text = print_piece;
    tmb_conversation conversation = {talk->messages, talk->count};
    TRY(tmb_generate(generator, &conversation, 1, &sampling, &reply));
    printf("\n\n");
    talk_add(talk, "assistant", reply.text);
    tmb_replies_clear(&reply, 1);
    return TMB_OK;
}

/* Reads one line of any length; false at the end of the input. */
static bool read_line(Text *line)
{
    text_clear(line);
    char part[1024];
    while (fgets(part, sizeof part, stdin)) {
        size_t bytes = strlen(part);
        bool ended = bytes && part[bytes - 1] == '\n';
        while (bytes && (part[bytes - 1] == '\n' || part[bytes - 1] == '\r'))
            bytes--;
        text_append(line, part, bytes);
        if (ended)
            return true;
    }
    return line->bytes > 0;
}

tmb_status cmd_chat(const CliArgs *args)
{
    tmb_model *model = NULL;
    tmb_device *device = NULL;
    tmb_generator *generator = NULL;
    Talk talk = {0};
    Text line = {0};
    tmb_status status = TMB_OK;
    TRY_OR(done, status, open_generator(args, &model, &device, &generator));
    bool terminal = os_is_terminal(stdin);
    if (terminal && !args->quiet)
        fprintf(stderr, "an empty line or Ctrl-D ends the conversation\n");
    if (args->system)
        talk_add(&talk, "system", args->system);
    for (;;) {
        if (terminal)
            printf("> ");
        fflush(stdout);
        if (!read_line(&line) || !line.bytes)
            break;
        talk_add(&talk, "user", line.data);
        TRY_OR(done, status, chat_turn(args, generator, &talk));
    }
done:
    text_finish(&line);
    talk_finish(&talk);
    tmb_generator_destroy(&generator);
    tmb_device_close(&device);
    tmb_model_close(&model);
    return status;
}

tmb_status cmd_export(const CliArgs *args)
{
    if (!args->to || !args->output)
        return fail(TMB_USAGE, "usage: timbre export RUN --to peft|gguf-lora -o PATH");
    tmb_model *model = NULL;
    tmb_device *device = NULL;
    char *base = NULL, size[32];
    tmb_export_result result;
    tmb_status status = TMB_OK;
    if (!args->base)
        TRY_OR(done, status, tmb_run_base(args->positional[0], &base));
    TRY_OR(done, status, tmb_model_open(args->base ? args->base : base, &model));
    TRY_OR(done, status, cli_open(args, NULL, &device));
    TRY_OR(done, status, tmb_export(device, model,
                                    &(tmb_export_params){.run = args->positional[0],
                                                         .format = args->to,
                                                         .output = args->output},
                                    &result));
    printf("%s: %llu tensors, %s, read back: largest logit difference %.2g\n", args->output,
           (unsigned long long)result.tensors, cli_bytes(result.bytes, size),
           result.largest_logit_difference);
done:
    free(base);
    tmb_device_close(&device);
    tmb_model_close(&model);
    return status;
}

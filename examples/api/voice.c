/* Timbre inside another program: four steps of training, then a reply in the new voice.
 *     cc voice.c $(pkg-config --cflags --libs timbre) && ./a.out MODEL.gguf letters.jsonl RUN */
#include <stdio.h>
#include <timbre/timbre.h>

static void on_event(void *user, const tmb_train_event *event)
{
    (void)user;
    if (event->kind == TMB_EVENT_STEP)
        printf("step %d: loss %.3f\n", (int)event->step, event->loss);
}

int main(int argc, char **argv)
{
    tmb_model *model = NULL;
    tmb_device *device = NULL;
    tmb_generator *generator = NULL;
    tmb_train_result result;
    tmb_reply reply = {0};
    tmb_message letter = {"user", "Where should we go in March?"};
    if (argc != 4)
        return 2;
    const char *const data[] = {argv[2]};
    tmb_train_params training = {.data = data, .data_count = 1, .run = argv[3], .steps = 4, .on_event = on_event};
    tmb_status status = tmb_model_open(argv[1], &model);
    if (status == TMB_OK)
        status = tmb_device_open(&(tmb_device_params){0}, &device);
    if (status == TMB_OK)
        status = tmb_train(device, model, &training, &result);
    if (status == TMB_OK)
        status = tmb_generator_create(device, model, &(tmb_generator_params){.adapter = argv[3]}, &generator);
    if (status == TMB_OK)
        status = tmb_generate(generator, &(tmb_conversation){&letter, 1}, 1, &(tmb_sampling){.max_tokens = 20}, &reply);
    puts(status == TMB_OK ? reply.text : tmb_last_error());
    tmb_replies_clear(&reply, 1);
    tmb_generator_destroy(&generator);
    tmb_device_close(&device);
    tmb_model_close(&model);
    return tmb_exit_code(status);
}

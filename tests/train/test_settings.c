/* What training says about options that are possible and yet hardly meant. */
#include "test.h"

#include "base/log.h"
#include "base/mem.h"
#include "train/settings.h"

typedef struct Heard {
    unsigned lines;
    char last[400];
} Heard;

static void hear(void *context, LogLevel level, const char *text)
{
    Heard *heard = context;
    heard->lines += level == LOG_WARNING;
    snprintf(heard->last, sizeof heard->last, "%s", text);
}

static void warnings(Test *test)
{
    static const struct {
        TrainParams params;
        const char *said;      /* NULL: nothing */
    } cases[] = {
        {{0}, NULL},
        {{.learning_rate = 1e-2}, NULL},
        {{.learning_rate = 1}, "--lr 1 "},
        {{.alpha = 128}, NULL},
        {{.rank = 4, .alpha = 4}, NULL},
        {{.alpha = 1000}, "multiplies what is learnt by 62.5"},
        {{.rank = 64, .alpha = 1}, "leaves 0.016 "},
        {{.alpha = 1000, .initial = "a.gguf"}, "those of --initial a.gguf"},
        {{.initial = "a.gguf"}, NULL},
        {{.warmup = 0.5}, NULL},
        {{.warmup = 0.9}, "90 % of the steps"},
        {{.steps = 10}, NULL},
        {{.epochs = 2}, NULL},
        {{.steps = 10, .epochs = 2}, "--epochs has no effect"},
        {{.patience = 2, .validation = "0.1"}, NULL},
        {{.patience = 2}, "--val"},
        {{.eval_every = 2}, "--val"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        Heard heard = {0};
        log_set_sink(hear, &heard);
        settings_warn(&cases[i].params);
        log_set_sink(NULL, NULL);
        if (!CHECK(test, heard.lines == (cases[i].said != NULL)) ||
            !CHECK(test, !cases[i].said || strstr(heard.last, cases[i].said)))
            printf("  case %zu: %u lines, the last is %s\n", i, heard.lines, heard.last);
    }
}

int main(void)
{
    Test test = {.name = "settings"};
    warnings(&test);
    return test_end(&test);
}

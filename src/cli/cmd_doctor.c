/* doctor: does this card compute correctly, and what can it do; for owners and for reports. */
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/os.h"
#include "base/status.h"
#include "cli/commands.h"

/* What the families are for, by the beginning of their names; the last takes the rest. */
static const struct Area {
    const char *name, *beginnings;
} areas[] = {
    {"products of matrices", "matmul matvec"},
    {"weights of model files", "expand embedding"},
    {"attention", "attention rope kv_append softmax"},
    {"norms and activations", "rmsnorm swiglu add scale"},
    {"loss and optimizer", "cross_entropy grad_norm grad_clip adamw"},
    {"everything else", ""},
};
enum { AREAS = sizeof areas / sizeof *areas };

static size_t area_of(const char *family)
{
    for (size_t a = 0; a + 1 < AREAS; a++)
        for (const char *at = areas[a].beginnings; *at; at += strspn(at, " ")) {
            size_t length = strcspn(at, " ");
            if (!strncmp(family, at, length) && (!family[length] || family[length] == '_'))
                return a;
            at += length;
        }
    return AREAS - 1;
}

/* Terminal colours, as https://no-color.org wants them. */
static const char *paint(const char *sequence)
{
    const char *plain = getenv("NO_COLOR"), *term = getenv("TERM");
    bool colour = os_is_terminal(stdout) && !(plain && *plain) && !(term && !strcmp(term, "dumb"));
    return colour ? sequence : "";
}
#define RED paint("\033[1;31m")
#define GREEN paint("\033[32m")
#define FAINT paint("\033[2m")
#define PLAIN paint("\033[0m")

/* A bar in a line of its own, on standard error so that results can be kept in a file. */
static void show_progress(void *context, const char *kernel, unsigned done, unsigned total)
{
    enum { WIDTH = 24 };
    char bar[WIDTH + 1];
    (void)context;
    unsigned filled = total ? done * WIDTH / total : 0;
    for (unsigned i = 0; i < WIDTH; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[WIDTH] = '\0';
    fprintf(stderr, "\r\033[K[%s] %u of %u  %s", bar, done + 1, total, kernel);
    fflush(stderr);
}

static void print_area(const char *name, unsigned right, unsigned wrong, unsigned untried)
{
    printf("  %s%-7s%s  %-24s", wrong || untried ? RED : GREEN, wrong ? "wrong" : untried ? "untried" : "right",
           PLAIN, name);
    if (wrong)
        printf("%u of %u kernels %s wrong numbers\n", wrong, right + wrong + untried,
               wrong == 1 ? "computes" : "compute");
    else if (untried)
        printf("%u of %u kernels could not be tried\n", untried, right + untried);
    else
        printf("%u kernel%s\n", right, plural(right));
}

/* Those that nothing uses here are told apart from the rest, below. */
static void print_areas(const tmb_doctor_row *rows, size_t count)
{
    for (size_t a = 0; a < AREAS; a++) {
        unsigned right = 0, wrong = 0, untried = 0;
        for (size_t i = 0; i < count; i++)
            if (area_of(rows[i].family) == a) {
                right += rows[i].verdict == TMB_KERNEL_RIGHT;
                wrong += rows[i].verdict == TMB_KERNEL_WRONG && !rows[i].never_used;
                untried += rows[i].verdict == TMB_KERNEL_UNTRIED && !rows[i].never_used;
            }
        if (right || wrong || untried)
            print_area(areas[a].name, right, wrong, untried);
    }
}

static void print_problems(const tmb_doctor_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].verdict == TMB_KERNEL_WRONG || rows[i].verdict == TMB_KERNEL_UNTRIED)
            printf("\n%s%s%s%s%s, %s", rows[i].never_used ? "" : RED, rows[i].kernel, PLAIN,
                   rows[i].verdict == TMB_KERNEL_WRONG ? " computes wrong numbers" : " could not be tried",
                   rows[i].never_used ? ", and is not used here" : "", rows[i].problem);
}

/* What the owner can do, in the order of what helps. */
static void print_advice(const tmb_doctor *doctor, const tmb_device_info *info)
{
    const char *remedy = tmb_doctor_remedy(doctor);
    printf("\nWhat to do:\n"
           "  1. Do not trust what is trained or written with this driver: %s.\n"
           "     Install its newest version (or, if it is new, the one before) and run this again.\n",
           info->driver);
    if (remedy)
        printf("  2. Until then, add --caps %s to every command: it leaves the wrong kernels out.\n", remedy);
    else
        printf("  2. No option avoids them: these kernels use nothing beyond plain Vulkan 1.2.\n");
    printf("  3. Please send the file of 'timbre doctor --report FILE' with a bug report; it names the\n"
           "     card and driver, and nothing about you.\n");
}

/* What the exit code stands for. */
static void print_judgement(const tmb_doctor_summary *summary)
{
    const unsigned wrong = summary->wrong_in_use, untried = summary->untried_in_use;
    printf("\n");
    if (summary->kinds_not_reached)
        printf("%sThe time was up before %u of the kernels in use had their turn: the machine is busy.%s\n"
               "Run this again when it is not.\n", RED, summary->kinds_not_reached, PLAIN);
    if (wrong)
        printf("%s%u of %u kernels %s wrong numbers on this card.%s\n", RED, wrong, summary->right + wrong,
               wrong == 1 ? "computes" : "compute", PLAIN);
    else if (summary->right)
        printf("%sAll %u kernels %scompute correctly on this card.%s\n", GREEN, summary->right,
               summary->kinds_not_reached || untried ? "that were tried " : "", PLAIN);
    if (untried)
        printf("%s%u kernel%s could not be tried, for the reason%s above: whether %s right is not known.%s\n"
               "If it is memory, close what else uses the card, and run this again. If it is the compiler,\n"
               "install the newest driver; if that does not help, please send the file of\n"
               "'timbre doctor --report FILE' with a bug report.\n", RED, untried, plural(untried),
               plural(untried), untried == 1 ? "it is" : "they are", PLAIN);
}

static void print_verdict(const tmb_doctor_summary *summary)
{
    const unsigned wrong = summary->wrong - summary->wrong_in_use;
    const unsigned untried = summary->untried - summary->untried_in_use;
    print_judgement(summary);
    if (wrong)
        printf("%s%u more %s wrong numbers, but nothing on this card uses %s.%s\n", FAINT, wrong,
               wrong == 1 ? "computes" : "compute", wrong == 1 ? "it" : "them", PLAIN);
    if (untried)
        printf("%s%u more could not be tried, but nothing on this card uses %s.%s\n", FAINT, untried,
               untried == 1 ? "it" : "them", PLAIN);
    if (summary->not_needed)
        printf("%s%u more %s made for other hardware and not used here.%s\n", FAINT, summary->not_needed,
               summary->not_needed == 1 ? "is" : "are", PLAIN);
    if (summary->not_reached)
        printf("%s%u more %s not reached in the time%s.%s\n", FAINT, summary->not_reached,
               summary->not_reached == 1 ? "was" : "were",
               summary->kinds_not_reached ? "" : "; of each kind the one in use was", PLAIN);
    if (summary->not_built)
        printf("%s%u more %s not in this build; 'timbre --version' says why.%s\n", FAINT, summary->not_built,
               summary->not_built == 1 ? "is" : "are", PLAIN);
}

/* Nothing to worry about: they are there to be faster, and others do their work. */
static void print_left_out(const tmb_doctor_row *rows, size_t count, unsigned left_out)
{
    if (!left_out)
        return;
    printf("%s%u more %s not used on this card, and not run here: an earlier trial found\n", FAINT, left_out,
           left_out == 1 ? "is" : "are");
    for (size_t i = 0; i < count; i++)
        if (rows[i].verdict == TMB_KERNEL_LEFT_OUT)
            printf("  %s %s\n", rows[i].kernel, rows[i].problem);
    printf("Other kernels do their work.%s\n", PLAIN);
}

static void print_report(const tmb_doctor *doctor, const tmb_device_info *info)
{
    size_t count;
    tmb_doctor_summary summary;
    char memory[32], range[32];
    const tmb_doctor_row *rows = tmb_doctor_rows(doctor, &count);
    tmb_doctor_summarise(doctor, &summary);
    printf("%s\n", info->name);
    printf("  driver  %s, Vulkan %u.%u\n", info->driver, info->api_major, info->api_minor);
    printf("  memory  %s, one binding covers %s\n", cli_bytes(info->memory_bytes, memory),
           cli_bytes(info->storage_range, range));
    if (summary.flops_per_second > 0)
        printf("  speed   %.1f GFLOP/s of f32 arithmetic, %.1f GB/s of memory, measured\n",
               summary.flops_per_second * 1e-9, summary.bytes_per_second * 1e-9);
    printf("\n");
    print_areas(rows, count);
    print_problems(rows, count);
    print_verdict(&summary);
    print_left_out(rows, count, summary.left_out);
    if (summary.wrong_in_use)
        print_advice(doctor, info);
}

static void add_device(cJSON *report, const tmb_device_info *info)
{
    cJSON *device = cJSON_AddObjectToObject(report, "device");
    cli_add_device(device, info);
    cJSON_AddNumberToObject(device, "api_major", info->api_major);
    cJSON_AddNumberToObject(device, "api_minor", info->api_minor);
    cJSON_AddNumberToObject(device, "shared_bytes", info->shared_bytes);
    cJSON_AddNumberToObject(device, "max_invocations", info->max_invocations);
}

/* Card, driver, limits and results; no names of people, machines or files. `failure`: what ended the
 * test, NULL: it went through. */
static cJSON *report_json(const tmb_doctor *doctor, const tmb_device_info *info, const char *caps,
                          const char *failure)
{
    static const char *const verdicts[] = {"right", "wrong", "not needed", "not reached", "not built",
                                            "left out", "untried"};
    size_t count;
    tmb_doctor_summary summary;
    const tmb_doctor_row *rows = tmb_doctor_rows(doctor, &count);
    const char *remedy = tmb_doctor_remedy(doctor);
    cJSON *report = cJSON_CreateObject();
    tmb_doctor_summarise(doctor, &summary);
    cJSON_AddStringToObject(report, "timbre", tmb_version());
    cJSON_AddStringToObject(report, "commit", tmb_commit());
    if (failure)
        cJSON_AddStringToObject(report, "failure", failure);
    add_device(report, info);
    cJSON_AddStringToObject(report, "caps", caps ? caps : "all");
    cJSON_AddNumberToObject(report, "flops_per_second", summary.flops_per_second);
    cJSON_AddNumberToObject(report, "bytes_per_second", summary.bytes_per_second);
    cJSON_AddNumberToObject(report, "seconds", summary.seconds);
    cJSON_AddNumberToObject(report, "right", summary.right);
    cJSON_AddNumberToObject(report, "wrong", summary.wrong);
    cJSON_AddNumberToObject(report, "wrong_in_use", summary.wrong_in_use);
    cJSON_AddNumberToObject(report, "untried", summary.untried);
    cJSON_AddNumberToObject(report, "untried_in_use", summary.untried_in_use);
    if (remedy)
        cJSON_AddStringToObject(report, "remedy", remedy);
    cJSON *kernels = cJSON_AddArrayToObject(report, "kernels");
    for (size_t i = 0; i < count; i++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddItemToArray(kernels, row);
        cJSON_AddStringToObject(row, "kernel", rows[i].kernel);
        cJSON_AddStringToObject(row, "verdict", verdicts[rows[i].verdict]);
        cJSON_AddNumberToObject(row, "cases", rows[i].cases);
        cJSON_AddBoolToObject(row, "never_used", rows[i].never_used);
        if (rows[i].problem[0])
            cJSON_AddStringToObject(row, "problem", rows[i].problem);
    }
    return report;
}

static tmb_status write_report(const CliArgs *args, const tmb_doctor *doctor, const tmb_device_info *info,
                               const char *failure)
{
    if (!args->report)
        return TMB_OK;
    cJSON *report = report_json(doctor, info, args->caps, failure);
    char *text = cJSON_Print(report);
    tmb_status status = text ? os_write_file(args->report, text, strlen(text))
                             : fail(TMB_OUT_OF_HOST, "no memory for the report");
    free(text);
    cJSON_Delete(report);
    if (status == TMB_OK && !args->json && !args->quiet)
        printf("\nThe report is in %s.\n", args->report);
    return status;
}

/* The report of a card that broke down is the one that is needed most. */
static tmb_status report_lost(const CliArgs *args, const tmb_doctor *doctor, const tmb_device_info *info)
{
    char failure[1024];
    snprintf(failure, sizeof failure, "%s", tmb_last_error());
    if (write_report(args, doctor, info, failure) != TMB_OK)
        fprintf(stderr, "warning: %s\n", tmb_last_error());
    return fail(TMB_DEVICE_LOST, "%s", failure);
}

/* A kernel in use that could not be tried is no reason to trust the card either. */
static tmb_status judge(const tmb_doctor_summary *summary)
{
    if (summary->wrong_in_use)
        return fail(TMB_FAILED, "wrong numbers from %u of %u kernels", summary->wrong_in_use,
                    summary->right + summary->wrong_in_use);
    if (summary->untried_in_use)
        return fail(TMB_FAILED, "%u of %u kernels could not be tried", summary->untried_in_use,
                    summary->right + summary->untried_in_use);
    return TMB_OK;
}

tmb_status cmd_doctor(const CliArgs *args)
{
    tmb_device *device = NULL;
    tmb_doctor *doctor = NULL;
    tmb_device_info info;
    tmb_doctor_summary summary;
    const bool progress = !args->quiet && !args->json && os_is_terminal(stderr);
    tmb_status status = TMB_OK;
    TRY_OR(done, status, cli_open(args, NULL, &device));
    tmb_device_describe(device, &info);
    status = tmb_doctor_run(&(tmb_doctor_params){.device = device,
                                                 .progress = progress ? show_progress : NULL}, &doctor);
    if (progress)
        fprintf(stderr, "\r\033[K");
    if (status == TMB_DEVICE_LOST)
        status = report_lost(args, doctor, &info);
    if (status != TMB_OK)
        goto done;
    tmb_doctor_summarise(doctor, &summary);
    if (args->json)
        cli_print_json(report_json(doctor, &info, args->caps, NULL));
    else
        print_report(doctor, &info);
    TRY_OR(done, status, write_report(args, doctor, &info, NULL));
    status = judge(&summary);
done:
    tmb_doctor_destroy(&doctor);
    tmb_device_close(&device);
    return status;
}

/* Kernels tried in a child process: right and faster, wrong numbers, a crash, a hang, an error, no
 * answer; each is written down, and only the first makes a row usable. The children are this
 * program itself, started as the helper of probe_in_child. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "check/probe.h"
#include "check/tune.h"
#include "test.h"

/* ---- children ---------------------------------------------------------------- */

static void wrong_reference(const void *push, double *const bind[])
{
    kernel_by_name("scale")->reference(push, bind);
    bind[1][0] = 12345;
}

/* A real probe on the device at hand, of a row whose reference agrees or does not. */
static int probe_here(bool right)
{
    KernelRow row = *kernel_by_name("scale");
    char line[PROBE_LINE];
    Gpu *gpu;
    if (gpu_open(&(GpuParams){0}, &gpu) != TMB_OK)
        return 77;
    row.probe = !right;      /* rows that are trusted anyway are only timed */
    if (!right)
        row.reference = wrong_reference;
    probe_row(gpu, &row, &probe_usual_shape, os_seconds() + 100, line);
    gpu_close(&gpu);
    puts(line);
    return 0;
}

static void print_line(const char *text)
{
    puts(text);
}

/* This row's race, at sizes that a CPU driver has done at once. */
static int race_small(const char *name)
{
    const KernelShape small = {.rows = 32, .hidden = 256, .ffn = 256, .heads = 4, .kv_heads = 4,
                               .head_dim = 64, .vocab = 256};
    char line[PROBE_LINE];
    Gpu *gpu;
    if (gpu_open(&(GpuParams){0}, &gpu) != TMB_OK)
        return 77;
    probe_row(gpu, kernel_by_name(name), &small, os_seconds() + 60, line);
    gpu_close(&gpu);
    puts(line);
    return 0;
}

/* Rows that are well but for the second and those after it. */
static int child_of_many(const char *mode, const char *rows)
{
    char name[POLICY_NAME];
    while (*rows) {
        rows = probe_next_name(rows, name);
        if (!strcmp(mode, "first") || !strcmp(mode, "rest")) {
            printf("%s right %s 0.004 -1 %s\n", name, *mode == 'f' ? "0.004" : "0.001", name);
            fflush(stdout);
            while (*mode == 'f')
                os_sleep(0.1);
            continue;
        }
        const bool second = !strcmp(name, "matmul_nn_tile");
        if (second && !strcmp(mode, "asserts"))
            exit(3);    /* as abort() on Windows */
        if (second && !strcmp(mode, "broken")) {
            printf("%s right 0.001 0.0", name);   /* and no more */
            fflush(stdout);
            abort();
        }
        while (second && !strcmp(mode, "stuck"))
            os_sleep(0.1);
        if (!strcmp(mode, "slow"))
            os_sleep(0.5);
        if (!strcmp(name, "rmsnorm_bwd_w"))
            printf("%s later\n", name);
        else
            printf("%s right 0.001 0.004 2 %s -1:0.004 1:0.002 2:0.001 99:7\n", name, name);
        fflush(stdout);
    }
    return 0;
}

/* The device's own race of these rows. */
static int race_here(const char *rows, const char *sizes, const char *seconds)
{
    const double end = probe_end(seconds);
    KernelShape shape;
    Gpu *gpu;
    if (!probe_shape_read(sizes, &shape) || gpu_open(&(GpuParams){0}, &gpu) != TMB_OK)
        return 4;
    tmb_status status = probe_rows(gpu, rows, &shape, end, print_line);
    gpu_close(&gpu);
    return status == TMB_OK ? 0 : 1;
}

static int child(const char *mode, const char *rows)
{
    if (!strcmp(mode, "right") || !strcmp(mode, "wrong"))
        return probe_here(!strcmp(mode, "right"));
    if (!strcmp(mode, "race small"))
        return race_small(rows);
    if (!strcmp(mode, "crash"))
        abort();
    while (!strcmp(mode, "hang"))
        os_sleep(0.1);
    if (!strcmp(mode, "faster"))
        puts("matmul_nt_coopmat right 0.001 0.004 3 matmul_nt_tile");
    if (!strcmp(mode, "slower"))
        puts("matmul_nt_coopmat right 0.004 0.001 -1 matmul_nt_tile");
    if (!strcmp(mode, "lie"))
        puts("matmul_nt_coopmat right 0.001 0.004 99 matmul_nt_tile");
    if (!strcmp(mode, "unopened")) {
        fail_record(TMB_FAILED, "no such device");
        probe_rows_failed("matmul_nt_tile,matmul_nn_tile", print_line);
    }
    if (!strcmp(mode, "fail"))
        puts("matmul_nt_coopmat failed compiling a kernel: no");
    static const char *const many[] = {"broken", "asserts", "stuck", "slow", "first", "rest"};
    for (size_t i = 0; i < COUNT_OF(many); i++)
        if (!strcmp(mode, many[i]))
            return child_of_many(mode, rows);
    return 0;   /* "mute" says nothing */
}

/* ---- what the parent makes of them ------------------------------------------- */

static const KernelVerdict *tried(const char *program, const char *mode, const char *row,
                                  double seconds, KernelPolicy *policy)
{
    const ProbeHelper helper = {.program = program, .command = mode, .seconds = 100, .row_seconds = seconds};
    probe_in_child(&helper, row, policy);
    return policy_verdict(policy, row);
}

static void every_end_has_its_finding(Test *test, const char *program)
{
    static const struct { const char *mode; KernelFinding finding; double seconds; } ends[] = {
        {"faster", FINDING_FASTER, 20},  {"slower", FINDING_SLOWER, 20},
        {"crash", FINDING_CRASHED, 20},  {"hang", FINDING_TIMED_OUT, 0.5},
        {"fail", FINDING_FAILED, 20},    {"mute", FINDING_FAILED, 20},
        {"lie", FINDING_FAILED, 20},     /* a tuning that there is not */
    };
    const KernelRow *row = kernel_by_name("matmul_nt_coopmat");
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        KernelPolicy policy = {0};
        const KernelVerdict *verdict = tried(program, ends[i].mode, row->name, ends[i].seconds, &policy);
        const GpuCaps caps = {.policy = &policy};
        REQUIRE(test, verdict);
        CHECK_STRING(test, finding_name(ends[i].finding), finding_name(verdict->finding));
        CHECK(test, verdict->why[0]);
        CHECK(test, kernel_trusted(&caps, row) == (ends[i].finding == FINDING_FASTER));
        /* the fastest tuning comes with the verdict */
        const KernelTuning *tuning = policy_tuning(&policy, row->name);
        CHECK(test, ends[i].finding == FINDING_FASTER
                        ? tuning && !memcmp(tuning, &row->tunings[3], sizeof *tuning) : !tuning);
    }
    KernelPolicy policy = {0};
    const KernelVerdict *verdict = tried("/nonexistent/timbre", "right", row->name, 20, &policy);
    CHECK(test, verdict && verdict->finding != FINDING_FASTER);
}

static void add_time(void *context, const KernelRow *row, int index, double seconds)
{
    double *total = context;
    *total += strcmp(row->name, "matmul_nt_tile") ? 100 : seconds + index;
}

/* What was said before the end counts; a line that was not finished does not, and those after it are
 * tried all the same. */
static void rows_share_a_child(Test *test, const char *program)
{
    double total = 0;
    const ProbeHelper helper = {.program = program, .command = "broken", .seconds = 20, .row_seconds = 20,
                                .timed = add_time, .context = &total};
    const KernelRow *row = kernel_by_name("matmul_nt_tile");
    KernelPolicy policy = {0};
    probe_in_child(&helper, "matmul_nt_tile,matmul_nn_tile,matmul_tn_tile,rmsnorm_bwd_w", &policy);
    const KernelTuning *tuning = policy_tuning(&policy, row->name);
    CHECK(test, policy.verdict_count == 3 && policy.tuning_count == 2);
    CHECK(test, tuning && !memcmp(tuning, &row->tunings[2], sizeof *tuning));
    CHECK(test, policy_verdict(&policy, "matmul_nn_tile")->finding == FINDING_CRASHED);
    CHECK(test, policy_verdict(&policy, "matmul_tn_tile")->finding == FINDING_FASTER);
    CHECK_NEAR(test, 0.007 + 2 + 3 * 100, total, 1e-9);   /* and tuning 99 is passed over */
    KernelPolicy other = {0};
    probe_in_child(&(ProbeHelper){.program = program, .command = "asserts", .seconds = 20, .row_seconds = 20},
                   "matmul_nt_tile,matmul_nn_tile,matmul_tn_tile", &other);
    REQUIRE(test, other.verdict_count == 3);
    CHECK(test, policy_verdict(&other, "matmul_nn_tile")->finding == FINDING_CRASHED);
    CHECK(test, policy_verdict(&other, "matmul_tn_tile")->finding == FINDING_FASTER);
    policy_forget(&policy, row->name);
    CHECK(test, policy.verdict_count == 2 && !policy_tuning(&policy, row->name));
}

/* Each row has its own time, and all of them have theirs: only the first makes a row guilty. */
static void slow_rows_condemn_no_others(Test *test, const char *program)
{
    static const char rows[] = "matmul_nt_tile,matmul_nn_tile,matmul_tn_tile,attention_fwd_tile";
    ProbeHelper helper = {.program = program, .command = "slow", .seconds = 100, .row_seconds = 1.6};
    KernelPolicy slow = {0}, stuck = {0}, all = {0};
    probe_in_child(&helper, rows, &slow);
    CHECK(test, slow.verdict_count == 4 && slow.tuning_count == 4);
    helper.command = "stuck";
    probe_in_child(&helper, rows, &stuck);
    REQUIRE(test, stuck.verdict_count == 4);
    CHECK(test, policy_verdict(&stuck, "matmul_nn_tile")->finding == FINDING_TIMED_OUT);
    CHECK(test, policy_verdict(&stuck, "matmul_tn_tile")->finding == FINDING_FASTER);
    helper.row_seconds = 100;
    helper.seconds = 3;
    const double begin = os_seconds();
    probe_in_child(&helper, rows, &all);
    CHECK(test, os_seconds() - begin < 20);
    CHECK(test, all.verdict_count == 1 && policy_verdict(&all, "matmul_nt_tile"));
}

/* A child that could not begin says so for each row; Ctrl-C is nobody's fault. */
static void ends_before_the_first_row(Test *test, const char *program)
{
    const ProbeHelper unopened = {.program = program, .command = "unopened", .seconds = 20};
    const ProbeHelper crash = {.program = program, .command = "crash", .seconds = 20};
    KernelPolicy policy = {0};
    probe_in_child(&unopened, "matmul_nt_tile,matmul_nn_tile", &policy);
    REQUIRE(test, policy.verdict_count == 2);
    CHECK(test, policy.verdict[1].finding == FINDING_FAILED);
    CHECK_STRING(test, "no such device", policy.verdict[1].why);
    os_interrupt();
    probe_in_child(&crash, "rmsnorm_bwd_w", &policy);
    CHECK(test, policy.verdict_count == 2);
    os_interrupt_clear();
    probe_in_child(&crash, "rmsnorm_bwd_w", &policy);
    CHECK(test, policy.verdict_count == 3);
}

static void shapes_are_read(Test *test)
{
    KernelShape shape;
    CHECK(test, probe_shape_read("512,576,1536,9,3,64,49152", &shape) && shape.head_dim == 64 &&
                    shape.vocab == 49152);
    CHECK(test, shape.types == probe_usual_shape.types);
    CHECK(test, probe_shape_read("512,576,1536,9,3,64,49152,Q4_1+NF4", &shape) &&
                    shape.types == (1u << DTYPE_Q4_1 | 1u << DTYPE_NF4));
    CHECK(test, probe_shape_read("512,576,1536,9,3,64,49152,", &shape) && !shape.types);
    CHECK(test, !probe_shape_read("512,576,1536,9,3,64,49152,Q4", &shape));
    CHECK(test, !probe_shape_read("512,576,1536,9,3,64,49152,F16", &shape));
    CHECK(test, !probe_shape_read("512,576,1536,9,3,64,49152 Q4_1", &shape));
    CHECK(test, !probe_shape_read("512,576,1536,9,3,64", &shape));
    CHECK(test, !probe_shape_read("512,576,1536,9,0,64,49152", &shape));
    CHECK(test, !probe_shape_read("512,576,1536,9,2,64,49152", &shape));
    CHECK(test, !probe_shape_read("", &shape));
}

static void untried_rows_are_not_used(Test *test)
{
    const GpuCaps caps = {0};
    CHECK(test, !kernel_trusted(&caps, kernel_by_name("matmul_nt_coopmat")));
    CHECK(test, kernel_trusted(&caps, kernel_by_name("matmul_nt_tile")));
}

/* On the device: a row against itself is right (and neither faster nor slower than it), and a
 * reference that says something else makes it wrong. */
static void numbers_are_compared(Test *test, const char *program)
{
    Gpu *gpu;
    if (gpu_open(&(GpuParams){0}, &gpu) != TMB_OK) {
        printf("no device: numbers were not compared\n");
        return;
    }
    gpu_close(&gpu);
    KernelPolicy policy = {0};
    const KernelVerdict *verdict = tried(program, "right", "scale", 100, &policy);
    CHECK(test, verdict && strstr(verdict->why, "measured here"));
    verdict = tried(program, "wrong", "scale", 100, &policy);
    CHECK(test, verdict && verdict->finding == FINDING_WRONG);
    CHECK(test, verdict && strstr(verdict->why, "want 12345"));
    verdict = tried(program, "race small", "matmul_nt_tile_q8_0", 100, &policy);
    CHECK(test, verdict && verdict->finding <= FINDING_SLOWER);
    CHECK(test, verdict && strstr(verdict->why, "of expand_q8_0+matmul_nt_"));
    /* vectors race those of their own type */
    verdict = tried(program, "race small", "matvec_q4_k", 100, &policy);
    CHECK(test, verdict && verdict->finding <= FINDING_SLOWER);
    CHECK(test, verdict && (strstr(verdict->why, "of matvec_q4_k") || strstr(verdict->why, "measured here")));
    if (verdict)
        printf("matvec_q4_k: %s\n", verdict->why);
}

/* One tuning is timed whatever the hour, and the rest when there is time. */
static void races_end(Test *test, Gpu *gpu)
{
    const KernelRow *row = kernel_by_name("scale");
    const KernelCase one = row->cases[0];
    TuneResult late, early;
    double seconds = 0;
    REQUIRE_OK(test, tune_row(gpu, row, &one, 100, os_seconds() - 1, &late));
    CHECK(test, late.count == 1 && late.unfinished && late.best.index == TUNE_DEFAULT);
    REQUIRE_OK(test, tune_row(gpu, row, &one, 100, os_seconds() + 1000, &early));
    CHECK(test, early.count > 1 && !early.unfinished);
    CHECK_OK(test, tune_time(gpu, row, &one, &seconds));
    CHECK(test, seconds > 0);
}

/* Every row has its line, also when the time was over from the beginning; and all are raced when there
 * is plenty. */
static void late_rows_wait(Test *test, const char *program)
{
    static const char rows[] = "scale,add,copy";
    const char *argv[] = {program, "race", rows, "", "", "64,64,256,1,1,64,64", "0", NULL};
    char *output = NULL;
    int code;
    REQUIRE_OK(test, os_run(argv, 100, &output, &code));
    CHECK(test, code == 0);
    CHECK_STRING(test, "scale later\nadd later\ncopy later\n", output);
    free(output);
    argv[6] = "1000";
    REQUIRE_OK(test, os_run(argv, 100, &output, &code));
    CHECK(test, code == 0 && strstr(output, "scale right") && strstr(output, "copy right"));
    CHECK(test, strstr(output, "add right") && !strstr(output, "later"));
    free(output);
}

static bool is_wanted(void *context, const KernelRow *row)
{
    return row->tune && !(row->needs & GPU_CAP_COOPMAT) && context != NULL;
}

static unsigned count_of(const KernelPolicy *policy, KernelFinding finding)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < policy->verdict_count; i++)
        count += policy->verdict[i].finding == finding;
    return count;
}

static void count_warnings(void *context, LogLevel level, const char *text)
{
    unsigned *warnings = context;
    (void)text;
    *warnings += level == LOG_WARNING;
}

/* Where the file cannot be written no tunings are raced, as every command would do so, and there is one
 * warning. A folder stands where the file would be written. */
static void nothing_is_raced_in_vain(Test *test, Gpu *gpu, const ProbeHelper *helper, unsigned later)
{
    unsigned warnings = 0;
    char *path = probe_path(gpu_caps(gpu), NULL);
    Text partial = {0};
    REQUIRE(test, path);
    text_print(&partial, "%s.partial", path);
    REQUIRE_OK(test, os_make_directories(partial.data));
    log_set_sink(count_warnings, &warnings);
    probe_device(gpu, helper);
    log_set_sink(NULL, NULL);
    CHECK(test, count_of(gpu_caps(gpu)->policy, FINDING_LATER) == later);
    CHECK(test, count_of(gpu_caps(gpu)->policy, FINDING_FASTER) == 0 && warnings == 1);
    CHECK_OK(test, os_remove(partial.data));
    text_finish(&partial);
    free(path);
}

/* What a run has no time for is remembered as such, tried by the next one, also where only
 * `again` makes it worth a race, and then left alone. */
static void the_rest_comes_next_time(Test *test, Gpu *gpu, const char *program)
{
    ProbeHelper helper = {.program = program, .command = "first", .seconds = 2, .row_seconds = 100,
                          .again = true, .wanted = is_wanted, .context = test};
    /* a whole path: XDG_CACHE_HOME that is none is passed over, and the user's own findings were replaced */
    Text folder = {0};
    text_print(&folder, "%s cache", program);
    os_set_environment("XDG_CACHE_HOME", folder.data);
    os_set_environment("LOCALAPPDATA", folder.data);
    const double begin = os_seconds();
    probe_device(gpu, &helper);
    CHECK(test, os_seconds() - begin < 20);
    const KernelPolicy *policy = gpu_caps(gpu)->policy;
    const unsigned later = count_of(policy, FINDING_LATER);
    CHECK(test, later > 0 && count_of(policy, FINDING_SLOWER) == 1);
    char first[POLICY_NAME];
    snprintf(first, sizeof first, "%s", policy->verdict[0].row);
    helper.again = false;
    helper.command = "rest";
    helper.seconds = 100;
    nothing_is_raced_in_vain(test, gpu, &helper, later);
    probe_device(gpu, &helper);
    policy = gpu_caps(gpu)->policy;
    CHECK(test, count_of(policy, FINDING_FASTER) == later && count_of(policy, FINDING_LATER) == 0);
    CHECK(test, count_of(policy, FINDING_SLOWER) == 1 && policy_verdict(policy, first)->finding == FINDING_SLOWER);
    helper.command = "hang";
    probe_device(gpu, &helper);     /* nothing is left to hang */
    policy = gpu_caps(gpu)->policy;
    CHECK(test, count_of(policy, FINDING_FASTER) == later && count_of(policy, FINDING_LATER) == 0);
    /* what takes too long has a second chance, and no third */
    helper.again = true;
    helper.row_seconds = 0.5;
    for (unsigned run = 0; run < 3; run++) {
        probe_device(gpu, &helper);
        policy = gpu_caps(gpu)->policy;
        CHECK(test, count_of(policy, run ? FINDING_TIMED_OUT : FINDING_LATER) == later + 1);
        helper.again = false;
    }
    char *path = probe_path(gpu_caps(gpu), NULL);
    CHECK(test, path && !strncmp(path, folder.data, folder.bytes));
    CHECK_OK(test, os_remove(path));
    CHECK_OK(test, os_remove_tree(folder.data));
    text_finish(&folder);
    free(path);
}

/* On the device at hand. */
static void races_are_held(Test *test, const char *program)
{
    Gpu *gpu;
    if (gpu_open(&(GpuParams){0}, &gpu) != TMB_OK) {
        printf("no device: no races were held\n");
        return;
    }
    races_end(test, gpu);
    late_rows_wait(test, program);
    the_rest_comes_next_time(test, gpu, program);
    gpu_close(&gpu);
}

#define DAMAGED(VERDICTS, TUNINGS)                                                       \
    "{\"made_by\": \"x\", \"verdicts\": {" VERDICTS "}, \"tunings\": {" TUNINGS "}}"

static void a_policy_survives_its_file(Test *test)
{
    const KernelRow *row = kernel_by_name("matmul_nt_half_coopmat");
    KernelPolicy policy = {.made_by = "timbre 1, a driver"}, again;
    policy_set_verdict(&policy, "matmul_nt_coopmat", FINDING_WRONG, "c: \"all\" is wrong");
    policy_set_verdict(&policy, row->name, FINDING_FASTER, "right");
    policy_set_tuning(&policy, row->name, &row->tunings[3]);
    char *text = policy_text(&policy);
    CHECK(test, policy_read(text, &again));
    free(text);
    CHECK_STRING(test, policy.made_by, again.made_by);
    CHECK(test, again.verdict_count == 2 && again.tuning_count == 1);
    CHECK_STRING(test, "c: \"all\" is wrong", policy_verdict(&again, "matmul_nt_coopmat")->why);
    const KernelTuning *tuning = policy_tuning(&again, row->name);
    REQUIRE(test, tuning);
    CHECK(test, !memcmp(tuning->spec, row->tunings[3].spec, row->spec_count * sizeof(uint32_t)));
    static const char *const damaged[] = {
        "", "{", "[1]", "{\"made_by\": \"x\"}",
        DAMAGED("", "\"matmul_nt_tile\": [1, -2]"),
        DAMAGED("", "\"matmul_nt_tile\": [64, 64, 64, 16, 8, 8, 1]"),         /* one too few */
        DAMAGED("", "\"matmul_nt_tile\": [64, 64, 64, 16, 0, 8, 1, 0]"),      /* none of its tunings */
        DAMAGED("", "\"matmul_nt_tile\": [64.5, 64, 64, 16, 8, 8, 1, 0]"),
        DAMAGED("", "\"no_such_row\": [64]"),
        DAMAGED("\"matmul_nt_coopmat\": 3", ""),
        DAMAGED("\"matmul_nt_coopmat\": {\"finding\": \"best\", \"why\": \"\"}", ""),
        DAMAGED("\"no_such_row\": {\"finding\": \"faster\", \"why\": \"\"}", ""),
    };
    for (size_t i = 0; i < COUNT_OF(damaged); i++) {
        CHECK(test, !policy_read(damaged[i], &again));
        CHECK(test, again.verdict_count == 0 && again.tuning_count == 0);
    }
    CHECK(test, policy_read(DAMAGED("", "\"matmul_nt_tile\": [64, 64, 64, 16, 8, 8, 1, 0]"), &again));
}

static void count_notices(void *context, LogLevel level, const char *text)
{
    unsigned *notices = context;
    *notices += level == LOG_WARNING && strstr(text, "is not used") != NULL;
}

/* In a file of its own: what was found out on this machine stays as it is. */
static void findings_hold_for_one_build_and_driver(Test *test)
{
    static const char path[] = "findings of a test.json";
    KernelPolicy policy = {.made_by = "timbre 1, a driver 2"}, again;
    unsigned notices = 0;
    log_set_sink(count_notices, &notices);
    policy_set_verdict(&policy, "matmul_nt_coopmat", FINDING_FASTER, "right");
    probe_remember(path, &policy);
    probe_recall(path, "timbre 1, a driver 2", &again);
    CHECK(test, again.verdict_count == 1);
    CHECK_STRING(test, "timbre 1, a driver 2", again.made_by);
    probe_recall(path, "timbre 1, a driver 3", &again);
    CHECK(test, again.verdict_count == 0 && notices == 0);   /* a new driver is no damage */
    CHECK_STRING(test, "timbre 1, a driver 3", again.made_by);
    CHECK_OK(test, os_write_file(path, "{\"verdicts\": [", 14));
    probe_recall(path, "timbre 1, a driver 2", &again);
    CHECK(test, again.verdict_count == 0);
    static const char illegal[] = "{\"made_by\": \"timbre 1, a driver 2\", \"verdicts\": {}, "
                                  "\"tunings\": {\"matmul_nt_tile\": [7, 64, 64, 16, 8, 8, 1, 0]}}";
    CHECK_OK(test, os_write_file(path, illegal, strlen(illegal)));
    probe_recall(path, "timbre 1, a driver 2", &again);
    CHECK(test, again.tuning_count == 0 && notices == 1);
    CHECK_STRING(test, "timbre 1, a driver 2", again.made_by);
    CHECK_OK(test, os_remove(path));
    probe_recall(path, "timbre 1, a driver 2", &again);
    CHECK(test, again.verdict_count == 0 && notices == 1);
    log_set_sink(NULL, NULL);
}

int main(int argc, char **argv)
{
    Test test = {.name = "probe"};
    os_arguments(&argc, &argv);
    if (argc == 7)
        return !strcmp(argv[1], "race") ? race_here(argv[2], argv[5], argv[6]) : child(argv[1], argv[2]);
    char *program = os_executable();
    every_end_has_its_finding(&test, program);
    rows_share_a_child(&test, program);
    slow_rows_condemn_no_others(&test, program);
    ends_before_the_first_row(&test, program);
    shapes_are_read(&test);
    untried_rows_are_not_used(&test);
    numbers_are_compared(&test, program);
    races_are_held(&test, program);
    a_policy_survives_its_file(&test);
    findings_hold_for_one_build_and_driver(&test);
    free(program);
    return test_end(&test);
}

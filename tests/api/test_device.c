/* What the public interface tells of a device in use: its memory and the time of its kernels.
 * Usage: test_device TINY_CHAT_GGUF */
#include "test.h"

#include "api/api.h"
#include "base/mem.h"
#include "kernels/policy.h"
#include "timbre/timbre.h"

static uint64_t dispatches(tmb_device *device, double *seconds)
{
    size_t count = 0;
    uint64_t sum = 0;
    const tmb_profile_row *rows = tmb_device_profile(device, &count);
    *seconds = 0;
    for (size_t i = 0; i < count; i++) {
        sum += rows[i].dispatches;
        *seconds += rows[i].seconds;
    }
    return sum;
}

static void answer(Test *test, tmb_generator *generator, uint32_t tokens)
{
    static const tmb_message message = {"user", "Where to?"};
    const tmb_conversation conversation = {&message, 1};
    tmb_sampling sampling = {.max_tokens = tokens};
    tmb_reply reply = {0};
    CHECK_OK(test, tmb_generate(generator, &conversation, 1, &sampling, &reply));
    tmb_replies_clear(&reply, 1);
}

/* Memory belongs to what was made on the device, and the peak stays. */
static void memory_is_counted(Test *test, tmb_device *device, tmb_model *model)
{
    tmb_generator *generator = NULL;
    tmb_generator_params params = {.context = 64};
    tmb_memory before = tmb_device_memory(device);
    CHECK(test, before.used == 0 && before.available > 0);
    REQUIRE_OK(test, tmb_generator_create(device, model, &params, &generator));
    tmb_memory with = tmb_device_memory(device);
    CHECK(test, with.used > before.used && with.peak >= with.used);
    tmb_generator_destroy(&generator);
    tmb_memory after = tmb_device_memory(device);
    CHECK(test, after.used == before.used && after.peak == with.peak);
}

/* Times add up until they are reset. */
static void times_are_reset(Test *test, tmb_device *device, tmb_model *model)
{
    tmb_generator *generator = NULL;
    tmb_generator_params params = {.context = 64};
    double seconds;
    REQUIRE_OK(test, tmb_generator_create(device, model, &params, &generator));
    tmb_device_profile_reset(device);
    CHECK(test, dispatches(device, &seconds) == 0 && seconds == 0);
    answer(test, generator, 2);
    uint64_t once = dispatches(device, &seconds);
    if (!once) {
        test_skip(test, "this device has no timestamps");
    } else {
        CHECK(test, seconds > 0);
        answer(test, generator, 2);
        CHECK(test, dispatches(device, &seconds) > once);
        tmb_device_profile_reset(device);
        CHECK(test, dispatches(device, &seconds) == 0 && seconds == 0);
        answer(test, generator, 2);
        CHECK(test, dispatches(device, &seconds) > 0);
    }
    tmb_generator_destroy(&generator);
}

/* Kernels that had no turn are not passed off as tried: the summary counts those in use. */
static void unreached_kernels_count(Test *test, tmb_device *device)
{
    tmb_doctor *doctor = NULL;
    tmb_doctor_summary summary;
    size_t count;
    unsigned in_use = 0;
    REQUIRE_OK(test, tmb_doctor_run(&(tmb_doctor_params){.device = device, .seconds = 1e-9}, &doctor));
    tmb_doctor_summarise(doctor, &summary);
    const tmb_doctor_row *rows = tmb_doctor_rows(doctor, &count);
    for (size_t i = 0; i < count; i++)
        in_use += rows[i].in_use != 0;
    for (size_t i = 0; i < count; i++)     /* what only plays matrix units is nobody's first choice */
        CHECK(test, !strstr(rows[i].kernel, "_emulated") || (rows[i].never_used && !rows[i].in_use));
    CHECK(test, summary.right == 0 && summary.not_reached > summary.kinds_not_reached);
    CHECK(test, in_use > 0 && summary.kinds_not_reached == in_use);
    tmb_doctor_destroy(&doctor);
}

static const tmb_doctor_row *row_of(const tmb_doctor *doctor, const char *kernel)
{
    size_t count;
    const tmb_doctor_row *rows = tmb_doctor_rows(doctor, &count);
    for (size_t i = 0; i < count; i++)
        if (!strcmp(rows[i].kernel, kernel))
            return &rows[i];
    return NULL;
}

/* What ended the process that tried it must not end the doctor's; a row that is used although its
 * tunings could not be compared has its turn. */
static void deadly_kernels_are_not_run(Test *test, tmb_device *device)
{
    static const struct { const char *kernel; KernelFinding finding; } known[] = {
        {"matmul_nt_tile_q8_0", FINDING_CRASHED}, {"matmul_nn_tile_q8_0", FINDING_TIMED_OUT},
        {"matmul_nt_tile_q4_k", FINDING_WRONG},   {"matmul_nt_tile", FINDING_TIMED_OUT},
    };
    tmb_doctor *doctor = NULL;
    tmb_doctor_summary summary;
    KernelPolicy *policy = MEM_NEW(KernelPolicy);
    for (size_t i = 0; i < COUNT_OF(known); i++)
        policy_set_verdict(policy, known[i].kernel, known[i].finding, "said by a test");
    gpu_set_policy(device->gpu, policy);
    REQUIRE_OK(test, tmb_doctor_run(&(tmb_doctor_params){.device = device, .seconds = 1e-9}, &doctor));
    tmb_doctor_summarise(doctor, &summary);
    CHECK(test, summary.left_out == 3 && summary.wrong == 0);
    for (size_t i = 0; i < 3; i++) {
        const tmb_doctor_row *row = row_of(doctor, known[i].kernel);
        CHECK(test, row && row->verdict == TMB_KERNEL_LEFT_OUT && !row->cases && !row->in_use);
        CHECK(test, row && strstr(row->problem, finding_name(known[i].finding)));
        CHECK(test, row && strstr(row->problem, "said by a test"));
    }
    CHECK(test, row_of(doctor, "matmul_nt_tile")->verdict == TMB_KERNEL_NOT_REACHED);
    tmb_doctor_destroy(&doctor);
    gpu_set_policy(device->gpu, NULL);
}

int main(int argc, char **argv)
{
    Test test = {.name = "device"};
    tmb_device *device = NULL;
    tmb_model *model = NULL;
    if (argc < 2)
        return 2;
    tmb_status status = tmb_device_open(&(tmb_device_params){.profile = 1}, &device);
    if (status == TMB_NO_DEVICE) {
        test_skip(&test, tmb_last_error());
    } else if (CHECK_OK(&test, status) && CHECK_OK(&test, tmb_model_open(argv[1], &model))) {
        memory_is_counted(&test, device, model);
        times_are_reset(&test, device, model);
        unreached_kernels_count(&test, device);
        deadly_kernels_are_not_run(&test, device);
    }
    tmb_model_close(&model);
    tmb_device_close(&device);
    return test_end(&test);
}

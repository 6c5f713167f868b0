/* Devices that are lost, full or stalled, played by the fault layer: what each call answers,
 * and that the same Gpu works again after gpu_reopen. */
#include "faults/faults.h"
#include "gpu/internal.h"
#include "test.h"

static const char logged[] = "test_faults.log";

/* A buffer of 64 words with this pattern comes back as it was written. */
static tmb_status write_and_read(Gpu *gpu, GpuBuffer *buffer, uint32_t pattern)
{
    uint32_t words[64];
    TRY(gpu_fill(gpu, (GpuSlice){buffer, 0, sizeof words}, pattern));
    TRY(gpu_download(gpu, buffer, 0, words, sizeof words));
    for (int i = 0; i < 64; i++)
        if (words[i] != pattern)
            return fail(TMB_FAILED, "word %d is %x", i, words[i]);
    return TMB_OK;
}

static void lost_and_opened_again(Test *test, Gpu *gpu, const char *where)
{
    GpuBuffer *buffer = NULL;
    double budget = gpu->budget.seconds;
    char setting[64];
    REQUIRE_OK(test, gpu_buffer_create(gpu, 256, GPU_HEAP_DEVICE, "words", &buffer));
    CHECK_OK(test, write_and_read(gpu, buffer, 1));
    snprintf(setting, sizeof setting, "lost@%s:2", where);
    faults_set(setting);
    CHECK_OK(test, write_and_read(gpu, buffer, 2));
    CHECK_STATUS(test, TMB_DEVICE_LOST, write_and_read(gpu, buffer, 3));
    CHECK_STATUS(test, TMB_DEVICE_LOST, gpu_wait(gpu));
    CHECK_STATUS(test, TMB_DEVICE_LOST, gpu_reopen(gpu));     /* the buffer is in the way */
    CHECK_SAYS(test, "in use as well");
    gpu_buffer_destroy(gpu, &buffer);
    REQUIRE_OK(test, gpu_reopen(gpu));
    CHECK_NEAR(test, budget / 2, gpu->budget.seconds, 1e-12);
    REQUIRE_OK(test, gpu_buffer_create(gpu, 256, GPU_HEAP_DEVICE, "words", &buffer));
    CHECK_OK(test, write_and_read(gpu, buffer, 4));
    gpu_buffer_destroy(gpu, &buffer);
    CHECK(test, gpu_memory(gpu).used == 0 && faults_logged(logged, "lost", NULL));
}

/* A device that does not come back answers every call with the same, and then works when it
 * can be opened after all. */
static void gone_for_a_while(Test *test, Gpu *gpu)
{
    GpuBuffer *buffer = NULL;
    faults_set("lost@submit:1,lost@open:1-9");
    CHECK_STATUS(test, TMB_DEVICE_LOST, device_trial(gpu));
    double started = os_seconds();
    faults_set("lost@open:1");                    /* the second attempt succeeds */
    CHECK_OK(test, gpu_reopen(gpu));
    CHECK(test, os_seconds() - started >= 0.5);
    CHECK_OK(test, device_trial(gpu));
    faults_set("lost@open:1-9");
    CHECK_STATUS(test, TMB_DEVICE_LOST, gpu_reopen(gpu));
    CHECK_SAYS(test, "cannot be opened again");
    CHECK_STATUS(test, TMB_DEVICE_LOST,
                 gpu_buffer_create(gpu, 256, GPU_HEAP_DEVICE, "words", &buffer));
    CHECK_STATUS(test, TMB_DEVICE_LOST, gpu_wait(gpu));
    (void)gpu_memory(gpu);
    faults_set(NULL);
    CHECK_OK(test, gpu_reopen(gpu));
    CHECK_OK(test, device_trial(gpu));
}

static void full(Test *test, Gpu *gpu)
{
    GpuBuffer *buffer = NULL;
    faults_set("oom@allocate:1");
    CHECK_STATUS(test, TMB_OUT_OF_DEVICE,
                 gpu_buffer_create(gpu, 256, GPU_HEAP_DEVICE, "words", &buffer));
    CHECK(test, !buffer && gpu_memory(gpu).used == 0);
    REQUIRE_OK(test, gpu_buffer_create(gpu, 256, GPU_HEAP_DEVICE, "words", &buffer));
    faults_set("oom@submit:1");
    CHECK_STATUS(test, TMB_OUT_OF_DEVICE, write_and_read(gpu, buffer, 5));
    gpu_buffer_destroy(gpu, &buffer);
    CHECK_OK(test, gpu_reopen(gpu));
    CHECK_OK(test, device_trial(gpu));
}

/* Faults by chance: always with 1 in 1, never with 1 in 0. */
static void by_chance(Test *test, Gpu *gpu)
{
    GpuBuffer *buffer = NULL;
    faults_set("oom@allocate:%1");
    for (int i = 0; i < 3; i++)
        CHECK_STATUS(test, TMB_OUT_OF_DEVICE,
                     gpu_buffer_create(gpu, 256, GPU_HEAP_DEVICE, "words", &buffer));
    faults_set("oom@allocate:%0");
    for (int i = 0; i < 3; i++) {
        CHECK_OK(test, gpu_buffer_create(gpu, 256, GPU_HEAP_DEVICE, "words", &buffer));
        gpu_buffer_destroy(gpu, &buffer);
    }
}

/* Waited for however long it takes; where a watchdog is near, less is given at a time. */
static void stalled(Test *test, Gpu *gpu)
{
    os_set_environment("TIMBRE_FAULTS_SECONDS", "2.1");
    gpu->budget.seconds = 0.08;
    faults_set("stall@wait:1");
    CHECK_OK(test, device_trial(gpu));
    CHECK_NEAR(test, 0.04, gpu->budget.seconds, 1e-12);
    const char *notice = gpu_notice(gpu);
    CHECK(test, notice && strstr(notice, "half the work per submit"));
    CHECK(test, !gpu_notice(gpu));
    os_set_environment("TIMBRE_FAULTS_SECONDS", "0.1");
    faults_set("stall@submit:1");
    CHECK_OK(test, device_trial(gpu));
    CHECK(test, !gpu_notice(gpu) && faults_logged(logged, "stall", NULL) == 3);
}

int main(void)
{
    Test test = {.name = "gpu faults"};
    Gpu *gpu = NULL;
    faults_begin(logged);
    tmb_status status = gpu_open(&(GpuParams){.submit_seconds = 0.1}, &gpu);
    if (status == TMB_NO_DEVICE) {
        test_skip(&test, tmb_last_error());
    } else if (!status && !faults_logged(logged, "stall at open", NULL)) {
        test_skip(&test, "the fault layer is not loaded");
    } else if (CHECK_OK(&test, status)) {
        lost_and_opened_again(&test, gpu, "submit");
        lost_and_opened_again(&test, gpu, "wait");
        gone_for_a_while(&test, gpu);
        full(&test, gpu);
        by_chance(&test, gpu);
        stalled(&test, gpu);
    }
    gpu_close(&gpu);
    (void)!os_remove(logged);
    return test_end(&test);
}

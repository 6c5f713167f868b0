/* A device that its driver reset: every call says so, nothing hangs or crashes, and what
 * was allocated can still be given back. The loss itself is played by setting the flag that
 * the first VK_ERROR_DEVICE_LOST sets. */
#include "gpu/internal.h"
#include "test.h"

static void a_lost_device_says_so(Test *test)
{
    Gpu *gpu = NULL;
    GpuBuffer *buffer = NULL;
    uint32_t words[16] = {0};
    tmb_status status = gpu_open(&(GpuParams){0}, &gpu);
    if (status == TMB_NO_DEVICE) {
        test_skip(test, tmb_last_error());
        return;
    }
    REQUIRE_OK(test, status);
    REQUIRE_OK(test, gpu_buffer_create(gpu, 64, GPU_HEAP_DEVICE, "words", &buffer));
    CHECK_OK(test, gpu_fill(gpu, (GpuSlice){buffer, 0, 64}, 1));
    CHECK_STATUS(test, TMB_DEVICE_LOST, gpu_check(gpu, VK_ERROR_DEVICE_LOST, "waiting"));
    CHECK_STATUS(test, TMB_DEVICE_LOST, gpu_fill(gpu, (GpuSlice){buffer, 0, 64}, 1));
    CHECK_STATUS(test, TMB_DEVICE_LOST, gpu_flush(gpu));
    CHECK_STATUS(test, TMB_DEVICE_LOST, gpu_wait(gpu));
    CHECK_STATUS(test, TMB_DEVICE_LOST, gpu_upload(gpu, buffer, 0, words, 64));
    CHECK_STATUS(test, TMB_DEVICE_LOST, gpu_download(gpu, buffer, 0, words, 64));
    CHECK_SAYS(test, "opened again");
    gpu_buffer_destroy(gpu, &buffer);
    CHECK(test, gpu_memory(gpu).used == 0);
    gpu_close(&gpu);
    /* the next one starts afresh, with half the work in a submit */
    REQUIRE_OK(test, gpu_open(&(GpuParams){.submit_seconds = 0.05}, &gpu));
    CHECK(test, gpu->budget.seconds == 0.05);
    REQUIRE_OK(test, gpu_buffer_create(gpu, 64, GPU_HEAP_DEVICE, "words", &buffer));
    CHECK_OK(test, gpu_fill(gpu, (GpuSlice){buffer, 0, 64}, 7));
    CHECK_OK(test, gpu_download(gpu, buffer, 0, words, 64));
    CHECK(test, words[15] == 7);
    gpu_buffer_destroy(gpu, &buffer);
    gpu_close(&gpu);
}

int main(void)
{
    Test test = {.name = "gpu lost"};
    a_lost_device_says_so(&test);
    return test_end(&test);
}

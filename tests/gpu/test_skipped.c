/* Run with RADV_FORCE_FAMILY set: Mesa's AMD driver, where it is installed, then offers a
 * discrete GPU without hardware, which must be skipped with its reason. */
#include <stdlib.h>

#include "gpu/gpu.h"
#include "test.h"

static void a_device_without_hardware_is_skipped(Test *test)
{
    GpuListing *list = NULL;
    size_t count = 0, broken = 0, working = 0;
    Gpu *gpu = NULL;
    if (gpu_list(&list, &count) == TMB_NO_DEVICE) {
        test_skip(test, tmb_last_error());
        return;
    }
    for (size_t i = 0; i < count; i++) {
        broken += strstr(list[i].caps.name, "Null hardware") != NULL;
        working += !list[i].problem[0];
        CHECK(test, !strstr(list[i].caps.name, "Null hardware") || list[i].problem[0]);
    }
    if (!broken || !working) {
        test_skip(test, "needs Mesa's AMD driver and a working device beside it");
    } else {
        REQUIRE_OK(test, gpu_open(&(GpuParams){0}, &gpu));
        CHECK(test, !strstr(gpu_caps(gpu)->name, "Null hardware"));
        CHECK(test, strstr(gpu_why(gpu), "skipped Null hardware") != NULL);
        gpu_close(&gpu);
        CHECK_STATUS(test, TMB_NO_DEVICE, gpu_open(&(GpuParams){.device = "null hard"}, &gpu));
        CHECK_SAYS(test, "memory");
    }
    free(list);
}

int main(void)
{
    Test test = {.name = "gpu skipped"};
    a_device_without_hardware_is_skipped(&test);
    return test_end(&test);
}

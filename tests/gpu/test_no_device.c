/* Run with a driver list that names nothing: one sentence and TMB_NO_DEVICE. */
#include <stdlib.h>

#include "gpu/gpu.h"
#include "test.h"

static void refuses_with_one_sentence(Test *test)
{
    Gpu *gpu = NULL;
    GpuListing *listing = NULL;
    size_t count = 1;
    CHECK_STATUS(test, TMB_NO_DEVICE, gpu_open(&(GpuParams){0}, &gpu));
    CHECK(test, gpu == NULL);
    CHECK_SAYS(test, "install");
    CHECK(test, !strchr(tmb_last_error(), '\n'));
    CHECK_STATUS(test, TMB_NO_DEVICE, gpu_list(&listing, &count));
    CHECK(test, listing == NULL && count == 0);
}

int main(void)
{
    Test test = {.name = "no device"};
    refuses_with_one_sentence(&test);
    return test_end(&test);
}

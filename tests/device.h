#ifndef TESTS_DEVICE_H
#define TESTS_DEVICE_H
/* The device of a test that also runs with capabilities struck. */

#include "gpu/gpu.h"
#include "test.h"

/* Opens the best device under `caps` (NULL: all it has). No device skips the test, any other
 * failure fails it; both leave NULL. The caller closes it. */
static inline Gpu *test_device(Test *test, const char *caps)
{
    Gpu *gpu = NULL;
    tmb_status status = gpu_open(&(GpuParams){.caps = caps}, &gpu);
    if (status == TMB_NO_DEVICE)
        test_skip(test, tmb_last_error());
    else
        CHECK_OK(test, status);
    return gpu;
}

#endif

#include "base/status.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ERROR_BYTES = 2048 };

static _Thread_local char last_error[ERROR_BYTES];

const char *tmb_last_error(void)
{
    return last_error;
}

void fail_record(tmb_status status, const char *format, ...)
{
    assert(status != TMB_OK);
    (void)status;
    /* formatted aside first: the arguments may point into last_error */
    char text[ERROR_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    memcpy(last_error, text, sizeof text);
}

tmb_status fail_in(tmb_status status, const char *format, ...)
{
    char text[ERROR_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int used = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (used >= 0 && used < ERROR_BYTES)
        snprintf(text + used, sizeof text - (size_t)used, "%s", last_error);
    memcpy(last_error, text, sizeof text);
    return status;
}

int tmb_exit_code(tmb_status status)
{
    static const int codes[] = {
        [TMB_OK] = 0,         [TMB_FAILED] = 1,    [TMB_USAGE] = 2,
        [TMB_BAD_INPUT] = 3,  [TMB_UNSUPPORTED] = 3, [TMB_IO] = 1,
        [TMB_BUSY] = 1,       [TMB_NO_DEVICE] = 4, [TMB_OUT_OF_DEVICE] = 4,
        [TMB_OUT_OF_HOST] = 4, [TMB_DEVICE_LOST] = 4, [TMB_NOT_FINITE] = 1,
        [TMB_INTERRUPTED] = 130,
    };
    return (size_t)status < sizeof codes / sizeof *codes ? codes[status] : 1;
}

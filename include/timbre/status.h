#ifndef TIMBRE_STATUS_H
#define TIMBRE_STATUS_H
/* Status codes and the last error. Every function that can fail returns a
 * tmb_status; the sentence that explains a failure is written once, where it
 * happened, and read back with tmb_last_error(). */

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tmb_status {
    TMB_OK = 0,
    TMB_FAILED,         /* an operation failed (i/o, a child process, the driver) */
    TMB_USAGE,          /* a parameter or an option makes no sense */
    TMB_BAD_INPUT,      /* a file's contents cannot be used */
    TMB_UNSUPPORTED,    /* the input is valid, but this build does not handle it */
    TMB_IO,             /* reading or writing a file failed */
    TMB_BUSY,           /* somebody else holds the lock of this folder */
    TMB_NO_DEVICE,      /* no Vulkan loader, driver or matching device */
    TMB_OUT_OF_DEVICE,  /* device memory, or a device limit, is too small */
    TMB_OUT_OF_HOST,    /* main memory is too small */
    TMB_DEVICE_LOST,    /* the driver reset the device during work */
    TMB_NOT_FINITE,     /* a loss or gradient became NaN or infinite */
    TMB_INTERRUPTED     /* the user asked to stop (Ctrl-C) */
} tmb_status;

#if defined(__GNUC__)
#define TMB_MUST_USE __attribute__((warn_unused_result))
#else
#define TMB_MUST_USE
#endif

/* The sentence of this thread's last failure, never NULL. Owned by the library;
 * valid until the next failing call on the same thread. */
const char *tmb_last_error(void);

/* Process exit code for a status: 0 ok, 1 failed, 2 usage, 3 bad input,
 * 4 no device, one that was lost, or does not fit, 130 interrupted. */
int tmb_exit_code(tmb_status status);

#ifdef __cplusplus
}
#endif
#endif

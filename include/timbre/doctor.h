#ifndef TIMBRE_DOCTOR_H
#define TIMBRE_DOCTOR_H
/* The numeric self-test of a device: every kernel against plain arithmetic in double
 * precision, at small sizes, and what the device can do at most. */

#include "timbre/device.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tmb_doctor tmb_doctor;

typedef enum tmb_verdict {
    TMB_KERNEL_RIGHT,
    TMB_KERNEL_WRONG,
    TMB_KERNEL_NOT_NEEDED,   /* made for hardware that this device does not have */
    TMB_KERNEL_NOT_REACHED,  /* time was up before its turn */
    TMB_KERNEL_NOT_BUILT,    /* the compiler of this build did not know what it needs */
    TMB_KERNEL_LEFT_OUT,     /* found wrong, deadly or endless by an earlier trial: not used, and not run */
    TMB_KERNEL_UNTRIED       /* it could not be tried: no memory for it, or it does not compile */
} tmb_verdict;

typedef struct tmb_doctor_row {
    const char *kernel;      /* "rmsnorm_fwd_texel" */
    const char *family;      /* "rmsnorm_fwd": kernels of one family can stand in for each other */
    tmb_verdict verdict;
    unsigned cases;          /* sizes and inputs that were tried */
    int in_use;              /* of its family the one that this device would choose */
    int never_used;          /* nothing chooses it on this device, whatever the sizes */
    int avoidable;           /* wrong, but --caps from tmb_doctor_remedy leaves it out */
    const char *problem;     /* what is wrong, or why it was not tried; "" when right */
} tmb_doctor_row;

typedef struct tmb_doctor_params {
    tmb_device *device;
    double seconds;          /* no kernel is begun after this time; 0: 45 */
    /* Called before each kernel; NULL: nobody wants to know. */
    void (*progress)(void *context, const char *kernel, unsigned done, unsigned total);
    void *context;
} tmb_doctor_params;

/* Runs the test: one kernel of every family first, the one this device would use. Wrong numbers are
 * results, not failures, and so is a kernel that could not be tried. TMB_DEVICE_LOST when the device itself
 * breaks down (the sentence names the kernel; *out then has what was found until then, and is to be
 * destroyed too), TMB_INTERRUPTED after tmb_request_stop. */
TMB_MUST_USE tmb_status tmb_doctor_run(const tmb_doctor_params *params, tmb_doctor **out);
/* Takes the address, sets it to NULL, accepts NULL. */
void tmb_doctor_destroy(tmb_doctor **doctor);

/* One row per kernel. Owned by the doctor, like all strings in it. */
const tmb_doctor_row *tmb_doctor_rows(const tmb_doctor *doctor, size_t *count);

typedef struct tmb_doctor_summary {
    unsigned kernels, right, wrong, not_needed, not_reached, not_built, left_out;
    unsigned kinds_not_reached;   /* of the kernels not reached, those in use */
    unsigned untried;
    unsigned wrong_in_use, untried_in_use;   /* without those that are never used */
    double seconds;
    double flops_per_second;   /* f32 multiply-adds in registers, counted as two */
    double bytes_per_second;   /* read and written by a copy */
} tmb_doctor_summary;
void tmb_doctor_summarise(const tmb_doctor *doctor, tmb_doctor_summary *out);

/* The value of --caps that leaves out every wrong kernel that is used, NULL when there is none or no
 * such value exists. Owned by the doctor. */
const char *tmb_doctor_remedy(const tmb_doctor *doctor);

#ifdef __cplusplus
}
#endif
#endif

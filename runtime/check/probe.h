#ifndef CHECK_PROBE_H
#define CHECK_PROBE_H
/* Rows marked `probe` lean on parts of drivers that have been wrong, slow or deadly (cooperative
 * matrices). A child process tries each of them once per device, driver, set of capabilities and
 * version of Timbre; only those that it found right and faster than the best other row are used.
 * The same child races the row's tunings, and those of the rows marked `tune` on a GPU. */

#include "kernels/policy.h"

enum { PROBE_LINE = 400 };

/* In the child: which tuning is the fastest at a size that training has, is the row right for its
 * cases with that and without, and is it faster than the best row that needs no probe? The answer
 * is one line for probe_verdict. */
void probe_row(Gpu *gpu, const KernelRow *row, char line[PROBE_LINE]);

/* In the parent: `program command ROW DEVICE CAPS` is run and must print that line. */
typedef struct ProbeHelper {
    const char *program;         /* a path; NULL: there is none, and nothing is tried */
    const char *command;
    const char *device, *caps;   /* as in GpuParams, NULL becomes "" */
    double seconds;              /* a child that takes longer is ended */
    bool again;                  /* what is remembered does not count */
} ProbeHelper;

/* What a child's end and line say about a row. */
void probe_verdict(const char *row, int exit_code, const char *line, double seconds,
                   KernelPolicy *policy);
/* Tries one row in a child process. */
void probe_in_child(const ProbeHelper *helper, const char *row, KernelPolicy *policy);

/* Whether there is something to find out about the row here: it could run, but for the verdict, and
 * is marked. CPU drivers have rows of their own, so nothing is tuned there. */
bool probe_applies(const GpuCaps *caps, const KernelRow *row);
/* What an earlier process found out: empty, but for made_by, when there is no such file (or path
 * is NULL), or it was made by another build or driver, or is damaged. */
void probe_recall(const char *path, const char *made_by, KernelPolicy *policy);
/* Writes it for the next one; a warning when that fails. */
void probe_remember(const char *path, const KernelPolicy *policy);
/* Loads what is known of this device from the cache folder, tries what is not, remembers it there
 * and gives the policy to the Gpu. `version` names this build; another one's file is not used.
 * One line for each row tried goes to the log. Failing to read or write the file costs time only. */
void probe_device(Gpu *gpu, const ProbeHelper *helper, const char *version);

#endif

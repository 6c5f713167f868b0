#ifndef CHECK_PROBE_H
#define CHECK_PROBE_H
/* What is found out about kernels on the device at hand, in child processes, once per device,
 * driver, set of capabilities, set of kernels and size of model:
 * Rows marked `probe` lean on parts of drivers that have been wrong, slow or deadly (cooperative
 * matrices have a process each); only those found right and faster than the best other row are used.
 * The tunings of rows marked `tune` race each other; kernels/tunings.h says where the race starts.
 * Rows that stand in for two dispatches (KernelRow.instead) come last, in one process: those of the types
 * that the model has, and of matrix units where matrix units are what graphs use; on CPU drivers they
 * are not tried at all. */

#include "kernels/policy.h"

enum { PROBE_LINE = 900 };
/* For all rows that are tried when a device is opened, and of these for one: what takes long is a
 * driver's compiler, or does not end. */
#define PROBE_SECONDS 9.5
#define PROBE_ROW_SECONDS 8.0

/* Sizes of a model of a billion parameters, for when none is at hand. */
extern const KernelShape probe_usual_shape;
/* As "512,2048,…", in the order of the fields, the types of weights last and by name ("Q4_K+Q6_K") or
 * left out for the usual ones; false: not that. */
bool probe_shape_read(const char *text, KernelShape *out);

/* The case that stands for training, at the sizes of the model; for rows that do not name one,
 * that with the most arithmetic. `push` keeps its words. */
KernelCase probe_case(const KernelRow *row, const KernelShape *shape, uint32_t push[GPU_MAX_PUSH / 4]);
/* The first name of a list separated by commas; returns the rest of the list. */
const char *probe_next_name(const char *names, char name[POLICY_NAME]);

/* In the child: which tuning is the fastest at these sizes (or smaller ones, where the device is too
 * slow for them), is the row right for its cases with that and without, and is it faster than the best
 * row that needs no probe? The answer is one line for probe_verdict, which begins with the row's
 * name. Nothing is begun that would end after `end` (of os_seconds) if it took as long as the thing
 * before it; one tuning is always timed. */
void probe_row(Gpu *gpu, const KernelRow *row, const KernelShape *shape, double end, char line[PROBE_LINE]);

/* Rows by their names, separated by commas, each line given to `line` as soon as it is known: the
 * next row may end the process. Rows that begin when less is left until `end` than half of what the
 * quickest of those before them took get a line that leaves them to the next run. TMB_USAGE for a name that
 * there is not. */
TMB_MUST_USE tmb_status probe_rows(Gpu *gpu, const char *names, const KernelShape *shape, double end,
                                   void (*line)(const char *text));
/* When a child that may take `seconds` is to be done by itself; ask first thing. Before it is ended,
 * so that its last row is not lost. */
double probe_end(const char *seconds);
/* The lines of a child that could not begin; the last error says why. */
void probe_rows_failed(const char *names, void (*line)(const char *text));

/* In the parent: `program command ROWS DEVICE CAPS SHAPE SECONDS` is run, with names separated by
 * commas, and must print that line for each of them. */
typedef struct ProbeHelper {
    const char *program;         /* a path; NULL: there is none, and nothing is tried */
    const char *command;
    const char *device, *caps;   /* as in GpuParams, NULL becomes "" */
    const KernelShape *shape;    /* of the model in use, NULL: the usual one */
    double seconds;              /* for all rows; what is not done then is left to the next run */
    double row_seconds;          /* for one row: a child that takes longer for it is ended, 0: no limit */
    bool again;                  /* what is remembered of the rows does not count */
    bool probes_only;            /* tunings stay as they are: only what nothing uses untried is tried */
    /* These rows only, NULL: all; and told what every tuning took (TUNE_DEFAULT: what would be
     * used without the race), NULL: nobody. */
    bool (*wanted)(void *context, const KernelRow *row);
    void (*timed)(void *context, const KernelRow *row, int index, double seconds);
    void *context;
} ProbeHelper;

/* What a child's end and its line about a row say; an empty line: it printed none. */
void probe_verdict(const ProbeHelper *helper, const KernelRow *row, int exit_code, const char *line,
                   KernelPolicy *policy);
/* Tries rows, names separated by commas, in one child process. When that ends in the middle, the
 * first row without a line is to blame and those after it are tried in another child; when the time
 * for all rows is over none is, and after Ctrl-C, which reaches the child too, neither. */
void probe_in_child(const ProbeHelper *helper, const char *rows, KernelPolicy *policy);

/* Whether there is something to find out about the row here: it is built, could run, and is marked.
 * CPU drivers have rows of their own whose tunings are as good as equal (kernels/tunings.c), so
 * there all but matrix units waits until it is asked for (`again`), and these have a verdict
 * without being tried (probe_needless). */
bool probe_applies(const GpuCaps *caps, const KernelRow *row, const KernelShape *shape, bool again);
/* Why a row to which probe_applies is not worth a process here unless it is asked for (`again`), one
 * sentence; NULL: it is. llvmpipe of Mesa 26.1.6 has matrix units in software: 3 to 13 times slower
 * than the rows for processors, and compiling them takes its shader compiler up to 20 s a row. */
const char *probe_needless(const GpuCaps *caps, const KernelRow *row);
/* What an earlier process found out: empty, but for made_by, when there is no such file (or path
 * is NULL), or it was made with other kernels or another driver, or is damaged. */
void probe_recall(const char *path, const char *made_by, KernelPolicy *policy);
/* Writes it for the next one; a warning when that fails. */
void probe_remember(const char *path, const KernelPolicy *policy);
/* Where it is remembered, malloc'd; NULL: nowhere. */
char *probe_path(const GpuCaps *caps, const KernelShape *shape);
/* Loads what is known of this device from the cache folder, tries what is not, remembers it there
 * and gives the policy to the Gpu. One line for each row tried goes to the log. Where nothing can be
 * remembered, which would have every command race for seconds, only rows marked `probe` are tried, and one
 * warning says so; not so with `again`, which somebody asked for. */
void probe_device(Gpu *gpu, const ProbeHelper *helper);

#endif

#ifndef DATA_PROBLEMS_H
#define DATA_PROBLEMS_H
/* Collects what is wrong with the lines of data files. Zero to begin. */

#include "base/mem.h"
#include "base/status.h"

typedef struct Problems {
    Text text;               /* "\n  letters.jsonl: line 7: …" for as many as a sentence takes */
    size_t count, written;
} Problems;

/* Adds the thread's last error as the reason. */
void problems_add(Problems *problems, const char *file, size_t line);
/* TMB_OK without problems; otherwise TMB_BAD_INPUT with one sentence that names them.
 * Releases the memory. `what` says what was wanted: "cannot be used". */
TMB_MUST_USE tmb_status problems_finish(Problems *problems, const char *what);

#endif

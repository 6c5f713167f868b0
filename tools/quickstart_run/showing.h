#ifndef QUICKSTART_SHOWING_H
#define QUICKSTART_SHOWING_H
/* What the model answered at one moment, and RUN/quickstart.json, which keeps it: a
 * quickstart that is run again shows at once what it showed before. */

#include <stdbool.h>

#include "timbre/timbre.h"

enum { SHOWN = 3 };

typedef struct Showing {
    bool there;
    char *replies[SHOWN];   /* owned */
    double loss;            /* mean per token of the held-out replies */
    double seconds;         /* it took */
} Showing;

typedef struct Showings {
    bool trained;           /* the run in RUN is complete */
    Showing before, after;
} Showings;

void showing_clear(Showing *showing);

/* Reads RUN/quickstart.json. What is not there, or was answered to other letters or by another
 * model, is left empty: it is answered anew then. */
void showings_load(const char *run, const char *model, const char *const letters[SHOWN],
                   Showings *out);
/* Writes it; nothing happens while there is no folder RUN. */
TMB_MUST_USE tmb_status showings_save(const char *run, const char *model,
                                      const char *const letters[SHOWN], const Showings *showings);

#endif

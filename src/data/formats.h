#ifndef DATA_FORMATS_H
#define DATA_FORMATS_H
/* One line of a data file to one example. */

#include <cjson/cJSON.h>

#include "data/dataset.h"

/* Fills messages, count, rejected and weight, with memory from the arena. A failure's
 * sentence is the reason only: the caller knows file and line. */
TMB_MUST_USE tmb_status format_read(const cJSON *object, Arena *arena, Example *out);

#endif

#ifndef TESTS_FAULTS_FAULTS_H
#define TESTS_FAULTS_FAULTS_H
/* Scripting the fault layer (fault_layer.c) from a test in the same process. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "base/rng.h"

/* What goes wrong from the next call on; NULL: nothing. The text must differ from the one
 * before for the calls to be counted anew, so a blank fault is written behind it. */
static inline void faults_set(const char *text)
{
    static unsigned turn;
    char setting[256];
    snprintf(setting, sizeof setting, "%s%snone@turn:%u", text ? text : "", text ? "," : "",
             ++turn);
    os_set_environment("TIMBRE_FAULTS", setting);
}

/* Before a device is opened: the layer's log tells afterwards whether it is there at all. */
static inline void faults_begin(const char *path)
{
    remove(path);
    os_set_environment("TIMBRE_FAULTS_LOG", path);
    os_set_environment("TIMBRE_FAULTS_SECONDS", "0");
    faults_set("stall@open:1");
}

/* Lines of the layer's log that begin with this, and the number at the end of the last. */
static inline unsigned faults_logged(const char *path, const char *begins, unsigned long *number)
{
    char line[256];
    unsigned count = 0;
    FILE *file = os_fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        const char *space = strrchr(line, ' ');
        if (strncmp(line, begins, strlen(begins)) || !space)
            continue;
        count++;
        if (number)
            *number = strtoul(space, NULL, 10);
    }
    if (file)
        fclose(file);
    return count;
}

#endif

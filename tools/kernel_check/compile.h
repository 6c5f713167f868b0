#ifndef KERNEL_CHECK_COMPILE_H
#define KERNEL_CHECK_COMPILE_H
/* Compiling every pipeline for cards that are not here. Drivers without their card abort or
 * crash where a real one would fail, so every family of cards has a process of its own:
 * compile_for starts them, each runs compile_here and tells line by line what it found. */

#include "options.h"

typedef struct cJSON cJSON;

/* Figures of one pipeline, in the drivers' many words for them; -1: not told. */
typedef enum Figure {
    FIGURE_REGISTERS, FIGURE_SPILLS, FIGURE_SCRATCH, FIGURE_SHARED, FIGURE_OCCUPANCY,
    FIGURE_INSTRUCTIONS, FIGURE_COUNT
} Figure;
extern const char *const figure_names[FIGURE_COUNT];   /* keys of the JSON */

/* Compiles the rows that the first device can use and prints a JSON object a line: the device,
 * then each kernel's name before it is compiled and its figures after, then an end. */
int compile_here(const Options *options);

/* Prints a table of the families named in options->compile_for; exit code 0, 1, 2 or 77. */
int compile_for(const Options *options);

#endif

#ifndef KERNEL_CHECK_SHADER_H
#define KERNEL_CHECK_SHADER_H
/* A kernel's contract for people, and shaders that are not in the build yet. */

#include "kernels/kernel.h"
#include "options.h"

/* The lines of kernels.def, as Meson reads them too. */
typedef struct ShaderLine {
    const char *name, *source, *defines, *probe;
} ShaderLine;

/* NULL when kernels.def has no such line. */
const ShaderLine *shader_line(const char *name);

/* Prints what a row promises: the shader's opening comment, bindings, constants, cases,
 * and a skeleton that compiles. `root` is the checkout. */
void shader_contract(const KernelRow *row, const char *root);

/* Compiles options->shader with the row's defines and --define (or reads a .spv file)
 * into malloc'd words. TMB_BAD_INPUT with the compiler's messages when it does not compile. */
TMB_MUST_USE tmb_status shader_compile(const Options *options, const KernelRow *row,
                                       const char *root, uint32_t **words, size_t *bytes);

#endif

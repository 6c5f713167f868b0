#ifndef KERNEL_CHECK_SHADER_H
#define KERNEL_CHECK_SHADER_H
/* A kernel's contract for people, and shaders that are not in the build yet. */

#include "kernels/kernel.h"

/* Prints what a row promises: the shader's opening comment, bindings, constants, cases.
 * `root` is the checkout, for the comment. */
void shader_contract(const KernelRow *row, const char *root);

/* Compiles a GLSL file with the row's defines (or reads a .spv file) into malloc'd words.
 * TMB_BAD_INPUT with the compiler's messages when it does not compile. */
TMB_MUST_USE tmb_status shader_compile(const char *path, const KernelRow *row, const char *root,
                                       uint32_t **words, size_t *bytes);

#endif

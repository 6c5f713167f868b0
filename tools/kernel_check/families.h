#ifndef KERNEL_CHECK_FAMILIES_H
#define KERNEL_CHECK_FAMILIES_H
/* Families of cards that drivers can compile for without one, and where such drivers are. */

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "standin/standin.h"

/* The drivers. The newest know cards that the distribution's backports do not, and are a newer
 * release's with its libraries; these no longer have RADV_FORCE_FAMILY, by which the older RADV
 * believes in a card. All others believe what standin/ says in the kernel's place. */
typedef enum CompilerKind {
    COMPILER_AMD, COMPILER_INTEL, COMPILER_AMD_NEWEST, COMPILER_INTEL_NEWEST, COMPILER_NVIDIA,
    COMPILER_COUNT
} CompilerKind;

typedef struct CardFamily {
    const char *name;        /* as --compile-for takes it */
    CompilerKind compiler;
    const char *alias;       /* what older drivers call it, NVIDIA: its chip; or NULL */
    const char *cards;       /* some of them, for people */
    StandinCard card;        /* for standin/ */
} CardFamily;
extern const CardFamily card_families[];
extern const size_t card_family_count;

/* Which families a list such as "amd,dg2" names, [card_family_count]. TMB_USAGE for a word that
 * is neither a family, a vendor nor "all". */
TMB_MUST_USE tmb_status families_chosen(const char *list, bool *chosen);

/* Drivers that tools/compilers-setup left in the cache, or the system's; strings are malloc'd,
 * driver NULL: there is none, and `missing` says what to do. */
typedef struct Compiler {
    char *driver;            /* file for the Vulkan loader */
    char *libraries;         /* folder that LD_LIBRARY_PATH needs, or NULL */
    char *standin;           /* library that plays the kernel's part, or NULL */
    char *linker;            /* the dynamic linker of these libraries, or NULL: the system's will do */
    const char *missing;
} Compiler;
void compilers_find(Compiler out[COMPILER_COUNT]);
void compilers_free(Compiler compilers[COMPILER_COUNT]);

/* Sets the environment of children that compile for the family under this name of it, and
 * undoes that. */
void compiler_enter(const Compiler *compiler, const CardFamily *family, const char *name);
void compiler_leave(void);

#endif

#ifndef KERNEL_CHECK_STANDIN_H
#define KERNEL_CHECK_STANDIN_H
/* The card that is not here. A Vulkan driver asks the kernel, through libdrm, what card there is
 * and compiles for what it hears; this library is loaded before libdrm and answers in the
 * kernel's place. Memory is zeros, work is accepted and never done: pipelines can be compiled,
 * nothing can run. TIMBRE_STANDIN describes the card. What is
 * written down here is the kernel's interface to programs (drm/nouveau_drm.h, drm/i915_drm.h, drm/amdgpu_drm.h),
 * which keeps what it once promised. */

#include <stdbool.h>
#include <stdint.h>

enum { STANDIN_AMD = 0x1002, STANDIN_INTEL = 0x8086, STANDIN_NVIDIA = 0x10de };

typedef struct StandinCard {
    uint16_t vendor, device;   /* of the PCI bus */
    uint16_t chip;             /* NVIDIA: nouveau's number of the chip; AMD: external revision; Intel:
                                * execution units of a subslice */
    uint16_t family;           /* AMD: the driver's number of the family; Intel: 1 with own memory */
    uint16_t graphics;         /* AMD: version of the shader engines, 0x0c00 is 12.0 */
} StandinCard;

/* All fields in their order, in hexadecimal, between colons. */
#define STANDIN_VARIABLE "TIMBRE_STANDIN"
#define STANDIN_FORMAT "%hx:%hx:%hx:%hx:%hx"

/* The kernel driver's part: one call of its own, `number` from its header. 0 or -errno. */
int standin_nouveau(const StandinCard *card, unsigned number, void *argument);
int standin_i915(const StandinCard *card, unsigned number, void *argument);
int standin_amdgpu(const StandinCard *card, unsigned number, void *argument);

/* A new handle of a buffer or context; never 0. */
uint32_t standin_handle(void);

#endif

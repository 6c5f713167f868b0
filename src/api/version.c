/* tmb_version, tmb_kernel_note, tmb_request_stop. */
#include <stdio.h>

#include "api/api.h"
#include "base/os.h"
#include "kernels/kernel.h"
#include "version.h"   /* generated: TMB_COMMIT */

const char *tmb_version(void)
{
    return TMB_VERSION;
}

const char *tmb_commit(void)
{
    return TMB_COMMIT;
}

const char *tmb_kernel_note(unsigned index)
{
    static _Thread_local char note[256];
    const char *why;
    size_t bytes;
    unsigned seen = 0;
    for (size_t i = 0; i < kernel_count(); i++) {
        const KernelRow *row = kernel_at(i);
        if (kernel_spirv(row->name, &bytes, &why) || seen++ != index)
            continue;
        snprintf(note, sizeof note, "%s: %s", row->name, why);
        return note;
    }
    if (index != seen)
        return NULL;
    snprintf(note, sizeof note, "%zu of %zu kernels built", kernel_count() - seen, kernel_count());
    return note;
}

void tmb_request_stop(void)
{
    os_interrupt();
}

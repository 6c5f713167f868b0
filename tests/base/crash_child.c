/* Replaces FILE by "new contents", as a child of test_files that may be told to die at
 * any write, fsync or rename: crash_child FILE, with TIMBRE_CRASH_AT in the environment. */
#include <stdio.h>

#include "base/os.h"

int main(int argc, char **argv)
{
    os_arguments(&argc, &argv);
    if (argc != 2)
        return 2;
    tmb_status status = os_write_file(argv[1], "new contents", 12);
    if (status != TMB_OK)
        fprintf(stderr, "%s\n", tmb_last_error());
    return tmb_exit_code(status);
}

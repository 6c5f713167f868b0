/* timbre: the command line over include/timbre. The only place that exits. */
#include <stdio.h>

#include "base/os.h"
#include "cli/commands.h"

static void print_version(void)
{
    printf("timbre %s (%s)\n", tmb_version(), tmb_commit());
    for (unsigned i = 0; tmb_kernel_note(i); i++)
        printf("  %s\n", tmb_kernel_note(i));
}

static tmb_status run(const CliArgs *args)
{
    const CliCommand *command = args->command ? cli_command(args->command) : NULL;
    if (args->version) {
        print_version();
        return TMB_OK;
    }
    if (!command) {
        cli_print_journey(stdout);
        return TMB_OK;
    }
    if (args->help) {
        cli_print_help(stdout, command);
        return TMB_OK;
    }
    return command->run(args);
}

int main(int argc, char **argv)
{
    os_arguments(&argc, &argv);
    os_interrupt_install();
    CliArgs args;
    tmb_status status = cli_parse(argc, argv, &args);
    if (status == TMB_OK)
        status = run(&args);
    /* a full disk or a closed pipe shows only when the output is flushed */
    bool unwritten = (fflush(stdout) != 0) | ferror(stdout);
    if (status == TMB_OK && unwritten) {
        fprintf(stderr, "timbre: the output could not be written\n");
        return 1;
    }
    if (status != TMB_OK)
        fprintf(stderr, "timbre: %s\n", tmb_last_error());
    return tmb_exit_code(status);
}

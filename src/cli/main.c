/* timbre: the command line over include/timbre. The only place that exits. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
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
    if (args->quiet)
        log_set_level(LOG_WARNING);
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

static void print_line(const char *text)
{
    puts(text);
    fflush(stdout);   /* the next kernel may end this process */
}

/* What this program starts itself as: probe-kernel NAMES DEVICE CAPS SIZES SECONDS; DEVICE and CAPS
 * may be empty. */
static int probe_kernel(char **words)
{
    const tmb_device_params params = {.device = words[1][0] ? words[1] : NULL,
                                      .caps = words[2][0] ? words[2] : NULL};
    return tmb_exit_code(tmb_device_probe(&params, words[0], words[3], words[4], print_line));
}

int main(int argc, char **argv)
{
    os_arguments(&argc, &argv);
    if (argc == 7 && !strcmp(argv[1], "probe-kernel"))
        return probe_kernel(argv + 2);
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

/* Everything people read about the command line, made from its tables. */
#include <string.h>

#include "cli/commands.h"

static void print_option(FILE *to, const CliOption *option)
{
    char left[64];
    snprintf(left, sizeof left, "%s%s%s", option->name, option->value ? " " : "",
             option->value ? option->value : "");
    fprintf(to, "  %-24s %s\n", left, option->help);
}

void cli_print_journey(FILE *to)
{
    fprintf(to, "Timbre gives a language model your voice, on the graphics card you own.\n\n"
                "  timbre devices                                 what is in this machine\n"
                "  timbre doctor                                  does the card compute correctly\n"
                "  timbre data check MODEL letters.jsonl          will these examples teach what you mean\n"
                "  timbre fit MODEL letters.jsonl                 does it fit\n"
                "  timbre train MODEL letters.jsonl -o my-voice   fine-tune\n"
                "  timbre generate MODEL \"Dear …\" --adapter my-voice\n"
                "  timbre export my-voice --to gguf-lora -o my-voice.gguf\n\n"
                "'timbre help COMMAND' tells the options of a command.\n");
}

void cli_print_help(FILE *to, const CliCommand *command)
{
    bool any = false;
    fprintf(to, "timbre %s%s%s\n    %s\n\n", command->name, *command->synopsis ? " " : "",
            command->synopsis, command->summary);
    for (size_t i = 0; i < cli_option_count; i++)
        if (cli_options[i].commands & command->bit) {
            print_option(to, &cli_options[i]);
            any = true;
        }
    fprintf(to, "%sfor every command\n", any ? "\n" : "");
    for (size_t i = 0; i < cli_option_count; i++)
        if (cli_options[i].commands == CMD_GLOBAL)
            print_option(to, &cli_options[i]);
}

void cli_print_markdown(FILE *to)
{
    fprintf(to, "# The command line\n\nWritten by `timbre help markdown`.\n");
    for (size_t c = 0; c < cli_command_count; c++) {
        const CliCommand *command = &cli_commands[c];
        fprintf(to, "\n## timbre %s %s\n\n%s.\n\n", command->name, command->synopsis, command->summary);
        for (size_t i = 0; i < cli_option_count; i++)
            if (cli_options[i].commands & command->bit)
                fprintf(to, "- `%s%s%s`: %s\n", cli_options[i].name,
                        cli_options[i].value ? " " : "",
                        cli_options[i].value ? cli_options[i].value : "", cli_options[i].help);
    }
    fprintf(to, "\n## For every command\n\n");
    for (size_t i = 0; i < cli_option_count; i++)
        if (cli_options[i].commands == CMD_GLOBAL)
            fprintf(to, "- `%s%s%s`: %s\n", cli_options[i].name, cli_options[i].value ? " " : "",
                    cli_options[i].value ? cli_options[i].value : "", cli_options[i].help);
    fprintf(to, "\nExit codes: 0 ok, 1 failed, 2 usage, 3 bad input, 4 no device, one that was lost, or does\n"
                "not fit, 130 interrupted.\n");
}

/* Of a command that is told by a first word, "check|show MODEL FILE": the words. */
static void print_verbs(FILE *to, const char *synopsis)
{
    size_t bytes = strcspn(synopsis, " ");
    if (!memchr(synopsis, '|', bytes) || *synopsis == '[')
        return;
    for (size_t i = 0; i < bytes; i++)
        fputc(synopsis[i] == '|' ? ' ' : synopsis[i], to);
    fputc(' ', to);
}

/* Commands first, options after a dash, otherwise files. */
void cli_print_completions(FILE *to)
{
    fprintf(to, "# bash: eval \"$(timbre help completions)\"\n"
                "_timbre() {\n"
                "  local word=${COMP_WORDS[COMP_CWORD]} words=\n"
                "  if [ \"$COMP_CWORD\" = 1 ]; then words=\"");
    for (size_t c = 0; c < cli_command_count; c++)
        fprintf(to, "%s%s", c ? " " : "", cli_commands[c].name);
    fprintf(to, "\"\n  else case ${COMP_WORDS[1]}:$COMP_CWORD:$word in\n");
    for (size_t c = 0; c < cli_command_count; c++) {
        fprintf(to, "    %s:*:-*) words=\"", cli_commands[c].name);
        for (size_t i = 0; i < cli_option_count; i++)
            if (cli_options[i].commands == CMD_GLOBAL ||
                cli_options[i].commands & cli_commands[c].bit)
                fprintf(to, "%s ", cli_options[i].name);
        fprintf(to, "\" ;;\n    %s:2:*) words=\"", cli_commands[c].name);
        print_verbs(to, cli_commands[c].synopsis);
        fprintf(to, "\" ;;\n");
    }
    fprintf(to, "  esac; fi\n"
                "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
                "}\ncomplete -o bashdefault -o default -F _timbre timbre\n");
}

tmb_status cmd_help(const CliArgs *args)
{
    const char *topic = args->positional_count ? args->positional[0] : NULL;
    if (!topic) {
        cli_print_journey(stdout);
        printf("\ncommands\n");
        for (size_t i = 0; i < cli_command_count; i++)
            printf("  %-10s %s\n", cli_commands[i].name, cli_commands[i].summary);
        return TMB_OK;
    }
    if (!strcmp(topic, "markdown")) {
        cli_print_markdown(stdout);
        return TMB_OK;
    }
    if (!strcmp(topic, "completions")) {
        cli_print_completions(stdout);
        return TMB_OK;
    }
    const CliCommand *command = cli_command(topic);
    if (!command)
        return cli_unknown_command(topic);
    cli_print_help(stdout, command);
    return TMB_OK;
}

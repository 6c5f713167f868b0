/* The two tables of the command line. */
#include <string.h>

#include "cli/args.h"
#include "cli/commands.h"

#define FIELD(member) offsetof(CliArgs, member)
#define TRAINING (CMD_TRAIN | CMD_FIT)

const CliCommand cli_commands[] = {
    {"devices", CMD_DEVICES, "", "what is here, what it can do, how much memory is free", 0, 0,
     cmd_devices},
    {"doctor", CMD_DOCTOR, "[--report FILE]", "does this card compute correctly, and how fast", 0, 0, cmd_doctor},
    {"fit", CMD_FIT, "MODEL [DATA]", "does training fit this device, and what would it allocate", 1, 2,
     cmd_fit},
    {"inspect", CMD_INSPECT, "MODEL", "what a model file holds", 1, 1, cmd_inspect},
    {"tokenize", CMD_TOKENIZE, "MODEL FILE", "the tokens of a text (- for stdin)", 2, 2, cmd_tokenize},
    {"data", CMD_DATA, "check|show MODEL FILE", "which examples will hurt; what is supervised", 3, 3,
     cmd_data},
    {"train", CMD_TRAIN, "MODEL DATA… -o RUN", "fine-tune an adapter on examples", 1,
     CLI_MAX_POSITIONAL, cmd_train},
    {"eval", CMD_EVAL, "MODEL FILE [--adapter A]", "loss and perplexity; on pairs, margin and wins", 2,
     2, cmd_eval},
    {"generate", CMD_GENERATE, "MODEL [LETTER] [--adapter A]", "answer a letter; prints only the reply",
     1, 2, cmd_generate},
    {"chat", CMD_CHAT, "MODEL [--adapter A]", "talk with the model", 1, 1, cmd_chat},
    {"export", CMD_EXPORT, "RUN --to FORMAT -o PATH", "the adapter for other people's software", 1, 1,
     cmd_export},
    {"help", CMD_HELP, "[COMMAND|markdown|completions]", "this list, or one command in full", 0, 1,
     cmd_help},
};
const size_t cli_command_count = sizeof cli_commands / sizeof *cli_commands;

const CliOption cli_options[] = {
    {"--device", "N|NAME", CLI_TEXT, FIELD(device), CMD_GLOBAL, 0, 0, "the device by index or part of its name"},
    {"--caps", "LIST", CLI_TEXT, FIELD(caps), CMD_GLOBAL, 0, 0,
     "limit what the device is taken to have: none, range=8M, 0x… mask"},
    {"--vram", "BYTES", CLI_BYTES, FIELD(vram), CMD_GLOBAL, 0, 0, "use at most this much device memory (8G, 512M)"},
    {"--json", NULL, CLI_FLAG, FIELD(json), CMD_GLOBAL, 0, 0, "machine-readable output"},
    {"--quiet", NULL, CLI_FLAG, FIELD(quiet), CMD_GLOBAL, 0, 0, "no progress, only results, warnings and errors"},
    {"--profile", NULL, CLI_FLAG, FIELD(profile), CMD_GLOBAL, 0, 0, "time per kernel at the end"},
    {"--retune", NULL, CLI_FLAG, FIELD(retune), CMD_GLOBAL, 0, 0, "try kernels and tile sizes on this device again"},
    {"--validate", NULL, CLI_FLAG, FIELD(validate), CMD_GLOBAL, 0, 0, "run under the Vulkan validation layer"},
    {"--help", NULL, CLI_FLAG, FIELD(help), CMD_GLOBAL, 0, 0, "help for the command"},
    {"--version", NULL, CLI_FLAG, FIELD(version), CMD_GLOBAL, 0, 0, "version, commit, kernels not built"},
    {"-o", "PATH", CLI_TEXT, FIELD(output), CMD_TRAIN | CMD_EXPORT, 0, 0, "where the result goes; never overwritten"},
    {"--output", "PATH", CLI_TEXT, FIELD(output), CMD_TRAIN | CMD_EXPORT, 0, 0, "same as -o"},
    {"--val", "FILE|SHARE", CLI_TEXT, FIELD(validation), TRAINING, 0, 0, "held-out examples: a file, or a share such as 0.1"},
    {"--method", "NAME", CLI_TEXT, FIELD(method), TRAINING, 0, 0, "lora (default)"},
    {"--epochs", "N", CLI_NUMBER, FIELD(epochs), TRAINING, 1e-3, 1e4, "times through the examples (3)"},
    {"--steps", "N", CLI_COUNT, FIELD(steps), TRAINING, 1, 1e9, "optimizer steps, instead of --epochs"},
    {"--minutes", "N", CLI_NUMBER, FIELD(minutes), CMD_TRAIN, 0.1, 1e5,
     "measure a few steps, then fix how many fit this time"},
    {"--lr", "RATE", CLI_NUMBER, FIELD(learning_rate), TRAINING, 1e-9, 1, "peak learning rate"},
    {"--schedule", "NAME", CLI_TEXT, FIELD(schedule), TRAINING, 0, 0, "cosine (default), linear, constant"},
    {"--warmup", "SHARE", CLI_NUMBER, FIELD(warmup), TRAINING, 0, 1, "share of the steps that warm up (0.05)"},
    {"--weight-decay", "W", CLI_NUMBER, FIELD(weight_decay), TRAINING, 0, 1, "AdamW weight decay (0)"},
    {"--clip", "NORM", CLI_NUMBER, FIELD(clip), TRAINING, 0, 1e6, "largest gradient norm (1); 0: no clipping"},
    {"--rank", "R", CLI_COUNT, FIELD(rank), TRAINING, 1, 1024, "LoRA rank (16)"},
    {"--alpha", "A", CLI_NUMBER, FIELD(alpha), TRAINING, 1e-3, 1e5, "LoRA alpha (twice the rank)"},
    {"--targets", "LIST", CLI_TEXT, FIELD(targets), TRAINING, 0, 0, "linears to adapt: all (default), or some of q,k,v,o,gate,up,down"},
    {"--step-examples", "N", CLI_COUNT, FIELD(step_examples), TRAINING, 1, 4096, "examples per optimizer step (8)"},
    {"--row-tokens", "T", CLI_COUNT, FIELD(row_tokens), TRAINING | CMD_EVAL | CMD_DATA, 8, 65536,
     "tokens computed together (512): memory, not results"},
    {"--seed", "N", CLI_COUNT, FIELD(seed), TRAINING | CMD_EVAL | CMD_GENERATE | CMD_CHAT, 0, 1.8e19, "random seed (0)"},
    {"--eval-every", "N", CLI_COUNT, FIELD(eval_every), CMD_TRAIN, 1, 1e9, "steps between evaluations (an epoch)"},
    {"--checkpoint-every", "N", CLI_COUNT, FIELD(checkpoint_every), CMD_TRAIN, 1, 1e9, "steps between checkpoints"},
    {"--patience", "N", CLI_COUNT, FIELD(patience), CMD_TRAIN, 1, 1e6, "stop after N evaluations without a new best"},
    {"--resume", NULL, CLI_FLAG, FIELD(resume), CMD_TRAIN, 0, 0, "go on with the RUN given by -o, to the same bits"},
    {"--initial", "FILE", CLI_TEXT, FIELD(initial), CMD_TRAIN, 0, 0, "begin from this GGUF-LoRA instead of a fresh draw"},
    {"--dry-run", NULL, CLI_FLAG, FIELD(dry_run), CMD_TRAIN, 0, 0, "print the plan in megabytes and stop"},
    {"--adapter", "A", CLI_TEXT, FIELD(adapter), CMD_EVAL | CMD_GENERATE | CMD_CHAT, 0, 0,
     "a RUN, a PEFT folder or a GGUF-LoRA file"},
    {"--window", "N", CLI_COUNT, FIELD(window), CMD_EVAL, 2, 65536, "plain text: tokens per window (512)"},
    {"--by-line", NULL, CLI_FLAG, FIELD(by_line), CMD_EVAL, 0, 0, "plain text: encode line by line"},
    {"--bos", "once|none", CLI_TEXT, FIELD(bos), CMD_EVAL, 0, 0, "plain text: BOS at the very start, or never"},
    {"--limit", "N", CLI_COUNT, FIELD(limit), CMD_EVAL | CMD_DATA | CMD_GENERATE, 1, 4e9, "only this many examples"},
    {"--file", "PATH", CLI_TEXT, FIELD(file), CMD_GENERATE, 0, 0, "the letter from a file (- for stdin); of a .jsonl, all its letters"},
    {"--system", "TEXT", CLI_TEXT, FIELD(system), CMD_GENERATE | CMD_CHAT | CMD_EVAL, 0, 0,
     "system message (eval: instead of the file's)"},
    {"--temperature", "T", CLI_NUMBER, FIELD(temperature), CMD_GENERATE | CMD_CHAT, 0, 100, "0 (default): greedy"},
    {"--top-k", "K", CLI_COUNT, FIELD(top_k), CMD_GENERATE | CMD_CHAT, 1, 1e6, "sample among the K likeliest"},
    {"--top-p", "P", CLI_NUMBER, FIELD(top_p), CMD_GENERATE | CMD_CHAT, 1e-6, 1, "sample among the likeliest share P"},
    {"--max-tokens", "N", CLI_COUNT, FIELD(max_tokens), CMD_GENERATE | CMD_CHAT, 1, 65536, "longest reply (256)"},
    {"--context", "N", CLI_COUNT, FIELD(context), CMD_GENERATE | CMD_CHAT, 16, 1048576, "tokens a conversation may hold"},
    {"--batch", "N", CLI_COUNT, FIELD(batch), CMD_GENERATE, 1, 64, "letters answered side by side"},
    {"--to", "FORMAT", CLI_TEXT, FIELD(to), CMD_EXPORT, 0, 0, "peft or gguf-lora"},
    {"--base", "MODEL", CLI_TEXT, FIELD(base), CMD_EXPORT, 0, 0, "the base model, where it has moved"},
    {"--report", "FILE", CLI_TEXT, FIELD(report), CMD_DOCTOR, 0, 0,
     "write driver, limits and results as JSON, to send to others"},
    {"--ids", NULL, CLI_FLAG, FIELD(ids), CMD_TOKENIZE, 0, 0, "print ids only"},
    {"--special", NULL, CLI_FLAG, FIELD(special), CMD_TOKENIZE, 0, 0, "parse special tokens in the text"},
};
const size_t cli_option_count = sizeof cli_options / sizeof *cli_options;

const CliCommand *cli_command(const char *name)
{
    for (size_t i = 0; i < cli_command_count; i++)
        if (!strcmp(cli_commands[i].name, name))
            return &cli_commands[i];
    return NULL;
}

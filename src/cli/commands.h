#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H
/* One function a command; each uses the public API alone. */

#include "cli/args.h"
#include "timbre/timbre.h"

tmb_status cmd_devices(const CliArgs *args);
tmb_status cmd_fit(const CliArgs *args);
tmb_status cmd_inspect(const CliArgs *args);
tmb_status cmd_tokenize(const CliArgs *args);
tmb_status cmd_data(const CliArgs *args);
tmb_status cmd_train(const CliArgs *args);
tmb_status cmd_eval(const CliArgs *args);
tmb_status cmd_generate(const CliArgs *args);
tmb_status cmd_chat(const CliArgs *args);
tmb_status cmd_export(const CliArgs *args);
tmb_status cmd_doctor(const CliArgs *args);
tmb_status cmd_help(const CliArgs *args);

/* What most commands begin with: the model on the host, then the device; on a
 * terminal says which device and why. Either output may be NULL. */
TMB_MUST_USE tmb_status cli_open(const CliArgs *args, tmb_model **model, tmb_device **device);
/* Prints the profile table when --profile was given; wall: seconds it covers. */
void cli_print_profile(const CliArgs *args, tmb_device *device, double wall);
/* "12.3 MB" with decimal units, into text. */
const char *cli_bytes(uint64_t bytes, char text[32]);
/* "3 min 20 s" into text. */
const char *cli_duration(double seconds, char text[32]);
/* Prints a cJSON object (passed as void * to keep cJSON out of this header) and frees it. */
void cli_print_json(void *object);
void cli_print_json_line(void *object);   /* the same, in one line */
/* Adds what is told of a device wherever one stands in JSON to a cJSON object. */
void cli_add_device(void *object, const tmb_device_info *info);

#endif

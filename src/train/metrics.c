#include "train/metrics.h"

#include <inttypes.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/os.h"

static tmb_status append(const char *path, Text *line)
{
    tmb_status status = os_append(path, line->data, line->bytes);
    text_finish(line);
    return status;
}

tmb_status metrics_step(const char *path, const StepMetrics *metrics)
{
    Text line = {0};
    text_print(&line, "{\"step\": %" PRIu64 ", \"loss\": %.9g, \"lr\": %.9g, \"grad_norm\": %.9g, "
               "\"tokens\": %" PRIu64 ", \"supervised\": %" PRIu64 ", \"fill\": %.4f, "
               "\"seconds\": %.4f, \"tokens_per_second\": %.2f}\n",
               metrics->step, metrics->loss, metrics->learning_rate, metrics->grad_norm,
               metrics->tokens, metrics->supervised, metrics->fill, metrics->seconds,
               metrics->seconds > 0 ? (double)metrics->tokens / metrics->seconds : 0.0);
    return append(path, &line);
}

tmb_status metrics_eval(const char *path, const EvalMetrics *metrics)
{
    Text line = {0};
    text_print(&line, "{\"eval\": %" PRIu64 ", \"loss\": %.9g, \"tokens\": %" PRIu64
               ", \"best\": %s}\n", metrics->step, metrics->loss, metrics->tokens,
               metrics->best ? "true" : "false");
    return append(path, &line);
}

tmb_status metrics_note(const char *path, uint64_t step, const char *text)
{
    Text line = {0};
    cJSON *string = cJSON_CreateString(text);
    char *quoted = cJSON_PrintUnformatted(string);
    text_print(&line, "{\"note\": %s, \"step\": %" PRIu64 "}\n", quoted ? quoted : "\"\"", step);
    cJSON_free(quoted);
    cJSON_Delete(string);
    return append(path, &line);
}

tmb_status metrics_cut(const char *path, uint64_t bytes)
{
    uint64_t now = os_file_bytes(path);
    if (now < bytes)
        return fail(TMB_IO, "%s holds %" PRIu64 " bytes, its checkpoint knows %" PRIu64
                    "; was it edited? Put it back or start a new run", path, now, bytes);
    return now > bytes ? os_truncate(path, bytes) : TMB_OK;
}

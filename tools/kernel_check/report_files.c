/* The files of a report: JSON for programs and later comparison, JUnit for build servers. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/os.h"
#include "report.h"

static const char *const verdicts[] = {"passed", "failed", "skipped"};

static cJSON *entry_json(const Entry *entry)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "device", entry->device);
    cJSON_AddStringToObject(object, "kernel", entry->row->name);
    cJSON_AddStringToObject(object, "case", entry->case_name);
    cJSON_AddStringToObject(object, "tuning", entry->tuning);
    cJSON_AddStringToObject(object, "verdict", verdicts[entry->verdict]);
    if (entry->measured) {
        cJSON_AddNumberToObject(object, "seconds", entry->bench.seconds);
        cJSON_AddNumberToObject(object, "low", entry->bench.low);
        cJSON_AddNumberToObject(object, "high", entry->bench.high);
        cJSON_AddNumberToObject(object, "flops", entry->flops);
        cJSON_AddNumberToObject(object, "bytes", entry->bench.bytes);
        if (entry->instead[0]) {
            cJSON_AddStringToObject(object, "instead_of", entry->instead);
            cJSON_AddNumberToObject(object, "instead_seconds", entry->instead_seconds);
        }
        cJSON_AddNumberToObject(object, "roof_share", entry->roof_share);
    } else {
        cJSON_AddNumberToObject(object, "tolerance", entry->row->tolerance);
        cJSON_AddNumberToObject(object, "check_seconds", entry->seconds);
    }
    if (entry->worst.bind && isfinite(entry->worst.share)) {
        cJSON_AddStringToObject(object, "bind", entry->worst.bind);
        cJSON_AddNumberToObject(object, "share_of_tolerance", entry->worst.share);
        cJSON_AddNumberToObject(object, "ulp", entry->worst.ulp);
    }
    if (entry->problems[0])
        cJSON_AddStringToObject(object, "problems", entry->problems);
    return object;
}

tmb_status report_write_json(const Report *report, const char *path)
{
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < report->count; i++)
        cJSON_AddItemToArray(array, entry_json(&report->entries[i]));
    tmb_status status = json_write_file(path, array);
    cJSON_Delete(array);
    return status;
}

/* The text with what XML keeps for itself escaped; controls become spaces. */
static void append_xml(Text *out, const char *text)
{
    static const struct { char character; const char *entity; } table[] = {
        {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}};
    for (const char *at = text; *at; at++) {
        size_t i = 0;
        while (i < COUNT_OF(table) && table[i].character != *at)
            i++;
        bool control = (unsigned char)*at < 0x20 && *at != '\n';
        if (i < COUNT_OF(table))
            text_append(out, table[i].entity, strlen(table[i].entity));
        else
            text_append(out, control ? " " : at, 1);
    }
}

static void append_testcase(Text *out, const Entry *entry)
{
    text_print(out, "  <testcase classname=\"%s\" name=\"", entry->row->name);
    append_xml(out, entry->case_name);
    text_print(out, " [%s] ", entry->tuning);
    append_xml(out, entry->device);
    text_print(out, "\" time=\"%.6f\"", entry->seconds);
    if (entry->verdict == VERDICT_PASSED) {
        text_print(out, "/>\n");
        return;
    }
    const char *element = entry->verdict == VERDICT_FAILED ? "failure" : "skipped";
    text_print(out, ">\n    <%s message=\"", element);
    append_xml(out, entry->verdict == VERDICT_FAILED ? "wrong; see the text" : entry->problems);
    text_print(out, "\">");
    append_xml(out, entry->verdict == VERDICT_FAILED ? entry->problems : "");
    text_print(out, "</%s>\n  </testcase>\n", element);
}

tmb_status report_write_junit(const Report *report, const char *path)
{
    Text out = {0};
    unsigned counts[3] = {0};
    for (size_t i = 0; i < report->count; i++)
        counts[report->entries[i].verdict]++;
    text_print(&out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"kernel-check\" "
                     "tests=\"%zu\" failures=\"%u\" skipped=\"%u\" errors=\"0\" time=\"%.3f\">\n",
               report->count, counts[VERDICT_FAILED], counts[VERDICT_SKIPPED],
               os_seconds() - report->begin);
    for (size_t i = 0; i < report->count; i++)
        append_testcase(&out, &report->entries[i]);
    text_print(&out, "</testsuite>\n");
    tmb_status status = os_write_file(path, out.data, out.bytes);
    text_finish(&out);
    return status;
}

#include "data/problems.h"

#include <string.h>

#include "base/log.h"

enum {
    SENTENCE_BYTES = 1500,   /* of the 2 KiB that tmb_last_error keeps */
    REASON_BYTES = 300,
    MOST_LOGGED = 200,       /* beyond that the file, not its lines, is what is wrong */
};

/* At most REASON_BYTES of the last error, on one line and whole characters only. */
static void last_reason(char reason[REASON_BYTES])
{
    const char *error = tmb_last_error();
    size_t bytes = strlen(error) < REASON_BYTES - 1 ? strlen(error) : REASON_BYTES - 1;
    while (error[bytes] && bytes && ((unsigned char)error[bytes] & 0xc0) == 0x80)
        bytes--;
    for (size_t i = 0; i < bytes; i++)
        reason[i] = (unsigned char)error[i] < 0x20 ? ' ' : error[i];
    reason[bytes] = '\0';
}

void problems_add(Problems *problems, const char *file, size_t line)
{
    char reason[REASON_BYTES];
    last_reason(reason);
    problems->count++;
    if (problems->text.bytes + strlen(file) + strlen(reason) + 40 < SENTENCE_BYTES) {
        text_print(&problems->text, "\n  %s: line %zu: %s", file, line, reason);
        problems->written++;
    } else if (problems->count - problems->written <= MOST_LOGGED) {
        log_error("%s: line %zu: %s", file, line, reason);
    }
}

tmb_status problems_finish(Problems *problems, const char *what)
{
    size_t logged = problems->count - problems->written;
    tmb_status status = TMB_OK;
    if (problems->count && !logged)
        status = fail(TMB_BAD_INPUT, "%zu line%s %s:%s", problems->count,
                      plural(problems->count), what, problems->text.data);
    else if (problems->count)
        status = fail(TMB_BAD_INPUT, "%zu lines %s:%s\n  and %zu more, %slogged above",
                      problems->count, what, problems->text.data ? problems->text.data : "",
                      logged, logged > MOST_LOGGED ? "the first of them " : "");
    text_finish(&problems->text);
    return status;
}

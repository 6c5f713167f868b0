#ifndef BASE_STATUS_H
#define BASE_STATUS_H
/* How failures travel inside Timbre. `fail` writes the sentence once, at the
 * cause, with the numbers and the next step; callers pass the code up. */

#include "timbre/status.h"

#if defined(__GNUC__)
/* gnu_printf: mingw's plain "printf" archetype rejects %zu and %llu */
#define TMB_PRINTF(fmt, args) __attribute__((format(gnu_printf, fmt, args)))
#ifdef __clang__
#undef TMB_PRINTF
#define TMB_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#endif
#else
#define TMB_PRINTF(fmt, args)
#endif

/* Stores the formatted sentence as this thread's last error and returns status:
 * `return fail(TMB_BAD_INPUT, "%s: line %zu: …", path, line);` */
#define fail(status, ...) (fail_record((status), __VA_ARGS__), (status))
/* Its function. The macro shows compilers that a failure is not TMB_OK, which spares
 * warnings about results that are only set on success. */
void fail_record(tmb_status status, const char *format, ...) TMB_PRINTF(2, 3);

/* Puts a prefix before this thread's last error ("letters.jsonl: line 7: ") and
 * returns status unchanged. For callers that know where, not what. */
tmb_status fail_in(tmb_status status, const char *format, ...) TMB_PRINTF(2, 3);

/* For the noun behind a number: fail(…, "%zu line%s", count, plural(count)). */
static inline const char *plural(unsigned long long count)
{
    return count == 1 ? "" : "s";
}

/* Passes a failure up. */
#define TRY(expression)                             \
    do {                                            \
        tmb_status try_status_ = (expression);      \
        if (try_status_ != TMB_OK)                  \
            return try_status_;                     \
    } while (0)

/* Passes a failure to the function's one clean-up label:
 * `tmb_status status = TMB_OK; TRY_OR(done, status, f()); … done: free(x); return status;` */
#define TRY_OR(label, status, expression)           \
    do {                                            \
        (status) = (expression);                    \
        if ((status) != TMB_OK)                     \
            goto label;                             \
    } while (0)

#endif

/* report.h - what goes to stderr, and the codes with which the program ends. */
#ifndef INGOT_CLI_REPORT_H
#define INGOT_CLI_REPORT_H

#include "format/ingot_format.h"

/* Documented in `ingot help`; scripts rely on them. */
enum exit_code {
    CODE_OK = 0,
    CODE_NO = 1, /* the answer is no: verify found damage */
    CODE_USAGE = 2,
    CODE_INVALID = 3,
    CODE_UNSUPPORTED = 4,
    CODE_SYSTEM = 5,
    CODE_INTERRUPTED = 130,
};

/* Prints "ingot: SUBJECT: message (at byte N)" and the advice, and returns the exit code of the error's status. */
int report_error(const struct ingot_error *err);

/* The same for an error that arises here: no offset, subject and advice may be NULL. */
__attribute__((format(printf, 4, 5))) int report_failure(enum ingot_status status, const char *subject,
                                                         const char *advice, const char *fmt, ...);

/* "ingot: warning: subject: message". */
void report_warning(const char *subject, const char *message);

/* "ingot: message". */
__attribute__((format(printf, 1, 2))) void report_note(const char *fmt, ...);

_Noreturn void report_no_memory(void);

/* Flushes stdout; false when something that was printed did not arrive. */
bool report_flush(void);

/* Last act of the program: closes stdout and returns `code`, or CODE_SYSTEM when the results did not arrive (said on
 * stderr, but for a closed pipe, whose reader chose to leave). */
int report_finish(int code);

#endif

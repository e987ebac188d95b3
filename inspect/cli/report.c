/* report.c - errors in one form, exit codes in one place, and no result that is lost in silence. */
#include "inspect/cli/report.h"

#include "format/error.h"
#include "inspect/cli/paragraph.h"
#include "inspect/cli/signals.h"
#include "inspect/cli/terminal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* errno of the first failed write to stdout; stdio itself only remembers that there was one. */
static int output_errno;

static int exit_code(enum ingot_status status)
{
    if (status == INGOT_OK) return CODE_OK;
    if (status == INGOT_E_INTERRUPTED) return CODE_INTERRUPTED;
    if (status >= 400) return CODE_USAGE;
    return status >= 300 ? CODE_SYSTEM : status >= 200 ? CODE_UNSUPPORTED : CODE_INVALID;
}

/* Behind "ingot: "; what does not fit in a line goes on below, two columns further than the advice. */
#define INDENT  (sizeof "ingot: " - 1)
#define FURTHER (INDENT + 2)

int report_error(const struct ingot_error *err)
{
    char where[48] = "";
    const char *subject = err->subject, *message = err->message[0] ? err->message : ingot_status_name(err->status);
    if (err->status == INGOT_E_INTERRUPTED) return CODE_INTERRUPTED;
    if (err->offset != INGOT_NO_OFFSET)
        snprintf(where, sizeof where, " (at %s %llu)", err->status == INGOT_E_TOKEN ? "token" : "byte",
                 (unsigned long long)err->offset);
    fprintf(stderr, "%singot:%s ", terminal_style(stderr, STYLE_ERROR), terminal_style(stderr, STYLE_PLAIN));
    paragraph_sentence(stderr, INDENT, FURTHER, "%s%s%s%s", subject, *subject ? ": " : "", message, where);
    if (err->advice[0]) {
        fprintf(stderr, "%*s", (int)INDENT, "");
        paragraph_sentence(stderr, INDENT, FURTHER, "%s", err->advice);
    }
    return exit_code(err->status);
}

int report_failure(enum ingot_status status, const char *subject, const char *advice, const char *fmt, ...)
{
    struct ingot_error err = { 0 };
    char message[sizeof err.message];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    ingot_fail(&err, status, INGOT_NO_OFFSET, subject, advice, "%s", message);
    return report_error(&err);
}

void report_warning(const char *subject, const char *message)
{
    static const char warning[] = "warning:";
    char shown[256] = "";
    if (subject) ingot_escape(subject, strlen(subject), shown, sizeof shown);
    fprintf(stderr, "ingot: %s%s%s ", terminal_style(stderr, STYLE_WARNING), warning,
            terminal_style(stderr, STYLE_PLAIN));
    paragraph_sentence(stderr, INDENT + sizeof warning, FURTHER, "%s%s%s", shown, *shown ? ": " : "", message);
}

void report_note(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("ingot: ", stderr);
    paragraph_sentence_of(stderr, INDENT, FURTHER, fmt, args);
    va_end(args);
}

void report_no_memory(void)
{
    exit(report_failure(INGOT_E_MEMORY, NULL, NULL, "not enough memory"));
}

/* What has become of errno since a write failed may be another call's; but these are only a write's. */
static int cause_of_failure(void)
{
    return errno == ENOSPC || errno == EDQUOT || errno == EFBIG || errno == EPIPE || errno == EINTR ? errno : EIO;
}

bool report_flush(void)
{
    if (!ferror(stdout)) errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return true;
    if (!output_errno) output_errno = cause_of_failure();
    return false;
}

int report_finish(int code)
{
    bool arrived = report_flush();
    if (fclose(stdout) != 0 && arrived && errno != EBADF) {
        arrived = false;
        output_errno = errno;
    }
    if (arrived) return code;
    if (signals_interrupted() && output_errno == EINTR) return CODE_INTERRUPTED;
    if (output_errno != EPIPE)
        report_failure(INGOT_E_IO, "standard output", NULL, "cannot write: %s", strerror(output_errno));
    return code == CODE_INTERRUPTED ? code : CODE_SYSTEM;
}

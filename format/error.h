/* error.h - how every room reports a failure. */
#ifndef INGOT_ERROR_H
#define INGOT_ERROR_H

#include "format/ingot_format.h"

/* Fills *err (may be NULL) unless it already holds an error, and returns `status`. `subject` is a path, tensor or
 * option; fmt says what was found and what was expected; subject and advice may be NULL. All three are escaped as they
 * are kept, so nothing in them steers a terminal or breaks the line, and what is too long ends in "...". A hostile
 * string among the arguments of fmt that could leave no room for the rest goes through ingot_escape() first. */
__attribute__((format(printf, 6, 7))) enum ingot_status ingot_fail(struct ingot_error *err, enum ingot_status status,
                                                                   uint64_t offset, const char *subject,
                                                                   const char *advice, const char *fmt, ...);

/* What ends a noun of which there are n: "%u head%s". */
static inline const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

/* The same for a failed system call: INGOT_E_IO, the errno as it stands, "cannot <verb>: <strerror>". */
enum ingot_status ingot_fail_errno(struct ingot_error *err, const char *subject, const char *verb);

#endif

/* show.h - the parts of `ingot show`. */
#ifndef INGOT_SHOW_H
#define INGOT_SHOW_H

#include "inspect/checkpoint.h"

void show_heading(const char *text);

/* One line: a name and what is said under it. */
__attribute__((format(printf, 2, 3))) void show_field(const char *name, const char *fmt, ...);

/* Foreign text line by line, each made harmless. Returns how many lines there are beyond `max`, which are not printed.
 */
size_t show_lines(const char *text, size_t n, const char *indent, size_t max);

/* A tensor, or a section of an .ingot file. Returns the exit code; what went wrong is reported. */
int show_one(const struct checkpoint *cp, const char *name, bool json);

#endif

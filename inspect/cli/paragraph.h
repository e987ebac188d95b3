/* paragraph.h - running text, wrapped between its words. */
#ifndef INGOT_CLI_PARAGRAPH_H
#define INGOT_CLI_PARAGRAPH_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

/* Prints text[0 .. n) and a newline; a blank or a newline parts words. The first line goes on at column `at`, the
 * others begin at column `indent`. In a pipe the page is as wide as on a wide terminal. */
void paragraph_print(FILE *to, const char *text, size_t n, size_t at, size_t indent);

/* The same for a sentence beside results: as wide as the terminal. Where there is none it stays in one line, blank for
 * blank as it is, for a script may look for it. */
__attribute__((format(printf, 4, 5))) void paragraph_sentence(FILE *to, size_t at, size_t indent, const char *fmt, ...);
__attribute__((format(printf, 4, 0))) void paragraph_sentence_of(FILE *to, size_t at, size_t indent, const char *fmt,
                                                                 va_list args);

#endif

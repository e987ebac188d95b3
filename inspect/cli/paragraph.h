/* paragraph.h - running text, wrapped to the width of a page. */
#ifndef INGOT_CLI_PARAGRAPH_H
#define INGOT_CLI_PARAGRAPH_H

#include <stddef.h>
#include <stdio.h>

/* Prints text[0 .. n) and a newline; white space parts words. The first line goes on at column `at`, the others begin
 * at column `indent`. In a pipe the page is as wide as on a wide terminal. */
void paragraph_print(FILE *to, const char *text, size_t n, size_t at, size_t indent);

#endif

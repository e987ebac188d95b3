/* terminal.h - what is at the other end of a stream: width, colour, characters. */
#ifndef INGOT_CLI_TERMINAL_H
#define INGOT_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_ERROR, STYLE_WARNING };

bool terminal_is(FILE *stream);

/* Columns, or SIZE_MAX for a stream that is not a terminal: nothing is cut in a pipe. */
size_t terminal_width(FILE *stream);

/* The escape sequence, or "" where colour is not wanted: no terminal, NO_COLOR set, TERM=dumb. */
const char *terminal_style(FILE *stream, enum style style);

/* The same for a coloured ground under black letters; `colour` is one of the 256 that terminals know. */
struct terminal_ground {
    char text[24];
};
struct terminal_ground terminal_ground(FILE *stream, unsigned colour);

/* Whether the locale's character set is UTF-8. */
bool terminal_utf8(void);

/* Bytes of the first character of text[0 .. n), n >= 1, and the columns that it takes. */
size_t terminal_text_step(const char *text, size_t n, size_t *width);

/* Columns that valid UTF-8 text takes. */
size_t terminal_text_width(const char *text, size_t n);

/* Bytes of the longest prefix of valid UTF-8 text that takes at most `width` columns. */
size_t terminal_text_prefix(const char *text, size_t n, size_t width);

#endif

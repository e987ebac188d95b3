/* markup.h - a growing text of HTML or SVG, into which foreign text comes only escaped. */
#ifndef INGOT_CLI_MARKUP_H
#define INGOT_CLI_MARKUP_H

#include <stddef.h>

/* Zero-initialise; text is to be freed with free(). */
struct markup {
    char *text;
    size_t n, capacity;
};

/* Our own markup: never with foreign text among the arguments. */
__attribute__((format(printf, 2, 3))) void markup_put(struct markup *m, const char *fmt, ...);
void markup_add(struct markup *m, const char *ours);

/* Foreign text as one harmless line, written so that it is text in an element and in a quoted attribute. */
void markup_text(struct markup *m, const char *text, size_t n);

/* The same with its line breaks. */
void markup_lines(struct markup *m, const char *text, size_t n);

/* A string that is harmless in a terminal already. */
void markup_string(struct markup *m, const char *shown);

#endif

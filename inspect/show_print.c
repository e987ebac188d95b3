/* show_print.c - what all that `ingot show` prints is made of. */
#include "inspect/show.h"

#include "format/error.h"
#include "inspect/cli/memory.h"
#include "inspect/cli/paragraph.h"
#include "inspect/cli/terminal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_AT 22 /* the column of what a field says */

void show_heading(const char *text)
{
    printf("%s%s%s\n", terminal_style(stdout, STYLE_BOLD), text, terminal_style(stdout, STYLE_PLAIN));
}

void show_field(const char *name, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    printf("  %-*s", VALUE_AT - 2, name);
    paragraph_sentence_of(stdout, VALUE_AT, VALUE_AT, fmt, args);
    va_end(args);
}

size_t show_lines(const char *text, size_t n, const char *indent, size_t max)
{
    char *shown = memory_array(4 * n + 8, 1);
    size_t n_lines = 0;
    for (size_t i = 0; i < n;) {
        const char *newline = memchr(text + i, '\n', n - i);
        size_t line = newline ? (size_t)(newline - (text + i)) : n - i;
        if (n_lines++ < max) printf("%s%s\n", indent, ingot_escape(text + i, line, shown, 4 * n + 8));
        i += line + 1;
    }
    free(shown);
    return n_lines > max ? n_lines - max : 0;
}

/* paragraph.c - greedy line breaking: good enough for help. */
#include "inspect/cli/paragraph.h"

#include "inspect/cli/terminal.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define WIDTH_MAX  88 /* longer lines are hard to read */
#define WIDTH_MIN  40
#define TOO_NARROW 20 /* for a sentence in pieces: the terminal breaks it anywhere, and has more room */

static size_t page_width(FILE *to)
{
    size_t width = terminal_width(to);
    return width > WIDTH_MAX ? WIDTH_MAX : width < WIDTH_MIN ? WIDTH_MIN : width;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n';
}

/* Two blanks in a row may stand in a file's name, and stay two: between them is taken to be a word without letters,
 * which never begins a line. */
static void fold(FILE *to, const char *text, size_t n, size_t at, size_t indent, size_t width)
{
    bool first = true;
    for (size_t i = 0, end; i < n; i = end + 1, first = false) {
        for (end = i; end < n && !is_space(text[end]);) end++;
        const size_t word = terminal_text_width(text + i, end - i);
        if (!first && word > 0 && at + 1 + word > width) {
            fprintf(to, "\n%*s", (int)indent, "");
            at = indent;
            first = true;
        }
        fprintf(to, "%s%.*s", first ? "" : " ", (int)(end - i), text + i);
        at += word + !first;
    }
    fputc('\n', to);
}

void paragraph_print(FILE *to, const char *text, size_t n, size_t at, size_t indent)
{
    fold(to, text, n, at, indent, page_width(to));
}

/* Folded or not, it arrives: "not enough memory" is such a sentence. */
void paragraph_sentence_of(FILE *to, size_t at, size_t indent, const char *fmt, va_list args)
{
    const size_t width = terminal_width(to);
    va_list again;
    va_copy(again, args);
    const int n = width < TOO_NARROW || width == SIZE_MAX ? -1 : vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    char *text = n < 0 ? NULL : malloc((size_t)n + 1);
    if (text) {
        vsnprintf(text, (size_t)n + 1, fmt, args);
        fold(to, text, (size_t)n, at, indent, width);
    } else {
        vfprintf(to, fmt, args);
        fputc('\n', to);
    }
    free(text);
}

void paragraph_sentence(FILE *to, size_t at, size_t indent, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    paragraph_sentence_of(to, at, indent, fmt, args);
    va_end(args);
}

/* paragraph.c - greedy line breaking: good enough for help. */
#include "inspect/cli/paragraph.h"

#include "inspect/cli/terminal.h"

#include <stdbool.h>

#define WIDTH_MAX 88 /* longer lines are hard to read */
#define WIDTH_MIN 40

static size_t page_width(FILE *to)
{
    size_t width = terminal_width(to);
    return width > WIDTH_MAX ? WIDTH_MAX : width < WIDTH_MIN ? WIDTH_MIN : width;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n';
}

void paragraph_print(FILE *to, const char *text, size_t n, size_t at, size_t indent)
{
    size_t width = page_width(to), i = 0;
    bool first = true;
    while (i < n) {
        size_t word = 0;
        while (i + word < n && !is_space(text[i + word])) word++;
        if (!first && at + 1 + word > width) {
            fprintf(to, "\n%*s", (int)indent, "");
            at = indent;
            first = true;
        }
        fprintf(to, "%s%.*s", first ? "" : " ", (int)word, text + i);
        at += word + (first ? 0 : 1);
        first = false;
        i += word;
        while (i < n && is_space(text[i])) i++;
    }
    fputc('\n', to);
}

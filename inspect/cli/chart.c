/* chart.c - the eight blocks from one eighth to a full one. */
#include "inspect/cli/chart.h"

#include "inspect/cli/terminal.h"

#include <string.h>

#define LEVELS 8

static const char *const blocks[LEVELS + 1] = { " ",      "\u2581", "\u2582", "\u2583", "\u2584",
                                                "\u2585", "\u2586", "\u2587", "\u2588" };
static const char *const characters[LEVELS + 1] = { " ", ".", ":", "-", "=", "+", "*", "%", "#" };

/* Eighths of a line. */
static size_t height(uint64_t count, uint64_t largest, size_t n_lines)
{
    size_t eighths = (size_t)((double)count / (double)largest * (double)(LEVELS * n_lines) + 0.5);
    return count > 0 && eighths == 0 ? 1 : eighths;
}

const char *chart_line(const uint64_t *counts, size_t n, size_t line, size_t n_lines, char *out)
{
    const char *const *glyphs = terminal_utf8() ? blocks : characters;
    size_t below = (n_lines - 1 - line) * LEVELS, used = 0, seen = 0;
    uint64_t largest = 1;
    for (size_t i = 0; i < n; i++)
        if (counts[i] > largest) largest = counts[i];
    for (size_t i = 0; i < n; i++) {
        size_t eighths = height(counts[i], largest, n_lines);
        size_t level = eighths <= below ? 0 : eighths - below < LEVELS ? eighths - below : LEVELS;
        size_t n_bytes = strlen(glyphs[level]);
        memcpy(out + used, glyphs[level], n_bytes);
        used += n_bytes;
        if (level > 0) seen = used;
    }
    out[seen] = '\0';
    return out;
}

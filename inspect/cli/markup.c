/* markup.c - what a terminal may be shown and what markup may hold are two questions, answered one after the other. */
#include "inspect/cli/markup.h"

#include "format/error.h"
#include "inspect/cli/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void append(struct markup *m, const char *bytes, size_t n)
{
    m->text = memory_grow(m->text, &m->capacity, m->n + n + 1, 1);
    memcpy(m->text + m->n, bytes, n);
    m->n += n;
    m->text[m->n] = '\0';
}

void markup_put(struct markup *m, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    m->text = memory_grow(m->text, &m->capacity, m->n + (size_t)n + 1, 1);
    vsnprintf(m->text + m->n, (size_t)n + 1, fmt, again);
    m->n += (size_t)n;
    va_end(again);
    va_end(args);
}

void markup_add(struct markup *m, const char *ours)
{
    append(m, ours, strlen(ours));
}

static const char *entity_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&apos;";
    default:
        return NULL;
    }
}

void markup_string(struct markup *m, const char *shown)
{
    for (size_t plain; *shown; shown += plain + (shown[plain] != '\0')) {
        plain = strcspn(shown, "&<>\"'");
        append(m, shown, plain);
        if (shown[plain]) markup_add(m, entity_of(shown[plain]));
    }
}

void markup_text(struct markup *m, const char *text, size_t n)
{
    char *shown = memory_array(4 * n + 8, 1);
    markup_string(m, ingot_escape(text, n, shown, 4 * n + 8));
    free(shown);
}

void markup_lines(struct markup *m, const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        const char *newline = memchr(text + i, '\n', n - i);
        size_t line = newline ? (size_t)(newline - (text + i)) : n - i;
        markup_text(m, text + i, line);
        if (newline) markup_add(m, "\n");
        i += line + 1;
    }
}

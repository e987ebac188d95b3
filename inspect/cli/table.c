/* table.c - all cells are collected first, for the widest decides; then one pass prints. */
#include "inspect/cli/table.h"

#include "inspect/cli/memory.h"
#include "inspect/cli/terminal.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAP               2
#define FLEXIBLE_AT_LEAST 12

/* What the terminal makes of a table. */
struct fit {
    size_t width[TABLE_MAX_COLUMNS];
    bool shown[TABLE_MAX_COLUMNS];
};

struct table table_begin(const struct table_column *columns, size_t n_columns)
{
    return (struct table){ .columns = columns, .n_columns = n_columns };
}

void table_cell(struct table *t, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    size_t need = n < 0 ? 1 : (size_t)n + 1;
    t->text = memory_grow(t->text, &t->text_capacity, t->text_used + need, 1);
    t->cells = memory_grow(t->cells, &t->cells_capacity, t->n_cells + 1, sizeof *t->cells);
    if (vsnprintf(t->text + t->text_used, need, fmt, again) < 0) t->text[t->text_used] = '\0';
    va_end(again);
    t->cells[t->n_cells++] = t->text_used;
    t->text_used += need;
}

void table_rule(struct table *t)
{
    t->rule_before = t->n_cells / t->n_columns;
}

static const char *cell(const struct table *t, size_t row, size_t column)
{
    return t->text + t->cells[row * t->n_columns + column];
}

static void measure(const struct table *t, struct fit *fit)
{
    for (size_t c = 0; c < t->n_columns; c++) {
        size_t widest = t->no_titles ? 0 : strlen(t->columns[c].title);
        for (size_t row = 0; row < t->n_cells / t->n_columns; row++) {
            const char *text = cell(t, row, c);
            size_t width = terminal_text_width(text, strlen(text));
            if (width > widest) widest = width;
        }
        fit->width[c] = widest;
        fit->shown[c] = widest > 0;
    }
}

static size_t total_width(const struct table *t, const struct fit *fit)
{
    size_t total = 0;
    for (size_t c = 0; c < t->n_columns; c++)
        if (fit->shown[c]) total += fit->width[c] + GAP;
    return total ? total - GAP : 0;
}

/* The shown column with the highest drop number, or n_columns. */
static size_t next_to_drop(const struct table *t, const struct fit *fit)
{
    size_t found = t->n_columns;
    for (size_t c = 0; c < t->n_columns; c++) {
        if (!fit->shown[c] || t->columns[c].drop == 0) continue;
        if (found == t->n_columns || t->columns[c].drop > t->columns[found].drop) found = c;
    }
    return found;
}

/* Drops columns while the flexible one would have to shrink below a useful width, then shrinks it. */
static void squeeze(const struct table *t, struct fit *fit, size_t available)
{
    size_t flexible = t->n_columns;
    for (size_t c = 0; c < t->n_columns; c++)
        if (t->columns[c].flexible) flexible = c;
    for (;;) {
        size_t total = total_width(t, fit);
        if (total <= available) return;
        size_t over = total - available, spare = 0;
        if (flexible < t->n_columns && fit->width[flexible] > FLEXIBLE_AT_LEAST)
            spare = fit->width[flexible] - FLEXIBLE_AT_LEAST;
        size_t victim = next_to_drop(t, fit);
        if (over <= spare || victim == t->n_columns) {
            if (spare > 0) fit->width[flexible] -= over < spare ? over : spare;
            return;
        }
        fit->shown[victim] = false;
    }
}

/* Keeps both ends of a name that is too wide: layer number in front, role at the end. Returns the columns used, which a
 * wide character at the cut can make fewer than `width`. */
static size_t print_shortened(const char *text, size_t n, size_t own, size_t width)
{
    size_t tail_width = (width - 2) / 2, head = terminal_text_prefix(text, n, width - 2 - tail_width), tail = 0, w;
    size_t head_width = terminal_text_width(text, head);
    while (own > tail_width) {
        tail += terminal_text_step(text + tail, n - tail, &w);
        own -= w;
    }
    printf("%.*s..%s", (int)head, text, text + tail);
    return head_width + 2 + own;
}

static void print_cell(const char *text, size_t width, bool right, bool last)
{
    size_t n = strlen(text), own = terminal_text_width(text, n);
    if (own > width && width > 2) {
        own = print_shortened(text, n, own, width);
    } else {
        int pad = right && own < width ? (int)(width - own) : 0;
        printf("%*s%s", pad, "", text);
        own += (size_t)pad;
    }
    if (!last && own < width + GAP) printf("%*s", (int)(width + GAP - own), "");
}

static size_t last_shown(const struct table *t, const struct fit *fit)
{
    size_t last = 0;
    for (size_t c = 0; c < t->n_columns; c++)
        if (fit->shown[c]) last = c;
    return last;
}

static void print_titles(const struct table *t, const struct fit *fit)
{
    size_t last = last_shown(t, fit);
    fputs(terminal_style(stdout, STYLE_BOLD), stdout);
    for (size_t c = 0; c <= last; c++)
        if (fit->shown[c]) print_cell(t->columns[c].title, fit->width[c], t->columns[c].right, c == last);
    printf("%s\n", terminal_style(stdout, STYLE_PLAIN));
}

/* Empty cells at the end of a row leave no trailing blanks. */
static void print_row(const struct table *t, const struct fit *fit, size_t row)
{
    size_t last = 0;
    for (size_t c = 0; c < t->n_columns; c++)
        if (fit->shown[c] && *cell(t, row, c)) last = c;
    for (size_t c = 0; c <= last; c++)
        if (fit->shown[c]) print_cell(cell(t, row, c), fit->width[c], t->columns[c].right, c == last);
    putchar('\n');
}

static void print_rule(const struct table *t, const struct fit *fit)
{
    fputs(terminal_style(stdout, STYLE_DIM), stdout);
    for (size_t i = total_width(t, fit); i > 0; i--) putchar('-');
    printf("%s\n", terminal_style(stdout, STYLE_PLAIN));
}

void table_end(struct table *t)
{
    struct fit fit = { 0 };
    measure(t, &fit);
    squeeze(t, &fit, terminal_width(stdout));
    if (!t->no_titles) print_titles(t, &fit);
    for (size_t row = 0; row < t->n_cells / t->n_columns; row++) {
        if (row > 0 && row == t->rule_before) print_rule(t, &fit);
        print_row(t, &fit, row);
    }
    table_discard(t);
}

void table_discard(struct table *t)
{
    free(t->text);
    free(t->cells);
    *t = (struct table){ 0 };
}

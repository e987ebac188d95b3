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
#define USUAL_ROW         64 /* bytes of text */

/* What the terminal makes of a table. */
struct fit {
    size_t width[TABLE_MAX_COLUMNS];
    bool shown[TABLE_MAX_COLUMNS];
};

struct table table_begin(const struct table_column *columns, size_t n_columns)
{
    return (struct table){ .columns = columns, .n_columns = n_columns };
}

void table_expect(struct table *t, size_t n_rows)
{
    t->cells = memory_grow(t->cells, &t->cells_capacity, n_rows * t->n_columns, sizeof *t->cells);
    t->text = memory_grow(t->text, &t->text_capacity, n_rows * USUAL_ROW, 1);
}

/* The text of the next cell stands behind the last one's, n bytes long. Of 700,000 cells each byte counts: in a virtual
 * machine the first touch of a page is dear. */
static void add_cell(struct table *t, size_t n)
{
    t->cells = memory_grow(t->cells, &t->cells_capacity, t->n_cells + 1, sizeof *t->cells);
    uint32_t width = (uint32_t)terminal_text_width(t->text + t->text_used, n);
    t->cells[t->n_cells++] = (struct table_place){ (uint32_t)n, width };
    t->text_used += n;
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
    if (vsnprintf(t->text + t->text_used, need, fmt, again) < 0) t->text[t->text_used] = '\0';
    va_end(again);
    add_cell(t, need - 1);
}

void table_text(struct table *t, const char *text)
{
    size_t n = strlen(text);
    t->text = memory_grow(t->text, &t->text_capacity, t->text_used + n + 1, 1);
    memcpy(t->text + t->text_used, text, n);
    add_cell(t, n);
}

static size_t count_rows(const struct table *t)
{
    return t->n_columns ? t->n_cells / t->n_columns : 0;
}

void table_rule(struct table *t)
{
    t->rule_before = count_rows(t);
}

static void measure(const struct table *t, struct fit *fit)
{
    for (size_t c = 0; c < t->n_columns && !t->no_titles; c++) fit->width[c] = strlen(t->columns[c].title);
    const struct table_place *cell = t->cells;
    for (size_t row = 0; row < count_rows(t); row++)
        for (size_t c = 0; c < t->n_columns; c++, cell++)
            if (cell->width > fit->width[c]) fit->width[c] = cell->width;
    for (size_t c = 0; c < t->n_columns; c++) fit->shown[c] = fit->width[c] > 0;
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

/* ---------------------------------------------------------------------------------------------------- printing */

/* Lines gather here and leave together: stdout's own buffer is 4 KiB. */
struct page {
    char *text;
    size_t used, capacity;
};

#define PAGE_BYTES 65536

static char *page_room(struct page *p, size_t n)
{
    p->text = memory_grow(p->text, &p->capacity, p->used + n + 1, 1); /* even of no bytes there is a place */
    p->used += n;
    return p->text + p->used - n;
}

static void page_put(struct page *p, const char *text, size_t n)
{
    if (n > 0) memcpy(page_room(p, n), text, n);
}

static void page_style(struct page *p, enum style style)
{
    const char *text = terminal_style(stdout, style);
    page_put(p, text, strlen(text));
}

static void page_fill(struct page *p, char c, size_t n)
{
    memset(page_room(p, n), c, n);
}

static void page_send(struct page *p)
{
    fwrite(p->text, 1, p->used, stdout);
    p->used = 0;
}

static void page_line(struct page *p)
{
    page_put(p, "\n", 1);
    if (p->used >= PAGE_BYTES) page_send(p);
}

/* Keeps both ends of a name that is too wide: layer number in front, role at the end. Returns the columns used, which a
 * wide character at the cut can make fewer than `width`. */
static size_t put_shortened(struct page *p, const char *text, struct table_place cell, size_t width)
{
    size_t n = cell.n, own = cell.width, tail = 0, w;
    size_t tail_width = (width - 2) / 2, head = terminal_text_prefix(text, n, width - 2 - tail_width);
    size_t head_width = terminal_text_width(text, head);
    while (own > tail_width) {
        tail += terminal_text_step(text + tail, n - tail, &w);
        own -= w;
    }
    page_put(p, text, head);
    page_put(p, "..", 2);
    page_put(p, text + tail, n - tail);
    return head_width + 2 + own;
}

static bool is_whole(struct table_place cell, size_t width)
{
    return cell.width <= width || width <= 2;
}

static size_t blanks_of(struct table_place cell, size_t width)
{
    return cell.width < width ? width - cell.width : 0;
}

/* Of a cell that is put as a whole: its text and its blanks. */
static size_t bytes_of(struct table_place cell, size_t width, bool right, bool last)
{
    const size_t blanks = blanks_of(cell, width);
    return cell.n + (right || !last ? blanks : 0) + (last ? 0 : GAP);
}

/* Into blanks; returns where the next cell begins. */
static char *put_whole_cell(char *to, const char *text, struct table_place cell, size_t width, bool right)
{
    const size_t blanks = blanks_of(cell, width);
    memcpy(to + (right ? blanks : 0), text, cell.n);
    return to + cell.n + blanks + GAP;
}

static void put_cell(struct page *p, const char *text, struct table_place cell, size_t width, bool right, bool last)
{
    if (is_whole(cell, width)) {
        const size_t n = bytes_of(cell, width, right, last);
        put_whole_cell(memset(page_room(p, n), ' ', n), text, cell, width, right);
        return;
    }
    size_t own = put_shortened(p, text, cell, width);
    if (!last && own < width + GAP) page_fill(p, ' ', width + GAP - own);
}

static void put_titles(const struct table *t, const struct fit *fit, struct page *p)
{
    size_t last = 0;
    for (size_t c = 0; c < t->n_columns; c++)
        if (fit->shown[c] && *t->columns[c].title) last = c;
    page_style(p, STYLE_BOLD);
    for (size_t c = 0; c <= last; c++) {
        const char *title = t->columns[c].title;
        uint32_t n = (uint32_t)strlen(title);
        struct table_place place = { n, n };
        if (fit->shown[c]) put_cell(p, title, place, fit->width[c], t->columns[c].right, c == last);
    }
    page_style(p, STYLE_PLAIN);
    page_line(p);
}

/* Of the cells up to the last shown one; 0 where one of them must be shortened. */
static size_t row_bytes(const struct table *t, const struct fit *fit, const struct table_place *cells, size_t last)
{
    size_t n = 0;
    for (size_t c = 0; c <= last; c++) {
        if (!fit->shown[c]) continue;
        if (!is_whole(cells[c], fit->width[c])) return 0;
        n += bytes_of(cells[c], fit->width[c], t->columns[c].right, c == last);
    }
    return n;
}

/* A row of whole cells is first all blanks: of 100,000 rows that saves a million short pieces of them. */
static void put_whole_row(const struct table *t, const struct fit *fit, const struct table_place *cells, size_t last,
                          const char *text, char *to)
{
    for (size_t c = 0; c <= last; text += cells[c++].n)
        if (fit->shown[c]) to = put_whole_cell(to, text, cells[c], fit->width[c], t->columns[c].right);
}

/* Its text begins at `text`; returns where that of the next one does. Empty cells at the end of a row leave no trailing
 * blanks. */
static const char *put_row(const struct table *t, const struct fit *fit, size_t row, const char *text, struct page *p)
{
    const struct table_place *cells = t->cells + row * t->n_columns;
    size_t last = 0;
    for (size_t c = 0; c < t->n_columns; c++)
        if (fit->shown[c] && cells[c].n > 0) last = c;
    const size_t whole = row_bytes(t, fit, cells, last);
    if (whole > 0) put_whole_row(t, fit, cells, last, text, memset(page_room(p, whole), ' ', whole));
    for (size_t c = 0; c < t->n_columns; text += cells[c++].n)
        if (whole == 0 && c <= last && fit->shown[c])
            put_cell(p, text, cells[c], fit->width[c], t->columns[c].right, c == last);
    page_line(p);
    return text;
}

static void put_rule(const struct table *t, const struct fit *fit, struct page *p)
{
    page_style(p, STYLE_DIM);
    page_fill(p, '-', total_width(t, fit));
    page_style(p, STYLE_PLAIN);
    page_line(p);
}

void table_end(struct table *t)
{
    struct fit fit = { 0 };
    struct page page = { 0 };
    const char *text = t->text;
    measure(t, &fit);
    squeeze(t, &fit, terminal_width(stdout));
    if (!t->no_titles) put_titles(t, &fit, &page);
    for (size_t row = 0; row < count_rows(t); row++) {
        if (row > 0 && row == t->rule_before) put_rule(t, &fit, &page);
        text = put_row(t, &fit, row, text, &page);
    }
    page_send(&page);
    free(page.text);
    table_discard(t);
}

void table_discard(struct table *t)
{
    free(t->text);
    free(t->cells);
    *t = (struct table){ 0 };
}

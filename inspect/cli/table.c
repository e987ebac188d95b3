/* table.c - all cells are collected first, for the widest decides; then one pass prints. */
#include "inspect/cli/table.h"

#include "format/error.h"
#include "inspect/cli/memory.h"
#include "inspect/cli/terminal.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAP       2
#define USEFUL    12 /* columns of a name */
#define FOLDED    24 /* of sentences, at least */
#define LEAST     3  /* of what is cut */
#define USUAL_ROW 64 /* bytes of text */

/* What the terminal makes of a table. */
struct fit {
    size_t width[TABLE_MAX_COLUMNS];
    bool shown[TABLE_MAX_COLUMNS];
    size_t total; /* of those that are shown, with their gaps */
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

static char *text_room(struct table *t, size_t n)
{
    t->text = memory_grow(t->text, &t->text_capacity, t->text_used + n + 1, 1); /* even of no bytes there is a place */
    return t->text + t->text_used;
}

/* The text of the next cell stands behind the last one's, n bytes long. */
static void add_cell(struct table *t, size_t n)
{
    const size_t width = terminal_text_width(t->text + t->text_used, n);
    t->cells = memory_grow(t->cells, &t->cells_capacity, t->n_cells + 1, sizeof *t->cells);
    t->cells[t->n_cells++] = (struct table_place){ (uint32_t)n, (uint32_t)width };
    t->text_used += n;
    if (width > t->widest[t->column]) t->widest[t->column] = width;
    if (++t->column == t->n_columns) t->column = 0;
}

void table_cell(struct table *t, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    size_t need = n < 0 ? 1 : (size_t)n + 1;
    char *text = text_room(t, need);
    if (vsnprintf(text, need, fmt, again) < 0) *text = '\0';
    va_end(again);
    add_cell(t, need - 1);
}

void table_text(struct table *t, const char *text)
{
    size_t n = strlen(text);
    memcpy(text_room(t, n), text, n);
    add_cell(t, n);
}

void table_escaped(struct table *t, const char *text, size_t n)
{
    const size_t most = 4 * n + 1;
    add_cell(t, strlen(ingot_escape(text, n, text_room(t, most), most)));
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
    for (size_t c = 0; c < t->n_columns; c++) {
        const size_t title = t->no_titles ? 0 : strlen(t->columns[c].title);
        fit->width[c] = t->widest[c] > title ? t->widest[c] : title;
        fit->shown[c] = fit->width[c] > 0;
    }
}

static size_t total_width(const struct table *t, const struct fit *fit)
{
    size_t total = 0;
    for (size_t c = 0; c < t->n_columns; c++)
        if (fit->shown[c]) total += fit->width[c] + GAP;
    return total ? total - GAP : 0;
}

/* The shown column with the highest drop number, of equal ones the last; n_columns where only those to be kept are
 * left. */
static size_t next_to_drop(const struct table *t, const struct fit *fit, size_t kept)
{
    size_t found = t->n_columns;
    for (size_t c = 0; c < t->n_columns; c++) {
        if (!fit->shown[c] || c == kept || t->columns[c].kept) continue;
        if (found == t->n_columns || t->columns[c].drop >= t->columns[found].drop) found = c;
    }
    return found;
}

/* The flexible column, or else the first. */
static size_t column_to_keep(const struct table *t)
{
    for (size_t c = 0; c < t->n_columns; c++)
        if (t->columns[c].flexible) return c;
    return 0;
}

static void fold_last(const struct table *t, struct fit *fit, size_t available)
{
    const size_t last = t->n_columns - 1, total = total_width(t, fit);
    if (!t->columns[last].folds || total <= available || fit->width[last] <= FOLDED) return;
    const size_t over = total - available, most = fit->width[last] - FOLDED;
    fit->width[last] -= over < most ? over : most;
}

/* Whether a column stands beside it whatever happens. */
static bool has_company(const struct table *t, const struct fit *fit, size_t kept)
{
    for (size_t c = 0; c < t->n_columns; c++)
        if (c != kept && fit->shown[c] && t->columns[c].kept) return true;
    return false;
}

/* What the column that is kept may be shortened to before `victim` goes, or, when none is left, before the terminal
 * breaks the lines. */
static size_t least_width(const struct table *t, const struct fit *fit, size_t kept, size_t victim, size_t available)
{
    if (!t->columns[kept].flexible) return victim == t->n_columns ? LEAST : SIZE_MAX;
    if (victim == t->n_columns) return has_company(t, fit, kept) ? USEFUL : LEAST;
    return t->columns[victim].drop > 0 && available / 2 > USEFUL ? available / 2 : USEFUL;
}

/* Names that are cut to nearly the same say little: the columns that can be spared go first. */
static void squeeze(const struct table *t, struct fit *fit, size_t available)
{
    const size_t kept = column_to_keep(t);
    fold_last(t, fit, available);
    for (size_t total; (total = total_width(t, fit)) > available;) {
        const size_t over = total - available, victim = next_to_drop(t, fit, kept);
        const size_t least = least_width(t, fit, kept, victim, available);
        if (fit->width[kept] >= least && fit->width[kept] - least >= over) {
            fit->width[kept] -= over;
            return;
        }
        if (victim == t->n_columns) return;
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

/* Room for n bytes behind what is used, blanks at first. */
static char *page_room(struct page *p, size_t n)
{
    p->text = memory_grow(p->text, &p->capacity, p->used + n + 1, 1); /* even of no bytes there is a place */
    return memset(p->text + p->used, ' ', n);
}

static void page_put(struct page *p, const char *text)
{
    size_t n = strlen(text);
    memcpy(page_room(p, n), text, n);
    p->used += n;
}

static void page_send(struct page *p)
{
    fwrite(p->text, 1, p->used, stdout);
    p->used = 0;
}

static void page_line(struct page *p)
{
    page_put(p, "\n");
    if (p->used >= PAGE_BYTES) page_send(p);
}

/* A line into which cells are put one after the other. */
struct line {
    char *at;  /* where the next cell begins */
    char *end; /* of the last text */
};

/* As much as cells with n bytes of text can take. */
static struct line line_begin(struct page *p, const struct fit *fit, size_t n)
{
    char *at = page_room(p, n + fit->total + GAP);
    return (struct line){ at, at };
}

/* Without trailing blanks, as empty cells at the end of a row would leave them. */
static void line_end(struct page *p, const struct line *line)
{
    p->used = (size_t)(line->end - p->text);
}

static void put_text(struct line *line, const char *text, size_t n)
{
    memcpy(line->at, text, n);
    line->at += n;
}

/* Keeps both ends of a name that is too wide: layer number in front, role at the end. Returns the columns used, which a
 * wide character at the cut can make fewer than `width`. */
static size_t put_shortened(struct line *line, const char *text, struct table_place cell, size_t width)
{
    size_t n = cell.n, own = cell.width, tail = 0, w;
    size_t tail_width = (width - 2) / 2, head = terminal_text_prefix(text, n, width - 2 - tail_width);
    size_t head_width = terminal_text_width(text, head);
    while (own > tail_width) {
        tail += terminal_text_step(text + tail, n - tail, &w);
        own -= w;
    }
    put_text(line, text, head);
    put_text(line, "..", 2);
    put_text(line, text + tail, n - tail);
    return head_width + 2 + own;
}

static void put_cell(struct line *line, const char *text, struct table_place cell, size_t width, bool right)
{
    const bool whole = cell.width <= width || width <= 2;
    size_t blanks = cell.width < width ? width - cell.width : 0;
    if (right) line->at += blanks;
    if (whole)
        put_text(line, text, cell.n);
    else
        blanks = width - put_shortened(line, text, cell, width);
    if (cell.n > 0) line->end = line->at;
    line->at += (right && whole ? 0 : blanks) + GAP;
}

static void put_titles(const struct table *t, const struct fit *fit, struct page *p)
{
    size_t n = 0;
    for (size_t c = 0; c < t->n_columns; c++) n += strlen(t->columns[c].title);
    page_put(p, terminal_style(stdout, STYLE_BOLD));
    struct line line = line_begin(p, fit, n);
    for (size_t c = 0; c < t->n_columns; c++) {
        const char *title = t->columns[c].title;
        const uint32_t width = (uint32_t)strlen(title);
        if (fit->shown[c])
            put_cell(&line, title, (struct table_place){ width, width }, fit->width[c], t->columns[c].right);
    }
    line_end(p, &line);
    page_put(p, terminal_style(stdout, STYLE_PLAIN));
    page_line(p);
}

/* Bytes of text[0 .. n) for a line of so many columns: whole words, where one fits. */
static size_t line_bytes(const char *text, size_t n, size_t width)
{
    const size_t fits = terminal_text_prefix(text, n, width);
    size_t at = fits;
    if (fits == n) return n;
    while (at > 0 && text[at] != ' ') at--;
    return at > 0 ? at : fits;
}

/* What the last column had no room for, below it. */
static void put_rest(const struct fit *fit, const char *text, size_t n, size_t width, struct page *p)
{
    while (n > 0) {
        const size_t blank = *text == ' ', taken = line_bytes(text + blank, n - blank, width);
        struct line line = line_begin(p, fit, taken);
        line.at += fit->total - width;
        put_text(&line, text + blank, taken);
        line.end = line.at;
        line_end(p, &line);
        page_line(p);
        text += blank + taken;
        n -= blank + taken;
    }
}

/* Its text begins at `text`; returns where that of the next one does. */
static const char *put_row(const struct table *t, const struct fit *fit, const struct table_place *cells,
                           const char *text, struct page *p)
{
    const size_t last = t->n_columns - 1, width = fit->width[last];
    size_t n = 0, rest = 0;
    for (size_t c = 0; c < t->n_columns; c++) n += cells[c].n;
    const char *end = text + n;
    struct line line = line_begin(p, fit, n);
    for (size_t c = 0; c < t->n_columns; text += cells[c++].n) {
        struct table_place cell = cells[c];
        if (!fit->shown[c]) continue;
        if (t->columns[c].folds && cell.width > width) {
            rest = cell.n - line_bytes(text, cell.n, width);
            cell.n -= (uint32_t)rest;
            cell.width = (uint32_t)terminal_text_width(text, cell.n);
        }
        put_cell(&line, text, cell, fit->width[c], t->columns[c].right);
    }
    line_end(p, &line);
    page_line(p);
    put_rest(fit, end - rest, rest, width, p);
    return end;
}

static void put_rule(const struct fit *fit, struct page *p)
{
    page_put(p, terminal_style(stdout, STYLE_DIM));
    memset(page_room(p, fit->total), '-', fit->total);
    p->used += fit->total;
    page_put(p, terminal_style(stdout, STYLE_PLAIN));
    page_line(p);
}

void table_end(struct table *t)
{
    struct fit fit = { 0 };
    struct page page = { 0 };
    const char *text = t->text;
    measure(t, &fit);
    squeeze(t, &fit, terminal_width(stdout));
    fit.total = total_width(t, &fit);
    if (!t->no_titles) put_titles(t, &fit, &page);
    for (size_t row = 0; row < count_rows(t); row++) {
        if (row > 0 && row == t->rule_before) put_rule(&fit, &page);
        text = put_row(t, &fit, t->cells + row * t->n_columns, text, &page);
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

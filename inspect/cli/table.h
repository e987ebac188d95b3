/*
 * table.h - rows of cells under titles, aligned by what a terminal shows (not by bytes).
 *
 * In a pipe every column has its full width. On a terminal that is too narrow a column of sentences is folded, and the
 * flexible column, which is shortened in its middle, gives what it has beyond half of the line. Where that is not
 * enough the columns with the highest `drop` go first, of equal ones those on the right. Before one goes whose `drop`
 * is 0, the flexible column is shortened to what is just useful; alone on the narrowest further still. Beside a column
 * that is kept it is not: where that is not enough, all is printed, and the terminal breaks the lines.
 */
#ifndef INGOT_CLI_TABLE_H
#define INGOT_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_MAX_COLUMNS 16

struct table_column {
    const char *title;
    bool right;    /* numbers */
    bool flexible; /* may be shortened; one at most */
    bool folds;    /* sentences: what does not fit goes on below; only the last may */
    bool kept;     /* never dropped: the table is about it */
    unsigned drop;
};

/* The bytes of a cell's text, and the columns of a terminal that it takes. */
struct table_place {
    uint32_t n, width;
};

struct table {
    const struct table_column *columns;
    size_t n_columns;
    char *text; /* the cells one after the other */
    size_t text_used, text_capacity;
    struct table_place *cells;
    size_t n_cells, cells_capacity;
    size_t column; /* of the next cell */
    size_t widest[TABLE_MAX_COLUMNS];
    size_t rule_before; /* row that stands below a line; 0: none */
    bool no_titles;
};

struct table table_begin(const struct table_column *columns, size_t n_columns);

/* Makes room for so many rows; not needed, but of 100,000 it saves time. */
void table_expect(struct table *t, size_t n_rows);

/* The next cell, row by row. Text from files must go through table_escaped(), or have gone through ingot_escape(). */
__attribute__((format(printf, 2, 3))) void table_cell(struct table *t, const char *fmt, ...);

/* The same for text as it is, which is faster. */
void table_text(struct table *t, const char *text);

/* The same for text[0 .. n) from a file. */
void table_escaped(struct table *t, const char *text, size_t n);

/* The rows from here on are totals. */
void table_rule(struct table *t);

/* Prints to stdout and frees. */
void table_end(struct table *t);

/* Frees without a word. */
void table_discard(struct table *t);

#endif

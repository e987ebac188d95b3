/* describe.c - transforms in words. Ranges are inclusive, as people count. */
#include "convert/describe.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct words {
    char *out;
    size_t n;
};

/* What does not fit is cut; DESCRIBE_MAX is enough for ten numbers. */
__attribute__((format(printf, 2, 3))) static void say(struct words *w, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(w->out + w->n, DESCRIBE_MAX - w->n, fmt, args);
    va_end(args);
    if (n > 0) w->n += (size_t)n < DESCRIBE_MAX - w->n ? (size_t)n : DESCRIBE_MAX - 1 - w->n;
}

/* "rows 0..767", unless that is all of them. */
static bool say_range(struct words *w, const char *before, const char *what, uint64_t from, uint64_t n, uint64_t all)
{
    if (n != all) say(w, "%s%s %" PRIu64 "..%" PRIu64, before, what, from, from + n - 1);
    return n != all;
}

/* A tensor or a result, in the orientation of the result. */
struct extent {
    uint64_t n_rows, n_cols;
};

static struct extent whole_source(const struct plan_part *part)
{
    const struct ingot_source_tensor *s = part->source;
    uint64_t last = s->rank > 0 ? s->shape[s->rank - 1] : 1, other = s->rank > 1 ? s->shape[s->rank - 2] : 1;
    return part->transposed ? (struct extent){ last, other } : (struct extent){ other, last };
}

static void say_shape(struct words *w, struct extent e)
{
    if (e.n_rows == 1)
        say(w, " of %" PRIu64, e.n_cols);
    else
        say(w, " of [%" PRIu64 ", %" PRIu64 "]", e.n_rows, e.n_cols);
}

char *describe_part(const struct plan_tensor *t, const struct plan_part *part, char out[DESCRIBE_MAX])
{
    struct words w = { .out = out };
    const struct extent whole = whole_source(part);
    const uint64_t n_rows = part->view.n_rows, n_cols = part->view.n_cols;
    if (part->transposed) say(&w, "transpose");
    bool piece = say_range(&w, w.n ? ", " : "", "rows", part->from_row, n_rows, whole.n_rows);
    const char *across = whole.n_rows == 1 ? "elements" : "columns";
    if (say_range(&w, w.n ? ", " : "", across, part->from_col, n_cols, whole.n_cols)) piece = true;
    if (piece) say_shape(&w, whole);
    if (w.n == 0) say(&w, "none");
    say_range(&w, ", to ", "rows", part->row, n_rows, t->n_rows);
    say_range(&w, ", to ", t->rank == 1 ? "elements" : "columns", part->col, n_cols, t->n_cols);
    return out;
}

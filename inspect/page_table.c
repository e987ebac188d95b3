/* page_table.c - a real table, written out: it can be read, printed and searched by the browser without the script,
 * which adds sorting and a search field. */
#include "inspect/page_parts.h"

#include "format/error.h"
#include "inspect/cli/human.h"
#include "inspect/cli/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPARK_HEIGHT 10u

static void put_column(struct markup *to, const char *title, bool number)
{
    markup_put(to, "<th scope=\"col\"%s>%s</th>", number ? " class=\"n\"" : "", title);
}

static uint64_t not_finite(const struct stats_figures *f)
{
    return f->n_nan + f->n_pos_inf + f->n_neg_inf;
}

/* Columns in which there would be nothing are left out. */
static bool has_zeros(const struct page_model *m)
{
    return m->total.n_zero > 0;
}

static bool has_not_finite(const struct page_model *m)
{
    return not_finite(&m->total) > 0;
}

static void put_figure_titles(struct markup *to, const struct page_model *m)
{
    static const char *const figures[] = { "min", "max", "mean", "std" };
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) put_column(to, figures[i], true);
    if (has_zeros(m)) put_column(to, "zeros", true);
    if (has_not_finite(m)) put_column(to, "NaN, inf", true);
    markup_add(to, "<th scope=\"col\" class=\"plain\">values</th>");
}

static void put_titles(struct markup *to, const struct page_model *m)
{
    markup_add(to, "<thead><tr>");
    put_column(to, "name", false);
    put_column(to, "dtype", false);
    put_column(to, "shape", false);
    put_column(to, "parameters", true);
    put_column(to, "bytes", true);
    put_column(to, "share", true);
    if (m->figures) put_figure_titles(to, m);
    markup_add(to, "</tr></thead>\n");
}

/* The histogram from min to max. */
static void put_spark(struct markup *to, const struct stats_figures *f)
{
    uint64_t most = 1;
    unsigned last = 0;
    for (size_t i = 0; i < STATS_BARS; i++)
        if (f->histogram[i] > most) most = f->histogram[i];
    markup_put(
        to,
        "<svg class=\"spark\" viewBox=\"0 0 %u %u\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><path d=\"M0 %u",
        STATS_BARS, SPARK_HEIGHT, SPARK_HEIGHT);
    for (unsigned i = 0; i < STATS_BARS; i++) {
        double share = (double)f->histogram[i] / (double)most;
        unsigned height = f->histogram[i] ? (unsigned)fmax(1, round(share * SPARK_HEIGHT)) : 0;
        if (height != last) markup_put(to, "H%uV%u", i, SPARK_HEIGHT - height);
        last = height;
    }
    markup_put(to, "H%uV%uz\"/></svg>", STATS_BARS, SPARK_HEIGHT);
}

static void put_number(struct markup *to, double value)
{
    markup_put(to, "<td>%.4g</td>", value);
}

bool page_has_figures(const struct page_model *m, size_t i)
{
    return m->figures && m->figures[i].known;
}

/* Nothing for none: what is there stands out. */
static void put_count(struct markup *to, uint64_t n, const char *class)
{
    if (n > 0)
        markup_put(to, "<td%s>%s</td>", class, human_count(n).text);
    else
        markup_add(to, "<td></td>");
}

static void put_stats(struct markup *to, const struct page_model *m, const struct stats_figures *f)
{
    const double figures[] = { f->min, f->max, f->mean, f->std };
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        if (f->n_finite > 0)
            put_number(to, figures[i]);
        else
            markup_add(to, "<td></td>");
    if (has_zeros(m)) put_count(to, f->n_zero, "");
    if (has_not_finite(m)) put_count(to, not_finite(f), " class=\"bad\"");
    markup_add(to, "<td>");
    if (f->n_finite > 0) put_spark(to, f);
    markup_add(to, "</td>");
}

static void put_no_stats(struct markup *to, const struct page_model *m)
{
    const int n = 5 + has_zeros(m) + has_not_finite(m);
    for (int i = 0; i < n; i++) markup_add(to, "<td></td>");
}

static void put_name(struct markup *to, const struct checkpoint_tensor *t, enum region_kind kind)
{
    markup_put(to, "<th scope=\"row\" class=\"k%c\">", region_kind_letter(kind));
    page_tensor_name(to, t->name, t->name_len);
    if (t->target) {
        markup_add(to, " <span class=\"alias\">= ");
        markup_text(to, t->target, strlen(t->target));
        markup_add(to, "</span>");
    }
    markup_add(to, "</th><td>");
    markup_text(to, t->dtype_name, strlen(t->dtype_name));
    markup_add(to, "</td>");
}

static void put_tensor(struct markup *to, const struct page_model *m, size_t i)
{
    char shape[192];
    struct checkpoint_tensor t = checkpoint_tensor_at(&m->subject->checkpoint, i);
    human_shape(t.rank, t.shape, shape, sizeof shape);
    markup_put(to, "<tr id=\"t%zu\">", i);
    put_name(to, &t, m->kinds[i]);
    markup_put(to, "<td>%s</td>", shape);
    if (t.target)
        markup_add(to, "<td></td><td></td><td></td>");
    else
        markup_put(to, "<td>%s</td><td data-v=\"%llu\">%s</td><td>%s</td>", human_count(t.n_elems).text,
                   (unsigned long long)t.n_bytes, human_bytes(t.n_bytes).text, human_share(t.n_bytes, m->n_bytes).text);
    if (page_has_figures(m, i))
        put_stats(to, m, &m->figures[i].figures);
    else if (m->figures)
        put_no_stats(to, m);
    markup_add(to, "</tr>\n");
}

static int from_large_to_small(const void *x, const void *y)
{
    const uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
    return (a < b) - (a > b);
}

/* Which tensors have a row where there are too many: the largest, of equal ones the first. Whatever stands alone in the
 * treemap, and leads to its row, is one of them. */
struct choice_of_rows {
    uint64_t least;  /* parameters; */
    size_t n_equals; /* and of those that have just as many so many more */
};

/* An alias has no parameters of its own. */
static uint64_t row_elems(const struct checkpoint *cp, size_t i)
{
    const struct checkpoint_tensor t = checkpoint_tensor_at(cp, i);
    return t.target ? 0 : t.n_elems;
}

static struct choice_of_rows choose_rows(const struct checkpoint *cp)
{
    struct choice_of_rows rows = { .n_equals = cp->n_tensors };
    if (cp->n_tensors <= PAGE_ROWS_MAX) return rows;
    uint64_t *sizes = memory_array(cp->n_tensors, sizeof *sizes);
    for (size_t i = 0; i < cp->n_tensors; i++) sizes[i] = row_elems(cp, i);
    qsort(sizes, cp->n_tensors, sizeof *sizes, from_large_to_small);
    rows = (struct choice_of_rows){ .least = sizes[PAGE_ROWS_MAX - 1] };
    for (size_t i = PAGE_ROWS_MAX; i > 0 && sizes[i - 1] == rows.least; i--) rows.n_equals++;
    free(sizes);
    return rows;
}

static bool has_row(struct choice_of_rows *rows, uint64_t n_elems)
{
    if (n_elems != rows->least) return n_elems > rows->least;
    if (rows->n_equals == 0) return false;
    rows->n_equals--;
    return true;
}

static void put_totals(struct markup *to, const struct page_model *m)
{
    markup_put(to,
               "<tfoot><tr><th scope=\"row\">%s tensor%s</th><td></td><td></td><td><data id=\"elements-sum\" "
               "value=\"%llu\">%s</data></td><td><data id=\"bytes-sum\" value=\"%llu\">%s</data></td><td></td>",
               human_count(m->n_tensors).text, plural(m->n_tensors), (unsigned long long)m->n_params,
               human_count(m->n_params).text, (unsigned long long)m->n_bytes, human_bytes(m->n_bytes).text);
    if (m->figures) put_stats(to, m, &m->total);
    markup_add(to, "</tr></tfoot>\n");
}

void page_tensors(struct markup *to, const struct page_model *m)
{
    const struct checkpoint *cp = &m->subject->checkpoint;
    struct choice_of_rows rows = choose_rows(cp);
    size_t n = 0;
    markup_add(to,
               "<section id=\"tensors\" aria-labelledby=\"tensors-title\">\n<h2 id=\"tensors-title\">Tensors</h2>\n");
    page_rows_note(to, "the largest", cp->n_tensors, "ingot ls");
    markup_add(to,
               "<div class=\"find\" hidden><label for=\"search\">Search</label> <input id=\"search\" type=\"search\" "
               "autocomplete=\"off\" spellcheck=\"false\" placeholder=\"name, dtype or shape\"> "
               "<output id=\"found\" for=\"search\"></output></div>\n"
               "<div class=\"wide tall\" tabindex=\"0\" role=\"group\" aria-label=\"Table of tensors\">\n"
               "<table class=\"sortable\">\n");
    put_titles(to, m);
    markup_add(to, "<tbody>\n");
    for (size_t i = 0; i < cp->n_tensors; i++) {
        if (!has_row(&rows, row_elems(cp, i))) continue;
        page_row(to, n++);
        put_tensor(to, m, i);
    }
    markup_add(to, "</tbody>\n");
    put_totals(to, m);
    markup_add(to, "</table></div>\n<button id=\"more\" type=\"button\" hidden></button>\n</section>\n");
}

/* page_both_table.c - every tensor that either of two has, those that differ first. Where both say the same it stands
 * once, else A's above B's. */
#include "inspect/page_parts.h"

#include "format/error.h"
#include "inspect/cli/human.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* The plane in which two histograms are drawn over each other. */
#define DRAWN_WIDTH  256.0
#define DRAWN_HEIGHT 24.0
#define NARROW       (1.0 / 512) /* what a bar's share of the width counts as at least: one value alone has none */

#define N_DISTANCES 5 /* columns that tell how far apart values are */

/* -------------------------------------------------------------------------------------------------------- cells */

/* Harmless texts, either of which may be NULL. */
static void put_two(struct markup *to, const char *const texts[2])
{
    const char *a = texts[0] ? texts[0] : texts[1], *b = texts[1];
    if (!a) return;
    if (!texts[0] || !b || strcmp(a, b) == 0) {
        markup_string(to, a);
        return;
    }
    markup_add(to, "<i>");
    markup_string(to, a);
    markup_add(to, "</i> <i>");
    markup_string(to, b);
    markup_add(to, "</i>");
}

static void put_words(struct markup *to, const char *const texts[2])
{
    markup_add(to, "<td>");
    put_two(to, texts);
    markup_add(to, "</td>");
}

static void put_what(struct markup *to, const struct findings *f, const struct diff_pair *p)
{
    char dtypes[2][64], shapes[2][256];
    const char *dtype[2] = { NULL }, *shape[2] = { NULL };
    const struct diff_tensor named = diff_tensor_of(&f->diff, p, p->at[0] == DIFF_NOWHERE || p->head_of_wte[0]);
    for (unsigned s = 0; s < 2; s++) {
        if (p->at[s] == DIFF_NOWHERE) continue;
        struct diff_tensor t = diff_tensor_of(&f->diff, p, s);
        human_shape(t.t.rank, t.t.shape, shapes[s], sizeof shapes[s]);
        if (s == 0 || !dtype[0] || p->types_differ)
            dtype[s] = ingot_escape(t.t.dtype_name, strlen(t.t.dtype_name), dtypes[s], sizeof dtypes[s]);
        shape[s] = shapes[s];
    }
    markup_add(to, "<th scope=\"row\">");
    page_tensor_name(to, named.t.name, named.t.name_len);
    markup_put(to, "</th><td>%s</td>", findings_differ(f, p) ? findings_difference(f, p) : "equal");
    put_words(to, dtype);
    put_words(to, shape);
}

/* Nothing where there is no number: a cosine with zeros. */
static void put_number(struct markup *to, const char *prefix, double value, int digits)
{
    markup_add(to, prefix);
    if (!isnan(value)) markup_put(to, "%.*g", digits, value);
    markup_add(to, "</td>");
}

static bool has_distance(const struct diff_pair *p)
{
    return p->n_jobs > 0 && p->figures.max_abs >= 0;
}

/* How far apart the values are: nothing where they are not. */
static void put_distance(struct markup *to, const struct findings *found, const struct diff_pair *p)
{
    const struct diff_figures *f = &p->figures;
    char place[192];
    if (!has_distance(p)) {
        for (int i = 0; i < N_DISTANCES; i++) markup_add(to, "<td></td>");
        return;
    }
    findings_place_text(&found->diff, p, place, sizeof place);
    markup_put(to, "<td data-v=\"%.9g\"><i>%.4g</i> <i class=\"soft\">%s</i>", f->max_abs, f->max_abs,
               strcmp(place, "[]") == 0 ? "" : place);
    put_number(to, "</td><td>", f->max_rel, 4);
    if (p->quantised)
        markup_add(to, "<td></td>");
    else
        markup_put(to, "<td>%" PRIu64 "</td>", f->max_ulp);
    put_number(to, "<td>", diff_cosine(f), 9);
    put_number(to, "<td>", diff_rms(f), 3);
}

static void put_equal(struct markup *to, const struct diff_pair *p)
{
    char share[16] = "";
    if (has_distance(p))
        findings_share(&p->figures, share);
    else if (p->n_jobs > 0)
        snprintf(share, sizeof share, "100 %%");
    markup_put(to, "<td>%s</td>", share);
}

/* --------------------------------------------------------------------------------------------------- statistics */

/* Figures of both, NULL where there are none. */
struct couple {
    const struct stats_figures *of[2];
};

static struct couple figures_of(const struct page_both *b, size_t pair)
{
    struct couple c = { { NULL } };
    for (unsigned s = 0; s < 2; s++) {
        size_t tensor = b->pairs->tensor_of[s][pair];
        if (tensor != PAGE_NO_TENSOR && page_has_figures(b->model[s], tensor))
            c.of[s] = &b->model[s]->figures[tensor].figures;
    }
    return c;
}

static double figure(const struct stats_figures *f, unsigned which)
{
    const double figures[] = { f->min, f->max, f->mean, f->std };
    return figures[which];
}

static void put_figure(struct markup *to, const struct couple *c, unsigned which)
{
    char texts[2][32];
    const char *shown[2] = { NULL };
    double first = NAN;
    for (unsigned s = 2; s-- > 0;) {
        if (!c->of[s] || c->of[s]->n_finite == 0) continue;
        first = figure(c->of[s], which);
        snprintf(texts[s], sizeof texts[s], "%.4g", first);
        shown[s] = texts[s];
    }
    if (shown[0] && shown[1])
        markup_put(to, "<td data-v=\"%.9g\">", first);
    else
        markup_add(to, "<td>");
    put_two(to, shown);
    markup_add(to, "</td>");
}

static uint64_t not_finite(const struct stats_figures *f)
{
    return f ? f->n - f->n_finite : 0;
}

static void put_not_finite(struct markup *to, const struct couple *c)
{
    uint64_t n[2] = { not_finite(c->of[0]), not_finite(c->of[1]) };
    bool once = n[0] == n[1] || !c->of[0] || !c->of[1];
    if (once && n[0] + n[1] > 0)
        markup_put(to, "<td class=\"bad\">%s</td>", human_count(n[0] ? n[0] : n[1]).text);
    else if (n[0] + n[1] > 0)
        markup_put(to, "<td class=\"bad\" data-v=\"%" PRIu64 "\"><i>%s</i> <i>%s</i></td>", n[0] > n[1] ? n[0] : n[1],
                   human_count(n[0]).text, human_count(n[1]).text);
    else
        markup_add(to, "<td></td>");
}

/* ----------------------------------------------------------------------------------------------------- drawings */

/* Where a histogram lies in the range of both, in parts of that. Halves: the range itself may be beyond f64. */
struct span {
    double from, bar;
};

static bool has_values(const struct stats_figures *f)
{
    return f && f->n_finite > 0;
}

static struct span span_of(const struct stats_figures *f, double low, double high)
{
    double range = high / 2 - low / 2;
    struct span s = { 0, 1.0 / STATS_BARS };
    if (range > 0) {
        s.from = (f->min / 2 - low / 2) / range;
        s.bar = fmax(NARROW, (f->max / 2 - f->min / 2) / range / STATS_BARS);
    }
    return s;
}

/* The share of the values in a bar, over its width. */
static double density(const struct stats_figures *f, const struct span *s, unsigned bar)
{
    return (double)f->histogram[bar] / (double)f->n_finite / s->bar;
}

static void put_outline(struct markup *to, const struct stats_figures *f, const struct span *s, double most,
                        const char *class)
{
    long last = 0;
    markup_put(to, "<path class=\"%s\" d=\"M%.0f %.0f", class, DRAWN_WIDTH * s->from, DRAWN_HEIGHT);
    for (unsigned i = 0; i < STATS_BARS; i++) {
        double share = density(f, s, i) / most;
        long height = f->histogram[i] ? lround(fmax(1, share * DRAWN_HEIGHT)) : 0;
        double x = fmin(DRAWN_WIDTH, DRAWN_WIDTH * (s->from + i * s->bar));
        if (height != last) markup_put(to, "H%.0fV%ld", x, (long)DRAWN_HEIGHT - height);
        last = height;
    }
    markup_put(to, "H%.0fV%.0f\"/>", fmin(DRAWN_WIDTH, DRAWN_WIDTH * (s->from + STATS_BARS * s->bar)), DRAWN_HEIGHT);
}

static bool same_histogram(const struct stats_figures *a, const struct stats_figures *b)
{
    return a->min == b->min && a->max == b->max && memcmp(a->histogram, b->histogram, sizeof a->histogram) == 0;
}

/* Both over one axis; equal ones once. */
static void put_histograms(struct markup *to, const struct couple *c)
{
    static const char *const classes[] = { "a", "b" };
    const struct stats_figures *const *f = c->of;
    bool has[2] = { has_values(f[0]), has_values(f[1]) };
    struct span spans[2] = { { 0, 0 }, { 0, 0 } };
    double most = 0;
    if (!has[0] && !has[1]) return;
    if (has[0] && has[1] && same_histogram(f[0], f[1])) has[1] = false;
    double low = fmin(f[has[0] ? 0 : 1]->min, f[has[1] ? 1 : 0]->min);
    double high = fmax(f[has[0] ? 0 : 1]->max, f[has[1] ? 1 : 0]->max);
    for (unsigned s = 0; s < 2; s++) {
        if (!has[s]) continue;
        spans[s] = span_of(f[s], low, high);
        for (unsigned i = 0; i < STATS_BARS; i++) most = fmax(most, density(f[s], &spans[s], i));
    }
    markup_put(to,
               "<svg class=\"spark both\" viewBox=\"0 0 %.0f %.0f\" preserveAspectRatio=\"none\" aria-hidden=\"true\">",
               DRAWN_WIDTH, DRAWN_HEIGHT);
    for (unsigned s = 0; s < 2; s++)
        if (has[s]) put_outline(to, f[s], &spans[s], most, classes[s]);
    markup_add(to, "</svg>");
}

static void put_drawing(struct markup *to, const struct couple *c)
{
    markup_add(to, "<td>");
    put_histograms(to, c);
    markup_add(to, "</td>");
}

static void put_statistics(struct markup *to, const struct couple *c, bool not_finite_too)
{
    for (unsigned k = 0; k < 4; k++) put_figure(to, c, k);
    if (not_finite_too) put_not_finite(to, c);
}

/* -------------------------------------------------------------------------------------------------------- table */

/* Which columns there are: those in which there would be nothing are left out. */
struct extent {
    bool distances, statistics, not_finite;
};

static struct extent extent_of(const struct page_both *b)
{
    const struct page_model *const *m = b->model;
    const struct diff *d = &b->findings->diff;
    struct extent has = { false, m[0]->figures || m[1]->figures,
                          not_finite(&m[0]->total) + not_finite(&m[1]->total) > 0 };
    for (size_t i = 0; i < d->n_pairs; i++) has.distances |= has_distance(&d->pairs[i]);
    return has;
}

static void put_number_titles(struct markup *to, const char *const *titles, size_t n)
{
    for (size_t i = 0; i < n; i++) markup_put(to, "<th scope=\"col\" class=\"n\">%s</th>", titles[i]);
}

static void put_titles(struct markup *to, struct extent has)
{
    static const char *const words[] = { "tensor", "difference", "dtype", "shape" };
    static const char *const equal[] = { "equal" };
    static const char *const distances[N_DISTANCES] = { "max abs", "max rel", "ULP", "cosine", "RMS rel" };
    static const char *const figures[] = { "min", "max", "mean", "std", "NaN, inf" };
    markup_add(to, "<thead><tr>");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) markup_put(to, "<th scope=\"col\">%s</th>", words[i]);
    if (has.statistics) markup_add(to, "<th scope=\"col\" class=\"plain\">values</th>");
    put_number_titles(to, equal, 1);
    if (has.distances) put_number_titles(to, distances, N_DISTANCES);
    if (has.statistics) put_number_titles(to, figures, sizeof figures / sizeof *figures - !has.not_finite);
    markup_add(to, "</tr></thead>\n<tbody>\n");
}

void page_both_tensors(struct markup *to, const struct page_both *b)
{
    const struct findings *f = b->findings;
    const struct extent has = extent_of(b);
    size_t n = 0;
    markup_put(to,
               "<section id=\"tensors\" aria-labelledby=\"tensors-title\">\n<h2 id=\"tensors-title\">Tensors</h2>\n"
               "<p class=\"note\">What differs comes first. Where the two say different things, "
               "<b class=\"side a\">A</b> stands above <b class=\"side b\">B</b>%s.</p>\n",
               has.statistics ? "; of the histograms A is the ground, B the line" : "");
    page_rows_note(to, "first those that differ, then the largest", f->diff.n_pairs, "ingot diff -v");
    markup_add(to,
               "<div class=\"find\" hidden><label for=\"search\">Search</label> <input id=\"search\" type=\"search\" "
               "autocomplete=\"off\" spellcheck=\"false\" placeholder=\"name, difference, dtype or shape\"> "
               "<label><input id=\"only\" type=\"checkbox\"> only what differs</label> "
               "<output id=\"found\" for=\"search\"></output></div>\n"
               "<div class=\"wide tall\" tabindex=\"0\" role=\"group\" aria-label=\"Table of tensors\">\n"
               "<table class=\"sortable compared\">\n");
    put_titles(to, has);
    for (size_t i = 0; i < f->diff.n_pairs; i++) {
        size_t pair = b->pairs->order[i];
        const struct diff_pair *p = &f->diff.pairs[pair];
        if (!b->pairs->has_row[pair]) continue;
        page_row(to, n++);
        markup_put(to, "<tr id=\"t%zu\"%s>", pair, findings_differ(f, p) ? " class=\"differs\"" : "");
        put_what(to, f, p);
        const struct couple figures = figures_of(b, pair);
        if (has.statistics) put_drawing(to, &figures);
        put_equal(to, p);
        if (has.distances) put_distance(to, f, p);
        if (has.statistics) put_statistics(to, &figures, has.not_finite);
        markup_add(to, "</tr>\n");
    }
    markup_add(to, "</tbody></table></div>\n<button id=\"more\" type=\"button\" hidden></button>\n</section>\n");
}

/* page_both.c - two checkpoints beside each other: what differs between the files as wholes. */
#include "inspect/page_parts.h"

#include "inspect/cli/human.h"
#include "inspect/overview.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define LARGEST 5   /* differences that the summary names */
#define ROWS    24u /* of the map of the larger one, about */

/* ------------------------------------------------------------------------------------------------------- pieces */

/* "A bard.ingot" */
static void put_letter(struct markup *to, const struct page_both *b, unsigned s)
{
    size_t n;
    const char *name = page_name(b->model[s]->subject->name, &n);
    markup_put(to, "<h3><b class=\"side %c\">%c</b> ", "ab"[s], "AB"[s]);
    markup_text(to, name, n);
    markup_add(to, "</h3>\n");
}

/* A table of `columns` columns behind the first, those of numbers at the right. */
static void begin_table(struct markup *to, const char *label, const char *const *titles, size_t n)
{
    markup_put(to,
               "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"%s\">\n<table class=\"small\"><thead>"
               "<tr>",
               label);
    for (size_t i = 0; i < n; i++)
        markup_put(to, "<th scope=\"col\"%s>%s</th>", i > 0 ? " class=\"n\"" : "", titles[i]);
    markup_add(to, "</tr></thead>\n<tbody>\n");
}

/* ------------------------------------------------------------------------------------------------------ summary */

static void put_side(struct markup *to, const struct page_both *b, unsigned s)
{
    const struct page_model *m = b->model[s];
    markup_add(to, "<div>");
    put_letter(to, b, s);
    markup_add(to, "<dl>\n");
    page_field(to, "parameters", human_count(census_total(&m->subject->census)).text);
    overview_file(&m->subject->checkpoint, page_field, to);
    page_verification(to, m);
    markup_add(to, "</dl></div>\n");
}

/* How far a pair's values are apart, for the order of the largest; negative where there is nothing to say. */
static double distance(const struct diff_pair *p)
{
    double rms = p->outcome == DIFF_VALUES && p->figures.max_abs >= 0 ? diff_rms(&p->figures) : -1;
    return isnan(rms) ? -1 : rms;
}

/* The largest first, of equal ones the first. Returns how many there are. */
static size_t find_largest(const struct diff *d, size_t largest[LARGEST])
{
    size_t n = 0;
    for (size_t i = 0; i < d->n_pairs; i++) {
        double x = distance(&d->pairs[i]);
        size_t at = n;
        if (x < 0) continue;
        while (at > 0 && distance(&d->pairs[largest[at - 1]]) < x) at--;
        if (at == LARGEST) continue;
        n += n < LARGEST;
        memmove(&largest[at + 1], &largest[at], (n - 1 - at) * sizeof *largest);
        largest[at] = i;
    }
    return n;
}

static void put_largest(struct markup *to, const struct page_both *b)
{
    const struct diff *d = &b->findings->diff;
    size_t largest[LARGEST], n = find_largest(d, largest);
    char place[192];
    if (n < 2) return;
    markup_add(to, "<div class=\"largest\"><h3>The largest differences of values</h3>\n<ol>\n");
    for (size_t i = 0; i < n; i++) {
        const struct diff_pair *p = &d->pairs[largest[i]];
        const struct diff_tensor t = diff_tensor_of(d, p, p->at[0] == DIFF_NOWHERE || p->head_of_wte[0]);
        findings_place_text(d, p, place, sizeof place);
        const bool leads = b->pairs->has_row[largest[i]];
        markup_add(to, "<li>");
        if (leads) markup_put(to, "<a href=\"#t%zu\">", largest[i]);
        markup_text(to, t.t.name, t.t.name_len);
        markup_put(to, "%s <span class=\"soft\">RMS %.3g of A, at most %.4g%s%s</span></li>\n", leads ? "</a>" : "",
                   diff_rms(&p->figures), p->figures.max_abs, t.t.rank ? ", at " : "", t.t.rank ? place : "");
    }
    markup_add(to, "</ol></div>\n");
}

void page_both_summary(struct markup *to, const struct page_both *b)
{
    char text[256];
    const struct findings *f = b->findings;
    findings_text(f, text);
    markup_put(to,
               "<section id=\"summary\" aria-labelledby=\"summary-title\">\n<h2 id=\"summary-title\">Summary</h2>\n"
               "<p id=\"verdict\" class=\"%s\"><b>%s</b> %s.</p>\n",
               f->equal ? "same" : "other", f->equal ? "Equal." : "Different.", text);
    put_largest(to, b);
    markup_add(to, "<div class=\"cards\">\n");
    for (unsigned s = 0; s < 2; s++) put_side(to, b, s);
    markup_add(to, "</div>\n</section>\n");
}

/* -------------------------------------------------------------------------------------------------------- model */

static void put_property(struct markup *to, const struct diff_property *p)
{
    markup_put(to, "<tr%s><th scope=\"row\">%s</th><td>", p->differs ? " class=\"differs\"" : "", p->name);
    markup_string(to, p->value[0]);
    markup_add(to, "</td><td>");
    markup_string(to, p->value[1]);
    markup_put(to, "</td><td>%s</td></tr>\n", p->differs ? "differs" : "");
}

static void put_unknown(struct markup *to, const struct diff_model *m)
{
    for (unsigned s = 0; s < 2; s++) {
        if (m->known[s]) continue;
        markup_put(to, "<p class=\"note\">Hyper-parameters were not compared, %c does not say them: ", "AB"[s]);
        markup_string(to, m->unknown[s]);
        markup_add(to, ".</p>\n");
    }
}

static void put_properties(struct markup *to, const struct diff_model *m)
{
    if (m->n_properties == 0) return;
    markup_add(to,
               "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"Hyper-parameters\">\n"
               "<table class=\"small words\"><thead><tr><th scope=\"col\">hyper-parameter</th><th scope=\"col\">A</th>"
               "<th scope=\"col\">B</th><th scope=\"col\"><span class=\"unseen\">difference</span></th></tr></thead>\n"
               "<tbody>\n");
    for (int differ = 1; differ >= 0; differ--)
        for (size_t i = 0; i < m->n_properties; i++)
            if (m->properties[i].differs == differ) put_property(to, &m->properties[i]);
    markup_add(to, "</tbody></table></div>\n");
}

static void put_tokenizer(struct markup *to, const struct diff_model *m)
{
    bool differs = m->tokenizer == DIFF_TOKENIZER_DIFFERS;
    markup_put(to, "<p>Tokenizer: <span%s>", differs ? " class=\"bad\"" : "");
    markup_string(to, m->tokenizer == DIFF_TOKENIZER_SAME ? "the same in both"
                      : differs                           ? m->difference
                      : m->has_tokenizer[0]               ? "not compared, B has none that is known"
                      : m->has_tokenizer[1]               ? "not compared, A has none that is known"
                                                          : "neither has one that is known");
    markup_add(to, "</span>.</p>\n");
}

void page_both_model(struct markup *to, const struct page_both *b)
{
    const struct findings *f = b->findings;
    markup_add(to, "<section id=\"model\" aria-labelledby=\"model-title\">\n<h2 id=\"model-title\">Model</h2>\n");
    if (f->has_model) {
        put_unknown(to, &f->model);
        put_properties(to, &f->model);
        put_tokenizer(to, &f->model);
    } else {
        markup_add(to, "<p class=\"note\">No recipe fits both: tensors were paired by their own names, "
                       "hyper-parameters not compared.</p>\n");
    }
    markup_add(to, "</section>\n");
}

/* --------------------------------------------------------------------------------------------------- parameters */

static void put_count(struct markup *to, const struct census *c, enum census_category category)
{
    if (category == CENSUS_UNEMBEDDING && c->tied)
        markup_add(to, "<td>tied</td>");
    else
        markup_put(to, "<td>%s</td>", human_count(c->count[category]).text);
}

static void put_categories(struct markup *to, const struct page_both *b)
{
    static const char *const titles[] = { "parameters", "A", "B" };
    const struct census *a = &b->model[0]->subject->census, *c = &b->model[1]->subject->census;
    begin_table(to, "Parameters by category", titles, 3);
    for (int i = 0; i < CENSUS_CATEGORIES; i++) {
        bool tied = i == CENSUS_UNEMBEDDING && (a->tied || c->tied);
        if (a->count[i] == 0 && c->count[i] == 0 && !tied) continue;
        bool differs = a->count[i] != c->count[i] || (tied && a->tied != c->tied);
        markup_put(to, "<tr%s><th scope=\"row\">%s</th>", differs ? " class=\"differs\"" : "",
                   census_name((enum census_category)i));
        put_count(to, a, (enum census_category)i);
        put_count(to, c, (enum census_category)i);
        markup_add(to, "</tr>\n");
    }
    markup_put(to, "</tbody><tfoot><tr><th scope=\"row\">total</th><td>%s</td><td>%s</td></tr></tfoot></table></div>\n",
               human_count(census_total(a)).text, human_count(census_total(c)).text);
}

void page_both_parameters(struct markup *to, const struct page_both *b)
{
    markup_add(to,
               "<section id=\"parameters\" aria-labelledby=\"parameters-title\">\n"
               "<h2 id=\"parameters-title\">Parameters</h2>\n<p class=\"note\">A rectangle is a tensor, as large as "
               "its number of parameters<span class=\"screen\">; following it leads to its row in the table</span>. "
               "What differs has a corner marked.</p>\n<div class=\"pair\">\n");
    for (unsigned s = 0; s < 2; s++) {
        markup_add(to, "<div>");
        put_letter(to, b, s);
        page_treemap(to, b->model[s]);
        markup_add(to, "</div>\n");
    }
    markup_add(to, "</div>\n");
    put_categories(to, b);
    markup_add(to, "</section>\n");
}

/* -------------------------------------------------------------------------------------------------------- bytes */

static void put_kinds(struct markup *to, const struct page_both *b)
{
    static const char *const titles[] = { "what", "A", "share", "B", "share" };
    begin_table(to, "Bytes by kind", titles, 5);
    for (unsigned k = 0; k < REGION_KINDS; k++) {
        struct region_total total[2];
        for (unsigned s = 0; s < 2; s++) total[s] = regions_total(&b->model[s]->regions, (enum region_kind)k);
        if (total[0].n == 0 && total[1].n == 0) continue;
        markup_put(to, "<tr><th scope=\"row\" class=\"k%c\">%s</th>", region_kind_letter((enum region_kind)k),
                   region_kind_name((enum region_kind)k));
        for (unsigned s = 0; s < 2; s++)
            markup_put(to, "<td>%s</td><td>%s</td>", human_count(total[s].bytes).text,
                       human_share(total[s].bytes, b->model[s]->regions.n_bytes).text);
        markup_add(to, "</tr>\n");
    }
    markup_add(to, "</tbody></table></div>\n");
}

void page_both_bytes(struct markup *to, const struct page_both *b)
{
    const uint64_t n[2] = { b->model[0]->regions.n_bytes, b->model[1]->regions.n_bytes };
    markup_add(to, "<section id=\"bytes\" aria-labelledby=\"bytes-title\">\n<h2 id=\"bytes-title\">Bytes</h2>\n"
                   "<p class=\"note\">Every byte of both to one scale, from the first at the top left to the "
                   "last.</p>\n<div class=\"pair\">\n");
    for (unsigned s = 0; s < 2; s++) {
        markup_add(to, "<div>");
        put_letter(to, b, s);
        page_strips(to, b->model[s], page_row_bytes(n[0] > n[1] ? n[0] : n[1], ROWS));
        markup_add(to, "</div>\n");
    }
    markup_add(to, "</div>\n");
    put_kinds(to, b);
    markup_add(to, "</section>\n");
}

/* page_diff.c - two checkpoints beside each other, and every tensor that either has. */
#include "inspect/page_parts.h"

#include "format/error.h"
#include "inspect/cli/human.h"
#include "inspect/overview.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------------- summary */

static void put_side(struct markup *to, const struct diff_side *side, char letter)
{
    size_t n;
    const char *name = page_name(side->cp.path, &n);
    markup_put(to, "<div><h3><b class=\"side\">%c</b> ", letter);
    markup_text(to, name, n);
    markup_add(to, "</h3>\n<dl>\n");
    overview_file(&side->cp, page_field, to);
    markup_add(to, "</dl></div>\n");
}

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

static void put_model(struct markup *to, const struct findings *f)
{
    const struct diff_model *m = &f->model;
    markup_add(to, "<section id=\"model\" aria-labelledby=\"model-title\">\n<h2 id=\"model-title\">Model</h2>\n");
    if (!f->has_model)
        markup_add(to, "<p class=\"note\">No recipe fits both: tensors were paired by their own names, "
                       "hyper-parameters not compared.</p>\n");
    else
        put_unknown(to, m);
    if (m->n_properties > 0) {
        markup_add(
            to, "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"Hyper-parameters\">\n"
                "<table class=\"small words\"><thead><tr><th scope=\"col\">hyper-parameter</th><th scope=\"col\">A</th>"
                "<th scope=\"col\">B</th><th scope=\"col\"><span class=\"unseen\">difference</span></th></tr></thead>\n"
                "<tbody>\n");
        for (size_t i = 0; i < m->n_properties; i++) put_property(to, &m->properties[i]);
        markup_add(to, "</tbody></table></div>\n");
    }
    if (f->has_model) {
        markup_add(to, "<p>Tokenizer: ");
        markup_string(to, m->tokenizer == DIFF_TOKENIZER_SAME      ? "the same"
                          : m->tokenizer == DIFF_TOKENIZER_DIFFERS ? m->difference
                                                                   : "not compared");
        markup_add(to, "</p>\n");
    }
    markup_add(to, "</section>\n");
}

/* ------------------------------------------------------------------------------------------------------- tensors */

static void put_both(struct markup *to, const char *const texts[2])
{
    const char *a = texts[0], *b = texts[1];
    markup_add(to, "<td>");
    markup_string(to, a ? a : b);
    if (a && b && strcmp(a, b) != 0) {
        markup_add(to, " <span class=\"to\">and</span> ");
        markup_string(to, b);
    }
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
    markup_text(to, named.t.name, named.t.name_len);
    markup_put(to, "</th><td>%s</td>", findings_differ(f, p) ? findings_difference(f, p) : "equal");
    put_both(to, dtype);
    put_both(to, shape);
}

static void put_figures(struct markup *to, const struct findings *found, const struct diff_pair *p)
{
    const struct diff_figures *f = &p->figures;
    char share[16], place[192];
    if (p->n_jobs == 0 || f->max_abs < 0) {
        markup_put(to, "<td>%s</td><td></td><td></td><td></td><td></td><td></td><td></td><td></td>",
                   p->n_jobs > 0 ? "100 %" : "");
        return;
    }
    findings_share(f, share);
    findings_place_text(&found->diff, p, place, sizeof place);
    markup_put(to,
               "<td>%s</td><td>%s</td><td>%.4g</td><td>%s</td><td>%.4g</td><td>%" PRIu64 "</td><td>%.9g</td>"
               "<td>%.3g</td>",
               share, human_count(f->n_elems - f->n_within).text, f->max_abs, place, f->max_rel, f->max_ulp,
               diff_cosine(f), diff_rms(f));
}

static void put_titles(struct markup *to)
{
    static const char *const words[] = { "tensor", "difference", "dtype", "shape" };
    static const char *const numbers[] = { "equal", "unequal", "max abs", "at", "max rel", "ULP", "cosine", "RMS" };
    markup_add(to, "<thead><tr>");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) markup_put(to, "<th scope=\"col\">%s</th>", words[i]);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        markup_put(to, "<th scope=\"col\" class=\"n\">%s</th>", numbers[i]);
    markup_add(to, "</tr></thead>\n<tbody>\n");
}

static void put_tensors(struct markup *to, const struct findings *f)
{
    markup_add(to,
               "<section id=\"tensors\" aria-labelledby=\"tensors-title\">\n<h2 id=\"tensors-title\">Tensors</h2>\n"
               "<div class=\"find\" hidden><label for=\"search\">Search</label> <input id=\"search\" type=\"search\" "
               "autocomplete=\"off\" spellcheck=\"false\" placeholder=\"name, difference, dtype or shape\"> "
               "<output id=\"found\" for=\"search\"></output></div>\n"
               "<div class=\"wide tall\" tabindex=\"0\" role=\"group\" aria-label=\"Table of tensors\">\n"
               "<table class=\"sortable compared\">\n");
    put_titles(to);
    for (size_t i = 0; i < f->diff.n_pairs; i++) {
        const struct diff_pair *p = &f->diff.pairs[i];
        page_row(to, i);
        markup_put(to, "<tr%s>", findings_differ(f, p) ? " class=\"differs\"" : "");
        put_what(to, f, p);
        put_figures(to, f, p);
        markup_add(to, "</tr>\n");
    }
    markup_add(to, "</tbody></table></div>\n<button id=\"more\" type=\"button\" hidden></button>\n</section>\n");
}

void page_comparison(struct markup *to, const struct findings *f)
{
    char text[256];
    findings_text(f, text);
    markup_put(to,
               "<section id=\"summary\" aria-labelledby=\"summary-title\">\n<h2 id=\"summary-title\">Summary</h2>\n"
               "<p id=\"verdict\" class=\"%s\"><b>%s</b> %s.</p>\n<div class=\"cards\">\n",
               f->equal ? "same" : "other", f->equal ? "Equal." : "Different.", text);
    for (unsigned s = 0; s < 2; s++) put_side(to, &f->diff.side[s], "AB"[s]);
    markup_add(to, "</div>\n</section>\n");
    put_model(to, f);
    put_tensors(to, f);
}

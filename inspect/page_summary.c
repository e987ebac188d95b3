/* page_summary.c - the sections that are about the checkpoint as a whole. */
#include "inspect/page_parts.h"

#include "format/error.h"
#include "inspect/architecture.h"
#include "inspect/cli/human.h"
#include "inspect/cost.h"
#include "inspect/map_draw.h"
#include "inspect/overview.h"

#include <stdio.h>
#include <string.h>

#define ROWS 40u /* of all files of the map together, about */

/* ------------------------------------------------------------------------------------------------------ summary */

static void put_figure(struct markup *to, const char *id, uint64_t value, const char *text, const char *what)
{
    markup_put(to, "<div><data id=\"%s\" value=\"%llu\">%s</data><span>%s</span></div>\n", id,
               (unsigned long long)value, text, what);
}

static void put_figures(struct markup *to, const struct page_model *m)
{
    uint64_t n_params = census_total(&m->subject->census);
    markup_add(to, "<div class=\"figures\">\n");
    put_figure(to, "parameters-total", n_params, human_count(n_params).text,
               n_params == 1 ? "parameter" : "parameters");
    put_figure(to, "bytes-total", m->n_bytes, human_bytes(m->n_bytes).text, "of tensors");
    put_figure(to, "tensors-total", m->n_tensors, human_count(m->n_tensors).text,
               m->n_tensors == 1 ? "tensor" : "tensors");
    markup_add(to, "</div>\n");
}

void page_verification(struct markup *to, const struct page_model *m)
{
    char text[96] = "not done";
    if (m->verified && !m->regions.verified) strcpy(text, "not possible: there are no checksums");
    if (m->verified && m->regions.verified) strcpy(text, "every checksum fits");
    if (m->n_damaged) snprintf(text, sizeof text, "DAMAGED: %s of the checksums", human_count(m->n_damaged).text);
    page_field(to, "verification", text);
}

static void put_cost(struct markup *to, const struct subject *s)
{
    const struct cost_question q = { &s->hp, &s->census, s->hp.n_ctx, s->dtype, s->embedding };
    struct cost cost = cost_of(&q);
    markup_put(to, "<h3>To run it, in %s at %s position%s</h3>\n<dl>\n", ingot_dtype_name(s->dtype),
               human_count(cost.n_ctx).text, plural(cost.n_ctx));
    page_field(to, "one token", human_operations(cost.flops_decode).text);
    page_field(to, "reads", human_bytes((uint64_t)cost.bytes_decode).text);
    page_field(to, "whole prompt", human_operations(cost.flops_prefill).text);
    page_field(to, "KV cache", human_bytes((uint64_t)cost.cache_bytes).text);
    page_field(to, "memory", human_bytes((uint64_t)cost.memory_bytes).text);
    markup_add(to, "</dl>\n");
}

void page_summary(struct markup *to, const struct page_model *m)
{
    const struct checkpoint *cp = &m->subject->checkpoint;
    markup_add(to, "<section id=\"summary\" aria-labelledby=\"summary-title\">\n"
                   "<h2 id=\"summary-title\">Summary</h2>\n");
    put_figures(to, m);
    markup_add(to, "<div class=\"cards\">\n<div><h3>File</h3>\n<dl>\n");
    overview_file(cp, page_field, to);
    page_verification(to, m);
    markup_add(to, "</dl></div>\n<div><h3>Model</h3>\n<dl>\n");
    overview_model(cp, page_field, to);
    markup_add(to, "</dl></div>\n<div><h3>Tokenizer</h3>\n<dl>\n");
    overview_vocabulary(cp, page_field, to);
    markup_add(to, "</dl>\n");
    if (m->subject->has_hparams) put_cost(to, m->subject);
    markup_add(to, "</div>\n</div>\n</section>\n");
}

/* ------------------------------------------------------------------------------------------------- architecture */

static bool is_sum(const struct architecture_step *s)
{
    return strncmp(s->what, "added", 5) == 0;
}

static void put_step(struct markup *to, const struct architecture_step *s)
{
    markup_put(to, "<li class=\"%s\"><span class=\"what\">", s->n_params ? "matrix" : is_sum(s) ? "sum" : "op");
    markup_string(to, s->what);
    markup_add(to, "</span> <span class=\"shape\">");
    markup_string(to, s->shape);
    markup_add(to, "</span>");
    if (s->n_params) markup_put(to, " <span class=\"n\">%s</span>", human_count(s->n_params).text);
    markup_add(to, "</li>\n");
}

/* The layers are a list in the list, and what a sum closes is a list in that: the path around it is a line beside it.
 */
static void put_steps(struct markup *to, const struct architecture_step *steps, size_t n, uint32_t n_layer)
{
    bool in_layer = false, in_branch = false;
    for (size_t i = 0; i < n; i++) {
        if (steps[i].in_layer && !in_layer)
            markup_put(to, "<li class=\"layer\"><p class=\"times\"><b>%s</b> layer%s, each:</p>\n<ol>\n",
                       human_count(n_layer).text, plural(n_layer));
        if (!steps[i].in_layer && in_layer) markup_add(to, "</ol></li>\n");
        in_layer = steps[i].in_layer;
        if (in_layer && !in_branch && !is_sum(&steps[i])) {
            markup_add(to, "<li class=\"branch\"><ol>\n");
            in_branch = true;
        } else if (in_branch && is_sum(&steps[i])) {
            markup_add(to, "</ol></li>\n");
            in_branch = false;
        }
        put_step(to, &steps[i]);
    }
}

void page_architecture(struct markup *to, const struct page_model *m)
{
    const struct subject *s = m->subject;
    struct architecture_step steps[ARCHITECTURE_STEPS];
    if (!s->has_hparams) return;
    size_t n = architecture_steps(&s->hp, &s->census, steps);
    markup_add(to, "<section id=\"architecture\" aria-labelledby=\"architecture-title\">\n"
                   "<h2 id=\"architecture-title\">Architecture</h2>\n"
                   "<p class=\"note\">Shapes are [inputs, outputs], T is the number of tokens; at the right the "
                   "parameters of one.</p>\n<ol class=\"flow\">\n");
    put_steps(to, steps, n, s->hp.n_layer);
    markup_add(to, "</ol>\n</section>\n");
}

/* ------------------------------------------------------------------------------------------------------ file map */

static void put_kinds(struct markup *to, const struct page_model *m)
{
    const struct regions *r = &m->regions;
    markup_put(
        to,
        "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"Bytes by kind\">\n<table class=\"small\">"
        "<thead><tr><th scope=\"col\">what</th><th scope=\"col\" class=\"n\">regions</th><th scope=\"col\" "
        "class=\"n\">bytes</th><th scope=\"col\" class=\"n\">share</th>%s</tr></thead>\n<tbody>\n",
        m->n_damaged > 0 ? "<th scope=\"col\" class=\"n\">damaged</th>" : "");
    for (unsigned k = 0; k < REGION_KINDS; k++) {
        struct region_total total = regions_total(r, (enum region_kind)k);
        if (total.n == 0) continue;
        markup_put(to, "<tr><th scope=\"row\" class=\"k%c\">%s</th><td>%s</td><td>%s</td><td>%s</td>",
                   region_kind_letter((enum region_kind)k), region_kind_name((enum region_kind)k),
                   human_count(total.n).text, human_count(total.bytes).text, human_share(total.bytes, r->n_bytes).text);
        if (m->n_damaged > 0) markup_put(to, "<td>%s</td>", total.damaged ? human_count(total.damaged).text : "no");
        markup_add(to, "</tr>\n");
    }
    markup_add(to, "</tbody></table></div>\n");
}

void page_strips(struct markup *to, const struct page_model *m, uint64_t row_bytes)
{
    const struct regions *r = &m->regions;
    for (size_t i = 0; i < r->n_files; i++) {
        const struct checkpoint_file *f = &r->files[i].file;
        markup_add(to, "<figure class=\"explore\"><figcaption><code>");
        markup_text(to, f->name, strlen(f->name));
        markup_put(to, "</code>, %s bytes</figcaption>\n", human_count(f->map->size).text);
        map_svg_strip(to, r, &r->files[i], row_bytes);
        markup_add(to, "<p class=\"about\" aria-live=\"polite\"></p></figure>\n");
    }
    if (r->n_absent)
        markup_put(to, "<p class=\"note\">Not here: the files of %s tensor%s.</p>\n", human_count(r->n_absent).text,
                   plural(r->n_absent));
}

void page_bytes(struct markup *to, const struct page_model *m)
{
    markup_add(to, "<section id=\"bytes\" aria-labelledby=\"bytes-title\">\n<h2 id=\"bytes-title\">Bytes</h2>\n"
                   "<p class=\"note\">Every byte of the file to scale, from the first at the top left to the last."
                   "<span class=\"screen\"> Pointing at a region names it; so do the arrow keys.</span></p>\n");
    page_strips(to, m, page_row_bytes(m->regions.n_bytes, ROWS));
    put_kinds(to, m);
    markup_add(to, "</section>\n");
}

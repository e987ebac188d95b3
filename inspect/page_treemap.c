/* page_treemap.c - where the parameters are: a rectangle for each tensor, by layers, and the categories as a table.
 *
 * Rectangles are placed by percentages, so that they fill whatever width there is, while the letters keep their size.
 * What is too small to be seen is put together: the number of rectangles is bounded, however many tensors there are. */
#include "inspect/page_parts.h"

#include "format/error.h"
#include "inspect/cli/human.h"
#include "inspect/cli/memory.h"
#include "inspect/treemap.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* The plane in which rectangles are laid out, in the page's pixels where there is room; of two each has half. */
#define WIDTH       1000.0
#define HALF_WIDTH  560.0
#define HEIGHT      480.0
#define HALF_HEIGHT 340.0
#define TITLE       15.0 /* of a group */

/* Parts of all parameters: what is smaller is put together. */
#define SMALL_CELL  3000.0
#define SMALL_GROUP 1500.0

#define LETTER       6.4 /* width, about */
#define NARROW_WIDTH 320.0

struct cell {
    size_t tensor; /* number in the checkpoint */
    const char *name;
    size_t name_len, key_len; /* the key is what the name has in common with its group */
    uint64_t n_elems;
};

struct group {
    const struct cell *cells; /* the largest first */
    size_t n;
    double n_elems;
};

struct drawing {
    struct markup *to;
    const struct page_model *model;
    struct cell *cells;
    struct group *groups;
    size_t n_cells, n_groups;
    double n_elems;
    double width, height;
};

/* ------------------------------------------------------------------------------------------------------ grouping */

/* Up to and including the first part of the name that ends in a digit: h.0, model/h0. Without one all but the last
 * part. */
static size_t key_length(const char *name, size_t n)
{
    size_t last = n;
    for (size_t i = 1; i < n; i++) {
        if (name[i] != '.' && name[i] != '/') continue;
        if (isdigit((unsigned char)name[i - 1])) return i;
        last = i;
    }
    return last;
}

static int by_key(const void *x, const void *y)
{
    const struct cell *a = x, *b = y;
    int order = memcmp(a->name, b->name, a->key_len < b->key_len ? a->key_len : b->key_len);
    if (order == 0) order = (a->key_len > b->key_len) - (a->key_len < b->key_len);
    if (order == 0) order = (a->n_elems < b->n_elems) - (a->n_elems > b->n_elems);
    return order ? order : (a->tensor > b->tensor) - (a->tensor < b->tensor);
}

/* Equal groups stay in the order of the file: layers by number. */
static int by_size(const void *x, const void *y)
{
    const struct group *a = x, *b = y;
    int order = (a->n_elems < b->n_elems) - (a->n_elems > b->n_elems);
    return order ? order : (a->cells->tensor > b->cells->tensor) - (a->cells->tensor < b->cells->tensor);
}

static void collect_cells(struct drawing *d)
{
    const struct checkpoint *cp = &d->model->subject->checkpoint;
    d->cells = memory_array(cp->n_tensors + 1, sizeof *d->cells);
    for (size_t i = 0; i < cp->n_tensors; i++) {
        struct checkpoint_tensor t = checkpoint_tensor_at(cp, i);
        if (t.target || t.n_elems == 0) continue;
        d->cells[d->n_cells++] = (struct cell){ i, t.name, t.name_len, key_length(t.name, t.name_len), t.n_elems };
        d->n_elems += (double)t.n_elems;
    }
    qsort(d->cells, d->n_cells, sizeof *d->cells, by_key);
}

static bool same_group(const struct cell *a, const struct cell *b)
{
    return a->key_len == b->key_len && memcmp(a->name, b->name, a->key_len) == 0;
}

static void collect_groups(struct drawing *d)
{
    d->groups = memory_array(d->n_cells + 1, sizeof *d->groups);
    for (size_t i = 0; i < d->n_cells; i++) {
        if (i == 0 || !same_group(&d->cells[i - 1], &d->cells[i]))
            d->groups[d->n_groups++] = (struct group){ .cells = &d->cells[i] };
        struct group *g = &d->groups[d->n_groups - 1];
        g->n++;
        g->n_elems += (double)d->cells[i].n_elems;
    }
    qsort(d->groups, d->n_groups, sizeof *d->groups, by_size);
}

/* ------------------------------------------------------------------------------------------------------- drawing */

/* Tensors whose strides are 0 may claim more than there is. */
static uint64_t whole(double n_elems)
{
    return n_elems < 0x1p64 ? (uint64_t)n_elems : UINT64_MAX;
}

static void put_place(const struct drawing *d, struct treemap_rect r)
{
    markup_put(d->to, " x=\"%.3f%%\" y=\"%.3f%%\" width=\"%.3f%%\" height=\"%.3f%%\"", 100 * r.x / d->width,
               100 * r.y / d->height, 100 * r.w / d->width, 100 * r.h / d->height);
}

/* A label only where there is room for it, on a narrow screen as well or marked as not for one. */
static void put_label(const struct drawing *d, const char *text, size_t n, struct treemap_rect r, double y,
                      const char *class)
{
    double need = LETTER * (double)n + 8;
    if (need > r.w || y + 4 > r.h) return;
    markup_put(d->to, "<text class=\"%s%s\" x=\"4\" y=\"%.0f\">", class,
               need > r.w * NARROW_WIDTH / d->width ? " roomy" : "", y);
    markup_text(d->to, text, n);
    markup_add(d->to, "</text>");
}

/* As much of the name as there is room for: "mlp.c_fc.weight", "mlp.c_fc", "c_fc". */
static void put_name(const struct drawing *d, const char *name, size_t n, struct treemap_rect r)
{
    size_t room = r.w > 8 ? (size_t)((r.w - 8) / LETTER) : 0, end = n;
    if (end > room)
        while (end > 0 && name[end - 1] != '.' && name[end - 1] != '/') end--;
    n = end == n || end == 0 ? n : end - 1;
    for (size_t i = 0; i < n && n > room; i++) {
        if (name[i] != '.' && name[i] != '/') continue;
        name += i + 1;
        n -= i + 1;
        i = 0;
    }
    put_label(d, name, n, r, 14, "name");
}

static void put_share(const struct drawing *d, double n_elems, struct treemap_rect r)
{
    struct human share = human_share(whole(n_elems), whole(d->n_elems));
    put_label(d, share.text, strlen(share.text), r, 28, "share");
}

static void put_box(const struct drawing *d, enum region_kind kind, struct treemap_rect r)
{
    markup_put(d->to, "<svg class=\"k%c\"", region_kind_letter(kind));
    put_place(d, r);
    markup_add(d->to, "><rect width=\"100%\" height=\"100%\"/>");
}

/* Of two: the pair of a tensor, or none. */
static size_t pair_of(const struct drawing *d, size_t tensor)
{
    const struct page_model *m = d->model;
    return m->pairs ? m->pairs->pair_of[m->side][tensor] : PAGE_NO_PAIR;
}

/* A tensor leads to its row in the table, if it has one. */
static bool begin_cell(const struct drawing *d, size_t tensor, size_t pair)
{
    const struct page_pairs *pairs = d->model->pairs;
    const bool leads = !pairs || (pair != PAGE_NO_PAIR && pairs->has_row[pair]);
    if (leads)
        markup_put(d->to, "<a href=\"#t%zu\"><title>", pairs ? pair : tensor);
    else
        markup_add(d->to, "<g><title>");
    return leads;
}

/* Of two, one that differs is marked. */
static void end_cell(const struct drawing *d, size_t pair, bool leads)
{
    if (pair != PAGE_NO_PAIR && page_pairs_differ(d->model->pairs, pair))
        markup_add(d->to, "<circle class=\"corner\" cx=\"100%\" r=\"8\"/>");
    markup_add(d->to, leads ? "</svg></a>\n" : "</svg></g>\n");
}

static void put_cell(const struct drawing *d, const struct cell *c, bool alone, struct treemap_rect r)
{
    char shape[192];
    struct checkpoint_tensor t = checkpoint_tensor_at(&d->model->subject->checkpoint, c->tensor);
    const size_t skip = alone || c->key_len == c->name_len ? 0 : c->key_len + 1, pair = pair_of(d, c->tensor);
    human_shape(t.rank, t.shape, shape, sizeof shape);
    const bool leads = begin_cell(d, c->tensor, pair);
    markup_text(d->to, t.name, t.name_len);
    markup_put(d->to, ", %s: %s parameter%s, %s</title>", shape, human_count(t.n_elems).text, plural(t.n_elems),
               human_share(t.n_elems, whole(d->n_elems)).text);
    put_box(d, d->model->kinds[c->tensor], r);
    put_name(d, c->name + skip, c->name_len - skip, r);
    put_share(d, (double)c->n_elems, r);
    end_cell(d, pair, leads);
}

static void put_rest(const struct drawing *d, const struct cell *first, size_t n, double n_elems, struct treemap_rect r)
{
    markup_put(d->to, "<g><title>%s small tensor%s: %s parameters, %s</title>", human_count(n).text, plural(n),
               human_count(whole(n_elems)).text, human_share(whole(n_elems), whole(d->n_elems)).text);
    put_box(d, d->model->kinds[first->tensor], r);
    markup_add(d->to, "</svg></g>\n");
}

/* The group's name stands in a strip of its own where it has more than one rectangle and room for it. */
static struct treemap_rect put_group_title(const struct drawing *d, const struct group *g, struct treemap_rect r)
{
    struct treemap_rect strip = r;
    if (g->n < 2 || r.h < 3 * TITLE || r.w < LETTER * (double)g->cells->key_len + 8) return r;
    strip.h = TITLE;
    markup_add(d->to, "<svg");
    put_place(d, strip);
    markup_add(d->to, ">");
    put_label(d, g->cells->name, g->cells->key_len, strip, 11, "group");
    markup_add(d->to, "</svg>");
    r.y += TITLE;
    r.h -= TITLE;
    return r;
}

static void put_group(const struct drawing *d, const struct group *g, struct treemap_rect r)
{
    double *areas = memory_array(g->n, sizeof *areas), left = 0;
    struct treemap_rect *rects = memory_array(g->n, sizeof *rects);
    size_t n = 0, n_cells;
    for (; n < g->n && (double)g->cells[n].n_elems * SMALL_CELL >= d->n_elems; n++)
        areas[n] = (double)g->cells[n].n_elems;
    n_cells = n;
    for (size_t i = n; i < g->n; i++) left += (double)g->cells[i].n_elems;
    if (n < g->n) areas[n++] = left; /* smaller than the last, or a little larger: the layout bears it */
    treemap_lay(areas, n, put_group_title(d, g, r), rects);
    for (size_t i = 0; i < n_cells; i++) put_cell(d, &g->cells[i], g->n == 1, rects[i]);
    if (n > n_cells) put_rest(d, &g->cells[n_cells], g->n - n_cells, left, rects[n_cells]);
    free(areas);
    free(rects);
}

static void put_groups(const struct drawing *d)
{
    double *areas = memory_array(d->n_groups, sizeof *areas), left = 0;
    struct treemap_rect *rects = memory_array(d->n_groups, sizeof *rects);
    size_t n = 0, n_groups, n_left = 0;
    for (; n < d->n_groups && d->groups[n].n_elems * SMALL_GROUP >= d->n_elems; n++) areas[n] = d->groups[n].n_elems;
    n_groups = n;
    for (size_t i = n; i < d->n_groups; i++) {
        left += d->groups[i].n_elems;
        n_left += d->groups[i].n;
    }
    if (n_left > 0) areas[n++] = left;
    treemap_lay(areas, n, (struct treemap_rect){ 0, 0, d->width, d->height }, rects);
    for (size_t i = 0; i < n_groups; i++) put_group(d, &d->groups[i], rects[i]);
    if (n_left > 0) put_rest(d, d->groups[n_groups].cells, n_left, left, rects[n_groups]);
    free(areas);
    free(rects);
}

/* What the colours say. */
static void put_legend(const struct drawing *d)
{
    bool seen[REGION_KINDS] = { false };
    for (size_t i = 0; i < d->n_cells; i++) seen[d->model->kinds[d->cells[i].tensor]] = true;
    markup_add(d->to, "<p class=\"legend\">");
    for (enum region_kind kind = 0; kind < REGION_KINDS; kind++)
        if (seen[kind])
            markup_put(d->to, "<span class=\"k%c\">%s</span> ", region_kind_letter(kind), region_kind_name(kind));
    markup_add(d->to, "</p>\n");
}

void page_treemap(struct markup *to, const struct page_model *m)
{
    struct drawing d = {
        .to = to, .model = m, .width = m->pairs ? HALF_WIDTH : WIDTH, .height = m->pairs ? HALF_HEIGHT : HEIGHT
    };
    collect_cells(&d);
    collect_groups(&d);
    if (d.n_cells == 0) {
        markup_add(to, "<p class=\"note\">There are none.</p>\n");
    } else {
        markup_add(to, "<figure class=\"explore\">\n<svg class=\"treemap\" role=\"group\" aria-label=\"Treemap of "
                       "parameters\">\n");
        put_groups(&d);
        markup_add(to, "</svg>\n");
        put_legend(&d);
        markup_add(to, "<p class=\"about\" aria-live=\"polite\"></p></figure>\n");
    }
    free(d.cells);
    free(d.groups);
}

/* ---------------------------------------------------------------------------------------------------- categories */

static void put_category(struct markup *to, const struct census *c, enum census_category category)
{
    uint64_t n = c->count[category], each = census_per_layer(c, category), total = census_total(c);
    bool tied = category == CENSUS_UNEMBEDDING && c->tied;
    if (n == 0 && !tied) return;
    markup_put(to, "<tr><th scope=\"row\">%s</th><td>%s</td>", census_name(category),
               each ? human_count(each).text : "");
    if (tied)
        markup_add(to, "<td>tied</td><td></td><td class=\"bar\"></td></tr>\n");
    else
        markup_put(to,
                   "<td>%s</td><td>%s</td><td class=\"bar\"><svg aria-hidden=\"true\"><rect width=\"%.2f%%\" "
                   "height=\"100%%\"/></svg></td></tr>\n",
                   human_count(n).text, human_share(n, total).text, total ? 100 * (double)n / (double)total : 0);
}

static void put_categories(struct markup *to, const struct census *c)
{
    markup_add(
        to, "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"Parameters by category\">\n"
            "<table class=\"small\"><thead><tr><th scope=\"col\">parameters</th><th scope=\"col\" class=\"n\">"
            "per layer</th><th scope=\"col\" class=\"n\">in all</th><th scope=\"col\" class=\"n\">share</th>"
            "<th scope=\"col\" class=\"bar\"><span class=\"unseen\">share, drawn</span></th></tr></thead>\n<tbody>\n");
    for (int i = 0; i < CENSUS_CATEGORIES; i++) put_category(to, c, (enum census_category)i);
    markup_put(
        to,
        "</tbody><tfoot><tr><th scope=\"row\">total</th><td></td><td>%s</td><td></td><td class=\"bar\"></td></tr>"
        "</tfoot>"
        "</table></div>\n",
        human_count(census_total(c)).text);
    if (c->tied)
        markup_add(to, "<p class=\"note\">The unembedding is the token embedding, used a second time and counted "
                       "once.</p>\n");
    for (uint32_t i = 0; i < c->n_reasons; i++) {
        markup_put(to, "<p class=\"note\">Not counted, though stored: %s element%s of ",
                   human_count(c->left_out[i].n_elems).text, plural(c->left_out[i].n_elems));
        markup_string(to, c->left_out[i].why);
        markup_add(to, ".</p>\n");
    }
}

void page_parameters(struct markup *to, const struct page_model *m)
{
    markup_add(to,
               "<section id=\"parameters\" aria-labelledby=\"parameters-title\">\n"
               "<h2 id=\"parameters-title\">Parameters</h2>\n<p class=\"note\">A rectangle is a tensor, as large as "
               "its number of parameters<span class=\"screen\">; following it leads to its row in the table</span>."
               "</p>\n");
    page_treemap(to, m);
    put_categories(to, &m->subject->census);
    markup_add(to, "</section>\n");
}

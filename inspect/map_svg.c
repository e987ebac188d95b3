/* map_svg.c - a strip of the file's bytes, cut into rows; each region is one path that says what it is. Plain SVG 1.1:
 * nothing is fetched, nothing is run, light and dark are the reader's choice. */
#include "inspect/map_draw.h"

#include "format/error.h"
#include "inspect/cli/human.h"
#include "inspect/page.h"

#include <inttypes.h>
#include <string.h>

#define LEFT     20.0
#define WIDTH    960.0
#define ROW      20.0
#define ROW_STEP 24.0
#define LINE     18.0 /* of text */
#define ROWS     40u  /* of all files together, about */
#define VISIBLE  4000 /* parts of all bytes: what is smaller is drawn with its neighbours in a page */

static uint64_t row_count(uint64_t bytes, uint64_t row_bytes)
{
    return bytes / row_bytes + (bytes % row_bytes != 0);
}

static double height_of(const struct regions *r, uint64_t row_bytes)
{
    double height = 4 * LINE;
    for (unsigned k = 0; k < REGION_KINDS; k++)
        if (regions_total(r, (enum region_kind)k).n > 0) height += LINE;
    for (size_t i = 0; i < r->n_files; i++)
        height += 2 * LINE + ROW_STEP * (double)row_count(r->files[i].file.map->size, row_bytes);
    return height;
}

static void put_style(struct markup *s)
{
    markup_add(s, "<style>\ntext { font: 13px system-ui, sans-serif; fill: #222 }\n.ground { fill: #fff }\n"
                  "path:hover, path:focus { stroke: #000; stroke-width: 1 }\n"
                  ".damaged { stroke: #d00; stroke-width: 3 }\n");
    markup_add(s, page_kinds_css);
    markup_add(s, "@media (prefers-color-scheme: dark) {\ntext { fill: #ddd }\n.ground { fill: #14171a }\n"
                  "path:hover, path:focus { stroke: #fff }\n.damaged { stroke: #f66 }\n");
    markup_add(s, page_kinds_dark_css);
    markup_add(s, "}\n</style>\n");
}

static void put_head(struct markup *s, const struct regions *r, const char *title, double height)
{
    markup_put(s,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" "
               "aria-labelledby=\"title desc\">\n<title id=\"title\">File map of ",
               2 * LEFT + WIDTH, height);
    markup_text(s, title, strlen(title));
    markup_put(s, "</title>\n<desc id=\"desc\">%s bytes in %zu file%s, drawn to scale.", human_count(r->n_bytes).text,
               r->n_files, plural(r->n_files));
    for (unsigned k = 0; k < REGION_KINDS; k++) {
        struct region_total total = regions_total(r, (enum region_kind)k);
        if (total.bytes > 0)
            markup_put(s, " %s: %s.", region_kind_name((enum region_kind)k), human_share(total.bytes, r->n_bytes).text);
    }
    markup_put(s, "</desc>\n");
    put_style(s);
    markup_put(s, "<rect class=\"ground\" width=\"100%%\" height=\"100%%\"/>\n");
}

static void put_region_title(struct markup *s, const struct regions *r, const struct region *region)
{
    if (region->name) markup_text(s, region->name, region->name_len);
    markup_put(s, "%s%s: %s byte%s at %" PRIu64, region->name ? ", " : "", region_kind_name(region->kind),
               human_count(region->n_bytes).text, plural(region->n_bytes), region->off);
    if (r->knows_resident) markup_put(s, ", %s in memory", human_share(region->resident, region->n_bytes).text);
    if (region->damaged) markup_add(s, ", DAMAGED");
}

/* n regions that are drawn as one; the largest gives its colour. */
struct run {
    const struct region *first, *largest;
    size_t n;
    uint64_t n_bytes, damaged;
};

/* The regions from `first` on, of `most`, that together have as many bytes as can be seen. */
static struct run run_of(const struct region *first, size_t most, uint64_t visible)
{
    struct run run = { .first = first, .largest = first };
    for (; run.n < most; run.n++) {
        const struct region *next = &first[run.n];
        if (run.n > 0 && (run.n_bytes >= visible || next->n_bytes >= visible)) break;
        if (next->n_bytes > run.largest->n_bytes) run.largest = next;
        run.n_bytes += next->n_bytes;
        run.damaged += next->damaged;
    }
    return run;
}

static void put_run_title(struct markup *s, const struct regions *r, const struct run *run)
{
    markup_add(s, "<title>");
    if (run->n > 1)
        markup_put(s, "%s small regions: %s bytes at %" PRIu64 "%s, the largest: ", human_count(run->n).text,
                   human_count(run->n_bytes).text, run->first->off, run->damaged ? ", DAMAGED" : "");
    put_region_title(s, r, run->largest);
    markup_add(s, "</title>");
}

/* Where the rows are drawn. */
struct strip {
    uint64_t row_bytes;
    double left, width, top;
};

/* One rectangle for each row that it touches. */
static void put_run(struct markup *s, const struct regions *r, const struct run *run, const struct strip *strip)
{
    uint64_t off = run->first->off, end = off + run->n_bytes, row_bytes = strip->row_bytes;
    markup_put(s, "<path class=\"k%c%s\" data-offset=\"%" PRIu64 "\" data-bytes=\"%" PRIu64 "\" d=\"",
               region_kind_letter(run->largest->kind), run->damaged ? " damaged" : "", off, run->n_bytes);
    for (uint64_t at = off; at < end;) {
        uint64_t row = at / row_bytes, rest = row_bytes - at % row_bytes, n = end - at < rest ? end - at : rest;
        double w = strip->width * (double)n / (double)row_bytes;
        markup_put(s, "M%.3f %.1fh%.3fv%.0fh-%.3fz",
                   strip->left + strip->width * (double)(at % row_bytes) / (double)row_bytes,
                   strip->top + ROW_STEP * (double)row, w, ROW, w);
        at += n;
    }
    markup_add(s, "\">");
    put_run_title(s, r, run);
    markup_add(s, "</path>\n");
}

static void put_strip(struct markup *s, const struct regions *r, const struct region_file *f, const struct strip *strip,
                      uint64_t visible)
{
    for (size_t i = 0; i < f->n;) {
        struct run run = run_of(&f->regions[i], f->n - i, visible);
        put_run(s, r, &run, strip);
        i += run.n;
    }
}

static double put_file(struct markup *s, const struct regions *r, const struct region_file *f, uint64_t row_bytes,
                       double top)
{
    uint64_t size = f->file.map->size;
    const struct strip strip = { .row_bytes = row_bytes, .left = LEFT, .width = WIDTH, .top = top + 1.5 * LINE };
    markup_put(s, "<text x=\"%.0f\" y=\"%.1f\">", LEFT, top + LINE);
    markup_text(s, f->file.path, strlen(f->file.path));
    markup_put(s, ", %s byte%s</text>\n<g>\n", human_count(size).text, plural(size));
    put_strip(s, r, f, &strip, 0);
    markup_add(s, "</g>\n");
    return top + 2 * LINE + ROW_STEP * (double)row_count(size, row_bytes);
}

static void put_legend(struct markup *s, const struct regions *r, double top)
{
    for (unsigned k = 0; k < REGION_KINDS; k++) {
        struct region_total total = regions_total(r, (enum region_kind)k);
        if (total.n == 0) continue;
        markup_put(
            s,
            "<rect class=\"k%c\" x=\"%.0f\" y=\"%.1f\" width=\"12\" height=\"12\"/><text x=\"%.0f\" y=\"%.1f\">%s, %s, "
            "%s</text>\n",
            region_kind_letter((enum region_kind)k), LEFT, top, LEFT + LINE, top + 11,
            region_kind_name((enum region_kind)k), human_bytes(total.bytes).text,
            human_share(total.bytes, r->n_bytes).text);
        top += LINE;
    }
}

char *map_svg(const struct regions *r, const char *title, size_t *n)
{
    struct markup s = { 0 };
    uint64_t row_bytes = r->n_bytes / ROWS + 1;
    double top = LINE / 2;
    put_head(&s, r, title, height_of(r, row_bytes));
    for (size_t i = 0; i < r->n_files; i++) top = put_file(&s, r, &r->files[i], row_bytes, top);
    put_legend(&s, r, top + LINE);
    markup_add(&s, "</svg>\n");
    *n = s.n;
    return s.text;
}

void map_svg_strip(struct markup *s, const struct regions *r, const struct region_file *f, uint64_t row_bytes)
{
    const struct strip strip = { .row_bytes = row_bytes, .width = WIDTH };
    double height = ROW_STEP * (double)row_count(f->file.map->size, strip.row_bytes);
    markup_put(s,
               "<svg class=\"strip\" viewBox=\"0 0 %.0f %.0f\" height=\"%.0f\" preserveAspectRatio=\"none\" "
               "role=\"group\" aria-label=\"File map\">\n",
               WIDTH, height, height);
    put_strip(s, r, f, &strip, r->n_bytes / VISIBLE);
    markup_add(s, "</svg>\n");
}

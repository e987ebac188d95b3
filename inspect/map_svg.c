/* map_svg.c - a strip of the file's bytes, cut into rows; each region is one path that says what it is. Plain SVG 1.1:
 * nothing is fetched, nothing is run, light and dark are the reader's choice. */
#include "inspect/map_draw.h"

#include "format/error.h"
#include "inspect/cli/human.h"
#include "inspect/cli/memory.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEFT     20.0
#define WIDTH    960.0
#define ROW      20.0
#define ROW_STEP 24.0
#define LINE     18.0 /* of text */
#define ROWS     40u  /* of all files together, about */

/* Fill in light and in dark. */
static const char *const fills[REGION_KINDS][2] = {
    [REGION_SUPERBLOCK] = { "#444444", "#cccccc" },  [REGION_INDEX] = { "#8a6d3b", "#c8a96a" },
    [REGION_VOCABULARY] = { "#b07aa1", "#c795b9" },  [REGION_METADATA] = { "#9c755f", "#b8917b" },
    [REGION_EMBEDDING] = { "#4e79a7", "#6f9bca" },   [REGION_ATTENTION] = { "#f28e2b", "#f5a655" },
    [REGION_MLP] = { "#59a14f", "#79bf6f" },         [REGION_NORMS] = { "#e15759", "#ee7c7e" },
    [REGION_UNEMBEDDING] = { "#3c8f8b", "#76b7b2" }, [REGION_TENSOR] = { "#c9a227", "#edc948" },
    [REGION_STRUCTURE] = { "#8c8c8c", "#7a7a7a" },   [REGION_PADDING] = { "#dddddd", "#333333" },
    [REGION_DEAD] = { "#ff9da7", "#a8505a" },
};

struct svg {
    char *text;
    size_t n, cap;
};

__attribute__((format(printf, 2, 3))) static void put(struct svg *s, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    s->text = memory_grow(s->text, &s->cap, s->n + (size_t)n + 1, 1);
    vsnprintf(s->text + s->n, (size_t)n + 1, fmt, again);
    s->n += (size_t)n;
    va_end(again);
    va_end(args);
}

/* Foreign text as one harmless line, and then as XML. */
static void put_text(struct svg *s, const char *text, size_t n)
{
    char shown[4 * INGOT_MAX_NAME + 8];
    ingot_escape(text, n, shown, sizeof shown);
    for (const char *c = shown; *c; c++) {
        const char *entity = *c == '&'    ? "&amp;"
                             : *c == '<'  ? "&lt;"
                             : *c == '>'  ? "&gt;"
                             : *c == '"'  ? "&quot;"
                             : *c == '\'' ? "&apos;"
                                          : NULL;
        if (entity)
            put(s, "%s", entity);
        else
            put(s, "%c", *c);
    }
}

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

static void put_style(struct svg *s)
{
    put(s, "<style>\ntext { font: 13px system-ui, sans-serif; fill: #222 }\n.ground { fill: #fff }\n"
           "path:hover, path:focus { stroke: #000; stroke-width: 1 }\n.damaged { stroke: #d00; stroke-width: 3 }\n");
    for (unsigned k = 0; k < REGION_KINDS; k++) put(s, ".k%u { fill: %s }\n", k, fills[k][0]);
    put(s, "@media (prefers-color-scheme: dark) {\ntext { fill: #ddd }\n.ground { fill: #161616 }\n"
           "path:hover, path:focus { stroke: #fff }\n.damaged { stroke: #f66 }\n");
    for (unsigned k = 0; k < REGION_KINDS; k++) put(s, ".k%u { fill: %s }\n", k, fills[k][1]);
    put(s, "}\n</style>\n");
}

static void put_head(struct svg *s, const struct regions *r, const char *title, double height)
{
    put(s,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" "
        "aria-labelledby=\"title desc\">\n<title id=\"title\">File map of ",
        2 * LEFT + WIDTH, height);
    put_text(s, title, strlen(title));
    put(s, "</title>\n<desc id=\"desc\">%s bytes in %zu file%s, drawn to scale.", human_count(r->n_bytes).text,
        r->n_files, r->n_files == 1 ? "" : "s");
    for (unsigned k = 0; k < REGION_KINDS; k++) {
        struct region_total total = regions_total(r, (enum region_kind)k);
        if (total.bytes > 0)
            put(s, " %s: %s.", region_kind_name((enum region_kind)k), human_share(total.bytes, r->n_bytes).text);
    }
    put(s, "</desc>\n");
    put_style(s);
    put(s, "<rect class=\"ground\" width=\"100%%\" height=\"100%%\"/>\n");
}

static void put_region_title(struct svg *s, const struct regions *r, const struct region *region)
{
    put(s, "<title>");
    if (region->name) put_text(s, region->name, region->name_len);
    put(s, "%s%s: %s bytes at %" PRIu64, region->name ? ", " : "", region_kind_name(region->kind),
        human_count(region->n_bytes).text, region->off);
    if (r->knows_resident) put(s, ", %s in memory", human_share(region->resident, region->n_bytes).text);
    if (region->damaged) put(s, ", DAMAGED");
    put(s, "</title>");
}

/* One rectangle for each row that it touches. */
static void put_region(struct svg *s, const struct regions *r, const struct region *region, uint64_t row_bytes,
                       double top)
{
    uint64_t end = region->off + region->n_bytes;
    put(s, "<path class=\"k%u%s\" data-offset=\"%" PRIu64 "\" data-bytes=\"%" PRIu64 "\" d=\"", (unsigned)region->kind,
        region->damaged ? " damaged" : "", region->off, region->n_bytes);
    for (uint64_t at = region->off; at < end;) {
        uint64_t row = at / row_bytes, rest = row_bytes - at % row_bytes, n = end - at < rest ? end - at : rest;
        double w = WIDTH * (double)n / (double)row_bytes;
        put(s, "M%.3f %.1fh%.3fv%.0fh-%.3fz", LEFT + WIDTH * (double)(at % row_bytes) / (double)row_bytes,
            top + ROW_STEP * (double)row, w, ROW, w);
        at += n;
    }
    put(s, "\">");
    put_region_title(s, r, region);
    put(s, "</path>\n");
}

static double put_file(struct svg *s, const struct regions *r, const struct region_file *f, uint64_t row_bytes,
                       double top)
{
    uint64_t size = f->file.map->size;
    put(s, "<text x=\"%.0f\" y=\"%.1f\">", LEFT, top + LINE);
    put_text(s, f->file.path, strlen(f->file.path));
    put(s, ", %s bytes</text>\n<g>\n", human_count(size).text);
    for (size_t i = 0; i < f->n; i++) put_region(s, r, &f->regions[i], row_bytes, top + 1.5 * LINE);
    put(s, "</g>\n");
    return top + 2 * LINE + ROW_STEP * (double)row_count(size, row_bytes);
}

static void put_legend(struct svg *s, const struct regions *r, double top)
{
    for (unsigned k = 0; k < REGION_KINDS; k++) {
        struct region_total total = regions_total(r, (enum region_kind)k);
        if (total.n == 0) continue;
        put(s,
            "<rect class=\"k%u\" x=\"%.0f\" y=\"%.1f\" width=\"12\" height=\"12\"/><text x=\"%.0f\" y=\"%.1f\">%s, %s, "
            "%s</text>\n",
            k, LEFT, top, LEFT + LINE, top + 11, region_kind_name((enum region_kind)k), human_bytes(total.bytes).text,
            human_share(total.bytes, r->n_bytes).text);
        top += LINE;
    }
}

char *map_svg(const struct regions *r, const char *title, size_t *n)
{
    struct svg s = { 0 };
    uint64_t row_bytes = r->n_bytes / ROWS + 1;
    double top = LINE / 2;
    put_head(&s, r, title, height_of(r, row_bytes));
    for (size_t i = 0; i < r->n_files; i++) top = put_file(&s, r, &r->files[i], row_bytes, top);
    put_legend(&s, r, top + LINE);
    put(&s, "</svg>\n");
    *n = s.n;
    return s.text;
}

/* page_frame.c - what stands around the sections. The policy allows the page's own styles and script, by their hashes:
 * should a name ever get through as markup, it could neither run nor fetch anything. */
#include "inspect/page_parts.h"

#include "inspect/cli/human.h"
#include "inspect/page.h"

#include <string.h>

#define ROWS_AT_ONCE  500u /* page.js shows as many at first */
#define LONG_NAME     160u
#define ROW_BYTES_MIN 64u

const char *page_name(const char *path, size_t *n)
{
    size_t end = strlen(path), begin;
    while (end > 1 && path[end - 1] == '/') end--;
    for (begin = end; begin > 0 && path[begin - 1] != '/'; begin--) continue;
    *n = end - begin;
    return path + begin;
}

static void put_names(struct markup *to, const char *const *paths, size_t n_paths, const char *between)
{
    for (size_t i = 0; i < n_paths; i++) {
        size_t n;
        const char *name = page_name(paths[i], &n);
        if (i > 0) markup_add(to, between);
        markup_text(to, name, n);
    }
}

static void put_head(struct markup *to, const char *const *paths, size_t n_paths)
{
    markup_put(to,
               "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
               "<meta http-equiv=\"Content-Security-Policy\" content=\"%s\">\n"
               "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
               "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n"
               "<meta name=\"generator\" content=\"ingot " INGOT_VERSION "\">\n<title>",
               page_policy);
    put_names(to, paths, n_paths, " and ");
    markup_add(to, "</title>\n<style>");
    markup_add(to, page_light_css);
    markup_add(to, "</style>\n<style id=\"dark\" media=\"screen and (prefers-color-scheme: dark)\">");
    markup_add(to, page_dark_css);
    markup_add(to, "</style>\n</head>\n");
}

void page_begin(struct markup *to, const char *const *paths, size_t n_paths, const char *lede,
                const struct page_link *links)
{
    put_head(to, paths, n_paths);
    markup_add(to, "<body>\n<a class=\"skip\" href=\"#tensors\">Skip to the tensors</a>\n<header>\n"
                   "<button id=\"theme\" type=\"button\" hidden>Dark</button>\n<h1>");
    put_names(to, paths, n_paths, " <span class=\"and\">and</span> ");
    markup_add(to, "</h1>\n<p class=\"lede\">");
    markup_string(to, lede);
    markup_add(to, "</p>\n<nav aria-label=\"Sections\">");
    for (const struct page_link *l = links; l->id; l++) markup_put(to, "<a href=\"#%s\">%s</a>\n", l->id, l->title);
    markup_add(to, "</nav>\n</header>\n<main>\n");
}

void page_end(struct markup *to)
{
    markup_add(to, "</main>\n<footer><p>Made by ingot " INGOT_VERSION ".</p></footer>\n<script>");
    markup_add(to, page_js);
    markup_add(to, "</script>\n</body>\n</html>\n");
}

void page_row(struct markup *to, size_t i)
{
    if (i == ROWS_AT_ONCE) markup_add(to, "</tbody>\n<tbody class=\"later\">\n");
}

void page_rows_note(struct markup *to, const char *which, uint64_t n, const char *command)
{
    if (n <= PAGE_ROWS_MAX) return;
    const uint64_t n_left = n - PAGE_ROWS_MAX;
    markup_put(to, "<p class=\"note\">The table has %s of %s tensors, %s; %s %s left out. All: <code>%s</code></p>\n",
               human_count(PAGE_ROWS_MAX).text, human_count(n).text, which, human_count(n_left).text,
               n_left == 1 ? "is" : "are", command);
}

void page_tensor_name(struct markup *to, const char *name, size_t n)
{
    markup_add(to, n > LONG_NAME ? "<div class=\"long\">" : "");
    markup_text(to, name, n);
    markup_add(to, n > LONG_NAME ? "</div>" : "");
}

uint64_t page_row_bytes(uint64_t n_bytes, unsigned n_rows)
{
    return n_bytes / n_rows < ROW_BYTES_MIN ? ROW_BYTES_MIN : n_bytes / n_rows + 1;
}

void page_field(void *ctx, const char *name, const char *value)
{
    struct markup *to = ctx;
    if (*name) {
        markup_add(to, "<dt>");
        markup_string(to, name);
        markup_add(to, "</dt>");
    }
    markup_add(to, "<dd>");
    markup_string(to, value);
    markup_add(to, "</dd>\n");
}

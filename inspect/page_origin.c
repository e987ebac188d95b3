/* page_origin.c - what is stated beside the tensors. Of two files, a line that the other has not is marked; lines are
 * compared as a set, which takes no longer for hostile texts, and which order does not matter to. */
#include "inspect/page_parts.h"

#include "format/error.h"
#include "inspect/cli/human.h"
#include "inspect/cli/memory.h"
#include "inspect/overview.h"

#include <stdlib.h>
#include <string.h>

#define FACT_MAX 1024 /* bytes of a value that is stated beside the tensors */

/* --------------------------------------------------------------------------------------------------- of one file */

static void put_section_text(struct markup *to, const struct ingot_file *file, const char *name, const char *title,
                             bool open)
{
    struct ingot_section s;
    if (!ingot_find(file, name, &s)) return;
    markup_put(to, "<details%s><summary>%s</summary>\n<pre tabindex=\"0\">", open ? " open" : "", title);
    markup_lines(to, s.data, s.raw_bytes);
    markup_add(to, "</pre></details>\n");
}

static void put_facts(struct markup *to, const struct ingot_source *source)
{
    size_t n = ingot_source_fact_count(source);
    char text[4 * FACT_MAX];
    if (n == 0) {
        markup_add(to, "<p class=\"note\">Nothing is stated beside the tensors.</p>\n");
        return;
    }
    markup_put(to, "<details%s><summary>%s stated beside the tensors</summary>\n<dl class=\"facts\">\n",
               n <= 40 ? " open" : "", human_count(n).text);
    for (size_t i = 0; i < n; i++) {
        struct ingot_fact f = ingot_source_fact(source, i);
        overview_fact_text(&f, FACT_MAX, text, sizeof text);
        markup_add(to, "<dt>");
        markup_text(to, f.key, strlen(f.key));
        markup_add(to, "</dt><dd>");
        markup_string(to, text);
        markup_add(to, "</dd>\n");
    }
    markup_add(to, "</dl></details>\n");
}

static void put_texts(struct markup *to, const struct page_model *m)
{
    const struct ingot_file *file = m->subject->checkpoint.file;
    if (!file) return;
    put_section_text(to, file, INGOT_NAME_PROVENANCE, "Provenance: where each tensor came from", false);
    put_section_text(to, file, INGOT_NAME_RECIPE, "Recipe by which it was converted", false);
}

void page_origin(struct markup *to, const struct page_model *m)
{
    const struct checkpoint *cp = &m->subject->checkpoint;
    markup_add(to, "<section id=\"origin\" aria-labelledby=\"origin-title\">\n<h2 id=\"origin-title\">Origin</h2>\n");
    if (cp->file)
        put_section_text(to, cp->file, INGOT_NAME_METADATA, "Metadata", true);
    else
        put_facts(to, cp->source);
    put_texts(to, m);
    markup_add(to, "</section>\n");
}

/* -------------------------------------------------------------------------------------------------- of two files */

/* Lines as a terminal may be shown them, one NUL-terminated string after the other. */
struct lines {
    char *text;
    size_t n_text, text_capacity;
    const char **sorted;
    size_t n;
};

static void add_text(struct lines *l, const char *shown, size_t n)
{
    l->text = memory_grow(l->text, &l->text_capacity, l->n_text + n, 1);
    memcpy(l->text + l->n_text, shown, n);
    l->n_text += n;
}

static void add_escaped(struct lines *l, const char *text, size_t n)
{
    char *shown = memory_array(4 * n + 8, 1);
    ingot_escape(text, n, shown, 4 * n + 8);
    add_text(l, shown, strlen(shown));
    free(shown);
}

static void end_line(struct lines *l)
{
    add_text(l, "", 1);
    l->n++;
}

static void read_metadata(struct lines *l, const struct ingot_file *file)
{
    struct ingot_section s;
    if (!ingot_find(file, INGOT_NAME_METADATA, &s)) return;
    const char *text = s.data;
    for (size_t i = 0, n; i < s.raw_bytes; i += n + 1) {
        const char *newline = memchr(text + i, '\n', s.raw_bytes - i);
        n = newline ? (size_t)(newline - (text + i)) : s.raw_bytes - i;
        add_escaped(l, text + i, n);
        end_line(l);
    }
}

static void read_facts(struct lines *l, const struct ingot_source *source)
{
    char text[4 * FACT_MAX];
    for (size_t i = 0; i < ingot_source_fact_count(source); i++) {
        struct ingot_fact f = ingot_source_fact(source, i);
        overview_fact_text(&f, FACT_MAX, text, sizeof text);
        add_escaped(l, f.key, strlen(f.key));
        add_text(l, ": ", 2);
        add_text(l, text, strlen(text));
        end_line(l);
    }
}

static int by_text(const void *x, const void *y)
{
    const char *const *a = x, *const *b = y;
    return strcmp(*a, *b);
}

static void read_lines(struct lines *l, const struct checkpoint *cp)
{
    if (cp->file)
        read_metadata(l, cp->file);
    else
        read_facts(l, cp->source);
    const char *line = l->text;
    l->sorted = memory_array(l->n + 1, sizeof *l->sorted);
    for (size_t i = 0; i < l->n; i++, line += strlen(line) + 1) l->sorted[i] = line;
    qsort(l->sorted, l->n, sizeof *l->sorted, by_text);
}

static bool has_line(const struct lines *l, const char *line)
{
    return bsearch(&line, l->sorted, l->n, sizeof *l->sorted, by_text) != NULL;
}

static void put_lines(struct markup *to, const struct lines *here, const struct lines *there)
{
    const char *line = here->text;
    markup_add(to, "<pre class=\"lines\" tabindex=\"0\">");
    for (size_t i = 0; i < here->n; i++, line += strlen(line) + 1) {
        bool shared = has_line(there, line);
        markup_add(to, shared ? "" : "<mark>");
        markup_string(to, line);
        markup_add(to, shared ? "\n" : "</mark>\n");
    }
    markup_add(to, "</pre>\n");
}

static bool same_lines(const struct lines l[2])
{
    return l[0].n_text == l[1].n_text && (l[0].n == 0 || memcmp(l[0].text, l[1].text, l[0].n_text) == 0);
}

void page_both_origin(struct markup *to, const struct page_both *b)
{
    struct lines l[2] = { 0 };
    for (unsigned s = 0; s < 2; s++) read_lines(&l[s], &b->model[s]->subject->checkpoint);
    markup_add(to, "<section id=\"origin\" aria-labelledby=\"origin-title\">\n<h2 id=\"origin-title\">Origin</h2>\n");
    markup_add(to, l[0].n + l[1].n == 0 ? "<p class=\"note\">Neither states anything beside its tensors.</p>\n"
                   : same_lines(l)      ? "<p class=\"note\">Both state the same beside their tensors.</p>\n"
                                        : "<p class=\"note\">What is stated beside the tensors; marked is what the "
                                          "other does not state.</p>\n");
    markup_add(to, "<div class=\"pair\">\n");
    for (unsigned s = 0; s < 2; s++) {
        markup_put(to, "<div><h3><b class=\"side %c\">%c</b> %s</h3>\n", "ab"[s], "AB"[s],
                   b -> model[s] -> subject -> checkpoint.file ? "Metadata" : "Stated beside the tensors");
        if (l[s].n > 0)
            put_lines(to, &l[s], &l[!s]);
        else
            markup_add(to, "<p class=\"note\">Nothing.</p>\n");
        put_texts(to, b->model[s]);
        markup_add(to, "</div>\n");
    }
    markup_add(to, "</div>\n</section>\n");
    for (unsigned s = 0; s < 2; s++) {
        free(l[s].text);
        free(l[s].sorted);
    }
}

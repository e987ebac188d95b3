/* fuzz_report.c - a hostile checkpoint as a page: whatever its names and texts are, the page is markup of ours alone.
 *
 * Input: one byte of flags, then a file of any format. Bit 0: the checksums of an .ingot file are made right; 1: with
 * statistics; 2: compared with itself but for one byte; 3: verified. The page must be well-formed with no other
 * elements and attributes than ours, hold nothing that steers a terminal or the direction of writing, and not be out of
 * all proportion to the file. */
#include "inspect/page_make.h"
#include "tests/fuzz/repair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEPTH_MAX      64
#define BYTES_OF_OURS  (1u << 18)
#define BYTES_FOR_EACH 256u /* of the file's */

enum { FLAG_REPAIR = 1, FLAG_STATS = 2, FLAG_COMPARE = 4, FLAG_VERIFY = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* ------------------------------------------------------------------------------------------------------- checking */

static const char *const elements[] = {
    "a",    "b",          "body",   "button", "circle",  "code",  "data",  "dd",      "details", "div",    "dl",
    "dt",   "figcaption", "figure", "footer", "g",       "h1",    "h2",    "h3",      "head",    "header", "html",
    "i",    "input",      "label",  "li",     "main",    "mark",  "meta",  "nav",     "ol",      "output", "p",
    "path", "pre",        "rect",   "script", "section", "span",  "style", "summary", "svg",     "table",  "tbody",
    "td",   "text",       "tfoot",  "th",     "thead",   "title", "tr",    NULL,
};
static const char *const attributes[] = {
    "aria-hidden",
    "aria-label",
    "aria-labelledby",
    "aria-live",
    "autocomplete",
    "charset",
    "class",
    "content",
    "cx",
    "d",
    "data-bytes",
    "data-offset",
    "data-v",
    "for",
    "height",
    "hidden",
    "href",
    "http-equiv",
    "id",
    "lang",
    "media",
    "name",
    "open",
    "placeholder",
    "preserveAspectRatio",
    "r",
    "role",
    "scope",
    "spellcheck",
    "tabindex",
    "type",
    "value",
    "viewBox",
    "width",
    "x",
    "y",
    NULL,
};
static const char *const entities[] = { "&amp;", "&lt;", "&gt;", "&quot;", "&apos;", NULL };

struct reader {
    const char *at, *end;
    const char *open[DEPTH_MAX];
    size_t depth;
};

static void must(bool what)
{
    if (!what) abort();
}

static bool starts(const struct reader *r, const char *with)
{
    return (size_t)(r->end - r->at) >= strlen(with) && memcmp(r->at, with, strlen(with)) == 0;
}

/* A word of the list, which is passed; NULL when there is none here. */
static const char *take_word(struct reader *r, const char *const *list)
{
    size_t n = 0;
    while (r->at + n < r->end && !strchr(" =/>\n", r->at[n])) n++;
    for (; *list; list++)
        if (strlen(*list) == n && memcmp(r->at, *list, n) == 0) {
            r->at += n;
            return *list;
        }
    return NULL;
}

static void take_entity(struct reader *r)
{
    for (const char *const *e = entities; *e; e++)
        if (starts(r, *e)) {
            r->at += strlen(*e);
            return;
        }
    abort();
}

/* Up to `stop`: characters that are what they look like. */
static void take_text(struct reader *r, char stop)
{
    while (r->at < r->end && *r->at != stop) {
        unsigned char c = (unsigned char)*r->at;
        must(c != '<' && c != '>' && (c >= ' ' || c == '\n') && c != 0x7f);
        must(!starts(r, "\xe2\x80\xae") && !starts(r, "\xe2\x80\xad") && !starts(r, "\xe2\x81\xa6"));
        must(!starts(r, "\xc2\x9b") && !starts(r, "\xef\xbb\xbf"));
        if (c == '&')
            take_entity(r);
        else
            r->at++;
    }
}

static void take_attribute(struct reader *r)
{
    const char *name = take_word(r, attributes);
    must(name != NULL);
    if (!starts(r, "=\"")) return;
    r->at += 2;
    must(strcmp(name, "href") != 0 || *r->at == '#');
    take_text(r, '"');
    must(starts(r, "\""));
    r->at++;
}

static void take_start(struct reader *r)
{
    const char *name = take_word(r, elements);
    must(name != NULL);
    while (starts(r, " ")) {
        r->at++;
        take_attribute(r);
    }
    if (starts(r, "/>")) {
        r->at += 2;
        return;
    }
    must(starts(r, ">"));
    r->at++;
    if (strcmp(name, "meta") == 0 || strcmp(name, "input") == 0) return;
    must(r->depth < DEPTH_MAX);
    r->open[r->depth++] = name;
    if (strcmp(name, "style") != 0 && strcmp(name, "script") != 0) return;
    while (r->at < r->end && !starts(r, "</")) r->at++; /* ours, as the policy's hashes say */
}

static void take_end(struct reader *r)
{
    const char *name = take_word(r, elements);
    must(name != NULL && r->depth > 0 && strcmp(name, r->open[--r->depth]) == 0 && starts(r, ">"));
    r->at++;
}

static void check_page(const struct markup *page, size_t n_input)
{
    static const char first[] = "<!DOCTYPE html>\n", last[] = "</html>\n";
    struct reader r = { .at = page->text, .end = page->text + page->n };
    must(page->n <= BYTES_OF_OURS + BYTES_FOR_EACH * n_input && starts(&r, first));
    must(memcmp(r.end - strlen(last), last, strlen(last)) == 0);
    r.at += strlen(first);
    while (r.at < r.end) {
        take_text(&r, '<');
        if (r.at == r.end) break;
        r.at++;
        if (starts(&r, "/")) {
            r.at++;
            take_end(&r);
        } else {
            take_start(&r);
        }
    }
    must(r.depth == 0);
}

/* -------------------------------------------------------------------------------------------------------- making */

struct file {
    int fd;
    char path[64];
};

static struct file file_of(const uint8_t *bytes, size_t n)
{
    struct file f = { .fd = memfd_create("fuzz", MFD_CLOEXEC) };
    must(f.fd >= 0 && write(f.fd, bytes, n) == (ssize_t)n);
    snprintf(f.path, sizeof f.path, "/proc/self/fd/%d", f.fd);
    return f;
}

static void make_page(const struct file files[2], uint8_t flags, size_t n_input)
{
    const char *const paths[] = { files[0].path, files[1].path };
    struct ingot_error err = { 0 };
    struct markup page = { 0 };
    json_t *tree = NULL;
    uint64_t n_damaged;
    const struct page_request request = { .paths = paths,
                                          .n_paths = flags & FLAG_COMPARE ? 2 : 1,
                                          .no_stats = !(flags & FLAG_STATS),
                                          .verify = flags & FLAG_VERIFY,
                                          .quiet = true,
                                          .n_threads = 1,
                                          .page = &page,
                                          .tree = &tree };
    enum ingot_status status = page_make(&request, &n_damaged, &err);
    must(status == err.status);
    if (status == INGOT_OK) {
        check_page(&page, n_input);
        char *text = json_dumps(tree, JSON_COMPACT | JSON_ENSURE_ASCII);
        must(text != NULL);
        free(text);
    }
    json_decref(tree);
    free(page.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2) return 0;
    uint8_t flags = data[0], *bytes = malloc(n - 1);
    must(bytes != NULL);
    memcpy(bytes, data + 1, n - 1);
    if (flags & FLAG_REPAIR) repair(bytes, n - 1);
    struct file files[2] = { file_of(bytes, n - 1) };
    bytes[(n - 1) / 4 * 3] ^= 1;
    if (flags & FLAG_REPAIR) repair(bytes, n - 1);
    files[1] = file_of(bytes, n - 1);
    make_page(files, flags, 2 * n);
    close(files[0].fd);
    close(files[1].fd);
    free(bytes);
    return 0;
}

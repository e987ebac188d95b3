/* page_make.h - what `ingot report` gathers of one checkpoint or of two, as a page and as a tree. */
#ifndef INGOT_PAGE_MAKE_H
#define INGOT_PAGE_MAKE_H

#include "inspect/cli/json.h"
#include "inspect/cli/markup.h"

struct page_request {
    const char *const *paths;
    size_t n_paths; /* 1 or 2 */
    bool no_stats, verify, quiet;
    uint32_t n_threads;    /* 0: as many as the process may run on; nothing depends on it */
    struct markup *page;   /* added to; NULL: no page is wanted */
    json_t **tree;         /* the caller's to free; NULL: none is wanted */
    const char *page_path; /* that the tree names; NULL: none */
};

/* The same files give the same page and the same tree. *n_damaged: checksums that do not fit. Errors are those of
 * opening and of reading; INTERRUPTED. */
enum ingot_status page_make(const struct page_request *request, uint64_t *n_damaged, struct ingot_error *err);

#endif

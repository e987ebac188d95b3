/* progress.h - a bar on a terminal's stderr for work that takes long; also how an interruption reaches the libraries.
 */
#ifndef INGOT_CLI_PROGRESS_H
#define INGOT_CLI_PROGRESS_H

#include "format/ingot_format.h"

struct progress {
    const char *label;
    const char *unit; /* of what is counted; NULL: bytes */
    bool shown;       /* stderr is a terminal and nobody asked for quiet */
    bool drawn;
    double start, last; /* seconds of the monotonic clock */
};

struct progress progress_begin(const char *label, bool quiet);

/* An ingot_progress_fn whose ctx is a struct progress. False once the program was interrupted. */
bool progress_update(void *ctx, uint64_t done_bytes, uint64_t total_bytes);

/* An ingot_warning_fn with the same ctx: the bar makes room for the line. */
void progress_warning(void *ctx, const char *subject, const char *message);

/* Removes the bar; returns the seconds since progress_begin(). */
double progress_end(struct progress *p);

/* Seconds of the monotonic clock. */
double progress_now(void);

#endif

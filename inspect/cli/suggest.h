/* suggest.h - "did you mean": the nearest of several names to one that was not found. */
#ifndef INGOT_CLI_SUGGEST_H
#define INGOT_CLI_SUGGEST_H

#include <stddef.h>

struct suggestion {
    const char *wanted;
    const char *name; /* the nearest so far, borrowed; NULL while none is near enough */
    size_t distance;
};

struct suggestion suggest_begin(const char *wanted);
void suggest_offer(struct suggestion *best, const char *candidate);

#endif

/* diff_logits.h - `ingot diff --logits`: what two .ingot files make of the same text. */
#ifndef INGOT_DIFF_LOGITS_H
#define INGOT_DIFF_LOGITS_H

#include "inspect/score.h"

struct diff_logits_request {
    const char *path[2];
    const char *text; /* a file, "-" for standard input; or NULL: ids */
    const char *ids;
    struct score_settings settings;
    bool json, quiet;
};

/* Prints what it finds, or the error; returns the exit code of the program: 0 where all logits have the same bits. */
int diff_logits(const struct diff_logits_request *request);

#endif

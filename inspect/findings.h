/* findings.h - a comparison, judged: what of it counts as a difference, and how that is said. */
#ifndef INGOT_FINDINGS_H
#define INGOT_FINDINGS_H

#include "inspect/diff.h"
#include "inspect/diff_model.h"

/* What there is to report. The caller fills the first two lines, findings_judge() the others. */
struct findings {
    struct diff diff;
    struct diff_model model;
    bool has_model; /* hyper-parameters and tokenizer were looked at */
    bool strict, all, verbose;
    uint64_t n_both, n_different, n_only[2], n_types;
    bool equal;
};

void findings_judge(struct findings *f);

bool findings_differ(const struct findings *f, const struct diff_pair *p);

/* "only in A", "shape", "values", ...; "" for no difference. */
const char *findings_difference(const struct findings *f, const struct diff_pair *p);

/* The share of equal values. Cut, not rounded: only what is equal throughout is 100 %. */
void findings_share(const struct diff_figures *f, char out[16]);

/* The place of element `at` in the shape that A's tensor has; returns its rank. */
uint32_t findings_place(const struct diff *d, const struct diff_pair *p, uint64_t at, uint64_t out[INGOT_MAX_RANK]);

/* Where the largest difference is: "[3, 17]". */
void findings_place_text(const struct diff *d, const struct diff_pair *p, char *out, size_t cap);

/* What was compared and how it came out, as one clause: "16 tensors in both, 2 differ". */
void findings_text(const struct findings *f, char out[256]);

#endif

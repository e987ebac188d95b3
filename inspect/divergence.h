/*
 * divergence.h - how far apart two models are on a text: what they expect at every position, side by side.
 *
 * All sums are in double, over the vocabulary in the order of ids and over positions in the order of the text. Natural
 * logarithms. P and Q are the softmaxes of A's and B's logits; a NaN logit counts as -infinity.
 */
#ifndef INGOT_DIVERGENCE_H
#define INGOT_DIVERGENCE_H

#include "inspect/score.h"

/* At one position. */
struct divergence_row {
    double kl; /* sum of P log(P / Q); infinity where Q excludes what P allows */
    double mean_abs,
        max_abs;    /* of the differences of logits; infinity where only one is finite, 0 of a NaN from a NaN */
    bool same_best; /* the same token is the likeliest */
    bool identical; /* all logits have the same bits */
    struct score_token of[2]; /* the token that follows, under A and B */
};

struct divergence_row divergence_row(const float *const logits[2], uint32_t n_vocab, uint32_t next_id);

/* Over all positions. */
struct divergence {
    uint64_t n, n_same_best, n_identical;
    double kl_mean, kl_median, kl_p99, kl_max; /* the quantiles are values that occur: of rank ceil(q n) */
    double mean_abs, max_abs;
    struct score_total total[2];
};

/* n >= 1 rows; `tokenizer`, which may be NULL, tells the bytes. */
struct divergence divergence_sum(const struct divergence_row *rows, size_t n, const struct ingot_tokenizer *tokenizer);

/* Evaluates both; the vocabularies have the same size. `settings` are checked ones. One token at least is scored. */
enum ingot_status divergence_measure(const struct ingot_model *const models[2], const struct score_text *text,
                                     const struct score_settings *settings, const struct ingot_tokenizer *tokenizer,
                                     struct divergence *out, struct ingot_error *err);

#endif

/* divergence.c - rows of two models' logits, each row by one thread; what they add up to, by one. */
#include "inspect/divergence.h"

#include "format/parallel.h"
#include "inspect/cli/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------------------------- one row */

static double finite_or_least(float logit)
{
    return isnan(logit) ? -INFINITY : (double)logit;
}

/* log of the sum of exp(logits); the largest one is taken out, so that nothing overflows. */
static double log_sum_exp(const float *logits, uint32_t n_vocab)
{
    double max = -INFINITY, sum = 0;
    for (uint32_t i = 0; i < n_vocab; i++) max = fmax(max, finite_or_least(logits[i]));
    if (isinf(max)) return max;
    for (uint32_t i = 0; i < n_vocab; i++) sum += exp(finite_or_least(logits[i]) - max);
    return max + log(sum);
}

/* Never below zero but for rounding, which is cut off. Logits that give no probabilities are infinitely far. */
static double kl_of(const float *const logits[2], uint32_t n_vocab)
{
    const double norm_p = log_sum_exp(logits[0], n_vocab), norm_q = log_sum_exp(logits[1], n_vocab);
    double kl = 0;
    if (isinf(norm_p) || isinf(norm_q)) return INFINITY;
    for (uint32_t i = 0; i < n_vocab; i++) {
        const double log_p = finite_or_least(logits[0][i]) - norm_p;
        const double p = exp(log_p);
        if (p > 0) kl += p * (log_p - (finite_or_least(logits[1][i]) - norm_q));
    }
    return kl > 0 ? kl : 0;
}

static uint32_t best_of(const float *logits, uint32_t n_vocab)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < n_vocab; i++)
        if (logits[i] > logits[best] || (isnan(logits[best]) && !isnan(logits[i]))) best = i;
    return best;
}

static double distance(float a, float b)
{
    const double d = fabs((double)a - (double)b);
    if (isnan(d)) return (isnan(a) && isnan(b)) || a == b ? 0 : INFINITY;
    return d;
}

struct divergence_row divergence_row(const float *const logits[2], uint32_t n_vocab, uint32_t next_id)
{
    struct divergence_row row = {
        .identical = memcmp(logits[0], logits[1], n_vocab * sizeof *logits[0]) == 0,
        .same_best = best_of(logits[0], n_vocab) == best_of(logits[1], n_vocab),
        .of = { score_token(logits[0], n_vocab, next_id), score_token(logits[1], n_vocab, next_id) },
    };
    if (row.identical) return row;
    row.kl = kl_of(logits, n_vocab);
    for (uint32_t i = 0; i < n_vocab; i++) {
        const double d = distance(logits[0][i], logits[1][i]);
        row.mean_abs += d;
        row.max_abs = fmax(row.max_abs, d);
    }
    row.mean_abs /= n_vocab;
    return row;
}

/* --------------------------------------------------------------------------------------------------------- all rows */

/* NaN is above everything. */
static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    if (isnan(x) || isnan(y)) return isnan(x) - isnan(y);
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, size_t n, double q)
{
    const size_t rank = (size_t)ceil(q * (double)n);
    return sorted[rank > 0 ? rank - 1 : 0];
}

static void rank_kl(const struct divergence_row *rows, size_t n, struct divergence *d)
{
    double *kl = memory_array(n, sizeof *kl);
    for (size_t i = 0; i < n; i++) kl[i] = rows[i].kl;
    qsort(kl, n, sizeof *kl, compare_doubles);
    d->kl_median = quantile(kl, n, 0.5);
    d->kl_p99 = quantile(kl, n, 0.99);
    d->kl_max = kl[n - 1];
    free(kl);
}

struct divergence divergence_sum(const struct divergence_row *rows, size_t n, const struct ingot_tokenizer *tokenizer)
{
    struct divergence d = { .n = n };
    for (size_t i = 0; i < n; i++) {
        const struct divergence_row *row = &rows[i];
        d.n_same_best += row->same_best;
        d.n_identical += row->identical;
        d.kl_mean += row->kl;
        d.mean_abs += row->mean_abs;
        d.max_abs = fmax(d.max_abs, row->max_abs);
        for (unsigned s = 0; s < 2; s++) score_add(&d.total[s], &row->of[s], 1, tokenizer);
    }
    d.kl_mean /= (double)n;
    d.mean_abs /= (double)n;
    rank_kl(rows, n, &d);
    return d;
}

/* -------------------------------------------------------------------------------------------------------- measuring */

struct measuring {
    uint32_t n_vocab, n_threads;
    struct divergence_row *rows; /* of the portion at hand, as are the following */
    const uint32_t *next;
    const float *const *logits;
};

static enum ingot_status measure_row(void *ctx, uint64_t job, uint32_t worker, struct ingot_error *err)
{
    struct measuring *m = ctx;
    const size_t row = job * m->n_vocab;
    const float *const pair[2] = { m->logits[0] + row, m->logits[1] + row };
    (void)worker, (void)err;
    m->rows[job] = divergence_row(pair, m->n_vocab, m->next[job]);
    return INGOT_OK;
}

static enum ingot_status measure_rows(void *ctx, size_t first, size_t n, const uint32_t *next,
                                      const float *const *logits, struct ingot_error *err)
{
    struct measuring portion = *(const struct measuring *)ctx;
    portion.rows += first;
    portion.next = next;
    portion.logits = logits;
    return parallel_for(n, portion.n_threads, measure_row, &portion, err);
}

enum ingot_status divergence_measure(const struct ingot_model *const models[2], const struct score_text *text,
                                     const struct score_settings *settings, const struct ingot_tokenizer *tokenizer,
                                     struct divergence *out, struct ingot_error *err)
{
    const size_t n = score_text_scored(text);
    struct measuring m = { .n_vocab = ingot_model_hparams(models[0])->n_vocab,
                           .n_threads = parallel_threads(settings->n_threads),
                           .rows = memory_array(n, sizeof *m.rows) };
    enum ingot_status status = score_walk(models, 2, text, settings, measure_rows, &m, err);
    if (status == INGOT_OK) *out = divergence_sum(m.rows, n, tokenizer);
    free(m.rows);
    return status;
}

/*
 * score.h - what a model makes of a text: the log-probability of every token, and the sums over them.
 *
 * A log-probability is a sum in double over the vocabulary in the order of ids, and totals add tokens in the order of
 * the text: how many threads there are does not show.
 */
#ifndef INGOT_SCORE_H
#define INGOT_SCORE_H

#include "inspect/engine.h"

struct score_settings {
    uint32_t n_ctx, stride;     /* of the windows; stride 0: half of n_ctx. n_ctx 0: the model's */
    uint32_t n_threads;         /* 0: chosen */
    ingot_progress_fn progress; /* counts tokens */
    void *progress_ctx;
};

/* The sequence that is scored: <|endoftext|>, where the vocabulary has it and it is wanted, and the ids of the text.
 * The first id of the sequence is not scored. */
struct score_text {
    struct ingot_ids ids;
    size_t n_start; /* 1: ids.ids[0] is <|endoftext|> and no part of the text */
};

/* `start`: put <|endoftext|> first if there is one. To be freed with ingot_ids_free(&out->ids). */
enum ingot_status score_encode(const struct engine *engine, const struct user_text *text, bool special, bool start,
                               struct score_text *out, struct ingot_error *err);
enum ingot_status score_parse_ids(const struct engine *engine, const char *list, bool start, struct score_text *out,
                                  struct ingot_error *err);

struct score_token {
    double log_p; /* natural logarithm; -inf for NaN */
    uint32_t id;
    uint32_t rank; /* 1: the likeliest of all. Of equal logits the lower id comes first; NaN comes last */
};

/* The token `id` under these logits. */
struct score_token score_token(const float *logits, uint32_t n_vocab, uint32_t id);

/* ARGUMENT for windows that this model cannot have. Fills in what is 0. */
enum ingot_status score_settings_check(uint32_t model_n_ctx, struct score_settings *settings, struct ingot_error *err);

/* Called with n rows of logits: those of the positions first .. first + n - 1 of the sequence, ascending. */
typedef enum ingot_status (*score_rows_fn)(void *ctx, size_t first, size_t n, const float *const *logits,
                                           struct ingot_error *err);

/* Evaluates every position of the sequence that has a prediction in all n_models models, whose vocabularies have the
 * same size: logits[m] is [n][n_vocab]. Settings are checked ones. */
enum ingot_status score_walk(const struct ingot_model *const *models, size_t n_models, const struct ingot_ids *ids,
                             const struct score_settings *settings, score_rows_fn rows, void *ctx,
                             struct ingot_error *err);

/* tokens[ids.n - 1]: of every id of the sequence but the first. */
enum ingot_status score_tokens(const struct ingot_model *model, const struct ingot_ids *ids,
                               const struct score_settings *settings, struct score_token *tokens,
                               struct ingot_error *err);

struct score_total {
    uint64_t n_tokens, n_best; /* scored; of these the likeliest at their place */
    uint64_t n_bytes;          /* of the scored tokens; 0 without a vocabulary */
    double nats;               /* -(sum of log_p) */
};

void score_add(struct score_total *total, const struct score_token *tokens, size_t n,
               const struct ingot_tokenizer *tokenizer);
void score_add_total(struct score_total *total, const struct score_total *other);

/* NaN where nothing was scored or, the last one, bytes are not known. */
double score_nats_per_token(const struct score_total *total);
double score_perplexity(const struct score_total *total);
double score_bits_per_byte(const struct score_total *total);

#endif

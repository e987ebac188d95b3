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
    bool fast;                  /* the session's option */
    ingot_progress_fn progress; /* counts tokens */
    void *progress_ctx;
};

/* Ids that are read from an empty context on: the first n_context >= 1 of them are given, the others are scored. */
struct score_sequence {
    size_t first, n, n_context;
};

/* What is scored: sequences, each of which begins with <|endoftext|> where the vocabulary has it and it is wanted. */
struct score_text {
    struct ingot_ids ids; /* of all sequences, one behind the other */
    struct score_sequence *sequences;
    size_t n_sequences, capacity;
    size_t n_start; /* 1: every sequence begins with <|endoftext|>, which is no part of the text */
};
void score_text_free(struct score_text *text);

/* How many tokens are scored. */
size_t score_text_scored(const struct score_text *text);

/* `start`: put <|endoftext|> first if there is one. To be freed with score_text_free(), also after an error. */
enum ingot_status score_encode(const struct engine *engine, const struct user_text *text, bool special, bool start,
                               struct score_text *out, struct ingot_error *err);

/* A list of ids, `1,2,3`; sequences are parted by `;`, and what stands before a `|` is given, not scored. */
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

/* Called with n rows of logits: those that predict next[0 .. n), which are the scored tokens first .. first + n - 1 of
 * the text, ascending. */
typedef enum ingot_status (*score_rows_fn)(void *ctx, size_t first, size_t n, const uint32_t *next,
                                           const float *const *logits, struct ingot_error *err);

/* Evaluates every position of the text that predicts a scored token in all n_models models, whose vocabularies have the
 * same size: logits[m] is [n][n_vocab]. Settings are checked ones. */
enum ingot_status score_walk(const struct ingot_model *const *models, size_t n_models, const struct score_text *text,
                             const struct score_settings *settings, score_rows_fn rows, void *ctx,
                             struct ingot_error *err);

/* tokens[score_text_scored(text)] */
enum ingot_status score_tokens(const struct ingot_model *model, const struct score_text *text,
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

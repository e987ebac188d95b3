/* score.c - windows of a text through one model or several side by side; rows of logits are looked at by all threads.
 */
#include "inspect/score.h"

#include "format/error.h"
#include "format/parallel.h"
#include "inspect/cli/memory.h"
#include "inspect/windows.h"

#include <math.h>
#include <stdlib.h>

/* Positions whose logits are held at the same time: 26 MB for GPT-2. */
#define PORTION 128u

/* ------------------------------------------------------------------------------------------------------------ texts */

static void begin_sequence(const struct engine *engine, bool start, struct score_text *out)
{
    const uint32_t eot = engine->tokenizer ? ingot_tokenizer_eot(engine->tokenizer) : UINT32_MAX;
    *out = (struct score_text){ .n_start = start && eot < ingot_model_hparams(engine->model)->n_vocab };
    if (out->n_start == 0) return;
    out->ids.ids = memory_grow(NULL, &out->ids.capacity, 1, sizeof *out->ids.ids);
    out->ids.ids[out->ids.n++] = eot;
}

enum ingot_status score_encode(const struct engine *engine, const struct user_text *text, bool special, bool start,
                               struct score_text *out, struct ingot_error *err)
{
    *out = (struct score_text){ 0 };
    enum ingot_status status = engine_need_tokenizer(engine, err);
    if (status != INGOT_OK) return status;
    begin_sequence(engine, start, out);
    return ingot_tokenizer_encode(engine->tokenizer, text->bytes, text->n,
                                  special ? INGOT_ENCODE_SPECIAL : INGOT_ENCODE_PLAIN, &out->ids, err);
}

enum ingot_status score_parse_ids(const struct engine *engine, const char *list, bool start, struct score_text *out,
                                  struct ingot_error *err)
{
    begin_sequence(engine, start, out);
    return engine_parse_ids(list, strlen(list), ingot_model_hparams(engine->model)->n_vocab, &out->ids, err);
}

/* ---------------------------------------------------------------------------------------------------------- one token
 */

/* Whether a comes before b among the likeliest. */
static bool comes_first(const float *logits, uint32_t a, uint32_t b)
{
    const float x = logits[a], y = logits[b];
    if (isnan(x) || isnan(y)) return isnan(x) == isnan(y) ? a < b : isnan(y);
    return x > y || (x == y && a < b);
}

struct score_token score_token(const float *logits, uint32_t n_vocab, uint32_t id)
{
    struct score_token token = { .id = id, .rank = 1, .log_p = ingot_log_probability(logits, n_vocab, id) };
    for (uint32_t other = 0; other < n_vocab; other++) token.rank += comes_first(logits, other, id);
    return token;
}

/* ------------------------------------------------------------------------------------------------------------ windows
 */

enum ingot_status score_settings_check(uint32_t model_n_ctx, struct score_settings *s, struct ingot_error *err)
{
    if (s->n_ctx > model_n_ctx)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "--ctx", NULL,
                          "windows of %u positions; this model has %u", s->n_ctx, model_n_ctx);
    if (s->n_ctx == 0) s->n_ctx = model_n_ctx;
    if (s->stride > s->n_ctx)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "--stride", NULL,
                          "a stride of %u leaves gaps between windows of %u positions", s->stride, s->n_ctx);
    if (s->stride == 0) s->stride = s->n_ctx > 1 ? s->n_ctx / 2 : 1;
    return INGOT_OK;
}

#define MODELS_MAX 2

struct walk {
    const struct ingot_ids *ids;
    const struct score_settings *settings;
    struct ingot_session *sessions[MODELS_MAX];
    float *logits[MODELS_MAX];
    size_t n_models;
};

static enum ingot_status open_walk(struct walk *w, const struct ingot_model *const *models, struct ingot_error *err)
{
    const struct ingot_session_options how = { .n_ctx = w->settings->n_ctx, .n_threads = w->settings->n_threads };
    const size_t n = w->ids->n < PORTION ? w->ids->n : PORTION;
    enum ingot_status status = INGOT_OK;
    for (size_t m = 0; m < w->n_models && status == INGOT_OK; m++) {
        w->logits[m] = memory_array(n * ingot_model_hparams(models[m])->n_vocab, sizeof *w->logits[m]);
        status = ingot_session_create(models[m], &how, &w->sessions[m], err);
    }
    return status;
}

static void close_walk(struct walk *w)
{
    for (size_t m = 0; m < w->n_models; m++) {
        ingot_session_close(w->sessions[m]);
        free(w->logits[m]);
    }
}

static enum ingot_status walk_step(const struct walk *w, const struct window_step *step, struct ingot_error *err)
{
    enum ingot_status status = INGOT_OK;
    for (size_t m = 0; m < w->n_models && status == INGOT_OK; m++) {
        if (step->fresh) ingot_session_rewind(w->sessions[m], 0);
        status = ingot_session_eval(w->sessions[m], w->ids->ids + step->first, step->n,
                                    step->counts ? INGOT_LOGITS_ALL : INGOT_LOGITS_NONE, w->logits[m], err);
    }
    return status;
}

enum ingot_status score_walk(const struct ingot_model *const *models, size_t n_models, const struct ingot_ids *ids,
                             const struct score_settings *settings, score_rows_fn rows, void *ctx,
                             struct ingot_error *err)
{
    struct walk w = { .ids = ids, .settings = settings, .n_models = n_models };
    struct windows windows = windows_begin(ids->n, settings->n_ctx, settings->stride, PORTION);
    struct window_step step;
    enum ingot_status status = open_walk(&w, models, err);
    while (status == INGOT_OK && windows_next(&windows, &step)) {
        status = engine_interrupted(err);
        if (status == INGOT_OK) status = walk_step(&w, &step, err);
        if (status == INGOT_OK && step.counts)
            status = rows(ctx, step.first, step.n, (const float *const *)w.logits, err);
        if (settings->progress) settings->progress(settings->progress_ctx, step.first + step.n, ids->n);
    }
    close_walk(&w);
    return status;
}

/* ------------------------------------------------------------------------------------------------------- one model */

struct scoring {
    const struct ingot_ids *ids;
    uint32_t n_vocab, n_threads;
    struct score_token *tokens;
    const float *logits; /* of the portion at hand, which begins at `first` */
    size_t first;
};

static enum ingot_status score_row(void *ctx, uint64_t job, uint32_t worker, struct ingot_error *err)
{
    struct scoring *s = ctx;
    const size_t at = s->first + job;
    (void)worker, (void)err;
    s->tokens[at] = score_token(s->logits + job * s->n_vocab, s->n_vocab, s->ids->ids[at + 1]);
    return INGOT_OK;
}

static enum ingot_status score_rows(void *ctx, size_t first, size_t n, const float *const *logits,
                                    struct ingot_error *err)
{
    struct scoring *s = ctx;
    s->first = first;
    s->logits = logits[0];
    return parallel_for(n, s->n_threads, score_row, s, err);
}

enum ingot_status score_tokens(const struct ingot_model *model, const struct ingot_ids *ids,
                               const struct score_settings *settings, struct score_token *tokens,
                               struct ingot_error *err)
{
    struct scoring s = { .ids = ids,
                         .n_vocab = ingot_model_hparams(model)->n_vocab,
                         .n_threads = parallel_threads(settings->n_threads),
                         .tokens = tokens };
    return score_walk(&model, 1, ids, settings, score_rows, &s, err);
}

/* ------------------------------------------------------------------------------------------------------------- totals
 */

void score_add(struct score_total *total, const struct score_token *tokens, size_t n,
               const struct ingot_tokenizer *tokenizer)
{
    for (size_t i = 0; i < n; i++) {
        size_t n_bytes = 0;
        if (tokenizer) ingot_tokenizer_piece(tokenizer, tokens[i].id, &n_bytes);
        total->n_bytes += n_bytes;
        total->n_best += tokens[i].rank == 1;
        total->nats -= tokens[i].log_p;
    }
    total->n_tokens += n;
}

void score_add_total(struct score_total *total, const struct score_total *other)
{
    total->n_tokens += other->n_tokens;
    total->n_best += other->n_best;
    total->n_bytes += other->n_bytes;
    total->nats += other->nats;
}

double score_nats_per_token(const struct score_total *total)
{
    return total->n_tokens ? total->nats / (double)total->n_tokens : NAN;
}

double score_perplexity(const struct score_total *total)
{
    return exp(score_nats_per_token(total));
}

double score_bits_per_byte(const struct score_total *total)
{
    return total->n_bytes ? total->nats / log(2.0) / (double)total->n_bytes : NAN;
}

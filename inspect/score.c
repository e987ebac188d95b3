/* score.c - windows of a text through one model or several side by side; rows of logits are looked at by all threads.
 */
#include "inspect/score.h"

#include "format/error.h"
#include "format/parallel.h"
#include "inspect/cli/memory.h"
#include "inspect/windows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Positions whose logits are held at the same time: 26 MB for GPT-2. */
#define PORTION 128u

/* ------------------------------------------------------------------------------------------------------------ texts */

void score_text_free(struct score_text *text)
{
    ingot_ids_free(&text->ids);
    free(text->sequences);
    *text = (struct score_text){ 0 };
}

size_t score_text_scored(const struct score_text *text)
{
    size_t n = 0;
    for (size_t i = 0; i < text->n_sequences; i++) n += text->sequences[i].n - text->sequences[i].n_context;
    return n;
}

static void begin_sequence(const struct engine *engine, bool start, struct score_text *out)
{
    const uint32_t eot = engine->tokenizer ? ingot_tokenizer_eot(engine->tokenizer) : UINT32_MAX;
    const struct score_sequence sequence = { .first = out->ids.n };
    out->sequences = memory_grow(out->sequences, &out->capacity, out->n_sequences + 1, sizeof *out->sequences);
    out->sequences[out->n_sequences++] = sequence;
    out->n_start = start && eot < ingot_model_hparams(engine->model)->n_vocab;
    if (out->n_start == 0) return;
    out->ids.ids = memory_grow(out->ids.ids, &out->ids.capacity, out->ids.n + 1, sizeof *out->ids.ids);
    out->ids.ids[out->ids.n++] = eot;
}

/* `n_given`: how many ids there were when the last given one had been read. Nothing predicts the very first one. */
static void end_sequence(struct score_text *out, size_t n_given)
{
    struct score_sequence *s = &out->sequences[out->n_sequences - 1];
    s->n = out->ids.n - s->first;
    s->n_context = n_given > s->first ? n_given - s->first : s->n > 0;
}

enum ingot_status score_encode(const struct engine *engine, const struct user_text *text, bool special, bool start,
                               struct score_text *out, struct ingot_error *err)
{
    *out = (struct score_text){ 0 };
    enum ingot_status status = engine_need_tokenizer(engine, err);
    if (status != INGOT_OK) return status;
    begin_sequence(engine, start, out);
    status = ingot_tokenizer_encode(engine->tokenizer, text->bytes, text->n,
                                    special ? INGOT_ENCODE_SPECIAL : INGOT_ENCODE_PLAIN, &out->ids, err);
    end_sequence(out, 0);
    return status;
}

static enum ingot_status parse_sequence(const struct engine *engine, const char *list, size_t n, bool start,
                                        struct score_text *out, struct ingot_error *err)
{
    const uint32_t n_vocab = ingot_model_hparams(engine->model)->n_vocab;
    const char *bar = memchr(list, '|', n);
    const size_t n_before = bar ? (size_t)(bar - list) : 0, from = bar ? n_before + 1 : 0;
    enum ingot_status status = INGOT_OK;
    begin_sequence(engine, start, out);
    if (bar) status = engine_parse_ids(list, n_before, n_vocab, &out->ids, err);
    const size_t n_given = out->ids.n;
    if (status == INGOT_OK) status = engine_parse_ids(list + from, n - from, n_vocab, &out->ids, err);
    end_sequence(out, n_given);
    return status;
}

/* Of less than two ids the callers say what they need. */
enum ingot_status score_parse_ids(const struct engine *engine, const char *list, bool start, struct score_text *out,
                                  struct ingot_error *err)
{
    *out = (struct score_text){ 0 };
    for (bool more = true; more;) {
        const size_t n = strcspn(list, ";");
        enum ingot_status status = parse_sequence(engine, list, n, start, out, err);
        if (status != INGOT_OK) return status;
        const struct score_sequence *s = &out->sequences[out->n_sequences - 1];
        more = list[n] == ';';
        list += n + more;
        if (s->n == s->n_context && (s->n > 1 || more || out->n_sequences > 1))
            return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "token ids", NULL,
                              "sequence %zu has no token that could be scored", out->n_sequences);
    }
    return INGOT_OK;
}

/* -------------------------------------------------------------------------------------------------------- one token */

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

/* ---------------------------------------------------------------------------------------------------------- windows */

enum ingot_status score_settings_check(uint32_t model_n_ctx, struct score_settings *s, struct ingot_error *err)
{
    if (s->n_ctx > model_n_ctx)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "--ctx", NULL,
                          "windows of %u positions; this model has %u", s->n_ctx, model_n_ctx);
    if (s->n_ctx == 0) s->n_ctx = model_n_ctx;
    if (s->stride > s->n_ctx)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "--stride", NULL,
                          "a stride of %u leaves gaps between windows of %u position%s", s->stride, s->n_ctx,
                          plural(s->n_ctx));
    if (s->stride == 0) s->stride = s->n_ctx > 1 ? s->n_ctx / 2 : 1;
    return INGOT_OK;
}

#define MODELS_MAX 2

struct walk {
    const struct score_text *text;
    const struct score_settings *settings;
    uint32_t n_vocab;
    struct ingot_session *sessions[MODELS_MAX];
    float *logits[MODELS_MAX];
    size_t n_models, n_scored;
    score_rows_fn rows;
    void *ctx;
};

static enum ingot_status open_walk(struct walk *w, const struct ingot_model *const *models, struct ingot_error *err)
{
    const struct ingot_session_options how = { .n_ctx = w->settings->n_ctx,
                                               .n_threads = w->settings->n_threads,
                                               .fast = w->settings->fast,
                                               .progress = engine_goes_on };
    const size_t n = w->text->ids.n < PORTION ? w->text->ids.n : PORTION;
    enum ingot_status status = INGOT_OK;
    for (size_t m = 0; m < w->n_models && status == INGOT_OK; m++) {
        w->logits[m] = memory_array(n * w->n_vocab, sizeof *w->logits[m]);
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

static enum ingot_status walk_step(const struct walk *w, const uint32_t *ids, const struct window_step *step,
                                   struct ingot_error *err)
{
    enum ingot_status status = INGOT_OK;
    for (size_t m = 0; m < w->n_models && status == INGOT_OK; m++) {
        if (step->fresh) ingot_session_rewind(w->sessions[m], 0);
        status = ingot_session_eval(w->sessions[m], ids + step->first, step->n,
                                    step->counts ? INGOT_LOGITS_ALL : INGOT_LOGITS_NONE, w->logits[m], err);
    }
    return status;
}

/* Hands on the rows of a step, but for the first n_given, which predict what is given. */
static enum ingot_status hand_rows(struct walk *w, const uint32_t *next, size_t n_given, size_t n,
                                   struct ingot_error *err)
{
    const float *logits[MODELS_MAX] = { NULL };
    for (size_t m = 0; m < w->n_models; m++) logits[m] = w->logits[m] + n_given * w->n_vocab;
    const size_t first = w->n_scored;
    w->n_scored += n - n_given;
    return w->rows(w->ctx, first, n - n_given, next + n_given, logits, err);
}

static enum ingot_status walk_sequence(struct walk *w, const struct score_sequence *s, struct ingot_error *err)
{
    const uint32_t *ids = w->text->ids.ids + s->first;
    struct windows windows = windows_begin(s->n, w->settings->n_ctx, w->settings->stride, PORTION);
    struct window_step step;
    enum ingot_status status = INGOT_OK;
    while (status == INGOT_OK && windows_next(&windows, &step)) {
        const size_t left = s->n_context - 1 > step.first ? s->n_context - 1 - step.first : 0;
        status = walk_step(w, ids, &step, err);
        if (status == INGOT_OK && step.counts && left < step.n)
            status = hand_rows(w, ids + step.first + 1, left, step.n, err);
        if (w->settings->progress)
            w->settings->progress(w->settings->progress_ctx, s->first + step.first + step.n, w->text->ids.n);
    }
    return status;
}

enum ingot_status score_walk(const struct ingot_model *const *models, size_t n_models, const struct score_text *text,
                             const struct score_settings *settings, score_rows_fn rows, void *ctx,
                             struct ingot_error *err)
{
    struct walk w = { .text = text,
                      .settings = settings,
                      .n_vocab = ingot_model_hparams(models[0])->n_vocab,
                      .n_models = n_models,
                      .rows = rows,
                      .ctx = ctx };
    enum ingot_status status = open_walk(&w, models, err);
    for (size_t i = 0; i < text->n_sequences && status == INGOT_OK; i++)
        status = walk_sequence(&w, &text->sequences[i], err);
    close_walk(&w);
    return status;
}

/* ------------------------------------------------------------------------------------------------------- one model */

struct scoring {
    uint32_t n_vocab, n_threads;
    struct score_token *tokens; /* of the portion at hand, as are the following */
    const uint32_t *next;
    const float *logits;
};

static enum ingot_status score_row(void *ctx, uint64_t job, uint32_t worker, struct ingot_error *err)
{
    struct scoring *s = ctx;
    (void)worker, (void)err;
    s->tokens[job] = score_token(s->logits + job * s->n_vocab, s->n_vocab, s->next[job]);
    return INGOT_OK;
}

static enum ingot_status score_rows(void *ctx, size_t first, size_t n, const uint32_t *next, const float *const *logits,
                                    struct ingot_error *err)
{
    struct scoring portion = *(const struct scoring *)ctx;
    portion.tokens += first;
    portion.next = next;
    portion.logits = logits[0];
    return parallel_for(n, portion.n_threads, score_row, &portion, err);
}

enum ingot_status score_tokens(const struct ingot_model *model, const struct score_text *text,
                               const struct score_settings *settings, struct score_token *tokens,
                               struct ingot_error *err)
{
    struct scoring s = { .n_vocab = ingot_model_hparams(model)->n_vocab,
                         .n_threads = parallel_threads(settings->n_threads),
                         .tokens = tokens };
    return score_walk(&model, 1, text, settings, score_rows, &s, err);
}

/* ----------------------------------------------------------------------------------------------------------- totals */

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

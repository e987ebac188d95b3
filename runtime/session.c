/*
 * session.c - a timeline over a model: memory, arguments, batches. The computing is forward.c's.
 */
#include "runtime/forward.h"

#include "format/checked.h"
#include "format/error.h"
#include "format/map.h"
#include "runtime/cores.h"
#include "runtime/fast.h"

#include <stdlib.h>

#define MAX_BATCH        4096u
#define MAX_THREADS      256u
#define BYTES_PER_THREAD (UINT64_C(1) << 20) /* with fewer weights to read per token, another thread only waits */
#define FIRST_POSITIONS  128u                /* in the first block of the cache: few pages for a short context */
#define CACHE_LINE       64u
#define FAULT_BYTES      (UINT64_C(64) << 10) /* of a mapped file that one fault maps */
#define FLOATS_PER_LINE  (CACHE_LINE / sizeof(float))

/* --------------------------------------------------------------------------------------------------------- memory */

/* Hands out pieces of one allocation. With base NULL it only adds up. */
struct arena {
    float *base;
    uint64_t used; /* floats */
    bool overflow;
};

static float *take(struct arena *arena, uint64_t n_floats)
{
    float *p = arena->base ? arena->base + arena->used : NULL;
    uint64_t rounded;
    if (!checked_align(n_floats, FLOATS_PER_LINE, &rounded) || !checked_add(arena->used, rounded, &arena->used))
        arena->overflow = true;
    return p;
}

static uint64_t product(struct arena *arena, uint64_t a, uint64_t b)
{
    uint64_t n = 0;
    if (!checked_mul(a, b, &n)) arena->overflow = true;
    return n;
}

/* Room for n_rows rows of so many bytes, which are a multiple of a float's. */
static void *take_bytes(struct arena *arena, uint64_t n_rows, uint64_t row_bytes)
{
    return take(arena, product(arena, n_rows, row_bytes / sizeof(float)));
}

static struct rows take_rows(struct arena *arena, uint32_t n_rows, uint64_t width)
{
    const uint64_t lines = (width + FLOATS_PER_LINE - 1) / FLOATS_PER_LINE;
    const uint64_t stride = (lines | 1) * FLOATS_PER_LINE;
    return (struct rows){ take_bytes(arena, n_rows, stride * sizeof(float)), stride };
}

static struct codes take_codes(struct arena *arena, uint32_t n_rows, uint64_t width)
{
    const uint64_t n_steps = (width + INGOT_QUANT_STEP - 1) / INGOT_QUANT_STEP;
    struct codes c = { .code_stride = (n_steps | 1) * INGOT_QUANT_STEP,
                       .block_stride = n_steps * (INGOT_QUANT_STEP / INGOT_QUANT_BLOCK) };
    c.codes = take_bytes(arena, n_rows, c.code_stride);
    c.scales = take_bytes(arena, n_rows, c.block_stride * sizeof *c.scales);
    c.sums = take_bytes(arena, n_rows, c.block_stride * sizeof *c.sums);
    return c;
}

/* Zeroed and not touched: the system supplies pages as they are written. *owner is to be freed. */
static float *reserve(struct arena *sum, void **owner)
{
    uint64_t bytes;
    if (sum->overflow || !checked_mul(sum->used, sizeof(float), &bytes) || !checked_add(bytes, CACHE_LINE, &bytes) ||
        bytes > SIZE_MAX)
        return NULL;
    *owner = calloc(1, (size_t)bytes);
    if (!*owner) return NULL;
    return (float *)(((uintptr_t)*owner + CACHE_LINE - 1) & ~(uintptr_t)(CACHE_LINE - 1));
}

/* ---------------------------------------------------------------------------------------------------------- layout */

static void lay_out_cache(struct ingot_session *s, struct arena *arena)
{
    const struct ingot_hparams *hp = &s->model->hp;
    const uint64_t ctx_panels = (s->n_ctx + LANES - 1) / LANES, head_panels = (s->head_size + LANES - 1) / LANES;
    struct kv_cache *kv = &s->kv;
    kv->n_positions = ctx_panels * LANES;
    kv->n_first = kv->n_positions < FIRST_POSITIONS ? (uint32_t)kv->n_positions : FIRST_POSITIONS;
    kv->value_bytes = LANES * (kv->half ? sizeof(uint16_t) : sizeof(float));
    /* Pairs of inputs are whole cache lines. */
    kv->key_panel_bytes = (s->head_size + s->head_size % 2) * kv->value_bytes;
    kv->head_bytes = kv->key_panel_bytes / LANES + head_panels * kv->value_bytes;
    kv->layer_bytes = product(arena, hp->n_head, kv->head_bytes);
    kv->position_bytes = product(arena, hp->n_layer, kv->layer_bytes);
    kv->data = take_bytes(arena, kv->n_positions, kv->position_bytes);
}

static void lay_out_activations(struct ingot_session *s, struct arena *arena)
{
    const struct ingot_hparams *hp = &s->model->hp;
    s->x = take_rows(arena, s->n_batch, hp->n_embd);
    s->normed = take_rows(arena, s->n_batch, hp->n_embd);
    s->queries = take_rows(arena, s->n_batch, hp->n_embd);
    s->mixed = take_rows(arena, s->n_batch, hp->n_embd);
    s->inner = take_rows(arena, s->n_batch, hp->n_inner);
    s->codes = take_codes(arena, s->n_batch, hp->n_embd);
    s->inner_codes = take_codes(arena, s->n_batch, hp->n_inner);
    for (uint32_t i = 0; i < s->n_threads; i++)
        s->scratch[i] = (struct scratch){
            .chunk = take_rows(arena, s->n_batch, CHUNK_PANELS * LANES),
            .normed = take_rows(arena, ROWS_SELF, hp->n_embd),
            .codes = take_codes(arena, ROWS_SELF, hp->n_embd),
            .scores = take_rows(arena, TILE_QUERIES, s->n_ctx),
            .mixed = take_rows(arena, TILE_QUERIES, s->head_size),
        };
}

static bool allocate(struct ingot_session *s, void (*lay_out)(struct ingot_session *, struct arena *), void **owner)
{
    struct arena arena = { 0 };
    lay_out(s, &arena);
    arena.base = reserve(&arena, owner);
    arena.used = 0;
    if (arena.base) lay_out(s, &arena);
    return arena.base;
}

/* ------------------------------------------------------------------------------------------------------ first touch */

/* Bytes [from, to) of all matrices one after the other, in the order of the file, are one thread's to touch. */
struct stretch {
    uint64_t from, to;
    uint64_t at; /* where the next matrix begins */
};

/* One byte of each piece that a page fault maps at once. */
static void touch_matrix(struct stretch *own, const struct matrix *m)
{
    const uint64_t n_bytes = m->n_panels * m->panel_bytes, first = own->at, end = first + n_bytes;
    const uint64_t from = own->from > first ? own->from - first : 0, to = own->to < end ? own->to : end;
    const volatile uint8_t *w = m->w;
    for (uint64_t i = from; i + first < to; i += FAULT_BYTES) (void)w[i];
    own->at = end;
}

static void touch_matrices(const struct ingot_model *model, struct stretch *own)
{
    touch_matrix(own, &model->head);
    for (uint32_t i = 0; i < model->hp.n_layer; i++) {
        touch_matrix(own, &model->layers[i].c_attn.weight);
        touch_matrix(own, &model->layers[i].c_proj.weight);
        touch_matrix(own, &model->layers[i].mlp_fc.weight);
        touch_matrix(own, &model->layers[i].mlp_proj.weight);
    }
}

/* The pool_fn. Has the pages of the weights mapped before the first token reads them, and of the KV cache those of the
 * first block. The first token's threads read side by side: they would fault in parts of the same large page of the
 * page cache, which a fault locks, and wait for each other. Here each thread has a stretch of the file for itself. */
static void touch(void *ctx, uint32_t thread)
{
    const struct ingot_session *s = ctx;
    const uint64_t first_bytes = s->kv.n_first * s->kv.position_bytes;
    for (uint64_t at = thread * MAP_LARGE_PAGE; at < first_bytes; at += s->n_threads * MAP_LARGE_PAGE)
        ((volatile uint8_t *)s->kv.data)[at] = 0;
    struct stretch all = { 0 };
    touch_matrices(s->model, &all);
    struct stretch own = { all.at / s->n_threads * thread, all.at / s->n_threads * (thread + 1), 0 };
    touch_matrices(s->model, &own);
}

/* --------------------------------------------------------------------------------------------------------- creation */

static uint32_t choose_threads(const struct ingot_model *model, uint32_t requested)
{
    if (requested) return requested < MAX_THREADS ? requested : MAX_THREADS;
    const uint64_t useful = 1 + model->token_bytes / BYTES_PER_THREAD;
    return cores_count(useful < MAX_THREADS ? (uint32_t)useful : MAX_THREADS);
}

static struct ingot_session with_defaults(const struct ingot_model *model, const struct ingot_session_options *chosen)
{
    struct ingot_session s = { .model = model, .head_size = model->hp.n_embd / model->hp.n_head };
    s.progress = chosen->progress;
    s.progress_ctx = chosen->progress_ctx;
    s.kv.half = chosen->kv == INGOT_KV_F16 || (chosen->kv == INGOT_KV_DEFAULT && model->quantised);
    s.n_ctx = chosen->n_ctx ? chosen->n_ctx : model->hp.n_ctx;
    s.n_batch = chosen->n_batch ? chosen->n_batch : DEFAULT_BATCH;
    if (s.n_batch > s.n_ctx) s.n_batch = s.n_ctx;
    if (s.n_batch > MAX_BATCH) s.n_batch = MAX_BATCH;
    return s;
}

static bool fill(struct ingot_session *s, uint32_t n_threads)
{
    s->pool = pool_create(n_threads);
    if (!s->pool) return false;
    s->n_threads = pool_size(s->pool);
    s->scratch = calloc(s->n_threads, sizeof *s->scratch);
    if (!s->scratch || !allocate(s, lay_out_cache, &s->cache_memory) ||
        !allocate(s, lay_out_activations, &s->arena_memory))
        return false;
    /* With pages of 4 KiB, attention walks the page tables for every few inputs. */
    map_large_pages(s->kv.data, s->kv.n_positions * s->kv.position_bytes);
    pool_run(s->pool, touch, s);
    return true;
}

enum ingot_status ingot_session_create(const struct ingot_model *model, const struct ingot_session_options *options,
                                       struct ingot_session **out, struct ingot_error *err)
{
    const struct ingot_session_options chosen = options ? *options : (struct ingot_session_options){ 0 };
    *out = NULL;
    if (chosen.n_ctx > model->hp.n_ctx)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "n_ctx", NULL,
                          "a context of %u positions; this model has %u", chosen.n_ctx, model->hp.n_ctx);
    if (chosen.kv > INGOT_KV_F16)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "kv", NULL, "%d is no dtype of a cache",
                          (int)chosen.kv);
    struct ingot_session *s = calloc(1, sizeof *s);
    if (s) *s = with_defaults(model, &chosen);
    if (s && chosen.fast) s->fast = fast_of_model(model);
    if (!s || !fill(s, choose_threads(model, chosen.n_threads))) {
        ingot_session_close(s);
        return ingot_fail(err, INGOT_E_MEMORY, INGOT_NO_OFFSET, NULL,
                          "free memory, or give the session fewer positions (n_ctx)",
                          "no memory for a session of %u positions", chosen.n_ctx ? chosen.n_ctx : model->hp.n_ctx);
    }
    *out = s;
    return INGOT_OK;
}

/* Bytes that a layout takes; UINT64_MAX when they cannot be counted. */
static uint64_t measured(struct ingot_session *s, void (*lay_out)(struct ingot_session *, struct arena *))
{
    struct arena sum = { 0 };
    uint64_t bytes;
    lay_out(s, &sum);
    return !sum.overflow && checked_mul(sum.used, sizeof(float), &bytes) ? bytes : UINT64_MAX;
}

struct ingot_session_memory ingot_session_memory(const struct ingot_hparams *hp,
                                                 const struct ingot_session_options *options)
{
    const struct ingot_model model = { .hp = *hp };
    struct scratch of_one;
    struct ingot_session s = with_defaults(&model, options ? options : &(struct ingot_session_options){ 0 });
    s.scratch = &of_one;
    struct ingot_session_memory memory = { .cache_bytes = measured(&s, lay_out_cache),
                                           .activation_bytes = measured(&s, lay_out_activations) };
    s.n_threads = 1;
    const uint64_t with_one = measured(&s, lay_out_activations);
    memory.thread_bytes = with_one == UINT64_MAX ? UINT64_MAX : with_one - memory.activation_bytes;
    return memory;
}

void ingot_session_close(struct ingot_session *session)
{
    if (!session) return;
    pool_close(session->pool);
    free(session->scratch);
    free(session->cache_memory);
    free(session->arena_memory);
    free(session);
}

/* ------------------------------------------------------------------------------------------------------- evaluation */

static enum ingot_status check_tokens(const struct ingot_session *s, const uint32_t *ids, size_t n,
                                      struct ingot_error *err)
{
    const uint32_t room = s->n_ctx - s->position;
    if (n > room)
        return ingot_fail(err, INGOT_E_CONTEXT_FULL, INGOT_NO_OFFSET, NULL, "shorten the prompt, or drop old tokens",
                          "%zu tokens; the context of %u positions has room for %u", n, s->n_ctx, room);
    for (size_t i = 0; i < n; i++)
        if (ids[i] >= s->model->hp.n_vocab)
            return ingot_fail(err, INGOT_E_TOKEN, i, "ids", NULL, "token id %u; the vocabulary has %u", ids[i],
                              s->model->hp.n_vocab);
    return INGOT_OK;
}

enum ingot_status ingot_session_eval(struct ingot_session *session, const uint32_t *ids, size_t n,
                                     enum ingot_logits which, float *logits, struct ingot_error *err)
{
    struct ingot_session *s = session;
    if (!ids || n == 0 || (which != INGOT_LOGITS_NONE && !logits))
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, NULL, NULL,
                          "at least one token and room for the logits are needed");
    const enum ingot_status status = check_tokens(s, ids, n, err);
    if (status) return status;

    const uint32_t n_layer = s->model->hp.n_layer, began = s->position;
    struct batch batch = { .session = s, .ids = ids };
    batch.logits = logits;
    batch.layers_in_all = (n + s->n_batch - 1) / s->n_batch * n_layer;
    for (size_t left = n; left > 0; left -= batch.n_rows) {
        batch.n_rows = left < s->n_batch ? (uint32_t)left : s->n_batch;
        batch.n_wanted = which == INGOT_LOGITS_ALL ? batch.n_rows : which == INGOT_LOGITS_LAST && left == batch.n_rows;
        if (!forward_batch(&batch)) {
            s->position = began;
            return ingot_fail(err, INGOT_E_INTERRUPTED, INGOT_NO_OFFSET, NULL, NULL, "stopped as asked");
        }
        s->position += batch.n_rows;
        batch.layers_done += n_layer;
        batch.ids += batch.n_rows;
        if (which == INGOT_LOGITS_ALL) batch.logits += (size_t)batch.n_rows * s->model->hp.n_vocab;
    }
    return INGOT_OK;
}

uint32_t ingot_session_position(const struct ingot_session *session)
{
    return session->position;
}

uint32_t ingot_session_n_ctx(const struct ingot_session *session)
{
    return session->n_ctx;
}

enum ingot_dtype ingot_session_kv(const struct ingot_session *session)
{
    return session->kv.half ? INGOT_F16 : INGOT_F32;
}

uint32_t ingot_session_n_threads(const struct ingot_session *session)
{
    return pool_size(session->pool);
}

void ingot_session_rewind(struct ingot_session *session, uint32_t position)
{
    if (position < session->position) session->position = position;
}

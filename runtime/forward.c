/*
 * forward.c - the GPT-2 forward pass, as spec/gpt2.md writes it down.
 *
 * All threads run forward() from end to end and meet at barriers. A matrix product is cut into chunks of panels, and
 * who computes a chunk also finishes it (GELU, residual, cache), so that one barrier per product is enough. A batch of
 * one row is decoding, a batch of many is prefill; the code is the same and so are the bits.
 */
#include "runtime/forward.h"

#include "runtime/attention.h"
#include "format/fpenv.h"

#include <math.h>
#include <string.h>

/* The rows that a matrix is multiplied with: floats, or their codes where the matrix is quantised. Row 0 belongs to the
 * first row that the product is about. */
struct operand {
    struct rows x;
    struct quant_rows codes;
};

/* One matrix product on all threads: y = bias + W x for rows first .. of the batch, finished chunk by chunk. */
struct product {
    const struct batch *batch;
    const struct linear *linear;
    struct operand in;
    uint32_t first, n_rows;
    uint32_t layer;
    float query_scale;
};

/* An item of a product: outputs from .. from + 16 n_panels - 1, of which those at and beyond n_out are padding, of rows
 * row .. row + n_rows - 1. */
struct chunk {
    uint32_t from, n, n_panels; /* n: without padding */
    uint32_t row, n_rows;       /* row: counted from the product's first */
    struct rows y;              /* [n_rows][16 n_panels] */
};

typedef void finish_fn(const struct product *product, const struct chunk *chunk);

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* -------------------------------------------------------------------------------------------------------- products */

static bool is_quantised(const struct linear *linear)
{
    return linear->weight.quant_panels;
}

/* Panels of a chunk: few enough that threads end together, not so few that drawing chunks costs, and so that every
 * thread gets as many chunks as the others. A product with one row is over within some tens of microseconds, and at its
 * end the threads wait for the last chunk, longest where weights are not quantised: there chunks are small. With many
 * rows a chunk of many panels keeps the rows in the cache. */
static uint32_t chunk_panels(const struct matrix *m, uint32_t n_threads, uint32_t n_rows)
{
    const uint32_t most = n_rows == 1 && !m->quant_panels ? CHUNK_PANELS / 2 : CHUNK_PANELS;
    const uint32_t least = n_rows == 1 ? 6 * n_threads : n_threads == 1 ? 1 : 2 * n_threads;
    const uint32_t n_chunks = (m->n_panels + least * most - 1) / (least * most) * least;
    const uint32_t share = (m->n_panels + n_chunks - 1) / n_chunks;
    return (share + STEP_PANELS - 1) / STEP_PANELS * STEP_PANELS;
}

/* Rows of an item. Where several threads have few chunks, many rows are halved, and halved again, so that threads end
 * together. Where there are chunks enough they are not: each part unpacks the weights anew. */
static uint32_t part_rows(uint32_t n_rows, uint32_t n_chunks, uint32_t n_threads)
{
    uint32_t rows = n_rows;
    for (uint32_t n = n_chunks; n_threads > 1 && n < 4 * n_threads && rows >= 2 * PART_ROWS; n *= 2)
        rows = (rows + 1) / 2;
    return rows;
}

static void set_bias(const struct linear *linear, const struct chunk *chunk)
{
    const size_t width = chunk->n_panels * LANES * sizeof(float);
    for (uint32_t r = 0; r < chunk->n_rows; r++) {
        float *y = row_of(&chunk->y, r);
        memset(y, 0, width);
        if (linear->bias) memcpy(y, linear->bias + chunk->from, chunk->n * sizeof *y);
    }
}

/* The exact kernel, unless the session may be fast and there are rows enough for it. */
static kernel_panels_fn *panels_for(const struct product *p)
{
    const struct matrix *m = &p->linear->weight;
    const struct fast_kernels *fast = p->batch->session->fast;
    if (!fast || p->n_rows < FAST_MIN_ROWS) return m->panels;
    return m->dtype == INGOT_F32 ? fast->panels_f32 : m->dtype == INGOT_F16 ? fast->panels_f16 : fast->panels_bf16;
}

static void multiply_chunk(const struct product *p, const struct chunk *chunk)
{
    const struct matrix *m = &p->linear->weight;
    const uint8_t *w = m->w + chunk->from / LANES * m->panel_bytes;
    if (m->quant_panels) {
        struct quant_rows x = p->in.codes;
        x.codes += chunk->row * x.code_stride;
        x.scales += chunk->row * x.block_stride;
        x.sums += chunk->row * x.block_stride;
        m->quant_panels(w, m->panel_bytes, chunk->n_panels, m->n_in, &x, chunk->n_rows, chunk->y.data, chunk->y.stride);
    } else {
        panels_for(p)(w, m->panel_bytes, chunk->n_panels, m->n_in, row_of(&p->in.x, chunk->row), p->in.x.stride,
                      chunk->n_rows, chunk->y.data, chunk->y.stride);
    }
}

static void multiply(const struct product *p, uint32_t thread, finish_fn *finish)
{
    struct ingot_session *s = p->batch->session;
    const struct matrix *m = &p->linear->weight;
    const uint32_t n_threads = pool_size(s->pool);
    const uint32_t step = chunk_panels(m, n_threads, p->n_rows), n_chunks = (m->n_panels + step - 1) / step;
    const uint32_t rows = part_rows(p->n_rows, n_chunks, n_threads), n_parts = (p->n_rows + rows - 1) / rows;
    uint32_t item;
    while (pool_next(s->pool, thread, n_chunks * n_parts, &item)) {
        const uint32_t panel = item / n_parts * step, row = item % n_parts * rows;
        struct chunk chunk = { .from = panel * (uint32_t)LANES, .row = row, .y = s->scratch[thread].chunk };
        chunk.n_panels = min_u32(step, m->n_panels - panel);
        chunk.n = min_u32(chunk.n_panels * (uint32_t)LANES, m->n_out - chunk.from);
        chunk.n_rows = min_u32(rows, p->n_rows - row);
        set_bias(p->linear, &chunk);
        multiply_chunk(p, &chunk);
        finish(p, &chunk);
    }
}

/* --------------------------------------------------------------------------------------------------------- operands */

/* Elements x[0 .. n) of a row into row r of `to`, from input `from` on, which begins a step. */
static void quantise(const struct ingot_session *s, const float *x, size_t n, const struct codes *to, size_t r,
                     size_t from)
{
    const size_t block = r * to->block_stride + from / INGOT_QUANT_BLOCK;
    s->model->quant->quantise(x, n, to->codes + r * to->code_stride + from, to->scales + block, to->sums + block);
}

static struct operand floats(struct rows x)
{
    return (struct operand){ .x = x };
}

static struct operand quantised(const struct codes *c)
{
    return (struct operand){ .codes = { c->codes, c->scales, c->sums, c->code_stride, c->block_stride } };
}

/* -------------------------------------------------------------------------------------------------------- finishers */

/* The part of a chunk that falls into [begin, begin + C): its first column in the chunk and its length. */
static uint32_t overlap(const struct chunk *chunk, uint32_t begin, uint32_t width, uint32_t *column)
{
    const uint32_t from = chunk->from > begin ? chunk->from : begin;
    const uint32_t to = min_u32(chunk->from + chunk->n, begin + width);
    *column = from - chunk->from;
    return to > from ? to - from : 0;
}

/* Outputs are queries, keys and values, C each. Queries are scaled here; keys and values go to the cache. */
static void finish_attention_input(const struct product *p, const struct chunk *chunk)
{
    struct ingot_session *s = p->batch->session;
    const uint32_t width = s->model->hp.n_embd;
    uint32_t column, n = overlap(chunk, 0, width, &column);
    for (uint32_t r = 0; n > 0 && r < chunk->n_rows; r++) {
        float *to = row_of(&s->queries, chunk->row + r) + chunk->from + column;
        memcpy(to, row_of(&chunk->y, r) + column, n * sizeof *to);
        s->model->kernels->scale(to, p->query_scale, n);
    }
    n = overlap(chunk, width, width, &column);
    if (n > 0)
        attention_store_keys(s, p->layer, chunk->from + column - width, n, chunk->row, chunk->n_rows,
                             chunk->y.data + column, chunk->y.stride);
    n = overlap(chunk, 2 * width, width, &column);
    if (n > 0)
        attention_store_values(s, p->layer, chunk->from + column - 2 * width, n, chunk->row, chunk->n_rows,
                               chunk->y.data + column, chunk->y.stride);
}

static void finish_residual(const struct product *p, const struct chunk *chunk)
{
    const struct ingot_session *s = p->batch->session;
    for (uint32_t r = 0; r < chunk->n_rows; r++)
        s->model->kernels->add(row_of(&s->x, p->first + chunk->row + r) + chunk->from, row_of(&chunk->y, r), chunk->n);
}

/* A chunk is whole steps of INGOT_QUANT_STEP inputs of the next product, but for the last one of a row: so it can be
 * quantised without its neighbours. */
static void finish_gelu(const struct product *p, const struct chunk *chunk)
{
    struct ingot_session *s = p->batch->session;
    const struct kernels *k = s->model->kernels;
    const bool quantised = is_quantised(&s->model->layers[p->layer].mlp_proj);
    for (uint32_t r = 0; r < chunk->n_rows; r++) {
        float *y = row_of(&chunk->y, r);
        if (s->model->hp.activation == INGOT_GELU_TANH)
            k->gelu_tanh(y, chunk->n);
        else
            k->gelu_erf(y, chunk->n);
        if (quantised)
            quantise(s, y, chunk->n, &s->inner_codes, chunk->row + r, chunk->from);
        else
            memcpy(row_of(&s->inner, chunk->row + r) + chunk->from, y, chunk->n * sizeof *y);
    }
}

static void finish_logits(const struct product *p, const struct chunk *chunk)
{
    const size_t n_vocab = p->batch->session->model->hp.n_vocab, unwanted = p->batch->n_rows - p->batch->n_wanted;
    for (uint32_t r = 0; r < chunk->n_rows; r++)
        memcpy(p->batch->logits + (p->first + chunk->row + r - unwanted) * n_vocab + chunk->from, row_of(&chunk->y, r),
               chunk->n * sizeof(float));
}

/* ----------------------------------------------------------------------------------------------------------- phases */

static void embed(const struct batch *b, uint32_t thread)
{
    struct ingot_session *s = b->session;
    uint32_t r;
    while (pool_next(s->pool, thread, b->n_rows, &r))
        model_embed(s->model, b->ids[r], s->position + r, row_of(&s->x, r));
    pool_barrier(s->pool);
}

static void normalise_row(const struct batch *b, const struct norm *norm, uint32_t r, float *out)
{
    const struct ingot_model *m = b->session->model;
    m->kernels->layer_norm(row_of(&b->session->x, r), norm->weight, norm->bias, m->hp.n_embd, m->hp.layer_norm_epsilon,
                           out);
}

/* LayerNorm of n rows from `first` on, as `linear` reads them. Few rows are cheaper to do on every thread than to wait
 * for. */
static struct operand normalise(const struct batch *b, const struct norm *norm, const struct linear *linear,
                                uint32_t first, uint32_t n, uint32_t thread)
{
    struct ingot_session *s = b->session;
    const bool codes = is_quantised(linear), self = n <= ROWS_SELF;
    const struct scratch *own = &s->scratch[thread];
    const struct rows *x = self ? &own->normed : &s->normed;
    const struct codes *c = self ? &own->codes : &s->codes;
    uint32_t r = 0;
    while (self ? r < n : pool_next(s->pool, thread, n, &r)) {
        normalise_row(b, norm, first + r, row_of(x, r));
        if (codes) quantise(s, row_of(x, r), s->model->hp.n_embd, c, r, 0);
        r++;
    }
    if (!self) pool_barrier(s->pool);
    return codes ? quantised(c) : floats(*x);
}

/* Attention's output of rows first .. n_rows - 1, as c_proj reads it. Its heads need not end where blocks end, so whole
 * rows are quantised, when all of their heads are there. */
static struct operand mixed(const struct batch *b, const struct linear *linear, uint32_t first, uint32_t thread)
{
    struct ingot_session *s = b->session;
    const bool self = b->n_rows - first <= ROWS_SELF;
    const struct codes *c = self ? &s->scratch[thread].codes : &s->codes;
    if (!is_quantised(linear)) return floats((struct rows){ row_of(&s->mixed, first), s->mixed.stride });
    uint32_t r = 0;
    while (self ? r < b->n_rows - first : pool_next(s->pool, thread, b->n_rows - first, &r)) {
        quantise(s, row_of(&s->mixed, first + r), s->model->hp.n_embd, c, r, 0);
        r++;
    }
    if (!self) pool_barrier(s->pool);
    return quantised(c);
}

static float query_scale(const struct ingot_session *s, uint32_t layer)
{
    const uint32_t flags = s->model->hp.attention_flags;
    float scale = flags & INGOT_ATTN_SCALE ? 1.0f / sqrtf((float)s->head_size) : 1.0f;
    if (flags & INGOT_ATTN_SCALE_BY_LAYER) scale /= (float)(layer + 1);
    return scale;
}

/* x += c_proj(attention(ln_1(x))). Every row needs its key and value in the cache; rows before `first` end there. The
 * first barrier of a layer is also where all threads come to know that they are to stop. */
static void attention_block(const struct batch *b, uint32_t layer, uint32_t first, uint32_t thread)
{
    struct ingot_session *s = b->session;
    const struct layer *l = &s->model->layers[layer];
    struct product input = { .batch = b, .linear = &l->c_attn, .n_rows = b->n_rows, .layer = layer };
    input.in = normalise(b, &l->ln_1, &l->c_attn, 0, b->n_rows, thread);
    input.query_scale = query_scale(s, layer);
    multiply(&input, thread, finish_attention_input);
    pool_barrier(s->pool);
    if (first == b->n_rows || b->stopped) return;

    attention_mix(s, layer, first, b->n_rows, thread);
    pool_barrier(s->pool);
    struct product output = { .batch = b, .linear = &l->c_proj, .first = first, .n_rows = b->n_rows - first };
    output.in = mixed(b, &l->c_proj, first, thread);
    multiply(&output, thread, finish_residual);
    pool_barrier(s->pool);
}

/* x += c_proj(gelu(c_fc(ln_2(x)))) */
static void mlp_block(const struct batch *b, uint32_t layer, uint32_t first, uint32_t thread)
{
    struct ingot_session *s = b->session;
    const struct layer *l = &s->model->layers[layer];
    const uint32_t n = b->n_rows - first;
    struct product up = { .batch = b, .linear = &l->mlp_fc, .n_rows = n, .layer = layer };
    up.in = normalise(b, &l->ln_2, &l->mlp_fc, first, n, thread);
    multiply(&up, thread, finish_gelu);
    pool_barrier(s->pool);
    struct product down = { .batch = b, .linear = &l->mlp_proj, .first = first, .n_rows = n };
    down.in = is_quantised(&l->mlp_proj) ? quantised(&s->inner_codes) : floats(s->inner);
    multiply(&down, thread, finish_residual);
    pool_barrier(s->pool);
}

static void ask_to_go_on(struct batch *b, uint32_t layer)
{
    const struct ingot_session *s = b->session;
    if (s->progress) b->stopped = !s->progress(s->progress_ctx, b->layers_done + layer, b->layers_in_all);
}

/* Of many rows the head takes longer than a layer, so the progress is asked before it, and between strips of it. */
static void head(struct batch *b, uint32_t thread)
{
    struct ingot_session *s = b->session;
    const struct linear linear = { .weight = s->model->head };
    for (uint32_t left = b->n_wanted, n; left > 0; left -= n) {
        n = min_u32(left, DEFAULT_BATCH);
        if (b->n_wanted > ROWS_SELF) {
            if (thread == 0) ask_to_go_on(b, s->model->hp.n_layer);
            pool_barrier(s->pool);
            if (b->stopped) return;
        }
        struct product product = { .batch = b, .linear = &linear, .first = b->n_rows - left, .n_rows = n };
        product.in = normalise(b, &s->model->ln_f, &linear, product.first, n, thread);
        multiply(&product, thread, finish_logits);
    }
}

/* --------------------------------------------------------------------------------------------------- products alone */

static void finish_nothing(const struct product *product, const struct chunk *chunk)
{
    (void)product;
    (void)chunk;
}

static void multiply_alone(const struct batch *b, const struct linear *linear, const struct rows *x,
                           const struct codes *codes, uint32_t thread)
{
    struct product product = { .batch = b, .linear = linear, .n_rows = b->n_rows };
    product.in = is_quantised(linear) ? quantised(codes) : floats(*x);
    multiply(&product, thread, finish_nothing);
    pool_barrier(b->session->pool);
}

/* The pool_fn. */
static void products(void *ctx, uint32_t thread)
{
    const struct batch *b = ctx;
    const struct ingot_session *s = b->session;
    for (const struct layer *l = s->model->layers; l < s->model->layers + s->model->hp.n_layer; l++) {
        multiply_alone(b, &l->c_attn, &s->normed, &s->codes, thread);
        multiply_alone(b, &l->c_proj, &s->mixed, &s->codes, thread);
        multiply_alone(b, &l->mlp_fc, &s->normed, &s->codes, thread);
        multiply_alone(b, &l->mlp_proj, &s->inner, &s->inner_codes, thread);
    }
}

/* -------------------------------------------------------------------------------------------------------- the whole */

/* The pool_fn. In the last layer only rows whose logits are wanted go on after their key and value are known. */
static void forward(void *ctx, uint32_t thread)
{
    struct batch *b = ctx;
    const uint32_t n_layer = b->session->model->hp.n_layer, unwanted = b->n_rows - b->n_wanted;
    embed(b, thread);
    for (uint32_t layer = 0; layer < n_layer; layer++) {
        const uint32_t first = layer + 1 < n_layer ? 0 : unwanted;
        if (thread == 0) ask_to_go_on(b, layer);
        attention_block(b, layer, first, thread);
        if (b->stopped) return;
        if (first < b->n_rows) mlp_block(b, layer, first, thread);
    }
    head(b, thread);
}

static void run(pool_fn phases, struct batch *batch)
{
    fenv_t caller;
    fpenv_enter(&caller);
    pool_run(batch->session->pool, phases, batch);
    fpenv_leave(&caller);
}

bool forward_batch(struct batch *batch)
{
    run(forward, batch);
    return !batch->stopped;
}

void forward_products(struct ingot_session *session, uint32_t n_rows)
{
    struct batch batch = { .session = session, .n_rows = n_rows };
    run(products, &batch);
}

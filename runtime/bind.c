/*
 * bind.c - from names in a file to weights in a struct; every shape is checked here and nowhere later. What an open
 * file has been checked for is not asked again: that panels are matrices of a dtype that has panels [F-41].
 *
 * A failed look-up does not stop the binding: the first cause stays in the error, the rest is skipped by the sticky
 * `status`, and the one caller checks once at the end.
 */
#include "runtime/model.h"

#include "format/bytes.h"
#include "format/error.h"
#include "format/file.h"
#include "format/quant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 64 /* "h.65535.mlp.c_proj.weight" and shorter */

struct binder {
    const struct ingot_file *file;
    struct ingot_model *model;
    struct ingot_error *err;
    enum ingot_status status;
    char prefix[16]; /* "h.3." or "" */
};

/* ------------------------------------------------------------------------------------------------------- look-up */

static void fail(struct binder *b, enum ingot_status status, const struct ingot_section *s, const char *name,
                 const char *advice, const char *what)
{
    if (b->status) return;
    b->status = ingot_fail(b->err, status, s ? s->data_off : INGOT_NO_OFFSET, name, advice, "%s", what);
}

static bool find(struct binder *b, const char *name, struct ingot_section *s)
{
    if (b->status || !ingot_find(b->file, name, s)) return false;
    if (s->kind == INGOT_KIND_TENSOR || s->kind == INGOT_KIND_ALIAS) return true;
    fail(b, INGOT_E_KIND, s, name, NULL, "this section is not a tensor");
    return false;
}

static bool has_shape(struct binder *b, const struct ingot_section *s, uint32_t rank, uint64_t rows, uint64_t cols)
{
    if (s->rank == rank && s->shape[0] == rows && (rank == 1 || s->shape[1] == cols)) return true;
    char text[160];
    unsigned long long want[2] = { rows, cols }, found[2] = { s->shape[0], s->shape[1] };
    if (rank == 1)
        snprintf(text, sizeof text, "rank %u, first dimension %llu; expected the vector [%llu]", s->rank, found[0],
                 want[0]);
    else
        snprintf(text, sizeof text, "rank %u, shape [%llu, %llu, ..]; expected the matrix [%llu, %llu]", s->rank,
                 found[0], found[1], want[0], want[1]);
    fail(b, INGOT_E_SHAPE, s, s->name, "the hyper-parameters in @model and the tensors contradict each other", text);
    return false;
}

static bool has_layout(struct binder *b, const struct ingot_section *s, enum ingot_layout layout)
{
    if (s->layout == layout) return true;
    char text[96];
    snprintf(text, sizeof text, "layout %s; expected %s", ingot_layout_name(s->layout), ingot_layout_name(layout));
    fail(b, INGOT_E_LAYOUT, s, s->name, "convert the model again", text);
    return false;
}

/* Every dtype of panels is one that can be computed with; rows may be of integers or f64 as well. */
static bool has_dtype(struct binder *b, const struct ingot_section *s)
{
    if (s->layout == INGOT_PANEL16) return true;
    if (s->dtype == INGOT_F32 || s->dtype == INGOT_F16 || s->dtype == INGOT_BF16) return true;
    char text[96];
    snprintf(text, sizeof text, "dtype %s; expected f32, f16 or bf16", ingot_dtype_name(s->dtype));
    fail(b, INGOT_E_DTYPE, s, s->name, "convert the model again with --dtype f32", text);
    return false;
}

/* ------------------------------------------------------------------------------------------- vectors and matrices */

/* The f32 vector prefix + name, or NULL. A bias may be absent, a gain may not. */
static const float *vector(struct binder *b, const char *name, uint32_t n, bool required)
{
    char full[NAME_BYTES];
    struct ingot_section s;
    snprintf(full, sizeof full, "%s%s", b->prefix, name);
    if (!find(b, full, &s)) {
        if (required) fail(b, INGOT_E_MISSING, NULL, full, "this file does not hold a whole GPT-2", "no such tensor");
        return NULL;
    }
    if (!has_shape(b, &s, 1, n, 0)) return NULL;
    if (s.dtype != INGOT_F32) {
        fail(b, INGOT_E_DTYPE, &s, full, "convert the model again", "the dtype of a vector must be f32");
        return NULL;
    }
    b->model->token_bytes += s.raw_bytes;
    return s.data;
}

static kernel_panels_fn *panels_for(const struct kernels *kernels, enum ingot_dtype dtype)
{
    switch (dtype) {
    case INGOT_F32:
        return kernels->panels_f32;
    case INGOT_F16:
        return kernels->panels_f16;
    case INGOT_BF16:
        return kernels->panels_bf16;
    default:
        return NULL;
    }
}

static quant_panels_fn *quant_panels_for(const struct quant_kernels *quant, enum ingot_dtype dtype)
{
    return dtype == INGOT_Q8 ? quant->panels_q8 : dtype == INGOT_Q4 ? quant->panels_q4 : NULL;
}

/* The section of the matrix prefix + name; false when it is not there or does not fit. */
static bool find_matrix(struct binder *b, const char *name, enum ingot_layout layout, uint64_t rows, uint64_t cols,
                        struct ingot_section *s)
{
    char full[NAME_BYTES];
    snprintf(full, sizeof full, "%s%s", b->prefix, name);
    if (!find(b, full, s)) {
        fail(b, INGOT_E_MISSING, NULL, full, "this file does not hold a whole GPT-2", "no such tensor");
        return false;
    }
    return has_shape(b, s, 2, rows, cols) && has_layout(b, s, layout) && has_dtype(b, s);
}

static struct matrix matrix(struct binder *b, const char *name, uint32_t n_out, uint32_t n_in)
{
    struct ingot_section s;
    if (!find_matrix(b, name, INGOT_PANEL16, n_out, n_in, &s)) return (struct matrix){ 0 };
    uint32_t n_panels = (n_out + INGOT_PANEL_LANES - 1) / INGOT_PANEL_LANES;
    b->model->quantised |= quant_step_bytes(s.dtype) > 0;
    return (struct matrix){
        .w = s.data,
        .panels = panels_for(b->model->kernels, s.dtype),
        .quant_panels = quant_panels_for(b->model->quant, s.dtype),
        .panel_bytes = s.raw_bytes / n_panels,
        .dtype = s.dtype,
        .n_out = n_out,
        .n_in = n_in,
        .n_panels = n_panels,
    };
}

/* A token reads all of it, biases included. */
static struct linear linear(struct binder *b, const char *name, uint32_t n_out, uint32_t n_in)
{
    char full[NAME_BYTES];
    snprintf(full, sizeof full, "%s.weight", name);
    struct linear l = { .weight = matrix(b, full, n_out, n_in) };
    snprintf(full, sizeof full, "%s.bias", name);
    l.bias = vector(b, full, n_out, false);
    b->model->token_bytes += l.weight.panel_bytes * l.weight.n_panels;
    return l;
}

static struct norm norm(struct binder *b, const char *name)
{
    char weight[NAME_BYTES], bias[NAME_BYTES];
    uint32_t n = b->model->hp.n_embd;
    snprintf(weight, sizeof weight, "%s.weight", name);
    snprintf(bias, sizeof bias, "%s.bias", name);
    return (struct norm){ .weight = vector(b, weight, n, true), .bias = vector(b, bias, n, false) };
}

/* --------------------------------------------------------------------------------------------------------- parts */

static void bind_layer(struct binder *b, uint32_t i)
{
    const struct ingot_hparams *hp = &b->model->hp;
    snprintf(b->prefix, sizeof b->prefix, "h.%u.", i);
    b->model->layers[i] = (struct layer){
        .ln_1 = norm(b, "ln_1"),
        .c_attn = linear(b, "attn.c_attn", 3 * hp->n_embd, hp->n_embd),
        .c_proj = linear(b, "attn.c_proj", hp->n_embd, hp->n_embd),
        .ln_2 = norm(b, "ln_2"),
        .mlp_fc = linear(b, "mlp.c_fc", hp->n_inner, hp->n_embd),
        .mlp_proj = linear(b, "mlp.c_proj", hp->n_embd, hp->n_inner),
    };
    b->prefix[0] = '\0';
}

/* Of the embeddings a token reads one row each, of the head every row below n_vocab. */
static void bind_ends(struct binder *b)
{
    struct ingot_model *m = b->model;
    const struct ingot_hparams *hp = &m->hp;
    m->wte = matrix(b, "wte.weight", hp->n_vocab_stored, hp->n_embd);
    struct ingot_section s;
    if (find_matrix(b, "wpe.weight", INGOT_ROWS, hp->n_ctx, hp->n_embd, &s)) {
        m->wpe.rows = s.data;
        m->wpe.dtype = s.dtype;
        m->token_bytes += s.raw_bytes / hp->n_ctx;
    }
    m->ln_f = norm(b, "ln_f");
    m->head = matrix(b, "lm_head.weight", hp->n_vocab_stored, hp->n_embd);
    m->head.n_out = hp->n_vocab;
    m->head.n_panels = (hp->n_vocab + INGOT_PANEL_LANES - 1) / INGOT_PANEL_LANES;
    m->token_bytes += m->wte.panel_bytes / INGOT_PANEL_LANES + m->head.panel_bytes * m->head.n_panels;
}

static enum ingot_status bind_all(struct ingot_model *model, const struct ingot_file *file, struct ingot_error *err)
{
    struct binder b = { .file = file, .model = model, .err = err };
    bind_ends(&b);
    for (uint32_t i = 0; i < model->hp.n_layer && !b.status; i++) bind_layer(&b, i);
    return b.status;
}

static enum ingot_status select_kernels(struct ingot_model *model, const char *cpu, struct ingot_error *err)
{
    model->rung = kernels_select(cpu);
    if (model->rung) {
        model->kernels = model->rung->kernels;
        model->quant = model->rung->quant;
        return INGOT_OK;
    }
    return ingot_fail(err, INGOT_E_CPU, INGOT_NO_OFFSET, cpu, "scalar runs everywhere",
                      "this instruction set is unknown or cannot run here");
}

/* -------------------------------------------------------------------------------------------------------- public */

enum ingot_status ingot_model_open(const struct ingot_file *file, const char *cpu, struct ingot_model **out,
                                   struct ingot_error *err)
{
    *out = NULL;
    enum ingot_status status;
    struct ingot_model *model = calloc(1, sizeof *model);
    if (!model) goto memory;
    status = ingot_hparams_read(file, &model->hp, err);
    if (!status) status = select_kernels(model, cpu, err);
    if (status) goto out;
    model->layers = calloc(model->hp.n_layer, sizeof *model->layers);
    model->fast_choice = calloc(1, sizeof *model->fast_choice);
    if (!model->layers || !model->fast_choice) goto memory;
    status = bind_all(model, file, err);
    if (!status) map_file_large_pages(&file->map);
out:
    if (status)
        ingot_model_close(model);
    else
        *out = model;
    return status;
memory:
    ingot_model_close(model);
    return ingot_fail(err, INGOT_E_MEMORY, INGOT_NO_OFFSET, ingot_file_path(file), NULL, "no memory for the model");
}

void ingot_model_close(struct ingot_model *model)
{
    if (!model) return;
    free(model->layers);
    free(model->fast_choice);
    free(model);
}

const struct ingot_hparams *ingot_model_hparams(const struct ingot_model *model)
{
    return &model->hp;
}

const char *ingot_model_cpu(const struct ingot_model *model)
{
    return model->rung->name;
}

uint64_t ingot_model_token_bytes(const struct ingot_model *model)
{
    return model->token_bytes;
}

/* ----------------------------------------------------------------------------------------------------- embedding */

/* n values of one dtype, stride bytes apart. */
static void widen(enum ingot_dtype dtype, const uint8_t *from, size_t stride, size_t n, float *to)
{
    switch (dtype) {
    case INGOT_F16:
        for (size_t i = 0; i < n; i++) to[i] = ingot_f32_from_f16(get_u16(from + i * stride));
        break;
    case INGOT_BF16:
        for (size_t i = 0; i < n; i++) to[i] = ingot_f32_from_bf16(get_u16(from + i * stride));
        break;
    default:
        for (size_t i = 0; i < n; i++) memcpy(&to[i], from + i * stride, sizeof to[i]);
    }
}

/* Adds the position's row to x: widen() into a small window, then one addition per element. */
static void add_position(const struct ingot_model *model, uint32_t position, float *x)
{
    enum { WINDOW = 256 };
    float window[WINDOW];
    const size_t n = model->hp.n_embd, size = ingot_dtype_size(model->wpe.dtype);
    const uint8_t *row = model->wpe.rows + position * n * size;
    for (size_t at = 0; at < n; at += WINDOW) {
        size_t part = n - at < WINDOW ? n - at : WINDOW;
        widen(model->wpe.dtype, row + at * size, size, part, window);
        model->kernels->add(x + at, window, part);
    }
}

/* n inputs of one lane of a panel. In bf16 the lanes hold pairs: even inputs, then odd ones. */
static void widen_lane(enum ingot_dtype dtype, const uint8_t *panel, uint32_t lane, size_t n, float *to)
{
    if (dtype == INGOT_BF16)
        for (size_t k = 0; k < n; k++)
            to[k] = ingot_f32_from_bf16(get_u16(panel + (k / 2 * INGOT_PANEL_LANES + lane) * 4 + k % 2 * 2));
    else
        widen(dtype, panel + lane * ingot_dtype_size(dtype), INGOT_PANEL_LANES * ingot_dtype_size(dtype), n, to);
}

/* The same of a quantised panel: level times scale, rounded once. */
static void widen_quantised_lane(enum ingot_dtype dtype, const uint8_t *panel, uint32_t lane, size_t n, float *to)
{
    for (size_t k = 0; k < n; k++) {
        const uint8_t *step = panel + k / INGOT_QUANT_STEP * quant_step_bytes(dtype);
        to[k] = quant_value(dtype, step, k % INGOT_QUANT_STEP, lane);
    }
}

/* Row `id` of wte is one lane of one panel. */
void model_embed(const struct ingot_model *model, uint32_t id, uint32_t position, float *x)
{
    const struct matrix *m = &model->wte;
    const uint8_t *panel = m->w + id / INGOT_PANEL_LANES * m->panel_bytes;
    const uint32_t lane = id % INGOT_PANEL_LANES;
    if (m->quant_panels)
        widen_quantised_lane(m->dtype, panel, lane, m->n_in, x);
    else
        widen_lane(m->dtype, panel, lane, m->n_in, x);
    add_position(model, position, x);
}

/*
 * model.h - the weights, bound: plain structs of pointers into the open file.
 *
 * bind.c checks every name, dtype, layout and shape once. Whoever holds an ingot_model trusts the shapes written here.
 * C is n_embd.
 */
#ifndef INGOT_MODEL_H
#define INGOT_MODEL_H

#include <stdatomic.h>

#include "runtime/ingot_runtime.h"
#include "runtime/kernels/kernels.h"

/* W [n_out, n_in] in panel16, and the kernel of its dtype: one for rows of floats, or one for quantised rows. */
struct matrix {
    const uint8_t *w;
    kernel_panels_fn *panels;      /* f32, f16, bf16; else NULL */
    quant_panels_fn *quant_panels; /* q8, q4; else NULL */
    size_t panel_bytes;            /* of 16 outputs */
    enum ingot_dtype dtype;
    uint32_t n_out, n_in, n_panels;
};

/* A matrix and its bias [n_out], which may be NULL. */
struct linear {
    struct matrix weight;
    const float *bias;
};

/* Gain and shift [C] of a LayerNorm; the shift may be NULL. */
struct norm {
    const float *weight, *bias;
};

struct layer {
    struct norm ln_1;
    struct linear c_attn; /* [3C, C]: queries, keys, values */
    struct linear c_proj; /* [C, C] */
    struct norm ln_2;
    struct linear mlp_fc;   /* [n_inner, C] */
    struct linear mlp_proj; /* [C, n_inner] */
};

/* What a session does that asks to be fast (fast.h). */
enum { FAST_NOT_MEASURED, FAST_IS_EXACT, FAST_PAYS };

struct ingot_model {
    struct ingot_hparams hp;
    const struct rung *rung;
    const struct kernels *kernels;     /* of the rung */
    const struct quant_kernels *quant; /* of the rung */
    struct matrix wte;                 /* [n_vocab_stored, C] */
    struct {
        const uint8_t *rows; /* [n_ctx, C], row-major */
        enum ingot_dtype dtype;
    } wpe;
    struct layer *layers; /* n_layer */
    struct norm ln_f;
    struct matrix head; /* [n_vocab_stored, C]; wte itself when tied; n_panels covers n_vocab */
    bool quantised;     /* whether any matrix is q8 or q4 */
    uint64_t token_bytes;
    atomic_int *fast_choice; /* all else stays as it was opened */
};

/* x[0 .. C) = wte[id] + wpe[position]; both widened exactly, one addition. id < n_vocab, position < n_ctx. */
void model_embed(const struct ingot_model *model, uint32_t id, uint32_t position, float *x);

#endif

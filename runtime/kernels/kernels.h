/*
 * kernels.h - one contract per operation, one table of function pointers per instruction set.
 *
 * scalar.c and quant_scalar.c are the definition (spec/arithmetic.md says it in words); every other file gives the same
 * bits. A file that is compiled for an instruction set exports data only: its `const struct kernels`, or its `const
 * struct quant_kernels` for the integer products. A rung of the ladder in kernels.c is one of each. Nothing here
 * allocates, locks or knows about threads.
 *
 * Shapes: n_ counts elements; a stride is in elements unless it says bytes. `lanes` is always 16.
 */
#ifndef INGOT_KERNELS_H
#define INGOT_KERNELS_H

#include "format/ingot_format.h"

#define KERNEL_BLOCK 256 /* inputs that one chain of a product covers */

/* Panels times rows: for each row r < n_rows, panel p < n_panels and lane l < 16, over blocks of KERNEL_BLOCK inputs,
 *     t = +0;  t = fma(w[p][k][l], x[r][k], t)   for the k of the block, ascending
 *     y[r][16 p + l] = y[r][16 p + l] + t
 * The blocks bound the length of a chain, and with it the rounding errors that pile up. y holds the bias or zero at
 * first. Any cut of p, of r, or of k between two blocks into several calls gives the same bits; that is what makes
 * batches, tiles and threads invisible.
 *
 * chains_f32 and chains_f16 are the same without blocks: one chain over all k that starts from what y holds, so that it
 * may be cut at any k. Attention sums its values with it, each query its own number of them; w is then aligned to one
 * input's 16 weights only.
 *
 *   w   panels, panel_bytes apart, 64-byte aligned; weights are widened exactly
 *   x   f32 [n_rows][x_stride], any alignment, not aliasing y; exactly n_in elements of a row are read
 *   y   f32 [n_rows][y_stride], y_stride >= 16 n_panels, 64-byte aligned rows; all 16 n_panels lanes are updated
 */
typedef void kernel_panels_fn(const void *w, size_t panel_bytes, size_t n_panels, size_t n_in, const float *x,
                              size_t x_stride, size_t n_rows, float *y, size_t y_stride);

struct kernels {
    kernel_panels_fn *panels_f32;
    kernel_panels_fn *panels_f16;
    kernel_panels_fn *panels_bf16;
    kernel_panels_fn *chains_f32;
    kernel_panels_fn *chains_f16;

    /* y[i] = the f16 nearest to x[i], ties to even. */
    void (*narrow_f16)(const float *x, size_t n, uint16_t *y);

    /* y[i] = fma((x[i] - mean) * rstd, w[i], b[i]); b may be NULL (then the product alone). Sums in 16 lanes
     * (element i into lane i mod 16, by addition and by fma(d, d, .)) and the fixed tree lane j + lane j+8, +4, +2, +1.
     * mean = sum / n; rstd = 1 / sqrt(sum of squares / n + epsilon). x and y may be equal. */
    void (*layer_norm)(const float *x, const float *w, const float *b, size_t n, float epsilon, float *y);

    /* In place, element by element. */
    void (*gelu_tanh)(float *x, size_t n);
    void (*gelu_erf)(float *x, size_t n);

    /* In place: x[i] = exp(x[i] - max); returns the sum (16 lanes, fixed tree). max over all n; n >= 1. */
    float (*softmax_exp)(float *x, size_t n);

    /* y[i] += x[i];  y[i] *= s */
    void (*add)(float *y, const float *x, size_t n);
    void (*scale)(float *y, float s, size_t n);
};

/* ------------------------------------------------------------------------------------------------ integer products */

/* A block of activations that are all smaller is nothing: the quotient 127 / a stays finite. */
#define QUANT_SMALLEST 0x1p-100f

/* Rows of activations, quantised block by block of INGOT_QUANT_BLOCK inputs (spec/arithmetic.md, "Quantised products").
 * Inputs from n_in up to the next multiple of INGOT_QUANT_STEP are there and are zero, as are their blocks' scales and
 * sums. */
struct quant_rows {
    const int8_t *codes; /* [n_rows][code_stride], -127 .. 127, 64-byte aligned rows */
    const float *scales; /* [n_rows][block_stride], one per block: x is about scale * code */
    const int32_t *sums; /* [n_rows][block_stride], one per block: the sum of its codes */
    size_t code_stride;  /* bytes, a multiple of 64 */
    size_t block_stride;
};

/* Panels times quantised rows: for each row r < n_rows, panel p < n_panels and lane l < 16, over blocks b ascending
 *     i = the sum of level(w[p][k][l]) * codes[r][k] over the block's k, exactly
 *     y[r][16 p + l] = fma((float)i, scale(w[p][b][l]) * scales[r][b], y[r][16 p + l])
 * where the product of the two scales is rounded once. y holds the bias or zero at first. Any cut of p, of r, or of k
 * between two steps into several calls gives the same bits.
 *
 * w and y as in kernel_panels_fn; n_in is the logical number of inputs, all steps of a panel are read. */
typedef void quant_panels_fn(const void *w, size_t panel_bytes, size_t n_panels, size_t n_in,
                             const struct quant_rows *x, size_t n_rows, float *y, size_t y_stride);

struct quant_kernels {
    /* One row x[n], any alignment: writes codes, scales and sums up to the next multiple of INGOT_QUANT_STEP. */
    void (*quantise)(const float *x, size_t n, int8_t *codes, float *scales, int32_t *sums);
    quant_panels_fn *panels_q8;
    quant_panels_fn *panels_q4;
};

/* ------------------------------------------------------------------------------------------------------------- fast */

#define FAST_MIN_ROWS 16 /* below, weights are read for too few products: the exact kernels are as fast */

/* As kernel_panels_fn, but w and x are rounded to bf16 (nearest, ties to even), and their products are added to y in
 * floats in an order of the kernels' own, subnormals being zero. Any cut of p or of r gives the same bits of one table,
 * no cut of k; another table gives others. */
struct fast_kernels {
    const char *name;       /* "amx-bf16", "avx512-bf16" */
    const char *arithmetic; /* "fast (NAME)" */
    kernel_panels_fn *panels_f32;
    kernel_panels_fn *panels_f16;
    kernel_panels_fn *panels_bf16;
};

/* ------------------------------------------------------------------------------------------------------- the ladder */

extern const struct kernels kernels_scalar;
extern const struct quant_kernels quant_scalar;
#if defined(__x86_64__)
extern const struct kernels kernels_avx2, kernels_avx512;
extern const struct quant_kernels quant_avx2, quant_avxvnni, quant_avx512, quant_amx;
extern const struct fast_kernels fast_amx, fast_avx512bf16;
#elif defined(__aarch64__)
extern const struct kernels kernels_neon;
extern const struct quant_kernels quant_neon, quant_neondot;
#endif

/* What one kind of CPU runs. */
struct rung {
    const char *name;  /* "scalar", "avx2", "avxvnni", "avx512", "avx512vnni", "amx", "neon", "neondot" */
    const char *needs; /* in words */
    const struct kernels *kernels;
    const struct quant_kernels *quant;
    const struct fast_kernels *fast; /* or NULL; kernels_fast() knows whether they run here */
};

/* The best rung that this CPU and operating system can run, or the one of that name; NULL when that name is unknown or
 * cannot run here. */
const struct rung *kernels_select(const char *name);

/* The i-th rung that was compiled in, best first, whether it can run here or not; NULL behind the last. */
const struct rung *kernels_rung(size_t i);

/* The fast kernels of a rung that can run here; NULL where there are none, or where they cannot. */
const struct fast_kernels *kernels_fast(const struct rung *rung);

#endif

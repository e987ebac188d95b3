/*
 * fast.h - whether `--fast` is faster. VDPBF16PS has twice the rate of a fused multiply-add of floats on some
 * processors and half of it on others, and no flag tells which; so both kernels are run, on a small product of many
 * rows.
 */
#ifndef INGOT_FAST_H
#define INGOT_FAST_H

#include "runtime/model.h"

/* Whether the fast kernels took a tenth less time than the exact ones, each at its best of a few turns. Takes about
 * 0.1 ms. */
bool fast_pays(const struct kernels *exact, const struct fast_kernels *fast);

/* The fast kernels of a rung, where they can run and pay; NULL elsewhere. */
const struct fast_kernels *fast_of_rung(const struct rung *rung);

/* Those of a model's rung, if it has products for them. Measured when first asked for; the answer stays the same then,
 * in all threads. */
const struct fast_kernels *fast_of_model(const struct ingot_model *model);

#endif

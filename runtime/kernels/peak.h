/*
 * peak.h - loops that do nothing but load one unit of a core: what a measurement is held against.
 *
 * They compute zeros on registers, or read memory and forget it. A caller times them, on as many threads as it likes.
 */
#ifndef INGOT_PEAK_H
#define INGOT_PEAK_H

#include "runtime/kernels/kernels.h"

/* Operations of n turns of the fused multiply-adds of a rung, in independent chains on registers; a multiplication with
 * its addition counts as two. 0, and nothing is done, for a rung without them. */
double peak_fma(const struct rung *rung, uint64_t n);

/* The same for its products of bytes, added up in 32 bits: the instructions that its integer kernels are made of. */
double peak_integer(const struct rung *rung, uint64_t n);

/* The same for the products of bf16 of its fast kernels, added up in floats; only where these can run
 * (kernels_fast()). */
double peak_fast(const struct rung *rung, uint64_t n);

/* Reads all but the last few bytes of [bytes, bytes + n), 4 streams with prefetch; returns what hinges on every byte.
 * `bytes` is 64-byte aligned. */
uint64_t peak_read(const void *bytes, size_t n);

#endif

/*
 * windows.h - a sequence of tokens that may be longer than the context, cut into windows that overlap.
 *
 * Position i predicts id i + 1, so n ids have n - 1 predictions. Window w sees the positions from w * stride on, n_ctx
 * of them. A prediction counts in the first window that has its position: all those of window 0, and the last `stride`
 * ones of every other window (fewer at the end), which therefore have at least n_ctx - stride positions before them.
 */
#ifndef INGOT_WINDOWS_H
#define INGOT_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct windows {
    size_t n_positions; /* with a prediction */
    uint32_t n_ctx, stride, portion;
    size_t begin, at, n_counted;
};

/* What to evaluate next: ids [first, first + n). */
struct window_step {
    size_t first, n;
    bool fresh;  /* a window begins: forget what came before */
    bool counts; /* logits are wanted; otherwise this is context */
};

/* 1 <= stride <= n_ctx; steps that count have at most `portion` positions, at least 1. */
struct windows windows_begin(size_t n_ids, uint32_t n_ctx, uint32_t stride, uint32_t portion);

/* False when every prediction has been counted, in ascending order and once each. */
bool windows_next(struct windows *w, struct window_step *out);

/* How many windows there are. */
size_t windows_count(size_t n_ids, uint32_t n_ctx, uint32_t stride);

#endif

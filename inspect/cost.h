/*
 * cost.h - what a GPT-2 costs to run: operations, bytes, memory; from hyper-parameters and counts alone.
 *
 * A multiplication with its addition counts as two operations, as is usual. Counted are the matrix products and
 * attention; norms, activations and softmax, a thousandth of all, are not.
 */
#ifndef INGOT_COST_H
#define INGOT_COST_H

#include "inspect/census.h"

struct cost_question {
    const struct ingot_hparams *hp;
    const struct census *census;
    uint64_t n_ctx;             /* positions */
    enum ingot_dtype dtype;     /* of the matrices; vectors are f32 */
    enum ingot_dtype embedding; /* of the token embedding and the head; DTYPE_NONE: the same */
};

struct cost {
    uint64_t n_ctx;
    /* One token behind n_ctx - 1 others: all matrices once, the logits included. */
    double flops_decode, flops_decode_attention; /* the second is the part of the first that grows with the context */
    /* n_ctx tokens at once, the logits of the last alone. */
    double flops_prefill;
    double bytes_decode; /* weights and KV cache that one token at n_ctx reads */
    double weight_bytes, cache_bytes, activation_bytes, thread_bytes; /* memory of a session */
    double memory_bytes;                                              /* all of it, with one thread */
    enum ingot_dtype cache;                                           /* what the KV cache holds */
};

struct cost cost_of(const struct cost_question *q);

/* Bytes of the weights; of q8 and q4 with their scales and the padding of their panels. `n_ctx` is not looked at. */
double cost_weight_bytes(const struct cost_question *q);

#endif

/* forward.h - tokens in, logits out, for a batch that fits; session.c cuts a prompt into such. */
#ifndef INGOT_FORWARD_H
#define INGOT_FORWARD_H

#include "runtime/state.h"

#define DEFAULT_BATCH 256u /* weights are read once per batch; more gains nothing, and takes memory */

/* A run of tokens that goes through the layers together. */
struct batch {
    struct ingot_session *session;
    const uint32_t *ids;
    uint32_t n_rows;                     /* 1 .. n_batch, at positions session->position .. */
    uint32_t n_wanted;                   /* the last so many rows get logits */
    float *logits;                       /* [n_wanted][n_vocab] */
    uint64_t layers_done, layers_in_all; /* of the call whose tokens are cut into batches: for its progress */
    bool stopped;                        /* as the progress asked */
};

/* Evaluates a batch on all threads. session->position stays. False when it was stopped. */
bool forward_batch(struct batch *batch);

/* To measure them alone: the matrix products of all layers for n_rows rows, 1 .. n_batch, on the way that a batch
 * takes, without what stands between them and without the head. Operands are what the last batch left; products are
 * dropped. */
void forward_products(struct ingot_session *session, uint32_t n_rows);

#endif

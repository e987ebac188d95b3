/* architecture.h - a GPT-2 drawn from token ids to logits, with every shape; the parameters add up to the census. */
#ifndef INGOT_ARCHITECTURE_H
#define INGOT_ARCHITECTURE_H

#include "inspect/census.h"

struct architecture_step {
    char what[64], shape[64];
    uint64_t n_params; /* in one layer */
    bool in_layer;     /* happens n_layer times */
};

#define ARCHITECTURE_STEPS 20

/* Fills `steps` in the order of the forward pass; returns how many. T stands for the number of tokens. */
size_t architecture_steps(const struct ingot_hparams *hp, const struct census *c,
                          struct architecture_step steps[ARCHITECTURE_STEPS]);

#endif

/* census.h - where a GPT-2's parameters are: counted from real tensors, or from hyper-parameters alone. */
#ifndef INGOT_CENSUS_H
#define INGOT_CENSUS_H

#include "inspect/checkpoint.h"

enum census_category {
    CENSUS_TOKEN_EMBEDDING,
    CENSUS_POSITION_EMBEDDING,
    CENSUS_QUERY,
    CENSUS_KEY,
    CENSUS_VALUE,
    CENSUS_ATTENTION_OUTPUT,
    CENSUS_UP,
    CENSUS_DOWN,
    CENSUS_NORMS,       /* weights and biases of the layer norms, the last one included */
    CENSUS_BIASES,      /* of the four projections */
    CENSUS_UNEMBEDDING, /* 0 when it is tied to the token embedding */
    CENSUS_OTHER,       /* tensors that a GPT-2 does not have */
    CENSUS_CATEGORIES,
};

/* Reasons that are told apart; those beyond are counted with the last. */
#define CENSUS_REASONS 4

struct census {
    uint64_t count[CENSUS_CATEGORIES];
    uint64_t in_layers[CENSUS_CATEGORIES]; /* the part of count that belongs to numbered layers */
    uint64_t in_layer_0[CENSUS_CATEGORIES];
    uint64_t n_layer;    /* layers seen */
    uint64_t n_left_out; /* elements that are stored, but are no parameters; by reason: */
    struct census_left_out {
        char why[64]; /* escaped */
        uint64_t n_elems;
    } left_out[CENSUS_REASONS];
    uint32_t n_reasons;
    bool tied;
};

/* One numbered layer. */
struct census_layer {
    uint64_t number, count[CENSUS_CATEGORIES];
};

/* In order of number; to be freed with free(). */
struct census_layers {
    struct census_layer *rows;
    size_t n, capacity;
};

/* "token embedding", ... */
const char *census_name(enum census_category category);

/* `layers` may be NULL; else it is filled, and the caller's to free. */
struct census census_of_tensors(const struct checkpoint *cp, struct census_layers *layers);

/* `hp` has passed ingot_hparams_check(), so that no sum overflows. */
struct census census_of_hparams(const struct ingot_hparams *hp, bool tied, bool biases);

/* Rows of the embedding that the model does not have, as llm.c pads it, are no parameters: convert leaves them behind.
 */
void census_leave_padding(struct census *c, const struct ingot_hparams *hp);

/* The layers of a model in which all are alike, as census_of_hparams() has it. */
struct census_layers census_layers_alike(const struct census *c);

uint64_t census_total(const struct census *c);

/* Whether nothing in it has a place in a GPT-2. */
bool census_is_foreign(const struct census *c);

/* Parameters of each layer; 0 when the layers are not alike, as in a part of a checkpoint. */
uint64_t census_per_layer(const struct census *c, enum census_category category);

/* Elements that an .ingot file keeps in f32 whatever the matrices' dtype: norms and biases. */
uint64_t census_vectors(const struct census *c);

#endif

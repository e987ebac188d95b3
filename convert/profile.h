/* profile.h - the tensors of a GPT-2 in an .ingot file: canonical names, shapes, layouts, in order of placement. */
#ifndef INGOT_PROFILE_H
#define INGOT_PROFILE_H

#include "format/ingot_format.h"

/* What a dimension is, in terms of the hyper-parameters. */
enum profile_dim {
    DIM_NONE, /* no second dimension: a vector */
    DIM_VOCAB_STORED,
    DIM_CTX,
    DIM_EMBD,
    DIM_3_EMBD, /* query, key, value */
    DIM_INNER,
};

struct profile_tensor {
    const char *name; /* {i} stands for the layer */
    enum profile_dim shape[2];
    enum ingot_layout layout;
    bool is_bias; /* may be absent, then from every layer */
};

/* The roles in order of placement: those in front of the layers, those of each layer, those behind. */
extern const struct profile_tensor profile_gpt2[];
#define PROFILE_ROLES       17u
#define PROFILE_FIRST_LAYER 2u
#define PROFILE_LAYER_ROLES 12u
#define PROFILE_WTE         0u
#define PROFILE_WPE         1u
#define PROFILE_HEAD        16u

/* Which role has this canonical name; it must have one. */
uint32_t profile_find(const char *name);

/* The same for a name that anyone may have written, and which layer: UINT32_MAX for {i} itself, 0 for a role without
 * layers. PROFILE_ROLES when none has it. */
uint32_t profile_parse(const char *name, uint32_t *layer);

/* A slot is one tensor of one model: a role, and for the roles of a layer, which. */
uint32_t profile_slot_count(uint32_t n_layer);
uint32_t profile_slot(uint32_t role, uint32_t layer, uint32_t n_layer);
uint32_t profile_role_of(uint32_t slot, uint32_t n_layer);

static inline bool profile_role_has_layer(uint32_t role)
{
    return role - PROFILE_FIRST_LAYER < PROFILE_LAYER_ROLES;
}

#define PROFILE_NAME_MAX 48
/* The canonical name of a slot. Returns out. */
char *profile_slot_name(uint32_t slot, uint32_t n_layer, char out[PROFILE_NAME_MAX]);

/* The value of a dimension; 0 for DIM_NONE. */
uint64_t profile_dim_value(enum profile_dim dim, const struct ingot_hparams *hp);

#endif

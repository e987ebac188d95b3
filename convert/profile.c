/* profile.c - the tensors of a GPT-2 as a table. Matrices are [out, in]. */
#include "convert/profile.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define MATRIX(name_, out_, in_)                                                                                       \
    {                                                                                                                  \
        .name = name_, .shape = { out_, in_ }, .layout = INGOT_PANEL16                                                 \
    }
#define VECTOR(name_, n_)                                                                                              \
    {                                                                                                                  \
        .name = name_, .shape = { n_ }, .layout = INGOT_ROWS                                                           \
    }
#define BIAS(name_, n_)                                                                                                \
    {                                                                                                                  \
        .name = name_, .shape = { n_ }, .layout = INGOT_ROWS, .is_bias = true                                          \
    }

const struct profile_tensor profile_gpt2[] = {
    MATRIX("wte.weight", DIM_VOCAB_STORED, DIM_EMBD),
    { .name = "wpe.weight", .shape = { DIM_CTX, DIM_EMBD }, .layout = INGOT_ROWS },
    VECTOR("h.{i}.ln_1.weight", DIM_EMBD),
    BIAS("h.{i}.ln_1.bias", DIM_EMBD),
    MATRIX("h.{i}.attn.c_attn.weight", DIM_3_EMBD, DIM_EMBD),
    BIAS("h.{i}.attn.c_attn.bias", DIM_3_EMBD),
    MATRIX("h.{i}.attn.c_proj.weight", DIM_EMBD, DIM_EMBD),
    BIAS("h.{i}.attn.c_proj.bias", DIM_EMBD),
    VECTOR("h.{i}.ln_2.weight", DIM_EMBD),
    BIAS("h.{i}.ln_2.bias", DIM_EMBD),
    MATRIX("h.{i}.mlp.c_fc.weight", DIM_INNER, DIM_EMBD),
    BIAS("h.{i}.mlp.c_fc.bias", DIM_INNER),
    MATRIX("h.{i}.mlp.c_proj.weight", DIM_EMBD, DIM_INNER),
    BIAS("h.{i}.mlp.c_proj.bias", DIM_EMBD),
    VECTOR("ln_f.weight", DIM_EMBD),
    BIAS("ln_f.bias", DIM_EMBD),
    MATRIX("lm_head.weight", DIM_VOCAB_STORED, DIM_EMBD),
};

static_assert(sizeof profile_gpt2 / sizeof *profile_gpt2 == PROFILE_ROLES, "one row per role");
static_assert(PROFILE_HEAD == PROFILE_ROLES - 1, "the head is placed last");

uint32_t profile_find(const char *name)
{
    uint32_t role = 0;
    while (role < PROFILE_ROLES && strcmp(profile_gpt2[role].name, name) != 0) role++;
    assert(role < PROFILE_ROLES);
    return role;
}

/* Whether name is `pattern` with a number in the place of {i}. */
static bool is_of_layer(const char *pattern, const char *name, uint32_t *layer)
{
    const char *mark = strstr(pattern, "{i}");
    if (!mark || strncmp(pattern, name, (size_t)(mark - pattern)) != 0) return false;
    name += mark - pattern;
    size_t n = strspn(name, "0123456789");
    if (n == 0 || n > 9 || (n > 1 && name[0] == '0')) return false;
    *layer = 0;
    for (size_t i = 0; i < n; i++) *layer = *layer * 10 + (uint32_t)(name[i] - '0');
    return strcmp(name + n, mark + strlen("{i}")) == 0;
}

uint32_t profile_parse(const char *name, uint32_t *layer)
{
    uint32_t role = 0;
    for (; role < PROFILE_ROLES; role++) {
        *layer = profile_role_has_layer(role) ? UINT32_MAX : 0;
        if (strcmp(profile_gpt2[role].name, name) == 0 || is_of_layer(profile_gpt2[role].name, name, layer)) break;
    }
    return role;
}

uint32_t profile_slot_count(uint32_t n_layer)
{
    return PROFILE_ROLES + PROFILE_LAYER_ROLES * (n_layer - 1);
}

uint32_t profile_slot(uint32_t role, uint32_t layer, uint32_t n_layer)
{
    if (profile_role_has_layer(role)) return role + PROFILE_LAYER_ROLES * layer;
    return role < PROFILE_FIRST_LAYER ? role : role + PROFILE_LAYER_ROLES * (n_layer - 1);
}

uint32_t profile_role_of(uint32_t slot, uint32_t n_layer)
{
    uint32_t behind = PROFILE_FIRST_LAYER + PROFILE_LAYER_ROLES * n_layer;
    if (slot < PROFILE_FIRST_LAYER) return slot;
    if (slot >= behind) return slot - PROFILE_LAYER_ROLES * (n_layer - 1);
    return PROFILE_FIRST_LAYER + (slot - PROFILE_FIRST_LAYER) % PROFILE_LAYER_ROLES;
}

char *profile_slot_name(uint32_t slot, uint32_t n_layer, char out[PROFILE_NAME_MAX])
{
    const char *name = profile_gpt2[profile_role_of(slot, n_layer)].name;
    const char *mark = strstr(name, "{i}");
    uint32_t layer = (slot - PROFILE_FIRST_LAYER) / PROFILE_LAYER_ROLES;
    if (mark)
        snprintf(out, PROFILE_NAME_MAX, "%.*s%u%s", (int)(mark - name), name, layer, mark + strlen("{i}"));
    else
        snprintf(out, PROFILE_NAME_MAX, "%s", name);
    return out;
}

uint64_t profile_dim_value(enum profile_dim dim, const struct ingot_hparams *hp)
{
    switch (dim) {
    case DIM_VOCAB_STORED:
        return hp->n_vocab_stored;
    case DIM_CTX:
        return hp->n_ctx;
    case DIM_EMBD:
        return hp->n_embd;
    case DIM_3_EMBD:
        return UINT64_C(3) * hp->n_embd;
    case DIM_INNER:
        return hp->n_inner;
    case DIM_NONE:
        break;
    }
    return 0;
}

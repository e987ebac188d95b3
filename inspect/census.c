/* census.c - a tensor's role is read from its name, its size from its shape; q, k and v are thirds of one matrix. */
#include "inspect/census.h"

#include "format/checked.h"

#include <string.h>

/* What a tensor is counted as, by the end of its name. QUERY stands for the fused q, k, v. */
struct role {
    const char *name;
    enum census_category category;
};

static const struct role layer_roles[] = {
    { "attn.c_attn.weight", CENSUS_QUERY }, { "attn.c_proj.weight", CENSUS_ATTENTION_OUTPUT },
    { "mlp.c_fc.weight", CENSUS_UP },       { "mlp.c_proj.weight", CENSUS_DOWN },
    { "attn.c_attn.bias", CENSUS_BIASES },  { "attn.c_proj.bias", CENSUS_BIASES },
    { "mlp.c_fc.bias", CENSUS_BIASES },     { "mlp.c_proj.bias", CENSUS_BIASES },
    { "ln_1.weight", CENSUS_NORMS },        { "ln_1.bias", CENSUS_NORMS },
    { "ln_2.weight", CENSUS_NORMS },        { "ln_2.bias", CENSUS_NORMS },
};

static const struct role model_roles[] = {
    { "wte.weight", CENSUS_TOKEN_EMBEDDING }, { "wpe.weight", CENSUS_POSITION_EMBEDDING },
    { "ln_f.weight", CENSUS_NORMS },          { "ln_f.bias", CENSUS_NORMS },
    { "lm_head.weight", CENSUS_UNEMBEDDING },
};

#define N_ROLES(roles) (sizeof(roles) / sizeof *(roles))

static const char *const buffer_names[] = { "attn.bias", "attn.masked_bias" };

const char *census_name(enum census_category category)
{
    static const char *const names[CENSUS_CATEGORIES] = {
        [CENSUS_TOKEN_EMBEDDING] = "token embedding",
        [CENSUS_POSITION_EMBEDDING] = "position embedding",
        [CENSUS_QUERY] = "query",
        [CENSUS_KEY] = "key",
        [CENSUS_VALUE] = "value",
        [CENSUS_ATTENTION_OUTPUT] = "attention output",
        [CENSUS_UP] = "up",
        [CENSUS_DOWN] = "down",
        [CENSUS_NORMS] = "norms",
        [CENSUS_BIASES] = "biases",
        [CENSUS_UNEMBEDDING] = "unembedding",
        [CENSUS_OTHER] = "other",
    };
    return names[category];
}

static enum census_category find_role(const struct role *roles, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(roles[i].name, name) == 0) return roles[i].category;
    return CENSUS_OTHER;
}

/* "h.12.ln_1.weight" -> 12 and "ln_1.weight"; false for anything else. */
static bool split_layer(const char *name, uint64_t *layer, const char **rest)
{
    uint64_t n = 0;
    const char *c = name + 2;
    if (strncmp(name, "h.", 2) != 0 || *c < '0' || *c > '9') return false;
    for (; *c >= '0' && *c <= '9'; c++) {
        if (n > UINT32_MAX) return false;
        n = 10 * n + (uint64_t)(*c - '0');
    }
    *layer = n;
    *rest = c + 1;
    return *c == '.';
}

static void add(struct census *c, enum census_category category, uint64_t n)
{
    c->count[category] += n;
}

static void add_to_layer(struct census *c, enum census_category category, uint64_t layer, uint64_t n)
{
    add(c, category, n);
    c->in_layers[category] += n;
    if (layer == 0) c->in_layer_0[category] += n;
}

static void add_to_all_layers(struct census *c, enum census_category category, uint64_t each)
{
    add(c, category, c->n_layer * each);
    c->in_layers[category] += c->n_layer * each;
    c->in_layer_0[category] += each;
}

static void add_named(struct census *c, const char *name, uint64_t n)
{
    uint64_t layer = 0;
    const char *rest = name;
    if (strncmp(name, "transformer.", 12) == 0) name += 12;
    bool in_layer = split_layer(name, &layer, &rest);
    if (!in_layer) {
        add(c, find_role(model_roles, N_ROLES(model_roles), name), n);
        return;
    }
    for (size_t i = 0; i < sizeof buffer_names / sizeof *buffer_names; i++) {
        if (strcmp(buffer_names[i], rest) != 0) continue;
        c->n_buffers += n;
        return;
    }
    if (layer >= c->n_layer) c->n_layer = layer + 1;
    enum census_category category = find_role(layer_roles, N_ROLES(layer_roles), rest);
    if (category == CENSUS_QUERY) {
        add_to_layer(c, CENSUS_KEY, layer, n / 3);
        add_to_layer(c, CENSUS_VALUE, layer, n / 3);
        n -= 2 * (n / 3);
    }
    add_to_layer(c, category, layer, n);
}

static bool is_named(const struct checkpoint_tensor *t, const char *name)
{
    return strcmp(strncmp(t->name, "transformer.", 12) == 0 ? t->name + 12 : t->name, name) == 0;
}

/* A foreign checkpoint may hold the tied matrix twice: equal bytes are one matrix. */
static bool is_stored_twice(const struct checkpoint *cp, const struct checkpoint_tensor *head)
{
    for (size_t i = 0; i < cp->n_tensors; i++) {
        struct checkpoint_tensor t = checkpoint_tensor_at(cp, i);
        if (!is_named(&t, "wte.weight")) continue;
        bool same_shape = t.rank == head->rank && memcmp(t.shape, head->shape, sizeof t.shape) == 0;
        return same_shape && t.dtype == head->dtype && t.n_bytes == head->n_bytes &&
               memcmp(t.data, head->data, t.n_bytes) == 0;
    }
    return false;
}

struct census census_of_tensors(const struct checkpoint *cp)
{
    struct census c = { 0 };
    for (size_t i = 0; i < cp->n_tensors; i++) {
        struct checkpoint_tensor t = checkpoint_tensor_at(cp, i);
        if (t.target || (is_named(&t, "lm_head.weight") && is_stored_twice(cp, &t))) continue;
        add_named(&c, t.name, t.n_elems);
    }
    c.tied = c.count[CENSUS_TOKEN_EMBEDDING] > 0 && c.count[CENSUS_UNEMBEDDING] == 0;
    return c;
}

struct census census_of_hparams(const struct ingot_hparams *hp, bool tied, bool biases)
{
    uint64_t n_embd = hp->n_embd, n_inner = hp->n_inner;
    uint64_t embedding = hp->n_vocab_stored * n_embd, norm = biases ? 2 * n_embd : n_embd;
    struct census c = { .n_layer = hp->n_layer, .tied = tied };
    add(&c, CENSUS_TOKEN_EMBEDDING, embedding);
    add(&c, CENSUS_POSITION_EMBEDDING, hp->n_ctx * n_embd);
    for (int i = CENSUS_QUERY; i <= CENSUS_ATTENTION_OUTPUT; i++)
        add_to_all_layers(&c, (enum census_category)i, n_embd * n_embd);
    add_to_all_layers(&c, CENSUS_UP, n_embd * n_inner);
    add_to_all_layers(&c, CENSUS_DOWN, n_inner * n_embd);
    add_to_all_layers(&c, CENSUS_NORMS, 2 * norm);
    add(&c, CENSUS_NORMS, norm);
    if (biases) add_to_all_layers(&c, CENSUS_BIASES, 5 * n_embd + n_inner);
    if (!tied) add(&c, CENSUS_UNEMBEDDING, embedding);
    return c;
}

uint64_t census_per_layer(const struct census *c, enum census_category category)
{
    uint64_t each = c->in_layer_0[category], all;
    return checked_mul(each, c->n_layer, &all) && all == c->in_layers[category] ? each : 0;
}

uint64_t census_total(const struct census *c)
{
    uint64_t total = 0;
    for (int i = 0; i < CENSUS_CATEGORIES; i++) total += c->count[i];
    return total;
}

uint64_t census_vectors(const struct census *c)
{
    return c->count[CENSUS_NORMS] + c->count[CENSUS_BIASES];
}

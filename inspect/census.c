/* census.c - a tensor's role is what the recipe says that fits a foreign checkpoint, else read from its name; its size
 * is that of its shape; q, k and v are thirds of one matrix. */
#include "inspect/census.h"

#include "format/checked.h"
#include "format/error.h"
#include "inspect/cli/memory.h"
#include "inspect/values.h"

#include <stdlib.h>
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
        if (*roles[i].name == *name && strcmp(roles[i].name, name) == 0) return roles[i].category;
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

struct counting {
    const struct checkpoint *cp;
    struct census census;
    struct census_layers *layers;             /* or NULL */
    struct checkpoint_tensor embedding, head; /* without a name: not seen */
};

static void add(struct census *c, enum census_category category, uint64_t n)
{
    c->count[category] += n;
}

/* Tensors of a layer mostly stand together: only the last row is looked at, and merge_layers() joins what was torn. */
static void add_to_rows(struct census_layers *rows, enum census_category category, uint64_t layer, uint64_t n)
{
    if (rows->n == 0 || rows->rows[rows->n - 1].number != layer) {
        rows->rows = memory_grow(rows->rows, &rows->capacity, rows->n + 1, sizeof *rows->rows);
        rows->rows[rows->n++] = (struct census_layer){ .number = layer };
    }
    rows->rows[rows->n - 1].count[category] += n;
}

static int by_number(const void *a, const void *b)
{
    const struct census_layer *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static void merge_layers(struct census_layers *rows)
{
    size_t kept = 0;
    if (rows->n > 0) qsort(rows->rows, rows->n, sizeof *rows->rows, by_number);
    for (size_t i = 1; i < rows->n; i++) {
        if (rows->rows[i].number != rows->rows[kept].number) {
            rows->rows[++kept] = rows->rows[i];
            continue;
        }
        for (int k = 0; k < CENSUS_CATEGORIES; k++) rows->rows[kept].count[k] += rows->rows[i].count[k];
    }
    if (rows->n > 0) rows->n = kept + 1;
}

static void add_to_layer(struct counting *k, enum census_category category, uint64_t layer, uint64_t n)
{
    struct census *c = &k->census;
    if (k->layers) add_to_rows(k->layers, category, layer, n);
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

static void leave_out(struct census *c, const char *why, uint64_t n)
{
    char shown[sizeof c->left_out->why];
    uint32_t i = 0;
    ingot_escape(why, strlen(why), shown, sizeof shown);
    while (i < c->n_reasons && strcmp(c->left_out[i].why, shown) != 0) i++;
    if (i == CENSUS_REASONS) i--;
    if (i == c->n_reasons) memcpy(c->left_out[c->n_reasons++].why, shown, sizeof shown);
    c->left_out[i].n_elems += n;
    c->n_left_out += n;
}

static bool is_buffer(const char *rest)
{
    for (size_t i = 0; i < sizeof buffer_names / sizeof *buffer_names; i++)
        if (strcmp(buffer_names[i], rest) == 0) return true;
    return false;
}

/* Returns what it is counted as, of the tensors outside the layers; OTHER for those in them. */
static enum census_category add_named(struct counting *count, const char *name, uint64_t n)
{
    struct census *c = &count->census;
    uint64_t layer = 0;
    const char *rest = name;
    if (!split_layer(name, &layer, &rest)) {
        const enum census_category category = find_role(model_roles, N_ROLES(model_roles), name);
        add(c, category, n);
        return category;
    }
    if (is_buffer(rest)) {
        leave_out(c, "the causal mask as a buffer", n);
        return CENSUS_OTHER;
    }
    if (layer >= c->n_layer) c->n_layer = layer + 1;
    enum census_category category = find_role(layer_roles, N_ROLES(layer_roles), rest);
    if (category == CENSUS_QUERY) {
        add_to_layer(count, CENSUS_KEY, layer, n / 3);
        add_to_layer(count, CENSUS_VALUE, layer, n / 3);
        n -= 2 * (n / 3);
    }
    add_to_layer(count, category, layer, n);
    return CENSUS_OTHER;
}

/* ------------------------------------------------------------------------------------------ of real tensors */

static void count_named(struct counting *k, const struct checkpoint_tensor *t, const char *name, uint64_t n)
{
    const enum census_category category = add_named(k, name, n);
    if (category == CENSUS_TOKEN_EMBEDDING) k->embedding = *t;
    if (category == CENSUS_UNEMBEDDING) k->head = *t;
}

/* An ingot_role_fn. */
static void count_role(void *ctx, size_t i, const struct ingot_source_role *role)
{
    struct counting *k = ctx;
    struct checkpoint_tensor t;
    checkpoint_get_tensor(k->cp, i, &t);
    if (role->name)
        count_named(k, &t, role->name, t.n_elems / role->n_pieces);
    else if (role->dropped)
        leave_out(&k->census, role->dropped, t.n_elems);
    else
        add(&k->census, CENSUS_OTHER, t.n_elems);
}

static void count_by_names(struct counting *k)
{
    struct checkpoint_tensor t;
    for (size_t i = 0; i < k->cp->n_tensors; i++) {
        checkpoint_get_tensor(k->cp, i, &t);
        const char *name = strncmp(t.name, "transformer.", 12) == 0 ? t.name + 12 : t.name;
        if (!t.target) count_named(k, &t, name, t.n_elems);
    }
}

static bool same_elements(const struct checkpoint_tensor *a, const struct checkpoint_tensor *b)
{
    enum { CHUNK = 4096, ELEM_MAX = 16 };
    size_t size = ingot_scalar_info(values_scalar(a))->bytes;
    uint8_t *of_a = memory_array(CHUNK, ELEM_MAX), *of_b = memory_array(CHUNK, ELEM_MAX);
    bool same = true;
    for (uint64_t at = 0; at < a->n_elems && same; at += CHUNK) {
        uint64_t n = a->n_elems - at < CHUNK ? a->n_elems - at : CHUNK;
        values_gather(a, at, n, of_a);
        values_gather(b, at, n, of_b);
        same = memcmp(of_a, of_b, n * size) == 0;
    }
    free(of_a);
    free(of_b);
    return same;
}

/* A foreign checkpoint may hold the tied matrix twice, or show one under two names: equal bits are one matrix. */
static bool is_stored_twice(const struct checkpoint_tensor *a, const struct checkpoint_tensor *b)
{
    if (!a->name || !b->name || a->rank != b->rank || memcmp(a->shape, b->shape, sizeof a->shape) != 0) return false;
    if (values_check(a, NULL) != INGOT_OK || values_check(b, NULL) != INGOT_OK) return false;
    if (values_scalar(a) != values_scalar(b)) return false;
    bool same_place = a->data == b->data && memcmp(a->origin.strides, b->origin.strides, sizeof a->origin.strides) == 0;
    return same_place || same_elements(a, b);
}

/* A head alone beside position embeddings is the token embedding, to which it was tied: so it is converted, too. */
static void take_head_for_embedding(struct census *c)
{
    if (c->count[CENSUS_TOKEN_EMBEDDING] > 0 || c->count[CENSUS_POSITION_EMBEDDING] == 0) return;
    c->count[CENSUS_TOKEN_EMBEDDING] = c->count[CENSUS_UNEMBEDDING];
    c->count[CENSUS_UNEMBEDDING] = 0;
}

struct census census_of_tensors(const struct checkpoint *cp, struct census_layers *layers)
{
    struct counting k = { .cp = cp, .layers = layers };
    struct census *c = &k.census;
    if (!cp->source || ingot_source_roles(cp->source, count_role, &k, NULL) != INGOT_OK) count_by_names(&k);
    if (is_stored_twice(&k.embedding, &k.head)) c->count[CENSUS_UNEMBEDDING] = 0;
    take_head_for_embedding(c);
    c->tied = c->count[CENSUS_TOKEN_EMBEDDING] > 0 && c->count[CENSUS_UNEMBEDDING] == 0;
    if (layers) merge_layers(layers);
    return k.census;
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

void census_leave_padding(struct census *c, const struct ingot_hparams *hp)
{
    static const enum census_category of_rows[] = { CENSUS_TOKEN_EMBEDDING, CENSUS_UNEMBEDDING };
    const uint64_t most = (uint64_t)hp->n_vocab_stored * hp->n_embd;
    for (size_t i = 0; i < sizeof of_rows / sizeof *of_rows; i++) {
        uint64_t *n = &c->count[of_rows[i]];
        if (*n <= most) continue;
        leave_out(c, "padding behind the vocabulary", *n - most);
        *n = most;
    }
}

struct census_layers census_layers_alike(const struct census *c)
{
    struct census_layers layers = { .rows = memory_array(c->n_layer, sizeof *layers.rows), .n = c->n_layer };
    for (uint64_t i = 0; i < c->n_layer; i++) {
        layers.rows[i].number = i;
        memcpy(layers.rows[i].count, c->in_layer_0, sizeof c->in_layer_0);
    }
    return layers;
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

bool census_is_foreign(const struct census *c)
{
    return census_total(c) == c->count[CENSUS_OTHER];
}

uint64_t census_vectors(const struct census *c)
{
    return c->count[CENSUS_NORMS] + c->count[CENSUS_BIASES];
}

/* canonical.c - a source's tensors as those of a GPT-2, one by one: what a plan is without the demand that it be whole.
 *
 * Nothing is copied. A tensor that is seen transposed, cut or without its leading dimensions is the same bytes under
 * another shape and other strides. */
#include "convert/array.h"
#include "convert/profile.h"
#include "convert/recipe_choose.h"
#include "format/disk.h"

#include <assert.h>
#include <string.h>

#define NO_SLOT UINT32_MAX

/* One source tensor in one place. */
struct entry {
    size_t source;
    const struct recipe_rule *rule; /* NULL: nothing is known of the tensor */
    uint32_t slot;                  /* NO_SLOT: it stays what it is */
    uint32_t part, piece;
};

struct canonical_tensor {
    char name[PROFILE_NAME_MAX];
    struct ingot_canonical_tensor seen; /* its name is NULL where `name` is meant */
};

struct ingot_canonical {
    const struct ingot_source *src;
    struct chosen_recipe chosen;
    struct entry *entries;
    size_t n_entries, cap_entries;
    struct canonical_tensor *tensors;
    size_t n_tensors;
    struct ingot_source_tensor *parts;
    size_t n_parts;
    bool *kept; /* by source tensor: it is in the list as what it is */
};

/* ------------------------------------------------------------------------------------------ every tensor its places */

static enum ingot_status add_entry(struct ingot_canonical *c, struct entry entry, struct ingot_error *err)
{
    struct entry *entries = array_grow(c->entries, &c->cap_entries, c->n_entries, sizeof *entries);
    if (!entries) return fail_memory(err, c->src->path);
    c->entries = entries;
    entries[c->n_entries++] = entry;
    return INGOT_OK;
}

static enum ingot_status place(struct ingot_canonical *c, size_t i, struct ingot_error *err)
{
    uint32_t layer, part;
    const struct ingot_source_tensor *t = &c->src->tensors[i];
    const struct recipe_rule *rule = recipe_match(c->chosen.recipe, t->name, &layer, &part);
    struct entry entry = { .source = i, .slot = NO_SLOT };
    if (!rule || rule->action != RULE_TAKE || layer >= LIMIT_N_LAYER) {
        if (rule && rule_drops(rule, t)) entry.rule = rule;
        return add_entry(c, entry, err);
    }
    enum ingot_status status = INGOT_OK;
    for (uint32_t piece = 0; piece < rule->n_to && status == INGOT_OK; piece++) {
        const struct rule_target *to = &rule->to[piece];
        entry = (struct entry){ i, rule, profile_slot(to->role, target_layer(to, layer), LIMIT_N_LAYER), part, piece };
        status = add_entry(c, entry, err);
    }
    return status;
}

static int by_slot(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->slot != y->slot) return x->slot < y->slot ? -1 : 1;
    if (x->part != y->part) return x->part < y->part ? -1 : 1;
    return (x->source > y->source) - (x->source < y->source);
}

static bool has_slot(const struct ingot_canonical *c, uint32_t slot)
{
    for (size_t i = 0; i < c->n_entries; i++)
        if (c->entries[i].slot == slot) return true;
    return false;
}

/* Who writes once what shares its memory may have kept the head's name: beside position embeddings and no token
 * embedding, the head is the token embedding. A part of a checkpoint that holds neither shows what it has. */
static void take_head_for_embedding(struct ingot_canonical *c)
{
    const uint32_t wte = profile_slot(PROFILE_WTE, 0, LIMIT_N_LAYER), wpe = profile_slot(PROFILE_WPE, 0, LIMIT_N_LAYER);
    const uint32_t head = profile_slot(PROFILE_HEAD, 0, LIMIT_N_LAYER);
    if (has_slot(c, wte) || !has_slot(c, wpe)) return;
    for (size_t i = 0; i < c->n_entries; i++)
        if (c->entries[i].slot == head) c->entries[i].slot = wte;
}

/* ------------------------------------------------------------------------------------------------------------ views */

static void settle_view(struct ingot_source_tensor *t)
{
    uint64_t step = 1, last = 0, n_elems = 1;
    t->strided = false;
    for (uint32_t i = t->rank; i-- > 0; step *= t->shape[i]) {
        if (t->shape[i] != 1 && t->strides[i] != step) t->strided = true;
        if (t->shape[i] > 0) last += (t->shape[i] - 1) * t->strides[i];
        n_elems *= t->shape[i];
    }
    if (n_elems == 0)
        t->n_bytes = 0;
    else if (t->block)
        t->n_bytes = n_elems / t->block->n_elems * t->block->n_bytes;
    else
        t->n_bytes = (last + 1) * ingot_scalar_info(t->scalar)->bytes;
}

/* The orientation of a GPT-2. False when the tensor does not have the rank; what can be done is done. */
static bool turn(struct ingot_source_tensor *t, bool transposed, uint32_t rank)
{
    uint32_t skip = 0;
    while (t->rank - skip > rank && t->shape[skip] == 1) skip++;
    t->rank -= skip;
    memmove(t->shape, t->shape + skip, t->rank * sizeof t->shape[0]);
    memmove(t->strides, t->strides + skip, t->rank * sizeof t->strides[0]);
    if (transposed && t->rank == 2) {
        uint64_t extent = t->shape[0], stride = t->strides[0];
        t->shape[0] = t->shape[1];
        t->strides[0] = t->strides[1];
        t->shape[1] = extent;
        t->strides[1] = stride;
    }
    return t->rank == rank;
}

/* Piece number `piece` of n equal ones. Blocks run along the rows: only rows can be parted. */
static bool cut(struct ingot_source_tensor *t, uint32_t axis, uint32_t piece, uint32_t n)
{
    if (t->shape[axis] % n != 0 || (t->block && axis + 1 == t->rank)) return false;
    t->shape[axis] /= n;
    uint64_t first = t->shape[axis] * piece * t->strides[axis];
    uint64_t skip =
        t->block ? first / t->block->n_elems * t->block->n_bytes : first * ingot_scalar_info(t->scalar)->bytes;
    if (t->data) t->data = (const uint8_t *)t->data + skip;
    t->file_off += skip;
    return true;
}

static uint32_t axis_of(const struct recipe_rule *rule, uint32_t rank)
{
    return rank == 2 && rule->axis == AXIS_IN ? 1 : 0;
}

static bool view(const struct entry *e, uint32_t rank, const struct ingot_source_tensor *from,
                 struct ingot_source_tensor *out)
{
    const struct recipe_rule *rule = e->rule;
    *out = *from;
    if (rule->transposed && from->block) return false;
    bool fits = turn(out, rule->transposed, rank);
    if (rule->n_to > 1) { /* a row of a matrix may be a vector */
        if (out->rank == 0 || out->rank > 2) return false;
        if (!cut(out, axis_of(rule, out->rank), e->piece, rule->n_to)) return false;
        fits = turn(out, false, rank);
    }
    settle_view(out);
    return fits || (rule->n_to == 1 && rule->from.n == 1);
}

/* ------------------------------------------------------------------------------------------------- putting together */

/* Whether a part can stand behind the first along the axis. */
static bool goes_with(const struct ingot_source_tensor *first, const struct ingot_source_tensor *t, uint32_t axis)
{
    bool alike = first->scalar == t->scalar && first->block == t->block && first->rank == t->rank;
    for (uint32_t i = 0; i < t->rank && alike; i++) alike = i == axis || first->shape[i] == t->shape[i];
    return alike;
}

/* Makes one tensor of the n entries of a slot. False when they do not: one too many, one too few, unlike. */
static bool assemble(struct ingot_canonical *c, const struct entry *e, size_t n)
{
    const struct recipe_rule *rule = e->rule;
    const uint32_t role = profile_role_of(e->slot, LIMIT_N_LAYER);
    const uint32_t rank = profile_gpt2[role].shape[1] == DIM_NONE ? 1 : 2;
    struct canonical_tensor *t = &c->tensors[c->n_tensors];
    struct ingot_source_tensor *parts = &c->parts[c->n_parts];
    *t = (struct canonical_tensor){ .seen = { .known = true, .n_parts = (uint32_t)n, .parts = parts } };
    if (n != rule->from.n) return false;
    for (size_t i = 0; i < n; i++) {
        if (e[i].rule != rule || e[i].part != i) return false;
        if (!view(&e[i], rank, &c->src->tensors[e[i].source], &parts[i])) return false;
    }
    t->seen.axis = axis_of(rule, rank);
    t->seen.rank = parts->rank;
    memcpy(t->seen.shape, parts->shape, sizeof t->seen.shape);
    for (size_t i = 1; i < n; i++) {
        if (!goes_with(parts, &parts[i], t->seen.axis)) return false;
        t->seen.shape[t->seen.axis] += parts[i].shape[t->seen.axis];
    }
    profile_slot_name(e->slot, LIMIT_N_LAYER, t->name);
    c->n_tensors++;
    c->n_parts += n;
    return true;
}

static void keep(struct ingot_canonical *c, const struct entry *e)
{
    const struct ingot_source_tensor *s = &c->src->tensors[e->source];
    if (c->kept[e->source]) return;
    c->kept[e->source] = true;
    struct ingot_canonical_tensor *t = &c->tensors[c->n_tensors++].seen;
    *t = (struct ingot_canonical_tensor){ .name = s->name, .rank = s->rank, .n_parts = 1, .parts = s };
    memcpy(t->shape, s->shape, sizeof t->shape);
    if (e->rule && e->rule->action == RULE_DROP) t->dropped = e->rule->why;
}

/* What cannot be put together joins those that stay what they are; these come in the order of the source. */
static void put_together(struct ingot_canonical *c)
{
    size_t first = 0, n;
    for (; first < c->n_entries && c->entries[first].slot != NO_SLOT; first += n) {
        struct entry *e = &c->entries[first];
        for (n = 1; first + n < c->n_entries && e[n].slot == e->slot; n++) continue;
        bool done = assemble(c, e, n);
        for (size_t i = 0; i < n && !done; i++) e[i] = (struct entry){ .source = e[i].source, .slot = NO_SLOT };
    }
    qsort(c->entries, c->n_entries, sizeof *c->entries, by_slot);
    for (size_t i = 0; i < c->n_entries; i++)
        if (c->entries[i].slot == NO_SLOT) keep(c, &c->entries[i]);
}

/* ----------------------------------------------------------------------------------------------------------- public */

static enum ingot_status fill(struct ingot_canonical *c, const char *recipe, struct ingot_error *err)
{
    enum ingot_status status = recipe_choose(c->src, recipe, &c->chosen, err);
    for (size_t i = 0; i < c->src->n_tensors && status == INGOT_OK; i++) status = place(c, i, err);
    if (status != INGOT_OK || c->n_entries == 0) return status;
    c->tensors = calloc(c->n_entries, sizeof *c->tensors);
    c->parts = calloc(c->n_entries, sizeof *c->parts);
    c->kept = calloc(c->src->n_tensors, sizeof *c->kept);
    if (!c->tensors || !c->parts || !c->kept) return fail_memory(err, c->src->path);
    take_head_for_embedding(c);
    qsort(c->entries, c->n_entries, sizeof *c->entries, by_slot);
    put_together(c);
    return INGOT_OK;
}

enum ingot_status ingot_canonical_open(const struct ingot_source *src, const char *recipe, struct ingot_canonical **out,
                                       struct ingot_error *err)
{
    *out = NULL;
    struct ingot_canonical *c = calloc(1, sizeof *c);
    if (!c) return fail_memory(err, src->path);
    c->src = src;
    enum ingot_status status = fill(c, recipe, err);
    if (status == INGOT_OK)
        *out = c;
    else
        ingot_canonical_close(c);
    return status;
}

void ingot_canonical_close(struct ingot_canonical *c)
{
    if (!c) return;
    chosen_recipe_free(&c->chosen);
    free(c->entries);
    free(c->tensors);
    free(c->parts);
    free(c->kept);
    free(c);
}

size_t ingot_canonical_count(const struct ingot_canonical *c)
{
    return c->n_tensors;
}

struct ingot_canonical_tensor ingot_canonical_at(const struct ingot_canonical *c, size_t i)
{
    struct ingot_canonical_tensor t = c->tensors[i].seen;
    if (!t.name) t.name = c->tensors[i].name;
    return t;
}

/* Parts that stand side by side take turns in every row; those one above the other follow in one long row. */
static uint64_t extent_of(const struct ingot_source_tensor *part, uint32_t axis)
{
    uint64_t n = 1;
    for (uint32_t i = axis; i < part->rank; i++) n *= part->shape[i];
    return n;
}

void ingot_canonical_gather(const struct ingot_canonical_tensor *t, uint64_t first, uint64_t n, void *out)
{
    const uint32_t size = t->parts->block ? sizeof(float) : ingot_scalar_info(t->parts->scalar)->bytes;
    uint64_t width = 0;
    for (uint32_t i = 0; i < t->n_parts; i++) width += extent_of(&t->parts[i], t->axis);
    assert(n == 0 || width > 0);
    for (uint8_t *to = out; n > 0;) {
        uint64_t row = first / width, col = first % width, extent;
        const struct ingot_source_tensor *part = t->parts;
        for (; col >= (extent = extent_of(part, t->axis)); part++) col -= extent;
        uint64_t step = extent - col < n ? extent - col : n;
        ingot_source_gather(part, row * extent + col, step, to);
        to += step * size;
        first += step;
        n -= step;
    }
}

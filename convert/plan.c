/* plan.c - from names and shapes to a plan.
 *
 * The tied head: with tie_word_embeddings, transformers computes with wte and ignores lm_head.weight. A stored copy
 * with the same bits is dropped for an alias; one that differs is refused, for whoever trained it meant something. */
#include "convert/plan.h"

#include "convert/array.h"
#include "convert/config.h"
#include "convert/dialect.h"

#include <stdio.h>
#include <string.h>

#define ADVICE_CONFIG "is config.json the one of these weights?"

struct planner {
    const struct ingot_source *src;
    const struct dialect *dialect;
    struct model_config config;
    enum ingot_dtype dtype;
    const struct ingot_source_tensor **slots; /* by slot: its source, or NULL */
    const struct name_rule **rules;           /* by slot: the rule that chose it */
    uint32_t n_slots;
    struct plan *plan;
    struct ingot_error *err;
};

static const struct profile_tensor *role_of(const struct planner *p, uint32_t slot)
{
    return &profile_gpt2[profile_role_of(slot, p->config.hp.n_layer)];
}

/* ------------------------------------------------------------------------------------- every source tensor a place */

static enum ingot_status take(struct planner *p, const struct ingot_source_tensor *t, const struct name_rule *rule,
                              uint32_t layer)
{
    uint32_t role = profile_find(rule->to), n_layer = p->config.hp.n_layer;
    if (profile_role_has_layer(role) && layer >= n_layer)
        return ingot_fail(p->err, INGOT_E_MODEL, t->file_off, t->name, ADVICE_CONFIG,
                          "a tensor of layer %u, but %s says n_layer = %u", layer, CONFIG_FILE, n_layer);
    uint32_t slot = profile_slot(role, layer, n_layer);
    const struct ingot_source_tensor *other = p->slots[slot];
    if (other) {
        char shown[160];
        return ingot_fail(p->err, INGOT_E_MODEL, t->file_off, t->name, "keep one of them", "the same tensor as %s",
                          ingot_escape(other->name, strlen(other->name), shown, sizeof shown));
    }
    p->slots[slot] = t;
    p->rules[slot] = rule;
    return INGOT_OK;
}

/* Buffers are scalars or [1, 1, T, T]; a bias would be a vector. */
static enum ingot_status drop(struct planner *p, const struct ingot_source_tensor *t, const struct name_rule *rule)
{
    if (t->rank != 0 && t->rank != 4 && !(t->rank == 1 && t->shape[0] == 1))
        return ingot_fail(p->err, INGOT_E_SHAPE, t->file_off, t->name, NULL, "rank %u does not fit %s", t->rank,
                          rule->why);
    p->plan->dropped[p->plan->n_dropped++] = (struct plan_dropped){ t, rule->why };
    return INGOT_OK;
}

static enum ingot_status place(struct planner *p, const struct ingot_source_tensor *t)
{
    uint32_t layer;
    const struct name_rule *rule = dialect_match(p->dialect, t->name, &layer);
    if (!rule)
        return ingot_fail(p->err, INGOT_E_MODEL, t->file_off, t->name, "remove it if it is not part of the model",
                          "no tensor of a GPT-2 has this name");
    if (rule->action == NAME_REFUSE)
        return ingot_fail(p->err, INGOT_E_UNSUPPORTED, t->file_off, t->name,
                          "only language models with GPT-2's own head can be converted", "it belongs to %s", rule->why);
    return rule->action == NAME_DROP ? drop(p, t, rule) : take(p, t, rule, layer);
}

static enum ingot_status place_all(struct planner *p)
{
    size_t n = p->src->n_tensors;
    p->n_slots = profile_slot_count(p->config.hp.n_layer);
    p->slots = calloc(p->n_slots, sizeof *p->slots);
    p->rules = calloc(p->n_slots, sizeof *p->rules);
    p->plan->tensors = calloc(n + 1, sizeof *p->plan->tensors);
    p->plan->dropped = calloc(n + 1, sizeof *p->plan->dropped);
    if (!p->slots || !p->rules || !p->plan->tensors || !p->plan->dropped) return fail_memory(p->err, p->src->path);
    enum ingot_status status = INGOT_OK;
    for (size_t i = 0; i < n && status == INGOT_OK; i++) status = place(p, &p->src->tensors[i]);
    return status;
}

/* ------------------------------------------------------------------------------------------ every place a tensor */

/* A bias may be absent, but from every layer: a single gap is damage. */
static bool role_is_absent(const struct planner *p, uint32_t slot)
{
    uint32_t role = profile_role_of(slot, p->config.hp.n_layer);
    uint32_t n = profile_role_has_layer(role) ? p->config.hp.n_layer : 1;
    for (uint32_t layer = 0; layer < n; layer++)
        if (p->slots[profile_slot(role, layer, p->config.hp.n_layer)]) return false;
    return true;
}

static bool may_be_absent(const struct planner *p, uint32_t slot, const bool absent_roles[PROFILE_ROLES])
{
    uint32_t role = profile_role_of(slot, p->config.hp.n_layer);
    if (role == PROFILE_HEAD) return p->config.tied;
    return profile_gpt2[role].is_bias && absent_roles[role];
}

static enum ingot_status check_present(struct planner *p)
{
    uint32_t n_missing = 0, first = 0;
    bool absent_roles[PROFILE_ROLES];
    for (uint32_t role = 0; role < PROFILE_ROLES; role++)
        absent_roles[role] = role_is_absent(p, profile_slot(role, 0, p->config.hp.n_layer));
    for (uint32_t slot = 0; slot < p->n_slots; slot++) {
        if (p->slots[slot] && role_of(p, slot)->is_bias) p->plan->biased = true;
        if (p->slots[slot] || may_be_absent(p, slot, absent_roles)) continue;
        if (n_missing++ == 0) first = slot;
    }
    if (n_missing == 0) return INGOT_OK;
    char name[PROFILE_NAME_MAX];
    return ingot_fail(p->err, INGOT_E_MISSING, INGOT_NO_OFFSET, profile_slot_name(first, p->config.hp.n_layer, name),
                      "get the complete checkpoint, and config.json of the same model",
                      "the checkpoint lacks this tensor and %u others", n_missing - 1);
}

static bool is_copy(const struct ingot_source_tensor *a, const struct ingot_source_tensor *b)
{
    return a->dtype == b->dtype && a->rank == b->rank && memcmp(a->shape, b->shape, sizeof a->shape) == 0 &&
           a->n_bytes == b->n_bytes && memcmp(a->data, b->data, a->n_bytes) == 0;
}

/* Decides between alias and tensor. */
static enum ingot_status settle_head(struct planner *p)
{
    uint32_t n_layer = p->config.hp.n_layer, slot = profile_slot(PROFILE_HEAD, 0, n_layer);
    const struct ingot_source_tensor *head = p->slots[slot];
    const struct ingot_source_tensor *wte = p->slots[profile_slot(PROFILE_WTE, 0, n_layer)];
    p->plan->tied = p->config.tied;
    if (!p->config.tied || !head) return INGOT_OK;
    if (!is_copy(head, wte))
        return ingot_fail(p->err, INGOT_E_MODEL, head->file_off, head->name,
                          "set tie_word_embeddings to false to use it, or remove the tensor",
                          "differs from wte.weight, but %s ties the two", CONFIG_FILE);
    p->plan->dropped[p->plan->n_dropped++] = (struct plan_dropped){ head, "the same bits as wte.weight" };
    p->slots[slot] = NULL;
    return INGOT_OK;
}

/* -------------------------------------------------------------------------------------------- shapes, dtypes, views */

static char *shape_text(uint32_t rank, const uint64_t *shape, char *out, size_t cap)
{
    size_t used = (size_t)snprintf(out, cap, "[");
    for (uint32_t i = 0; i < rank && used < cap; i++)
        used += (size_t)snprintf(out + used, cap - used, "%s%llu", i ? ", " : "", (unsigned long long)shape[i]);
    if (used < cap) snprintf(out + used, cap - used, "]");
    return out;
}

/* Compares in the source's own orientation, so that the message shows what stands in the file. */
static enum ingot_status check_shape(const struct planner *p, const struct plan_tensor *t)
{
    const struct ingot_source_tensor *s = t->parts->source;
    bool swapped = t->parts->transposed;
    uint64_t expected[2] = { t->shape[swapped ? 1 : 0], t->shape[swapped ? 0 : 1] };
    if (s->rank == t->rank && memcmp(s->shape, expected, t->rank * sizeof *expected) == 0) return INGOT_OK;
    char found_text[200], expected_text[64];
    return ingot_fail(p->err, INGOT_E_SHAPE, s->file_off, s->name, ADVICE_CONFIG, "shape %s, expected %s",
                      shape_text(s->rank, s->shape, found_text, sizeof found_text),
                      shape_text(t->rank, expected, expected_text, sizeof expected_text));
}

static bool is_float(enum ingot_dtype dtype)
{
    return dtype == INGOT_F32 || dtype == INGOT_F16 || dtype == INGOT_BF16 || dtype == INGOT_F64;
}

/* Vectors are f32; matrices what was asked for, or what they are. */
static enum ingot_status choose_dtype(const struct planner *p, struct plan_tensor *t)
{
    const struct ingot_source_tensor *s = t->parts->source;
    t->from = s->block ? INGOT_F32 : s->dtype;
    if (!is_float(t->from))
        return ingot_fail(p->err, INGOT_E_DTYPE, s->file_off, s->name, "give a checkpoint of f32, f16 or bf16",
                          "dtype %s; weights can be cast from F32, F16, BF16 and F64", s->dtype_name);
    t->dtype = p->dtype != INGOT_DTYPE_NONE ? p->dtype : t->from;
    if (t->rank == 1 || t->dtype == INGOT_F64) t->dtype = INGOT_F32;
    return INGOT_OK;
}

static struct ingot_view view_of(const struct plan_tensor *t)
{
    const struct plan_part *part = t->parts;
    const struct ingot_source_tensor *s = part->source;
    struct ingot_view v = {
        .data = s->block ? NULL : s->data, .dtype = t->from, .n_rows = t->n_rows, .n_cols = t->n_cols
    };
    if (t->rank == 1) {
        v.col_stride = s->strides[0];
        v.row_stride = t->n_cols;
    } else {
        v.row_stride = s->strides[part->transposed ? 1 : 0];
        v.col_stride = s->strides[part->transposed ? 0 : 1];
    }
    return v;
}

static enum ingot_status plan_slot(struct planner *p, uint32_t slot)
{
    const struct profile_tensor *role = role_of(p, slot);
    struct plan_tensor *t = &p->plan->tensors[p->plan->n_tensors++];
    *t = (struct plan_tensor){ .parts = calloc(1, sizeof *t->parts), .n_parts = 1, .layout = role->layout };
    if (!t->parts) return fail_memory(p->err, p->src->path);
    t->parts->source = p->slots[slot];
    t->parts->transposed = p->rules[slot]->transposed;
    profile_slot_name(slot, p->config.hp.n_layer, t->name);
    t->rank = role->shape[1] == DIM_NONE ? 1 : 2;
    for (uint32_t i = 0; i < t->rank; i++) t->shape[i] = profile_dim_value(role->shape[i], &p->plan->hp);
    t->n_rows = t->rank == 2 ? t->shape[0] : 1;
    t->n_cols = t->shape[t->rank - 1];
    enum ingot_status status = check_shape(p, t);
    if (status == INGOT_OK) status = choose_dtype(p, t);
    if (status == INGOT_OK) t->parts->view = view_of(t);
    return status;
}

static enum ingot_status plan_slots(struct planner *p)
{
    enum ingot_status status = INGOT_OK;
    for (uint32_t slot = 0; slot < p->n_slots && status == INGOT_OK; slot++)
        if (p->slots[slot]) status = plan_slot(p, slot);
    return status;
}

/* The rows of wte are the stored vocabulary; there may be more than vocab_size says, never fewer. */
static enum ingot_status complete_hparams(const struct model_config *config, const struct ingot_source_tensor *wte,
                                          struct ingot_hparams *out, struct ingot_error *err)
{
    *out = config->hp;
    if (wte->rank != 2 || wte->shape[0] > UINT32_MAX)
        return ingot_fail(err, INGOT_E_SHAPE, wte->file_off, wte->name, NULL, "rank %u, expected [vocab_size, n_embd]",
                          wte->rank);
    out->n_vocab_stored = (uint32_t)wte->shape[0];
    return ingot_hparams_check(out, CONFIG_FILE, err);
}

enum ingot_status plan_make(const struct ingot_source *src, const struct ingot_convert_options *options,
                            struct plan *out, struct ingot_error *err)
{
    *out = (struct plan){ 0 };
    struct planner p = {
        .src = src, .dialect = &dialect_huggingface, .dtype = options->dtype, .plan = out, .err = err
    };
    out->inputs = calloc(1, sizeof *out->inputs);
    if (!out->inputs) return fail_memory(err, src->path);
    enum ingot_status status = config_read(src->directory, &p.config, &out->inputs[0], err);
    if (status == INGOT_OK) out->n_inputs = 1;
    if (status == INGOT_OK) status = place_all(&p);
    if (status == INGOT_OK) status = check_present(&p);
    if (status == INGOT_OK) status = complete_hparams(&p.config, p.slots[PROFILE_WTE], &out->hp, err);
    if (status == INGOT_OK) status = settle_head(&p);
    if (status == INGOT_OK) status = plan_slots(&p);
    free(p.slots);
    free(p.rules);
    if (status != INGOT_OK) plan_free(out);
    return status;
}

void plan_free(struct plan *plan)
{
    for (size_t i = 0; i < plan->n_tensors; i++) free(plan->tensors[i].parts);
    free(plan->tensors);
    free(plan->dropped);
    for (size_t i = 0; i < plan->n_inputs; i++) input_close(plan->inputs[i]);
    free(plan->inputs);
    *plan = (struct plan){ 0 };
}

enum ingot_status ingot_source_hparams(const struct ingot_source *src, struct ingot_hparams *out,
                                       struct ingot_error *err)
{
    struct model_config config;
    struct input *file;
    uint32_t layer;
    enum ingot_status status = config_read(src->directory, &config, &file, err);
    if (status != INGOT_OK) return status;
    input_close(file);
    for (size_t i = 0; i < src->n_tensors; i++) {
        const struct name_rule *rule = dialect_match(&dialect_huggingface, src->tensors[i].name, &layer);
        if (rule && rule->action == NAME_TAKE && profile_find(rule->to) == PROFILE_WTE)
            return complete_hparams(&config, &src->tensors[i], out, err);
    }
    return ingot_fail(err, INGOT_E_MISSING, INGOT_NO_OFFSET, profile_gpt2[PROFILE_WTE].name,
                      "get the complete checkpoint",
                      "the checkpoint lacks this tensor, which says the vocabulary's size");
}

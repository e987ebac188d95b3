/* plan.c - from names and shapes to a plan.
 *
 * A slot is one tensor of the result. First every source tensor is put into slots by the recipe's rules; then the slots
 * are put together from their parts, which gives the result's dimensions; from these and from what is declared follow
 * the hyper-parameters; and these in turn say what every shape must be.
 *
 * The tied head: where the configuration ties it, transformers computes with wte and ignores lm_head.weight. A stored
 * copy with the same bits is dropped for an alias; one that differs is refused, for whoever trained it meant
 * something. */
#include "convert/plan.h"

#include "convert/array.h"
#include "convert/config.h"
#include "convert/recipe_choose.h"

#include <stdio.h>
#include <string.h>

#define ADVICE_SHAPE   "are the configuration and the recipe those of these weights?"
#define COMPARED_ELEMS 4096u

struct slot {
    const struct recipe_rule *rule;          /* that chose its source; NULL while it has none */
    struct plan_part *parts;                 /* as many as the rule has names */
    const struct ingot_source_tensor *first; /* that was put here */
    uint32_t n_filled;
    uint32_t piece;          /* which of the pieces that the rule splits its source into */
    uint64_t n_rows, n_cols; /* of all parts together */
};

struct planner {
    const struct ingot_source *src;
    const struct ingot_convert_options *options;
    struct chosen_recipe chosen;
    struct hparam_value declared[HPARAM_COUNT];
    enum recipe_head head;
    struct slot *slots;
    uint32_t n_slots, n_layer;
    bool *used; /* by rule: something matched */
    struct plan *plan;
    struct ingot_error *err;
};

static const struct profile_tensor *role_of(const struct planner *p, uint32_t slot)
{
    return &profile_gpt2[profile_role_of(slot, p->n_layer)];
}

static struct slot *slot_of(const struct planner *p, uint32_t role, uint32_t layer)
{
    return &p->slots[profile_slot(role, layer, p->n_layer)];
}

/* --------------------------------------------------------------------------------------- what is said beside tensors
 */

/* config.json may be absent when options say what only it could. */
static enum ingot_status read_config(struct planner *p, struct model_config *config, bool *found)
{
    struct input *in;
    *found = false;
    if (!p->chosen.recipe->huggingface_config) return INGOT_OK;
    if (p->options->n_settings > 0 && !path_exists(p->src->directory, CONFIG_FILE)) return INGOT_OK;
    enum ingot_status status = config_read(p->src->directory, config, &in, p->err);
    if (status != INGOT_OK) return status;
    *found = true;
    p->head = config->tied ? HEAD_TIED : HEAD_STORED;
    return chosen_recipe_keep(&p->chosen, in, p->err);
}

static enum ingot_status declare(struct planner *p)
{
    struct model_config config;
    bool found = false;
    enum ingot_status status = recipe_choose(p->src, p->options->recipe, &p->chosen, p->err);
    if (status != INGOT_OK) return status;
    p->head = p->chosen.recipe->head;
    status = read_config(p, &config, &found);
    if (status != INGOT_OK) return status;
    return hparams_declare(p->chosen.recipe, p->src, &p->chosen.beside, found ? &config : NULL, p->options, p->declared,
                           p->err);
}

/* ------------------------------------------------------------------------------------- every source tensor a place */

static enum ingot_status fail_twice(struct planner *p, const struct ingot_source_tensor *t, const struct slot *slot)
{
    char shown[160];
    const struct ingot_source_tensor *other = slot->first;
    return ingot_fail(p->err, INGOT_E_MODEL, t->file_off, t->name, "keep one of them", "the same tensor as %s",
                      ingot_escape(other->name, strlen(other->name), shown, sizeof shown));
}

static enum ingot_status put(struct planner *p, const struct ingot_source_tensor *t, const struct recipe_rule *rule,
                             uint32_t layer, uint32_t part, uint32_t piece)
{
    uint32_t role = rule->to[piece].role;
    if (rule->to[piece].layer != LAYER_OF_PATTERN) layer = rule->to[piece].layer;
    if (layer >= p->n_layer)
        return ingot_fail(p->err, INGOT_E_MODEL, t->file_off, t->name, ADVICE_SHAPE,
                          "a tensor of layer %u, but %s says n_layer = %u", layer, p->declared[HPARAM_N_LAYER].origin,
                          p->n_layer);
    struct slot *slot = slot_of(p, role, layer);
    if (slot->rule && (slot->rule != rule || slot->piece != piece || slot->parts[part].source))
        return fail_twice(p, t, slot);
    if (!slot->rule) {
        slot->parts = calloc(rule->from.n, sizeof *slot->parts);
        if (!slot->parts) return fail_memory(p->err, p->src->path);
        slot->rule = rule;
        slot->piece = piece;
        slot->first = t;
    }
    slot->parts[part].source = t;
    slot->parts[part].transposed = rule->transposed;
    slot->n_filled++;
    return INGOT_OK;
}

static enum ingot_status drop(struct planner *p, const struct ingot_source_tensor *t, const struct recipe_rule *rule)
{
    char shape[200];
    if (rule->shape.given && !shape_match(&rule->shape, t->rank, t->shape))
        return ingot_fail(p->err, INGOT_E_SHAPE, t->file_off, t->name, NULL, "shape %s does not fit %s",
                          shape_text(t->rank, t->shape, shape, sizeof shape), rule->why);
    p->plan->dropped[p->plan->n_dropped++] = (struct plan_dropped){ t, rule->why };
    return INGOT_OK;
}

static enum ingot_status place(struct planner *p, const struct ingot_source_tensor *t)
{
    uint32_t layer, part;
    const struct recipe *recipe = p->chosen.recipe;
    const struct recipe_rule *rule = recipe_match(recipe, t->name, &layer, &part);
    char shown[64];
    if (!rule)
        return ingot_fail(p->err, INGOT_E_MODEL, t->file_off, t->name,
                          "remove it if it is not part of the model, or give a recipe that drops it",
                          "no rule of recipe %s has this name",
                          ingot_escape(recipe->name, strlen(recipe->name), shown, sizeof shown));
    p->used[rule - recipe->rules] = true;
    if (rule->action == RULE_REFUSE)
        return ingot_fail(p->err, INGOT_E_UNSUPPORTED, t->file_off, t->name,
                          "only language models with GPT-2's own head can be converted", "it belongs to %s", rule->why);
    if (rule->action == RULE_DROP) return drop(p, t, rule);
    enum ingot_status status = INGOT_OK;
    for (uint32_t piece = 0; piece < rule->n_to && status == INGOT_OK; piece++)
        status = put(p, t, rule, layer, part, piece);
    return status;
}

/* One more than the last layer that has a tensor. */
static uint32_t count_layers(const struct planner *p)
{
    uint32_t n = 0;
    for (size_t i = 0; i < p->src->n_tensors; i++) {
        uint32_t layer, part;
        const struct recipe_rule *rule = recipe_match(p->chosen.recipe, p->src->tensors[i].name, &layer, &part);
        for (uint32_t k = 0; rule && k < rule->n_to; k++) {
            uint32_t of_rule = rule->to[k].layer == LAYER_OF_PATTERN ? layer : rule->to[k].layer;
            if (profile_role_has_layer(rule->to[k].role) && of_rule >= n) n = of_rule + 1;
        }
    }
    return n;
}

/* More layers than tensors are missing most of theirs: no memory is spent on them. */
static enum ingot_status settle_layers(struct planner *p)
{
    struct hparam_value *declared = &p->declared[HPARAM_N_LAYER];
    if (!declared->origin) *declared = (struct hparam_value){ .origin = "the last layer", .count = count_layers(p) };
    p->n_layer = declared->count;
    if (p->n_layer > 0 && p->n_layer <= p->src->n_tensors) return INGOT_OK;
    return ingot_fail(p->err, INGOT_E_MISSING, INGOT_NO_OFFSET, p->src->path, "get the complete checkpoint",
                      "%zu tensors are too few for a GPT-2%s%s", p->src->n_tensors, p->n_layer ? ": n_layer by " : "",
                      p->n_layer ? declared->origin : "");
}

static enum ingot_status place_all(struct planner *p)
{
    enum ingot_status status = settle_layers(p);
    if (status != INGOT_OK) return status;
    size_t n = p->src->n_tensors;
    p->n_slots = profile_slot_count(p->n_layer);
    p->slots = calloc(p->n_slots, sizeof *p->slots);
    p->used = calloc(p->chosen.recipe->n_rules, sizeof *p->used);
    p->plan->tensors = calloc(p->n_slots, sizeof *p->plan->tensors);
    p->plan->dropped = calloc(n + 1, sizeof *p->plan->dropped);
    if (!p->slots || !p->used || !p->plan->tensors || !p->plan->dropped) return fail_memory(p->err, p->src->path);
    for (size_t i = 0; i < n && status == INGOT_OK; i++) status = place(p, &p->src->tensors[i]);
    return status;
}

/* A rule of one's own that matches nothing is nearly always a slip. */
static void warn_of_unused_rules(const struct planner *p)
{
    const struct recipe *recipe = p->chosen.recipe;
    char message[192], shown[96];
    if (recipe->built_in || !p->options->warning) return;
    for (uint32_t i = 0; i < recipe->n_rules; i++) {
        const struct recipe_rule *rule = &recipe->rules[i];
        if (p->used[i] || rule->action != RULE_TAKE) continue;
        snprintf(message, sizeof message, "line %zu: no tensor of the checkpoint is called %s", rule->line,
                 ingot_escape(rule->from.items[0], strlen(rule->from.items[0]), shown, sizeof shown));
        p->options->warning(p->options->warning_ctx, p->options->recipe, message);
    }
}

/* ------------------------------------------------------------------------------------------ every place a tensor */

/* A bias may be absent, but from every layer: a single gap is damage. */
static bool role_is_absent(const struct planner *p, uint32_t role)
{
    uint32_t n = profile_role_has_layer(role) ? p->n_layer : 1;
    for (uint32_t layer = 0; layer < n; layer++)
        if (slot_of(p, role, layer)->rule) return false;
    return true;
}

static bool may_be_absent(const struct planner *p, uint32_t slot, const bool absent_roles[PROFILE_ROLES])
{
    uint32_t role = profile_role_of(slot, p->n_layer);
    if (role == PROFILE_HEAD) return p->head != HEAD_STORED;
    return profile_gpt2[role].is_bias && absent_roles[role];
}

/* Of the parts that make one tensor, all must be here. */
static enum ingot_status check_parts(struct planner *p, uint32_t number)
{
    const struct slot *slot = &p->slots[number];
    char name[PROFILE_NAME_MAX], shown[96];
    for (uint32_t i = 0; slot->rule && i < slot->rule->from.n; i++)
        if (!slot->parts[i].source) {
            const char *pattern = slot->rule->from.items[i];
            return ingot_fail(p->err, INGOT_E_MISSING, INGOT_NO_OFFSET, profile_slot_name(number, p->n_layer, name),
                              "get the complete checkpoint", "of its %u parts the checkpoint lacks %s",
                              slot->rule->from.n, ingot_escape(pattern, strlen(pattern), shown, sizeof shown));
        }
    return INGOT_OK;
}

static enum ingot_status check_present(struct planner *p)
{
    uint32_t n_missing = 0, first = 0;
    bool absent_roles[PROFILE_ROLES];
    for (uint32_t role = 0; role < PROFILE_ROLES; role++) absent_roles[role] = role_is_absent(p, role);
    for (uint32_t slot = 0; slot < p->n_slots; slot++) {
        enum ingot_status status = check_parts(p, slot);
        if (status != INGOT_OK) return status;
        if (p->slots[slot].rule && role_of(p, slot)->is_bias) p->plan->biased = true;
        if (p->slots[slot].rule || may_be_absent(p, slot, absent_roles)) continue;
        if (n_missing++ == 0) first = slot;
    }
    if (n_missing == 0) return INGOT_OK;
    char name[PROFILE_NAME_MAX];
    return ingot_fail(p->err, INGOT_E_MISSING, INGOT_NO_OFFSET, profile_slot_name(first, p->n_layer, name),
                      "get the complete checkpoint, and the configuration of the same model",
                      "the checkpoint lacks this tensor and %u others", n_missing - 1);
}

/* ------------------------------------------------------------------------------------------------- parts into tensors
 */

static enum ingot_status fail_shape(struct planner *p, const struct ingot_source_tensor *t, const char *expected)
{
    char shape[200];
    return ingot_fail(p->err, INGOT_E_SHAPE, t->file_off, t->name, ADVICE_SHAPE, "shape %s, expected %s",
                      shape_text(t->rank, t->shape, shape, sizeof shape), expected);
}

/* A source tensor as a matrix in the orientation of the result; dimensions of 1 in front are nothing. */
static enum ingot_status view_source(struct planner *p, const struct plan_part *part, bool is_matrix,
                                     struct ingot_view *out)
{
    const struct ingot_source_tensor *t = part->source;
    uint32_t skip = 0;
    while (t->rank - skip > 2 && t->shape[skip] == 1) skip++;
    const uint32_t rank = t->rank - skip;
    if (rank > 2 || (is_matrix && rank < 2)) return fail_shape(p, t, is_matrix ? "a matrix" : "a vector");
    const uint64_t *shape = t->shape + skip, *strides = t->strides + skip;
    *out = (struct ingot_view){ .data = t->data, .dtype = t->block ? INGOT_F32 : t->dtype, 1, 1, 1, 1 };
    if (rank > 0) {
        out->n_cols = out->row_stride = shape[rank - 1];
        out->col_stride = strides[rank - 1];
    }
    if (rank == 2) {
        out->n_rows = shape[0];
        out->row_stride = strides[0];
    }
    if (part->transposed)
        *out = (struct ingot_view){ out->data, out->dtype, out->n_cols, out->n_rows, out->col_stride, out->row_stride };
    return INGOT_OK;
}

/* Which piece of its source a part is. */
static enum ingot_status cut(struct planner *p, const struct slot *slot, struct plan_part *part)
{
    const struct ingot_source_tensor *t = part->source;
    const uint32_t n = slot->rule->n_to;
    struct ingot_view *v = &part->view;
    bool is_vector = profile_gpt2[slot->rule->to[slot->piece].role].shape[1] == DIM_NONE;
    bool by_rows = slot->rule->axis == AXIS_OUT && !(is_vector && v->n_rows == 1);
    uint64_t *extent = by_rows ? &v->n_rows : &v->n_cols;
    char shape[200];
    if (n == 1) return INGOT_OK;
    if (*extent % n != 0)
        return ingot_fail(p->err, INGOT_E_SHAPE, t->file_off, t->name, NULL,
                          "shape %s cannot be split into %u equal parts",
                          shape_text(t->rank, t->shape, shape, sizeof shape), n);
    *extent /= n;
    *(by_rows ? &part->from_row : &part->from_col) = *extent * slot->piece;
    return INGOT_OK;
}

/* Blocks run along the source's rows: they are not taken apart. */
static enum ingot_status check_blocks(struct planner *p, const struct plan_part *part)
{
    const struct ingot_source_tensor *t = part->source;
    if (!t->block) return INGOT_OK;
    if (part->transposed)
        return ingot_fail(p->err, INGOT_E_UNSUPPORTED, t->file_off, t->name, "give a checkpoint of f32, f16 or bf16",
                          "blocks of %s cannot be transposed", t->dtype_name);
    if (part->from_col % t->block->n_elems != 0 || part->view.n_cols % t->block->n_elems != 0)
        return ingot_fail(p->err, INGOT_E_UNSUPPORTED, t->file_off, t->name, "give a checkpoint of f32, f16 or bf16",
                          "blocks of %s cannot be cut into", t->dtype_name);
    return INGOT_OK;
}

/* Puts a part below or beside those before it. */
static enum ingot_status attach(struct planner *p, struct slot *slot, uint32_t i)
{
    struct plan_part *part = &slot->parts[i];
    bool is_vector = profile_gpt2[slot->rule->to[slot->piece].role].shape[1] == DIM_NONE;
    bool below = slot->rule->axis == AXIS_OUT && !is_vector;
    const struct ingot_view *v = &part->view;
    if (i == 0) {
        slot->n_rows = v->n_rows;
        slot->n_cols = v->n_cols;
        return INGOT_OK;
    }
    if (below ? v->n_cols != slot->n_cols : v->n_rows != slot->n_rows)
        return fail_shape(p, part->source,
                          below ? "as many inputs as the part before it has"
                                : "as many outputs as the part before it has");
    uint64_t *extent = below ? &slot->n_rows : &slot->n_cols;
    *(below ? &part->row : &part->col) = *extent;
    *extent += below ? v->n_rows : v->n_cols;
    return INGOT_OK;
}

static enum ingot_status assemble(struct planner *p, struct slot *slot)
{
    bool is_matrix = profile_gpt2[slot->rule->to[slot->piece].role].shape[1] != DIM_NONE;
    enum ingot_status status = INGOT_OK;
    for (uint32_t i = 0; i < slot->rule->from.n && status == INGOT_OK; i++) {
        struct plan_part *part = &slot->parts[i];
        if (!part->source) continue;
        status = view_source(p, part, is_matrix, &part->view);
        if (status == INGOT_OK) status = cut(p, slot, part);
        if (status == INGOT_OK) status = check_blocks(p, part);
        if (status == INGOT_OK) status = attach(p, slot, i);
    }
    return status;
}

static enum ingot_status assemble_all(struct planner *p)
{
    enum ingot_status status = INGOT_OK;
    for (uint32_t i = 0; i < p->n_slots && status == INGOT_OK; i++)
        if (p->slots[i].rule) status = assemble(p, &p->slots[i]);
    return status;
}

/* --------------------------------------------------------------------------------------------------- hyper-parameters
 */

/* A dimension that a tensor shows: what is declared must agree, and stands in for a tensor that is not there. */
static enum ingot_status see(struct planner *p, enum hparam which, uint32_t role, bool of_rows, uint32_t *out)
{
    const struct slot *slot = slot_of(p, role, 0);
    const struct hparam_value *declared = &p->declared[which];
    char name[PROFILE_NAME_MAX];
    profile_slot_name(profile_slot(role, 0, p->n_layer), p->n_layer, name);
    *out = declared->count;
    if (!slot->rule || slot->n_filled < slot->rule->from.n) {
        if (declared->origin) return INGOT_OK;
        return ingot_fail(p->err, INGOT_E_MISSING, INGOT_NO_OFFSET, name, "get the complete checkpoint",
                          "the checkpoint lacks this tensor, which says %s", hparam_name(which));
    }
    uint64_t seen = of_rows ? slot->n_rows : slot->n_cols;
    const struct ingot_source_tensor *t = slot->parts->source;
    if (declared->origin && declared->count != seen)
        return ingot_fail(p->err, INGOT_E_MODEL, t->file_off, t->name, ADVICE_SHAPE, "%s is %llu here, but %s says %u",
                          hparam_name(which), (unsigned long long)seen, declared->origin, declared->count);
    if (seen > UINT32_MAX)
        return ingot_fail(p->err, INGOT_E_LIMIT, t->file_off, t->name, NULL, "%s is %llu", hparam_name(which),
                          (unsigned long long)seen);
    *out = (uint32_t)seen;
    return INGOT_OK;
}

/* What no tensor shows. */
static enum ingot_status must_be_said(const struct planner *p, enum hparam which)
{
    char advice[160], shown[64], expected[64];
    if (p->declared[which].origin) return INGOT_OK;
    snprintf(advice, sizeof advice, "give it: --set %s=VALUE, %s", hparam_name(which),
             hparam_expected(which, expected, sizeof expected));
    const char *name = p->chosen.recipe->name;
    return ingot_fail(p->err, INGOT_E_MISSING, INGOT_NO_OFFSET, p->src->path, advice,
                      "neither the checkpoint nor recipe %s says %s",
                      ingot_escape(name, strlen(name), shown, sizeof shown), hparam_name(which));
}

static uint32_t attention_flags(const struct planner *p)
{
    const struct hparam_value *scale = &p->declared[HPARAM_SCALE], *by_layer = &p->declared[HPARAM_SCALE_BY_LAYER];
    uint32_t flags = !scale->origin || scale->count ? INGOT_ATTN_SCALE : 0u;
    return flags | (by_layer->count ? INGOT_ATTN_SCALE_BY_LAYER : 0u);
}

/* The rows of wte are the stored vocabulary; there may be more than n_vocab says, never fewer. */
static enum ingot_status see_vocabulary(struct planner *p, struct ingot_hparams *hp)
{
    struct hparam_value said = p->declared[HPARAM_N_VOCAB];
    p->declared[HPARAM_N_VOCAB].origin = NULL;
    enum ingot_status status = see(p, HPARAM_N_VOCAB, PROFILE_WTE, true, &hp->n_vocab_stored);
    p->declared[HPARAM_N_VOCAB] = said;
    hp->n_vocab = said.origin ? said.count : hp->n_vocab_stored;
    return status;
}

static enum ingot_status settle_hparams(struct planner *p, struct ingot_hparams *hp)
{
    uint32_t wpe = profile_find("wpe.weight"), c_fc = profile_find("h.{i}.mlp.c_fc.weight");
    *hp = (struct ingot_hparams){ .n_layer = p->n_layer, .attention_flags = attention_flags(p) };
    enum ingot_status status = see_vocabulary(p, hp);
    if (status == INGOT_OK) status = see(p, HPARAM_N_EMBD, PROFILE_WTE, false, &hp->n_embd);
    if (status == INGOT_OK) status = see(p, HPARAM_N_CTX, wpe, true, &hp->n_ctx);
    if (status == INGOT_OK) status = see(p, HPARAM_N_INNER, c_fc, true, &hp->n_inner);
    if (status == INGOT_OK) status = must_be_said(p, HPARAM_N_HEAD);
    if (status == INGOT_OK) status = must_be_said(p, HPARAM_ACTIVATION);
    if (status == INGOT_OK) status = must_be_said(p, HPARAM_EPSILON);
    if (status != INGOT_OK) return status;
    hp->n_head = p->declared[HPARAM_N_HEAD].count;
    hp->activation = (enum ingot_activation)p->declared[HPARAM_ACTIVATION].count;
    hp->layer_norm_epsilon = p->declared[HPARAM_EPSILON].epsilon;
    return ingot_hparams_check(hp, p->declared[HPARAM_N_HEAD].origin, p->err);
}

/* ----------------------------------------------------------------------------------------------------------- the head
 */

/* Element by element, for views may stride. */
static bool same_elements(const struct ingot_source_tensor *a, const struct ingot_source_tensor *b)
{
    uint8_t left[COMPARED_ELEMS * 16], right[COMPARED_ELEMS * 16];
    const uint32_t size = ingot_scalar_info(a->scalar)->bytes;
    uint64_t n = 1;
    for (uint32_t i = 0; i < a->rank; i++) n *= a->shape[i];
    for (uint64_t done = 0; done < n; done += COMPARED_ELEMS) {
        uint64_t now = n - done < COMPARED_ELEMS ? n - done : COMPARED_ELEMS;
        ingot_source_gather(a, done, now, left);
        ingot_source_gather(b, done, now, right);
        if (memcmp(left, right, now * size) != 0) return false;
    }
    return true;
}

static bool is_copy(const struct ingot_source_tensor *a, const struct ingot_source_tensor *b)
{
    if (a->scalar != b->scalar || a->block != b->block || a->rank != b->rank || !a->data || !b->data) return false;
    if (memcmp(a->shape, b->shape, sizeof a->shape) != 0) return false;
    if (a->data == b->data && memcmp(a->strides, b->strides, sizeof a->strides) == 0) return true;
    if (!a->strided && !b->strided) return a->n_bytes == b->n_bytes && memcmp(a->data, b->data, a->n_bytes) == 0;
    return same_elements(a, b);
}

/* Decides between alias and tensor. */
static enum ingot_status settle_head(struct planner *p)
{
    struct slot *slot = slot_of(p, PROFILE_HEAD, 0), *wte = slot_of(p, PROFILE_WTE, 0);
    p->plan->tied = p->head != HEAD_STORED && !slot->rule;
    if (p->head == HEAD_STORED || !slot->rule) return INGOT_OK;
    const struct ingot_source_tensor *head = slot->parts->source;
    bool copy = slot->rule->from.n == 1 && wte->rule->from.n == 1 && slot->rule->n_to == 1 && wte->rule->n_to == 1 &&
                slot->rule->transposed == wte->rule->transposed && is_copy(head, wte->parts->source);
    if (copy) {
        p->plan->dropped[p->plan->n_dropped++] = (struct plan_dropped){ head, "the same bits as wte.weight" };
        slot->rule = NULL;
        p->plan->tied = true;
    } else if (p->head == HEAD_TIED) {
        bool by_config = p->declared[HPARAM_N_LAYER].origin && p->chosen.recipe->huggingface_config;
        return ingot_fail(p->err, INGOT_E_MODEL, head->file_off, head->name,
                          by_config ? "set tie_word_embeddings to false to use it, or remove the tensor"
                                    : "remove the tensor, or give a recipe with 'head: stored'",
                          "differs from wte.weight, but %s ties the two", by_config ? CONFIG_FILE : "the recipe");
    }
    return INGOT_OK;
}

/* -------------------------------------------------------------------------------------------- shapes, dtypes, views */

/* Compares in the source's own orientation, so that the message shows what stands in the file. */
static enum ingot_status check_shape(struct planner *p, const struct slot *slot, const struct plan_tensor *t)
{
    char expected[64], made[64];
    const struct ingot_source_tensor *s = slot->parts->source;
    bool swapped = slot->parts->transposed && t->rank == 2;
    uint64_t dims[2] = { t->shape[swapped ? 1 : 0], t->shape[swapped ? 0 : 1] };
    if (slot->n_rows == t->n_rows && slot->n_cols == t->n_cols) return INGOT_OK;
    if (slot->rule->from.n == 1 && slot->rule->n_to == 1)
        return fail_shape(p, s, shape_text(t->rank, dims, expected, sizeof expected));
    uint64_t together[2] = { slot->n_rows, slot->n_cols };
    return ingot_fail(p->err, INGOT_E_SHAPE, s->file_off, s->name, ADVICE_SHAPE,
                      "%s would get the shape %s, expected %s", t->name, shape_text(2, together, made, sizeof made),
                      shape_text(t->rank, t->shape, expected, sizeof expected));
}

static bool is_float(enum ingot_dtype dtype)
{
    return dtype == INGOT_F32 || dtype == INGOT_F16 || dtype == INGOT_BF16 || dtype == INGOT_F64;
}

static enum ingot_status check_part(struct planner *p, const struct plan_tensor *t, struct plan_part *part)
{
    const struct ingot_source_tensor *s = part->source;
    char file[160];
    if (!s->block && !is_float(s->dtype))
        return ingot_fail(p->err, INGOT_E_DTYPE, s->file_off, s->name, "give a checkpoint of f32, f16 or bf16",
                          "dtype %s; weights can be cast from F32, F16, BF16 and F64", s->dtype_name);
    if (part->view.dtype != t->parts->view.dtype)
        return ingot_fail(p->err, INGOT_E_DTYPE, s->file_off, s->name, "give the parts one dtype",
                          "dtype %s, but another part of %s is %s", s->dtype_name, t->name,
                          t->parts->source->dtype_name);
    if (!s->data)
        return ingot_fail(p->err, INGOT_E_MISSING, s->file_off, s->name, "get the complete checkpoint",
                          "%s, which holds its values, is not here",
                          ingot_escape(s->file, strlen(s->file), file, sizeof file));
    if (s->block) {
        part->view.data = NULL;
        return INGOT_OK;
    }
    uint64_t first = part->from_row * part->view.row_stride + part->from_col * part->view.col_stride;
    part->view.data = (const uint8_t *)s->data + first * ingot_scalar_info(s->scalar)->bytes;
    return INGOT_OK;
}

/* Vectors are f32; matrices what the rule or the options ask for, or what they are. */
static enum ingot_dtype result_dtype(const struct planner *p, const struct slot *slot, const struct plan_tensor *t)
{
    enum ingot_dtype dtype = slot->rule->dtype != INGOT_DTYPE_NONE ? slot->rule->dtype : p->options->dtype;
    if (dtype == INGOT_DTYPE_NONE) dtype = t->from;
    return t->rank == 1 || dtype == INGOT_F64 ? INGOT_F32 : dtype;
}

static enum ingot_status plan_slot(struct planner *p, uint32_t number)
{
    const struct profile_tensor *role = role_of(p, number);
    struct slot *slot = &p->slots[number];
    struct plan_tensor *t = &p->plan->tensors[p->plan->n_tensors++];
    *t = (struct plan_tensor){ .parts = slot->parts, .n_parts = slot->rule->from.n, .layout = role->layout };
    slot->parts = NULL;
    profile_slot_name(number, p->n_layer, t->name);
    t->rank = role->shape[1] == DIM_NONE ? 1 : 2;
    for (uint32_t i = 0; i < t->rank; i++) t->shape[i] = profile_dim_value(role->shape[i], &p->plan->hp);
    t->n_rows = t->rank == 2 ? t->shape[0] : 1;
    t->n_cols = t->shape[t->rank - 1];
    t->from = t->parts->view.dtype;
    t->dtype = result_dtype(p, slot, t);
    struct slot shown = *slot;
    shown.parts = t->parts;
    enum ingot_status status = check_shape(p, &shown, t);
    for (uint32_t i = 0; i < t->n_parts && status == INGOT_OK; i++) status = check_part(p, t, &t->parts[i]);
    return status;
}

static enum ingot_status plan_slots(struct planner *p)
{
    enum ingot_status status = INGOT_OK;
    for (uint32_t slot = 0; slot < p->n_slots && status == INGOT_OK; slot++)
        if (p->slots[slot].rule) status = plan_slot(p, slot);
    return status;
}

/* ------------------------------------------------------------------------------------------------------------- public
 */

/* What the plan keeps moves there; the rest goes. */
static void finish(struct planner *p)
{
    p->plan->recipe = p->chosen.recipe;
    p->plan->inputs = p->chosen.inputs;
    p->plan->n_inputs = p->chosen.n_inputs;
    p->chosen.recipe = NULL;
    p->chosen.inputs = NULL;
    p->chosen.n_inputs = 0;
    chosen_recipe_free(&p->chosen);
    for (uint32_t i = 0; p->slots && i < p->n_slots; i++) free(p->slots[i].parts);
    free(p->slots);
    free(p->used);
}

enum ingot_status plan_open_source(const char *path, const struct ingot_convert_options *options,
                                   struct ingot_source **out, struct ingot_error *err)
{
    struct recipe *recipe = NULL;
    struct input *file = NULL;
    char *inside = NULL;
    *out = NULL;
    enum ingot_status status = options->recipe ? recipe_open(options->recipe, &recipe, &file, err) : INGOT_OK;
    if (status == INGOT_OK && recipe && recipe->file && path_exists(path, recipe->file)) {
        inside = path_join(path, recipe->file);
        if (!inside) status = fail_memory(err, path);
    }
    input_close(file);
    recipe_free(recipe);
    if (status == INGOT_OK) status = ingot_source_open(inside ? inside : path, out, err);
    free(inside);
    return status;
}

enum ingot_status plan_make(const struct ingot_source *src, const struct ingot_convert_options *options,
                            struct plan *out, struct ingot_error *err)
{
    *out = (struct plan){ 0 };
    struct planner p = { .src = src, .options = options, .plan = out, .err = err };
    enum ingot_status status = declare(&p);
    if (status == INGOT_OK) status = place_all(&p);
    if (status == INGOT_OK) status = check_present(&p);
    if (status == INGOT_OK) status = assemble_all(&p);
    if (status == INGOT_OK) status = settle_hparams(&p, &out->hp);
    if (status == INGOT_OK) status = settle_head(&p);
    if (status == INGOT_OK) status = plan_slots(&p);
    if (status == INGOT_OK) warn_of_unused_rules(&p);
    finish(&p);
    if (status != INGOT_OK) plan_free(out);
    return status;
}

void plan_free(struct plan *plan)
{
    for (size_t i = 0; i < plan->n_tensors; i++) free(plan->tensors[i].parts);
    for (size_t i = 0; i < plan->n_inputs; i++) input_close(plan->inputs[i]);
    free(plan->tensors);
    free(plan->dropped);
    free(plan->inputs);
    recipe_free(plan->recipe);
    *plan = (struct plan){ 0 };
}

enum ingot_status ingot_source_hparams(const struct ingot_source *src, struct ingot_hparams *out,
                                       struct ingot_error *err)
{
    static const struct ingot_convert_options defaults = { 0 };
    struct plan plan = { 0 };
    struct planner p = { .src = src, .options = &defaults, .plan = &plan, .err = err };
    enum ingot_status status = declare(&p);
    if (status == INGOT_OK) status = place_all(&p);
    if (status == INGOT_OK) status = assemble_all(&p);
    if (status == INGOT_OK) status = settle_hparams(&p, out);
    finish(&p);
    plan_free(&plan);
    return status;
}

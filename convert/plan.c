/* plan.c - from names and shapes to a plan.
 *
 * A slot is one tensor of the result. First every source tensor is put into slots by the recipe's rules (place.c); then
 * the slots are put together from their parts (assemble.c), which gives the result's dimensions; from these and from
 * what is declared follow the hyper-parameters; and these in turn say what every shape must be.
 *
 * The tied head: where the configuration ties it, transformers computes with wte and ignores lm_head.weight. A stored
 * copy with the same bits is dropped for an alias; one that differs is refused, for whoever trained it meant
 * something. */
#include "convert/plan.h"

#include "convert/array.h"
#include "convert/config.h"
#include "convert/planner.h"
#include "format/layout.h"

#include <stdio.h>
#include <string.h>

#define COMPARED_ELEMS 4096u

/* -------------------------------------------------------------------------------------- what is said beside tensors */

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

/* ------------------------------------------------------------------------------------------------- hyper-parameters */

/* A dimension that a tensor shows: what is declared must agree, and stands in for a tensor that is not there. */
static enum ingot_status see(struct planner *p, enum hparam which, uint32_t role, bool of_rows, uint32_t *out)
{
    const struct slot *slot = planner_slot(p, role, 0);
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
    snprintf(advice, sizeof advice, "give it: ingot convert --set %s=VALUE, %s", hparam_name(which),
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

/* The rows of wte are the stored vocabulary; there may be more than n_vocab says, never fewer. Where the recipe says
 * that padding is zeros, rows that are nothing else are not stored. */
static enum ingot_status see_vocabulary(struct planner *p, struct ingot_hparams *hp)
{
    struct hparam_value said = p->declared[HPARAM_N_VOCAB];
    p->declared[HPARAM_N_VOCAB].origin = NULL;
    enum ingot_status status = see(p, HPARAM_N_VOCAB, PROFILE_WTE, true, &hp->n_vocab_stored);
    p->declared[HPARAM_N_VOCAB] = said;
    hp->n_vocab = said.origin ? said.count : hp->n_vocab_stored;
    bool may_trim = status == INGOT_OK && p->chosen.recipe->trims_zero_rows && hp->n_vocab < hp->n_vocab_stored;
    if (may_trim && planner_trim_vocabulary(p, hp->n_vocab)) hp->n_vocab_stored = hp->n_vocab;
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

/* --------------------------------------------------------------------------------------------------------- the head */

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
    if (a->scalar != b->scalar || a->block != b->block || a->rank != b->rank) return false;
    if (memcmp(a->shape, b->shape, sizeof a->shape) != 0) return false;
    if (a->data == b->data && memcmp(a->strides, b->strides, sizeof a->strides) == 0) return true;
    if (!a->strided && !b->strided) return a->n_bytes == b->n_bytes && memcmp(a->data, b->data, a->n_bytes) == 0;
    return same_elements(a, b);
}

/* Decides between alias and tensor. */
static enum ingot_status settle_head(struct planner *p)
{
    struct slot *slot = planner_slot(p, PROFILE_HEAD, 0), *wte = planner_slot(p, PROFILE_WTE, 0);
    p->plan->tied = p->head != HEAD_STORED && !slot->rule;
    if (p->head == HEAD_STORED || !slot->rule) return INGOT_OK;
    const struct ingot_source_tensor *head = slot->parts->source, *embedding = wte->parts->source;
    if (!head->data || !embedding->data) return INGOT_OK; /* plan_slots() says what is not here */
    bool copy = slot->rule->from.n == 1 && wte->rule->from.n == 1 && slot->rule->n_to == 1 && wte->rule->n_to == 1 &&
                slot->rule->transposed == wte->rule->transposed && is_copy(head, embedding);
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
        return planner_fail_shape(p, s, shape_text(t->rank, dims, expected, sizeof expected));
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
    if (s->n_slices > 0)
        return ingot_fail(p->err, INGOT_E_UNSUPPORTED, s->file_off, s->name, "save the model with whole variables",
                          "stored in %u slice%s (a partitioned variable)", s->n_slices, plural(s->n_slices));
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

/* What the rule or the options say; DTYPE_NONE when neither does. */
static enum ingot_dtype asked_dtype(const struct planner *p, uint32_t number)
{
    const struct recipe_rule *rule = p->slots[number].rule;
    const uint32_t role = profile_role_of(number, p->n_layer);
    if (rule->dtype != INGOT_DTYPE_NONE) return rule->dtype;
    bool embedding = role == PROFILE_WTE || role == PROFILE_HEAD;
    return embedding && p->options->sets_embedding ? p->options->embedding : p->options->dtype;
}

/* Vectors are f32; matrices what is asked for, or what they are. One in plain rows has no panels whose blocks could
 * share a scale; a recipe cannot ask for them there. */
static enum ingot_dtype result_dtype(const struct planner *p, uint32_t number, const struct plan_tensor *t)
{
    enum ingot_dtype dtype = asked_dtype(p, number);
    if (dtype == INGOT_DTYPE_NONE) dtype = t->from;
    if (t->rank == 1 || dtype == INGOT_F64) return INGOT_F32;
    return t->layout == INGOT_ROWS && quant_step_bytes(dtype) > 0 ? INGOT_F16 : dtype;
}

static enum ingot_status plan_slot(struct planner *p, uint32_t number)
{
    const struct profile_tensor *role = planner_role(p, number);
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
    t->dtype = result_dtype(p, number, t);
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

/* ----------------------------------------------------------------------------------------------------------- public */

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
    if (status == INGOT_OK) status = planner_place(&p);
    if (status == INGOT_OK) status = planner_check_present(&p);
    if (status == INGOT_OK) status = planner_assemble(&p);
    if (status == INGOT_OK) status = settle_hparams(&p, &out->hp);
    if (status == INGOT_OK) status = settle_head(&p);
    if (status == INGOT_OK) status = plan_slots(&p);
    if (status == INGOT_OK) planner_warn_of_unused_rules(&p);
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
    if (status == INGOT_OK) status = planner_place(&p);
    if (status == INGOT_OK) status = planner_assemble(&p);
    if (status == INGOT_OK) status = settle_hparams(&p, out);
    finish(&p);
    plan_free(&plan);
    return status;
}

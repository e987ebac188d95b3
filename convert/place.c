/* place.c - every source tensor a place in the result, by the rules of the recipe, and every place a tensor. */
#include "convert/planner.h"

#include "convert/array.h"

#include <stdio.h>
#include <string.h>

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
    layer = target_layer(&rule->to[piece], layer);
    if (layer >= p->n_layer)
        return ingot_fail(p->err, INGOT_E_MODEL, t->file_off, t->name, ADVICE_SHAPE,
                          "a tensor of layer %u, but %s says n_layer = %u", layer, p->declared[HPARAM_N_LAYER].origin,
                          p->n_layer);
    struct slot *slot = planner_slot(p, role, layer);
    if (slot->rule && (slot->rule != rule || slot->parts[part].source)) return fail_twice(p, t, slot);
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
    if (!rule_drops(rule, t))
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
            const uint32_t of_rule = target_layer(&rule->to[k], layer);
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
                      "%zu tensor%s, too few for a GPT-2%s%s", p->src->n_tensors, plural(p->src->n_tensors),
                      p->n_layer ? ": n_layer by " : "", p->n_layer ? declared->origin : "");
}

/* ------------------------------------------------------------------------------------------ every place a tensor */

/* A bias may be absent, but from every layer: a single gap is damage. */
static bool role_is_absent(const struct planner *p, uint32_t role)
{
    uint32_t n = profile_role_has_layer(role) ? p->n_layer : 1;
    for (uint32_t layer = 0; layer < n; layer++)
        if (planner_slot(p, role, layer)->rule) return false;
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

/* What shares its memory may have been written once, under the other name: safetensors' save_model() keeps the one that
 * sorts first, which is the head's. Only where the two are known to be tied. */
static void take_head_for_embedding(struct planner *p)
{
    struct slot *head = planner_slot(p, PROFILE_HEAD, 0), *wte = planner_slot(p, PROFILE_WTE, 0);
    if (p->head != HEAD_TIED || wte->rule || !head->rule) return;
    *wte = *head;
    *head = (struct slot){ 0 };
}

/* ----------------------------------------------------------------------------------------------------------- public */

enum ingot_status planner_place(struct planner *p)
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
    take_head_for_embedding(p);
    return status;
}

enum ingot_status planner_check_present(struct planner *p)
{
    uint32_t n_missing = 0, first = 0;
    bool absent_roles[PROFILE_ROLES];
    for (uint32_t role = 0; role < PROFILE_ROLES; role++) absent_roles[role] = role_is_absent(p, role);
    for (uint32_t slot = 0; slot < p->n_slots; slot++) {
        enum ingot_status status = check_parts(p, slot);
        if (status != INGOT_OK) return status;
        if (p->slots[slot].rule && planner_role(p, slot)->is_bias) p->plan->biased = true;
        if (p->slots[slot].rule || may_be_absent(p, slot, absent_roles)) continue;
        if (n_missing++ == 0) first = slot;
    }
    if (n_missing == 0) return INGOT_OK;
    char name[PROFILE_NAME_MAX];
    return ingot_fail(p->err, INGOT_E_MISSING, INGOT_NO_OFFSET, profile_slot_name(first, p->n_layer, name),
                      "get the complete checkpoint, and the configuration of the same model",
                      "the checkpoint lacks this tensor and %u other%s", n_missing - 1, plural(n_missing - 1));
}

static bool is_unused(const struct planner *p, uint32_t rule)
{
    return !p->used[rule] && p->chosen.recipe->rules[rule].action == RULE_TAKE;
}

/* "5, 6, 9"; ", .." where there is no room for the next. */
static void list_unused(const struct planner *p, char *out, size_t room)
{
    size_t n = 0;
    for (uint32_t i = 0; i < p->chosen.recipe->n_rules; i++) {
        if (!is_unused(p, i)) continue;
        if (n + 32 >= room) {
            snprintf(out + n, room - n, ", ..");
            return;
        }
        n += (size_t)snprintf(out + n, room - n, "%s%zu", n ? ", " : "", p->chosen.recipe->rules[i].line);
    }
}

void planner_warn_of_unused_rules(const struct planner *p)
{
    const struct recipe *recipe = p->chosen.recipe;
    char message[320], shown[192];
    uint32_t n_unused = 0, last = 0;
    if (recipe->built_in || !p->options->warning) return;
    for (uint32_t i = 0; i < recipe->n_rules; i++) {
        if (!is_unused(p, i)) continue;
        n_unused++;
        last = i;
    }
    if (n_unused == 0) return;
    if (n_unused == 1) {
        const struct recipe_rule *rule = &recipe->rules[last];
        ingot_escape(rule->from.items[0], strlen(rule->from.items[0]), shown, sizeof shown);
        snprintf(message, sizeof message, "line %zu: no tensor of the checkpoint is called %s", rule->line, shown);
    } else {
        list_unused(p, shown, sizeof shown);
        snprintf(message, sizeof message, "%u rules match no tensor of the checkpoint, in lines %s", n_unused, shown);
    }
    p->options->warning(p->options->warning_ctx, p->options->recipe, message);
}

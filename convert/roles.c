/* roles.c - what each tensor of a source is, by the recipe that fits, whether or not the whole makes a model. */
#include "convert/profile.h"
#include "convert/recipe_choose.h"
#include "format/disk.h"

#include <stdio.h>

static void tell_taken(const struct recipe_rule *rule, size_t i, uint32_t layer, ingot_role_fn role, void *ctx)
{
    char name[PROFILE_NAME_MAX];
    struct ingot_source_role known = { .name = name, .n_pieces = rule->n_to };
    for (uint32_t piece = 0; piece < rule->n_to; piece++) {
        const struct rule_target *to = &rule->to[piece];
        uint32_t n_layer = target_layer(to, layer) + 1;
        profile_slot_name(profile_slot(to->role, n_layer - 1, n_layer), n_layer, name);
        role(ctx, i, &known);
    }
}

static void tell(const struct recipe *recipe, const struct ingot_source_tensor *t, size_t i, ingot_role_fn role,
                 void *ctx)
{
    struct ingot_source_role none = { .n_pieces = 1 };
    uint32_t layer, part;
    const struct recipe_rule *rule = recipe_match(recipe, t->name, &layer, &part);
    if (rule && rule->action == RULE_TAKE && layer < LIMIT_N_LAYER) {
        tell_taken(rule, i, layer, role, ctx);
        return;
    }
    if (rule && rule_drops(rule, t)) none.dropped = rule->why;
    role(ctx, i, &none);
}

enum ingot_status ingot_source_recipe(const struct ingot_source *src, char name[INGOT_RECIPE_NAME_MAX],
                                      struct ingot_error *err)
{
    struct chosen_recipe chosen;
    enum ingot_status status = recipe_choose(src, NULL, &chosen, err);
    if (status != INGOT_OK) return status;
    snprintf(name, INGOT_RECIPE_NAME_MAX, "%s", chosen.recipe->name);
    chosen_recipe_free(&chosen);
    return INGOT_OK;
}

enum ingot_status ingot_source_roles(const struct ingot_source *src, ingot_role_fn role, void *ctx,
                                     struct ingot_error *err)
{
    struct chosen_recipe chosen;
    enum ingot_status status = recipe_choose(src, NULL, &chosen, err);
    for (size_t i = 0; status == INGOT_OK && i < src->n_tensors; i++)
        tell(chosen.recipe, &src->tensors[i], i, role, ctx);
    if (status == INGOT_OK) chosen_recipe_free(&chosen);
    return status;
}

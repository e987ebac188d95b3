/* fuzz_recipe.c - any bytes as a recipe: refused with a place, or a recipe whose every rule can be matched. */
#include "convert/profile.h"
#include "convert/recipe.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_rule(const struct recipe *recipe, const struct recipe_rule *rule)
{
    static const char *const names[] = { "", "wte.weight", "h.0.attn.c_attn.weight", "model.h.12.ln_1.gamma", "a*{i}" };
    static const uint64_t dims[INGOT_MAX_RANK] = { 1, 3, 5, 7, 9, 11, 13, 0 };
    uint32_t layer, part;
    if (rule->from.n == 0 || (rule->action == RULE_TAKE) != (rule->n_to > 0)) abort();
    if (rule->action != RULE_TAKE && !rule->why) abort();
    for (uint32_t i = 0; i < rule->n_to; i++)
        if (rule->to[i].role >= PROFILE_ROLES) abort();
    for (uint32_t i = 0; i < rule->from.n; i++)
        if (pattern_check(rule->from.items[i])) abort();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) recipe_match(recipe, names[i], &layer, &part);
    for (uint32_t rank = 0; rank <= INGOT_MAX_RANK; rank++) shape_match(&rule->shape, rank, dims);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct recipe *recipe;
    struct ingot_error err = { 0 };
    if (recipe_parse((const char *)data, n, "fuzz", &recipe, &err) != INGOT_OK) {
        if (recipe || err.status == INGOT_OK) abort();
        if (err.status == INGOT_E_RECIPE && strncmp(err.message, "line ", 5) != 0) abort();
        return 0;
    }
    for (uint32_t i = 0; i < recipe->n_rules; i++) check_rule(recipe, &recipe->rules[i]);
    recipe_free(recipe);
    return 0;
}

/* recipe_choose.h - which recipe, and what the JSON files say that it wants read beside the checkpoint. */
#ifndef INGOT_RECIPE_CHOOSE_H
#define INGOT_RECIPE_CHOOSE_H

#include "convert/recipe.h"
#include "convert/source.h"

struct chosen_recipe {
    struct recipe *recipe;
    struct ingot_source beside; /* only its facts: those of the JSON files */
    struct input **inputs;      /* the files that were read: the recipe, the JSON */
    size_t n_inputs, cap_inputs;
};

/* The recipe of this name or path, or without one the first that fits. UNSUPPORTED when none does, with those that
 * came near and what they lack; also when a fact is not what the recipe requires. */
enum ingot_status recipe_choose(const struct ingot_source *src, const char *name, struct chosen_recipe *out,
                                struct ingot_error *err);
void chosen_recipe_free(struct chosen_recipe *chosen);

/* Takes over a file that was read. */
enum ingot_status chosen_recipe_keep(struct chosen_recipe *chosen, struct input *in, struct ingot_error *err);

/* "[18, 6]". Returns out. */
char *shape_text(uint32_t rank, const uint64_t *shape, char *out, size_t cap);

#endif

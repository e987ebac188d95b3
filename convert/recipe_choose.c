/* recipe_choose.c - which recipe fits a source. */
#include "convert/recipe_choose.h"

#include "convert/array.h"

#include <stdio.h>
#include <string.h>

#define ADVICE_CHOOSE                                                                                                  \
    "choose with ingot convert --recipe NAME, and say what is missing with --set n_head=N; see 'ingot help recipes'"

char *shape_text(uint32_t rank, const uint64_t *shape, char *out, size_t cap)
{
    size_t used = (size_t)snprintf(out, cap, "[");
    for (uint32_t i = 0; i < rank && used < cap; i++)
        used += (size_t)snprintf(out + used, cap - used, "%s%llu", i ? ", " : "", (unsigned long long)shape[i]);
    if (used < cap) snprintf(out + used, cap - used, "]");
    return out;
}

/* "[3n, n]" */
static char *form_text(const struct recipe_shape *shape, char *out, size_t cap)
{
    size_t used = (size_t)snprintf(out, cap, "[");
    for (uint32_t i = 0; i < shape->rank && used < cap; i++) {
        const struct recipe_dim *dim = &shape->dims[i];
        char letter[2] = { dim->letter, '\0' };
        used += (size_t)snprintf(out + used, cap - used, "%s", i ? ", " : "");
        if (used < cap && (dim->factor != 1 || !dim->letter))
            used += (size_t)snprintf(out + used, cap - used, "%llu", (unsigned long long)dim->factor);
        if (used < cap) used += (size_t)snprintf(out + used, cap - used, "%s", letter);
    }
    if (used < cap) snprintf(out + used, cap - used, "]");
    return out;
}

/* ------------------------------------------------------------------------------------------------- the files' facts */

enum ingot_status chosen_recipe_keep(struct chosen_recipe *chosen, struct input *in, struct ingot_error *err)
{
    struct input **inputs = array_grow(chosen->inputs, &chosen->cap_inputs, chosen->n_inputs, sizeof(struct input *));
    if (!inputs) {
        enum ingot_status status = fail_memory(err, in->path);
        input_close(in);
        return status;
    }
    chosen->inputs = inputs;
    inputs[chosen->n_inputs++] = in;
    return INGOT_OK;
}

/* A file that is not there states nothing. */
static enum ingot_status read_facts(struct chosen_recipe *c, const struct ingot_source *src, struct ingot_error *err)
{
    enum ingot_status status = INGOT_OK;
    c->beside.path = src->path;
    for (uint32_t i = 0; i < c->recipe->facts.n && status == INGOT_OK; i++) {
        const struct recipe_pair *pair = &c->recipe->facts.items[i];
        struct input *in;
        if (!path_exists(src->directory, pair->value)) continue;
        status = input_open(src->directory, pair->value, NULL, &in, err);
        if (status == INGOT_OK) status = chosen_recipe_keep(c, in, err);
        if (status == INGOT_OK) status = source_add_json_facts(&c->beside, in, pair->key, err);
    }
    return status;
}

void chosen_recipe_free(struct chosen_recipe *chosen)
{
    for (size_t i = 0; i < chosen->n_inputs; i++) input_close(chosen->inputs[i]);
    free(chosen->inputs);
    source_free_facts(&chosen->beside);
    recipe_free(chosen->recipe);
    *chosen = (struct chosen_recipe){ 0 };
}

/* ---------------------------------------------------------------------------------------------------------- fitting */

static const struct ingot_source_tensor *find_tensor(const struct ingot_source *src, const struct recipe *recipe)
{
    for (size_t i = 0; i < src->n_tensors; i++)
        if (strcmp(recipe_strip(recipe, src->tensors[i].name), recipe->fits.tensor) == 0) return &src->tensors[i];
    return NULL;
}

static bool has_fact(const struct chosen_recipe *c, const struct ingot_source *src)
{
    const struct recipe_list *facts = &c->recipe->fits.facts;
    bool found = facts->n == 0;
    for (uint32_t i = 0; i < facts->n && !found; i++)
        found = source_find_fact(src, facts->items[i]) || source_find_fact(&c->beside, facts->items[i]);
    return found;
}

/* Whether the recipe fits; where its names do and something else does not, *lacks says what. */
static enum ingot_status try_recipe(struct chosen_recipe *c, const struct ingot_source *src, bool *fits, char *lacks,
                                    size_t cap, struct ingot_error *err)
{
    const struct recipe *r = c->recipe;
    char form[64];
    *fits = false;
    lacks[0] = '\0';
    if (r->fits.format && strcmp(r->fits.format, src->reader->format) != 0) return INGOT_OK;
    const struct ingot_source_tensor *tensor = r->fits.tensor ? find_tensor(src, r) : NULL;
    if (r->fits.tensor && !tensor) return INGOT_OK;
    if (tensor && r->fits.shape.given && !shape_match(&r->fits.shape, tensor->rank, tensor->shape)) {
        snprintf(lacks, cap, "%s (%s is not %s)", r->name, r->fits.tensor,
                 form_text(&r->fits.shape, form, sizeof form));
        return INGOT_OK;
    }
    enum ingot_status status = read_facts(c, src, err);
    if (status != INGOT_OK) return status;
    *fits = has_fact(c, src);
    if (!*fits) snprintf(lacks, cap, "%s (%s is not stated)", r->name, r->fits.facts.items[0]);
    return INGOT_OK;
}

static enum ingot_status fail_unfit(const struct ingot_source *src, const char *near, struct ingot_error *err)
{
    char shown[96];
    if (near[0])
        return ingot_fail(err, INGOT_E_UNSUPPORTED, INGOT_NO_OFFSET, src->path, ADVICE_CHOOSE,
                          "no recipe fits; these have its names: %s", near);
    if (src->n_tensors == 0)
        return ingot_fail(err, INGOT_E_MISSING, INGOT_NO_OFFSET, src->path, "get the complete checkpoint",
                          "the checkpoint holds no tensor");
    const char *name = src->tensors[0].name;
    return ingot_fail(err, INGOT_E_UNSUPPORTED, INGOT_NO_OFFSET, src->path,
                      "if it is a GPT-2, write a recipe: 'ingot help recipes'",
                      "no recipe knows its %zu tensor%s, of which %s is the first", src->n_tensors,
                      plural(src->n_tensors), ingot_escape(name, strlen(name), shown, sizeof shown));
}

static enum ingot_status choose_fitting(const struct ingot_source *src, struct chosen_recipe *out,
                                        struct ingot_error *err)
{
    char near[256] = "", lacks[128];
    bool fits = false;
    for (size_t i = 0; i < n_recipe_texts; i++) {
        struct input *none;
        enum ingot_status status = recipe_open(recipe_texts[i].name, &out->recipe, &none, err);
        if (status == INGOT_OK) status = try_recipe(out, src, &fits, lacks, sizeof lacks, err);
        if (status != INGOT_OK || fits) return status;
        size_t used = strlen(near);
        if (lacks[0]) snprintf(near + used, sizeof near - used, "%s%s", used ? ", " : "", lacks);
        chosen_recipe_free(out);
    }
    return fail_unfit(src, near, err);
}

static enum ingot_status open_named(const struct ingot_source *src, const char *name, struct chosen_recipe *out,
                                    struct ingot_error *err)
{
    struct input *file;
    enum ingot_status status = recipe_open(name, &out->recipe, &file, err);
    if (status == INGOT_OK && file) status = chosen_recipe_keep(out, file, err);
    return status == INGOT_OK ? read_facts(out, src, err) : status;
}

/* -------------------------------------------------------------------------------------------------------- requiring */

static enum ingot_status check_required(const struct chosen_recipe *c, const struct ingot_source *src,
                                        struct ingot_error *err)
{
    for (uint32_t i = 0; i < c->recipe->requires.n; i++) {
        const struct recipe_pair *pair = &c->recipe->requires.items[i];
        const struct ingot_fact *fact = source_find_fact(src, pair->key);
        char shown[96];
        if (!fact) fact = source_find_fact(&c->beside, pair->key);
        if (!fact || (fact->type == INGOT_FACT_TEXT && strcmp(fact->text, pair->value) == 0)) continue;
        return ingot_fail(err, INGOT_E_UNSUPPORTED, INGOT_NO_OFFSET, src->path,
                          "only GPT-2 checkpoints can be converted", "%s is %s, expected %s", pair->key,
                          fact->type == INGOT_FACT_TEXT
                              ? ingot_escape(fact->text, strlen(fact->text), shown, sizeof shown)
                              : "no text",
                          pair->value);
    }
    return INGOT_OK;
}

enum ingot_status recipe_choose(const struct ingot_source *src, const char *name, struct chosen_recipe *out,
                                struct ingot_error *err)
{
    *out = (struct chosen_recipe){ 0 };
    enum ingot_status status = name ? open_named(src, name, out, err) : choose_fitting(src, out, err);
    if (status == INGOT_OK) status = check_required(out, src, err);
    if (status != INGOT_OK) chosen_recipe_free(out);
    return status;
}

/* hparams.c - who says which hyper-parameter, and whether it can be one. */
#include "convert/hparams.h"

#include "convert/config.h"
#include "convert/recipe.h"
#include "convert/source.h"
#include "format/disk.h"
#include "format/error.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum hparam_type { TYPE_COUNT, TYPE_ACTIVATION, TYPE_EPSILON, TYPE_BOOL };

static const struct {
    const char *name;
    enum hparam_type type;
    uint32_t limit;
} hparams[HPARAM_COUNT] = {
    [HPARAM_N_LAYER] = { "n_layer", TYPE_COUNT, LIMIT_N_LAYER },
    [HPARAM_N_HEAD] = { "n_head", TYPE_COUNT, LIMIT_N_HEAD },
    [HPARAM_N_EMBD] = { "n_embd", TYPE_COUNT, LIMIT_N_EMBD },
    [HPARAM_N_INNER] = { "n_inner", TYPE_COUNT, LIMIT_N_INNER },
    [HPARAM_N_CTX] = { "n_ctx", TYPE_COUNT, LIMIT_N_CTX },
    [HPARAM_N_VOCAB] = { "n_vocab", TYPE_COUNT, LIMIT_N_VOCAB },
    [HPARAM_ACTIVATION] = { "activation", TYPE_ACTIVATION, 0 },
    [HPARAM_EPSILON] = { "layer_norm_epsilon", TYPE_EPSILON, 0 },
    [HPARAM_SCALE] = { "scale_attn_weights", TYPE_BOOL, 0 },
    [HPARAM_SCALE_BY_LAYER] = { "scale_attn_by_inverse_layer_idx", TYPE_BOOL, 0 },
};

#define MAX_NUMBER 32

const char *hparam_name(enum hparam which)
{
    return hparams[which].name;
}

char *hparam_expected(enum hparam which, char *out, size_t cap)
{
    switch (hparams[which].type) {
    case TYPE_COUNT:
        snprintf(out, cap, "a whole number from 1 to %u", hparams[which].limit);
        break;
    case TYPE_ACTIVATION:
        snprintf(out, cap, "gelu_tanh or gelu_erf");
        break;
    case TYPE_EPSILON:
        snprintf(out, cap, "a positive number");
        break;
    case TYPE_BOOL:
        snprintf(out, cap, "true or false");
        break;
    }
    return out;
}

/* ----------------------------------------------------------------------------------------------------------- values */

static bool of_activation(const char *text, struct hparam_value *out)
{
    enum ingot_activation activation;
    if (strcmp(text, "gelu_tanh") == 0)
        activation = INGOT_GELU_TANH;
    else if (strcmp(text, "gelu_erf") == 0)
        activation = INGOT_GELU_ERF;
    else if (!config_activation(text, &activation))
        return false;
    out->count = (uint32_t)activation;
    return true;
}

static bool of_integer(enum hparam which, int64_t value, struct hparam_value *out)
{
    switch (hparams[which].type) {
    case TYPE_COUNT:
        out->count = value >= 1 && value <= (int64_t)hparams[which].limit ? (uint32_t)value : 0;
        return out->count > 0;
    case TYPE_EPSILON:
        out->epsilon = (float)value;
        return value > 0;
    case TYPE_ACTIVATION:
    case TYPE_BOOL:
        break;
    }
    return false;
}

static bool of_real(enum hparam which, double value, struct hparam_value *out)
{
    out->epsilon = (float)value;
    return hparams[which].type == TYPE_EPSILON && out->epsilon > 0 && isfinite(out->epsilon);
}

static bool of_bool(enum hparam which, bool value, struct hparam_value *out)
{
    out->count = value;
    return hparams[which].type == TYPE_BOOL;
}

/* Numbers and truth values as JSON writes them, which no locale changes. */
bool hparam_of_text(enum hparam which, const char *text, struct hparam_value *out)
{
    *out = (struct hparam_value){ 0 };
    if (hparams[which].type == TYPE_ACTIVATION) return of_activation(text, out);
    if (strlen(text) > MAX_NUMBER) return false;
    bool good = false;
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    if (json_is_integer(json)) good = of_integer(which, json_integer_value(json), out);
    if (json_is_real(json)) good = of_real(which, json_real_value(json), out);
    if (json_is_boolean(json)) good = of_bool(which, json_is_true(json), out);
    json_decref(json);
    return good;
}

static bool of_fact(enum hparam which, const struct ingot_fact *fact, struct hparam_value *out)
{
    switch (fact->type) {
    case INGOT_FACT_BOOL:
        return of_bool(which, fact->integer != 0, out);
    case INGOT_FACT_INT:
        return of_integer(which, fact->integer, out);
    case INGOT_FACT_FLOAT:
        return of_real(which, fact->number, out);
    case INGOT_FACT_TEXT:
        return hparams[which].type == TYPE_ACTIVATION && of_activation(fact->text, out);
    case INGOT_FACT_NULL:
        break;
    }
    return false;
}

/* --------------------------------------------------------------------------------------------------------- settings */

static const char *example(enum hparam which)
{
    switch (which) {
    case HPARAM_ACTIVATION:
        return "gelu_erf";
    case HPARAM_EPSILON:
        return "1e-5";
    case HPARAM_SCALE:
    case HPARAM_SCALE_BY_LAYER:
        return "true";
    default:
        return "12";
    }
}

/* HPARAM_COUNT for what is no name of one. */
static enum hparam find_hparam(const char *name, size_t n)
{
    uint32_t i = 0;
    while (i < HPARAM_COUNT && (strlen(hparams[i].name) != n || memcmp(hparams[i].name, name, n) != 0)) i++;
    return (enum hparam)i;
}

static enum ingot_status read_setting(const char *setting, struct hparam_value values[HPARAM_COUNT],
                                      struct ingot_error *err)
{
    const char *equals = strchr(setting, '=');
    size_t n = equals ? (size_t)(equals - setting) : strlen(setting);
    enum hparam which = find_hparam(setting, n);
    char shown[96], expected[64];
    if (which == HPARAM_COUNT)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, setting, "known are " HPARAM_NAMES,
                          "'%s' is no hyper-parameter", ingot_escape(setting, n, shown, sizeof shown));
    if (!equals || !hparam_of_text(which, equals + 1, &values[which]))
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, setting, NULL, "%s must be %s, as in %s=%s",
                          hparams[which].name, hparam_expected(which, expected, sizeof expected), hparams[which].name,
                          example(which));
    values[which].origin = "--set";
    return INGOT_OK;
}

/* ------------------------------------------------------------------------------------------------------------ terms */

static const struct ingot_fact *find_fact(const struct ingot_source *src, const struct ingot_source *beside,
                                          const char *key)
{
    const struct ingot_fact *fact = source_find_fact(src, key);
    if (!fact && beside) fact = source_find_fact(beside, key);
    return fact && fact->type != INGOT_FACT_NULL ? fact : NULL;
}

static void unpad(const struct recipe *recipe, struct hparam_value *n_vocab)
{
    for (uint32_t i = 0; i < recipe->n_unpad; i++)
        if (recipe->unpad[i].stored == n_vocab->count) {
            n_vocab->count = recipe->unpad[i].logical;
            return;
        }
}

static enum ingot_status read_terms(const struct recipe *recipe, enum hparam which, const struct ingot_source *src,
                                    const struct ingot_source *beside, struct hparam_value *out,
                                    struct ingot_error *err)
{
    for (uint32_t i = 0; i < recipe->hparams[which].n; i++) {
        const struct recipe_term *term = &recipe->hparams[which].items[i];
        if (!term->fact) {
            *out = term->literal;
            return INGOT_OK;
        }
        const struct ingot_fact *fact = find_fact(src, beside, term->fact);
        if (!fact) continue;
        char expected[64];
        if (!of_fact(which, fact, out))
            return ingot_fail(err, INGOT_E_SOURCE, INGOT_NO_OFFSET, fact->key, "get another copy of the checkpoint",
                              "is no %s, which must be %s", hparams[which].name,
                              hparam_expected(which, expected, sizeof expected));
        out->origin = term->fact;
        if (which == HPARAM_N_VOCAB) unpad(recipe, out);
        return INGOT_OK;
    }
    return INGOT_OK;
}

/* ------------------------------------------------------------------------------------------------------ config.json */

static void take_config(const struct model_config *config, struct hparam_value out[HPARAM_COUNT])
{
    const struct ingot_hparams *hp = &config->hp;
    const uint32_t counts[HPARAM_COUNT] = {
        [HPARAM_N_LAYER] = hp->n_layer,
        [HPARAM_N_HEAD] = hp->n_head,
        [HPARAM_N_EMBD] = hp->n_embd,
        [HPARAM_N_INNER] = hp->n_inner,
        [HPARAM_N_CTX] = hp->n_ctx,
        [HPARAM_N_VOCAB] = hp->n_vocab,
        [HPARAM_ACTIVATION] = (uint32_t)hp->activation,
        [HPARAM_SCALE] = (hp->attention_flags & INGOT_ATTN_SCALE) != 0,
        [HPARAM_SCALE_BY_LAYER] = (hp->attention_flags & INGOT_ATTN_SCALE_BY_LAYER) != 0,
    };
    for (uint32_t i = 0; i < HPARAM_COUNT; i++)
        out[i] = (struct hparam_value){ .origin = CONFIG_FILE, .count = counts[i], .epsilon = hp->layer_norm_epsilon };
}

enum ingot_status hparams_declare(const struct recipe *recipe, const struct ingot_source *src,
                                  const struct ingot_source *beside, const struct model_config *config,
                                  const struct ingot_convert_options *options, struct hparam_value out[HPARAM_COUNT],
                                  struct ingot_error *err)
{
    memset(out, 0, HPARAM_COUNT * sizeof *out);
    enum ingot_status status = INGOT_OK;
    if (config) take_config(config, out);
    for (uint32_t i = 0; i < HPARAM_COUNT && status == INGOT_OK; i++)
        status = read_terms(recipe, (enum hparam)i, src, beside, &out[i], err);
    for (size_t i = 0; i < options->n_settings && status == INGOT_OK; i++)
        status = read_setting(options->settings[i], out, err);
    return status;
}

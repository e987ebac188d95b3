/* config.c - every field of config.json that changes the mathematics is executed or refused by name.
 *
 * The fields and defaults are those of GPT2Config in Hugging Face transformers (configuration_gpt2.py and, for the
 * fields of all models, configuration_utils.py). What is not named here does not reach the forward pass: dropout and
 * initialisation are training's, is_decoder alone leaves GPT-2 as causal as it is, summary_* belong to another head,
 * bos/eos ids and generation settings to a sampler. reorder_and_upcast_attn scales keys before the product instead of
 * scores after it and computes in f32: the same mathematics, and attention is always computed in f32 here, so both
 * values are accepted. */
#include "convert/config.h"

#include "convert/json_walk.h"
#include "format/disk.h"
#include "format/error.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_CONFIG_BYTES (UINT64_C(4) << 20)

struct config {
    const json_t *json;
    const char *path;
    struct ingot_error *err;
};

__attribute__((format(printf, 4, 5))) static enum ingot_status fail(const struct config *c, enum ingot_status status,
                                                                    const char *advice, const char *fmt, ...)
{
    char what[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return ingot_fail(c->err, status, INGOT_NO_OFFSET, c->path, advice, "%s", what);
}

/* ------------------------------------------------------------------------------------------------------- counts */

/* The second spelling is the one that all models of transformers share (GPT2Config.attribute_map). n_ctx is what
 * n_positions was called before; both must agree where both stand. */
struct count_field {
    const char *name, *other;
    size_t at; /* in struct ingot_hparams */
    uint32_t limit;
};

static const struct count_field counts[] = {
    { "n_layer", "num_hidden_layers", offsetof(struct ingot_hparams, n_layer), LIMIT_N_LAYER },
    { "n_head", "num_attention_heads", offsetof(struct ingot_hparams, n_head), LIMIT_N_HEAD },
    { "n_embd", "hidden_size", offsetof(struct ingot_hparams, n_embd), LIMIT_N_EMBD },
    { "n_positions", "max_position_embeddings", offsetof(struct ingot_hparams, n_ctx), LIMIT_N_CTX },
    { "n_positions", "n_ctx", offsetof(struct ingot_hparams, n_ctx), LIMIT_N_CTX },
    { "vocab_size", NULL, offsetof(struct ingot_hparams, n_vocab), LIMIT_N_VOCAB },
};

/* Reads a count if it is there; *out is 0 otherwise. null stands for absence, as everywhere in transformers. */
static enum ingot_status get_count(const struct config *c, const char *name, uint32_t limit, uint32_t *out)
{
    const json_t *value = name ? json_object_get(c->json, name) : NULL;
    *out = 0;
    if (!value || json_is_null(value)) return INGOT_OK;
    if (!json_is_integer(value)) return fail(c, INGOT_E_SOURCE, NULL, "%s is not an integer", name);
    json_int_t n = json_integer_value(value);
    if (n < 1 || n > (json_int_t)limit)
        return fail(c, n < 1 ? INGOT_E_SOURCE : INGOT_E_LIMIT, NULL, "%s is %lld, expected 1 .. %u", name, (long long)n,
                    limit);
    *out = (uint32_t)n;
    return INGOT_OK;
}

static enum ingot_status read_count(const struct config *c, const struct count_field *field, struct ingot_hparams *hp)
{
    uint32_t n, other, *out = (uint32_t *)((char *)hp + field->at);
    enum ingot_status status = get_count(c, field->name, field->limit, &n);
    if (status == INGOT_OK) status = get_count(c, field->other, field->limit, &other);
    if (status != INGOT_OK) return status;
    if (n && other && n != other)
        return fail(c, INGOT_E_MODEL, "correct the one that is wrong", "%s is %u, but %s is %u", field->name, n,
                    field->other, other);
    if (n || other) *out = n ? n : other;
    return INGOT_OK;
}

/* Our own exporter's field: transformers wants vocab_size to count padding rows of the embedding too. */
static enum ingot_status read_logical_vocabulary(const struct config *c, struct ingot_hparams *hp)
{
    uint32_t n;
    enum ingot_status status = get_count(c, "logical_vocab_size", hp->n_vocab, &n);
    if (status == INGOT_OK && n) hp->n_vocab = n;
    return status;
}

static enum ingot_status read_counts(const struct config *c, struct ingot_hparams *hp)
{
    const size_t n = sizeof counts / sizeof *counts;
    for (size_t i = 0; i < n; i++) {
        enum ingot_status status = read_count(c, &counts[i], hp);
        if (status != INGOT_OK) return status;
    }
    for (size_t i = 0; i < n; i++)
        if (*(const uint32_t *)((const char *)hp + counts[i].at) == 0)
            return fail(c, INGOT_E_MISSING, "add it; the tensors alone do not say it", "%s is missing", counts[i].name);
    enum ingot_status status = get_count(c, "n_inner", LIMIT_N_INNER, &hp->n_inner);
    if (hp->n_inner == 0) hp->n_inner = 4 * hp->n_embd;
    return status == INGOT_OK ? read_logical_vocabulary(c, hp) : status;
}

/* --------------------------------------------------------------------------------------------- the other fields */

/* gelu_fast and gelu_accurate write the tanh form with sqrt(2/pi) multiplied out or rounded to ten digits: equal to it
 * far below f32's precision. quick_gelu (a sigmoid), gelu_10 (clipped) and the rest are other functions. */
static const struct {
    const char *name;
    enum ingot_activation activation;
} activations[] = {
    { "gelu_new", INGOT_GELU_TANH },         { "gelu_pytorch_tanh", INGOT_GELU_TANH },
    { "gelu_python_tanh", INGOT_GELU_TANH }, { "gelu_fast", INGOT_GELU_TANH },
    { "gelu_accurate", INGOT_GELU_TANH },    { "gelu", INGOT_GELU_ERF },
    { "gelu_python", INGOT_GELU_ERF },
};

bool config_activation(const char *name, enum ingot_activation *out)
{
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (strcmp(activations[i].name, name) == 0) {
            *out = activations[i].activation;
            return true;
        }
    return false;
}

static enum ingot_status read_activation(const struct config *c, struct ingot_hparams *hp)
{
    const json_t *value = json_object_get(c->json, "activation_function");
    const char *name = value ? json_string_value(value) : "gelu_new";
    char shown[96];
    if (!name) return fail(c, INGOT_E_SOURCE, NULL, "activation_function is not a string");
    if (config_activation(name, &hp->activation)) return INGOT_OK;
    return fail(c, INGOT_E_UNSUPPORTED, "executed are gelu_new and its equals, and gelu",
                "activation_function %s is not executed", ingot_escape(name, strlen(name), shown, sizeof shown));
}

/* As an f32, which is what the forward pass adds to the variance. */
static enum ingot_status read_epsilon(const struct config *c, struct ingot_hparams *hp)
{
    const json_t *value = json_object_get(c->json, "layer_norm_epsilon");
    if (value && !json_is_number(value)) return fail(c, INGOT_E_SOURCE, NULL, "layer_norm_epsilon is not a number");
    double epsilon = value ? json_number_value(value) : 1e-5;
    hp->layer_norm_epsilon = (float)epsilon;
    if (hp->layer_norm_epsilon > 0 && isfinite(hp->layer_norm_epsilon)) return INGOT_OK;
    return fail(c, INGOT_E_SOURCE, NULL, "layer_norm_epsilon is %g, expected a positive f32", epsilon);
}

static enum ingot_status read_bool(const struct config *c, const char *name, bool absent, bool *out)
{
    const json_t *value = json_object_get(c->json, name);
    *out = value ? json_is_true(value) : absent;
    if (!value || json_is_boolean(value)) return INGOT_OK;
    return fail(c, INGOT_E_SOURCE, NULL, "%s is neither true nor false", name);
}

static enum ingot_status read_flags(const struct config *c, struct model_config *out)
{
    bool scale, by_layer, neutral;
    enum ingot_status status = read_bool(c, "scale_attn_weights", true, &scale);
    if (status == INGOT_OK) status = read_bool(c, "scale_attn_by_inverse_layer_idx", false, &by_layer);
    if (status == INGOT_OK) status = read_bool(c, "reorder_and_upcast_attn", false, &neutral);
    if (status == INGOT_OK) status = read_bool(c, "tie_word_embeddings", true, &out->tied);
    if (status != INGOT_OK) return status;
    out->hp.attention_flags = (scale ? INGOT_ATTN_SCALE : 0u) | (by_layer ? INGOT_ATTN_SCALE_BY_LAYER : 0u);
    return INGOT_OK;
}

/* ----------------------------------------------------------------------------------------------------- refusals */

/* Fields that make another model of the same tensors. They are harmless while false, null or empty. */
static const struct {
    const char *name, *why;
} refused[] = {
    { "add_cross_attention", "an encoder's states would enter every layer" },
    { "is_encoder_decoder", "GPT-2 has no encoder" },
    { "pruned_heads", "layers would have different numbers of heads" },
    { "quantization_config", "the tensors would be codes, not weights" },
    { "auto_map", "the model would be the checkpoint's own code, which is never run" },
};

static bool is_harmless(const json_t *value)
{
    if (!value || json_is_null(value) || json_is_false(value)) return true;
    if (json_is_object(value)) return json_object_size(value) == 0;
    return json_is_array(value) && json_array_size(value) == 0;
}

static enum ingot_status check_refused(const struct config *c)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (!is_harmless(json_object_get(c->json, refused[i].name)))
            return fail(c, INGOT_E_UNSUPPORTED, NULL, "%s is set, which is not executed: %s", refused[i].name,
                        refused[i].why);
    return INGOT_OK;
}

/* Configurations of 2019 have no model_type; their tensors' names then say whether it is a GPT-2. */
static enum ingot_status check_type(const struct config *c)
{
    const json_t *value = json_object_get(c->json, "model_type");
    const char *type = json_string_value(value);
    char shown[96];
    if (!value || (type && strcmp(type, "gpt2") == 0)) return INGOT_OK;
    if (!type) return fail(c, INGOT_E_SOURCE, NULL, "model_type is not a string");
    return fail(c, INGOT_E_UNSUPPORTED, "only GPT-2 checkpoints can be converted", "model_type is %s, expected gpt2",
                ingot_escape(type, strlen(type), shown, sizeof shown));
}

static enum ingot_status read_fields(const struct config *c, struct model_config *out)
{
    *out = (struct model_config){ 0 };
    if (!json_is_object(c->json)) return fail(c, INGOT_E_SOURCE, NULL, "the configuration is not a JSON object");
    enum ingot_status status = check_type(c);
    if (status == INGOT_OK) status = check_refused(c);
    if (status == INGOT_OK) status = read_counts(c, &out->hp);
    if (status == INGOT_OK) status = read_activation(c, &out->hp);
    if (status == INGOT_OK) status = read_epsilon(c, &out->hp);
    return status == INGOT_OK ? read_flags(c, out) : status;
}

enum ingot_status config_parse(const uint8_t *bytes, uint64_t n, const char *path, struct model_config *out,
                               struct ingot_error *err)
{
    json_t *json = NULL;
    struct json_text text = { (const char *)bytes, n, 0 };
    enum ingot_status status = json_parse(text, path, MAX_CONFIG_BYTES, &json, err);
    struct config c = { json, path, err };
    if (status == INGOT_OK) status = read_fields(&c, out);
    json_decref(json);
    return status;
}

enum ingot_status config_read(const char *directory, struct model_config *out, struct input **file,
                              struct ingot_error *err)
{
    enum ingot_status status =
        input_open(directory, CONFIG_FILE,
                   "put the model's config.json beside its weights, or say what it would: "
                   "ingot convert --set n_head=.. --set activation=gelu_tanh --set layer_norm_epsilon=1e-5",
                   file, err);
    if (status != INGOT_OK) return status;
    status = config_parse((*file)->map.bytes, (*file)->map.size, (*file)->path, out, err);
    if (status == INGOT_OK) return INGOT_OK;
    input_close(*file);
    *file = NULL;
    return status;
}

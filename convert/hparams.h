/* hparams.h - the hyper-parameters by name, and where each may be said: by an option, the recipe, config.json or a fact
 * of the source. */
#ifndef INGOT_HPARAMS_H
#define INGOT_HPARAMS_H

#include "convert/ingot_convert.h"

enum hparam {
    HPARAM_N_LAYER,
    HPARAM_N_HEAD,
    HPARAM_N_EMBD,
    HPARAM_N_INNER,
    HPARAM_N_CTX,
    HPARAM_N_VOCAB,
    HPARAM_ACTIVATION,
    HPARAM_EPSILON,
    HPARAM_SCALE,
    HPARAM_SCALE_BY_LAYER,
    HPARAM_COUNT
};

#define HPARAM_NAMES                                                                                                   \
    "n_layer, n_head, n_embd, n_inner, n_ctx, n_vocab, activation, layer_norm_epsilon, scale_attn_weights, "           \
    "scale_attn_by_inverse_layer_idx"

struct hparam_value {
    const char *origin; /* who says it: "--set", a fact's key, "config.json"; NULL: nobody does */
    uint32_t count;     /* a count, an enum ingot_activation, or 0 and 1 */
    float epsilon;
};

const char *hparam_name(enum hparam which);

/* What a person may write as a value: "12", "gelu_erf", "1e-5", "false". */
bool hparam_of_text(enum hparam which, const char *text, struct hparam_value *out);
/* The words for an error: "a whole number from 1 to 65536". Returns out. */
char *hparam_expected(enum hparam which, char *out, size_t cap);

struct model_config;
struct recipe;

/* What is declared, by the first of these that says it: the options' settings; the terms of the recipe, whose facts are
 * looked up in `src` and then in `beside`, which may be NULL; `config`, which may be NULL. ARGUMENT for a setting that
 * cannot be read; SOURCE for a fact of the wrong type or out of range. */
enum ingot_status hparams_declare(const struct recipe *recipe, const struct ingot_source *src,
                                  const struct ingot_source *beside, const struct model_config *config,
                                  const struct ingot_convert_options *options, struct hparam_value out[HPARAM_COUNT],
                                  struct ingot_error *err);

#endif

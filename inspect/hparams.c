/* hparams.c - hyper-parameters by the names that they have everywhere. */
#include "inspect/hparams.h"

#include "inspect/cli/json.h"

const char *activation_name(enum ingot_activation activation)
{
    return activation == INGOT_GELU_TANH ? "gelu_tanh" : activation == INGOT_GELU_ERF ? "gelu_erf" : "?";
}

json_t *hparams_counts_json(const struct ingot_hparams *hp)
{
    json_t *o = json_object();
    json_put(o, "n_layer", json_count(hp->n_layer));
    json_put(o, "n_head", json_count(hp->n_head));
    json_put(o, "n_embd", json_count(hp->n_embd));
    json_put(o, "n_inner", json_count(hp->n_inner));
    json_put(o, "n_ctx", json_count(hp->n_ctx));
    json_put(o, "n_vocab", json_count(hp->n_vocab));
    json_put(o, "n_vocab_stored", json_count(hp->n_vocab_stored));
    return o;
}

json_t *hparams_json(const struct ingot_hparams *hp)
{
    json_t *o = hparams_counts_json(hp);
    json_put(o, "activation", json_string(activation_name(hp->activation)));
    json_put(o, "layer_norm_epsilon", json_number((double)hp->layer_norm_epsilon));
    return o;
}

/* hparams.h - hyper-parameters as the commands show them. */
#ifndef INGOT_INSPECT_HPARAMS_H
#define INGOT_INSPECT_HPARAMS_H

#include "format/ingot_format.h"

#include <jansson.h>

/* As --set takes it. */
const char *activation_name(enum ingot_activation activation);

/* The counts alone, n_layer to n_vocab_stored; and with them activation and epsilon. */
json_t *hparams_counts_json(const struct ingot_hparams *hp);
json_t *hparams_json(const struct ingot_hparams *hp);

#endif

/* config.h - config.json of a Hugging Face GPT-2: which of its fields are executed, which are refused. */
#ifndef INGOT_CONFIG_H
#define INGOT_CONFIG_H

#include "convert/input.h"

#define CONFIG_FILE "config.json"

struct model_config {
    struct ingot_hparams hp; /* n_vocab_stored is 0: only the tensors can say it */
    bool tied;               /* tie_word_embeddings: the output head is the token embedding */
};

/* The activation that transformers calls by this name; false for one that is not executed. */
bool config_activation(const char *name, enum ingot_activation *out);

/* Parses the bytes of a config.json. `path` names it in errors. SOURCE for bad JSON, a wrong type or a number out of
 * range; MISSING for an absent field without a default; MODEL for fields that contradict each other; UNSUPPORTED for a
 * field that changes the mathematics in a way that is not executed. Each names the field. */
enum ingot_status config_parse(const uint8_t *bytes, uint64_t n, const char *path, struct model_config *out,
                               struct ingot_error *err);

/* The same for directory/config.json; MISSING with advice when there is none. *file stays open for the caller to close;
 * it is NULL after a failure. */
enum ingot_status config_read(const char *directory, struct model_config *out, struct input **file,
                              struct ingot_error *err);

#endif

/* diff_model.h - what two checkpoints say beside their tensors: hyper-parameters and tokenizer. */
#ifndef INGOT_DIFF_MODEL_H
#define INGOT_DIFF_MODEL_H

#include "inspect/checkpoint.h"

#define DIFF_PROPERTIES 11

/* A hyper-parameter of both, as text: "12", "gelu_tanh", "1e-05", "true". */
struct diff_property {
    const char *name;
    char value[2][32];
    bool differs;
};

enum diff_tokenizer {
    DIFF_TOKENIZER_SAME,
    DIFF_TOKENIZER_DIFFERS,
    DIFF_TOKENIZER_NOT_COMPARED, /* at most one has one that is known */
};

struct diff_model {
    bool known[2];        /* the hyper-parameters */
    char unknown[2][512]; /* why not, escaped */
    struct diff_property properties[DIFF_PROPERTIES];
    size_t n_properties; /* 0 unless both are known */
    size_t n_differing;
    enum diff_tokenizer tokenizer;
    bool has_tokenizer[2];
    char difference[512]; /* the first of the tokenizers, escaped */
};

/* `recipe` is as in struct diff_options. Hyper-parameters that a checkpoint does not say are no error, nor is a
 * tokenizer of a kind that is not known; one that is malformed is. */
enum ingot_status diff_model(const struct checkpoint *a, const struct checkpoint *b, const char *const recipe[2],
                             struct diff_model *out, struct ingot_error *err);

#endif

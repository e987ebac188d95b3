/* subject.h - what `ingot params` speaks of: a checkpoint that is there, or a model that need not exist. */
#ifndef INGOT_SUBJECT_H
#define INGOT_SUBJECT_H

#include "inspect/census.h"

#define GPT2_VOCABULARY 50257u

/* Initialise with zeros; close whatever happened. */
struct subject {
    const char *name; /* borrowed: the path, or the text of --config */
    struct ingot_hparams hp;
    bool has_hparams; /* a lone tensor file may not say how it is to be read */
    bool is_gpt3;
    enum ingot_dtype dtype;     /* of most of its bytes; of an .ingot file, of the layers' matrices */
    enum ingot_dtype embedding; /* of the token embedding, where it is another; else DTYPE_NONE */
    struct census census;
    struct census_layers layers;
    struct checkpoint checkpoint; /* open when it is a file */
};

/* Names that subject_from_config() takes, NULL-terminated. */
extern const char *const subject_presets[];

/* One of the presets, or KEY=VALUE,... */
enum ingot_status subject_from_config(const char *text, struct subject *s, struct ingot_error *err);
enum ingot_status subject_from_file(const char *path, struct subject *s, struct ingot_error *err);
void subject_close(struct subject *s);

#endif

/* prepare.h - the first of the two passes: everything opened, planned and checked, nothing written. */
#ifndef INGOT_PREPARE_H
#define INGOT_PREPARE_H

#include "convert/plan.h"
#include "convert/vocabulary.h"

struct prepared {
    struct ingot_source *source;
    struct plan plan;
    struct vocabulary vocabulary; /* empty when there is no tokenizer */
};

/* Free with prepared_free(), after a failure too. Errors: those of ingot_convert() that do not concern its output. */
enum ingot_status prepare(const char *source_path, const struct ingot_convert_options *options, struct prepared *out,
                          struct ingot_error *err);
void prepared_free(struct prepared *p);

/* ARGUMENT when `path` is one of the inputs, through whatever links: reading and replacing one file is never meant. */
enum ingot_status prepared_check_output(const struct prepared *p, const char *path, struct ingot_error *err);

/* CHANGED when an input is no longer what was opened. */
enum ingot_status prepared_check_unchanged(const struct prepared *p, struct ingot_error *err);

#endif

/* model_fixture.h - a model to run, from a checkpoint that is shipped or that random_checkpoint makes. */
#ifndef MODEL_FIXTURE_H
#define MODEL_FIXTURE_H

#include "runtime/ingot_runtime.h"

struct model_fixture {
    struct ingot_file *file;
    struct ingot_model *model;
};

/* Converts a checkpoint, opens the result on the rung `cpu` (NULL: best) and leaves nothing on disk. Asserts success.
 */
struct model_fixture model_from_checkpoint(const char *path, enum ingot_dtype dtype, const char *cpu);

/* The same for a model that random_checkpoint makes from `options`, a line of words. */
struct model_fixture model_from_options(const char *options, enum ingot_dtype dtype, const char *cpu);

/* $INGOT_ROOT/name, in a static buffer. */
const char *path_from_root(const char *name);

/* The same file on another rung; NULL when that one cannot run here. To be closed with ingot_model_close(). */
struct ingot_model *model_on(const struct model_fixture *fixture, const char *cpu);

void model_fixture_close(struct model_fixture *fixture);

/* All logits [n][n_vocab] of a fresh session, to be freed by the caller. */
float *all_logits(const struct ingot_model *model, const struct ingot_session_options *options, const uint32_t *ids,
                  size_t n);

#endif

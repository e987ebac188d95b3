/* plan.h - the first pass: every tensor of the result, where it comes from and what becomes of it, before a byte is
 * written.
 *
 * A tensor of the result is put together from parts: pieces of source tensors, each seen as a matrix in the orientation
 * of the result (a vector is one row). Nearly always there is one part, the whole. */
#ifndef INGOT_PLAN_H
#define INGOT_PLAN_H

#include "convert/profile.h"
#include "convert/recipe.h"
#include "convert/source.h"

struct plan_part {
    const struct ingot_source_tensor *source; /* borrowed from the source */
    bool transposed;                          /* the source has [in, out] */
    uint64_t from_row, from_col;              /* where the piece begins in the source, in the result's orientation */
    uint64_t row, col;                        /* where it goes in the result */
    struct ingot_view view; /* the piece, in the result's orientation; a source of blocks has no view: data is NULL,
                               dtype F32, n_rows and n_cols as for others, and it is never transposed */
};

struct plan_tensor {
    char name[PROFILE_NAME_MAX];
    struct plan_part *parts; /* owned; they cover the result exactly, without overlap, in order of row and col */
    uint32_t n_parts;
    enum ingot_dtype from;  /* of every part's view */
    enum ingot_dtype dtype; /* of the result */
    enum ingot_layout layout;
    uint32_t rank;
    uint64_t shape[2];
    uint64_t n_rows, n_cols; /* shape as a matrix: a vector is one row */
};

struct plan_dropped {
    const struct ingot_source_tensor *source; /* borrowed from the source */
    const char *why;                          /* borrowed from the recipe */
};

struct plan {
    struct recipe *recipe; /* its name, text, metadata, tokenizer; owned */
    struct ingot_hparams hp;
    struct input **inputs; /* every file that was read beside those of the source: config.json, a recipe */
    size_t n_inputs;
    struct plan_tensor *tensors; /* in order of placement */
    size_t n_tensors;
    struct plan_dropped *dropped;
    size_t n_dropped;
    bool tied;   /* lm_head.weight becomes an alias of wte.weight */
    bool biased; /* false: no tensor is a bias */
};

/* ingot_source_open(), but in a directory the file that a named recipe wants opened there, if it is there. */
enum ingot_status plan_open_source(const char *path, const struct ingot_convert_options *options,
                                   struct ingot_source **out, struct ingot_error *err);

/* What recipe and dtype of the options say (see struct ingot_convert_options), applied to the source. Every tensor of
 * the source has a place, is dropped for a reason, or is refused by name; every tensor of the result has a source of
 * the right shape and a dtype that can be cast. Errors: those of config_read(); MISSING, SHAPE, MODEL, DTYPE,
 * UNSUPPORTED naming the tensor. */
enum ingot_status plan_make(const struct ingot_source *src, const struct ingot_convert_options *options,
                            struct plan *out, struct ingot_error *err);
void plan_free(struct plan *plan);

#endif

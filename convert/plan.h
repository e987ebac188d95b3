/* plan.h - the first pass: every tensor of the result, where it comes from and what becomes of it, before a byte is
 * written. */
#ifndef INGOT_PLAN_H
#define INGOT_PLAN_H

#include "convert/profile.h"
#include "convert/source.h"

struct plan_tensor {
    char name[PROFILE_NAME_MAX];
    struct ingot_source_tensor source; /* borrowed from the source */
    bool transposed;                   /* the source has [in, out] */
    enum ingot_dtype dtype;            /* of the result */
    enum ingot_layout layout;
    uint32_t rank;
    uint64_t shape[2];
    struct ingot_view view; /* the source in the orientation of the result */
};

struct plan {
    struct ingot_hparams hp;
    struct input *config_file;
    struct plan_tensor *tensors; /* in order of placement */
    size_t n_tensors;
    const struct ingot_source_tensor **dropped; /* borrowed from the source */
    size_t n_dropped;
    bool tied;   /* lm_head.weight becomes an alias of wte.weight */
    bool biased; /* false: no tensor is a bias */
};

/* `dtype` as in struct ingot_convert_options. Every tensor of the source has a place, is dropped for a reason, or is
 * refused by name; every tensor of the result has a source of the right shape and a dtype that can be cast. Errors:
 * those of config_read(); MISSING, SHAPE, MODEL, DTYPE, UNSUPPORTED naming the tensor. */
enum ingot_status plan_make(const struct ingot_source *src, enum ingot_dtype dtype, struct plan *out,
                            struct ingot_error *err);
void plan_free(struct plan *plan);

#endif

/*
 * diff.h - two checkpoints of any formats, tensor by tensor.
 *
 * Where both can be seen as a GPT-2 (an .ingot file, or a source that a recipe fits), tensors go by their canonical
 * names and in canonical orientation; otherwise by their own names, as they stand.
 */
#ifndef INGOT_DIFF_H
#define INGOT_DIFF_H

#include "inspect/checkpoint.h"
#include "inspect/diff_values.h"

#define DIFF_NOWHERE SIZE_MAX

struct diff_options {
    bool raw_names;        /* by their own names in any case */
    bool all;              /* also what a model leaves out: optimizer state, masks */
    const char *recipe[2]; /* as in struct ingot_convert_options */
    struct diff_tolerance tolerance;
    uint32_t n_threads; /* 0: as many as the process may run on; the result does not depend on it */
    ingot_progress_fn progress;
    void *progress_ctx;
};

/* One of the two. */
struct diff_side {
    struct checkpoint cp;
    struct ingot_canonical *canonical; /* of a source; NULL: by its own names */
    bool is_gpt2;                      /* canonical names mean what they say */
    bool tied;                         /* the head is the token embedding */
    uint64_t n_left_out;               /* tensors that a model leaves out */
    size_t *listed;                    /* the tensors that are compared, as their own lists number them */
    size_t n_listed;
};

/* A tensor of one side, as it is compared. */
struct diff_tensor {
    struct checkpoint_tensor t;              /* its name is the one that it goes by */
    struct ingot_canonical_tensor canonical; /* of a source under canonical names: its parts */
    bool known;                              /* the name is canonical */
};

enum diff_outcome {
    DIFF_EQUAL, /* all values are */
    DIFF_ONLY_A,
    DIFF_ONLY_B,
    DIFF_SHAPE, /* nothing was compared */
    DIFF_TYPE,  /* elements of which one cannot say how far they are apart, and whose bytes differ */
    DIFF_VALUES,
};

/* Two tensors of one name, or one alone. */
struct diff_pair {
    size_t at[2];        /* number in the side's list, or DIFF_NOWHERE */
    bool head_of_wte[2]; /* lm_head.weight here is wte.weight there */
    enum diff_outcome outcome;
    bool types_differ;
    bool quantised;          /* one side is q8 or q4: its neighbours are not a float's, and no steps are counted */
    bool rows_differ;        /* a padded vocabulary: the rows that both have were compared */
    uint64_t n_padding;      /* rows that only one has */
    bool padding_is_zeros;   /* and which therefore are no difference */
    uint64_t n_rows, n_cols; /* what was compared, as a matrix */
    uint64_t first_job, n_jobs;
    struct diff_figures figures;
};

struct diff {
    struct diff_side side[2];
    bool canonical;          /* both by canonical names */
    struct diff_pair *pairs; /* in the order of A, then those that only B has */
    size_t n_pairs;
    uint64_t n_bytes; /* read of both */
};

/* Opens and compares. Errors: those of opening either; ARGUMENT for a recipe where none can be used; UNSUPPORTED,
 * MISSING for values that cannot be read; INTERRUPTED. Free with diff_close(), after a failure too. */
enum ingot_status diff_open(const char *path_a, const char *path_b, const struct diff_options *options,
                            struct diff *out, struct ingot_error *err);
void diff_close(struct diff *d);

/* The tensor that a pair has on a side, which must have it. */
struct diff_tensor diff_tensor_of(const struct diff *d, const struct diff_pair *pair, unsigned side);

#endif

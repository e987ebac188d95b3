/* export.h - what lies between the one exporter and its targets.
 *
 * A target does not write. It is given the model, bound and checked, and plans the files that its format is made of:
 * first bytes in memory, and tensors each at its offset. export.c writes them, in parallel, all or nothing. A new
 * format is one file dst_NAME.c and one line in the table of export.c. */
#ifndef INGOT_EXPORT_H
#define INGOT_EXPORT_H

#include "convert/array.h"
#include "convert/buffer.h"
#include "convert/ingot_convert.h"
#include "convert/profile.h"
#include "convert/vocab_tables.h"
#include "format/disk.h"

#define EXPORT_MAX_FILES 8u

/* The elements of a tensor, somewhere in a file. */
struct export_piece {
    const struct ingot_section *section; /* borrowed from the model */
    bool transposed;
    enum ingot_dtype dtype; /* there; Q8: as blocks of Q8_0, from a section that is q8 */
    uint64_t off, n_elems;
    uint64_t first_job;
    _Atomic uint64_t n_overflow;
};

struct export_file {
    const char *name;   /* static; NULL: the output itself */
    struct buffer head; /* its first bytes */
    struct export_piece *pieces;
    size_t n_pieces, cap_pieces;
    uint64_t n_bytes; /* all; what neither the head nor a piece covers is zero */
};

struct exporter {
    const struct ingot_file *file;
    const struct ingot_export_options *options;
    struct ingot_hparams hp;
    struct ingot_section *slots; /* by slot of profile.h; `data` is NULL where a bias is absent, which means zero */
    uint32_t n_slots;
    bool tied;          /* the head is the token embedding */
    uint32_t n_no_bias; /* absent ones */
    bool has_vocabulary;
    struct vocab_tables vocabulary;
    uint32_t eot; /* id of <|endoftext|>, or VOCAB_NO_TOKEN */
    struct export_file files[EXPORT_MAX_FILES];
    size_t n_files;
    struct ingot_error *err;
};

struct export_target {
    const char *name, *about;
    bool is_directory;        /* else files[0], planned first, is the output; others are put beside it */
    const char *const *files; /* directories: all names that may be in one, NULL-terminated */
    /* Plans every file. UNSUPPORTED, naming it, for what the format cannot say. */
    enum ingot_status (*plan)(struct exporter *e);
};

extern const struct export_target export_gguf;
extern const struct export_target export_huggingface;
extern const struct export_target export_llmc;

/* Hyper-parameters, tensors by name, shape and dtype, and the vocabulary, if there is one. */
enum ingot_status export_bind(struct exporter *e);
void export_free(struct exporter *e);

enum ingot_status export_unsupported(struct exporter *e, const char *advice, const char *what);
void export_warn(const struct exporter *e, const char *message);

/* For formats that say special tokens as text beside tokens that are spelled. UNSUPPORTED, naming it, for a special
 * token that is no UTF-8, has a NUL in it, or reads as another token is spelled. */
enum ingot_status export_check_special(struct exporter *e);

/* A new file. The pointer stays valid; n_files never exceeds EXPORT_MAX_FILES, for targets have few. */
struct export_file *export_add_file(struct exporter *e, const char *name);

/* Puts the tensor of a slot at `off`; an absent bias is zero without any piece. */
enum ingot_status export_place(struct exporter *e, struct export_file *f, uint32_t slot, bool transposed,
                               enum ingot_dtype dtype, uint64_t off);

/* What a matrix is written as: what the options say, else its own dtype, or f32 if that is q8 or q4. */
enum ingot_dtype export_matrix_dtype(const struct exporter *e, uint32_t slot);

/* Bytes of n elements in a file; of Q8, as blocks of Q8_0. */
uint64_t export_bytes(enum ingot_dtype dtype, uint64_t n);

/* The one dtype that all matrices are written as; DTYPE_NONE when they differ. */
enum ingot_dtype export_common_dtype(const struct exporter *e);

/* Whether every element of every vector is a value of this dtype, so that writing them as it loses nothing. */
bool export_vectors_fit(const struct exporter *e, enum ingot_dtype dtype);

/* Shape of a slot's tensor, present or not; a vector's second dimension is 0. */
void export_shape(const struct exporter *e, uint32_t slot, uint64_t shape[2]);
uint64_t export_elems(const struct exporter *e, uint32_t slot);

#endif

/*
 * checkpoint.h - one view of an .ingot file and of a foreign checkpoint, for the commands that only look.
 *
 * Which of the two a path is, is decided by its content, never by its name.
 */
#ifndef INGOT_CHECKPOINT_H
#define INGOT_CHECKPOINT_H

#include "convert/ingot_convert.h"
#include "format/ingot_format.h"

/* Exactly one of file and source is open. */
struct checkpoint {
    const char *path; /* borrowed from the caller */
    struct ingot_file *file;
    struct ingot_source *source;
    uint32_t *sections; /* of a file: its tensors and aliases in order of placement */
    size_t n_tensors;
};

/* One tensor. Pointers are borrowed from the checkpoint; names are hostile. */
struct checkpoint_tensor {
    const char *name;
    size_t name_len;
    const char *dtype_name;
    enum ingot_dtype dtype; /* NONE when the format knows no such dtype */
    enum ingot_layout layout;
    uint32_t rank;
    uint64_t shape[INGOT_MAX_RANK];
    uint64_t n_elems, n_bytes;
    const void *data; /* NULL in slices, and when the file that should hold it is not here */
    struct ingot_source_tensor
        origin;            /* what ingot_source_gather() takes; of an .ingot file only where the layout is rows */
    const char *target;    /* of an alias: the name of the tensor that it stands for; else NULL */
    const char *part_file; /* of a source: the base name of the file; else NULL */
    uint64_t file_off;
};

enum ingot_status checkpoint_open(const char *path, struct checkpoint *out, struct ingot_error *err);
void checkpoint_close(struct checkpoint *cp);

struct checkpoint_tensor checkpoint_tensor_at(const struct checkpoint *cp, size_t i);

/* The same into its place, for who goes through all of many. */
void checkpoint_get_tensor(const struct checkpoint *cp, size_t i, struct checkpoint_tensor *out);

/* Whether the file that should hold its elements is not here. */
bool checkpoint_is_absent(const struct checkpoint_tensor *t);

/* "rows", "panel16"; of a source also "strided", "blocks" and "slices". */
const char *checkpoint_layout(const struct checkpoint_tensor *t);

/* The tensor of that name, spelled as it is or as ls prints it. ARGUMENT with the nearest name when there is none. */
enum ingot_status checkpoint_find(const struct checkpoint *cp, const char *name, struct checkpoint_tensor *out,
                                  struct ingot_error *err);

/* "did you mean 'wte.weight'?", for a name that no tensor has; false, and nothing, where none is near. */
bool checkpoint_advise_nearest(const struct checkpoint *cp, const char *name, char *advice, size_t cap);

enum ingot_status checkpoint_hparams(const struct checkpoint *cp, struct ingot_hparams *out, struct ingot_error *err);
/* "ingot" or the source's format. */
const char *checkpoint_format(const struct checkpoint *cp);

/* Whether the content of a file says that it is, or was, an .ingot file. */
bool checkpoint_is_ingot(const char *path);

/* Whether its name says so: damage may have taken every other trace. */
bool checkpoint_is_called_ingot(const char *path);

/* How an element of an .ingot file's tensor is seen; NONE for blocks and for an unknown dtype. */
enum ingot_scalar checkpoint_scalar(enum ingot_dtype dtype);

/* Opens an .ingot file for a command that needs one; a foreign checkpoint is refused with the advice to convert it. */
enum ingot_status checkpoint_open_ingot(const char *path, struct ingot_file **out, struct ingot_error *err);

#endif

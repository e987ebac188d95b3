/* torch.h - one PyTorch file: a pickle that describes tensors, and storages, the bytes that they look at.
 *
 * Two containers hold the same thing: a zip file (PyTorch 1.6 and later) with data.pkl and a member data/KEY for each
 * storage; and the older form, pickles followed by the storages. A tensor is a view of a storage: offset, shape and
 * strides in elements. Several may share one. */
#ifndef INGOT_TORCH_H
#define INGOT_TORCH_H

#include "convert/pickle.h"
#include "convert/source.h"
#include "convert/zip.h"

/* What the names on the list mean; the ids of struct pickle_name. A storage class and a dtype carry their scalar. */
enum torch_name {
    TORCH_REBUILD_TENSOR = 0,
    TORCH_REBUILD_TENSOR_V2,
    TORCH_REBUILD_TENSOR_V3,
    TORCH_REBUILD_PARAMETER,
    TORCH_QUANTISED_TENSOR,
    TORCH_SPARSE_TENSOR,
    TORCH_OTHER_TENSOR,
    TORCH_VALUE, /* harmless, and of no use here */
    TORCH_MAP,
    TORCH_STORAGE = 100, /* + enum ingot_scalar; NONE: bytes without a type */
    TORCH_DTYPE = 200,   /* + enum ingot_scalar */
};

extern const struct pickle_name torch_names[];
extern const size_t torch_n_names;

struct torch_storage {
    const char *key; /* not NUL-terminated */
    size_t key_bytes;
    uint64_t off, n_bytes;           /* in the file */
    const struct zip_member *member; /* NULL in the older form */
    uint32_t check;                  /* INGOT_NO_CHECK until a tensor needs it */
};

struct torch_file {
    struct ingot_source *src;
    const struct input *in;
    struct pickle *pickle;
    uint64_t pickle_off; /* of the pickle in the file */
    struct zip zip;
    struct torch_storage *storages; /* in order of their keys */
    size_t n_storages;
};

/* A persistent id: ('storage', class, key, location, number of elements[, view of the storage]). */
struct torch_id {
    const char *key;
    size_t key_bytes;
    enum ingot_scalar scalar; /* NONE: bytes */
    uint64_t n_elems;
    uint64_t view_first, view_elems; /* of very old files; else 0 and n_elems */
};

/* Finds pickle and storages of the file f->in; torch_close() frees them, on failure too. */
enum ingot_status torch_open_zip(struct torch_file *f, struct ingot_error *err);
enum ingot_status torch_open_legacy(struct torch_file *f, struct ingot_error *err);
void torch_close(struct torch_file *f);

enum ingot_status torch_read_id(const struct torch_file *f, const struct pickle_value *persistent, struct torch_id *out,
                                struct ingot_error *err);
int torch_compare_keys(const void *a, const void *b); /* of struct torch_storage */

/* What the value of a CALL says: everything of a tensor but its name. */
enum ingot_status torch_read_tensor(const struct torch_file *f, const struct pickle_value *call, const char *name,
                                    struct ingot_source_tensor *out, struct ingot_error *err);

/* Declares every tensor below the pickle's root under its dotted name, and every scalar as a fact. */
enum ingot_status torch_declare(const struct torch_file *f, struct ingot_error *err);

#define TORCH_ADVICE_SAVE "save model.state_dict() alone, or ask for a safetensors file"

#endif

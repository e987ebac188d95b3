/* torch_legacy.c - PyTorch files of before 1.6: five pickles in a row (magic number, protocol version, the machine's
 * sizes, the checkpoint itself, the keys of the storages), then for each key the number of elements and the elements.
 *
 * How large an element is, only the checkpoint says, wherever it names a storage. */
#include "convert/torch.h"

#include "convert/array.h"
#include "format/bytes.h"
#include "format/checked.h"

#include <inttypes.h>
#include <string.h>

#define PROTOCOL_VERSION 1001
#define MAX_FOREIGN      64u /* pickles in a row that are looked at in a file that is none of PyTorch */
#define TAR_MAGIC_OFF    257u

/* 0x1950a86a20f9469cfc6c */
static const uint8_t magic[] = { 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19 };

/* What the checkpoint says of a storage. */
struct declared {
    struct torch_storage storage; /* first: sorted by its key */
    uint64_t n_elems;
    uint32_t elem_bytes;
    bool listed;
};

struct legacy {
    struct torch_file *f;
    uint64_t at; /* of the next pickle, then of the next storage */
    struct declared *declared;
    size_t n, cap;
    struct ingot_error *err;
};

static enum ingot_status bad_file(const struct legacy *l, uint64_t at, enum ingot_status status, const char *what)
{
    return ingot_fail(l->err, status, at, l->f->in->path,
                      status == INGOT_E_UNSUPPORTED ? TORCH_ADVICE_SAVE : ADVICE_COPY, "%s", what);
}

static enum ingot_status next_pickle(struct legacy *l, struct pickle **out)
{
    uint64_t used = 0;
    const struct file_map *map = &l->f->in->map;
    const struct pickle_input in = { map->bytes + l->at, map->size - l->at, l->at,
                                     l->f->in->path,     torch_names,       torch_n_names };
    enum ingot_status status = pickle_run(&in, out, &used, l->err);
    l->at += used;
    return status;
}

/* --------------------------------------------------------------------------------------------- what stands in front */

/* An instruction with which a pickle may begin: what makes something out of nothing. */
static bool may_be_pickle(const struct file_map *map)
{
    return map->size > 0 && (map->bytes[0] == 0x80 || (map->bytes[0] && strchr("(c])}ILFSVKJMXNUTG", map->bytes[0])));
}

/* Files that people give by mistake, by their names. */
static enum ingot_status check_beginning(const struct legacy *l)
{
    const struct file_map *map = &l->f->in->map;
    if (map->size > TAR_MAGIC_OFF + 5 && memcmp(map->bytes + TAR_MAGIC_OFF, "ustar", 5) == 0)
        return bad_file(l, TAR_MAGIC_OFF, INGOT_E_UNSUPPORTED, "a tar file, the form of PyTorch 0.1");
    if (!may_be_pickle(map)) return bad_file(l, 0, INGOT_E_SOURCE, "neither a zip file nor a pickle");
    return INGOT_OK;
}

/* A pickle without the magic number has no tensors. Whatever would be called by it, or by those behind it, is worth
 * more than that. */
static enum ingot_status refuse_foreign(struct legacy *l)
{
    const uint64_t end = l->f->in->map.size;
    for (unsigned i = 0; i < MAX_FOREIGN && l->at < end; i++) {
        struct pickle *p = NULL;
        struct ingot_error err = { 0 }, *kept = l->err;
        l->err = &err;
        enum ingot_status status = next_pickle(l, &p);
        l->err = kept;
        pickle_free(p);
        if (status == INGOT_E_UNSUPPORTED)
            return ingot_fail(kept, status, err.offset, l->f->in->path, err.advice, "%s", err.message);
        if (status != INGOT_OK) break;
    }
    return bad_file(l, 0, INGOT_E_SOURCE, "a pickle that is no PyTorch file: its magic number is missing");
}

static enum ingot_status read_magic(struct legacy *l)
{
    struct pickle *p = NULL;
    size_t n = 0;
    enum ingot_status status = next_pickle(l, &p);
    if (status != INGOT_OK) return status;
    const struct pickle_value *v = pickle_at(p, pickle_root(p));
    const char *found = v->type == PICKLE_LONG ? pickle_bytes(p, v, &n) : NULL;
    if (n != sizeof magic || memcmp(found, magic, n) != 0) status = refuse_foreign(l);
    pickle_free(p);
    return status;
}

static enum ingot_status read_version(struct legacy *l)
{
    struct pickle *p = NULL;
    const uint64_t at = l->at;
    enum ingot_status status = next_pickle(l, &p);
    if (status != INGOT_OK) return status;
    const struct pickle_value *v = pickle_at(p, pickle_root(p));
    if (v->type != PICKLE_INT || v->as.integer != PROTOCOL_VERSION)
        status = bad_file(l, at, INGOT_E_UNSUPPORTED, "the version of the file is not 1001");
    pickle_free(p);
    return status;
}

/* {"protocol_version": 1001, "little_endian": True, "type_sizes": {...}}; the elements' sizes are fixed since. */
static enum ingot_status read_machine(struct legacy *l)
{
    struct pickle *p = NULL;
    const uint64_t at = l->at;
    bool little = false;
    enum ingot_status status = next_pickle(l, &p);
    if (status != INGOT_OK) return status;
    const struct pickle_value *v = pickle_at(p, pickle_root(p));
    if (v->type == PICKLE_DICT) {
        struct pickle_items it = pickle_items(p, v);
        for (uint32_t key, value; pickle_next(&it, &key) && pickle_next(&it, &value);) {
            const struct pickle_value *flag = pickle_at(p, value);
            if (pickle_is_text(p, pickle_at(p, key), "little_endian"))
                little = flag->type == PICKLE_BOOL && flag->as.integer;
        }
    }
    pickle_free(p);
    return little ? INGOT_OK : bad_file(l, at, INGOT_E_UNSUPPORTED, "the file does not say that it is little-endian");
}

/* ------------------------------------------------------------------------------------------------------- storages */

static enum ingot_status add_declared(struct legacy *l, const struct torch_id *id)
{
    struct declared *grown = array_grow(l->declared, &l->cap, l->n, sizeof *grown);
    if (!grown) return fail_memory(l->err, l->f->in->path);
    l->declared = grown;
    grown[l->n++] = (struct declared){
        .storage = { .key = id->key, .key_bytes = id->key_bytes, .check = INGOT_NO_CHECK },
        .n_elems = id->n_elems,
        .elem_bytes = id->scalar ? ingot_scalar_info(id->scalar)->bytes : 1,
    };
    return INGOT_OK;
}

/* Every storage that the checkpoint names, once, in order of the keys. */
static enum ingot_status collect_storages(struct legacy *l)
{
    const struct pickle *p = l->f->pickle;
    enum ingot_status status = INGOT_OK;
    for (uint32_t i = 0; i < pickle_count(p) && status == INGOT_OK; i++) {
        struct torch_id id;
        if (pickle_at(p, i)->type != PICKLE_PERSISTENT) continue;
        status = torch_read_id(l->f, pickle_at(p, i), &id, l->err);
        if (status == INGOT_OK) status = add_declared(l, &id);
    }
    if (status != INGOT_OK || l->n == 0) return status;
    qsort(l->declared, l->n, sizeof *l->declared, torch_compare_keys);
    size_t n = 1;
    for (size_t i = 1; i < l->n; i++) {
        const struct declared *d = &l->declared[i], *last = &l->declared[n - 1];
        if (torch_compare_keys(last, d) != 0)
            l->declared[n++] = *d;
        else if (last->n_elems != d->n_elems || last->elem_bytes != d->elem_bytes)
            return bad_file(l, l->f->pickle_off, INGOT_E_SOURCE, "two descriptions of one storage differ");
    }
    l->n = n;
    return INGOT_OK;
}

/* The next storage of the file is that of `key`. */
static enum ingot_status place_storage(struct legacy *l, const char *key, size_t key_bytes)
{
    const struct file_map *map = &l->f->in->map;
    const struct declared wanted = { .storage = { .key = key, .key_bytes = key_bytes } };
    struct declared *d = l->n ? bsearch(&wanted, l->declared, l->n, sizeof wanted, torch_compare_keys) : NULL;
    uint64_t bytes;
    if (!d) return bad_file(l, l->at, INGOT_E_SOURCE, "a storage that the checkpoint does not name");
    if (d->listed) return bad_file(l, l->at, INGOT_E_SOURCE, "a storage is listed twice");
    if (!span_inside(l->at, 8, map->size)) return bad_file(l, map->size, INGOT_E_TRUNCATED, "the storages are cut off");
    if (get_u64(map->bytes + l->at) != d->n_elems)
        return bad_file(l, l->at, INGOT_E_SOURCE, "a storage has another number of elements than the checkpoint says");
    l->at += 8;
    if (!checked_mul(d->n_elems, d->elem_bytes, &bytes) || !span_inside(l->at, bytes, map->size))
        return bad_file(l, map->size, INGOT_E_TRUNCATED, "the storages are cut off");
    d->storage.off = l->at;
    d->storage.n_bytes = bytes;
    d->listed = true;
    l->at += bytes;
    return INGOT_OK;
}

static enum ingot_status place_storages(struct legacy *l)
{
    struct pickle *p = NULL;
    const uint64_t at = l->at;
    size_t n_listed = 0;
    enum ingot_status status = next_pickle(l, &p);
    if (status != INGOT_OK) return status;
    const struct pickle_value *keys = pickle_at(p, pickle_root(p));
    if (keys->type != PICKLE_LIST) status = bad_file(l, at, INGOT_E_SOURCE, "the keys of the storages are no list");
    struct pickle_items it = status == INGOT_OK ? pickle_items(p, keys) : (struct pickle_items){ 0 };
    for (uint32_t item; status == INGOT_OK && pickle_next(&it, &item); n_listed++) {
        const struct pickle_value *key = pickle_at(p, item);
        size_t n;
        const char *text = key->type == PICKLE_TEXT ? pickle_bytes(p, key, &n) : NULL;
        status = text ? place_storage(l, text, n) : bad_file(l, at, INGOT_E_SOURCE, "the key of a storage is no text");
    }
    pickle_free(p);
    if (status == INGOT_OK && n_listed != l->n)
        status = bad_file(l, at, INGOT_E_SOURCE, "a storage that the checkpoint names is not in the list of storages");
    if (status == INGOT_OK && l->at != l->f->in->map.size)
        status = bad_file(l, l->at, INGOT_E_SOURCE, "bytes behind the last storage");
    return status;
}

static enum ingot_status hand_over(struct legacy *l)
{
    l->f->storages = calloc(l->n + 1, sizeof *l->f->storages);
    if (!l->f->storages) return fail_memory(l->err, l->f->in->path);
    for (size_t i = 0; i < l->n; i++) l->f->storages[i] = l->declared[i].storage;
    l->f->n_storages = l->n;
    return INGOT_OK;
}

enum ingot_status torch_open_legacy(struct torch_file *f, struct ingot_error *err)
{
    struct legacy l = { .f = f, .err = err };
    enum ingot_status status = check_beginning(&l);
    if (status == INGOT_OK) status = read_magic(&l);
    if (status == INGOT_OK) status = read_version(&l);
    if (status == INGOT_OK) status = read_machine(&l);
    f->pickle_off = l.at;
    if (status == INGOT_OK) status = next_pickle(&l, &f->pickle);
    if (status == INGOT_OK) status = collect_storages(&l);
    if (status == INGOT_OK) status = place_storages(&l);
    if (status == INGOT_OK) status = hand_over(&l);
    free(l.declared);
    return status;
}

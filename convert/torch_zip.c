/* torch_zip.c - a PyTorch file as a zip: FOLDER/data.pkl, FOLDER/data/KEY, FOLDER/byteorder. */
#include "convert/torch.h"

#include "convert/array.h"
#include "format/simd/crc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PICKLE_MEMBER "data.pkl"

/* The folder of all members, with its slash: every writer has one, hand-made files may have none. */
struct folder {
    const char *name;
    size_t n;
};

static enum ingot_status no_torch(const struct torch_file *f, enum ingot_status status, const char *advice,
                                  const char *what, struct ingot_error *err)
{
    return ingot_fail(err, status, 0, f->in->path, advice, "%s", what);
}

static bool is_pickle(const struct zip_member *m, struct folder *folder)
{
    const size_t n = strlen(PICKLE_MEMBER);
    if (m->name_bytes < n || memcmp(m->name + m->name_bytes - n, PICKLE_MEMBER, n) != 0) return false;
    *folder = (struct folder){ m->name, m->name_bytes - n };
    const char *slash = memchr(folder->name, '/', folder->n);
    return folder->n == 0 || slash == folder->name + folder->n - 1;
}

static enum ingot_status find_pickle(const struct torch_file *f, const struct zip_member **out, struct folder *folder,
                                     struct ingot_error *err)
{
    struct folder found;
    *out = NULL;
    for (size_t i = 0; i < f->zip.n; i++) {
        if (!is_pickle(&f->zip.members[i], &found)) continue;
        if (*out) return no_torch(f, INGOT_E_SOURCE, ADVICE_COPY, "a zip file with more than one data.pkl", err);
        *out = &f->zip.members[i];
        *folder = found;
    }
    if (*out) return INGOT_OK;
    return no_torch(f, INGOT_E_UNSUPPORTED, "give a file that torch.save() wrote",
                    "a zip file without data.pkl: not a PyTorch checkpoint", err);
}

/* FOLDER/name; NULL when there is none. */
static const struct zip_member *find_beside(const struct torch_file *f, struct folder folder, const char *name)
{
    char path[UINT16_MAX + 32];
    memcpy(path, folder.name, folder.n);
    memcpy(path + folder.n, name, strlen(name));
    return zip_find(&f->zip, path, folder.n + strlen(name));
}

static enum ingot_status verify_member(const struct torch_file *f, const struct zip_member *m, struct ingot_error *err)
{
    char shown[128];
    const uint32_t found = crc_of(CRC_32, f->in->map.bytes + m->off, m->n_bytes);
    if (found == m->crc32) return INGOT_OK;
    return ingot_fail(err, INGOT_E_DIGEST, m->off, f->in->path, ADVICE_COPY,
                      "member %s has CRC-32 %08" PRIx32 "; expected %08" PRIx32,
                      ingot_escape(m->name, m->name_bytes, shown, sizeof shown), found, m->crc32);
}

static enum ingot_status check_byteorder(const struct torch_file *f, struct folder folder, struct ingot_error *err)
{
    const struct zip_member *m = find_beside(f, folder, "byteorder");
    if (!m) return INGOT_OK; /* files of before PyTorch 2.1 */
    enum ingot_status status = verify_member(f, m, err);
    if (status != INGOT_OK) return status;
    if (m->n_bytes == 6 && memcmp(f->in->map.bytes + m->off, "little", 6) == 0) return INGOT_OK;
    return ingot_fail(err, INGOT_E_UNSUPPORTED, m->off, f->in->path, "save it again on a little-endian machine",
                      "byte order is not \"little\"");
}

/* TorchScript keeps its code in the archive; its tensors stand in a tree of classes of that code. */
static enum ingot_status check_kind(const struct torch_file *f, struct folder folder, struct ingot_error *err)
{
    if (!find_beside(f, folder, "constants.pkl")) return check_byteorder(f, folder, err);
    return no_torch(f, INGOT_E_UNSUPPORTED, TORCH_ADVICE_SAVE, "a TorchScript archive: a program, not a checkpoint",
                    err);
}

static enum ingot_status run_pickle(struct torch_file *f, const struct zip_member *m, struct ingot_error *err)
{
    uint64_t used = 0;
    const struct pickle_input in = {
        f->in->map.bytes + m->off, m->n_bytes, m->off, f->in->path, torch_names, torch_n_names
    };
    f->pickle_off = m->off;
    enum ingot_status status = pickle_run(&in, &f->pickle, &used, err);
    if (status == INGOT_OK && used != m->n_bytes)
        status =
            ingot_fail(err, INGOT_E_SOURCE, m->off + used, f->in->path, ADVICE_COPY,
                       "%" PRIu64 " byte%s behind the end of the pickle", m->n_bytes - used, plural(m->n_bytes - used));
    return status;
}

/* Members are in order of their names, so storages come in order of their keys. */
static enum ingot_status list_storages(struct torch_file *f, struct folder folder, struct ingot_error *err)
{
    const size_t skip = folder.n + strlen("data/");
    f->storages = calloc(f->zip.n + 1, sizeof *f->storages);
    if (!f->storages) return fail_memory(err, f->in->path);
    for (size_t i = 0; i < f->zip.n; i++) {
        const struct zip_member *m = &f->zip.members[i];
        if (m->name_bytes <= skip || memcmp(m->name, folder.name, folder.n) != 0 ||
            memcmp(m->name + folder.n, "data/", strlen("data/")) != 0)
            continue;
        f->storages[f->n_storages++] = (struct torch_storage){ .key = m->name + skip,
                                                               .key_bytes = m->name_bytes - skip,
                                                               .off = m->off,
                                                               .n_bytes = m->n_bytes,
                                                               .member = m,
                                                               .check = INGOT_NO_CHECK };
    }
    return INGOT_OK;
}

enum ingot_status torch_open_zip(struct torch_file *f, struct ingot_error *err)
{
    const struct zip_member *pickle = NULL;
    struct folder folder = { 0 };
    enum ingot_status status = zip_list(f->in->map.bytes, f->in->map.size, f->in->path, &f->zip, err);
    if (status == INGOT_OK) status = find_pickle(f, &pickle, &folder, err);
    if (status == INGOT_OK) status = verify_member(f, pickle, err);
    if (status == INGOT_OK) status = check_kind(f, folder, err);
    if (status == INGOT_OK) status = run_pickle(f, pickle, err);
    return status == INGOT_OK ? list_storages(f, folder, err) : status;
}

/* writer.c - a new file in one go: plan, place, put every chunk, seal, publish.
 *
 * All offsets are known before the first byte is written, so chunks may come in any order and from any thread. The file
 * has no name until it is complete, verified and synced; whoever is interrupted leaves nothing behind (or, where
 * the file system cannot make unnamed files, a `.NAME.ingot-tmp-PID-RANDOM` that explains itself). */
#include "format/checked.h"
#include "format/digest.h"
#include "format/error.h"
#include "format/file.h"
#include "format/layout.h"
#include "format/output.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* A declared section. Sections are numbered in the order of their declaration; @chunks comes last. */
struct planned {
    char *name; /* owned */
    uint32_t name_len;
    enum ingot_kind kind;
    enum ingot_dtype dtype;
    enum ingot_layout layout;
    uint32_t rank;
    uint64_t shape[INGOT_MAX_RANK];
    uint64_t raw_bytes;
    uint32_t target; /* alias: number of its tensor */
    /* decided by ingot_writer_begin() */
    uint64_t data_off;
    uint64_t first_chunk; /* in order of name */
    uint32_t record;      /* rank of its name */
};

struct ingot_writer {
    char *path;
    uint32_t align;
    struct output output;
    struct planned *sections;
    uint32_t n, capacity;
    uint32_t *by_name; /* n section numbers */
    uint64_t index_bytes, names_bytes, file_bytes;
    uint64_t n_chunks;   /* of all sections but @chunks */
    uint64_t *hashes;    /* n_chunks: the bytes of @chunks */
    atomic_uchar *taken; /* n_chunks: put, or being put */
    atomic_uint_fast64_t n_put;
    uint8_t model[INGOT_HPARAMS_BYTES]; /* the content id covers them */
    bool begun, placed;                 /* writing began: no section follows; it began well: chunks can be put */
    bool sealed, good;                  /* no chunk follows; every byte was verified: it can be published */
    struct ingot_file *file;
    ingot_progress_fn progress;
    void *progress_ctx;
};

/* -------------------------------------------------------------------------------------------------------- plan */

static enum ingot_status fail_plan(const struct ingot_writer *w, struct ingot_error *err, enum ingot_status status,
                                   const char *name, const char *what)
{
    char shown[96];
    return ingot_fail(err, status, INGOT_NO_OFFSET, w->path, NULL, "section %s: %s",
                      ingot_escape(name, strlen(name), shown, sizeof shown), what);
}

static enum ingot_status no_memory(const struct ingot_writer *w, struct ingot_error *err)
{
    return ingot_fail(err, INGOT_E_MEMORY, INGOT_NO_OFFSET, w->path, NULL, "no memory to plan the file");
}

static bool is_tensor_kind(enum ingot_kind kind)
{
    return kind == INGOT_KIND_TENSOR || kind == INGOT_KIND_ALIAS;
}

static enum ingot_status check_plan(const struct ingot_writer *w, const struct ingot_section_plan *plan,
                                    struct ingot_error *err)
{
    size_t len = strnlen(plan->name, INGOT_MAX_NAME + 1);
    const char *reserved = kind_reserved_name(plan->kind);
    if (len == 0 || len > INGOT_MAX_NAME)
        return fail_plan(w, err, INGOT_E_NAME, plan->name, "a name has 1 to 1024 bytes");
    if (!is_tensor_kind(plan->kind) && !reserved) return fail_plan(w, err, INGOT_E_KIND, plan->name, "an unknown kind");
    if (plan->kind == INGOT_KIND_CHUNKS)
        return fail_plan(w, err, INGOT_E_ARGUMENT, plan->name, "the writer makes this section itself");
    if (reserved ? strcmp(plan->name, reserved) != 0 : plan->name[0] == '@')
        return fail_plan(w, err, INGOT_E_NAME, plan->name, "its kind does not go with its name");
    if (plan->kind == INGOT_KIND_MODEL && plan->raw_bytes != INGOT_HPARAMS_BYTES)
        return fail_plan(w, err, INGOT_E_SHAPE, plan->name, "it must be 64 bytes long");
    if (w->n >= INGOT_MAX_SECTIONS - 1)
        return fail_plan(w, err, INGOT_E_LIMIT, plan->name, "one section more than the format allows");
    return INGOT_OK;
}

static enum ingot_status resolve_target(const struct ingot_writer *w, const struct ingot_section_plan *plan,
                                        struct planned *section, struct ingot_error *err)
{
    for (uint32_t i = 0; i < w->n; i++) {
        const struct planned *other = &w->sections[i];
        if (other->kind != INGOT_KIND_TENSOR || !plan->target || strcmp(other->name, plan->target) != 0) continue;
        section->target = i;
        section->dtype = other->dtype;
        section->layout = other->layout;
        section->rank = other->rank;
        section->raw_bytes = other->raw_bytes;
        memcpy(section->shape, other->shape, sizeof section->shape);
        return INGOT_OK;
    }
    return fail_plan(w, err, INGOT_E_ARGUMENT, plan->name, "its target is not a tensor that was added before");
}

/* Dtype, shape and size of a new section, from the plan or, for an alias, from its target. */
static enum ingot_status resolve_type(const struct ingot_writer *w, const struct ingot_section_plan *plan,
                                      struct planned *section, struct ingot_error *err)
{
    if (plan->kind == INGOT_KIND_ALIAS) return resolve_target(w, plan, section, err);
    section->raw_bytes = plan->raw_bytes;
    if (plan->kind != INGOT_KIND_TENSOR) return INGOT_OK;
    if (!ingot_layout_bytes(plan->dtype, plan->layout, plan->rank, plan->shape, &section->raw_bytes))
        return fail_plan(w, err, INGOT_E_SHAPE, plan->name, "dtype, layout and shape do not go together");
    section->dtype = plan->dtype;
    section->layout = plan->layout;
    section->rank = plan->rank;
    memcpy(section->shape, plan->shape, plan->rank * sizeof plan->shape[0]);
    return INGOT_OK;
}

/* Takes a copy of the name. */
static enum ingot_status append(struct ingot_writer *w, const struct planned *section, const char *name,
                                struct ingot_error *err)
{
    if (w->n == w->capacity) {
        uint32_t capacity = w->capacity ? 2 * w->capacity : 64;
        struct planned *grown = realloc(w->sections, capacity * sizeof *grown);
        if (!grown) return no_memory(w, err);
        w->sections = grown;
        w->capacity = capacity;
    }
    char *copy = strdup(name);
    if (!copy) return no_memory(w, err);
    w->sections[w->n] = *section;
    w->sections[w->n].name = copy;
    w->sections[w->n].name_len = (uint32_t)strlen(copy);
    w->n++;
    return INGOT_OK;
}

/* ------------------------------------------------------------------------------------------------------- place */

static int compare_names(const void *a, const void *b, void *ctx)
{
    const struct ingot_writer *w = ctx;
    return strcmp(w->sections[*(const uint32_t *)a].name, w->sections[*(const uint32_t *)b].name);
}

/* Sorts the names and numbers records and chunks in their order. */
static enum ingot_status number_sections(struct ingot_writer *w, struct ingot_error *err)
{
    w->by_name = calloc(w->n, sizeof *w->by_name);
    if (!w->by_name) return no_memory(w, err);
    for (uint32_t i = 0; i < w->n; i++) w->by_name[i] = i;
    qsort_r(w->by_name, w->n, sizeof *w->by_name, compare_names, w);
    for (uint32_t record = 0; record < w->n; record++) {
        struct planned *section = &w->sections[w->by_name[record]];
        if (record > 0 && strcmp(w->sections[w->by_name[record - 1]].name, section->name) == 0)
            return fail_plan(w, err, INGOT_E_NAME, section->name, "a name that is used twice");
        section->record = record;
        w->names_bytes += section->name_len + 1;
        if (section->kind == INGOT_KIND_ALIAS || section->kind == INGOT_KIND_CHUNKS) continue;
        section->first_chunk = w->n_chunks;
        w->n_chunks += chunk_count(section->raw_bytes);
    }
    if (w->n_chunks > UINT32_MAX)
        return ingot_fail(err, INGOT_E_LIMIT, INGOT_NO_OFFSET, w->path, NULL, "more than 2^32 chunks of 4 MiB");
    return INGOT_OK;
}

static bool place_one(struct ingot_writer *w, struct planned *section, uint64_t *end)
{
    uint64_t align = section_align(section->kind, section->rank, section->raw_bytes, w->align);
    return checked_align(*end, align, &section->data_off) && checked_add(section->data_off, section->raw_bytes, end);
}

/* Each section at the least offset that its alignment allows, in order of declaration; @chunks before the first tensor,
 * so that all that is small stands together. */
static enum ingot_status place_sections(struct ingot_writer *w, struct ingot_error *err)
{
    struct planned *chunks = &w->sections[w->n - 1];
    uint64_t end = INDEX_CANONICAL_OFF + w->index_bytes;
    bool chunks_placed = false, good = true;
    chunks->raw_bytes = 8 * w->n_chunks;
    for (uint32_t i = 0; i < w->n && good; i++) {
        struct planned *section = &w->sections[i];
        if (!chunks_placed && (is_tensor_kind(section->kind) || section == chunks)) {
            good = place_one(w, chunks, &end);
            chunks_placed = true;
        }
        if (section->kind == INGOT_KIND_ALIAS)
            section->data_off = w->sections[section->target].data_off;
        else if (section != chunks && good)
            good = place_one(w, section, &end);
    }
    w->file_bytes = end;
    if (!good || end > INT64_MAX)
        return ingot_fail(err, INGOT_E_LIMIT, INGOT_NO_OFFSET, w->path, NULL, "the file would be too large");
    return INGOT_OK;
}

static enum ingot_status plan_file(struct ingot_writer *w, struct ingot_error *err)
{
    struct planned chunks = { .kind = INGOT_KIND_CHUNKS };
    enum ingot_status status = append(w, &chunks, INGOT_NAME_CHUNKS, err);
    if (status == INGOT_OK) status = number_sections(w, err);
    if (status != INGOT_OK) return status;
    uint64_t bytes = IX_HEADER_BYTES + (uint64_t)w->n * (RECORD_BYTES + 4) + w->names_bytes;
    w->index_bytes = (bytes + SECTION_ALIGN - 1) & ~(uint64_t)(SECTION_ALIGN - 1);
    w->hashes = calloc(w->n_chunks + 1, sizeof *w->hashes);
    w->taken = calloc(w->n_chunks + 1, sizeof *w->taken);
    if (!w->hashes || !w->taken) return no_memory(w, err);
    return place_sections(w, err);
}

/* -------------------------------------------------------------------------------------------------------- seal */

static struct ingot_digest planned_digest(const struct ingot_writer *w, const struct planned *section)
{
    if (section->kind == INGOT_KIND_CHUNKS) return section_digest(w->hashes, section->raw_bytes);
    if (section->kind == INGOT_KIND_ALIAS) section = &w->sections[section->target];
    return ingot_hash128(w->hashes + section->first_chunk, 8 * chunk_count(section->raw_bytes));
}

static void encode_record(const struct ingot_writer *w, const struct planned *section, uint32_t name_off, uint8_t *r)
{
    bool alias = section->kind == INGOT_KIND_ALIAS;
    struct ingot_digest digest = planned_digest(w, section);
    put_u32(r + RECORD_NAME_OFF_OFF, name_off);
    put_u16(r + RECORD_NAME_LEN_OFF, (uint16_t)section->name_len);
    put_u16(r + RECORD_KIND_OFF, (uint16_t)section->kind);
    put_u16(r + RECORD_DTYPE_OFF, (uint16_t)section->dtype);
    put_u16(r + RECORD_LAYOUT_OFF, (uint16_t)section->layout);
    r[RECORD_RANK_OFF] = (uint8_t)section->rank;
    for (uint32_t d = 0; d < section->rank; d++) put_u64(r + RECORD_SHAPE_OFF + 8 * d, section->shape[d]);
    put_u64(r + RECORD_DATA_OFF_OFF, section->data_off);
    put_u64(r + RECORD_STORED_BYTES_OFF, section->raw_bytes);
    put_u64(r + RECORD_RAW_BYTES_OFF, section->raw_bytes);
    put_u64(r + RECORD_DIGEST_OFF, digest.lo);
    put_u64(r + RECORD_DIGEST_OFF + 8, digest.hi);
    put_u32(r + RECORD_TARGET_OFF, alias ? w->sections[section->target].record : 0);
    put_u32(r + RECORD_FIRST_CHUNK_OFF, (uint32_t)section->first_chunk);
}

static int compare_places(const void *a, const void *b)
{
    return place_compare(a, b);
}

static bool encode_order(uint32_t n, const uint8_t *records, uint8_t *order)
{
    struct place *places = calloc(n, sizeof *places);
    if (!places) return false;
    for (uint32_t i = 0; i < n; i++) places[i] = record_place(records + (size_t)i * RECORD_BYTES, i);
    qsort(places, n, sizeof *places, compare_places);
    for (uint32_t i = 0; i < n; i++) put_u32(order + 4 * (size_t)i, places[i].record);
    free(places);
    return true;
}

/* ix: index_bytes, zeroed. */
static bool encode_index(const struct ingot_writer *w, uint8_t *ix)
{
    uint64_t order_off = IX_HEADER_BYTES + (uint64_t)w->n * RECORD_BYTES;
    uint64_t names_off = order_off + (uint64_t)w->n * 4;
    memcpy(ix, IX_MAGIC, 8);
    put_u32(ix + IX_COUNT_OFF, w->n);
    put_u32(ix + IX_RECORD_BYTES_OFF, RECORD_BYTES);
    put_u64(ix + IX_RECORDS_OFF_OFF, IX_HEADER_BYTES);
    put_u64(ix + IX_ORDER_OFF_OFF, order_off);
    put_u64(ix + IX_NAMES_OFF_OFF, names_off);
    put_u64(ix + IX_NAMES_BYTES_OFF, w->names_bytes);
    uint32_t name_off = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        const struct planned *section = &w->sections[w->by_name[i]];
        encode_record(w, section, name_off, ix + IX_HEADER_BYTES + (size_t)i * RECORD_BYTES);
        memcpy(ix + names_off + name_off, section->name, section->name_len + 1);
        name_off += section->name_len + 1;
    }
    return encode_order(w->n, ix + IX_HEADER_BYTES, ix + order_off);
}

static bool has_model(const struct ingot_writer *w)
{
    for (uint32_t i = 0; i < w->n; i++)
        if (w->sections[i].kind == INGOT_KIND_MODEL) return true;
    return false;
}

static void encode_superblock(const struct ingot_writer *w, const uint8_t *ix, uint8_t *sb)
{
    const char *names = (const char *)ix + get_u64(ix + IX_NAMES_OFF_OFF);
    struct ingot_digest id = content_id(ix + IX_HEADER_BYTES, w->n, names, has_model(w) ? w->model : NULL);
    memcpy(sb, SB_MAGIC, SB_MAGIC_BYTES);
    put_u16(sb + SB_READ_VERSION_OFF, SB_READ_VERSION);
    put_u16(sb + SB_WRITE_VERSION_OFF, SB_WRITE_VERSION);
    put_u32(sb + SB_SIZE_OFF, SB_BYTES);
    put_u64(sb + SB_GENERATION_OFF, 1);
    put_u64(sb + SB_FILE_BYTES_OFF, w->file_bytes);
    put_u64(sb + SB_INDEX_OFF_OFF, INDEX_CANONICAL_OFF);
    put_u64(sb + SB_INDEX_BYTES_OFF, w->index_bytes);
    put_u64(sb + SB_INDEX_HASH_OFF, ingot_hash64(ix, w->index_bytes));
    put_u32(sb + SB_ALIGN_OFF, w->align);
    put_u64(sb + SB_CONTENT_ID_OFF, id.lo);
    put_u64(sb + SB_CONTENT_ID_OFF + 8, id.hi);
    put_u64(sb + SB_HASH_OFF, ingot_hash64(sb, SB_HASH_OFF));
}

/* @chunks, then superblocks and index in one write. */
static enum ingot_status write_head(struct ingot_writer *w, struct ingot_error *err)
{
    uint64_t head_bytes = INDEX_CANONICAL_OFF + w->index_bytes;
    const struct planned *chunks = &w->sections[w->n - 1];
    uint8_t *head = calloc(1, head_bytes);
    enum ingot_status status = INGOT_OK;
    if (!head || !encode_index(w, head + INDEX_CANONICAL_OFF)) {
        status = no_memory(w, err);
        goto out;
    }
    encode_superblock(w, head + INDEX_CANONICAL_OFF, head);
    memcpy(head + SB_SLOT_BYTES, head, SB_BYTES);
    status = output_write(&w->output, w->hashes, chunks->raw_bytes, chunks->data_off, err);
    if (status == INGOT_OK) status = output_write(&w->output, head, head_bytes, 0, err);
out:
    free(head);
    return status;
}

/* ------------------------------------------------------------------------------------------------------ public */

enum ingot_status ingot_writer_create(const char *path, const struct ingot_writer_options *options,
                                      struct ingot_writer **out, struct ingot_error *err)
{
    uint32_t align = options && options->align ? options->align : MATRIX_ALIGN;
    *out = NULL;
    if (align < MATRIX_ALIGN || align > MATRIX_ALIGN_MAX || (align & (align - 1)))
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, path, NULL,
                          "alignment %u, expected a power of two from 4096 to 2097152", align);
    struct ingot_writer *w = calloc(1, sizeof *w);
    if (!w) return ingot_fail(err, INGOT_E_MEMORY, INGOT_NO_OFFSET, path, NULL, "no memory to plan the file");
    w->align = align;
    w->progress = options ? options->progress : NULL;
    w->progress_ctx = options ? options->progress_ctx : NULL;
    enum ingot_status status = output_init(&w->output, path, options && options->overwrite, err);
    w->path = w->output.path;
    if (status == INGOT_OK)
        *out = w;
    else
        ingot_writer_close(w);
    return status;
}

enum ingot_status ingot_writer_add(struct ingot_writer *w, const struct ingot_section_plan *plan, uint32_t *id,
                                   struct ingot_error *err)
{
    struct planned section = { .kind = plan->kind, .target = NO_RECORD };
    if (w->begun) return fail_plan(w, err, INGOT_E_ARGUMENT, plan->name, "added after writing began");
    enum ingot_status status = check_plan(w, plan, err);
    if (status == INGOT_OK) status = resolve_type(w, plan, &section, err);
    if (status == INGOT_OK) status = append(w, &section, plan->name, err);
    if (status == INGOT_OK && id) *id = plan->kind == INGOT_KIND_ALIAS ? UINT32_MAX : w->n - 1;
    return status;
}

enum ingot_status ingot_writer_begin(struct ingot_writer *w, struct ingot_error *err)
{
    if (w->begun) return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, w->path, NULL, "writing has begun already");
    w->begun = true;
    enum ingot_status status = plan_file(w, err);
    if (status == INGOT_OK) status = output_begin(&w->output, w->file_bytes, err);
    w->placed = status == INGOT_OK;
    return status;
}

uint64_t ingot_writer_chunk_count(const struct ingot_writer *w, uint32_t id)
{
    return chunk_count(w->sections[id].raw_bytes);
}

size_t ingot_writer_chunk_bytes(const struct ingot_writer *w, uint32_t id, uint64_t chunk)
{
    return chunk_bytes(w->sections[id].raw_bytes, chunk);
}

enum ingot_status ingot_writer_put(struct ingot_writer *w, uint32_t id, uint64_t chunk, const void *bytes, size_t n,
                                   struct ingot_error *err)
{
    if (!w->placed || id >= w->n - 1 || w->sections[id].kind == INGOT_KIND_ALIAS)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, w->path, NULL, "no section to put a chunk into");
    const struct planned *section = &w->sections[id];
    if (chunk >= chunk_count(section->raw_bytes) || n != chunk_bytes(section->raw_bytes, chunk))
        return fail_plan(w, err, INGOT_E_ARGUMENT, section->name, "no chunk of that number and size");
    uint64_t number = section->first_chunk + chunk;
    if (atomic_exchange(&w->taken[number], 1))
        return fail_plan(w, err, INGOT_E_ARGUMENT, section->name, "a chunk that was put twice");
    enum ingot_status status = output_write(&w->output, bytes, n, section->data_off + chunk * INGOT_CHUNK_BYTES, err);
    if (status != INGOT_OK) return status;
    w->hashes[number] = ingot_hash64(bytes, n);
    if (section->kind == INGOT_KIND_MODEL) memcpy(w->model, bytes, sizeof w->model);
    atomic_fetch_add(&w->n_put, 1);
    return INGOT_OK;
}

enum ingot_status ingot_writer_seal(struct ingot_writer *w, uint32_t n_threads, const struct ingot_file **file,
                                    struct ingot_error *err)
{
    if (!w->placed || w->sealed || atomic_load(&w->n_put) != w->n_chunks)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, w->path, NULL,
                          "sealed twice, or before every chunk was put");
    w->sealed = true;
    enum ingot_status status = write_head(w, err);
    if (status == INGOT_OK) status = file_open_fd(w->output.fd, w->path, INGOT_OPEN_MAP, &w->file, err);
    struct ingot_verify_options options = { .n_threads = n_threads,
                                            .progress = w->progress,
                                            .progress_ctx = w->progress_ctx };
    if (status == INGOT_OK) status = ingot_verify(w->file, &options, NULL, err);
    w->good = status == INGOT_OK;
    if (w->good && file) *file = w->file;
    return status;
}

enum ingot_status ingot_writer_publish(struct ingot_writer *w, struct ingot_error *err)
{
    if (!w->good)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, w->path, NULL,
                          "published before it was sealed, or although sealing failed");
    return output_publish(&w->output, err);
}

void ingot_writer_close(struct ingot_writer *w)
{
    if (!w) return;
    ingot_close(w->file);
    output_close(&w->output);
    for (uint32_t i = 0; i < w->n; i++) free(w->sections[i].name);
    free(w->sections);
    free(w->by_name);
    free(w->hashes);
    free(w->taken);
    free(w);
}

/* verify.c - are the bytes what the writer wrote? Every byte of the file belongs to exactly one check.
 *
 * Two passes: all chunks are hashed in parallel, in order of offset; then one walk over the file in order of offset
 * compares, looks into the gaps, and reports. A section's digest is taken over the hashes just computed, so a section
 * can be judged even when @chunks, which localises damage, is damaged itself. */
#include "format/checked.h"
#include "format/digest.h"
#include "format/error.h"
#include "format/file.h"
#include "format/layout.h"
#include "format/parallel.h"

#include <pthread.h>
#include <stdlib.h>

#define NO_SECTION UINT32_MAX
#define NAME_SHOWN 96
#define DROPPED    4u /* chunks that are let go of together */

struct scan {
    const struct ingot_file *file;
    const struct ingot_verify_options *options;
    uint64_t *first_job; /* n + 1: the first chunk of the k-th section in order of offset */
    uint64_t *hashes;    /* first_job[n] */
    bool chunks_good;    /* @chunks is what its digest says */
    struct ingot_verify_report report;
    uint32_t last_damaged; /* section */
    struct ingot_error *err;
    enum ingot_status status; /* of the first damage */
    /* progress */
    pthread_mutex_t lock; /* guards done_bytes and the callback */
    uint64_t done_bytes, total_bytes;
};

/* ---------------------------------------------------------------------------------------------------- hashing */

/* The section that chunk job `job` belongs to, as its place in order of offset: the last k whose first job is not above
 * it. Sections without chunks share their first job with the next one and are passed over. */
static uint32_t place_of_job(const struct scan *s, uint64_t job)
{
    return (uint32_t)parallel_owner(s->first_job, sizeof *s->first_job, s->file->n, job);
}

static enum ingot_status advance(struct scan *s, uint64_t bytes, struct ingot_error *err)
{
    if (!s->options || !s->options->progress) return INGOT_OK;
    pthread_mutex_lock(&s->lock);
    s->done_bytes += bytes;
    bool go_on = s->options->progress(s->options->progress_ctx, s->done_bytes, s->total_bytes);
    pthread_mutex_unlock(&s->lock);
    if (go_on) return INGOT_OK;
    return ingot_fail(err, INGOT_E_INTERRUPTED, INGOT_NO_OFFSET, s->file->path, NULL, "verification was stopped");
}

static enum ingot_status hash_chunk(void *ctx, uint64_t job, uint32_t worker, struct ingot_error *err)
{
    (void)worker;
    struct scan *s = ctx;
    uint32_t k = place_of_job(s, job);
    struct ingot_section section = ingot_section_at(s->file, ingot_section_by_offset(s->file, k));
    uint64_t chunk = job - s->first_job[k];
    uint64_t n = chunk_bytes(section.raw_bytes, chunk);
    uint64_t off = section.data_off + chunk * INGOT_CHUNK_BYTES;
    map_will_read(&s->file->map, off, n);
    s->hashes[job] = ingot_hash64(s->file->map.bytes + off, n);
    if (chunk % DROPPED == 0 && chunk >= 2 * DROPPED) /* not those just before, which others may still be at */
        map_was_read(&s->file->map, off - 2 * DROPPED * INGOT_CHUNK_BYTES, DROPPED * INGOT_CHUNK_BYTES);
    return advance(s, n, err);
}

static enum ingot_status hash_all(struct scan *s)
{
    const struct ingot_file *file = s->file;
    uint32_t n_threads = s->options ? s->options->n_threads : 0;
    s->first_job = calloc((size_t)file->n + 1, sizeof *s->first_job);
    if (!s->first_job) goto no_memory;
    for (uint32_t k = 0; k < file->n; k++) {
        struct ingot_section section = ingot_section_at(file, ingot_section_by_offset(file, k));
        bool own = section.kind != INGOT_KIND_ALIAS;
        s->first_job[k + 1] = s->first_job[k] + (own ? chunk_count(section.raw_bytes) : 0);
        s->total_bytes += own ? section.raw_bytes : 0;
    }
    s->hashes = calloc(s->first_job[file->n] + 1, sizeof *s->hashes);
    if (!s->hashes) goto no_memory;
    return parallel_for(s->first_job[file->n], n_threads, hash_chunk, s, s->err);
no_memory:
    return ingot_fail(s->err, INGOT_E_MEMORY, INGOT_NO_OFFSET, file->path, NULL, "no memory to verify the file");
}

/* --------------------------------------------------------------------------------------------------- reporting */

static void report(struct scan *s, enum ingot_status status, uint32_t section, uint64_t off, uint64_t bytes,
                   const char *what)
{
    struct ingot_damage damage = { .status = status, .section = section, .off = off, .bytes = bytes, .what = what };
    char name[NAME_SHOWN] = "";
    s->report.n_damaged++;
    if (section != NO_SECTION && section != s->last_damaged) {
        s->report.n_sections_damaged++;
        s->last_damaged = section;
    }
    if (s->status == INGOT_OK) {
        s->status = status;
        if (section != NO_SECTION) {
            struct ingot_section at = ingot_section_at(s->file, section);
            ingot_escape(at.name, at.name_len, name, sizeof name);
        }
        ingot_fail(s->err, status, off, s->file->path, "get another copy of the file", "%s%s%s%s",
                   section != NO_SECTION ? "section " : "", name, section != NO_SECTION ? ": " : "", what);
    }
    if (s->options && s->options->damage) s->options->damage(s->options->damage_ctx, &damage);
}

/* ------------------------------------------------------------------------------------------------- superblocks */

/* The id follows from the index and @model. A damaged @model is reported where it stands, not here. */
static bool content_id_is_right(const struct scan *s)
{
    const struct ingot_file *file = s->file;
    struct ingot_section model;
    const uint8_t *bytes = NULL;
    if (ingot_find(file, INGOT_NAME_MODEL, &model)) {
        bytes = model.data;
        if (!digest_equal(section_digest(bytes, model.raw_bytes), model.digest)) return true;
    }
    return digest_equal(content_id(file->records, file->n, file->names, bytes), file->info.content_id);
}

static void check_slot(struct scan *s, uint32_t slot)
{
    const struct ingot_file_info *info = &s->file->info;
    uint64_t at = (uint64_t)slot * SB_SLOT_BYTES;
    if (slot != info->slot_used && !info->slots_equal) /* [F-80] */
        report(s, INGOT_E_SUPERBLOCK, NO_SECTION, at, SB_BYTES,
               info->slot_valid[slot] ? "the two superblocks differ"
                                      : "this superblock is damaged, the other one is good");
    if (slot == info->slot_used && info->generation == 1 && info->index_off != INDEX_CANONICAL_OFF) /* [F-84] */
        report(s, INGOT_E_RANGE, NO_SECTION, at + SB_INDEX_OFF_OFF, 8, "the index is not where a fresh file has it");
    if (slot == info->slot_used && !content_id_is_right(s)) /* [F-88] */
        report(s, INGOT_E_DIGEST, NO_SECTION, at + SB_CONTENT_ID_OFF, 16, "the content id is not that of the content");
    uint64_t rest = SB_SLOT_BYTES - SB_BYTES;
    uint64_t zeros = zero_run(s->file->map.bytes + at + SB_BYTES, rest);
    if (zeros != rest) /* [F-81] */
        report(s, INGOT_E_RESERVED, NO_SECTION, at + SB_BYTES + zeros, rest - zeros,
               "bytes behind a superblock are not zero");
}

/* -------------------------------------------------------------------------------------------- index, placement */

static uint64_t record_off(const struct scan *s, uint32_t record)
{
    return s->file->info.index_off + IX_HEADER_BYTES + (uint64_t)record * RECORD_BYTES;
}

/* A fresh file has every section at the least offset behind the one before it. */
static void check_placement(struct scan *s)
{
    const struct ingot_file_info *info = &s->file->info;
    uint64_t end = INDEX_CANONICAL_OFF + info->index_bytes;
    if (info->generation != 1 || info->index_off != INDEX_CANONICAL_OFF) return;
    for (uint32_t k = 0; k < s->file->n; k++) {
        uint32_t i = ingot_section_by_offset(s->file, k);
        struct ingot_section section = ingot_section_at(s->file, i);
        uint64_t off = 0;
        if (section.kind == INGOT_KIND_ALIAS) continue;
        checked_align(end, section_align(section.kind, section.rank, section.raw_bytes, info->align), &off);
        if (section.data_off != off) { /* [F-84] */
            report(s, INGOT_E_RANGE, i, record_off(s, i) + RECORD_DATA_OFF_OFF, 8,
                   "it is not where a fresh file has it");
            return;
        }
        end = section.data_off + section.stored_bytes;
    }
}

/* The index was checked when the file was opened; a byte that has changed since shows here. */
static void check_index(struct scan *s)
{
    const struct ingot_file_info *info = &s->file->info;
    const uint8_t *bytes = s->file->map.bytes, *sb = bytes + (size_t)info->slot_used * SB_SLOT_BYTES;
    if (ingot_hash64(bytes + info->index_off, info->index_bytes) != get_u64(sb + SB_INDEX_HASH_OFF))
        report(s, INGOT_E_CHANGED, NO_SECTION, info->index_off, info->index_bytes,
               "the index changed after it was opened");
    else
        check_placement(s);
}

/* ---------------------------------------------------------------------------------------------------- sections */

/* @chunks has nothing but its own digest to be compared with. */
static bool digest_of_hashes_is_right(const struct scan *s, uint32_t k, const struct ingot_section *section)
{
    uint64_t first = s->first_job[k];
    return digest_equal(ingot_hash128(s->hashes + first, 8 * (s->first_job[k + 1] - first)), section->digest);
}

/* A panel16 tensor in units: the 16 lanes of one input, or for bf16 of a pair of inputs that lie side by side. */
struct panels {
    const uint8_t *bytes;
    uint64_t raw_bytes, n_out, n_in;
    uint64_t size, pair;   /* bytes of an element; inputs in a unit */
    uint64_t unit, stride; /* bytes of a unit and of a panel */
};

static struct panels panels_of(const struct scan *s, const struct ingot_section *section)
{
    struct panels p = {
        .bytes = s->file->map.bytes + section->data_off,
        .raw_bytes = section->raw_bytes,
        .n_out = section->shape[0],
        .n_in = section->shape[1],
        .size = ingot_dtype_size(section->dtype),
        .pair = section->dtype == INGOT_BF16 ? 2 : 1,
        .stride = panel_bytes(section->dtype, section->shape[1]),
    };
    p.unit = INGOT_PANEL_LANES * p.pair * p.size;
    return p;
}

/* Offset of the first byte that is not zero in the lanes of the last panel beyond the outputs; raw_bytes when all are.
 */
static uint64_t first_bad_lane(const struct panels *p)
{
    uint64_t used = p->n_out % INGOT_PANEL_LANES * p->pair * p->size;
    for (uint64_t at = p->raw_bytes - p->stride; used && at < p->raw_bytes; at += p->unit) {
        uint64_t zeros = zero_run(p->bytes + at + used, p->unit - used);
        if (zeros != p->unit - used) return at + used + zeros;
    }
    return p->raw_bytes;
}

/* The same for the input that makes an odd number of them even: the last element of every lane of each panel. */
static uint64_t first_bad_input(const struct panels *p)
{
    uint64_t n_padded = p->stride / (INGOT_PANEL_LANES * p->size);
    for (uint64_t end = p->stride; n_padded != p->n_in && end <= p->raw_bytes; end += p->stride)
        for (uint64_t lane = 0; lane < INGOT_PANEL_LANES; lane++) {
            uint64_t at = end - p->unit + (lane * p->pair + p->pair - 1) * p->size;
            uint64_t zeros = zero_run(p->bytes + at, p->size);
            if (zeros != p->size) return at + zeros;
        }
    return p->raw_bytes;
}

/* Of one step of q8 or q4 with so many lanes and inputs of the matrix: the offset of its first byte that is padding, or
 * half of which is, and does not hold scale +0 or the code of level 0; its length when there is none. */
static uint64_t first_bad_in_step(enum ingot_dtype dtype, const uint8_t *step, uint64_t lanes, uint64_t inputs)
{
    const uint64_t n = quant_step_bytes(dtype);
    uint64_t bad = n;
    for (size_t k = 0; k < INGOT_QUANT_STEP; k++)
        for (size_t lane = 0; lane < INGOT_PANEL_LANES; lane++) {
            const size_t scale = quant_scale_at(k, lane), code = quant_code_at(dtype, k, lane);
            const uint64_t zeros = k % INGOT_QUANT_BLOCK ? 2 : zero_run(step + scale, 2);
            const int half = dtype == INGOT_Q8 ? step[code] : k % 8 < 4 ? step[code] & 15 : step[code] >> 4;
            const bool empty = lane >= lanes || k / INGOT_QUANT_BLOCK * INGOT_QUANT_BLOCK >= inputs;
            if (empty && zeros != 2 && scale + zeros < bad) bad = scale + zeros;
            if ((lane >= lanes || k >= inputs) && half != quant_zero_code(dtype) && code < bad) bad = code;
        }
    return bad;
}

/* The same over all steps that hold padding: the last of every panel where inputs end within it, all of the last panel
 * where outputs do. */
static uint64_t first_bad_step(const struct panels *p, enum ingot_dtype dtype)
{
    const uint64_t n = quant_step_bytes(dtype), n_steps = n > 0 ? p->stride / n : 0;
    const uint64_t first = p->n_in % INGOT_QUANT_STEP ? 0 : p->n_out / INGOT_PANEL_LANES;
    for (uint64_t row = first * INGOT_PANEL_LANES, at = first * p->stride; at < p->raw_bytes && n_steps > 0;
         row += INGOT_PANEL_LANES, at += p->stride)
        for (uint64_t k = p->n_out - row < INGOT_PANEL_LANES ? 0 : n_steps - 1; k < n_steps; k++) {
            const uint64_t lanes = p->n_out - row, inputs = p->n_in - k * INGOT_QUANT_STEP;
            if (lanes >= INGOT_PANEL_LANES && inputs >= INGOT_QUANT_STEP) continue;
            const uint64_t bad = first_bad_in_step(dtype, p->bytes + at + k * n, lanes, inputs);
            if (bad < n) return at + k * n + bad;
        }
    return p->raw_bytes;
}

static uint64_t first_bad_padding(const struct panels *p, enum ingot_dtype dtype)
{
    if (quant_step_bytes(dtype) > 0) return first_bad_step(p, dtype);
    const uint64_t lane = first_bad_lane(p), input = first_bad_input(p);
    return lane < input ? lane : input;
}

static void check_padding(struct scan *s, uint32_t i, const struct ingot_section *section)
{
    if (section->kind != INGOT_KIND_TENSOR || section->layout != INGOT_PANEL16 || section->raw_bytes == 0) return;
    struct panels panels = panels_of(s, section);
    const uint64_t at = first_bad_padding(&panels, section->dtype);
    if (at != section->raw_bytes) /* [F-83] */
        report(s, INGOT_E_RESERVED, i, section->data_off + at, 1, "padding of its panels is not zero");
}

/* Chunk by chunk against @chunks, which is known to be good. Returns whether all agree. */
static bool check_chunks(struct scan *s, uint32_t k, uint32_t i, const struct ingot_section *section)
{
    struct ingot_section chunks = ingot_section_at(s->file, s->file->chunks_record);
    const uint8_t *entries = (const uint8_t *)chunks.data + 8 * (uint64_t)section->first_chunk;
    uint64_t n = s->first_job[k + 1] - s->first_job[k];
    bool good = true;
    for (uint64_t c = 0; c < n; c++) {
        if (get_u64(entries + 8 * c) == s->hashes[s->first_job[k] + c]) continue;
        good = false; /* [F-86] */
        report(s, INGOT_E_DIGEST, i, section->data_off + c * INGOT_CHUNK_BYTES, chunk_bytes(section->raw_bytes, c),
               "these bytes differ from their digest");
    }
    if (digest_equal(ingot_hash128(entries, 8 * n), section->digest)) return good;
    report(s, INGOT_E_DIGEST, i, section->data_off, section->stored_bytes,
           "its digest is not that of its chunks"); /* [F-87] */
    return false;
}

static void check_section(struct scan *s, uint32_t k)
{
    uint32_t i = ingot_section_by_offset(s->file, k);
    struct ingot_section section = ingot_section_at(s->file, i);
    bool good;
    if (section.kind == INGOT_KIND_ALIAS) return;
    if (section.kind != INGOT_KIND_CHUNKS && s->chunks_good) {
        good = check_chunks(s, k, i, &section);
    } else {
        good = digest_of_hashes_is_right(s, k, &section);
        if (!good) /* [F-87] */
            report(s, INGOT_E_DIGEST, i, section.data_off, section.stored_bytes,
                   section.kind == INGOT_KIND_CHUNKS
                       ? "it differs from its digest: damage elsewhere is told by section, not by chunk"
                       : "it differs from its digest");
    }
    if (good) check_padding(s, i, &section);
}

/* -------------------------------------------------------------------------------------------------------- walk */

static void check_gap(struct scan *s, uint64_t from, uint64_t to)
{
    uint64_t zeros = zero_run(s->file->map.bytes + from, to - from);
    if (from + zeros != to) /* [F-82] */
        report(s, INGOT_E_RESERVED, NO_SECTION, from + zeros, to - from - zeros, "bytes between sections are not zero");
}

static uint64_t walk_index(struct scan *s, uint64_t end)
{
    check_gap(s, end, s->file->info.index_off);
    check_index(s);
    return s->file->info.index_off + s->file->info.index_bytes;
}

/* The whole file in order of offset. */
static void walk(struct scan *s)
{
    const struct ingot_file_info *info = &s->file->info;
    uint64_t end = INDEX_CANONICAL_OFF;
    bool index_seen = false;
    check_slot(s, 0);
    check_slot(s, 1);
    for (uint32_t k = 0; k < s->file->n; k++) {
        struct ingot_section section = ingot_section_at(s->file, ingot_section_by_offset(s->file, k));
        if (!index_seen && info->index_off <= section.data_off) {
            end = walk_index(s, end);
            index_seen = true;
        }
        if (section.data_off > end) check_gap(s, end, section.data_off);
        check_section(s, k);
        if (section.data_off + section.stored_bytes > end) end = section.data_off + section.stored_bytes;
    }
    if (!index_seen) walk_index(s, end);
    if (info->actual_bytes > info->file_bytes) /* [F-85] */
        report(s, INGOT_E_TRUNCATED, NO_SECTION, info->file_bytes, info->actual_bytes - info->file_bytes,
               "bytes beyond the recorded length: an edit was cut off, or something was appended");
    s->report.bytes_checked = info->actual_bytes;
}

static bool chunks_are_good(const struct scan *s)
{
    for (uint32_t k = 0; k < s->file->n; k++) {
        uint32_t i = ingot_section_by_offset(s->file, k);
        if (i != s->file->chunks_record) continue;
        struct ingot_section section = ingot_section_at(s->file, i);
        return digest_of_hashes_is_right(s, k, &section);
    }
    return false;
}

enum ingot_status ingot_verify(const struct ingot_file *file, const struct ingot_verify_options *options,
                               struct ingot_verify_report *report_out, struct ingot_error *err)
{
    struct scan s = {
        .file = file,
        .options = options,
        .report = { .n_sections = file->n },
        .last_damaged = NO_SECTION,
        .err = err,
        .lock = PTHREAD_MUTEX_INITIALIZER,
    };
    enum ingot_status status = hash_all(&s);
    if (status == INGOT_OK) {
        s.chunks_good = chunks_are_good(&s);
        walk(&s);
        status = s.status;
    }
    if (report_out) *report_out = s.report;
    free(s.first_job);
    free(s.hashes);
    pthread_mutex_destroy(&s.lock);
    return status;
}

/* format_fixture.c - made with the writer, damaged by hand. */
#include "tests/unit/format_fixture.h"

#include "format/bytes.h"
#include "format/digest.h"
#include "format/disk.h"
#include "format/layout.h"

#include <unistd.h>

const struct sample_tensor sample_tensors[] = {
    { "a.rows", INGOT_F32, INGOT_ROWS, 2, { 3, 5 } },
    { "b.empty", INGOT_F32, INGOT_ROWS, 2, { 0, 7 } },
    { "c.scalar", INGOT_F64, INGOT_ROWS, 0, { 0 } },
    { "d.i64", INGOT_I64, INGOT_ROWS, 1, { 9 } },
    { "e.bf16", INGOT_BF16, INGOT_PANEL16, 2, { 17, 3 } },
    { "f.f16", INGOT_F16, INGOT_PANEL16, 2, { 5, 7 } },
    { "g.q8", INGOT_Q8, INGOT_PANEL16, 2, { 3, 70 } },
    { "h.q4", INGOT_Q4, INGOT_PANEL16, 2, { 17, 13 } },
    { "v", INGOT_F32, INGOT_ROWS, 1, { 33 } },
    { "w.f32", INGOT_F32, INGOT_PANEL16, 2, { 20, 5 } },
};
const size_t n_sample_tensors = sizeof sample_tensors / sizeof sample_tensors[0];

static const struct ingot_hparams hparams = {
    .n_layer = 2,
    .n_head = 3,
    .n_embd = 12,
    .n_inner = 48,
    .n_ctx = 8,
    .n_vocab = 11,
    .n_vocab_stored = 16,
    .activation = INGOT_GELU_TANH,
    .attention_flags = INGOT_ATTN_SCALE,
    .layer_norm_epsilon = 1e-5f,
};

static const char metadata[] = "name: sample\n";
static const char vocabulary[200] = "not a vocabulary that anyone opens";

void make_directory(char out[DIRECTORY_BYTES])
{
    const char *tmp = getenv("TMPDIR");
    snprintf(out, DIRECTORY_BYTES, "%s/ingot-format.XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(out));
}

void remove_directory(const char *path)
{
    assert_int_equal(rmdir(path), 0);
}

static uint32_t add(struct ingot_writer *w, const struct ingot_section_plan *plan)
{
    uint32_t id;
    assert_int_equal(ingot_writer_add(w, plan, &id, NULL), INGOT_OK);
    return id;
}

static void put(struct ingot_writer *w, uint32_t id, const void *bytes)
{
    for (uint64_t c = 0; c < ingot_writer_chunk_count(w, id); c++) {
        size_t n = ingot_writer_chunk_bytes(w, id, c);
        assert_int_equal(ingot_writer_put(w, id, c, (const char *)bytes + c * INGOT_CHUNK_BYTES, n, NULL), INGOT_OK);
    }
}

/* Packs numbers that differ from element to element and are exact in every dtype. */
static void put_tensor(struct ingot_writer *w, uint32_t id, const struct sample_tensor *t)
{
    uint8_t bytes[4096] = { 0 };
    float values[256];
    uint64_t rows = t->rank == 2 ? t->shape[0] : 1, cols = t->rank ? t->shape[t->rank - 1] : 1;
    for (size_t i = 0; i < 256; i++) values[i] = (float)i - 100;
    struct ingot_view view = { values, INGOT_F32, rows, cols, cols, 1 };
    if (ingot_writer_chunk_count(w, id) == 0) return;
    size_t n = ingot_writer_chunk_bytes(w, id, 0);
    if (t->dtype == INGOT_I64)
        memset(bytes, 7, n);
    else
        ingot_pack(&view, t->dtype, t->layout, 0, bytes, n, NULL);
    put(w, id, bytes);
}

static void put_large(struct ingot_writer *w, uint32_t id, uint64_t n)
{
    uint8_t *bytes = malloc(n);
    assert_non_null(bytes);
    for (uint64_t i = 0; i < n; i++) bytes[i] = (uint8_t)(i * 31 >> 3);
    put(w, id, bytes);
    free(bytes);
}

void write_sample(const char *path, uint64_t large_bytes)
{
    struct ingot_writer *w;
    uint32_t tensors[16], large = 0;
    uint8_t model[INGOT_HPARAMS_BYTES];
    assert_int_equal(ingot_writer_create(path, NULL, &w, NULL), INGOT_OK);
    struct ingot_section_plan plan = { INGOT_NAME_MODEL, .kind = INGOT_KIND_MODEL, .raw_bytes = sizeof model };
    uint32_t model_id = add(w, &plan);
    plan = (struct ingot_section_plan){ INGOT_NAME_VOCABULARY, .kind = INGOT_KIND_VOCABULARY,
                                        .raw_bytes = sizeof vocabulary };
    uint32_t vocabulary_id = add(w, &plan);
    plan = (struct ingot_section_plan){ INGOT_NAME_METADATA, .kind = INGOT_KIND_METADATA,
                                        .raw_bytes = sizeof metadata - 1 };
    uint32_t metadata_id = add(w, &plan);
    for (size_t i = n_sample_tensors; i-- > 0;) { /* placed in another order than named */
        const struct sample_tensor *t = &sample_tensors[i];
        plan = (struct ingot_section_plan){
            t->name, INGOT_KIND_TENSOR, t->dtype, t->layout, t->rank, { t->shape[0], t->shape[1] }, 0, NULL
        };
        tensors[i] = add(w, &plan);
    }
    plan = (struct ingot_section_plan){ SAMPLE_ALIAS, .kind = INGOT_KIND_ALIAS, .target = SAMPLE_TARGET };
    assert_int_equal(add(w, &plan), UINT32_MAX);
    plan = (struct ingot_section_plan){ "large", INGOT_KIND_TENSOR, INGOT_U8, INGOT_ROWS, 1, { large_bytes }, 0, NULL };
    if (large_bytes) large = add(w, &plan);

    assert_int_equal(ingot_writer_begin(w, NULL), INGOT_OK);
    ingot_hparams_encode(&hparams, model);
    put(w, model_id, model);
    put(w, vocabulary_id, vocabulary);
    put(w, metadata_id, metadata);
    for (size_t i = 0; i < n_sample_tensors; i++) put_tensor(w, tensors[i], &sample_tensors[i]);
    if (large_bytes) put_large(w, large, large_bytes);
    struct ingot_error err = { 0 };
    assert_int_equal(ingot_writer_seal(w, 1, NULL, &err), INGOT_OK);
    assert_int_equal(ingot_writer_publish(w, NULL), INGOT_OK);
    ingot_writer_close(w);
}

struct image make_sample(uint64_t large_bytes)
{
    char dir[DIRECTORY_BYTES], path[DIRECTORY_BYTES + 16];
    make_directory(dir);
    snprintf(path, sizeof path, "%s/sample", dir);
    write_sample(path, large_bytes);
    struct ingot_file *file;
    assert_int_equal(ingot_open(path, INGOT_OPEN_MAP, &file, NULL), INGOT_OK);
    struct ingot_file_info info;
    ingot_file_get_info(file, &info);
    ingot_close(file);
    struct image disk = { NULL, info.actual_bytes };
    disk.bytes = aligned_alloc(64, (disk.n + 64) & ~UINT64_C(63));
    assert_non_null(disk.bytes);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(disk.bytes, 1, disk.n, f), disk.n);
    fclose(f);
    assert_int_equal(unlink(path), 0);
    remove_directory(dir);
    return disk;
}

struct image copy_image(const struct image *image)
{
    struct image copy = { aligned_alloc(64, (image->n + 64) & ~UINT64_C(63)), image->n };
    assert_non_null(copy.bytes);
    memcpy(copy.bytes, image->bytes, image->n);
    return copy;
}

void free_image(struct image *image)
{
    free(image->bytes);
    image->bytes = NULL;
}

uint64_t index_at(const struct image *image)
{
    return get_u64(image->bytes + SB_INDEX_OFF_OFF);
}

uint64_t record_at(const struct image *image, const char *name)
{
    const uint8_t *ix = image->bytes + index_at(image);
    const char *names = (const char *)ix + get_u64(ix + IX_NAMES_OFF_OFF);
    for (uint32_t i = 0; i < get_u32(ix + IX_COUNT_OFF); i++) {
        const uint8_t *record = ix + IX_HEADER_BYTES + (size_t)i * RECORD_BYTES;
        if (strcmp(names + get_u32(record), name) == 0) return (uint64_t)(record - image->bytes);
    }
    fail_msg("no section %s", name);
    return 0;
}

void seal_image(struct image *image)
{
    uint8_t *sb = image->bytes;
    uint64_t off = get_u64(sb + SB_INDEX_OFF_OFF), n = get_u64(sb + SB_INDEX_BYTES_OFF);
    if (off <= image->n && n <= image->n - off) put_u64(sb + SB_INDEX_HASH_OFF, ingot_hash64(sb + off, n));
    put_u64(sb + SB_HASH_OFF, ingot_hash64(sb, SB_HASH_OFF));
    memcpy(sb + SB_SLOT_BYTES, sb, SB_BYTES);
}

/* The digest of section bytes, and its chunks' hashes to `hashes` if that is not NULL. */
static struct ingot_digest digest_bytes(const uint8_t *bytes, uint64_t n, uint8_t *hashes)
{
    uint8_t own[8 * 64];
    assert_true(chunk_count(n) <= 64);
    for (uint64_t c = 0; c < chunk_count(n); c++)
        put_u64(own + 8 * c, ingot_hash64(bytes + c * INGOT_CHUNK_BYTES, chunk_bytes(n, c)));
    if (hashes) memcpy(hashes, own, 8 * chunk_count(n));
    return ingot_hash128(own, 8 * chunk_count(n));
}

static void redigest(struct image *image, uint64_t record, uint8_t *entries)
{
    uint8_t *r = image->bytes + record;
    uint16_t kind = get_u16(r + RECORD_KIND_OFF);
    bool own = kind != INGOT_KIND_ALIAS && kind != INGOT_KIND_CHUNKS;
    uint8_t *hashes = own ? entries + 8 * (size_t)get_u32(r + RECORD_FIRST_CHUNK_OFF) : NULL;
    struct ingot_digest d =
        digest_bytes(image->bytes + get_u64(r + RECORD_DATA_OFF_OFF), get_u64(r + RECORD_RAW_BYTES_OFF), hashes);
    put_u64(r + RECORD_DIGEST_OFF, d.lo);
    put_u64(r + RECORD_DIGEST_OFF + 8, d.hi);
}

void reseal_digests(struct image *image)
{
    uint8_t *ix = image->bytes + index_at(image);
    uint64_t chunks = record_at(image, INGOT_NAME_CHUNKS);
    uint8_t *entries = image->bytes + get_u64(image->bytes + chunks + RECORD_DATA_OFF_OFF);
    const uint8_t *model = image->bytes + record_at(image, INGOT_NAME_MODEL);
    uint32_t n = get_u32(ix + IX_COUNT_OFF);
    for (uint32_t i = 0; i < n; i++)
        redigest(image, index_at(image) + IX_HEADER_BYTES + (uint64_t)i * RECORD_BYTES, entries);
    redigest(image, chunks, entries);
    struct ingot_digest id = content_id(ix + IX_HEADER_BYTES, n, (const char *)ix + get_u64(ix + IX_NAMES_OFF_OFF),
                                        image->bytes + get_u64(model + RECORD_DATA_OFF_OFF));
    put_u64(image->bytes + SB_CONTENT_ID_OFF, id.lo);
    put_u64(image->bytes + SB_CONTENT_ID_OFF + 8, id.hi);
    seal_image(image);
}

enum ingot_status open_image(const struct image *image, struct ingot_file **file, struct ingot_error *err)
{
    return ingot_open_memory(image->bytes, image->n, "sample", file, err);
}

enum ingot_status check_image(const struct image *image, struct ingot_error *err)
{
    struct ingot_file *file;
    enum ingot_status status = open_image(image, &file, err);
    if (status != INGOT_OK) return status;
    struct ingot_verify_options options = { .n_threads = 1 };
    status = ingot_verify(file, &options, NULL, err);
    ingot_close(file);
    return status;
}

/* fuzz_tensorflow.c - any bytes as the index of a TensorFlow checkpoint, or as a part of one.
 *
 * Checksums keep a fuzzer out of the blocks. So the first byte says what the others are: 'b' a plain block of data, 's'
 * a compressed one, 'i' an index block whose blocks are the bytes themselves, anything else a whole file; the rest of
 * the file is written around them. */
#include "convert/bundle.h"
#include "tests/unit/table_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct seen {
    uint64_t n, sum;
    uint32_t n_shards;
};

/* What bundle.h promises of a tensor. */
static enum ingot_status on_tensor(void *ctx, const struct bundle_tensor *t, uint32_t n_shards, struct ingot_error *err)
{
    struct seen *seen = ctx;
    uint64_t elems;
    (void)err;
    seen->n++;
    for (uint64_t i = 0; i < t->n_name; i++) {
        seen->sum += (uint8_t)t->name[i];
        if (t->name[i] == '\0') abort();
    }
    if (seen->n > 1 && n_shards != seen->n_shards) abort();
    seen->n_shards = n_shards;
    if (t->shard >= n_shards || t->off + t->n_bytes < t->off) abort();
    if (!ingot_shape_elems(t->rank, t->shape, &elems)) abort();
    if (t->checked && elems * ingot_scalar_info(t->scalar)->bytes != t->n_bytes) abort();
    if (t->n_slices > 0 && (t->checked || t->n_bytes > 0)) abort();
    if (t->scalar == INGOT_SCALAR_NONE && !t->dtype_name) abort();
    return INGOT_OK;
}

static struct bytes file_of(const uint8_t *data, size_t n)
{
    struct bytes file = { NULL, 0 };
    const unsigned kind = n > 0 ? data[0] : 0;
    if (kind == 'b' || kind == 's') return table_of_block(data + 1, n - 1, kind == 's');
    if (kind != 'i') {
        put(&file, data, n);
        return file;
    }
    struct bytes index = { NULL, 0 };
    put_block(&file, data + 1, n - 1, 0);
    put(&index, data + 1, n - 1);
    finish_file(&file, &index);
    free(index.p);
    return file;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct bytes file = file_of(data, n);
    struct ingot_error err = { 0 };
    struct seen seen = { 0 };
    uint8_t *tight = malloc(file.n ? file.n : 1); /* a sanitizer sees a read beyond it */
    if (!tight) abort();
    if (file.n > 0) memcpy(tight, file.p, file.n);
    if (bundle_walk(tight, file.n, "fuzz", on_tensor, &seen, &err) != INGOT_OK) {
        if (err.status == INGOT_OK || err.message[0] == '\0') abort();
        if (err.offset != INGOT_NO_OFFSET && err.offset > file.n) abort();
    }
    free(tight);
    free(file.p);
    return 0;
}

/* test_source_tensorflow.c - TensorFlow checkpoints as they lie in directories: which index is meant, data files that
 * are there and that are not, checksums. */
#include "tests/unit/checkpoint_fixture.h"
#include "tests/unit/skip.h"

#include "convert/checksum.h"
#include "convert/source.h"
#include "format/layout.h"
#include "inspect/checkpoint.h"
#include "inspect/values.h"
#include "tests/unit/table_fixture.h"

#include <fcntl.h>

static enum ingot_status open_path(const char *path, struct ingot_source **src, struct ingot_error *err)
{
    *err = (struct ingot_error){ 0 };
    return ingot_source_open(path, src, err);
}

static struct ingot_source *must_open(const char *path)
{
    struct ingot_source *src;
    struct ingot_error err;
    if (open_path(path, &src, &err) != INGOT_OK) fail_msg("%s: %s: %s", path, err.subject, err.message);
    assert_string_equal(ingot_source_format(src), "tensorflow");
    return src;
}

static void expect_refused(const char *path, enum ingot_status status, uint64_t off, const char *subject,
                           const char *says)
{
    struct ingot_source *src;
    struct ingot_error err;
    assert_int_equal(open_path(path, &src, &err), status);
    assert_null(src);
    assert_int_equal(err.offset, off);
    assert_non_null(strstr(err.subject, subject));
    assert_non_null(strstr(err.message, says));
}

static void write_text(const char *directory, const char *name, const char *text)
{
    fixture_write(directory, name, text, strlen(text));
}

/* ----------------------------------------------------------------------------------------------------- a checkpoint */

#define N_SHARDS  3u
#define N_TENSORS 6u

/* Two tensors in each data file; each of their bytes differs from its neighbours. */
struct made {
    struct table_tensor tensors[N_TENSORS];
    struct bytes shards[N_SHARDS];
};

static struct made make_checkpoint(void)
{
    static const char *const names[N_TENSORS] = { "model/a", "model/b", "model/c", "model/d", "model/e", "model/f" };
    struct made c = { 0 };
    for (unsigned i = 0; i < N_TENSORS; i++) {
        struct bytes *data = &c.shards[i % N_SHARDS];
        struct table_tensor *t = &c.tensors[i];
        *t = (struct table_tensor){ names[i], 1, 2, { 1 + i, 3 }, i % N_SHARDS, data->n, 12 * (1 + i), 0 };
        for (uint64_t k = 0; k < t->size; k++) put_byte(data, (unsigned)(17 * i + k));
        t->crc = crc_mask(crc_of(CRC_32C, data->p + t->off, t->size));
    }
    return c;
}

static void free_checkpoint(struct made *c)
{
    for (unsigned i = 0; i < N_SHARDS; i++) free(c->shards[i].p);
}

static void write_index(const struct made *c, const char *directory, const char *name)
{
    struct table t = { .block_bytes = 100, .interval = 2, .snappy = true };
    table_add_message(&t, "", header_message(N_SHARDS));
    for (unsigned i = 0; i < N_TENSORS; i++) table_add_message(&t, c->tensors[i].name, tensor_message(&c->tensors[i]));
    struct bytes file = table_end(&t);
    fixture_write(directory, name, file.p, file.n);
    free(file.p);
}

static const char *shard_name(const char *prefix, unsigned i)
{
    static char name[128];
    snprintf(name, sizeof name, "%s.data-%05u-of-%05u", prefix, i, N_SHARDS);
    return name;
}

static void write_checkpoint(const struct made *c, const char *directory, const char *prefix)
{
    char index[128];
    snprintf(index, sizeof index, "%s.index", prefix);
    write_index(c, directory, index);
    for (unsigned i = 0; i < N_SHARDS; i++)
        fixture_write(directory, shard_name(prefix, i), c->shards[i].p, c->shards[i].n);
}

static const struct ingot_source_tensor *find(const struct ingot_source *src, const char *name)
{
    static struct ingot_source_tensor t;
    for (size_t i = 0; i < ingot_source_count(src); i++) {
        t = ingot_source_at(src, i);
        if (strcmp(t.name, name) == 0) return &t;
    }
    fail_msg("no tensor %s", name);
    return NULL;
}

static void expect_checkpoint(const struct made *c, const char *path)
{
    struct ingot_source *src = must_open(path);
    struct ingot_error err = { 0 };
    uint64_t n_bad = 99;
    assert_int_equal(ingot_source_count(src), N_TENSORS);
    for (unsigned i = 0; i < N_TENSORS; i++) {
        const struct table_tensor *t = &c->tensors[i];
        const struct ingot_source_tensor *found = find(src, t->name);
        assert_string_equal(found->dtype_name, "F32");
        assert_int_equal(found->rank, 2);
        assert_int_equal(found->shape[0], 1 + i);
        assert_int_equal(found->n_bytes, t->size);
        assert_memory_equal(found->data, c->shards[t->shard].p + t->off, t->size);
        assert_int_equal(ingot_source_check_at(src, found->check).expected, t->crc);
    }
    assert_int_equal(ingot_source_check_count(src), N_TENSORS);
    assert_int_equal(ingot_source_verify(src, NULL, &n_bad, &err), INGOT_OK);
    assert_int_equal(n_bad, 0);
    ingot_source_close(src);
}

/* --------------------------------------------------------------------------------------------- which index is meant */

static void directory_index_and_prefix_show_the_same_tensors(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct made c = make_checkpoint();
    write_checkpoint(&c, dir, "model.ckpt");
    expect_checkpoint(&c, dir);
    expect_checkpoint(&c, fixture_path(dir, "model.ckpt.index"));
    expect_checkpoint(&c, fixture_path(dir, "model.ckpt"));
    write_text(dir, "checkpoint", "model_checkpoint_path: \"model.ckpt\"\n");
    expect_checkpoint(&c, dir);
    fixture_remove(dir);
    free_checkpoint(&c);
}

static void an_index_is_known_by_its_last_bytes_whatever_its_name(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct made c = make_checkpoint();
    write_checkpoint(&c, dir, "x");
    assert_int_equal(rename(fixture_path(dir, "x.index"), fixture_path(dir, "x")), 0);
    expect_checkpoint(&c, fixture_path(dir, "x"));
    fixture_remove(dir);
    free_checkpoint(&c);
}

/* Such a file was called model.ckpt, as PyTorch's are now. */
static void a_file_of_the_first_format_is_called_by_its_name(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct table t = { .block_bytes = 1 << 20, .interval = 16 };
    struct bytes header = { NULL, 0 }, meta = { NULL, 0 };
    put_number(&meta, 1, 1);
    put_message(&header, 1, &meta);
    table_add_message(&t, "", header);
    struct bytes file = table_end(&t);
    fixture_write(dir, "model.ckpt", file.p, file.n);
    expect_refused(fixture_path(dir, "model.ckpt"), INGOT_E_UNSUPPORTED, 3, "model.ckpt", "V1");
    free(file.p);
    fixture_remove(dir);
}

static void the_state_file_says_which_of_several_is_meant(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "model_checkpoint_path: \"b-2.ckpt\"\nall_model_checkpoint_paths: \"a\"\n",
        "all_model_checkpoint_paths: \"a\"\n  model_checkpoint_path : 'b-2.ckpt'",
        "# model_checkpoint_path: \"a\"\nmodel_checkpoint_path:\"/gpu/someone/run/b-2.ckpt\"\n",
        "model_checkpoint_path: \"b\\0552.ckpt\"\n",
    };
    char *dir = fixture_directory();
    struct made c = make_checkpoint();
    write_checkpoint(&c, dir, "b-2.ckpt");
    write_text(dir, "a.index", "not this one");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_text(dir, "checkpoint", texts[i]);
        expect_checkpoint(&c, dir);
    }
    fixture_remove(dir);
    free_checkpoint(&c);
}

static void a_malformed_state_file_is_refused_at_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t off;
    } malformed[] = {
        { "x\nmodel_checkpoint_paths: \"a\"\n", 0 }, { "x\nmodel_checkpoint_path: a\n", 23 },
        { "x\nmodel_checkpoint_path: \"a\n\"", 23 }, { "model_checkpoint_path: \"a", 21 },
        { "model_checkpoint_path: \"a\\x\"", 21 },   { "model_checkpoint_path: \"a\\0\"", 21 },
        { "model_checkpoint_path: \"a\\000\"", 21 }, { "model_checkpoint_path: \"\"", 21 },
        { "model_checkpoint_path: \"run/\"", 21 },   { "model_checkpoint_path:", 21 },
    };
    char *dir = fixture_directory();
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        write_text(dir, "checkpoint", malformed[i].text);
        expect_refused(dir, INGOT_E_SOURCE, malformed[i].off, "checkpoint", "model_checkpoint_path");
    }
    fixture_remove(dir);
}

static void a_checkpoint_that_is_named_and_not_there_is_missing(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    write_text(dir, "checkpoint", "model_checkpoint_path: \"model.ckpt\"\n");
    expect_refused(dir, INGOT_E_MISSING, INGOT_NO_OFFSET, "model.ckpt.index", "no such file");
    fixture_remove(dir);
}

static void of_two_checkpoints_none_is_taken_by_chance(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct made c = make_checkpoint();
    write_checkpoint(&c, dir, "a");
    write_text(dir, "z.index", "of something else");
    expect_checkpoint(&c, dir);
    write_checkpoint(&c, dir, "b");
    expect_refused(dir, INGOT_E_UNSUPPORTED, INGOT_NO_OFFSET, dir, "2 checkpoints");
    fixture_remove(dir);
    free_checkpoint(&c);
}

static void a_path_that_is_there_is_not_taken_for_a_prefix(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct made c = make_checkpoint();
    struct ingot_source *src;
    struct ingot_error err;
    write_checkpoint(&c, dir, "model.ckpt");
    write_text(dir, "model.ckpt", "something else");
    assert_int_not_equal(open_path(fixture_path(dir, "model.ckpt"), &src, &err), INGOT_OK);
    assert_int_equal(open_path(fixture_path(dir, "absent"), &src, &err), INGOT_E_IO);
    fixture_remove(dir);
    free_checkpoint(&c);
}

static void hparams_beside_the_index_are_facts(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct made c = make_checkpoint();
    write_checkpoint(&c, dir, "model.ckpt");
    write_text(dir, "hparams.json", "{\"n_head\": 12, \"n_vocab\": 50257}");
    struct ingot_source *src = must_open(dir);
    assert_int_equal(source_find_fact(src, "hparams.n_head")->integer, 12);
    assert_int_equal(source_find_fact(src, "hparams.n_vocab")->integer, 50257);
    ingot_source_close(src);
    fixture_remove(dir);
    free_checkpoint(&c);
}

/* ------------------------------------------------------------------------------------------------------- data files */

static void the_index_alone_says_all_but_the_values(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct made c = make_checkpoint();
    struct ingot_error err = { 0 };
    uint64_t n_bad = 0;
    write_checkpoint(&c, dir, "m");
    assert_int_equal(unlink(fixture_path(dir, shard_name("m", 1))), 0);
    struct ingot_source *src = must_open(dir);
    for (unsigned i = 0; i < N_TENSORS; i++) {
        const struct ingot_source_tensor *t = find(src, c.tensors[i].name);
        assert_int_equal(t->data == NULL, i % N_SHARDS == 1);
        assert_int_equal(t->n_bytes, c.tensors[i].size);
        assert_string_equal(t->file, shard_name("m", i % N_SHARDS));
        assert_int_equal(ingot_source_check_at(src, t->check).present, i % N_SHARDS != 1);
    }
    assert_int_equal(ingot_source_verify(src, NULL, &n_bad, &err), INGOT_E_MISSING);
    assert_int_equal(n_bad, 2);
    assert_string_equal(err.subject, shard_name("m", 1));
    assert_non_null(strstr(err.message, "model/b"));
    ingot_source_close(src);
    fixture_remove(dir);
    free_checkpoint(&c);
}

static void a_data_file_that_ends_early_is_truncated_where_it_ends(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct made c = make_checkpoint();
    write_checkpoint(&c, dir, "m");
    fixture_write(dir, shard_name("m", 2), c.shards[2].p, c.shards[2].n - 1);
    expect_refused(dir, INGOT_E_TRUNCATED, c.shards[2].n - 1, shard_name("m", 2), "model/f");
    fixture_remove(dir);
    free_checkpoint(&c);
}

static void tensors_that_share_bytes_are_refused(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct made c = make_checkpoint();
    struct ingot_source *src;
    struct ingot_error err;
    c.tensors[4].off -= 1;
    write_checkpoint(&c, dir, "m");
    assert_int_equal(open_path(dir, &src, &err), INGOT_E_OVERLAP);
    assert_non_null(strstr(err.message, "begins at 23 of its data file"));
    fixture_remove(dir);
    free_checkpoint(&c);
}

static void a_tensor_without_elements_may_lie_anywhere(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct made c = make_checkpoint();
    struct ingot_error err = { 0 };
    c.tensors[5].shape[0] = c.tensors[5].size = 0;
    c.tensors[5].off = 4; /* inside another */
    c.tensors[5].crc = crc_mask(0);
    write_checkpoint(&c, dir, "m");
    struct ingot_source *src = must_open(dir);
    assert_int_equal(find(src, "model/f")->n_bytes, 0);
    assert_int_equal(ingot_source_verify(src, NULL, NULL, &err), INGOT_OK);
    ingot_source_close(src);
    fixture_remove(dir);
    free_checkpoint(&c);
}

/* One without elements between two that share bytes hides nothing. */
static void what_is_empty_does_not_part_two_that_share_bytes(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct made c = make_checkpoint();
    struct ingot_source *src;
    struct ingot_error err;
    c.tensors[3].off = 4; /* a has 0 .. 11, in the same data file */
    c.tensors[5].shape[0] = c.tensors[5].size = c.tensors[5].shard = 0;
    c.tensors[5].off = 2;
    c.tensors[5].crc = crc_mask(0);
    write_checkpoint(&c, dir, "m");
    assert_int_equal(open_path(dir, &src, &err), INGOT_E_OVERLAP);
    assert_non_null(strstr(err.message, "begins at 4 of its data file, before the one in front of it ends at 12"));
    fixture_remove(dir);
    free_checkpoint(&c);
}

static void expect_total(uint64_t n, unsigned dtype, uint64_t size, enum ingot_status status)
{
    char *dir = fixture_directory();
    struct made c = make_checkpoint();
    struct ingot_source *src;
    struct ingot_error err;
    c.tensors[0].dtype = dtype;
    c.tensors[0].rank = 1;
    c.tensors[0].shape[0] = n;
    c.tensors[0].size = size;
    c.tensors[0].off = 1000; /* behind the other of its data file */
    write_index(&c, dir, "m.index");
    const enum ingot_status found = open_path(dir, &src, &err);
    if (found != status) fail_msg("%d, not %d: %s", found, status, err.message);
    if (status == INGOT_OK)
        ingot_source_close(src);
    else
        assert_non_null(strstr(err.message, "more than 2^60 elements or bytes"));
    fixture_remove(dir);
    free_checkpoint(&c);
}

/* Of tensors whose data file is not here nothing but this says whether they can be. */
static void all_tensors_together_have_at_most_2_to_the_60_elements_and_bytes(void **state)
{
    (void)state;
    const uint64_t most = UINT64_C(1) << 60;
    expect_total(most / 2, 4, most / 2, INGOT_OK); /* u8 */
    expect_total(most, 4, most, INGOT_E_LIMIT);    /* the others are too many */
    expect_total(most, 7, 0, INGOT_E_LIMIT);       /* strings, whose bytes are not said by the shape */
    expect_total(1, 7, most, INGOT_E_LIMIT);
}

static void strings_are_listed_without_a_checksum(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct made c = make_checkpoint();
    c.tensors[0].dtype = 7;
    c.tensors[0].rank = 0;
    write_checkpoint(&c, dir, "m");
    struct ingot_source *src = must_open(dir);
    const struct ingot_source_tensor *t = find(src, "model/a");
    assert_string_equal(t->dtype_name, "STRING");
    assert_int_equal(t->scalar, INGOT_SCALAR_NONE);
    assert_null(t->block);
    assert_int_equal(t->check, INGOT_NO_CHECK);
    assert_int_equal(t->n_bytes, 12);
    assert_int_equal(ingot_source_check_count(src), N_TENSORS - 1);
    ingot_source_close(src);
    fixture_remove(dir);
    free_checkpoint(&c);
}

/* -------------------------------------------------------------------------------------------------------- checksums */

struct heard {
    unsigned n, n_bad;
    uint64_t last_done, total;
    uint64_t stop_after; /* calls of progress */
};

static void hear_check(void *ctx, const struct ingot_source_check *check, uint32_t found, bool good)
{
    struct heard *heard = ctx;
    assert_string_equal(check->algorithm, "crc32c");
    assert_int_equal(check->name[6], 'a' + heard->n); /* in order */
    assert_int_equal(found == check->expected, good);
    heard->n++;
    heard->n_bad += !good;
}

static bool hear_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct heard *heard = ctx;
    heard->total = total;
    if (done <= heard->last_done) heard->total = 0;
    heard->last_done = done;
    return heard->stop_after == 0 || --heard->stop_after > 0;
}

static void a_changed_byte_is_named_by_its_tensor(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct made c = make_checkpoint();
    struct heard heard = { 0 };
    struct ingot_error err = { 0 };
    const struct ingot_source_verify_options options = { 2, hear_progress, &heard, hear_check, &heard };
    char expected[16];
    uint64_t n_bad = 0;
    c.shards[1].p[c.tensors[4].off + 5] ^= 1;
    c.shards[2].p[c.tensors[5].off] ^= 0x80;
    write_checkpoint(&c, dir, "m");
    struct ingot_source *src = must_open(dir);
    assert_int_equal(ingot_source_verify(src, &options, &n_bad, &err), INGOT_E_DIGEST);
    assert_int_equal(n_bad, 2);
    assert_int_equal(heard.n, N_TENSORS);
    assert_int_equal(heard.n_bad, 2);
    assert_int_equal(heard.total, 12 * 21);
    assert_int_equal(heard.last_done, 12 * 21);
    assert_string_equal(err.subject, shard_name("m", 1));
    assert_int_equal(err.offset, c.tensors[4].off);
    snprintf(expected, sizeof expected, "%08x", c.tensors[4].crc);
    assert_non_null(strstr(err.message, "tensor model/e"));
    assert_non_null(strstr(err.message, expected));
    ingot_source_close(src);
    fixture_remove(dir);
    free_checkpoint(&c);
}

static void verification_stops_when_asked_to(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct made c = make_checkpoint();
    struct heard heard = { .stop_after = 2 };
    struct ingot_error err = { 0 };
    const struct ingot_source_verify_options options = { 1, hear_progress, &heard, hear_check, &heard };
    uint64_t n_bad = 9;
    write_checkpoint(&c, dir, "m");
    struct ingot_source *src = must_open(dir);
    assert_int_equal(ingot_source_verify(src, &options, &n_bad, &err), INGOT_E_INTERRUPTED);
    assert_int_equal(n_bad, 0);
    assert_int_equal(heard.n, 0);
    ingot_source_close(src);
    fixture_remove(dir);
    free_checkpoint(&c);
}

static void a_check_of_many_chunks_is_that_of_the_whole(void **state)
{
    (void)state;
    const size_t n = 2 * INGOT_CHUNK_BYTES + 5;
    uint8_t *bytes = malloc(n);
    uint32_t of_chunks[3];
    struct ingot_error err = { 0 };
    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)(i * i >> 8);
    struct source_check check = { (char *)(uintptr_t) "w", SOURCE_CRC32C_MASKED, 0, bytes, n, "m.data", 7 };
    check.expected = crc_mask(crc_of(CRC_32C, bytes, n));
    assert_int_equal(chunk_count(n), 3);
    for (uint64_t i = 0; i < 3; i++) of_chunks[i] = checksum_chunk(&check, i);
    assert_int_equal(checksum_join(&check, of_chunks), check.expected);
    assert_int_equal(checksum_finish(&check, of_chunks, &err), INGOT_OK);
    check.algorithm = SOURCE_CRC32;
    check.expected = crc_of(CRC_32, bytes, n);
    for (uint64_t i = 0; i < 3; i++) of_chunks[i] = checksum_chunk(&check, i);
    assert_int_equal(checksum_finish(&check, of_chunks, &err), INGOT_OK);
    of_chunks[1] ^= 1;
    assert_int_equal(checksum_finish(&check, of_chunks, &err), INGOT_E_DIGEST);
    assert_int_equal(err.offset, 7);
    assert_non_null(strstr(err.message, "member w"));
    err = (struct ingot_error){ 0 };
    check.data = NULL;
    assert_int_equal(checksum_finish(&check, NULL, &err), INGOT_E_MISSING);
    assert_string_equal(err.subject, "m.data");
    free(bytes);
}

/* ------------------------------------------------------------------------------------------------ written by others */

static const char *corpus(const char *name)
{
    static char path[512];
    const char *root = getenv("INGOT_ROOT");
    snprintf(path, sizeof path, "%s/../shared/corpus/%s", root ? root : ".", name);
    if (access(path, R_OK) != 0) SKIP("no corpus");
    return path;
}

static void the_small_models_of_others_have_the_values_of_their_names(void **state)
{
    (void)state;
    static const struct {
        const char *directory, *tensor;
        size_t n;
        float value;
    } samples[] = {
        { "saved_model_counter", "counter", 1, 0 },
        { "saved_model_half_plus_three", "a", 3, 0.5F },
        { "saved_model_half_plus_three", "b", 3, 3 },
        { "saved_model_half_plus_two_gpu", "a", 3, 0.5F },
        { "saved_model_half_plus_two_gpu", "b", 3, 2 },
        { "saved_model_half_plus_two_gpu", "c", 3, 3 },
        { "saved_model_half_plus_two_tf2_cpu", "a/.ATTRIBUTES/VARIABLE_VALUE", 4, 0.5F },
        { "saved_model_half_plus_two_tf2_cpu", "b/.ATTRIBUTES/VARIABLE_VALUE", 4, 2 },
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        char name[128];
        struct ingot_error err = { 0 };
        float value = -1;
        snprintf(name, sizeof name, "tensorflow/%s", samples[i].directory);
        struct ingot_source *src = must_open(corpus(name));
        const struct ingot_source_tensor *t = find(src, samples[i].tensor);
        assert_int_equal(ingot_source_count(src), samples[i].n);
        assert_string_equal(t->dtype_name, "F32");
        assert_int_equal(t->rank, 0);
        ingot_source_gather(t, 0, 1, &value);
        assert_true(value == samples[i].value);
        assert_int_equal(ingot_source_verify(src, NULL, NULL, &err), INGOT_OK);
        ingot_source_close(src);
    }
}

static void the_graph_of_objects_is_listed_as_a_string(void **state)
{
    (void)state;
    struct ingot_source *src = must_open(corpus("tensorflow/tf_text_regression"));
    const struct ingot_source_tensor t = ingot_source_at(src, 0);
    assert_int_equal(ingot_source_count(src), 1);
    assert_string_equal(t.name, "_CHECKPOINTABLE_OBJECT_GRAPH");
    assert_string_equal(t.dtype_name, "STRING");
    assert_int_equal(t.n_bytes, 927);
    assert_int_equal(t.check, INGOT_NO_CHECK);
    ingot_source_close(src);
}

/* ----------------------------------------------------------------------------------------------- the released GPT-2 */

#define GPT2_BYTES 497759232

static void the_released_index_has_the_parameters_of_gpt2(void **state)
{
    (void)state;
    struct ingot_source *src = must_open(corpus("gpt2-tf-index"));
    uint64_t sum = 0, bytes = 0;
    assert_int_equal(ingot_source_count(src), 148);
    assert_int_equal(ingot_source_check_count(src), 148);
    for (size_t i = 0; i < 148; i++) {
        const struct ingot_source_tensor t = ingot_source_at(src, i);
        uint64_t elems = 0;
        assert_string_equal(t.dtype_name, "F32");
        assert_null(t.data);
        assert_true(ingot_shape_elems(t.rank, t.shape, &elems));
        sum += elems;
        bytes += t.n_bytes;
    }
    assert_int_equal(sum, 124439808);
    assert_int_equal(bytes, GPT2_BYTES);
    const struct ingot_source_tensor *t = find(src, "model/h0/attn/c_attn/w");
    assert_int_equal(t->rank, 3);
    assert_int_equal(t->shape[0], 1);
    assert_int_equal(t->shape[1], 768);
    assert_int_equal(t->shape[2], 2304);
    assert_int_equal(source_find_fact(src, "hparams.n_head")->integer, 12);
    ingot_source_close(src);
}

static void without_its_data_the_released_gpt2_is_not_converted(void **state)
{
    (void)state;
    const char *source = corpus("gpt2-tf-index");
    char *dir = fixture_directory();
    struct ingot_error err = { 0 };
    assert_int_equal(ingot_convert(source, fixture_path(dir, "m.ingot"), NULL, NULL, &err), INGOT_E_MISSING);
    assert_non_null(strstr(err.message, "model.ckpt.data-00000-of-00001"));
    assert_int_equal(fixture_count_files(dir), 0);
    fixture_remove(dir);
}

/* "h.0.attn.c_attn.weight" as TensorFlow calls it. */
static void name_in_tensorflow(const char *name, char out[96])
{
    const bool norm = strstr(name, "ln_") != NULL, embedding = name[0] == 'w';
    const char *end = strrchr(name, '.');
    size_t n = (size_t)snprintf(out, 96, "model/");
    if (name[0] == 'h') out[n++] = *name++, name++;
    for (; name < end; name++) out[n++] = *name == '.' ? '/' : *name;
    snprintf(out + n, 96 - n, "%s", embedding ? "" : end[1] == 'b' ? "/b" : norm ? "/g" : "/w");
}

/* The tensors of the part at the places that the index says, in a file that is otherwise one hole. */
static void write_part(const struct ingot_source *index, const char *path)
{
    char name[96];
    struct ingot_source *part;
    struct ingot_error err;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, GPT2_BYTES), 0);
    assert_int_equal(open_path(corpus("gpt2-124m-part"), &part, &err), INGOT_OK);
    assert_int_equal(ingot_source_count(part), 33);
    for (size_t i = 0; i < 33; i++) {
        const struct ingot_source_tensor t = ingot_source_at(part, i);
        name_in_tensorflow(t.name, name);
        const struct ingot_source_tensor *at = find(index, name);
        assert_int_equal(at->n_bytes, t.n_bytes);
        assert_int_equal(pwrite(fd, t.data, t.n_bytes, (off_t)at->file_off), t.n_bytes);
    }
    ingot_source_close(part);
    assert_int_equal(close(fd), 0);
}

static void copy(const char *from, const char *directory, const char *name)
{
    size_t n;
    uint8_t *bytes = fixture_read(from, &n);
    fixture_write(directory, name, bytes, n);
    free(bytes);
}

struct verdicts {
    unsigned good, bad;
    char first_bad[96];
};

static void judge(void *ctx, const struct ingot_source_check *check, uint32_t found, bool good)
{
    struct verdicts *v = ctx;
    (void)found;
    if (!good && v->bad == 0) snprintf(v->first_bad, sizeof v->first_bad, "%s", check->name);
    v->good += good;
    v->bad += !good;
}

static void of_the_released_gpt2_exactly_the_tensors_that_are_here_are_good(void **state)
{
    (void)state;
    const char *data = "model.ckpt.data-00000-of-00001";
    struct verdicts v = { 0 };
    struct ingot_error err = { 0 };
    const struct ingot_source_verify_options options = { .check = judge, .check_ctx = &v };
    uint64_t n_bad = 0;
    struct ingot_source *src = must_open(corpus("gpt2-tf-index"));
    char *dir = fixture_directory();
    copy(corpus("gpt2-tf-index/model.ckpt.index"), dir, "model.ckpt.index");
    write_part(src, fixture_path(dir, data));
    ingot_source_close(src);
    src = must_open(dir);
    assert_int_equal(ingot_source_verify(src, &options, &n_bad, &err), INGOT_E_DIGEST);
    assert_int_equal(v.good, 33);
    assert_int_equal(v.bad, 115);
    assert_int_equal(n_bad, 115);
    assert_string_equal(v.first_bad, "model/h0/mlp/c_fc/w");
    assert_non_null(strstr(err.message, "model/h0/mlp/c_fc/w"));
    assert_string_equal(err.subject, data);
    ingot_source_close(src);
    fixture_remove(dir);
}

/* ----------------------------------------------------------------------------------------------------------- slices */

/* "model/w" of 4 x 3, as two slices of 2 x 3 behind one another in the first data file. */
static void write_partitioned(const char *dir, struct bytes *data)
{
    struct table t = { .block_bytes = 100, .interval = 2 };
    table_add_message(&t, "", header_message(1));
    for (unsigned i = 0; i < 2; i++) {
        struct table_tensor slice = { "", 1, 2, { 2, 3 }, 0, data->n, 24, 0 };
        const char key[] = { 0, 'm', 'o', 'd', 'e', 'l', '/', 'w', 0, 1, (char)(2 * i) };
        for (unsigned k = 0; k < 24; k++) put_byte(data, 17 * i + k);
        slice.crc = crc_mask(crc_of(CRC_32C, data->p + slice.off, slice.size));
        struct bytes message = tensor_message(&slice);
        table_add(&t, key, sizeof key, message.p, message.n);
        free(message.p);
    }
    struct bytes whole = tensor_message(&(struct table_tensor){ "", 1, 2, { 4, 3 }, 0, 0, 0, 0 });
    for (unsigned i = 0; i < 2; i++) put_message(&whole, 7, &(struct bytes){ NULL, 0 });
    table_add_message(&t, "model/w", whole);
    struct bytes file = table_end(&t);
    fixture_write(dir, "m.index", file.p, file.n);
    free(file.p);
}

static void of_a_variable_in_slices_the_whole_is_listed_without_values(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct bytes data = { NULL, 0 };
    struct checkpoint_tensor seen;
    struct checkpoint cp;
    struct ingot_error err = { 0 };
    write_partitioned(dir, &data);
    fixture_write(dir, "m.data-00000-of-00001", data.p, data.n);
    assert_int_equal(checkpoint_open(dir, &cp, &err), INGOT_OK);
    assert_int_equal(cp.n_tensors, 1);
    checkpoint_get_tensor(&cp, 0, &seen);
    assert_string_equal(seen.name, "model/w");
    assert_string_equal(checkpoint_layout(&seen), "slices");
    assert_int_equal(seen.n_elems, 12);
    assert_int_equal(seen.origin.n_slices, 2);
    assert_null(seen.data);
    assert_false(checkpoint_is_absent(&seen));
    assert_int_equal(values_check(&seen, &err), INGOT_E_UNSUPPORTED);
    assert_string_equal(err.subject, "model/w");
    assert_non_null(strstr(err.message, "stored in 2 slices"));
    checkpoint_close(&cp);
    fixture_remove(dir);
    free(data.p);
}

static void each_slice_is_verified(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    struct bytes data = { NULL, 0 };
    struct ingot_error err = { 0 };
    uint64_t n_bad = 0;
    write_partitioned(dir, &data);
    data.p[30] ^= 1;
    fixture_write(dir, "m.data-00000-of-00001", data.p, data.n);
    struct ingot_source *src = must_open(dir);
    assert_int_equal(ingot_source_check_count(src), 2);
    assert_int_equal(ingot_source_verify(src, NULL, &n_bad, &err), INGOT_E_DIGEST);
    assert_int_equal(n_bad, 1);
    assert_int_equal(err.offset, 24);
    assert_non_null(strstr(err.message, "model/w"));
    ingot_source_close(src);
    fixture_remove(dir);
    free(data.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(directory_index_and_prefix_show_the_same_tensors),
        cmocka_unit_test(an_index_is_known_by_its_last_bytes_whatever_its_name),
        cmocka_unit_test(a_file_of_the_first_format_is_called_by_its_name),
        cmocka_unit_test(the_state_file_says_which_of_several_is_meant),
        cmocka_unit_test(a_malformed_state_file_is_refused_at_its_line),
        cmocka_unit_test(a_checkpoint_that_is_named_and_not_there_is_missing),
        cmocka_unit_test(of_two_checkpoints_none_is_taken_by_chance),
        cmocka_unit_test(a_path_that_is_there_is_not_taken_for_a_prefix),
        cmocka_unit_test(hparams_beside_the_index_are_facts),
        cmocka_unit_test(the_index_alone_says_all_but_the_values),
        cmocka_unit_test(a_data_file_that_ends_early_is_truncated_where_it_ends),
        cmocka_unit_test(tensors_that_share_bytes_are_refused),
        cmocka_unit_test(a_tensor_without_elements_may_lie_anywhere),
        cmocka_unit_test(what_is_empty_does_not_part_two_that_share_bytes),
        cmocka_unit_test(all_tensors_together_have_at_most_2_to_the_60_elements_and_bytes),
        cmocka_unit_test(strings_are_listed_without_a_checksum),
        cmocka_unit_test(of_a_variable_in_slices_the_whole_is_listed_without_values),
        cmocka_unit_test(each_slice_is_verified),
        cmocka_unit_test(a_changed_byte_is_named_by_its_tensor),
        cmocka_unit_test(verification_stops_when_asked_to),
        cmocka_unit_test(a_check_of_many_chunks_is_that_of_the_whole),
        cmocka_unit_test(the_small_models_of_others_have_the_values_of_their_names),
        cmocka_unit_test(the_graph_of_objects_is_listed_as_a_string),
        cmocka_unit_test(the_released_index_has_the_parameters_of_gpt2),
        cmocka_unit_test(without_its_data_the_released_gpt2_is_not_converted),
        cmocka_unit_test(of_the_released_gpt2_exactly_the_tensors_that_are_here_are_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

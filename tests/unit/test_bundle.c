/* test_bundle.c - the messages of TensorFlow's index: what they say, and every lie named by its place. */
#include "tests/unit/checkpoint_fixture.h"

#include "convert/bundle.h"
#include "tests/unit/table_fixture.h"

struct seen {
    struct bundle_tensor last;
    char name[64];
    unsigned n;
    uint32_t n_shards;
};

static enum ingot_status keep(void *ctx, const struct bundle_tensor *t, uint32_t n_shards, struct ingot_error *err)
{
    struct seen *seen = ctx;
    (void)err;
    seen->last = *t;
    snprintf(seen->name, sizeof seen->name, "%.*s", (int)t->n_name, t->name);
    seen->n++;
    seen->n_shards = n_shards;
    return INGOT_OK;
}

/* A table with a header and, under `key`, one message; both are freed. */
static struct bytes index_of(struct bytes header, const char *key, size_t n_key, struct bytes message)
{
    struct table t = { .block_bytes = 1 << 20, .interval = 16 };
    table_add(&t, "", 0, header.p, header.n);
    if (key) table_add(&t, key, n_key, message.p, message.n);
    free(header.p);
    free(message.p);
    return table_end(&t);
}

/* Takes the file. */
static void expect(struct bytes file, enum ingot_status status, uint64_t off, const char *says)
{
    struct seen seen = { 0 };
    struct ingot_error err = { 0 };
    assert_int_equal(bundle_walk(file.p, file.n, "t.index", keep, &seen, &err), status);
    assert_int_equal(err.status, status);
    assert_int_equal(err.offset, off);
    assert_non_null(strstr(err.message, says));
    free(file.p);
}

static const struct bytes nothing = { NULL, 0 };

/* ----------------------------------------------------------------------------------------------------------- header */

/* Its value stands behind three lengths and no key. */
#define HEADER_OFF 3

static void expect_header(struct bytes header, enum ingot_status status, const char *says)
{
    expect(index_of(header, NULL, 0, nothing), status, HEADER_OFF, says);
}

static void a_table_without_a_header_is_no_checkpoint(void **state)
{
    (void)state;
    struct table t = { .block_bytes = 1 << 20, .interval = 16 };
    table_add_message(&t, "a", header_message(1));
    expect(table_end(&t), INGOT_E_SOURCE, 4, "the header");
    struct table empty = { .interval = 1 };
    expect(table_end(&empty), INGOT_E_SOURCE, 0, "the header");
}

static void a_checkpoint_of_the_first_format_is_called_by_its_name(void **state)
{
    (void)state;
    struct bytes header = { NULL, 0 }, meta = { NULL, 0 };
    put_number(&meta, 1, 1);
    put_message(&header, 1, &meta);
    expect_header(header, INGOT_E_UNSUPPORTED, "V1");
}

static void the_header_says_a_byte_order_that_is_read(void **state)
{
    (void)state;
    for (unsigned order = 1; order <= 2; order++) {
        struct bytes header = header_message(1);
        put_number(&header, 2, order);
        expect_header(header, order == 1 ? INGOT_E_UNSUPPORTED : INGOT_E_RANGE,
                      order == 1 ? "big-endian" : "byte order");
    }
}

static void the_header_names_the_oldest_reader(void **state)
{
    (void)state;
    for (unsigned version = 1; version <= 2; version++) {
        struct bytes header = header_message(1), versions = { NULL, 0 };
        put_number(&versions, 2, version);
        put_message(&header, 3, &versions);
        if (version == 2) {
            expect_header(header, INGOT_E_UNSUPPORTED, "version 2");
            continue;
        }
        struct bytes file = index_of(header, NULL, 0, nothing);
        struct seen seen = { 0 };
        assert_int_equal(bundle_walk(file.p, file.n, "t.index", keep, &seen, NULL), INGOT_OK);
        free(file.p);
    }
}

static void the_number_of_data_files_has_bounds(void **state)
{
    (void)state;
    expect_header(header_message(0), INGOT_E_RANGE, "no data files");
    expect_header(header_message(4097), INGOT_E_LIMIT, "4097");
    expect_header(header_message(UINT64_C(1) << 40), INGOT_E_LIMIT, "1099511627776");
}

static void a_malformed_message_is_refused(void **state)
{
    (void)state;
    static const char *const malformed[] = { "\x08", "\x12\x05x", "\x0B", "\x02\x01", "\x1A\x01\x08", "\x3D\x01\x01" };
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        struct bytes header = header_message(1);
        put(&header, malformed[i], strlen(malformed[i]));
        expect_header(header, INGOT_E_SOURCE, "malformed");
    }
}

/* ---------------------------------------------------------------------------------------------------------- tensors */

static const struct table_tensor good = { .name = "w", .dtype = 1, .rank = 2, .shape = { 2, 3 }, .off = 8, .size = 24 };

/* The value of an entry "w" behind a header of one data file. */
static uint64_t value_off(void)
{
    struct bytes header = header_message(1);
    const uint64_t n = header.n;
    free(header.p);
    return HEADER_OFF + n + 4;
}

static void expect_message(struct bytes message, enum ingot_status status, const char *says)
{
    expect(index_of(header_message(1), "w", 1, message), status, value_off(), says);
}

static void a_tensor_is_what_its_message_says(void **state)
{
    (void)state;
    struct table_tensor t = good;
    struct seen seen = { 0 };
    struct ingot_error err = { 0 };
    t.shard = 2;
    t.crc = 0x89ABCDEF;
    struct bytes message = tensor_message(&t), unknown = { NULL, 0 };
    put_number(&unknown, 1, 5);
    put_message(&message, 99, &unknown); /* passed over */
    put_tag(&message, 98, 1);
    put_fixed(&message, 1, 8);
    struct bytes file = index_of(header_message(3), "a/w", 3, message);
    assert_int_equal(bundle_walk(file.p, file.n, "t.index", keep, &seen, &err), INGOT_OK);
    assert_int_equal(seen.n, 1);
    assert_int_equal(seen.n_shards, 3);
    assert_string_equal(seen.name, "a/w");
    assert_int_equal(seen.last.scalar, INGOT_SCALAR_F32);
    assert_int_equal(seen.last.rank, 2);
    assert_int_equal(seen.last.shape[0], 2);
    assert_int_equal(seen.last.shape[1], 3);
    assert_int_equal(seen.last.shard, 2);
    assert_int_equal(seen.last.off, 8);
    assert_int_equal(seen.last.n_bytes, 24);
    assert_int_equal(seen.last.crc, 0x89ABCDEF);
    assert_true(seen.last.checked);
    free(file.p);
}

static void every_type_has_its_scalar(void **state)
{
    (void)state;
    static const char *const names[] = { NULL,      "F32", "F64", "I32",     "U8",     "I16", "I8",
                                         "STRING",  "C64", "I64", "BOOL",    "I8",     "U8",  "I32",
                                         "BF16",    "I16", "U16", "U16",     "C128",   "F16", "RESOURCE",
                                         "VARIANT", "U32", "U64", "F8_E5M2", "F8_E4M3" };
    for (unsigned i = 1; i < sizeof names / sizeof *names; i++) {
        struct table_tensor t = { .name = "w", .dtype = i, .rank = 1, .shape = { 1 } };
        static const unsigned sizes[] = {
            0, 4, 8, 4, 1, 2, 1, 5, 8, 8, 1, 1, 1, 4, 2, 2, 2, 2, 16, 2, 7, 9, 4, 8, 1, 1
        };
        struct seen seen = { 0 };
        struct ingot_error err = { 0 };
        t.size = sizes[i];
        struct bytes file = index_of(header_message(1), "w", 1, tensor_message(&t));
        assert_int_equal(bundle_walk(file.p, file.n, "t.index", keep, &seen, &err), INGOT_OK);
        const char *name = seen.last.dtype_name ? seen.last.dtype_name : ingot_scalar_info(seen.last.scalar)->name;
        assert_string_equal(name, names[i]);
        assert_int_equal(seen.last.checked, seen.last.scalar != INGOT_SCALAR_NONE);
        free(file.p);
    }
    for (unsigned unknown = 0; unknown <= 101; unknown += 101) { /* 101: a reference to f32 */
        struct table_tensor t = good;
        t.dtype = unknown;
        expect_message(tensor_message(&t), INGOT_E_UNSUPPORTED, "tensor w: type");
    }
}

static struct bytes whole_of_slices(uint64_t size, unsigned n_slices)
{
    struct table_tensor whole = good;
    whole.size = size;
    struct bytes message = tensor_message(&whole);
    for (unsigned i = 0; i < n_slices; i++) {
        struct bytes slice = { NULL, 0 };
        put_message(&message, 7, &slice);
    }
    return message;
}

static void a_variable_in_slices_has_its_shape_and_no_bytes_of_its_own(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    struct bytes file = index_of(header_message(1), "w", 1, whole_of_slices(0, 3));
    assert_int_equal(bundle_walk(file.p, file.n, "t.index", keep, &seen, NULL), INGOT_OK);
    free(file.p);
    assert_int_equal(seen.last.n_slices, 3);
    assert_false(seen.last.is_slice || seen.last.checked);
    assert_int_equal(seen.last.shape[0] * seen.last.shape[1], 6);
    expect_message(whole_of_slices(24, 1), INGOT_E_SHAPE, "has slices, but 24 bytes of its own");
}

static void a_slice_goes_by_the_name_of_the_whole(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    struct table_tensor t = good;
    struct bytes file = index_of(header_message(1), "\0emb\0\1\1\2", 8, tensor_message(&t));
    assert_int_equal(bundle_walk(file.p, file.n, "t.index", keep, &seen, NULL), INGOT_OK);
    free(file.p);
    assert_string_equal(seen.name, "emb");
    assert_true(seen.last.is_slice && seen.last.checked);
    t.size = 25;
    expect(index_of(header_message(1), "\0emb\0\1\1\2", 8, tensor_message(&t)), INGOT_E_SHAPE, value_off() + 7,
           "a slice of emb: F32 of this shape takes 24 bytes, but it has 25");
}

static void a_name_is_text_of_bounded_length(void **state)
{
    (void)state;
    char name[1026];
    memset(name, 'n', sizeof name);
    expect(index_of(header_message(1), "w\0x", 3, tensor_message(&good)), INGOT_E_NAME, value_off() + 2, "zero byte");
    expect(index_of(header_message(1), name, 1025, tensor_message(&good)), INGOT_E_LIMIT, value_off() + 1025, "1025");
}

static void a_shape_is_known_and_fits_its_bytes(void **state)
{
    (void)state;
    struct table_tensor t = good;
    t.size = 25;
    expect_message(tensor_message(&t), INGOT_E_SHAPE, "takes 24 bytes, but it has 25");
    t = good;
    t.shape[0] = t.shape[1] = UINT64_C(1) << 40;
    expect_message(tensor_message(&t), INGOT_E_SHAPE, "overflows");
    t.shape[0] = 0; /* may not hide it */
    t.shape[1] = t.shape[2] = UINT64_C(1) << 40;
    t.rank = 3;
    t.size = 0;
    expect_message(tensor_message(&t), INGOT_E_SHAPE, "overflows");
    t = good;
    t.shape[1] = (uint64_t)-1;
    expect_message(tensor_message(&t), INGOT_E_RANGE, "dimension 1 is negative");
    struct bytes message = tensor_message(&good), shape = { NULL, 0 };
    put_number(&shape, 3, 1);
    put_message(&message, 2, &shape);
    expect_message(message, INGOT_E_SHAPE, "not known");
}

static void a_tensor_has_at_most_eight_dimensions(void **state)
{
    (void)state;
    for (unsigned rank = 8; rank <= 9; rank++) {
        struct bytes message = { NULL, 0 }, shape = { NULL, 0 };
        put_number(&message, 1, 4);
        for (unsigned i = 0; i < rank; i++) {
            struct bytes dim = { NULL, 0 };
            put_number(&dim, 1, 1);
            put_message(&shape, 2, &dim);
        }
        put_message(&message, 2, &shape);
        put_number(&message, 5, 1);
        if (rank == 9) {
            expect_message(message, INGOT_E_LIMIT, "more than 8 dimensions");
            continue;
        }
        struct seen seen = { 0 };
        struct bytes file = index_of(header_message(1), "w", 1, message);
        assert_int_equal(bundle_walk(file.p, file.n, "t.index", keep, &seen, NULL), INGOT_OK);
        assert_int_equal(seen.last.rank, 8);
        free(file.p);
    }
}

static void a_tensor_lies_in_one_of_the_data_files(void **state)
{
    (void)state;
    struct table_tensor t = good;
    t.shard = 1;
    expect_message(tensor_message(&t), INGOT_E_RANGE, "data file 1 of 1");
    t.shard = (UINT64_C(1) << 32);
    expect_message(tensor_message(&t), INGOT_E_RANGE, "data file 4294967296 of 1");
    t = good;
    t.off = (uint64_t)-8;
    expect_message(tensor_message(&t), INGOT_E_RANGE, "negative");
}

static void a_message_that_ends_early_is_refused(void **state)
{
    (void)state;
    struct bytes whole = tensor_message(&good);
    unsigned n_refused = 0;
    for (size_t n = 0; n < whole.n; n++) {
        struct bytes part = { NULL, 0 };
        struct seen seen = { 0 };
        struct ingot_error err = { 0 };
        put(&part, whole.p, n);
        struct bytes file = index_of(header_message(1), "w", 1, part);
        n_refused += bundle_walk(file.p, file.n, "t.index", keep, &seen, &err) != INGOT_OK;
        free(file.p);
    }
    assert_int_equal(n_refused, whole.n - 1); /* without its checksum it is whole, and the checksum 0 */
    free(whole.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_without_a_header_is_no_checkpoint),
        cmocka_unit_test(a_checkpoint_of_the_first_format_is_called_by_its_name),
        cmocka_unit_test(the_header_says_a_byte_order_that_is_read),
        cmocka_unit_test(the_header_names_the_oldest_reader),
        cmocka_unit_test(the_number_of_data_files_has_bounds),
        cmocka_unit_test(a_malformed_message_is_refused),
        cmocka_unit_test(a_tensor_is_what_its_message_says),
        cmocka_unit_test(every_type_has_its_scalar),
        cmocka_unit_test(a_variable_in_slices_has_its_shape_and_no_bytes_of_its_own),
        cmocka_unit_test(a_slice_goes_by_the_name_of_the_whole),
        cmocka_unit_test(a_name_is_text_of_bounded_length),
        cmocka_unit_test(a_shape_is_known_and_fits_its_bytes),
        cmocka_unit_test(a_tensor_has_at_most_eight_dimensions),
        cmocka_unit_test(a_tensor_lies_in_one_of_the_data_files),
        cmocka_unit_test(a_message_that_ends_early_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

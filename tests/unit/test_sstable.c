/* test_sstable.c - the sorted table of TensorFlow's index: what is written comes back, and every lie is named. */
#include "convert/sstable.h"
#include "format/error.h"
#include "tests/unit/table_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* -------------------------------------------------------------------------------------------------- what comes back */

#define N_ENTRIES 1000

static void key_of(unsigned i, char out[64])
{
    snprintf(out, 64, "model/layer%04u/%s", i / 3, i % 3 == 0 ? "bias" : i % 3 == 1 ? "kernel" : "kernel/more");
}

struct expected {
    unsigned n;
};

static enum ingot_status compare(void *ctx, const struct sstable_entry *e, struct ingot_error *err)
{
    struct expected *expected = ctx;
    char key[64];
    (void)err;
    key_of(expected->n, key);
    assert_int_equal(e->n_key, strlen(key));
    assert_memory_equal(e->key, key, e->n_key);
    assert_int_equal(e->n_value, 1 + expected->n % 7);
    for (uint64_t i = 0; i < e->n_value; i++) assert_int_equal(e->value[i], expected->n & 0xFF);
    expected->n++;
    return INGOT_OK;
}

static struct bytes table_of_entries(size_t block_bytes, uint32_t interval, bool snappy)
{
    struct table t = { .block_bytes = block_bytes, .interval = interval, .snappy = snappy };
    for (unsigned i = 0; i < N_ENTRIES; i++) {
        char key[64];
        uint8_t value[7];
        key_of(i, key);
        memset(value, (int)(i & 0xFF), sizeof value);
        table_add(&t, key, strlen(key), value, 1 + i % 7);
    }
    return table_end(&t);
}

static void expect_entries(size_t block_bytes, uint32_t interval, bool snappy)
{
    struct bytes file = table_of_entries(block_bytes, interval, snappy);
    struct expected expected = { 0 };
    struct ingot_error err = { 0 };
    assert_int_equal(sstable_walk(file.p, file.n, "t.index", compare, &expected, &err), INGOT_OK);
    assert_int_equal(expected.n, N_ENTRIES);
    free(file.p);
}

static void entries_come_back_in_order_whatever_the_blocks_and_restarts(void **state)
{
    (void)state;
    for (int snappy = 0; snappy < 2; snappy++) {
        expect_entries(1 << 20, 16, snappy);
        expect_entries(1 << 20, 1, snappy);
        expect_entries(1 << 20, N_ENTRIES, snappy);
        expect_entries(300, 16, snappy);
        expect_entries(1, 3, snappy);
    }
}

static enum ingot_status count(void *ctx, const struct sstable_entry *e, struct ingot_error *err)
{
    (void)e;
    (void)err;
    (*(unsigned *)ctx)++;
    return INGOT_OK;
}

static void a_table_may_be_empty(void **state)
{
    (void)state;
    static const uint8_t no_entries[8] = { 0, 0, 0, 0, 1, 0, 0, 0 };
    struct ingot_error err = { 0 };
    unsigned n = 0;
    struct table t = { .interval = 1 };
    struct bytes no_block = table_end(&t), empty_block = table_of_block(no_entries, sizeof no_entries, 0);
    assert_int_equal(sstable_walk(no_block.p, no_block.n, "t.index", count, &n, &err), INGOT_OK);
    assert_int_equal(sstable_walk(empty_block.p, empty_block.n, "t.index", count, &n, &err), INGOT_OK);
    assert_int_equal(n, 0);
    free(no_block.p);
    free(empty_block.p);
}

static enum ingot_status stop_at_third(void *ctx, const struct sstable_entry *e, struct ingot_error *err)
{
    if (++*(unsigned *)ctx < 3) return INGOT_OK;
    return ingot_fail(err, INGOT_E_MODEL, e->off, "third", NULL, "enough");
}

static void the_walk_ends_when_it_is_told_to(void **state)
{
    (void)state;
    struct bytes file = table_of_entries(300, 16, false);
    struct ingot_error err = { 0 };
    unsigned n = 0;
    assert_int_equal(sstable_walk(file.p, file.n, "t.index", stop_at_third, &n, &err), INGOT_E_MODEL);
    assert_int_equal(n, 3);
    assert_int_equal(file.p[err.offset], 2); /* the value of the third entry stands there */
    free(file.p);
}

/* ------------------------------------------------------------------------------------------------------------- lies */

/* Takes the file. The walk sees it in a block of exactly its size. */
static void expect(struct bytes file, enum ingot_status status, uint64_t off)
{
    struct ingot_error err = { 0 };
    unsigned n = 0;
    uint8_t *tight = malloc(file.n ? file.n : 1);
    assert_non_null(tight);
    if (file.n > 0) memcpy(tight, file.p, file.n);
    assert_int_equal(sstable_walk(tight, file.n, "t.index", count, &n, &err), status);
    assert_int_equal(err.status, status);
    assert_int_equal(err.offset, off);
    assert_string_equal(err.subject, "t.index");
    free(tight);
    free(file.p);
}

static void a_file_shorter_than_its_footer_is_truncated(void **state)
{
    (void)state;
    for (size_t n = 0; n < 48; n++) {
        struct bytes file = table_of_entries(300, 16, false);
        file.n = n;
        expect(file, INGOT_E_TRUNCATED, n);
    }
}

static void a_file_without_the_magic_is_no_table(void **state)
{
    (void)state;
    struct bytes file = table_of_entries(300, 16, false);
    file.p[file.n - 1] ^= 1;
    expect(file, INGOT_E_SOURCE, file.n - 8);
}

/* Only the zeros between the handles and the magic mean nothing. */
static void a_changed_byte_is_seen_wherever_it_is_not_padding(void **state)
{
    (void)state;
    struct bytes file = table_of_entries(4000, 16, true);
    size_t padding = file.n - 8;
    while (file.p[padding - 1] == 0) padding--;
    for (size_t at = 0; at < file.n; at++) {
        struct ingot_error err = { 0 };
        unsigned n = 0;
        file.p[at] ^= 0x10;
        const enum ingot_status status = sstable_walk(file.p, file.n, "t.index", count, &n, &err);
        if (at < padding || at >= file.n - 8)
            assert_int_not_equal(status, INGOT_OK);
        else
            assert_int_equal(status, INGOT_OK);
        file.p[at] ^= 0x10;
    }
    free(file.p);
}

static void the_handles_of_the_footer_lie_in_the_file(void **state)
{
    (void)state;
    static const struct table_handle outside[] = {
        { 0, 1000 }, { UINT64_MAX, 1 }, { 1, UINT64_MAX }, { 20, 0 }, { 14, 3 }
    };
    const struct table_handle good = { 0, 8 };
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        for (int second = 0; second < 2; second++) {
            static const uint8_t empty[8] = { 0, 0, 0, 0, 1, 0, 0, 0 };
            struct bytes file = { NULL, 0 };
            put_block(&file, empty, sizeof empty, 0);
            put(&file, "123456", 6);
            put_footer(&file, second ? good : outside[i], second ? outside[i] : good);
            expect(file, INGOT_E_RANGE, file.n - 48 + (second ? 2 : 0));
        }
}

static void a_number_of_more_than_64_bits_is_refused(void **state)
{
    (void)state;
    struct bytes file = { NULL, 0 };
    for (int i = 0; i < 9; i++) put_byte(&file, 0xFF);
    put_byte(&file, 2);
    while (file.n < 40) put_byte(&file, 0);
    put_fixed(&file, UINT64_C(0xDB4775248B80FB57), 8);
    expect(file, INGOT_E_SOURCE, 0);
}

static void a_block_whose_bytes_differ_is_named_by_its_place(void **state)
{
    (void)state;
    struct bytes file = table_of_entries(300, 16, false);
    file.p[10] ^= 1;
    expect(file, INGOT_E_DIGEST, 0);
    file = table_of_entries(300, 16, false);
    file.p[300] ^= 1; /* still the first, which ends with the entry that fills it */
    expect(file, INGOT_E_DIGEST, 0);
    file = table_of_entries(300, 16, false);
    size_t second = 300;
    while (crc_mask(crc_of(CRC_32C, file.p, second + 1)) != get_u32(file.p + second + 1)) second++;
    file.p[second + 5 + 10] ^= 1;
    expect(file, INGOT_E_DIGEST, second + 5);
}

static void an_unknown_compression_is_refused_at_its_byte(void **state)
{
    (void)state;
    expect(table_of_block((const uint8_t *)"12345", 5, 2), INGOT_E_UNSUPPORTED, 5);
}

static void what_snappy_did_not_write_is_refused_before_memory_is_asked_for(void **state)
{
    (void)state;
    static const uint8_t huge[] = { 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0 },
                         unknown[] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF };
    static const uint8_t dense[] = { 0x80, 0x80, 0x40, 0, 0, 0 }; /* 1 MiB of six bytes */
    static const uint8_t garbage[] = { 8, 0xFF, 0xFF, 0xFF };
    expect(table_of_block(huge, sizeof huge, 1), INGOT_E_LIMIT, 0);
    expect(table_of_block(dense, sizeof dense, 1), INGOT_E_LIMIT, 0);
    expect(table_of_block(unknown, sizeof unknown, 1), INGOT_E_SOURCE, 0);
    expect(table_of_block(garbage, sizeof garbage, 1), INGOT_E_SOURCE, 0);
}

static void the_bytes_of_64_zeros_compress_no_better_than_the_bound_says(void **state)
{
    (void)state;
    static uint8_t zeros[60000];
    struct table t = { .block_bytes = 1, .interval = 1, .snappy = true };
    unsigned n = 0;
    struct ingot_error err = { 0 };
    table_add(&t, "zeros", 5, zeros, sizeof zeros);
    struct bytes file = table_end(&t);
    assert_true(file.n < sizeof zeros / 20);
    assert_int_equal(sstable_walk(file.p, file.n, "t.index", count, &n, &err), INGOT_OK);
    assert_int_equal(n, 1);
    free(file.p);
}

/* A block of entries given as bytes, with these restarts. */
struct lie {
    const char *entries;
    size_t n;
    uint32_t restarts[3], n_restarts;
    enum ingot_status status;
    uint64_t off;
};

#define ENTRIES(text) .entries = text, .n = sizeof text - 1
#define AT_RESTARTS   .restarts = { 0 }, .n_restarts = 1

static void an_entry_that_lies_is_named_by_its_place(void **state)
{
    (void)state;
    static const struct lie lies[] = {
        { ENTRIES("\0\1\1ax\2\1\1by"), AT_RESTARTS, INGOT_E_RANGE, 5 },     /* shares 2 of 1 byte */
        { ENTRIES("\1\0\1x"), AT_RESTARTS, INGOT_E_RANGE, 0 },              /* nothing to share with */
        { ENTRIES("\0\1\1ax\0\1\2by"), AT_RESTARTS, INGOT_E_TRUNCATED, 5 }, /* value ends behind the block */
        { ENTRIES("\0\1\1ax\0\x7F\1by"), AT_RESTARTS, INGOT_E_TRUNCATED, 5 },
        { ENTRIES("\0\1\1ax\0\1"), AT_RESTARTS, INGOT_E_TRUNCATED, 5 },
        { ENTRIES("\0\1\1bx\0\1\1ay"), AT_RESTARTS, INGOT_E_ORDER, 5 },     /* a after b */
        { ENTRIES("\0\1\1ax\0\1\1ay"), AT_RESTARTS, INGOT_E_ORDER, 5 },     /* twice */
        { ENTRIES("\0\2\1abx\1\0\1y"), AT_RESTARTS, INGOT_E_ORDER, 6 },     /* a after ab */
        { ENTRIES("\0\0\1x\0\0\1y"), AT_RESTARTS, INGOT_E_ORDER, 4 },       /* the empty key twice */
        { ENTRIES("\0\1\1ax\1\1\1by"), { 0, 5 }, 2, INGOT_E_SOURCE, 5 },    /* a restart that shares */
        { ENTRIES("\0\1\1ax\0\1\1by"), { 0, 4 }, 2, INGOT_E_ORDER, 14 },    /* a restart inside an entry */
        { ENTRIES("\0\1\1ax\0\1\1by"), { 0, 10 }, 2, INGOT_E_ORDER, 14 },   /* one behind the last */
        { ENTRIES("\0\1\1ax\0\1\1by"), { 0, 5, 5 }, 3, INGOT_E_ORDER, 18 }, /* one twice */
        { ENTRIES("\0\1\1ax\0\1\1by"), { 5 }, 1, INGOT_E_ORDER, 10 },       /* none at the first */
        { ENTRIES(""), { 0, 0 }, 2, INGOT_E_ORDER, 0 },
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct bytes block = { NULL, 0 };
        put(&block, lies[i].entries, lies[i].n);
        for (uint32_t r = 0; r < lies[i].n_restarts; r++) put_fixed(&block, lies[i].restarts[r], 4);
        put_fixed(&block, lies[i].n_restarts, 4);
        expect(table_of_block(block.p, block.n, 0), lies[i].status, lies[i].off);
        free(block.p);
    }
}

static void the_number_of_restarts_is_one_that_the_block_can_hold(void **state)
{
    (void)state;
    expect(table_of_block((const uint8_t *)"123", 3, 0), INGOT_E_SOURCE, 0);
    expect(table_of_block((const uint8_t *)"\0\0\0\0\0\0\0\0", 8, 0), INGOT_E_SOURCE, 4);
    expect(table_of_block((const uint8_t *)"\0\0\0\0\2\0\0\0", 8, 0), INGOT_E_SOURCE, 4);
    expect(table_of_block((const uint8_t *)"\0\0\0\0\xFF\xFF\xFF\xFF", 8, 0), INGOT_E_SOURCE, 4);
}

static void a_key_has_a_limit_however_it_is_put_together(void **state)
{
    (void)state;
    static char key[4097];
    memset(key, 'k', sizeof key);
    for (size_t n = 4096; n <= 4097; n++) {
        struct table t = { .block_bytes = 1 << 20, .interval = 16 };
        unsigned seen = 0;
        struct ingot_error err = { 0 };
        table_add(&t, "k", 1, "", 0);
        table_add(&t, key, n, "", 0);
        table_add(&t, "l", 1, "", 0);
        struct bytes file = table_end(&t);
        assert_int_equal(sstable_walk(file.p, file.n, "t.index", count, &seen, &err),
                         n > 4096 ? INGOT_E_LIMIT : INGOT_OK);
        if (n > 4096) assert_int_equal(err.offset, 4);
        free(file.p);
    }
}

static void keys_ascend_from_block_to_block_too(void **state)
{
    (void)state;
    struct table t = { .block_bytes = 1, .interval = 16 };
    table_add(&t, "b", 1, "", 0);
    table_add(&t, "c", 1, "", 0);
    struct bytes file = table_end(&t);
    const size_t block_bytes = 4 + 8, second = block_bytes + 5;
    file.p[second + 3] = 'b';
    const uint32_t crc = crc_mask(crc_of(CRC_32C, file.p + second, block_bytes + 1));
    memcpy(file.p + second + block_bytes + 1, &crc, 4);
    expect(file, INGOT_E_ORDER, second);
}

static void the_same_block_is_not_read_twice(void **state)
{
    (void)state;
    struct bytes file = { NULL, 0 }, block = { NULL, 0 }, handle = { NULL, 0 }, index = { NULL, 0 };
    put_entry(&block, 0, "a", 1, "x", 1);
    put_fixed(&block, 0, 4);
    put_fixed(&block, 1, 4);
    put_handle(&handle, put_block(&file, block.p, block.n, 0));
    put_entry(&index, 0, "a", 1, handle.p, handle.n);
    put_entry(&index, 0, "b", 1, handle.p, handle.n);
    put_fixed(&index, 0, 4);
    put_fixed(&index, 1, 4);
    const uint64_t at = file.n + 8 + 5; /* behind the metaindex */
    finish_file(&file, &index);
    expect(file, INGOT_E_OVERLAP, at + 6 + 4);
    free(block.p);
    free(handle.p);
    free(index.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_come_back_in_order_whatever_the_blocks_and_restarts),
        cmocka_unit_test(a_table_may_be_empty),
        cmocka_unit_test(the_walk_ends_when_it_is_told_to),
        cmocka_unit_test(a_file_shorter_than_its_footer_is_truncated),
        cmocka_unit_test(a_file_without_the_magic_is_no_table),
        cmocka_unit_test(a_changed_byte_is_seen_wherever_it_is_not_padding),
        cmocka_unit_test(the_handles_of_the_footer_lie_in_the_file),
        cmocka_unit_test(a_number_of_more_than_64_bits_is_refused),
        cmocka_unit_test(a_block_whose_bytes_differ_is_named_by_its_place),
        cmocka_unit_test(an_unknown_compression_is_refused_at_its_byte),
        cmocka_unit_test(what_snappy_did_not_write_is_refused_before_memory_is_asked_for),
        cmocka_unit_test(the_bytes_of_64_zeros_compress_no_better_than_the_bound_says),
        cmocka_unit_test(an_entry_that_lies_is_named_by_its_place),
        cmocka_unit_test(the_number_of_restarts_is_one_that_the_block_can_hold),
        cmocka_unit_test(a_key_has_a_limit_however_it_is_put_together),
        cmocka_unit_test(keys_ascend_from_block_to_block_too),
        cmocka_unit_test(the_same_block_is_not_read_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

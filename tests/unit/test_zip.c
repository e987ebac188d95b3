/* The zip reader: what PyTorch writes is read, every lie ends in the right status at the right offset. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "convert/zip.h"
#include "tests/unit/zip_fixture.h"

#include <stdio.h>

/* Offsets inside of the headers. */
enum { LOCAL_FLAGS = 6, LOCAL_METHOD = 8, LOCAL_CRC = 14, LOCAL_PACKED = 18, LOCAL_PLAIN = 22, LOCAL_NAME_BYTES = 26 };
enum {
    CENTRAL_FLAGS = 8,
    CENTRAL_METHOD = 10,
    CENTRAL_CRC = 16,
    CENTRAL_PACKED = 20,
    CENTRAL_PLAIN = 24,
    CENTRAL_NAME = 46
};
enum { CENTRAL_NAME_BYTES = 28, CENTRAL_EXTRA_BYTES = 30, CENTRAL_DISK = 34, CENTRAL_OFF = 42 };

static struct zip_fixture two_members(unsigned flags, bool wide_end)
{
    struct zip_fixture z = { 0 };
    zip_add(&z, "m/data.pkl", "hello", 5, flags);
    zip_add(&z, "m/data/0", "12345678", 8, flags);
    zip_finish(&z, wide_end);
    return z;
}

static enum ingot_status list(const struct bytes *file, struct zip *out, struct ingot_error *err)
{
    uint8_t *exact = bytes_exact(file, file->n);
    *err = (struct ingot_error){ 0 };
    enum ingot_status status = zip_list(exact, file->n, "t.zip", out, err);
    if (status == INGOT_OK) { /* names are borrowed from the bytes: look at them before they go */
        for (size_t i = 0; i < out->n; i++) assert_true(out->members[i].name[0] != '\0');
        zip_free(out);
    }
    free(exact);
    return status;
}

/* The file must be refused, with the offset; it is freed. */
static void refused(struct zip_fixture *z, enum ingot_status status, uint64_t off)
{
    struct zip zip;
    struct ingot_error err;
    assert_int_equal(list(&z->file, &zip, &err), status);
    if (err.offset != off) print_error("%s\n", err.message);
    assert_int_equal(err.offset, off);
    assert_string_equal(err.subject, "t.zip");
    bytes_free(&z->file);
}

/* Writes `n` bytes of a number at `at`, in a file of two members as PyTorch writes them. */
static void refused_with(uint64_t at, uint64_t number, size_t width, enum ingot_status status, uint64_t off)
{
    struct zip_fixture z = two_members(ZIP_LATER, true);
    uint8_t le[8];
    put_u64(le, number);
    memcpy(z.file.p + at, le, width);
    refused(&z, status, off);
}

static void members_are_found_by_name_whatever_their_headers_leave_to_later(void **state)
{
    (void)state;
    static const unsigned flags[] = { 0, ZIP_LATER, ZIP_WIDE, ZIP_LATER | ZIP_WIDE };
    for (size_t k = 0; k < 2 * sizeof flags / sizeof *flags; k++) {
        struct zip_fixture z = two_members(flags[k / 2], k % 2);
        struct zip zip;
        struct ingot_error err = { 0 };
        assert_int_equal(zip_list(z.file.p, z.file.n, "t.zip", &zip, &err), INGOT_OK);
        assert_int_equal(zip.n, 2);
        const struct zip_member *m = zip_find(&zip, "m/data/0", 8);
        assert_non_null(m);
        assert_int_equal(m->off, z.members[1].data_off);
        assert_int_equal(m->n_bytes, 8);
        assert_int_equal(m->crc32, crc_of(CRC_32, "12345678", 8));
        assert_null(zip_find(&zip, "m/data/", 7));
        assert_null(zip_find(&zip, "m/data/00", 9));
        zip_free(&zip);
        bytes_free(&z.file);
    }
}

static void a_zip_without_members_is_listed_as_such(void **state)
{
    (void)state;
    struct zip_fixture z = { 0 };
    struct zip zip;
    struct ingot_error err = { 0 };
    zip_finish(&z, false);
    assert_int_equal(zip_list(z.file.p, z.file.n, "t.zip", &zip, &err), INGOT_OK);
    assert_int_equal(zip.n, 0);
    assert_null(zip_find(&zip, "a", 1));
    zip_free(&zip);
    bytes_free(&z.file);
}

static void every_prefix_is_refused(void **state)
{
    (void)state;
    struct zip_fixture z = two_members(ZIP_LATER, true);
    for (size_t n = 0; n < z.file.n; n++) {
        struct bytes prefix = { z.file.p, n, n };
        struct zip zip;
        struct ingot_error err;
        assert_int_equal(list(&prefix, &zip, &err), INGOT_E_TRUNCATED);
        assert_int_equal(err.offset, n);
    }
    bytes_free(&z.file);
}

static void a_comment_must_reach_exactly_to_the_end(void **state)
{
    (void)state;
    struct zip zip;
    struct ingot_error err;
    struct zip_fixture z = two_members(0, false);
    put_u16(z.file.p + z.end_off + 20, 4);
    bytes_text(&z.file, "note");
    assert_int_equal(list(&z.file, &zip, &err), INGOT_OK);
    bytes_text(&z.file, "!");
    refused(&z, INGOT_E_TRUNCATED, z.file.n);
}

/* The comment holds an end record of its own: other readers would take that one. */
static void two_ends_are_refused(void **state)
{
    (void)state;
    struct zip_fixture z = two_members(0, false);
    put_u16(z.file.p + z.end_off + 20, 22);
    bytes_add(&z.file, z.file.p + z.end_off, 22);
    put_u16(z.file.p + z.end_off + 42, 0);
    refused(&z, INGOT_E_SOURCE, z.end_off);
}

static void the_directory_ends_where_the_end_record_begins(void **state)
{
    (void)state;
    struct zip_fixture z = two_members(0, false);
    put_u32(z.file.p + z.end_off + 12, get_u32(z.file.p + z.end_off + 12) - 1);
    refused(&z, INGOT_E_RANGE, z.end_off);
    z = two_members(0, false);
    put_u32(z.file.p + z.end_off + 16, UINT32_MAX);
    refused(&z, INGOT_E_RANGE, z.end_off);
    z = two_members(0, false);
    put_u16(z.file.p + z.end_off + 8, 1);
    put_u16(z.file.p + z.end_off + 10, 1);
    refused(&z, INGOT_E_SOURCE, z.directory_off + 46 + 10);
    z = two_members(0, false);
    put_u16(z.file.p + z.end_off + 8, 3);
    put_u16(z.file.p + z.end_off + 10, 3);
    refused(&z, INGOT_E_SOURCE, z.end_off);
}

static void several_disks_are_refused(void **state)
{
    (void)state;
    struct zip_fixture z = two_members(0, true);
    const size_t end = z.end_off, end64 = z.end64_off, locator = z.locator_off, directory = z.directory_off;
    put_u16(z.file.p + end + 4, 1);
    refused(&z, INGOT_E_UNSUPPORTED, end);
    z = two_members(0, true);
    put_u32(z.file.p + locator + 16, 2);
    refused(&z, INGOT_E_UNSUPPORTED, locator);
    z = two_members(0, true);
    put_u32(z.file.p + end64 + 20, 1);
    refused(&z, INGOT_E_UNSUPPORTED, end64);
    z = two_members(0, true);
    put_u16(z.file.p + directory + CENTRAL_DISK, 1);
    refused(&z, INGOT_E_UNSUPPORTED, directory);
}

static void the_two_end_records_agree(void **state)
{
    (void)state;
    struct zip_fixture z = two_members(ZIP_LATER, true);
    const size_t end = z.end_off, end64 = z.end64_off, locator = z.locator_off;
    bytes_free(&z.file);
    refused_with(end + 12, 1, 4, INGOT_E_SOURCE, end);
    refused_with(end + 16, 1, 4, INGOT_E_SOURCE, end);
    refused_with(end64 + 40, 1, 8, INGOT_E_SOURCE, end);
    refused_with(end64, 0, 4, INGOT_E_SOURCE, end64);
    refused_with(end64 + 4, 45, 8, INGOT_E_SOURCE, end64);
    refused_with(locator + 8, locator - 55, 8, INGOT_E_RANGE, locator);
    refused_with(locator + 8, UINT64_MAX, 8, INGOT_E_RANGE, locator);
    z = two_members(ZIP_LATER, true);
    for (size_t at = end64 + 24; at < end64 + 40; at += 8) put_u64(z.file.p + at, UINT64_C(1) << 60);
    put_u16(z.file.p + end + 8, UINT16_MAX);
    put_u16(z.file.p + end + 10, UINT16_MAX);
    refused(&z, INGOT_E_LIMIT, end);
}

static void fields_that_stand_in_the_zip64_record_are_taken_from_there(void **state)
{
    (void)state;
    struct zip zip;
    struct ingot_error err;
    struct zip_fixture z = two_members(ZIP_LATER, true);
    memset(z.file.p + z.end_off + 8, 0xFF, 12);
    assert_int_equal(list(&z.file, &zip, &err), INGOT_OK);
    bytes_free(&z.file);
}

static void compression_and_encryption_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        uint16_t flags, method;
        const char *said;
    } cases[] = { { 0, 8, "deflate" },   { 0, 12, "bzip2" },       { 0, 93, "zstd" },    { 0, 77, "method 77" },
                  { 1, 0, "encrypted" }, { 0x40, 0, "encrypted" }, { 0x20, 0, "patch" }, { 0x4000, 0, "0x4000" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zip_fixture z = two_members(0, false);
        struct zip zip;
        struct ingot_error err;
        put_u16(z.file.p + z.directory_off + CENTRAL_FLAGS, cases[i].flags);
        put_u16(z.file.p + z.directory_off + CENTRAL_METHOD, cases[i].method);
        assert_int_equal(list(&z.file, &zip, &err), INGOT_E_UNSUPPORTED);
        assert_int_equal(err.offset, z.directory_off);
        assert_non_null(strstr(err.message, cases[i].said));
        assert_non_null(strstr(err.message, "m/data.pkl"));
        bytes_free(&z.file);
    }
}

static void headers_and_directory_tell_the_same_story(void **state)
{
    (void)state;
    struct zip_fixture z = two_members(ZIP_LATER, true);
    const size_t directory = z.directory_off, second = z.members[1].header_off;
    const size_t data = z.members[0].data_off;
    bytes_free(&z.file);
    refused_with(30, 'x', 1, INGOT_E_SOURCE, directory);
    refused_with(LOCAL_NAME_BYTES, 9, 2, INGOT_E_SOURCE, directory);
    refused_with(LOCAL_FLAGS, 0, 2, INGOT_E_SOURCE, 0);
    refused_with(LOCAL_METHOD, 8, 2, INGOT_E_SOURCE, 0);
    refused_with(LOCAL_CRC, 1, 4, INGOT_E_SOURCE, 0);
    refused_with(LOCAL_PACKED, 1, 4, INGOT_E_SOURCE, 0);
    refused_with(LOCAL_PLAIN, 1, 4, INGOT_E_SOURCE, 0);
    refused_with(0, 0, 4, INGOT_E_SOURCE, 0);
    refused_with(second, 0, 4, INGOT_E_SOURCE, second);
    refused_with(directory, 0, 4, INGOT_E_SOURCE, directory);
    refused_with(directory + CENTRAL_PACKED, 4, 4, INGOT_E_SOURCE, directory);
    refused_with(directory + CENTRAL_NAME_BYTES, 0, 2, INGOT_E_SOURCE, directory);
    refused_with(directory + CENTRAL_EXTRA_BYTES, UINT16_MAX, 2, INGOT_E_SOURCE, directory);
    refused_with(directory + CENTRAL_OFF, 1, 4, INGOT_E_SOURCE, 1);
    refused_with(directory + CENTRAL_OFF, directory - 29, 4, INGOT_E_RANGE, directory);
    refused_with(directory + CENTRAL_OFF, UINT32_MAX, 4, INGOT_E_SOURCE, directory);
    refused_with(data + 5, 0, 4, INGOT_E_SOURCE, 0); /* the descriptor: its magic, its CRC, its sizes */
    refused_with(data + 9, 0, 4, INGOT_E_SOURCE, 0);
    refused_with(data + 13, 4, 4, INGOT_E_SOURCE, 0);
    refused_with(data + 17, 4, 4, INGOT_E_SOURCE, 0);
}

static void sizes_lie_in_front_of_the_directory(void **state)
{
    (void)state;
    struct zip_fixture z = two_members(0, false);
    const size_t at = z.directory_off;
    for (size_t k = 0; k < 2; k++) {
        put_u32(z.file.p + at + CENTRAL_PACKED + 4 * k, 1u << 30);
        put_u32(z.file.p + LOCAL_PACKED + 4 * k, 1u << 30);
    }
    refused(&z, INGOT_E_RANGE, at);
}

/* By one byte, which is there. */
static void the_last_member_ends_in_front_of_the_directory_too(void **state)
{
    (void)state;
    struct zip_fixture z = two_members(0, false);
    const size_t entry = z.directory_off + CENTRAL_NAME + strlen(z.members[0].name);
    assert_int_equal(z.members[1].data_off + z.members[1].n, z.directory_off);
    for (size_t k = 0; k < 2; k++) {
        put_u32(z.file.p + entry + CENTRAL_PACKED + 4 * k, (uint32_t)z.members[1].n + 1);
        put_u32(z.file.p + z.members[1].header_off + LOCAL_PACKED + 4 * k, (uint32_t)z.members[1].n + 1);
    }
    refused(&z, INGOT_E_RANGE, entry);
}

static void a_descriptor_may_come_without_its_magic_number(void **state)
{
    (void)state;
    struct zip_fixture z = { 0 };
    struct zip zip;
    struct ingot_error err;
    zip_add(&z, "a", "xyz", 3, ZIP_LATER);
    memmove(z.file.p + z.file.n - 16, z.file.p + z.file.n - 12, 12);
    z.file.n -= 4;
    zip_finish(&z, true);
    assert_int_equal(list(&z.file, &zip, &err), INGOT_OK);
    bytes_free(&z.file);
}

static void members_do_not_overlap(void **state)
{
    (void)state;
    struct zip_fixture z = { 0 };
    struct zip_fixture inner = { 0 };
    zip_add(&inner, "b", "secret", 6, 0);
    const size_t a = zip_add(&z, "a", inner.file.p, inner.file.n, 0);
    z.members[1] = inner.members[0];
    z.members[1].header_off = z.members[a].data_off;
    z.n_members = 2;
    zip_finish(&z, false);
    bytes_free(&inner.file);
    refused(&z, INGOT_E_OVERLAP, z.members[1].header_off);
}

static void no_two_members_have_one_name(void **state)
{
    (void)state;
    struct zip_fixture z = { 0 };
    zip_add(&z, "a", "1", 1, 0);
    zip_add(&z, "b", "2", 1, 0);
    zip_add(&z, "a", "3", 1, 0);
    zip_finish(&z, false);
    struct zip zip;
    struct ingot_error err;
    assert_int_equal(list(&z.file, &zip, &err), INGOT_E_SOURCE);
    assert_non_null(strstr(err.message, "two members are called a"));
    bytes_free(&z.file);
}

static void a_name_with_nul_is_refused(void **state)
{
    (void)state;
    struct zip_fixture z = two_members(0, false);
    z.file.p[31] = '\0';
    z.file.p[z.directory_off + 47] = '\0';
    refused(&z, INGOT_E_SOURCE, z.directory_off);
}

/* What lies about a 64-bit number lies in the extra field. */
static void a_zip64_extra_field_holds_what_its_header_leaves_to_it(void **state)
{
    (void)state;
    struct zip_fixture z = two_members(ZIP_WIDE, false);
    const size_t extra = z.directory_off + 46 + 10;
    put_u16(z.file.p + extra + 2, 16);
    refused(&z, INGOT_E_SOURCE, z.directory_off);
    z = two_members(ZIP_WIDE, false);
    put_u16(z.file.p + extra, 2);
    refused(&z, INGOT_E_SOURCE, z.directory_off);
    z = two_members(ZIP_WIDE, false);
    put_u16(z.file.p + extra + 2, 25);
    refused(&z, INGOT_E_SOURCE, z.directory_off);
    z = two_members(ZIP_WIDE, false);
    put_u64(z.file.p + extra + 20, UINT64_MAX - 10);
    refused(&z, INGOT_E_RANGE, z.directory_off);
    z = two_members(ZIP_WIDE, false);
    put_u64(z.file.p + extra + 4, UINT64_MAX);
    put_u64(z.file.p + extra + 12, UINT64_MAX);
    refused(&z, INGOT_E_SOURCE, 0);
}

static void many_members_are_listed_in_no_time(void **state)
{
    (void)state;
    enum { N = 65000 };
    struct bytes f = { 0 }, directory = { 0 };
    char name[16];
    for (unsigned i = 0; i < N; i++) {
        snprintf(name, sizeof name, "%08x", i * 2654435761u);
        bytes_text(&directory, "PK\1\2");
        bytes_number(&directory, 0, 8);
        bytes_number(&directory, 0, 8);
        bytes_number(&directory, 0, 8);
        bytes_number(&directory, 8, 8);
        bytes_number(&directory, 0, 6);
        bytes_number(&directory, f.n, 4);
        bytes_text(&directory, name);
        bytes_text(&f, "PK\3\4");
        bytes_number(&f, 0, 8);
        bytes_number(&f, 0, 8);
        bytes_number(&f, 0, 6);
        bytes_number(&f, 8, 4);
        bytes_text(&f, name);
    }
    const size_t off = f.n;
    bytes_add(&f, directory.p, directory.n);
    bytes_text(&f, "PK\5\6");
    bytes_number(&f, 0, 4);
    bytes_number(&f, N, 2);
    bytes_number(&f, N, 2);
    bytes_number(&f, directory.n, 4);
    bytes_number(&f, off, 4);
    bytes_number(&f, 0, 2);
    struct zip zip;
    struct ingot_error err = { 0 };
    assert_int_equal(zip_list(f.p, f.n, "t.zip", &zip, &err), INGOT_OK);
    assert_int_equal(zip.n, N);
    assert_non_null(zip_find(&zip, "9e3779b1", 8));
    zip_free(&zip);
    bytes_free(&f);
    bytes_free(&directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_found_by_name_whatever_their_headers_leave_to_later),
        cmocka_unit_test(a_zip_without_members_is_listed_as_such),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(a_comment_must_reach_exactly_to_the_end),
        cmocka_unit_test(two_ends_are_refused),
        cmocka_unit_test(the_directory_ends_where_the_end_record_begins),
        cmocka_unit_test(several_disks_are_refused),
        cmocka_unit_test(the_two_end_records_agree),
        cmocka_unit_test(fields_that_stand_in_the_zip64_record_are_taken_from_there),
        cmocka_unit_test(compression_and_encryption_are_refused_by_name),
        cmocka_unit_test(headers_and_directory_tell_the_same_story),
        cmocka_unit_test(sizes_lie_in_front_of_the_directory),
        cmocka_unit_test(the_last_member_ends_in_front_of_the_directory_too),
        cmocka_unit_test(a_descriptor_may_come_without_its_magic_number),
        cmocka_unit_test(members_do_not_overlap),
        cmocka_unit_test(no_two_members_have_one_name),
        cmocka_unit_test(a_name_with_nul_is_refused),
        cmocka_unit_test(a_zip64_extra_field_holds_what_its_header_leaves_to_it),
        cmocka_unit_test(many_members_are_listed_in_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

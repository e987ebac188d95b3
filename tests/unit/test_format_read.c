/* test_format_read.c - opening: what is accepted, what is refused, with which status and at which byte. */
#include "tests/unit/format_fixture.h"

#include "format/bytes.h"
#include "format/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define S_B SB_SLOT_BYTES

static void expect_open(const struct image *image, enum ingot_status status, uint64_t offset)
{
    struct ingot_file *file;
    struct ingot_error err = { 0 };
    assert_int_equal(open_image(image, &file, &err), status);
    assert_int_equal(err.status, status);
    if (status == INGOT_OK) {
        ingot_close(file);
        return;
    }
    assert_null(file);
    assert_int_equal(err.offset, offset);
    assert_string_equal(err.subject, "sample");
    assert_true(err.message[0] != '\0');
}

/* ------------------------------------------------------------------------------------------------------ getters */

static void sections_come_in_order_of_name_with_all_that_was_planned(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    struct ingot_file *file;
    assert_int_equal(open_image(&image, &file, NULL), INGOT_OK);
    assert_int_equal(ingot_section_count(file), n_sample_tensors + 5);
    for (uint32_t i = 1; i < ingot_section_count(file); i++)
        assert_true(strcmp(ingot_section_at(file, i - 1).name, ingot_section_at(file, i).name) < 0);
    for (size_t i = 0; i < n_sample_tensors; i++) {
        const struct sample_tensor *t = &sample_tensors[i];
        struct ingot_section s;
        assert_true(ingot_find(file, t->name, &s));
        assert_string_equal(s.name, t->name);
        assert_int_equal(s.name_len, strlen(t->name));
        assert_int_equal(s.kind, INGOT_KIND_TENSOR);
        assert_int_equal(s.dtype, t->dtype);
        assert_int_equal(s.layout, t->layout);
        assert_int_equal(s.rank, t->rank);
        assert_memory_equal(s.shape, t->shape, t->rank * sizeof t->shape[0]);
        assert_ptr_equal(s.data, image.bytes + s.data_off);
        assert_int_equal(s.target, UINT32_MAX);
    }
    struct ingot_section none;
    assert_false(ingot_find(file, "", &none));
    assert_false(ingot_find(file, "w", &none));
    assert_false(ingot_find(file, "zz", &none));
    ingot_close(file);
    free_image(&image);
}

static void an_alias_is_its_target_under_another_name_and_follows_it_in_place(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    struct ingot_file *file;
    struct ingot_section alias, target;
    assert_int_equal(open_image(&image, &file, NULL), INGOT_OK);
    assert_true(ingot_find(file, SAMPLE_ALIAS, &alias));
    assert_true(ingot_find(file, SAMPLE_TARGET, &target));
    assert_string_equal(ingot_section_at(file, alias.target).name, SAMPLE_TARGET);
    assert_ptr_equal(alias.data, target.data);
    assert_memory_equal(&alias.digest, &target.digest, sizeof alias.digest);
    for (uint32_t k = 0; k < ingot_section_count(file); k++)
        if (ingot_section_by_offset(file, k) == alias.target)
            assert_string_equal(ingot_section_at(file, ingot_section_by_offset(file, k + 1)).name, SAMPLE_ALIAS);
    ingot_close(file);
    free_image(&image);
}

static void order_of_offset_ascends_and_names_every_section_once(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    struct ingot_file *file;
    assert_int_equal(open_image(&image, &file, NULL), INGOT_OK);
    uint32_t seen = 0;
    uint64_t before = 0;
    for (uint32_t k = 0; k < ingot_section_count(file); k++) {
        uint32_t i = ingot_section_by_offset(file, k);
        assert_false(seen & 1u << i);
        seen |= 1u << i;
        assert_true(ingot_section_at(file, i).data_off >= before);
        before = ingot_section_at(file, i).data_off;
    }
    ingot_close(file);
    free_image(&image);
}

static void a_file_is_the_same_mapped_read_and_in_memory(void **state)
{
    (void)state;
    char dir[DIRECTORY_BYTES], path[DIRECTORY_BYTES + 16];
    make_directory(dir);
    snprintf(path, sizeof path, "%s/sample", dir);
    write_sample(path, 0);
    struct image image = make_sample(0);
    for (unsigned flags = INGOT_OPEN_MAP; flags <= INGOT_OPEN_READ; flags++) {
        struct ingot_file *file;
        assert_int_equal(ingot_open(path, flags, &file, NULL), INGOT_OK);
        assert_string_equal(ingot_file_path(file), path);
        for (uint32_t i = 0; i < ingot_section_count(file); i++) {
            struct ingot_section s = ingot_section_at(file, i);
            assert_memory_equal(s.data, image.bytes + s.data_off, s.raw_bytes);
        }
        ingot_close(file);
    }
    assert_int_equal(unlink(path), 0);
    remove_directory(dir);
    free_image(&image);
}

/* All that the index says, read through the getters. */
static uint64_t sum_of_getters(const struct ingot_file *file)
{
    uint64_t sum = 0;
    for (uint32_t k = 0; k < ingot_section_count(file); k++) {
        const struct ingot_section s = ingot_section_at(file, ingot_section_by_offset(file, k));
        struct ingot_section found;
        assert_true(ingot_find(file, s.name, &found));
        assert_ptr_equal(found.data, s.data);
        const uint64_t numbers[] = { s.data_off, s.stored_bytes, s.shape[0], s.kind, s.target, s.first_chunk };
        sum = sum * 31 + ingot_hash64(numbers, sizeof numbers) + ingot_hash64(s.name, s.name_len);
    }
    return sum;
}

static void an_index_that_is_overwritten_under_the_map_is_still_what_was_checked(void **state)
{
    (void)state;
    char dir[DIRECTORY_BYTES], path[DIRECTORY_BYTES + 16];
    struct ingot_file *file;
    struct ingot_file_info info;
    make_directory(dir);
    snprintf(path, sizeof path, "%s/sample", dir);
    write_sample(path, 0);
    assert_int_equal(ingot_open(path, INGOT_OPEN_MAP, &file, NULL), INGOT_OK);
    const uint64_t before = sum_of_getters(file);
    ingot_file_get_info(file, &info);
    const int fd = open(path, O_WRONLY);
    for (uint64_t i = 0; i < info.index_bytes; i++)
        assert_int_equal(pwrite(fd, "\xff", 1, (off_t)(info.index_off + i)), 1);
    close(fd);
    assert_true(sum_of_getters(file) == before);
    ingot_close(file);
    assert_int_equal(unlink(path), 0);
    remove_directory(dir);
}

static void closing_nothing_is_fine(void **state)
{
    (void)state;
    ingot_close(NULL);
}

/* -------------------------------------------------------------------------------------------------------- rules */

enum base { SLOT, INDEX, RECORD };

/* One field changed, all checksums made good again. */
struct fault {
    const char *rule;
    enum base base;
    const char *section; /* for RECORD */
    uint32_t off, width;
    uint64_t value;
    enum ingot_status status;
    int64_t at; /* relative to the base; AT_FIELD: the field; other numbers as given */
};
#define AT_FIELD INT64_MIN

static const struct fault faults[] = {
    { "F-10", SLOT, NULL, SB_READ_VERSION_OFF, 2, 2, INGOT_E_READ_VERSION, AT_FIELD },
    { "F-10", SLOT, NULL, SB_READ_VERSION_OFF, 2, 0, INGOT_E_RANGE, AT_FIELD },
    { "F-10", SLOT, NULL, SB_WRITE_VERSION_OFF, 2, 0, INGOT_E_RANGE, SB_READ_VERSION_OFF },
    { "F-11", SLOT, NULL, SB_SIZE_OFF, 4, 255, INGOT_E_RANGE, AT_FIELD },
    { "F-12", SLOT, NULL, SB_MUST_OFF, 8, UINT64_C(1) << 63, INGOT_E_FEATURE, AT_FIELD },
    { "F-13", SLOT, NULL, SB_GENERATION_OFF, 8, 0, INGOT_E_RANGE, AT_FIELD },
    { "F-15", SLOT, NULL, SB_ALIGN_OFF, 4, 0, INGOT_E_RANGE, AT_FIELD },
    { "F-15", SLOT, NULL, SB_ALIGN_OFF, 4, 2048, INGOT_E_RANGE, AT_FIELD },
    { "F-15", SLOT, NULL, SB_ALIGN_OFF, 4, 4097, INGOT_E_RANGE, AT_FIELD },
    { "F-15", SLOT, NULL, SB_ALIGN_OFF, 4, 4 << 20, INGOT_E_RANGE, AT_FIELD },
    { "F-16", SLOT, NULL, 79, 1, 1, INGOT_E_RESERVED, AT_FIELD },
    { "F-16", SLOT, NULL, 96, 1, 1, INGOT_E_RESERVED, AT_FIELD },
    { "F-16", SLOT, NULL, 247, 1, 1, INGOT_E_RESERVED, AT_FIELD },
    { "F-17", SLOT, NULL, SB_INDEX_OFF_OFF, 8, 4096, INGOT_E_RANGE, AT_FIELD },
    { "F-17", SLOT, NULL, SB_INDEX_OFF_OFF, 8, 8193, INGOT_E_RANGE, AT_FIELD },
    { "F-17", SLOT, NULL, SB_INDEX_OFF_OFF, 8, UINT64_MAX - 63, INGOT_E_RANGE, AT_FIELD },
    { "F-18", SLOT, NULL, SB_INDEX_BYTES_OFF, 8, 0, INGOT_E_RANGE, AT_FIELD },
    { "F-18", SLOT, NULL, SB_INDEX_BYTES_OFF, 8, 65, INGOT_E_RANGE, AT_FIELD },
    { "F-18", SLOT, NULL, SB_INDEX_BYTES_OFF, 8, UINT64_MAX - 63, INGOT_E_RANGE, AT_FIELD },
    { "F-20", INDEX, NULL, 0, 1, 'X', INGOT_E_INDEX, 0 },
    { "F-21", INDEX, NULL, IX_RECORD_BYTES_OFF, 4, 64, INGOT_E_RANGE, AT_FIELD },
    { "F-22", INDEX, NULL, IX_COUNT_OFF, 4, INGOT_MAX_SECTIONS + 1, INGOT_E_LIMIT, AT_FIELD },
    { "F-23", INDEX, NULL, IX_COUNT_OFF, 4, 1, INGOT_E_RANGE, IX_ORDER_OFF_OFF },
    { "F-23", INDEX, NULL, IX_RECORDS_OFF_OFF, 8, 65, INGOT_E_RANGE, AT_FIELD },
    { "F-23", INDEX, NULL, IX_ORDER_OFF_OFF, 8, 0, INGOT_E_RANGE, AT_FIELD },
    { "F-23", INDEX, NULL, IX_NAMES_OFF_OFF, 8, UINT64_MAX, INGOT_E_RANGE, AT_FIELD },
    { "F-24", INDEX, NULL, IX_NAMES_BYTES_OFF, 8, UINT64_MAX, INGOT_E_RANGE, AT_FIELD },
    { "F-24", INDEX, NULL, IX_NAMES_BYTES_OFF, 8, UINT64_MAX - 4096, INGOT_E_RANGE, AT_FIELD },
    { "F-24", INDEX, NULL, IX_NAMES_BYTES_OFF, 8, 0, INGOT_E_RANGE, AT_FIELD },
    { "F-25", INDEX, NULL, 48, 1, 1, INGOT_E_RESERVED, AT_FIELD },
    { "F-25", INDEX, NULL, 63, 1, 1, INGOT_E_RESERVED, AT_FIELD },
    { "F-30", RECORD, "v", RECORD_NAME_OFF_OFF, 4, 0, INGOT_E_RANGE, AT_FIELD },
    { "F-30", RECORD, "v", RECORD_NAME_OFF_OFF, 4, UINT32_MAX, INGOT_E_RANGE, AT_FIELD },
    { "F-31", RECORD, "v", RECORD_NAME_LEN_OFF, 2, 0, INGOT_E_NAME, AT_FIELD },
    { "F-31", RECORD, "v", RECORD_NAME_LEN_OFF, 2, 1025, INGOT_E_LIMIT, AT_FIELD },
    { "F-31", RECORD, "z.alias", RECORD_NAME_LEN_OFF, 2, 1024, INGOT_E_RANGE, AT_FIELD },
    { "F-33", RECORD, "@metadata", RECORD_KIND_OFF, 2, INGOT_KIND_RECIPE, INGOT_E_NAME, -1 },
    { "F-33", RECORD, "@metadata", RECORD_KIND_OFF, 2, INGOT_KIND_TENSOR, INGOT_E_NAME, -1 },
    { "F-33", RECORD, "@metadata", RECORD_KIND_OFF, 2, 0x9000, INGOT_E_NAME, -1 },
    { "F-33", RECORD, "v", RECORD_KIND_OFF, 2, 0x9000, INGOT_E_NAME, -1 },
    { "F-36", RECORD, "v", 14, 1, 1, INGOT_E_RESERVED, AT_FIELD },
    { "F-36", RECORD, "@model", 15, 1, 1, INGOT_E_RESERVED, AT_FIELD },
    { "F-40", RECORD, "v", RECORD_DTYPE_OFF, 2, 0, INGOT_E_DTYPE, AT_FIELD },
    { "F-40", RECORD, "v", RECORD_DTYPE_OFF, 2, 9, INGOT_E_DTYPE, AT_FIELD },
    { "F-40", RECORD, "v", RECORD_DTYPE_OFF, 2, 15, INGOT_E_DTYPE, AT_FIELD },
    { "F-40", RECORD, "v", RECORD_DTYPE_OFF, 2, 18, INGOT_E_DTYPE, AT_FIELD },
    { "F-41", RECORD, "a.rows", RECORD_LAYOUT_OFF, 2, 2, INGOT_E_LAYOUT, AT_FIELD },
    { "F-41", RECORD, "v", RECORD_LAYOUT_OFF, 2, INGOT_PANEL16, INGOT_E_SHAPE, AT_FIELD },
    { "F-41", RECORD, "w.f32", RECORD_DTYPE_OFF, 2, INGOT_I32, INGOT_E_SHAPE, RECORD_LAYOUT_OFF },
    { "F-41", RECORD, "a.rows", RECORD_DTYPE_OFF, 2, INGOT_Q8, INGOT_E_SHAPE, RECORD_LAYOUT_OFF },
    { "F-41", RECORD, "v", RECORD_DTYPE_OFF, 2, INGOT_Q4, INGOT_E_SHAPE, RECORD_LAYOUT_OFF },
    { "F-45", RECORD, "w.f32", RECORD_DTYPE_OFF, 2, INGOT_Q8, INGOT_E_SHAPE, RECORD_RAW_BYTES_OFF },
    { "F-42", RECORD, "v", RECORD_KIND_OFF, 2, 0, INGOT_E_KIND, AT_FIELD },
    { "F-42", RECORD, "v", RECORD_KIND_OFF, 2, 0x7fff, INGOT_E_KIND, AT_FIELD },
    { "F-42", RECORD, "@metadata", RECORD_KIND_OFF, 2, 6, INGOT_E_KIND, AT_FIELD },
    { "F-43", RECORD, "v", RECORD_RANK_OFF, 1, 9, INGOT_E_RANGE, AT_FIELD },
    { "F-43", RECORD, "v", RECORD_RANK_OFF, 1, 255, INGOT_E_RANGE, AT_FIELD },
    { "F-44", RECORD, "v", RECORD_SHAPE_OFF + 8, 8, UINT64_C(1) << 56, INGOT_E_RESERVED, RECORD_SHAPE_OFF + 15 },
    { "F-44", RECORD, "c.scalar", RECORD_SHAPE_OFF, 1, 1, INGOT_E_RESERVED, AT_FIELD },
    { "F-45", RECORD, "a.rows", RECORD_SHAPE_OFF, 8, UINT64_MAX, INGOT_E_SHAPE, AT_FIELD },
    { "F-45", RECORD, "b.empty", RECORD_SHAPE_OFF + 8, 8, UINT64_MAX, INGOT_E_SHAPE, RECORD_SHAPE_OFF },
    { "F-45", RECORD, "a.rows", RECORD_SHAPE_OFF, 8, 4, INGOT_E_SHAPE, RECORD_RAW_BYTES_OFF },
    { "F-45", RECORD, "a.rows", RECORD_RAW_BYTES_OFF, 8, 61, INGOT_E_SHAPE, AT_FIELD },
    { "F-46", RECORD, "@metadata", RECORD_DTYPE_OFF, 2, INGOT_F32, INGOT_E_RESERVED, AT_FIELD },
    { "F-46", RECORD, "@metadata", RECORD_LAYOUT_OFF, 2, 1, INGOT_E_RESERVED, AT_FIELD },
    { "F-46", RECORD, "@metadata", RECORD_RANK_OFF, 1, 1, INGOT_E_RESERVED, AT_FIELD },
    { "F-46", RECORD, "@metadata", RECORD_SHAPE_OFF + 63, 1, 1, INGOT_E_RESERVED, AT_FIELD },
    { "F-47", RECORD, "v", RECORD_CODEC_OFF, 1, 1, INGOT_E_CODEC, AT_FIELD },
    { "F-48", RECORD, "v", RECORD_STORED_BYTES_OFF, 8, 64, INGOT_E_RANGE, AT_FIELD },
    { "F-49", RECORD, "@model", RECORD_RAW_BYTES_OFF, 8, 63, INGOT_E_RANGE, AT_FIELD },
    { "F-60", RECORD, "v", RECORD_DATA_OFF_OFF, 8, 4096, INGOT_E_RANGE, AT_FIELD },
    { "F-60", RECORD, "v", RECORD_DATA_OFF_OFF, 8, 8193, INGOT_E_RANGE, AT_FIELD },
    { "F-60", RECORD, "a.rows", RECORD_DATA_OFF_OFF, 8, 8192 + 64, INGOT_E_RANGE, AT_FIELD },
    { "F-60", RECORD, "@vocabulary", RECORD_DATA_OFF_OFF, 8, 8192 + 64, INGOT_E_RANGE, AT_FIELD },
    { "F-61", RECORD, "v", RECORD_DATA_OFF_OFF, 8, UINT64_MAX - 63, INGOT_E_RANGE, AT_FIELD },
    { "F-62", RECORD, "z.alias", RECORD_TARGET_OFF, 4, UINT32_MAX, INGOT_E_RANGE, AT_FIELD },
    { "F-62", RECORD, "z.alias", RECORD_TARGET_OFF, 4, 0, INGOT_E_RANGE, AT_FIELD },
    { "F-62", RECORD, "z.alias", RECORD_TARGET_OFF, 4, 14, INGOT_E_RANGE, AT_FIELD },
    { "F-63", RECORD, "z.alias", RECORD_TARGET_OFF, 4, 4, INGOT_E_SHAPE, RECORD_LAYOUT_OFF },
    { "F-63", RECORD, "z.alias", RECORD_SHAPE_OFF, 8, 19, INGOT_E_SHAPE, AT_FIELD },
    { "F-63", RECORD, "z.alias", RECORD_DIGEST_OFF + 15, 1, 0x5a, INGOT_E_SHAPE, AT_FIELD },
    { "F-64", RECORD, "v", RECORD_TARGET_OFF, 4, 1, INGOT_E_RESERVED, AT_FIELD },
    { "F-66", RECORD, "@metadata", RECORD_DATA_OFF_OFF, 8, 8192, INGOT_E_ORDER, -2 },
    { "F-71", RECORD, "v", RECORD_FIRST_CHUNK_OFF, 4, 0, INGOT_E_RANGE, AT_FIELD },
    { "F-71", RECORD, "@model", RECORD_FIRST_CHUNK_OFF, 4, UINT32_MAX, INGOT_E_RANGE, AT_FIELD },
    { "F-72", RECORD, "z.alias", RECORD_FIRST_CHUNK_OFF, 4, 1, INGOT_E_RESERVED, AT_FIELD },
    { "F-72", RECORD, "@chunks", RECORD_FIRST_CHUNK_OFF, 4, 1, INGOT_E_RESERVED, AT_FIELD },
};

/* -1: the first byte of the section's name; -2: anywhere in the order array. */
static void expect_fault(const struct image *valid, const struct fault *f)
{
    struct image image = copy_image(valid);
    uint64_t base = f->base == SLOT ? 0 : f->base == INDEX ? index_at(&image) : record_at(&image, f->section);
    uint64_t names = index_at(&image) + get_u64(image.bytes + index_at(&image) + IX_NAMES_OFF_OFF);
    uint64_t at = f->at == AT_FIELD ? base + f->off
                  : f->at == -1     ? names + get_u32(image.bytes + base + RECORD_NAME_OFF_OFF)
                                    : base + (uint64_t)f->at;
    struct ingot_file *file;
    struct ingot_error err = { 0 };
    memcpy(image.bytes + base + f->off, &f->value, f->width);
    seal_image(&image);
    enum ingot_status status = open_image(&image, &file, &err);
    if (status != f->status || (f->at != -2 && err.offset != at))
        fail_msg("%s %s+%u: %s at %llu, expected %s at %llu (%s)", f->rule, f->section ? f->section : "", f->off,
                 ingot_status_name(status), (unsigned long long)err.offset, ingot_status_name(f->status),
                 (unsigned long long)at, err.message);
    assert_null(file);
    free_image(&image);
}

static void every_rule_is_refused_with_its_status_at_its_byte(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) expect_fault(&image, &faults[i]);
    free_image(&image);
}

static void an_index_that_does_not_match_its_checksum_is_refused_at_its_begin(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    image.bytes[index_at(&image) + 70] ^= 1;
    expect_open(&image, INGOT_E_INDEX, index_at(&image)); /* [F-19] */
    free_image(&image);
}

static uint64_t name_at(const struct image *image, const char *name)
{
    uint64_t names = index_at(image) + get_u64(image->bytes + index_at(image) + IX_NAMES_OFF_OFF);
    return names + get_u32(image->bytes + record_at(image, name) + RECORD_NAME_OFF_OFF);
}

static void names_are_strings_in_ascending_order(void **state)
{
    (void)state;
    struct image valid = make_sample(0);
    uint64_t at = name_at(&valid, "d.i64"), record = record_at(&valid, "d.i64");
    struct image image = copy_image(&valid);
    image.bytes[at + 2] = 0; /* [F-32] */
    seal_image(&image);
    expect_open(&image, INGOT_E_NAME, at + 2);
    free_image(&image);

    image = copy_image(&valid);
    image.bytes[at + 5] = 'x'; /* [F-32] */
    seal_image(&image);
    expect_open(&image, INGOT_E_NAME, at + 5);
    free_image(&image);

    image = copy_image(&valid);
    memcpy(image.bytes + at, "c.i64", 5); /* [F-34] */
    seal_image(&image);
    expect_open(&image, INGOT_E_ORDER, record);
    free_image(&image);

    image = copy_image(&valid);
    image.bytes[at] = '@'; /* [F-33] */
    seal_image(&image);
    expect_open(&image, INGOT_E_NAME, at);
    free_image(&image);
    free_image(&valid);
}

static void names_end_where_the_header_says_and_zeros_fill_the_index(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    uint64_t ix = index_at(&image);
    uint64_t names_bytes = get_u64(image.bytes + ix + IX_NAMES_BYTES_OFF);
    uint64_t end = ix + get_u64(image.bytes + ix + IX_NAMES_OFF_OFF) + names_bytes;
    assert_true(end % 64 != 0); /* the sample has bytes that fill */
    image.bytes[end] = 1;       /* [F-26] */
    seal_image(&image);
    expect_open(&image, INGOT_E_RESERVED, end);
    put_u64(image.bytes + ix + IX_NAMES_BYTES_OFF, names_bytes + 1); /* [F-35] */
    seal_image(&image);
    expect_open(&image, INGOT_E_RANGE, ix + IX_NAMES_BYTES_OFF);
    free_image(&image);
}

static void the_order_array_is_a_permutation_in_order_of_place(void **state)
{
    (void)state;
    struct image valid = make_sample(0);
    uint64_t order = index_at(&valid) + get_u64(valid.bytes + index_at(&valid) + IX_ORDER_OFF_OFF);
    static const struct {
        uint32_t entry, value, at;
    } cases[] = { { 3, UINT32_MAX, 3 }, { 3, 15, 3 }, { 0, 14, 1 } };
    for (size_t i = 0; i < 3; i++) { /* [F-65] */
        struct image image = copy_image(&valid);
        put_u32(image.bytes + order + 4 * cases[i].entry, cases[i].value);
        seal_image(&image);
        expect_open(&image, INGOT_E_ORDER, order + 4 * cases[i].at);
        free_image(&image);
    }
    struct image image = copy_image(&valid);
    put_u32(image.bytes + order + 4, get_u32(image.bytes + order)); /* twice the same */
    seal_image(&image);
    expect_open(&image, INGOT_E_ORDER, order + 4);
    free_image(&image);
    free_image(&valid);
}

/* In place, "v" stands right behind the matrix and its alias. */
static void sections_may_not_share_bytes(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    uint64_t w = record_at(&image, SAMPLE_TARGET), v = record_at(&image, "v");
    uint64_t at = get_u64(image.bytes + w + RECORD_DATA_OFF_OFF);
    put_u64(image.bytes + v + RECORD_DATA_OFF_OFF, at + 64);
    seal_image(&image);
    expect_open(&image, INGOT_E_OVERLAP, v + RECORD_DATA_OFF_OFF); /* [F-66] */
    free_image(&image);
}

static void a_section_may_not_share_bytes_with_the_index(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    struct ingot_file *file;
    assert_int_equal(open_image(&image, &file, NULL), INGOT_OK);
    uint32_t first = ingot_section_by_offset(file, 0);
    uint64_t record = record_at(&image, ingot_section_at(file, first).name);
    ingot_close(file);
    put_u64(image.bytes + record + RECORD_DATA_OFF_OFF, index_at(&image)); /* still the first in order */
    seal_image(&image);
    expect_open(&image, INGOT_E_OVERLAP, record + RECORD_DATA_OFF_OFF); /* [F-66] */
    free_image(&image);
}

static void the_recorded_length_is_where_the_last_section_ends(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    image.bytes[image.n++] = 0;
    put_u64(image.bytes + SB_FILE_BYTES_OFF, image.n);
    seal_image(&image);
    expect_open(&image, INGOT_E_RANGE, SB_FILE_BYTES_OFF); /* [F-67] */
    free_image(&image);
}

/* ----------------------------------------------------------------------------------------------- slots, versions */

static struct ingot_file_info info_of(const struct image *image)
{
    struct ingot_file *file;
    struct ingot_file_info info;
    assert_int_equal(open_image(image, &file, NULL), INGOT_OK);
    ingot_file_get_info(file, &info);
    ingot_close(file);
    return info;
}

static void either_slot_alone_opens_the_file(void **state)
{
    (void)state;
    for (uint32_t bad = 0; bad < 2; bad++) {
        struct image image = make_sample(0);
        put_u64(image.bytes + bad * S_B + SB_GENERATION_OFF, 9); /* the newer, were its checksum right */
        struct ingot_file_info info = info_of(&image);
        assert_int_equal(info.slot_used, 1 - bad);
        assert_int_equal(info.generation, 1);
        assert_false(info.slot_valid[bad]);
        assert_true(info.slot_valid[1 - bad]);
        assert_false(info.slots_equal);
        free_image(&image);
    }
}

static void the_valid_slot_with_the_higher_generation_is_used(void **state)
{
    (void)state;
    for (uint32_t newer = 0; newer < 2; newer++) {
        struct image image = make_sample(0);
        uint8_t *sb = image.bytes + newer * S_B;
        put_u64(sb + SB_GENERATION_OFF, 2);
        put_u64(sb + SB_HASH_OFF, ingot_hash64(sb, SB_HASH_OFF));
        struct ingot_file_info info = info_of(&image);
        assert_int_equal(info.slot_used, newer);
        assert_int_equal(info.generation, 2);
        assert_false(info.slots_equal);
        assert_true(info.slot_valid[0] && info.slot_valid[1]);
        free_image(&image);
    }
}

static void equal_slots_are_a_file_at_rest(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    struct ingot_file_info info = info_of(&image);
    assert_true(info.slots_equal && info.slot_valid[0] && info.slot_valid[1]);
    assert_int_equal(info.slot_used, 0);
    assert_int_equal(info.generation, 1);
    assert_int_equal(info.file_bytes, image.n);
    assert_int_equal(info.actual_bytes, image.n);
    assert_true(info.writable_version);
    free_image(&image);
}

static void without_a_good_slot_the_first_magic_is_at_fault(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    image.bytes[200] ^= 1;
    image.bytes[S_B + 200] ^= 1;
    expect_open(&image, INGOT_E_SUPERBLOCK, 0); /* [F-4] */
    image.bytes[0] ^= 1;
    image.bytes[2] ^= 1;
    expect_open(&image, INGOT_E_SUPERBLOCK, S_B);
    memcpy(image.bytes, "\x89INGOT\n\n", 8); /* damage of a text transfer, but not in the other */
    expect_open(&image, INGOT_E_SUPERBLOCK, S_B);
    memset(image.bytes, 0, S_B * 2);
    expect_open(&image, INGOT_E_MAGIC, 0); /* [F-1] */
    free_image(&image);
}

static void text_mode_damage_is_told_apart_from_foreign_files(void **state)
{
    (void)state;
    static const char ends[] = "its line ends were translated", bits[] = "its high bits were changed",
                      utf8[] = "its bytes were re-encoded as UTF-8";
    static const char *const damaged[][2] = {
        { "\x89INGOT\n", ends }, { "\x89INGOT\r\r\n", ends },   { "\tINGOT\r\n", bits },
        { "\tINGOT\n", bits },   { "\xC2\x89INGOT\r\n", utf8 }, { "\xEF\xBF\xBDINGOT\r\n", utf8 },
        { "?INGOT\r\n", bits },
    };
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        struct image image = make_sample(0);
        struct ingot_file *file;
        struct ingot_error err = { 0 };
        memset(image.bytes, 0, S_B * 2);
        memcpy(image.bytes, damaged[i][0], strlen(damaged[i][0]));
        expect_open(&image, INGOT_E_TEXT_MODE, 0); /* [F-2] */
        assert_int_equal(ingot_open_memory(image.bytes, image.n, "text", &file, &err), INGOT_E_TEXT_MODE);
        if (!strstr(err.message, damaged[i][1])) fail_msg("%zu: %s", i, err.message);
        free_image(&image);
    }
}

static void a_newer_writer_makes_the_file_read_only(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    put_u16(image.bytes + SB_WRITE_VERSION_OFF, 7);
    seal_image(&image);
    assert_false(info_of(&image).writable_version);
    free_image(&image);
}

static void a_feature_that_may_be_ignored_is(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    put_u64(image.bytes + SB_MAY_OFF, UINT64_MAX);
    seal_image(&image);
    assert_int_equal(info_of(&image).features_may, UINT64_MAX);
    free_image(&image);
}

static void an_unknown_skippable_kind_opens_under_a_name_that_is_not_taken(void **state)
{
    (void)state;
    static const uint16_t kinds[] = { 0x7fff, 0x8000, 0x9000, 0xffff };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct image image = make_sample(0);
        const uint64_t at = record_at(&image, "@metadata") + RECORD_KIND_OFF;
        put_u16(image.bytes + at, kinds[i]);
        image.bytes[name_at(&image, "@metadata") + 8] = 'b'; /* @metadatb */
        seal_image(&image);
        expect_open(&image, kinds[i] < 0x8000 ? INGOT_E_KIND : INGOT_OK, at);
        free_image(&image);
    }
}

/* -------------------------------------------------------------------------------------------------------- length */

static void every_truncation_is_told_at_the_first_byte_that_is_missing(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    uint64_t whole = image.n;
    for (image.n = 0; image.n < whole; image.n++) expect_open(&image, INGOT_E_TRUNCATED, image.n); /* [F-3, F-14] */
    expect_open(&image, INGOT_OK, 0);
    free_image(&image);
}

static void bytes_beyond_the_recorded_length_do_not_keep_a_file_from_opening(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    image.bytes[image.n++] = 1;
    struct ingot_file_info info = info_of(&image);
    assert_int_equal(info.actual_bytes, info.file_bytes + 1);
    free_image(&image);
}

static void only_regular_files_with_bytes_are_opened(void **state)
{
    (void)state;
    char dir[DIRECTORY_BYTES], path[DIRECTORY_BYTES + 16];
    struct ingot_file *file;
    struct ingot_error err = { 0 };
    make_directory(dir);
    snprintf(path, sizeof path, "%s/it", dir);

    assert_int_equal(ingot_open(dir, INGOT_OPEN_MAP, &file, &err), INGOT_E_IO);
    assert_non_null(strstr(err.message, "directory"));

    err = (struct ingot_error){ 0 };
    assert_int_equal(ingot_open(path, INGOT_OPEN_MAP, &file, &err), INGOT_E_IO);
    assert_int_equal(err.sys_errno, ENOENT);

    err = (struct ingot_error){ 0 };
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(ingot_open(path, INGOT_OPEN_READ, &file, &err), INGOT_E_IO); /* and does not hang */
    assert_non_null(strstr(err.message, "pipe"));
    assert_int_equal(unlink(path), 0);

    err = (struct ingot_error){ 0 };
    close(open(path, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(ingot_open(path, INGOT_OPEN_MAP, &file, &err), INGOT_E_TRUNCATED);
    assert_int_equal(err.offset, 0);
    assert_int_equal(unlink(path), 0);
    remove_directory(dir);
}

static void memory_that_is_not_aligned_is_the_callers_fault(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    struct ingot_file *file;
    assert_int_equal(ingot_open_memory(image.bytes + 1, image.n - 1, "sample", &file, NULL), INGOT_E_ARGUMENT);
    assert_null(file);
    free_image(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_come_in_order_of_name_with_all_that_was_planned),
        cmocka_unit_test(an_alias_is_its_target_under_another_name_and_follows_it_in_place),
        cmocka_unit_test(order_of_offset_ascends_and_names_every_section_once),
        cmocka_unit_test(a_file_is_the_same_mapped_read_and_in_memory),
        cmocka_unit_test(an_index_that_is_overwritten_under_the_map_is_still_what_was_checked),
        cmocka_unit_test(closing_nothing_is_fine),
        cmocka_unit_test(every_rule_is_refused_with_its_status_at_its_byte),
        cmocka_unit_test(an_index_that_does_not_match_its_checksum_is_refused_at_its_begin),
        cmocka_unit_test(names_are_strings_in_ascending_order),
        cmocka_unit_test(names_end_where_the_header_says_and_zeros_fill_the_index),
        cmocka_unit_test(the_order_array_is_a_permutation_in_order_of_place),
        cmocka_unit_test(sections_may_not_share_bytes),
        cmocka_unit_test(a_section_may_not_share_bytes_with_the_index),
        cmocka_unit_test(the_recorded_length_is_where_the_last_section_ends),
        cmocka_unit_test(either_slot_alone_opens_the_file),
        cmocka_unit_test(the_valid_slot_with_the_higher_generation_is_used),
        cmocka_unit_test(equal_slots_are_a_file_at_rest),
        cmocka_unit_test(without_a_good_slot_the_first_magic_is_at_fault),
        cmocka_unit_test(text_mode_damage_is_told_apart_from_foreign_files),
        cmocka_unit_test(a_newer_writer_makes_the_file_read_only),
        cmocka_unit_test(a_feature_that_may_be_ignored_is),
        cmocka_unit_test(an_unknown_skippable_kind_opens_under_a_name_that_is_not_taken),
        cmocka_unit_test(every_truncation_is_told_at_the_first_byte_that_is_missing),
        cmocka_unit_test(bytes_beyond_the_recorded_length_do_not_keep_a_file_from_opening),
        cmocka_unit_test(only_regular_files_with_bytes_are_opened),
        cmocka_unit_test(memory_that_is_not_aligned_is_the_callers_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

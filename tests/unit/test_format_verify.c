/* test_format_verify.c - every byte of a file belongs to one check, and damage is told where it is. */
#include "tests/unit/format_fixture.h"

#include "format/bytes.h"
#include "format/layout.h"

#define MAX_DAMAGES 16

struct damages {
    size_t n;
    struct ingot_damage list[MAX_DAMAGES];
};

static void note(void *ctx, const struct ingot_damage *damage)
{
    struct damages *d = ctx;
    assert_true(d->n < MAX_DAMAGES);
    assert_true(d->n == 0 || d->list[d->n - 1].off <= damage->off); /* in order of offset */
    d->list[d->n++] = *damage;
}

/* Verifies what must open. */
static enum ingot_status verify(const struct image *image, uint32_t n_threads, struct damages *damages,
                                struct ingot_verify_report *report, struct ingot_error *err)
{
    struct ingot_file *file;
    assert_int_equal(open_image(image, &file, NULL), INGOT_OK);
    *damages = (struct damages){ 0 };
    struct ingot_verify_options options = { .n_threads = n_threads, .damage = note, .damage_ctx = damages };
    enum ingot_status status = ingot_verify(file, &options, report, err);
    ingot_close(file);
    return status;
}

static void expect_one_damage(const struct image *image, enum ingot_status status, const char *section, uint64_t off,
                              uint64_t bytes)
{
    struct damages damages;
    struct ingot_verify_report report;
    struct ingot_error err = { 0 };
    struct ingot_file *file;
    assert_int_equal(verify(image, 1, &damages, &report, &err), status);
    assert_int_equal(err.status, status);
    assert_int_equal(err.offset, off);
    assert_int_equal(report.n_damaged, 1);
    assert_int_equal(report.n_sections_damaged, section ? 1 : 0);
    assert_int_equal(damages.n, 1);
    assert_int_equal(damages.list[0].status, status);
    assert_int_equal(damages.list[0].off, off);
    assert_int_equal(damages.list[0].bytes, bytes);
    assert_int_equal(open_image(image, &file, NULL), INGOT_OK);
    if (section)
        assert_string_equal(ingot_section_at(file, damages.list[0].section).name, section);
    else
        assert_int_equal(damages.list[0].section, UINT32_MAX);
    ingot_close(file);
}

static uint64_t data_at(const struct image *image, const char *name)
{
    return get_u64(image->bytes + record_at(image, name) + RECORD_DATA_OFF_OFF);
}

static uint64_t size_of(const struct image *image, const char *name)
{
    return get_u64(image->bytes + record_at(image, name) + RECORD_RAW_BYTES_OFF);
}

static void a_file_as_written_is_good_and_every_byte_is_counted(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    for (uint32_t n_threads = 0; n_threads < 4; n_threads++) {
        struct damages damages;
        struct ingot_verify_report report;
        assert_int_equal(verify(&image, n_threads, &damages, &report, NULL), INGOT_OK);
        assert_int_equal(report.bytes_checked, image.n);
        assert_int_equal(report.n_damaged, 0);
        assert_int_equal(report.n_sections, n_sample_tensors + 5);
    }
    free_image(&image);
}

/* The contract of the format: no byte may change unnoticed. */
static void no_single_byte_changes_unnoticed(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    for (uint64_t i = 0; i < image.n; i++) {
        uint8_t flips[] = { (uint8_t)(1u << i % 8), 0xff };
        for (size_t f = 0; f < sizeof flips; f++) {
            image.bytes[i] ^= flips[f];
            if (check_image(&image, NULL) == INGOT_OK)
                fail_msg("byte %llu changed by 0x%02x is not noticed", (unsigned long long)i, flips[f]);
            image.bytes[i] ^= flips[f];
        }
    }
    assert_int_equal(check_image(&image, NULL), INGOT_OK);
    free_image(&image);
}

static void damage_is_told_by_chunk(void **state)
{
    (void)state;
    uint64_t n = 2 * INGOT_CHUNK_BYTES + 1000;
    struct image image = make_sample(n);
    uint64_t at = data_at(&image, "large");
    static const uint64_t bytes[] = { INGOT_CHUNK_BYTES, INGOT_CHUNK_BYTES, 1000 };
    for (uint64_t chunk = 0; chunk < 3; chunk++) {
        uint8_t *last = image.bytes + at + chunk * INGOT_CHUNK_BYTES + bytes[chunk] - 1;
        *last ^= 1;
        expect_one_damage(&image, INGOT_E_DIGEST, "large", at + chunk * INGOT_CHUNK_BYTES, bytes[chunk]); /* [F-86] */
        *last ^= 1;
    }
    free_image(&image);
}

static void damages_are_reported_in_order_and_counted_by_section(void **state)
{
    (void)state;
    struct image image = make_sample(2 * INGOT_CHUNK_BYTES);
    uint64_t large = data_at(&image, "large"), v = data_at(&image, "v");
    image.bytes[large] ^= 1;
    image.bytes[large + INGOT_CHUNK_BYTES] ^= 1;
    image.bytes[v] ^= 1;
    image.bytes[SB_BYTES] = 1;
    for (uint32_t n_threads = 1; n_threads < 4; n_threads++) {
        struct damages damages;
        struct ingot_verify_report report;
        struct ingot_error err = { 0 };
        assert_int_equal(verify(&image, n_threads, &damages, &report, &err), INGOT_E_RESERVED);
        assert_int_equal(err.offset, SB_BYTES);
        assert_int_equal(report.n_damaged, 4);
        assert_int_equal(report.n_sections_damaged, 2);
        assert_int_equal(damages.list[1].off, v);
        assert_int_equal(damages.list[2].off, large);
        assert_int_equal(damages.list[3].off, large + INGOT_CHUNK_BYTES);
    }
    free_image(&image);
}

static void with_damaged_chunk_digests_sections_are_judged_as_a_whole(void **state)
{
    (void)state;
    struct image image = make_sample(2 * INGOT_CHUNK_BYTES);
    uint64_t chunks = data_at(&image, "@chunks"), large = data_at(&image, "large");
    image.bytes[chunks] ^= 1;
    expect_one_damage(&image, INGOT_E_DIGEST, "@chunks", chunks, size_of(&image, "@chunks")); /* [F-87] */
    image.bytes[large + INGOT_CHUNK_BYTES] ^= 1;
    struct damages damages;
    struct ingot_verify_report report;
    assert_int_equal(verify(&image, 2, &damages, &report, NULL), INGOT_E_DIGEST);
    assert_int_equal(damages.n, 2);
    assert_int_equal(damages.list[1].off, large);
    assert_int_equal(damages.list[1].bytes, 2 * INGOT_CHUNK_BYTES);
    free_image(&image);
}

static void a_digest_that_is_not_that_of_its_chunks_is_damage(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    image.bytes[record_at(&image, "v") + RECORD_DIGEST_OFF] ^= 1;
    seal_image(&image);
    struct damages damages;
    struct ingot_verify_report report;
    assert_int_equal(verify(&image, 1, &damages, &report, NULL), INGOT_E_DIGEST);
    assert_int_equal(damages.n, 2); /* the content id covers it too [F-88] */
    assert_int_equal(damages.list[0].off, SB_CONTENT_ID_OFF);
    assert_int_equal(damages.list[1].off, data_at(&image, "v")); /* [F-87] */
    free_image(&image);
}

static void a_content_id_that_is_not_that_of_the_content_is_damage(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    image.bytes[SB_CONTENT_ID_OFF + 3] ^= 1;
    seal_image(&image);
    expect_one_damage(&image, INGOT_E_DIGEST, NULL, SB_CONTENT_ID_OFF, 16); /* [F-88] */
    free_image(&image);
}

static void a_damaged_model_section_is_told_where_it_stands(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    uint64_t model = data_at(&image, "@model");
    image.bytes[model + 5] ^= 1;
    expect_one_damage(&image, INGOT_E_DIGEST, "@model", model, INGOT_HPARAMS_BYTES);
    free_image(&image);
}

static void slots_that_differ_are_told_at_the_one_not_in_use(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    image.bytes[100] ^= 1;
    expect_one_damage(&image, INGOT_E_SUPERBLOCK, NULL, 0, SB_BYTES); /* [F-80] */
    image.bytes[100] ^= 1;
    image.bytes[SB_SLOT_BYTES] ^= 1;
    expect_one_damage(&image, INGOT_E_SUPERBLOCK, NULL, SB_SLOT_BYTES, SB_BYTES);
    free_image(&image);
}

static void bytes_that_belong_to_nothing_must_be_zero(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    uint64_t end = data_at(&image, "c.scalar") + 8;
    image.bytes[end + 3] = 1;
    struct damages damages;
    struct ingot_verify_report report;
    assert_int_equal(verify(&image, 1, &damages, &report, NULL), INGOT_E_RESERVED); /* [F-82] */
    assert_int_equal(damages.n, 1);
    assert_int_equal(damages.list[0].off, end + 3);
    free_image(&image);
}

static void padding_of_panels_must_be_zero_even_if_the_digests_agree(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t element; /* that stands for no weight */
    } cases[] = {
        { "w.f32", 80 + 4 },                 /* outputs 20: second panel, input 0, lane 4 */
        { "w.f32", 80 + 79 },                /* its last input and lane */
        { "e.bf16", 1 * 64 + 2 },            /* outputs 17: second panel, lane 1 */
        { "e.bf16", 2 * 16 + 1 },            /* inputs 3: the fourth, lane 0 */
        { "e.bf16", (2 + 1) * 16 - 1 + 16 }, /* the same, lane 15 */
        { "f.f16", 5 },                      /* outputs 5: lane 5 */
        { "f.f16", 7 * 16 },                 /* inputs 7: the eighth, lane 0 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct image image = make_sample(0);
        uint64_t size = strcmp(cases[i].name, "w.f32") == 0 ? 4 : 2;
        uint64_t at = data_at(&image, cases[i].name) + cases[i].element * size;
        image.bytes[at] = 1;
        reseal_digests(&image);
        expect_one_damage(&image, INGOT_E_RESERVED, cases[i].name, at, 1); /* [F-83] */
        free_image(&image);
    }
}

static void padding_of_blocks_holds_level_0_and_scale_0(void **state)
{
    (void)state;
    enum { Q8 = QUANT_Q8_STEP_BYTES, Q4 = QUANT_Q4_STEP_BYTES };
    static const struct {
        const char *name;
        uint64_t at;
    } cases[] = {
        { "g.q8", 3 * 2 },               /* outputs 3: scale of lane 3 */
        { "g.q8", Q8 + 64 - 1 },         /* scale of lane 15, a block without inputs */
        { "g.q8", Q8 + 32 },             /* inputs 70: block 3 has none, lane 0 */
        { "g.q8", 64 + 3 * 4 },          /* input 0 of lane 3 */
        { "g.q8", Q8 - 1 },              /* input 63 of lane 15 */
        { "g.q8", Q8 + 64 + 64 + 2 },    /* input 70 of lane 0 */
        { "h.q4", Q4 + 2 },              /* outputs 17: scale of lane 1 of the second panel */
        { "h.q4", 64 + 64 + 4 * 5 + 1 }, /* inputs 9 and 13: the high half */
        { "h.q4", Q4 - 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct image image = make_sample(0);
        uint64_t at = data_at(&image, cases[i].name) + cases[i].at;
        image.bytes[at] ^= 0x10;
        reseal_digests(&image);
        expect_one_damage(&image, INGOT_E_RESERVED, cases[i].name, at, 1); /* [F-83] */
        free_image(&image);
    }
}

static void a_fresh_file_has_canonical_placement(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    uint64_t last = data_at(&image, "a.rows"), n = size_of(&image, "a.rows");
    struct image longer = { aligned_alloc(64, (image.n + 4096 + 63) & ~UINT64_C(63)), image.n + 4096 };
    assert_non_null(longer.bytes);
    memset(longer.bytes, 0, image.n + 4096);
    memcpy(longer.bytes, image.bytes, last);
    memcpy(longer.bytes + last + 4096, image.bytes + last, n);
    assert_int_equal(last + n, image.n); /* nothing stands behind it */
    uint64_t field = record_at(&longer, "a.rows") + RECORD_DATA_OFF_OFF;
    put_u64(longer.bytes + field, last + 4096);
    put_u64(longer.bytes + SB_FILE_BYTES_OFF, longer.n);
    seal_image(&longer);
    expect_one_damage(&longer, INGOT_E_RANGE, "a.rows", field, 8); /* [F-84] */
    put_u64(longer.bytes + SB_GENERATION_OFF, 2);                  /* an edit may leave room */
    seal_image(&longer);
    assert_int_equal(check_image(&longer, NULL), INGOT_OK);
    free_image(&longer);
    free_image(&image);
}

static void bytes_beyond_the_recorded_length_are_reported(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    uint64_t n = image.n;
    image.bytes[image.n++] = 0;
    expect_one_damage(&image, INGOT_E_TRUNCATED, NULL, n, 1); /* [F-85] */
    free_image(&image);
}

/* ------------------------------------------------------------------------------------------------------ progress */

struct watch {
    uint64_t last, total, calls, stop_after;
};

static void an_index_that_changes_behind_its_reader_is_told(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    struct ingot_error err = { 0 };
    struct ingot_file *file;
    uint64_t elems;
    assert_int_equal(open_image(&image, &file, NULL), INGOT_OK);
    image.bytes[record_at(&image, SAMPLE_TARGET) + RECORD_SHAPE_OFF] ^= 1;
    struct ingot_section section; /* a copy is what was checked, and what is seen */
    assert_true(ingot_find(file, SAMPLE_TARGET, &section));
    assert_true(ingot_shape_elems(section.rank, section.shape, &elems) && elems * 4 <= section.raw_bytes);
    assert_int_equal(ingot_verify(file, NULL, NULL, &err), INGOT_E_CHANGED);
    assert_int_equal(err.offset, index_at(&image));
    ingot_close(file);
    free_image(&image);
}

static bool watch(void *ctx, uint64_t done, uint64_t total)
{
    struct watch *w = ctx;
    assert_true(done >= w->last && done <= total);
    w->last = done;
    w->total = total;
    return ++w->calls != w->stop_after;
}

static void progress_never_goes_back_and_ends_at_the_total(void **state)
{
    (void)state;
    struct image image = make_sample(5 * INGOT_CHUNK_BYTES);
    struct ingot_file *file;
    assert_int_equal(open_image(&image, &file, NULL), INGOT_OK);
    struct watch w = { 0 };
    struct ingot_verify_options options = { .n_threads = 3, .progress = watch, .progress_ctx = &w };
    assert_int_equal(ingot_verify(file, &options, NULL, NULL), INGOT_OK);
    assert_true(w.calls > 5);
    assert_int_equal(w.last, w.total);
    ingot_close(file);
    free_image(&image);
}

static void a_callback_that_says_no_stops_the_work(void **state)
{
    (void)state;
    struct image image = make_sample(5 * INGOT_CHUNK_BYTES);
    struct ingot_file *file;
    struct ingot_error err = { 0 };
    assert_int_equal(open_image(&image, &file, NULL), INGOT_OK);
    struct watch w = { .stop_after = 2 };
    struct ingot_verify_options options = { .n_threads = 1, .progress = watch, .progress_ctx = &w };
    assert_int_equal(ingot_verify(file, &options, NULL, &err), INGOT_E_INTERRUPTED);
    assert_int_equal(err.status, INGOT_E_INTERRUPTED);
    assert_int_equal(w.calls, 2);
    ingot_close(file);
    free_image(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_as_written_is_good_and_every_byte_is_counted),
        cmocka_unit_test(no_single_byte_changes_unnoticed),
        cmocka_unit_test(damage_is_told_by_chunk),
        cmocka_unit_test(damages_are_reported_in_order_and_counted_by_section),
        cmocka_unit_test(with_damaged_chunk_digests_sections_are_judged_as_a_whole),
        cmocka_unit_test(a_digest_that_is_not_that_of_its_chunks_is_damage),
        cmocka_unit_test(a_content_id_that_is_not_that_of_the_content_is_damage),
        cmocka_unit_test(a_damaged_model_section_is_told_where_it_stands),
        cmocka_unit_test(slots_that_differ_are_told_at_the_one_not_in_use),
        cmocka_unit_test(bytes_that_belong_to_nothing_must_be_zero),
        cmocka_unit_test(padding_of_panels_must_be_zero_even_if_the_digests_agree),
        cmocka_unit_test(padding_of_blocks_holds_level_0_and_scale_0),
        cmocka_unit_test(a_fresh_file_has_canonical_placement),
        cmocka_unit_test(bytes_beyond_the_recorded_length_are_reported),
        cmocka_unit_test(an_index_that_changes_behind_its_reader_is_told),
        cmocka_unit_test(progress_never_goes_back_and_ends_at_the_total),
        cmocka_unit_test(a_callback_that_says_no_stops_the_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

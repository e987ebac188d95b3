/* The head of a GGUF file: every way to lie in it ends in the right status at the right offset. */
#include "tests/unit/gguf_fixture.h"

#define F32  0u
#define F16  1u
#define Q4_0 2u
#define Q8_0 8u

/* In memory that ends where the file ends: a sanitizer sees a read beyond it. */
static enum ingot_status parse(const struct gguf_image *im, size_t n, struct gguf_file *f, struct ingot_error *err)
{
    uint8_t *tight = malloc(n ? n : 1);
    if (n > 0) memcpy(tight, im->bytes, n);
    *err = (struct ingot_error){ 0 };
    enum ingot_status status = gguf_parse(tight, n, "t.gguf", "t.gguf", f, err);
    assert_int_equal(err->status, status);
    free(tight);
    return status;
}

/* Frees the image. `word`, if any, must be in the message. */
static void expect(struct gguf_image im, enum ingot_status status, uint64_t off, const char *word)
{
    struct gguf_file f;
    struct ingot_error err;
    assert_int_equal(parse(&im, im.n, &f, &err), status);
    if (status != INGOT_OK) {
        assert_int_equal(err.offset, off);
        assert_string_equal(err.subject, "t.gguf");
        if (word && !strstr(err.message, word)) fail_msg("\"%s\" is not in \"%s\"", word, err.message);
    }
    gguf_free(&f);
    gguf_free_image(&im);
}

/* ------------------------------------------------------------------------------------------------------ the header */

static void versions_2_and_3_without_anything_are_files(void **state)
{
    (void)state;
    expect(gguf_begin(2, 0, 0), INGOT_OK, 0, NULL);
    expect(gguf_begin(3, 0, 0), INGOT_OK, 0, NULL);
}

static void what_does_not_begin_with_the_magic_is_no_gguf(void **state)
{
    (void)state;
    struct gguf_image im = gguf_begin(3, 0, 0);
    im.bytes[3] = 'f';
    expect(im, INGOT_E_SOURCE, 0, "GGUF");
}

static void other_versions_and_big_endian_are_refused_by_name(void **state)
{
    (void)state;
    expect(gguf_begin(0, 0, 0), INGOT_E_UNSUPPORTED, 4, "version 0");
    expect(gguf_begin(1, 0, 0), INGOT_E_UNSUPPORTED, 4, "version 1");
    expect(gguf_begin(4, 0, 0), INGOT_E_UNSUPPORTED, 4, "version 4");
    expect(gguf_begin(0x03000000, 0, 0), INGOT_E_UNSUPPORTED, 4, "big-endian");
}

static void counts_that_do_not_fit_into_the_file_are_refused_before_anything_is_read(void **state)
{
    (void)state;
    expect(gguf_begin(3, 1, 0), INGOT_E_TRUNCATED, 8, "no room for 1 tensor in");
    expect(gguf_begin(3, 0, 1), INGOT_E_TRUNCATED, 16, "no room for 1 value in");
    expect(gguf_begin(3, 0, UINT64_MAX), INGOT_E_TRUNCATED, 16, NULL);
    expect(gguf_begin(3, INGOT_MAX_SECTIONS + 1, 0), INGOT_E_LIMIT, 8, "the limit is 1048576");
    expect(gguf_begin(3, UINT64_MAX, 0), INGOT_E_LIMIT, 8, NULL);
}

/* ------------------------------------------------------------------------------------------------------ the values */

static struct gguf_image one_value(void)
{
    return gguf_begin(3, 0, 1);
}

static void a_key_is_some_text_of_at_most_65535_bytes_without_nul(void **state)
{
    (void)state;
    struct gguf_image im = one_value();
    put_key_u32(&im, "", 0);
    put_32(&im, 0);
    expect(im, INGOT_E_SOURCE, GGUF_HEADER_BYTES, "a key is empty");

    static char longest[65537];
    memset(longest, 'k', 65536);
    im = one_value();
    put_key_u32(&im, longest, 0);
    expect(im, INGOT_E_LIMIT, GGUF_HEADER_BYTES, "65535");
    longest[65535] = '\0';
    im = one_value();
    put_key_u32(&im, longest, 0);
    expect(im, INGOT_OK, 0, NULL);

    im = one_value();
    put_key_u32(&im, "a.b", 0);
    im.bytes[GGUF_HEADER_BYTES + 9] = '\0';
    expect(im, INGOT_E_SOURCE, GGUF_HEADER_BYTES, "NUL");
}

static void a_key_stands_once(void **state)
{
    (void)state;
    struct gguf_image im = gguf_begin(3, 0, 4);
    put_key_u32(&im, "b", 1);
    put_key_u32(&im, "a", 2);
    put_key_u32(&im, "aa", 3);
    size_t second = im.n + 8;
    put_key_u32(&im, "b", 1);
    expect(im, INGOT_E_SOURCE, second, "the key b stands in the file twice");
}

static void a_type_beyond_the_13_is_refused_where_it_stands(void **state)
{
    (void)state;
    struct gguf_image im = one_value();
    put_text(&im, "k");
    size_t at = im.n;
    put_32(&im, GGUF_TYPE_COUNT);
    put_64(&im, 0);
    expect(im, INGOT_E_SOURCE, at, "unknown type 13");

    im = one_value();
    put_key(&im, "k", GGUF_ARRAY);
    at = im.n;
    put_32(&im, GGUF_TYPE_COUNT);
    put_64(&im, 0);
    expect(im, INGOT_E_SOURCE, at, "unknown type 13");
}

static void an_array_of_arrays_is_refused(void **state)
{
    (void)state;
    struct gguf_image im = one_value();
    put_key(&im, "k", GGUF_ARRAY);
    size_t at = im.n;
    put_32(&im, GGUF_ARRAY);
    put_64(&im, 1);
    put_32(&im, GGUF_U8);
    put_64(&im, 0);
    expect(im, INGOT_E_UNSUPPORTED, at, "array of arrays");
}

static void a_bool_is_0_or_1(void **state)
{
    (void)state;
    struct gguf_image im = one_value();
    put_key(&im, "long", GGUF_BOOL);
    size_t at = im.n;
    put_bytes(&im, "\2", 1);
    expect(im, INGOT_E_SOURCE, at, "neither true nor false, but 2");

    im = one_value();
    put_key_array(&im, "k", GGUF_BOOL, 3);
    put_bytes(&im, "\0\1\3", 3);
    expect(im, INGOT_E_SOURCE, im.n - 1, NULL);
}

static void a_string_ends_inside_the_file(void **state)
{
    (void)state;
    for (uint64_t n = 4;; n = UINT64_MAX) {
        struct gguf_image im = one_value();
        put_key(&im, "k", GGUF_STRING);
        size_t at = im.n;
        put_64(&im, n);
        put_bytes(&im, "abc", 3);
        expect(im, INGOT_E_TRUNCATED, at, "a string");
        if (n == UINT64_MAX) break;
    }
    struct gguf_image im = one_value();
    put_key_array(&im, "k", GGUF_STRING, 2);
    put_text(&im, "whole");
    size_t at = im.n;
    put_64(&im, 1);
    expect(im, INGOT_E_TRUNCATED, at, "a string");
}

static void an_array_ends_inside_the_file_however_many_elements_it_claims(void **state)
{
    (void)state;
    static const uint64_t counts[] = { 3, UINT64_C(1) << 61, (UINT64_C(1) << 61) + 1, UINT64_MAX };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct gguf_image im = one_value();
        put_key_array(&im, "k", GGUF_U64, counts[i]);
        size_t at = im.n;
        put_64(&im, 1);
        put_64(&im, 2);
        expect(im, INGOT_E_TRUNCATED, at, "a value");
    }
    struct gguf_image im = one_value();
    put_key_array(&im, "k", GGUF_STRING, UINT64_MAX);
    put_text(&im, "");
    expect(im, INGOT_E_TRUNCATED, im.n, "a string");
}

static void the_alignment_is_a_power_of_two_in_a_u32(void **state)
{
    (void)state;
    for (uint32_t alignment = 0; alignment <= 24; alignment += 12) {
        struct gguf_image im = one_value();
        put_key_u32(&im, "general.alignment", alignment);
        expect(im, INGOT_E_RANGE, im.n - 4, "no power of two");
    }
    struct gguf_image im = one_value();
    put_key(&im, "general.alignment", GGUF_U64);
    put_64(&im, 32);
    expect(im, INGOT_E_SOURCE, im.n - 8, "not a u32");
    im = one_value();
    put_key_array(&im, "general.alignment", GGUF_U32, 1);
    put_32(&im, 32);
    expect(im, INGOT_E_SOURCE, im.n - 4, "not a u32");
    im = one_value();
    put_key_u32(&im, "general.alignment", 1u << 31);
    expect(im, INGOT_OK, 0, NULL);
}

static void values_are_found_by_key_and_become_facts(void **state)
{
    (void)state;
    struct gguf_file f;
    struct ingot_error err = { 0 };
    struct ingot_fact fact;
    float third = 1.0f / 3.0f;
    double tenth = 0.1;
    struct gguf_image im = gguf_begin(3, 0, 8);
    put_key(&im, "i8", GGUF_I8);
    put_bytes(&im, "\x80", 1);
    put_key(&im, "u16", GGUF_U16);
    put_bytes(&im, "\xff\xff", 2);
    put_key(&im, "i16", GGUF_I16);
    put_bytes(&im, "\xff\xff", 2);
    put_key(&im, "f32", GGUF_F32);
    put_bytes(&im, &third, 4);
    put_key(&im, "f64", GGUF_F64);
    put_bytes(&im, &tenth, 8);
    put_key(&im, "most", GGUF_U64);
    put_64(&im, INT64_MAX);
    put_key(&im, "more", GGUF_U64);
    put_64(&im, UINT64_C(1) << 63);
    put_key_array(&im, "list", GGUF_U8, 1);
    put_bytes(&im, "x", 1);
    assert_int_equal(gguf_parse(im.bytes, im.n, "t", "t", &f, &err), INGOT_OK);

    assert_true(gguf_fact(gguf_find(&f, "i8"), &fact));
    assert_int_equal(fact.integer, -128);
    assert_true(gguf_fact(gguf_find(&f, "u16"), &fact));
    assert_int_equal(fact.integer, 65535);
    assert_true(gguf_fact(gguf_find(&f, "i16"), &fact));
    assert_int_equal(fact.integer, -1);
    assert_true(gguf_fact(gguf_find(&f, "f32"), &fact));
    assert_true(fact.type == INGOT_FACT_FLOAT && fact.number == (double)third);
    assert_true(gguf_fact(gguf_find(&f, "f64"), &fact));
    assert_true(fact.type == INGOT_FACT_FLOAT && fact.number == tenth);
    assert_true(gguf_fact(gguf_find(&f, "most"), &fact));
    assert_true(fact.type == INGOT_FACT_INT && fact.integer == INT64_MAX);
    assert_false(gguf_fact(gguf_find(&f, "more"), &fact));
    assert_false(gguf_fact(gguf_find(&f, "list"), &fact));
    assert_null(gguf_find(&f, "lis"));
    assert_null(gguf_find(&f, "list."));
    gguf_free(&f);
    gguf_free_image(&im);
}

/* ----------------------------------------------------------------------------------------------------- the tensors */

static struct gguf_image one_tensor(void)
{
    return gguf_begin(3, 1, 0);
}

static void a_tensors_shape_is_outermost_first_and_its_data_where_the_offset_says(void **state)
{
    (void)state;
    struct gguf_file f;
    struct ingot_error err = { 0 };
    struct gguf_image im = gguf_begin(2, 2, 1);
    put_key_u32(&im, "general.alignment", 8);
    put_matrix(&im, "a", 2, 3, F32, 24);
    put_matrix(&im, "b", 1, 64, Q4_0, 0);
    size_t data = put_data(&im, 8, 24 + 24);
    assert_int_equal(gguf_parse(im.bytes, im.n, "t", "t", &f, &err), INGOT_E_OVERLAP);
    im.n = data;
    im.bytes[GGUF_HEADER_BYTES + 8 + 17 + 4 + 4 + 8 + 1 + 4 + 16 + 4] = 40;
    put_data(&im, 8, 40 + 24);
    err = (struct ingot_error){ 0 };
    assert_int_equal(gguf_parse(im.bytes, im.n, "t", "t", &f, &err), INGOT_OK);
    assert_int_equal(f.n_tensors, 2);
    const struct ingot_source_tensor *a = &f.tensors[0], *b = &f.tensors[1];
    assert_string_equal(a->name, "a");
    assert_int_equal(a->rank, 2);
    assert_int_equal(a->shape[0], 2);
    assert_int_equal(a->shape[1], 3);
    assert_int_equal(a->scalar, INGOT_SCALAR_F32);
    assert_int_equal(a->n_bytes, 24);
    assert_int_equal(a->file_off, data + 40);
    assert_ptr_equal(a->data, im.bytes + data + 40);
    assert_string_equal(b->dtype_name, "Q4_0");
    assert_int_equal(b->scalar, INGOT_SCALAR_NONE);
    assert_int_equal(b->block->n_elems, 32);
    assert_int_equal(b->n_bytes, 36);
    assert_int_equal(b->file_off, data);
    gguf_free(&f);
    gguf_free_image(&im);
}

static void a_tensors_name_is_some_text_within_the_limit(void **state)
{
    (void)state;
    static char longest[INGOT_MAX_NAME + 2];
    struct gguf_image im = one_tensor();
    put_matrix(&im, "", 1, 1, F32, 0);
    put_data(&im, 32, 4);
    expect(im, INGOT_E_SOURCE, GGUF_HEADER_BYTES, "name is empty");
    memset(longest, 'n', INGOT_MAX_NAME + 1);
    im = one_tensor();
    put_matrix(&im, longest, 1, 1, F32, 0);
    put_data(&im, 32, 4);
    expect(im, INGOT_E_LIMIT, GGUF_HEADER_BYTES, "1024");
    im = one_tensor();
    put_matrix(&im, "abc", 1, 1, F32, 0);
    im.bytes[GGUF_HEADER_BYTES + 8] = '\0';
    put_data(&im, 32, 4);
    expect(im, INGOT_E_SOURCE, GGUF_HEADER_BYTES, "NUL");
}

static void more_than_four_dimensions_are_refused(void **state)
{
    (void)state;
    for (uint32_t rank = 4; rank <= 5; rank++) {
        struct gguf_image im = one_tensor();
        put_text(&im, "t");
        size_t at = im.n;
        put_32(&im, rank);
        for (uint32_t i = 0; i < rank; i++) put_64(&im, 1);
        put_32(&im, F32);
        put_64(&im, 0);
        put_data(&im, 32, 4);
        expect(im, rank == 4 ? INGOT_OK : INGOT_E_LIMIT, at, "5 dimensions");
    }
}

static void a_tensor_without_dimensions_has_one_element_and_no_block(void **state)
{
    (void)state;
    for (uint32_t type = F32; type <= Q4_0; type += Q4_0) {
        struct gguf_image im = one_tensor();
        put_text(&im, "t");
        put_32(&im, 0);
        size_t at = im.n;
        put_32(&im, type);
        put_64(&im, 0);
        put_data(&im, 32, 18);
        expect(im, type == F32 ? INGOT_OK : INGOT_E_SHAPE, at, "blocks of 32");
    }
}

static void encodings_that_are_unknown_or_removed_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        uint32_t type;
        const char *word;
    } cases[] = {
        { 4, "Q4_2" }, { 33, "Q4_0_8_8" }, { 36, "IQ4_NL_4_4" }, { 43, "encoding 43" }, { UINT32_MAX, "42949" }
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct gguf_image im = one_tensor();
        put_matrix(&im, "t", 1, 256, cases[i].type, 0);
        size_t at = im.n - 12;
        put_data(&im, 32, 1024);
        expect(im, INGOT_E_UNSUPPORTED, at, cases[i].word);
    }
}

static void an_encoding_that_is_not_decoded_is_listed_with_its_size(void **state)
{
    (void)state;
    struct gguf_file f;
    struct ingot_error err;
    struct gguf_image im = one_tensor();
    put_matrix(&im, "t", 2, 512, 16, 0);
    put_data(&im, 32, 264);
    assert_int_equal(parse(&im, im.n, &f, &err), INGOT_OK);
    assert_string_equal(f.tensors[0].dtype_name, "IQ2_XXS");
    assert_null(f.tensors[0].block);
    assert_int_equal(f.tensors[0].scalar, INGOT_SCALAR_NONE);
    assert_int_equal(f.tensors[0].n_bytes, 264);
    gguf_free(&f);
    gguf_free_image(&im);
}

static void a_row_is_a_whole_number_of_blocks(void **state)
{
    (void)state;
    struct gguf_image im = one_tensor();
    put_matrix(&im, "t", 32, 33, Q8_0, 0);
    size_t at = im.n - 12;
    put_data(&im, 32, 4096);
    expect(im, INGOT_E_SHAPE, at, "rows of 33");
}

static void a_shape_whose_product_overflows_is_refused_though_a_dimension_is_zero(void **state)
{
    (void)state;
    static const uint64_t shapes[][2] = { { UINT64_C(1) << 62, 4 }, { UINT64_C(1) << 32, UINT64_C(1) << 32 } };
    for (size_t i = 0; i < 2; i++) {
        struct gguf_image im = one_tensor();
        put_matrix(&im, "t", shapes[i][0], shapes[i][1], F32, 0);
        put_data(&im, 32, 64);
        expect(im, INGOT_E_SHAPE, GGUF_HEADER_BYTES, "overflows");
    }
    struct gguf_image im = one_tensor();
    put_text(&im, "t");
    put_32(&im, 3);
    for (int i = 0; i < 2; i++) put_64(&im, UINT64_C(1) << 32);
    put_64(&im, 0);
    put_32(&im, F32);
    put_64(&im, 0);
    put_data(&im, 32, 64);
    expect(im, INGOT_E_SHAPE, GGUF_HEADER_BYTES, "overflows");
}

static void an_offset_is_a_multiple_of_the_alignment(void **state)
{
    (void)state;
    struct gguf_image im = one_tensor();
    put_matrix(&im, "t", 1, 1, F32, 16);
    size_t at = im.n - 8;
    put_data(&im, 32, 64);
    expect(im, INGOT_E_RANGE, at, "offset 16 is no multiple of the alignment 32");
}

static void a_tensor_ends_inside_the_file(void **state)
{
    (void)state;
    static const uint64_t offsets[] = { 32, 64, UINT64_MAX - 31 };
    for (size_t i = 0; i < 3; i++) {
        struct gguf_image im = one_tensor();
        put_matrix(&im, "t", 1, 9, F32, offsets[i]);
        size_t at = im.n - 8;
        put_data(&im, 32, 67);
        expect(im, INGOT_E_TRUNCATED, at, "36 bytes");
    }
    struct gguf_image im = one_tensor();
    put_matrix(&im, "t", 1, 1, F32, 0);
    size_t at = im.n - 8;
    expect(im, INGOT_E_TRUNCATED, at, "which has 0");
}

static void two_tensors_do_not_share_bytes_but_empty_ones_lie_anywhere(void **state)
{
    (void)state;
    struct gguf_image im = gguf_begin(3, 2, 0);
    put_matrix(&im, "late", 1, 8, F32, 32);
    put_matrix(&im, "early", 1, 9, F32, 0);
    size_t data = put_data(&im, 32, 64);
    expect(im, INGOT_E_OVERLAP, data + 32, "late");

    im = gguf_begin(3, 3, 0);
    put_matrix(&im, "a", 1, 16, F32, 0);
    put_matrix(&im, "b", 1, 0, F32, 32);
    put_matrix(&im, "c", 0, 4, F32, 64);
    put_data(&im, 32, 64);
    expect(im, INGOT_OK, 0, NULL);
}

/* ------------------------------------------------------------------------------------------------------ everything */

static void every_prefix_of_a_file_is_refused(void **state)
{
    (void)state;
    struct gguf_file f;
    struct ingot_error err;
    struct gguf_image im = gguf_begin(3, 2, 3);
    put_key_u32(&im, "n", 1);
    put_key_array(&im, "list", GGUF_STRING, 2);
    put_text(&im, "one");
    put_text(&im, "two");
    put_key_text(&im, "text", "some text");
    put_matrix(&im, "a", 2, 3, F16, 0);
    put_matrix(&im, "b", 2, 32, Q8_0, 32);
    put_data(&im, 32, 32 + 68);
    assert_int_equal(parse(&im, im.n, &f, &err), INGOT_OK);
    gguf_free(&f);
    for (size_t n = im.n; n-- > 0;) {
        assert_int_equal(parse(&im, n, &f, &err), INGOT_E_TRUNCATED);
        assert_true(err.offset <= n);
        assert_null(f.tensors);
    }
    gguf_free_image(&im);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_2_and_3_without_anything_are_files),
        cmocka_unit_test(what_does_not_begin_with_the_magic_is_no_gguf),
        cmocka_unit_test(other_versions_and_big_endian_are_refused_by_name),
        cmocka_unit_test(counts_that_do_not_fit_into_the_file_are_refused_before_anything_is_read),
        cmocka_unit_test(a_key_is_some_text_of_at_most_65535_bytes_without_nul),
        cmocka_unit_test(a_key_stands_once),
        cmocka_unit_test(a_type_beyond_the_13_is_refused_where_it_stands),
        cmocka_unit_test(an_array_of_arrays_is_refused),
        cmocka_unit_test(a_bool_is_0_or_1),
        cmocka_unit_test(a_string_ends_inside_the_file),
        cmocka_unit_test(an_array_ends_inside_the_file_however_many_elements_it_claims),
        cmocka_unit_test(the_alignment_is_a_power_of_two_in_a_u32),
        cmocka_unit_test(values_are_found_by_key_and_become_facts),
        cmocka_unit_test(a_tensors_shape_is_outermost_first_and_its_data_where_the_offset_says),
        cmocka_unit_test(a_tensors_name_is_some_text_within_the_limit),
        cmocka_unit_test(more_than_four_dimensions_are_refused),
        cmocka_unit_test(a_tensor_without_dimensions_has_one_element_and_no_block),
        cmocka_unit_test(encodings_that_are_unknown_or_removed_are_refused_by_name),
        cmocka_unit_test(an_encoding_that_is_not_decoded_is_listed_with_its_size),
        cmocka_unit_test(a_row_is_a_whole_number_of_blocks),
        cmocka_unit_test(a_shape_whose_product_overflows_is_refused_though_a_dimension_is_zero),
        cmocka_unit_test(an_offset_is_a_multiple_of_the_alignment),
        cmocka_unit_test(a_tensor_ends_inside_the_file),
        cmocka_unit_test(two_tensors_do_not_share_bytes_but_empty_ones_lie_anywhere),
        cmocka_unit_test(every_prefix_of_a_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_values.c - elements of every kind as text, and slices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "inspect/slice.h"
#include "inspect/values.h"

/* ---------------------------------------------------------------------------------------------------- text */

struct spelled {
    enum ingot_scalar scalar;
    const char *bytes; /* 16 at most, little-endian */
    const char *exact, *brief, *json;
};

static const struct spelled elements[] = {
    { INGOT_SCALAR_BOOL, "\0", "false", "false", "false" },
    { INGOT_SCALAR_BOOL, "\x07", "true", "true", "true" },
    { INGOT_SCALAR_U8, "\xff", "255", "255", "255" },
    { INGOT_SCALAR_I8, "\x80", "-128", "-128", "-128" },
    { INGOT_SCALAR_I8, "\x7f", "127", "127", "127" },
    { INGOT_SCALAR_U16, "\xff\xff", "65535", "65535", "65535" },
    { INGOT_SCALAR_I16, "\x00\x80", "-32768", "-32768", "-32768" },
    { INGOT_SCALAR_U32, "\xff\xff\xff\xff", "4294967295", "4294967295", "4294967295" },
    { INGOT_SCALAR_I32, "\x00\x00\x00\x80", "-2147483648", "-2147483648", "-2147483648" },
    { INGOT_SCALAR_U64, "\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615", "18446744073709551615",
      "18446744073709551615" },
    { INGOT_SCALAR_I64, "\x00\x00\x00\x00\x00\x00\x00\x80", "-9223372036854775808", "-9223372036854775808",
      "-9223372036854775808" },
    { INGOT_SCALAR_I64, "\x01\x00\x00\x00\x00\x00\x20\x00", "9007199254740993", "9007199254740993",
      "9007199254740993" },
    { INGOT_SCALAR_F8_E4M3, "\x38", "1", "1", "1.0" },
    { INGOT_SCALAR_F8_E4M3, "\x7e", "448", "448", "448.0" },
    { INGOT_SCALAR_F8_E4M3, "\x01", "0.001953125", "0.00195312", "0.001953125" },
    { INGOT_SCALAR_F8_E4M3, "\x88", "-0.015625", "-0.015625", "-0.015625" },
    { INGOT_SCALAR_F8_E4M3, "\x80", "-0", "-0", "-0.0" },
    { INGOT_SCALAR_F8_E4M3, "\x7f", "nan", "nan", "\"nan\"" },
    { INGOT_SCALAR_F8_E5M2, "\x7b", "57344", "57344", "57344.0" },
    { INGOT_SCALAR_F8_E5M2, "\xfc", "-inf", "-inf", "\"-inf\"" },
    { INGOT_SCALAR_F8_E5M2, "\x01", "1.5258789e-05", "1.52588e-05", "1.5258789e-05" },
    { INGOT_SCALAR_F16, "\x66\x2e", "0.099975586", "0.0999756", "0.099975586" },
    { INGOT_SCALAR_F16, "\x00\x7c", "inf", "inf", "\"inf\"" },
    { INGOT_SCALAR_BF16, "\xcd\x3d", "0.100097656", "0.100098", "0.100097656" },
    { INGOT_SCALAR_F32, "\xcd\xcc\xcc\x3d", "0.1", "0.1", "0.1" },
    { INGOT_SCALAR_F32, "\xff\xff\x7f\x7f", "3.4028235e+38", "3.40282e+38", "3.4028235e+38" },
    { INGOT_SCALAR_F32, "\x00\x00\xc0\xff", "nan", "nan", "\"nan\"" },
    { INGOT_SCALAR_F32, "\x00\x00\x00\x4b", "8388608", "8.38861e+06", "8388608.0" },
    { INGOT_SCALAR_F64, "\x9a\x99\x99\x99\x99\x99\xb9\x3f", "0.1", "0.1", "0.1" },
    { INGOT_SCALAR_F64, "\x33\x33\x33\x33\x33\x33\xd3\x3f", "0.3", "0.3", "0.3" },
    { INGOT_SCALAR_F64, "\x34\x33\x33\x33\x33\x33\xd3\x3f", "0.30000000000000004", "0.3", "0.30000000000000004" },
    { INGOT_SCALAR_C64, "\x00\x00\xc0\x3f\x00\x00\x00\xc0", "1.5-2j", "1.5-2j", "[1.5,-2.0]" },
    { INGOT_SCALAR_C64, "\x00\x00\xc0\x7f\x00\x00\x80\x7f", "nan+infj", "nan+infj", "[\"nan\",\"inf\"]" },
    { INGOT_SCALAR_C128, "\x9a\x99\x99\x99\x99\x99\xb9\x3f\x00\x00\x00\x00\x00\x00\xf0\x3f", "0.1+1j", "0.1+1j",
      "[0.1,1.0]" },
};

static void every_kind_of_element_has_its_text(void **state)
{
    char text[VALUES_TEXT_MAX], unaligned[17];
    (void)state;
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++) {
        const struct spelled *e = &elements[i];
        memcpy(unaligned + 1, e->bytes, ingot_scalar_info(e->scalar)->bytes);
        assert_int_equal(values_text(e->scalar, unaligned + 1, VALUES_EXACT, text), strlen(e->exact));
        assert_string_equal(text, e->exact);
        assert_int_equal(values_text(e->scalar, unaligned + 1, VALUES_BRIEF, text), strlen(e->brief));
        assert_string_equal(text, e->brief);
        assert_int_equal(values_text(e->scalar, unaligned + 1, VALUES_JSON, text), strlen(e->json));
        assert_string_equal(text, e->json);
    }
}

static void any_float_reads_back(void **state)
{
    char text[VALUES_TEXT_MAX];
    uint64_t bits = 88172645463325252u; /* xorshift64 */
    (void)state;
    for (int i = 0; i < 20000; i++) {
        double wide, wide_back;
        float narrow, narrow_back;
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        memcpy(&wide, &bits, sizeof wide);
        memcpy(&narrow, &bits, sizeof narrow);
        values_text(INGOT_SCALAR_F64, &wide, VALUES_EXACT, text);
        wide_back = strtod(text, NULL);
        if (wide == wide) assert_memory_equal(&wide_back, &wide, sizeof wide);
        values_text(INGOT_SCALAR_F32, &narrow, VALUES_EXACT, text);
        narrow_back = strtof(text, NULL);
        if (narrow == narrow) assert_memory_equal(&narrow_back, &narrow, sizeof narrow);
    }
}

static void the_longest_text_fits(void **state)
{
    double pair[2] = { -1.2345678901234567e-300, -1.2345678901234567e-300 };
    char text[VALUES_TEXT_MAX];
    (void)state;
    assert_in_range(values_text(INGOT_SCALAR_C128, pair, VALUES_JSON, text), 1, VALUES_TEXT_MAX - 1);
    assert_int_equal(text[strlen(text) - 1], ']');
}

/* -------------------------------------------------------------------------------------------------- slices */

static const uint64_t shape[] = { 3, 4, 5 };

static struct slice parse(const char *text)
{
    struct slice s = slice_whole(3, shape);
    struct ingot_error err = { 0 };
    if (slice_parse(text, "t", &s, &err) != INGOT_OK) fail_msg("%s: %s", text, err.message);
    return s;
}

/* The slice's elements, by their row-major numbers, are those that three loops give. */
static void assert_elements(const struct slice *s, uint64_t max)
{
    uint64_t at = 0, first = 0, left = 0;
    for (uint64_t i = 0; i < s->count[0]; i++)
        for (uint64_t j = 0; j < s->count[1]; j++)
            for (uint64_t k = 0; k < s->count[2]; k++, at++, first++, left--) {
                if (left == 0) left = slice_piece(s, at, max, &first);
                assert_in_range(left, 1, max);
                const uint64_t row = (s->begin[0] + i * s->step[0]) * 4 + s->begin[1] + j * s->step[1];
                assert_int_equal(first, row * 5 + s->begin[2] + k * s->step[2]);
            }
    assert_int_equal(at, s->n_elems);
    assert_int_equal(left, 0);
}

static void the_pieces_of_a_slice_are_its_elements_in_order(void **state)
{
    static const char *const texts[] = { "[:]",        "[1]",           "[1:]",         "[:2,1]",        "[:,1:3]",
                                         "[:,:,2]",    "[-1,-2,-3]",    "[0:3,0:4,1:]", "[ 1 : 2 , : ]", "[0:100,-2:]",
                                         "[:,:1,0:5]", "[-100:2,3:4]",  "[::2]",        "[:,1::2,::3]",  "[2:3:9,::1]",
                                         "[..., ::2]", "[1,...,1:4:2]", "[...]" };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (uint64_t max = 1; max < 70; max += 7) {
            struct slice s = parse(texts[i]);
            assert_elements(&s, max);
        }
}

static void an_index_takes_its_dimension_away(void **state)
{
    (void)state;
    struct slice s = parse("[1, 2:4]");
    assert_int_equal(s.out_rank, 2);
    assert_int_equal(s.out_shape[0], 2);
    assert_int_equal(s.out_shape[1], 5);
    assert_int_equal(s.begin[0], 1);
    assert_int_equal(s.begin[1], 2);
    s = parse("[..., 2]");
    assert_int_equal(s.out_rank, 2);
    assert_int_equal(s.out_shape[1], 4);
    s = parse("[1, ..., 1, 1]");
    assert_int_equal(s.out_rank, 0);
    s = parse("[-1, -1, -1]");
    assert_int_equal(s.out_rank, 0);
    assert_int_equal(s.n_elems, 1);
}

static void a_range_is_cut_to_the_shape(void **state)
{
    (void)state;
    struct slice s = parse("[1:99999999999999999999999999, -9:2]");
    assert_int_equal(s.count[0], 2);
    assert_int_equal(s.begin[1], 0);
    assert_int_equal(s.count[1], 2);
    s = parse("[0:3:2, ::99999999999999999999999, 4:0:2]");
    assert_int_equal(s.count[0], 2);
    assert_int_equal(s.count[1], 1);
    assert_int_equal(s.count[2], 0);
    s = parse("[2:1]");
    assert_int_equal(s.n_elems, 0);
    assert_int_equal(s.out_rank, 3);
}

static void what_is_no_slice_is_refused(void **state)
{
    static const char *const texts[] = { "[]",           "[x]",
                                         "[1",           "[1;2]",
                                         "[::0]",        "[::-1]",
                                         "[,]",          "[1,]",
                                         "[--1]",        "[1 2]",
                                         "[3]",          "[-4]",
                                         "[0,0,5]",      "[0,0,0,0]",
                                         "[0]]",         "[1.5]",
                                         "[...,...]",    "[0x1]",
                                         "[:,:,:,]",     "[0,0,0,0,...]",
                                         "[..]",         "[99999999999999999999]",
                                         "[...,0,0,0,0]" };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct slice s = slice_whole(3, shape);
        struct ingot_error err = { 0 };
        if (slice_parse(texts[i], "t", &s, &err) != INGOT_E_ARGUMENT) fail_msg("%s was read", texts[i]);
        assert_string_equal(err.subject, "t");
    }
}

static void a_shape_whose_product_overflows_beside_a_zero_is_empty(void **state)
{
    static const uint64_t large[] = { UINT64_MAX, 0, UINT64_MAX };
    (void)state;
    struct slice s = slice_whole(3, large);
    assert_int_equal(s.n_elems, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_element_has_its_text),
        cmocka_unit_test(any_float_reads_back),
        cmocka_unit_test(the_longest_text_fits),
        cmocka_unit_test(the_pieces_of_a_slice_are_its_elements_in_order),
        cmocka_unit_test(an_index_takes_its_dimension_away),
        cmocka_unit_test(a_range_is_cut_to_the_shape),
        cmocka_unit_test(what_is_no_slice_is_refused),
        cmocka_unit_test(a_shape_whose_product_overflows_beside_a_zero_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_unsnap.c - what Google's library compresses comes back, and of anything else what that library makes of it. */
#include "convert/unsnap.h"

#include <setjmp.h>
#include <snappy-c.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Of all that this cursor has, into memory of just that size, which sanitizers watch. */
static bool undo(const uint8_t *packed, size_t n_packed, const uint8_t *expected, size_t n)
{
    struct cursor c = { .p = packed, .left = n_packed };
    if (unsnap_length(&c) != n || c.bad) return false;
    uint8_t *made = malloc(n ? n : 1);
    const bool good = unsnap(&c, made, n);
    if (good && expected) assert_memory_equal(made, expected, n);
    free(made);
    return good;
}

static uint32_t next(uint32_t *state)
{
    return *state = *state * 1664525u + 1013904223u;
}

/* Bytes of a few kinds in runs: literals and copies of all lengths, near and far. */
static uint8_t *text_of(size_t n, uint32_t seed)
{
    uint8_t *text = malloc(n ? n : 1);
    for (size_t i = 0; i < n;) {
        const size_t run = 1 + (next(&seed) >> 24), back = 1 + (next(&seed) >> 8) % (i + 1);
        const bool copied = next(&seed) >> 31;
        for (size_t end = i + run < n ? i + run : n; i < end; i++)
            text[i] = copied && back <= i ? text[i - back] : (uint8_t)(next(&seed) >> 24);
    }
    return text;
}

static uint8_t *pack(const uint8_t *text, size_t n, size_t *n_packed)
{
    *n_packed = snappy_max_compressed_length(n);
    uint8_t *packed = malloc(*n_packed);
    assert_int_equal(snappy_compress((const char *)text, n, (char *)packed, n_packed), SNAPPY_OK);
    return packed;
}

static void what_the_library_compresses_comes_back(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 59, 60, 61, 255, 256, 257, 4096, 65535, 65536, 200000 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n_packed;
        uint8_t *text = text_of(sizes[i], (uint32_t)i + 1), *packed = pack(text, sizes[i], &n_packed);
        assert_true(undo(packed, n_packed, text, sizes[i]));
        if (sizes[i] > 0) assert_false(undo(packed, n_packed - 1, NULL, sizes[i]));
        free(text);
        free(packed);
    }
}

/* Damaged in any byte, it is refused where the library refuses it, and else it is the same bytes. */
static void the_library_agrees_about_what_is_damaged(void **state)
{
    (void)state;
    enum { N = 3000, N_TRIES = 20000 };
    size_t n_packed, n_good = 0;
    uint8_t *text = text_of(N, 7), *packed = pack(text, N, &n_packed), *theirs = malloc(N);
    uint32_t random = 1;
    for (int i = 0; i < N_TRIES; i++) {
        const size_t at = 2 + (next(&random) >> 8) % (n_packed - 2);
        const uint8_t was = packed[at];
        size_t n = N;
        packed[at] = (uint8_t)(next(&random) >> 24);
        const bool good = snappy_uncompress((const char *)packed, n_packed, (char *)theirs, &n) == SNAPPY_OK;
        assert_int_equal(undo(packed, n_packed, theirs, N), good);
        packed[at] = was;
        n_good += good;
    }
    assert_true(n_good > 0 && n_good < N_TRIES);
    free(text);
    free(packed);
    free(theirs);
}

static void every_element_is_read_and_every_lie_refused(void **state)
{
    (void)state;
    static const uint8_t far[] = { 5, 0, 'x', 15, 1, 0, 0, 0 }, longest[] = { 2, 63 << 2, 1, 0, 0, 0, 'a', 'b' },
                         nothing[] = { 0 }, from_before[] = { 5, 0, 'x', 15, 2, 0, 0, 0 },
                         from_itself[] = { 5, 0, 'x', 15, 0, 0, 0, 0 }, too_long[] = { 4, 0, 'x', 15, 1, 0, 0, 0 },
                         too_short[] = { 6, 0, 'x', 15, 1, 0, 0, 0 }, no_offset[] = { 5, 0, 'x', 15, 1, 0, 0 },
                         no_literal[] = { 1, 63 << 2, 0xFF, 0xFF, 0xFF, 0xFF, 'a' };
    assert_true(undo(nothing, sizeof nothing, NULL, 0));
    assert_true(undo(longest, sizeof longest, (const uint8_t *)"ab", 2));
    assert_true(undo(far, sizeof far, (const uint8_t *)"xxxxx", 5));
    assert_false(undo(from_before, sizeof from_before, NULL, 5));
    assert_false(undo(from_itself, sizeof from_itself, NULL, 5));
    assert_false(undo(too_long, sizeof too_long, NULL, 4));
    assert_false(undo(too_short, sizeof too_short, NULL, 6));
    assert_false(undo(no_offset, sizeof no_offset, NULL, 5));
    assert_false(undo(no_literal, sizeof no_literal, NULL, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_library_compresses_comes_back),
        cmocka_unit_test(the_library_agrees_about_what_is_damaged),
        cmocka_unit_test(every_element_is_read_and_every_lie_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The XXH3 of the independent reader, written from the algorithm, is the library's: at every length where its cases
 * change and far beyond. */
#include "spec/decoder/xxh3.h"
#include "format/ingot_format.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

#define LONGEST ((size_t)(5 << 20) + 3)

static int make_bytes(void **state)
{
    uint8_t *bytes = malloc(LONGEST);
    if (!bytes) return -1;
    uint64_t x = 88172645463325252u;
    for (size_t i = 0; i < LONGEST; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        bytes[i] = (uint8_t)(x >> 32);
    }
    *state = bytes;
    return 0;
}

static int free_bytes(void **state)
{
    free(*state);
    return 0;
}

static void compare(const uint8_t *bytes, size_t n)
{
    struct ingot_digest expected = ingot_hash128(bytes, n);
    struct xxh3_128 found = xxh3_128(bytes, n);
    assert_int_equal(xxh3_64(bytes, n), ingot_hash64(bytes, n));
    assert_int_equal(found.lo, expected.lo);
    assert_int_equal(found.hi, expected.hi);
}

static void every_length_to_5000_agrees(void **state)
{
    for (size_t n = 0; n <= 5000; n++) compare(*state, n);
}

static void unaligned_bytes_agree(void **state)
{
    for (size_t at = 1; at < 8; at++)
        for (size_t n = 0; n <= 300; n++) compare((const uint8_t *)*state + at, n);
}

static void chunks_and_more_agree(void **state)
{
    compare(*state, (size_t)4 << 20);
    compare(*state, LONGEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_to_5000_agrees),
        cmocka_unit_test(unaligned_bytes_agree),
        cmocka_unit_test(chunks_and_more_agree),
    };
    return cmocka_run_group_tests(tests, make_bytes, free_bytes);
}

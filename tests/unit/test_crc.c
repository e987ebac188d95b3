/* test_crc.c - both checksums against published vectors, and every variant against the definition. */
#include "format/simd/cpu.h"
#include "format/simd/crc.h"
#include "tests/unit/skip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ONES UINT32_C(0xFFFFFFFF)

static const enum crc_polynomial both[] = { CRC_32, CRC_32C };

static void fill(uint8_t *bytes, size_t n)
{
    uint32_t v = 1;
    for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)((v = v * 1664525u + 1013904223u) >> 24);
}

static void digits_one_to_nine_have_the_published_check_values(void **state)
{
    (void)state;
    assert_int_equal(crc_of(CRC_32, "123456789", 9), 0xCBF43926);
    assert_int_equal(crc_of(CRC_32C, "123456789", 9), 0xE3069283);
    assert_int_equal(crc_by_definition(CRC_32, "123456789", 9), 0xCBF43926);
    assert_int_equal(crc_by_definition(CRC_32C, "123456789", 9), 0xE3069283);
    assert_int_equal(crc_of(CRC_32, "", 0), 0);
    assert_int_equal(crc_of(CRC_32C, "", 0), 0);
}

/* RFC 3720, B.4: the numbers there are the four bytes of the checksum in order. */
static void the_vectors_of_iscsi_hold(void **state)
{
    (void)state;
    static const uint8_t read_command[48] = {
        0x01, 0xC0, [16] = 0x14, [22] = 0x04, [27] = 0x14, [31] = 0x18, 0x28, [40] = 0x02
    };
    uint8_t bytes[32];
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(crc_of(CRC_32C, bytes, 32), 0x8A9136AA);
    memset(bytes, 0xFF, sizeof bytes);
    assert_int_equal(crc_of(CRC_32C, bytes, 32), 0x62A8AB43);
    for (uint8_t i = 0; i < 32; i++) bytes[i] = i;
    assert_int_equal(crc_of(CRC_32C, bytes, 32), 0x46DD794E);
    for (uint8_t i = 0; i < 32; i++) bytes[i] = (uint8_t)(31 - i);
    assert_int_equal(crc_of(CRC_32C, bytes, 32), 0x113FDB5C);
    assert_int_equal(crc_of(CRC_32C, read_command, 48), 0xD9963A56);
}

/* Bytes in a block of exactly their size, so that a sanitizer sees a read beyond them. */
static void compare(crc_advance_fn *advance, size_t n, size_t misaligned)
{
    uint8_t *block = malloc(misaligned + n + 1), *bytes = realloc(block, misaligned + n ? misaligned + n : 1);
    assert_non_null(bytes);
    fill(bytes, misaligned + n);
    for (size_t i = 0; i < 2; i++) {
        const uint32_t expected = crc_advance_bits(both[i], ONES, bytes + misaligned, n);
        assert_int_equal(advance(both[i], ONES, bytes + misaligned, n), expected);
        assert_int_equal(~crc_of(both[i], bytes + misaligned, n), expected);
    }
    free(bytes);
}

static void compare_lengths(crc_advance_fn *advance)
{
    for (size_t n = 0; n <= 300; n++)
        for (size_t misaligned = 0; misaligned < 16; misaligned++) compare(advance, n, misaligned);
    for (size_t n = 1000; n <= 1100; n++) compare(advance, n, n % 16);
    compare(advance, 100003, 3);
}

static void the_table_says_what_the_definition_says(void **state)
{
    (void)state;
    compare_lengths(crc_advance_table);
}

static void folding_says_what_the_definition_says(void **state)
{
    (void)state;
#if defined(__x86_64__)
    if (!cpu_detect().clmul) SKIP("no PCLMULQDQ");
    compare_lengths(crc_advance_clmul);
#else
    SKIP("no PCLMULQDQ");
#endif
}

static void the_checksums_of_pieces_join_to_that_of_the_whole(void **state)
{
    (void)state;
    uint8_t bytes[1500];
    fill(bytes, sizeof bytes);
    for (size_t i = 0; i < 2; i++)
        for (size_t n = 0; n <= sizeof bytes; n += 7) {
            const uint32_t of_a = crc_of(both[i], bytes, n), of_b = crc_of(both[i], bytes + n, sizeof bytes - n);
            assert_int_equal(crc_join(both[i], of_a, of_b, sizeof bytes - n), crc_of(both[i], bytes, sizeof bytes));
        }
}

/* 2^40 zero bytes, put together from halves, take as long as forty joins. */
static void a_join_takes_lengths_beyond_32_bits(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        uint32_t zeros = crc_of(both[i], "", 1);
        for (uint32_t bit = 0; bit < 40; bit++) zeros = crc_join(both[i], zeros, zeros, UINT64_C(1) << bit);
        const uint32_t empty = 0;
        assert_int_equal(crc_join(both[i], empty, zeros, UINT64_C(1) << 40), zeros);
        assert_int_equal(crc_join(both[i], zeros, empty, 0), zeros);
        const uint32_t a = crc_join(both[i], 0x12345678, zeros, UINT64_C(1) << 40);
        uint32_t steps = 0x12345678;
        uint32_t half = crc_of(both[i], "", 1);
        for (uint32_t bit = 0; bit < 39; bit++) half = crc_join(both[i], half, half, UINT64_C(1) << bit);
        for (int k = 0; k < 2; k++) steps = crc_join(both[i], steps, half, UINT64_C(1) << 39);
        assert_int_equal(a, steps);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digits_one_to_nine_have_the_published_check_values),
        cmocka_unit_test(the_vectors_of_iscsi_hold),
        cmocka_unit_test(the_table_says_what_the_definition_says),
        cmocka_unit_test(folding_says_what_the_definition_says),
        cmocka_unit_test(the_checksums_of_pieces_join_to_that_of_the_whole),
        cmocka_unit_test(a_join_takes_lengths_beyond_32_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

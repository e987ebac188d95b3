/* test_hashes.c - digests of spans are those of the format, however the work is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "format/digest.h"
#include "inspect/hashes.h"

#define N_BYTES (2 * INGOT_CHUNK_BYTES + 12345)

static struct file_map make_map(void)
{
    uint8_t *bytes = malloc(N_BYTES);
    uint32_t x = 1;
    for (size_t i = 0; i < N_BYTES; i++) bytes[i] = (uint8_t)((x = x * 1664525u + 1013904223u) >> 24);
    return (struct file_map){ .bytes = bytes, .size = N_BYTES };
}

static void spans_have_the_digests_of_sections_and_files(void **state)
{
    (void)state;
    struct file_map map = make_map();
    const struct hash_span spans[] = {
        { &map, 0, N_BYTES, true },
        { &map, 0, 0, false },
        { &map, 1, N_BYTES - 1, false },
        { &map, 7, 0, true },
        { NULL, 0, 0, false },
        { &map, 3, 1, false },
        { &map, 0, INGOT_CHUNK_BYTES, false },
        { &map, N_BYTES - 9, 9, false },
    };
    for (uint32_t threads = 1; threads <= 5; threads += 4) {
        struct ingot_digest out[8] = { 0 };
        struct hash_options how = { .n_threads = threads };
        assert_int_equal(hash_spans(spans, 8, &how, out, NULL), INGOT_OK);
        for (size_t i = 0; i < 8; i++) {
            const uint8_t *at = spans[i].map ? map.bytes + spans[i].off : (const uint8_t *)"";
            struct ingot_digest want =
                spans[i].plain ? ingot_hash128(at, spans[i].n_bytes) : section_digest(at, spans[i].n_bytes);
            assert_true(digest_equal(out[i], want));
        }
    }
    free((void *)(uintptr_t)map.bytes);
}

static bool stop(void *ctx, uint64_t done, uint64_t total)
{
    (void)total;
    *(uint64_t *)ctx = done;
    return false;
}

static void a_stopped_hash_is_interrupted_after_one_chunk(void **state)
{
    struct file_map map = make_map();
    uint64_t done = 0;
    struct hash_options how = { .n_threads = 1, .progress = stop, .progress_ctx = &done };
    (void)state;
    for (int plain = 0; plain < 2; plain++) {
        const struct hash_span span = { &map, 0, N_BYTES, plain };
        struct ingot_digest out = { 0 };
        struct ingot_error err = { 0 };
        assert_int_equal(hash_spans(&span, 1, &how, &out, &err), INGOT_E_INTERRUPTED);
        assert_int_equal(done, INGOT_CHUNK_BYTES);
    }
    free((void *)(uintptr_t)map.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_have_the_digests_of_sections_and_files),
        cmocka_unit_test(a_stopped_hash_is_interrupted_after_one_chunk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What quantised blocks mean: against gguf-py's decoders bit for bit, and a few by hand. */
#include "tests/unit/checkpoint_fixture.h"

#include "convert/blocks.h"

#define EVERY_TYPE "tests/models/gguf/every-type.gguf"

static struct ingot_source *open_every_type(void)
{
    const char *root = getenv("INGOT_ROOT");
    struct ingot_source *src;
    struct ingot_error err = { 0 };
    if (ingot_source_open(fixture_path(root ? root : ".", EVERY_TYPE), &src, &err) != INGOT_OK)
        fail_msg("%s", err.message);
    return src;
}

static bool find(const struct ingot_source *src, const char *name, struct ingot_source_tensor *out)
{
    for (size_t i = 0; i < ingot_source_count(src); i++) {
        *out = ingot_source_at(src, i);
        if (strcmp(out->name, name) == 0) return true;
    }
    return false;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Equal bits; that something is no number has many spellings, and Python's need not be ours. */
static void assert_same_bits(const char *name, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bits_of(a[i]) != bits_of(b[i]) && !(isnan(a[i]) && isnan(b[i])))
            fail_msg("%s, element %zu: %a, expected %a", name, i, (double)a[i], (double)b[i]);
}

static void every_encoding_that_is_decoded_gives_the_bits_of_gguf_py(void **state)
{
    (void)state;
    struct ingot_source *src = open_every_type();
    size_t n_compared = 0;
    for (uint32_t type = 0; type < 64; type++) {
        const struct ingot_block *block = block_find(type);
        char values[32];
        struct ingot_source_tensor t = { 0 }, v = { 0 };
        if (!block || !block->decode) continue;
        snprintf(values, sizeof values, "%s.values", block->name);
        assert_true(find(src, block->name, &t) && find(src, values, &v));
        assert_ptr_equal(t.block, block);
        size_t n = t.shape[0] * t.shape[1];
        float *found = malloc(n * sizeof *found), *expected = malloc(n * sizeof *expected);
        ingot_source_gather(&t, 0, n, found);
        ingot_source_gather(&v, 0, n, expected);
        assert_same_bits(block->name, found, expected, n);
        free(found);
        free(expected);
        n_compared++;
    }
    assert_int_equal(n_compared, 14);
    ingot_source_close(src);
}

static void any_range_of_elements_is_decoded_alike_wherever_blocks_begin(void **state)
{
    (void)state;
    static const char *const names[] = { "Q5_1", "Q6_K" };
    struct ingot_source *src = open_every_type();
    for (size_t k = 0; k < 2; k++) {
        struct ingot_source_tensor t = { 0 };
        float whole[1536], part[1536];
        assert_true(find(src, names[k], &t));
        uint64_t n = t.shape[0] * t.shape[1];
        ingot_source_gather(&t, 0, n, whole);
        for (uint64_t first = 0; first < n; first += 13)
            for (uint64_t length = 1; first + length <= n; length = 3 * length + 1) {
                ingot_source_gather(&t, first, length, part);
                assert_same_bits(names[k], part, whole + first, length);
            }
    }
    ingot_source_close(src);
}

static void an_encoding_is_found_by_its_number_and_has_its_name_and_size(void **state)
{
    (void)state;
    assert_string_equal(block_find(2)->name, "Q4_0");
    assert_int_equal(block_find(2)->n_bytes, 18);
    assert_string_equal(block_find(14)->name, "Q6_K");
    assert_int_equal(block_find(14)->n_elems, 256);
    assert_int_equal(block_find(14)->n_bytes, 210);
    assert_null(block_find(9)->decode);
    for (uint32_t type = 0; type < 64; type++) assert_true(!block_find(type) || block_find(type)->gguf_type == type);
    assert_null(block_find(0));
    assert_null(block_find(1));
    assert_null(block_find(4));
    assert_null(block_find(30));
    assert_null(block_find(43));
}

static void the_quanta_of_a_small_block_stand_for_themselves(void **state)
{
    (void)state;
    uint8_t b[34] = { 0x00, 0x38 }; /* a scale of 1/2 */
    float out[32];
    for (unsigned i = 0; i < 32; i++) b[2 + i] = (uint8_t)(i - 16);
    block_find(8)->decode(b, out);
    for (int i = 0; i < 32; i++) assert_true(out[i] == 0.5f * (float)(i - 16));
    for (unsigned i = 0; i < 16; i++) b[2 + i] = (uint8_t)(i | (15 - i) << 4);
    block_find(2)->decode(b, out);
    for (int i = 0; i < 16; i++) {
        assert_true(out[i] == 0.5f * (float)(i - 8));
        assert_true(out[i + 16] == 0.5f * (float)(7 - i));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_encoding_that_is_decoded_gives_the_bits_of_gguf_py),
        cmocka_unit_test(any_range_of_elements_is_decoded_alike_wherever_blocks_begin),
        cmocka_unit_test(an_encoding_is_found_by_its_number_and_has_its_name_and_size),
        cmocka_unit_test(the_quanta_of_a_small_block_stand_for_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

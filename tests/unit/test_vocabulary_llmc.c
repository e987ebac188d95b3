/* llm.c's tokenizer lists tokens alone: their order must give back the merges, or the token that has none is named. */
#include "tests/unit/skip.h"
#include "tests/unit/vocab_fixture.h"

#include "convert/llmc.h"
#include "format/bytes.h"
#include "format/disk.h"

static const char *const lines[] = { "h e", "l l", "he ll", "hell o", "Ġ w", "Ġw o", "\\ \"", "Ċ Ċ" };
static const struct vocab_merges merges = { lines, sizeof lines / sizeof *lines };
#define N_VOCAB   265u
#define USUAL     "gpt2_tokenizer.bin"
#define MAX_BYTES (1u << 20)

/* A tokenizer file as it is being put together. */
struct image {
    uint8_t *bytes;
    size_t n;
};

static struct image image_begin(uint32_t version, uint32_t n_tokens, uint32_t eot)
{
    struct image im = { calloc(1, MAX_BYTES), LLMC_HEADER_BYTES };
    const uint32_t header[] = { LLMC_TOKENIZER_MAGIC, version, n_tokens, version == 1 ? 0 : eot };
    for (size_t i = 0; i < 4; i++) put_u32(im.bytes + 4 * i, header[i]);
    return im;
}

/* Returns where the token stands. */
static uint64_t image_add(struct image *im, const void *token, size_t n)
{
    uint64_t at = im->n;
    assert_true(n < 256 && im->n + 1 + n <= MAX_BYTES);
    im->bytes[im->n] = (uint8_t)n;
    memcpy(im->bytes + im->n + 1, token, n);
    im->n += 1 + n;
    return at;
}

static void image_add_bytes(struct image *im)
{
    for (unsigned b = 0; b < 256; b++) image_add(im, &(uint8_t){ (uint8_t)b }, 1);
}

/* The tokens of a section, as llm.c's script writes them. */
static struct image image_of_section(const uint8_t *section, uint32_t version)
{
    uint32_t n = get_u32(section + VOCAB_N_TOKENS_OFF);
    const uint8_t *ends = section + get_u64(section + VOCAB_PIECES_OFF_OFF);
    const uint8_t *text = section + get_u64(section + VOCAB_TEXT_OFF_OFF);
    struct image im = image_begin(version, n, get_u32(section + VOCAB_EOT_OFF));
    for (uint32_t id = 0; id < n; id++) {
        uint32_t begin = get_u32(ends + 4 * (size_t)id), end = get_u32(ends + 4 * (size_t)id + 4);
        image_add(&im, text + begin, end - begin);
    }
    return im;
}

static struct image image_of_fixture(uint32_t version)
{
    size_t n;
    uint8_t *section = vocab_section(merges, &n);
    struct image im = image_of_section(section, version);
    free(section);
    return im;
}

/* Builds from the file under `name`; frees the image. */
static enum ingot_status build(struct image im, const char *name, uint32_t n_vocab, struct vocabulary *v,
                               struct ingot_error *err)
{
    char *directory = fixture_directory();
    *err = (struct ingot_error){ 0 };
    fixture_write(directory, name, im.bytes, im.n);
    enum ingot_status status = vocabulary_build(directory, n_vocab, v, err);
    fixture_remove(directory);
    free(im.bytes);
    return status;
}

static void expect_section(struct image im, const char *name, const uint8_t *section, size_t n)
{
    struct vocabulary v;
    struct ingot_error err;
    uint32_t n_vocab = get_u32(section + VOCAB_N_TOKENS_OFF);
    if (build(im, name, n_vocab, &v, &err) != INGOT_OK) fail_msg("%s: %s", err.subject, err.message);
    assert_int_equal(v.n_bytes, n);
    assert_memory_equal(v.bytes, section, n);
    assert_int_equal(v.n_files, 1);
    assert_string_equal(v.files[0]->base, name);
    vocabulary_free(&v);
}

static void refuse(struct image im, enum ingot_status status, uint64_t offset, const char *said)
{
    struct vocabulary v;
    struct ingot_error err;
    enum ingot_status found = build(im, USUAL, N_VOCAB, &v, &err);
    if (found != status || !strstr(err.message, said)) fail_msg("%d, not %d: %s", found, status, err.message);
    assert_int_equal(err.offset, offset);
    assert_null(v.bytes);
    assert_int_equal(v.n_files, 0);
}

/* -------------------------------------------------------------------------------------------------- what is read */

static void the_merges_come_back_from_the_order_of_the_tokens(void **state)
{
    (void)state;
    size_t n;
    uint8_t *section = vocab_section(merges, &n);
    expect_section(image_of_fixture(1), USUAL, section, n);
    expect_section(image_of_fixture(2), USUAL, section, n);
    free(section);
}

/* "abcd" is ab + cd, "abc" comes later: merging from the left alone, or by tokens of higher rank, would go wrong. */
static void a_token_is_split_by_the_merges_below_it_only(void **state)
{
    (void)state;
    static const char *const tricky[] = { "c d", "a b", "b c", "ab cd", "ab c", "a a", "aa a", "aa aa", "aa aaa" };
    const struct vocab_merges m = { tricky, sizeof tricky / sizeof *tricky };
    size_t n;
    uint8_t *section = vocab_section(m, &n);
    expect_section(image_of_section(section, 2), USUAL, section, n);
    free(section);
}

static void a_token_may_have_255_bytes(void **state)
{
    (void)state;
    char a[256];
    memset(a, 'a', sizeof a);
    struct image im = image_begin(2, 256 + 254 + 1, 256 + 254);
    image_add_bytes(&im);
    for (size_t n = 2; n < 256; n++) image_add(&im, a, n);
    image_add(&im, EOT, strlen(EOT));
    struct vocabulary v;
    struct ingot_error err;
    if (build(im, USUAL, 511, &v, &err) != INGOT_OK) fail_msg("%s", err.message);
    assert_int_equal(get_u32(v.bytes + VOCAB_N_MERGES_OFF), 254);
    assert_int_equal(get_u32(v.bytes + VOCAB_MAX_PIECE_OFF), 255);
    vocabulary_free(&v);
}

static void the_file_may_have_another_name_that_ends_in_tokenizer(void **state)
{
    (void)state;
    size_t n;
    uint8_t *section = vocab_section(merges, &n);
    expect_section(image_of_fixture(2), "tiny_tokenizer.bin", section, n);
    free(section);
}

static void a_file_of_that_name_without_the_magic_is_no_tokenizer(void **state)
{
    (void)state;
    struct vocabulary v;
    struct ingot_error err;
    struct image im = image_of_fixture(2);
    im.bytes[0] ^= 1;
    assert_int_equal(build(im, "tiny_tokenizer.bin", N_VOCAB, &v, &err), INGOT_OK);
    assert_null(v.bytes);
}

static void of_two_tokenizers_the_usual_name_is_meant_or_neither(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    struct vocabulary v;
    struct ingot_error err = { 0 };
    struct image im = image_of_fixture(2);
    fixture_write(directory, "a_tokenizer.bin", im.bytes, im.n);
    fixture_write(directory, "b_tokenizer.bin", im.bytes, im.n);
    assert_int_equal(vocabulary_build(directory, N_VOCAB, &v, &err), INGOT_E_SOURCE);
    assert_non_null(strstr(err.message, "2 tokenizers of llm.c"));
    fixture_write(directory, USUAL, im.bytes, im.n);
    assert_int_equal(vocabulary_build(directory, N_VOCAB, &v, NULL), INGOT_OK);
    assert_string_equal(v.files[0]->base, USUAL);
    vocabulary_free(&v);
    free(im.bytes);
    fixture_remove(directory);
}

static void a_pair_that_has_merges_comes_before_a_file_that_has_none(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    struct vocabulary v;
    struct image im = image_of_fixture(2);
    fixture_write(directory, USUAL, im.bytes, im.n);
    vocab_write_text(directory, "vocab.json", vocab_map(merges));
    vocab_write_text(directory, "merges.txt", vocab_lines(merges, "\n"));
    assert_int_equal(vocabulary_build(directory, N_VOCAB, &v, NULL), INGOT_OK);
    assert_int_equal(v.n_files, 2);
    vocabulary_free(&v);
    free(im.bytes);
    fixture_remove(directory);
}

static void the_tiny_model_has_the_same_section_from_every_spelling(void **state)
{
    (void)state;
    struct vocabulary v;
    size_t n;
    uint8_t *section = vocab_section_of(vocab_root_path("tests/models/foreign/hf"), 277, &n);
    assert_non_null(section);
    assert_int_equal(vocabulary_build(vocab_root_path("tests/models/foreign/llmc"), 277, &v, NULL), INGOT_OK);
    assert_int_equal(v.n_bytes, n);
    assert_memory_equal(v.bytes, section, n);
    vocabulary_free(&v);
    free(section);
}

static void the_released_tokens_give_back_the_50000_released_merges(void **state)
{
    (void)state;
    size_t n;
    uint8_t *section = vocab_section_of(vocab_root_path("../shared/corpus/gpt2-tokenizer"), 50257, &n);
    if (!section) SKIP("no corpus");
    assert_int_equal(get_u32(section + VOCAB_N_MERGES_OFF), 50000);
    expect_section(image_of_section(section, 1), USUAL, section, n);
    expect_section(image_of_section(section, 2), USUAL, section, n);
    free(section);
}

/* ----------------------------------------------------------------------------------------------- what is refused */

static struct image with(size_t off, uint32_t value)
{
    struct image im = image_of_fixture(2);
    put_u32(im.bytes + off, value);
    return im;
}

static void a_header_that_lies_is_refused_where_it_lies(void **state)
{
    (void)state;
    refuse(with(0, LLMC_MAGIC), INGOT_E_SOURCE, 0, "expected 20240328");
    refuse(with(4, 0), INGOT_E_UNSUPPORTED, 4, "version 0 ");
    refuse(with(4, 3), INGOT_E_UNSUPPORTED, 4, "version 3 ");
    refuse(with(8, LIMIT_N_VOCAB + 1), INGOT_E_LIMIT, 8, "16777217 tokens");
    refuse(with(12, N_VOCAB), INGOT_E_SOURCE, 12, "the end of text is token 265 of 265");
}

static void every_prefix_is_truncated_at_the_token_that_it_cuts(void **state)
{
    (void)state;
    struct image whole = image_of_fixture(2);
    uint64_t token = LLMC_HEADER_BYTES; /* the one that a prefix of n bytes cuts */
    for (size_t n = LLMC_HEADER_BYTES - 1; n < whole.n; n++) {
        struct image im = { malloc(n), n };
        memcpy(im.bytes, whole.bytes, n);
        if (n > token + whole.bytes[token]) token += 1 + (uint64_t)whole.bytes[token];
        refuse(im, INGOT_E_TRUNCATED, n < LLMC_HEADER_BYTES ? n : token, n < LLMC_HEADER_BYTES ? "header" : "inside");
    }
    free(whole.bytes);
}

static void bytes_behind_the_last_token_are_refused(void **state)
{
    (void)state;
    struct image im = image_of_fixture(2);
    uint64_t end = im.n++;
    refuse(im, INGOT_E_SOURCE, end, "1 byte behind the last of 265 tokens");
}

static void a_token_that_no_two_before_it_make_is_named(void **state)
{
    (void)state;
    struct image im = image_begin(2, 259, 258);
    image_add_bytes(&im);
    image_add(&im, "he", 2);
    uint64_t at = image_add(&im, "hell", 4);
    image_add(&im, EOT, strlen(EOT));
    refuse(im, INGOT_E_UNSUPPORTED, at, "token 257, \"hell\"");
}

static void a_token_with_a_higher_id_makes_none(void **state)
{
    (void)state;
    struct image im = image_begin(2, 259, 258);
    image_add_bytes(&im);
    uint64_t at = image_add(&im, "the", 3);
    image_add(&im, "th", 2);
    image_add(&im, EOT, strlen(EOT));
    refuse(im, INGOT_E_UNSUPPORTED, at, "token 256, \"the\"");
}

/* A special token is matched as a whole: no text is merged into it, nor from it. */
static void a_special_token_makes_none(void **state)
{
    (void)state;
    struct image im = image_begin(2, 258, 256);
    image_add_bytes(&im);
    image_add(&im, "th", 2);
    uint64_t at = image_add(&im, "the", 3);
    refuse(im, INGOT_E_UNSUPPORTED, at, "token 257, \"the\"");
}

static void an_empty_token_a_double_one_and_a_missing_byte_are_refused(void **state)
{
    (void)state;
    struct image im = image_begin(1, 257, 0);
    image_add_bytes(&im);
    uint64_t at = image_add(&im, "", 0);
    refuse(im, INGOT_E_VOCABULARY, at, "token 256 is empty");
    im = image_begin(1, 257, 0);
    image_add_bytes(&im);
    image_add(&im, "a", 1);
    refuse(im, INGOT_E_VOCABULARY, INGOT_NO_OFFSET, "given twice, as 97 and 256");
    im = image_begin(1, 1, 0);
    image_add(&im, "a", 1);
    refuse(im, INGOT_E_VOCABULARY, INGOT_NO_OFFSET, "no token for the byte 0x00");
}

static void more_tokens_than_the_model_has_are_refused(void **state)
{
    (void)state;
    struct vocabulary v;
    struct ingot_error err;
    assert_int_equal(build(image_of_fixture(2), USUAL, N_VOCAB - 1, &v, &err), INGOT_E_VOCABULARY);
    assert_non_null(strstr(err.message, "has id 264; the model has 264 tokens"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_merges_come_back_from_the_order_of_the_tokens),
        cmocka_unit_test(a_token_is_split_by_the_merges_below_it_only),
        cmocka_unit_test(a_token_may_have_255_bytes),
        cmocka_unit_test(the_file_may_have_another_name_that_ends_in_tokenizer),
        cmocka_unit_test(a_file_of_that_name_without_the_magic_is_no_tokenizer),
        cmocka_unit_test(of_two_tokenizers_the_usual_name_is_meant_or_neither),
        cmocka_unit_test(a_pair_that_has_merges_comes_before_a_file_that_has_none),
        cmocka_unit_test(the_tiny_model_has_the_same_section_from_every_spelling),
        cmocka_unit_test(the_released_tokens_give_back_the_50000_released_merges),
        cmocka_unit_test(a_header_that_lies_is_refused_where_it_lies),
        cmocka_unit_test(every_prefix_is_truncated_at_the_token_that_it_cuts),
        cmocka_unit_test(bytes_behind_the_last_token_are_refused),
        cmocka_unit_test(a_token_that_no_two_before_it_make_is_named),
        cmocka_unit_test(a_token_with_a_higher_id_makes_none),
        cmocka_unit_test(a_special_token_makes_none),
        cmocka_unit_test(an_empty_token_a_double_one_and_a_missing_byte_are_refused),
        cmocka_unit_test(more_tokens_than_the_model_has_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

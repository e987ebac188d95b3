/* test_format_types.c - words, sizes, hyper-parameters, checksums: the leaves of the format. */
#include "format/error.h"
#include "format/ingot_format.h"
#include "format/layout.h"
#include "format/simd/cpu.h"
#include "format/simd/hash.h"
#include "tests/unit/format_fixture.h"
#include "tests/unit/skip.h"

#include "format/bytes.h"

#include <math.h>

static void every_status_has_a_word_of_its_own(void **state)
{
    (void)state;
    static const int statuses[] = { 0,   100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110,
                                    111, 112, 113, 114, 115, 116, 200, 201, 202, 203, 204, 205,
                                    206, 207, 300, 301, 302, 303, 304, 305, 400, 401, 402 };
    size_t n = sizeof statuses / sizeof statuses[0];
    for (size_t i = 0; i < n; i++) {
        const char *name = ingot_status_name((enum ingot_status)statuses[i]);
        assert_string_not_equal(name, "?");
        for (size_t j = 0; j < i; j++) assert_string_not_equal(name, ingot_status_name((enum ingot_status)statuses[j]));
    }
    assert_string_equal(ingot_status_name((enum ingot_status)999), "?");
    assert_string_equal(ingot_status_name(INGOT_E_TRUNCATED), "truncated");
}

static void dtypes_are_found_by_their_names(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 4, 2, 2, 8, 1, 1, 4, 8 };
    for (enum ingot_dtype d = INGOT_F32; d <= INGOT_I64; d++) {
        enum ingot_dtype found = INGOT_DTYPE_NONE;
        assert_true(ingot_dtype_parse(ingot_dtype_name(d), &found));
        assert_int_equal(found, d);
        assert_int_equal(ingot_dtype_size(d), sizes[d]);
    }
    enum ingot_dtype untouched = INGOT_I8;
    assert_false(ingot_dtype_parse("none", &untouched));
    assert_false(ingot_dtype_parse("F32", &untouched));
    assert_false(ingot_dtype_parse("", &untouched));
    assert_int_equal(untouched, INGOT_I8);
    assert_int_equal(ingot_dtype_size(INGOT_DTYPE_NONE), 0);
    assert_int_equal(ingot_dtype_size((enum ingot_dtype)9), 0);
    assert_int_equal(ingot_dtype_size((enum ingot_dtype)UINT32_MAX), 0);
    assert_string_equal(ingot_dtype_name((enum ingot_dtype)UINT32_MAX), "?");
    assert_string_equal(ingot_layout_name(INGOT_PANEL16), "panel16");
    assert_string_equal(ingot_layout_name((enum ingot_layout)2), "?");
    assert_string_equal(ingot_kind_name(INGOT_KIND_PROVENANCE), "provenance");
    assert_string_equal(ingot_kind_name((enum ingot_kind)0), "?");
}

struct size_case {
    enum ingot_dtype dtype;
    enum ingot_layout layout;
    uint32_t rank;
    uint64_t shape[INGOT_MAX_RANK];
    uint64_t bytes;
};

static void each_kind_that_is_no_tensor_has_a_name_of_its_own(void **state)
{
    (void)state;
    static const char *const names[] = { "@model", "@chunks", "@vocabulary", "@metadata", "@recipe", "@provenance" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) assert_true(is_reserved_name(names[i]));
    assert_false(is_reserved_name("@models"));
    assert_false(is_reserved_name("tensor"));
    assert_false(is_reserved_name(""));
    assert_null(kind_reserved_name(INGOT_KIND_TENSOR));
    assert_null(kind_reserved_name((enum ingot_kind)9));
}

static void panels_are_for_five_dtypes(void **state)
{
    (void)state;
    static const enum ingot_dtype dtypes[] = { INGOT_F32, INGOT_F16, INGOT_BF16, INGOT_Q8, INGOT_Q4 };
    unsigned n = 0;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) assert_true(dtype_has_panels(dtypes[i]));
    for (unsigned code = 0; code < 300; code++) n += dtype_has_panels((enum ingot_dtype)code);
    assert_int_equal(n, 5);
}

static void sizes_count_the_padding_of_panels(void **state)
{
    (void)state;
    static const struct size_case cases[] = {
        { INGOT_F64, INGOT_ROWS, 0, { 0 }, 8 },
        { INGOT_I8, INGOT_ROWS, 8, { 2, 2, 2, 2, 2, 2, 2, 2 }, 256 },
        { INGOT_F32, INGOT_ROWS, 2, { 3, 5 }, 60 },
        { INGOT_F32, INGOT_ROWS, 2, { 0, 5 }, 0 },
        { INGOT_F32, INGOT_PANEL16, 2, { 1, 1 }, 64 },
        { INGOT_F32, INGOT_PANEL16, 2, { 17, 3 }, 2 * 3 * 64 },
        { INGOT_F16, INGOT_PANEL16, 2, { 16, 1 }, 64 },
        { INGOT_F16, INGOT_PANEL16, 2, { 17, 3 }, 2 * 4 * 32 },
        { INGOT_BF16, INGOT_PANEL16, 2, { 33, 2 }, 3 * 2 * 32 },
        { INGOT_BF16, INGOT_PANEL16, 2, { 0, 2 }, 0 },
        { INGOT_BF16, INGOT_PANEL16, 2, { 2, 0 }, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct size_case *c = &cases[i];
        uint64_t bytes = 1;
        assert_true(ingot_layout_bytes(c->dtype, c->layout, c->rank, c->shape, &bytes));
        assert_int_equal(bytes, c->bytes);
    }
}

static void what_does_not_fit_has_no_size_and_a_zero_hides_nothing(void **state)
{
    (void)state;
    const uint64_t big = UINT64_C(1) << 32;
    const struct size_case cases[] = {
        { INGOT_F32, INGOT_ROWS, 2, { big, big }, 0 },
        { INGOT_I8, INGOT_ROWS, 3, { 0, big, big }, 0 },
        { INGOT_I8, INGOT_ROWS, 3, { big, big, 0 }, 0 },
        { INGOT_F32, INGOT_ROWS, 1, { UINT64_MAX / 4 + 1 }, 0 },
        { INGOT_I8, INGOT_ROWS, 9, { 1 }, 0 },
        { INGOT_F32, INGOT_PANEL16, 2, { UINT64_MAX, 1 }, 0 },
        { INGOT_F16, INGOT_PANEL16, 2, { 1, UINT64_MAX }, 0 },
        { INGOT_F16, INGOT_PANEL16, 2, { 0, UINT64_MAX }, 0 },
        { INGOT_F32, INGOT_PANEL16, 1, { 16 }, 0 },
        { INGOT_F32, INGOT_PANEL16, 3, { 16, 1, 1 }, 0 },
        { INGOT_F64, INGOT_PANEL16, 2, { 16, 16 }, 0 },
        { INGOT_I8, INGOT_PANEL16, 2, { 16, 16 }, 0 },
        { INGOT_DTYPE_NONE, INGOT_ROWS, 1, { 1 }, 0 },
        { (enum ingot_dtype)9, INGOT_ROWS, 1, { 1 }, 0 },
        { INGOT_F32, (enum ingot_layout)2, 2, { 16, 16 }, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct size_case *c = &cases[i];
        uint64_t bytes = 77;
        assert_false(ingot_layout_bytes(c->dtype, c->layout, c->rank, c->shape, &bytes));
        assert_int_equal(bytes, 77);
    }
    uint64_t elems;
    assert_true(ingot_shape_elems(0, NULL, &elems));
    assert_int_equal(elems, 1);
    assert_false(ingot_shape_elems(3, (uint64_t[]){ big, 0, big }, &elems));
}

static void chunks_cut_a_section_without_rest(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {
        0, 1, INGOT_CHUNK_BYTES - 1, INGOT_CHUNK_BYTES, INGOT_CHUNK_BYTES + 1, UINT64_MAX
    };
    assert_int_equal(chunk_count(0), 0);
    for (size_t i = 1; i < 6; i++) {
        uint64_t n = chunk_count(sizes[i]), last = chunk_bytes(sizes[i], n - 1);
        assert_true(last >= 1 && last <= INGOT_CHUNK_BYTES);
        assert_true((n - 1) * INGOT_CHUNK_BYTES + last == sizes[i]);
    }
}

/* ---------------------------------------------------------------------------------------------- hyper-parameters */

static struct ingot_hparams gpt2(void)
{
    return (struct ingot_hparams){ .n_layer = 12,
                                   .n_head = 12,
                                   .n_embd = 768,
                                   .n_inner = 3072,
                                   .n_ctx = 1024,
                                   .n_vocab = 50257,
                                   .n_vocab_stored = 50304,
                                   .activation = INGOT_GELU_ERF,
                                   .attention_flags = INGOT_ATTN_SCALE | INGOT_ATTN_SCALE_BY_LAYER,
                                   .layer_norm_epsilon = 1e-5f };
}

static void expect_hparams(struct ingot_hparams hp, enum ingot_status status, const char *word)
{
    struct ingot_error err = { 0 };
    assert_int_equal(ingot_hparams_check(&hp, "config.json", &err), status);
    if (status == INGOT_OK) return;
    assert_string_equal(err.subject, "config.json");
    assert_non_null(strstr(err.message, word));
    assert_true(err.offset == INGOT_NO_OFFSET);
}

static void hyper_parameters_that_contradict_each_other_are_named(void **state)
{
    (void)state;
    struct ingot_hparams hp = gpt2();
    expect_hparams(hp, INGOT_OK, "");
    uint32_t *counts[] = {
        &hp.n_layer, &hp.n_head, &hp.n_embd, &hp.n_inner, &hp.n_ctx, &hp.n_vocab, &hp.n_vocab_stored
    };
    const char *names[] = { "n_layer", "n_head", "n_embd", "n_inner", "n_ctx", "n_vocab", "n_vocab_stored" };
    for (size_t i = 0; i < 7; i++) {
        uint32_t kept = *counts[i];
        *counts[i] = 0;
        expect_hparams(hp, INGOT_E_MODEL, names[i]);
        *counts[i] = UINT32_MAX;
        expect_hparams(hp, INGOT_E_LIMIT, names[i]);
        *counts[i] = kept;
    }
    hp = gpt2(), hp.n_head = 11;
    expect_hparams(hp, INGOT_E_MODEL, "n_head");
    hp = gpt2(), hp.n_vocab = 50305;
    expect_hparams(hp, INGOT_E_MODEL, "n_vocab");
    hp = gpt2(), hp.activation = (enum ingot_activation)3;
    expect_hparams(hp, INGOT_E_MODEL, "activation");
    hp = gpt2(), hp.attention_flags = 4;
    expect_hparams(hp, INGOT_E_MODEL, "attention");
    const float epsilons[] = { 0, -1e-5f, INFINITY, NAN };
    for (size_t i = 0; i < 4; i++) {
        hp = gpt2(), hp.layer_norm_epsilon = epsilons[i];
        expect_hparams(hp, INGOT_E_MODEL, "epsilon");
    }
}

/* Patches @model of a sample and reads it. */
static enum ingot_status read_patched(uint32_t off, uint32_t value, struct ingot_error *err)
{
    struct image image = make_sample(0);
    uint64_t at = get_u64(image.bytes + record_at(&image, "@model") + RECORD_DATA_OFF_OFF);
    struct ingot_file *file;
    struct ingot_hparams hp;
    put_u32(image.bytes + at + off, value);
    assert_int_equal(open_image(&image, &file, NULL), INGOT_OK);
    enum ingot_status status = ingot_hparams_read(file, &hp, err);
    if (status != INGOT_OK && err->offset != INGOT_NO_OFFSET) err->offset -= at;
    ingot_close(file);
    free_image(&image);
    return status;
}

static void a_bad_field_of_the_model_section_is_told_at_its_byte(void **state)
{
    (void)state;
    static const struct {
        uint32_t off, value;
        enum ingot_status status;
        uint32_t at;
    } cases[] = {
        { MODEL_ARCH_OFF, 2, INGOT_E_UNSUPPORTED, MODEL_ARCH_OFF },
        { MODEL_N_LAYER_OFF, 0, INGOT_E_MODEL, MODEL_N_LAYER_OFF },
        { MODEL_N_CTX_OFF, LIMIT_N_CTX + 1, INGOT_E_LIMIT, MODEL_N_CTX_OFF },
        { MODEL_N_HEAD_OFF, 5, INGOT_E_MODEL, MODEL_N_HEAD_OFF },
        { MODEL_N_VOCAB_OFF, 17, INGOT_E_MODEL, MODEL_N_VOCAB_OFF },
        { MODEL_ACTIVATION_OFF, 0, INGOT_E_MODEL, MODEL_ACTIVATION_OFF },
        { MODEL_ATTENTION_OFF, 8, INGOT_E_MODEL, MODEL_ATTENTION_OFF },
        { MODEL_EPSILON_OFF, 0x7F800000, INGOT_E_MODEL, MODEL_EPSILON_OFF },
        { 44, 0x100, INGOT_E_RESERVED, 45 },
        { 60, 0x01000000, INGOT_E_RESERVED, 63 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ingot_error err = { 0 };
        assert_int_equal(read_patched(cases[i].off, cases[i].value, &err), cases[i].status);
        assert_int_equal(err.offset, cases[i].at);
    }
    struct ingot_error err = { 0 };
    assert_int_equal(read_patched(MODEL_N_LAYER_OFF, 7, &err), INGOT_OK);
}

static void hyper_parameters_come_back_as_they_were_encoded(void **state)
{
    (void)state;
    struct image image = make_sample(0);
    uint64_t at = get_u64(image.bytes + record_at(&image, "@model") + RECORD_DATA_OFF_OFF);
    struct ingot_hparams hp = gpt2(), back;
    struct ingot_file *file;
    ingot_hparams_encode(&hp, image.bytes + at);
    assert_int_equal(open_image(&image, &file, NULL), INGOT_OK);
    memset(&back, 0, sizeof back);
    assert_int_equal(ingot_hparams_read(file, &back, NULL), INGOT_OK);
    assert_memory_equal(&hp, &back, sizeof hp);
    ingot_close(file);
    free_image(&image);
}

/* ------------------------------------------------------------------------------------------------------ checksums */

#if defined(__x86_64__)
static void avx2_hashes_as_the_baseline_does(void **state)
{
    (void)state;
    uint8_t bytes[5000];
    if (!cpu_detect().avx2) SKIP("no AVX2");
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 7 >> 2);
    for (size_t n = 0; n < sizeof bytes; n += 1 + n / 16) assert_true(hash64_avx2(bytes, n) == ingot_hash64(bytes, n));
}
#endif

/* Published values of XXH3 for no bytes at all, and that long inputs (another code path, another instruction set) agree
 * with themselves at any address. */
static void checksums_do_not_depend_on_alignment(void **state)
{
    (void)state;
    assert_true(ingot_hash64("", 0) == UINT64_C(0x2D06800538D394C2));
    assert_true(ingot_hash128("", 0).lo == UINT64_C(0x6001C324468D497F));
    assert_true(ingot_hash128("", 0).hi == UINT64_C(0x99AA06D3014798D8));
    size_t n = INGOT_CHUNK_BYTES;
    uint8_t *bytes = malloc(n + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)(i * i >> 7);
    uint64_t hash = ingot_hash64(bytes, n);
    memmove(bytes + 1, bytes, n);
    assert_true(ingot_hash64(bytes + 1, n) == hash);
    bytes[n] ^= 1;
    assert_false(ingot_hash64(bytes + 1, n) == hash);
    free(bytes);
}

/* --------------------------------------------------------------------------------------------------------- errors */

static void the_first_cause_wins(void **state)
{
    (void)state;
    struct ingot_error err = { 0 };
    assert_int_equal(ingot_fail(&err, INGOT_E_RANGE, 5, "file", "do this", "first %d", 1), INGOT_E_RANGE);
    assert_int_equal(ingot_fail(&err, INGOT_E_IO, 6, "other", NULL, "second"), INGOT_E_IO);
    assert_int_equal(err.status, INGOT_E_RANGE);
    assert_int_equal(err.offset, 5);
    assert_string_equal(err.subject, "file");
    assert_string_equal(err.message, "first 1");
    assert_string_equal(err.advice, "do this");
    assert_int_equal(ingot_fail(NULL, INGOT_E_IO, 6, "other", NULL, "nobody listens"), INGOT_E_IO);
}

/* Whatever of a file reaches an error, by whichever argument. */
static void no_part_of_an_error_steers_a_terminal(void **state)
{
    (void)state;
    struct ingot_error err = { 0 };
    char rest[400];
    ingot_fail(&err, INGOT_E_SOURCE, 0, "a\x1b[1m", "b\n", "it is %s", "\x1b]0;title\x07");
    assert_string_equal(err.subject, "a\\x1b[1m");
    assert_string_equal(err.advice, "b\\x0a");
    assert_string_equal(err.message, "it is \\x1b]0;title\\x07");
    for (size_t n = 376; n < 384; n++) { /* a character that is cut in two is no text */
        err = (struct ingot_error){ 0 };
        memset(rest, 'x', n);
        strcpy(rest + n, "\xE2\x82\xAC\xE2\x82\xAC");
        ingot_fail(&err, INGOT_E_SOURCE, 0, NULL, NULL, "%s", rest);
        const size_t length = strlen(err.message);
        assert_true(n + 6 < sizeof err.message ? strcmp(err.message, rest) == 0
                                               : strcmp(err.message + length - 3, "...") == 0);
        assert_non_null(memchr("x.\xAC", err.message[length - 4], 3));
    }
}

static void what_a_terminal_would_obey_is_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
    } cases[] = {
        { "plain", "plain" },
        { "\x1b[31mred", "\\x1b[31mred" },
        { "a\nb\tc", "a\\x0ab\\x09c" },
        { "\xC3\xA9", "\xC3\xA9" },
        { "\xC3", "\\xc3" },
        { "\xC0\x80", "\\xc0\\x80" },
        { "\xED\xA0\x80", "\\xed\\xa0\\x80" },
        { "\xC2\x9B", "\\xc2\\x9b" },
        { "\xE2\x80\xAE", "\\xe2\\x80\\xae" },              /* right-to-left override */
        { "\xE2\x80\x8E", "\\xe2\\x80\\x8e" },              /* left-to-right mark */
        { "\xE2\x80\x8F", "\\xe2\\x80\\x8f" },              /* right-to-left mark */
        { "\xD8\x9C", "\\xd8\\x9c" },                       /* Arabic letter mark */
        { "\xE2\x81\xA6", "\\xe2\\x81\\xa6" },              /* left-to-right isolate */
        { "\xE2\x80\xA8", "\\xe2\\x80\\xa8" },              /* line separator */
        { "\xE2\x80\x8B", "\\xe2\\x80\\x8b" },              /* zero width space */
        { "\xEF\xBB\xBF", "\\xef\\xbb\\xbf" },              /* byte order mark */
        { "\xF3\xA0\x81\x81", "\\xf3\\xa0\\x81\\x81" },     /* a tag */
        { "\xEF\xBF\xBE", "\\xef\\xbf\\xbe" },              /* U+FFFE: no character */
        { "\xF0\x9F\xBF\xBF", "\\xf0\\x9f\\xbf\\xbf" },     /* U+1FFFF: the same of another plane */
        { "\xEF\xB7\x90", "\\xef\\xb7\\x90" },              /* U+FDD0 */
        { "\xEF\xBF\xBD", "\xEF\xBF\xBD" },                 /* U+FFFD, a character for what is none */
        { "\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80" },         /* a face */
        { "\xE2\x80\x8D\xD8\x9B", "\xE2\x80\x8D\xD8\x9B" }, /* their neighbours: joiner, Arabic semicolon */
        { "\xE2\x80\x90", "\xE2\x80\x90" },                 /* hyphen */
        { "\x7f", "\\x7f" },
        { "", "" },
    };
    char out[64];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(ingot_escape(cases[i].text, strlen(cases[i].text), out, sizeof out), cases[i].shown);
}

/* Eight plain bytes are copied at once: the one that is not may stand anywhere among them. */
static void a_byte_is_escaped_wherever_it_stands(void **state)
{
    static const unsigned char edges[] = { 0x00, 0x1F, 0x7F, 0x80, 0xFF };
    (void)state;
    for (size_t n = 1; n <= 20; n++)
        for (size_t at = 0; at < n; at++)
            for (size_t k = 0; k < sizeof edges; k++) {
                char text[20], out[64], expected[64];
                memset(text, k % 2 ? ' ' : '~', sizeof text);
                text[at] = (char)edges[k];
                snprintf(expected, sizeof expected, "%.*s\\x%02x%.*s", (int)at, text, edges[k], (int)(n - at - 1),
                         text + at + 1);
                assert_string_equal(ingot_escape(text, n, out, sizeof out), expected);
            }
}

static void an_escaped_text_never_leaves_its_buffer(void **state)
{
    (void)state;
    char text[40], out[48];
    memset(text, '\x01', sizeof text);
    for (size_t cap = 8; cap < 40; cap++)
        for (size_t n = 0; n <= sizeof text; n++) {
            memset(out, 0x5a, sizeof out);
            ingot_escape(text, n, out, cap);
            assert_true(strlen(out) < cap);
            for (size_t i = cap; i < sizeof out; i++) assert_int_equal(out[i], 0x5a);
            if (4 * n + 1 <= cap) assert_int_equal(strlen(out), 4 * n);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_word_of_its_own),
        cmocka_unit_test(dtypes_are_found_by_their_names),
        cmocka_unit_test(each_kind_that_is_no_tensor_has_a_name_of_its_own),
        cmocka_unit_test(panels_are_for_five_dtypes),
        cmocka_unit_test(sizes_count_the_padding_of_panels),
        cmocka_unit_test(what_does_not_fit_has_no_size_and_a_zero_hides_nothing),
        cmocka_unit_test(chunks_cut_a_section_without_rest),
        cmocka_unit_test(hyper_parameters_that_contradict_each_other_are_named),
        cmocka_unit_test(a_bad_field_of_the_model_section_is_told_at_its_byte),
        cmocka_unit_test(hyper_parameters_come_back_as_they_were_encoded),
#if defined(__x86_64__)
        cmocka_unit_test(avx2_hashes_as_the_baseline_does),
#endif
        cmocka_unit_test(checksums_do_not_depend_on_alignment),
        cmocka_unit_test(the_first_cause_wins),
        cmocka_unit_test(no_part_of_an_error_steers_a_terminal),
        cmocka_unit_test(what_a_terminal_would_obey_is_escaped),
        cmocka_unit_test(a_byte_is_escaped_wherever_it_stands),
        cmocka_unit_test(an_escaped_text_never_leaves_its_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_tokenizer.c - known texts, the way back, special tokens, and sections that are damaged. What any text becomes is
 * compared with a textbook in test_tokenizer_textbook.c.
 */
#include "tests/unit/skip.h"
#include "tests/unit/tokenizer_fixture.h"

#include "format/bytes.h"
#include "format/disk.h"

#define CORPUS "../shared/corpus/"

static void assert_round_trip(const struct ingot_tokenizer *t, const uint8_t *text, size_t n)
{
    struct ingot_ids ids = encode(t, text, n, INGOT_ENCODE_PLAIN);
    size_t at = 0;
    for (size_t i = 0; i < ids.n; i++) {
        size_t length;
        const char *piece = ingot_tokenizer_piece(t, ids.ids[i], &length);
        assert_true(length > 0 && length <= n - at);
        assert_memory_equal(piece, text + at, length);
        at += length;
    }
    assert_int_equal(at, n);
    ingot_ids_free(&ids);
}

/* The vocabularies of tests that need real ones: released (may be absent), shipped. */
static uint8_t *released_section(size_t *n)
{
    return vocab_section_of(vocab_root_path(CORPUS "gpt2-tokenizer"), 50257, n);
}

static uint8_t *shipped_section(size_t *n)
{
    uint8_t *section = vocab_section_of(vocab_root_path("tests/models/bard"), 2048, n);
    assert_non_null(section);
    return section;
}

/* -------------------------------------------------------------------------------------------------- real texts */

static void known_texts_have_the_released_ids(void **state)
{
    (void)state;
    size_t n;
    uint8_t *section = released_section(&n);
    if (!section) SKIP("no corpus");
    struct ingot_tokenizer t = bind(section, n);
    ENCODES(&t, "hello world", 0, 31373, 995);
    ENCODES(&t, "Hello world ", 0, 15496, 995, 220);
    ENCODES(&t, "Hello, my dog is cute", 0, 15496, 11, 616, 3290, 318, 13779);
    ENCODES(&t, "0", 0, 15);
    ENCODES(&t, "00", 0, 405);
    ENCODES(&t, "000", 0, 830);
    ENCODES(&t, "0000", 0, 2388);
    ENCODES(&t, "00000", 0, 20483);
    ENCODES(&t, EOT, INGOT_ENCODE_PLAIN, 27, 91, 437, 1659, 5239, 91, 29);
    ENCODES(&t, EOT, INGOT_ENCODE_SPECIAL, 50256);
    free(section);
}

/* Next case of the input file, cut at the lines that part them. */
static char *next_case(char **rest)
{
    static const char parting[] = "\n__ggml_vocab_test__\n";
    char *text = *rest, *end = text ? strstr(text, parting) : NULL;
    if (end) *end = 0;
    *rest = end ? end + sizeof parting - 1 : NULL;
    return text;
}

static char *read_text(const char *path)
{
    size_t n;
    char *text = (char *)fixture_read(path, &n);
    text[n] = 0;
    return text;
}

static void the_47_cases_of_llama_cpp_have_the_recorded_ids(void **state)
{
    (void)state;
    size_t n, n_cases = 0;
    uint8_t *section = released_section(&n);
    if (!section) SKIP("no corpus");
    struct ingot_tokenizer t = bind(section, n);
    char *inputs = read_text(vocab_root_path(CORPUS "gpt2-vocab-gguf/ggml-vocab-gpt-2.gguf.inp")), *rest = inputs;
    char *outputs = read_text(vocab_root_path(CORPUS "gpt2-vocab-gguf/ggml-vocab-gpt-2.gguf.out")), *line = outputs;
    for (char *text; (text = next_case(&rest)); n_cases++) {
        struct ingot_ids ids = encode(&t, text, strlen(text), INGOT_ENCODE_PLAIN);
        char *end = line + strcspn(line, "\n");
        for (size_t i = 0; i < ids.n; i++) assert_int_equal(strtoul(line, &line, 10), ids.ids[i]);
        assert_int_equal(strspn(line, " "), end - line);
        line = end + (*end == '\n');
        ingot_ids_free(&ids);
    }
    assert_int_equal(n_cases, 47);
    free(inputs);
    free(outputs);
    free(section);
}

static void decoding_gives_back_any_bytes(void **state)
{
    (void)state;
    for (int released = 0; released < 2; released++) {
        static uint8_t text[20000];
        size_t n;
        uint8_t *section = released ? released_section(&n) : shipped_section(&n);
        if (!section) continue;
        struct ingot_tokenizer t = bind(section, n);
        random_state = 4;
        for (int i = 0; i < 400; i++) {
            size_t length = random_below(i % 40 ? 200 : sizeof text);
            for (size_t k = 0; k < length; k++) text[k] = (uint8_t)random_below(256);
            assert_round_trip(&t, text, length);
        }
        free(section);
    }
}

static void decoding_gives_back_any_unicode(void **state)
{
    (void)state;
    for (int released = 0; released < 2; released++) {
        static uint8_t text[1000];
        size_t n;
        uint8_t *section = released ? released_section(&n) : shipped_section(&n);
        if (!section) continue;
        struct ingot_tokenizer t = bind(section, n);
        random_state = 5;
        for (int i = 0; i < 1000; i++) {
            static const uint32_t below[] = { 0x80, 0x250, 0x3100, 0x11000, 0x110000 };
            size_t length = 0, limit = random_below(sizeof text - 4);
            while (length < limit) length += put_utf8(random_below(below[random_below(5)]), text + length);
            assert_round_trip(&t, text, length);
        }
        free(section);
    }
}

/* ------------------------------------------------------------------------------------------------- special tokens */

static const char *const few_lines[] = { "h e", "< |", "Ġ h" };
static const struct vocab_merges few = { few_lines, 3 };

static void special_tokens_are_text_unless_asked_for(void **state)
{
    (void)state;
    size_t n;
    uint8_t *section = vocab_section(few, &n);
    struct ingot_tokenizer t = bind(section, n);
    assert_int_equal(ingot_tokenizer_count(&t), 260);
    assert_int_equal(ingot_tokenizer_eot(&t), 259);
    ENCODES(&t, "he" EOT "he", INGOT_ENCODE_PLAIN, 256, 257, 'e', 'n', 'd', 'o', 'f', 't', 'e', 'x', 't', '|', '>',
            256);
    ENCODES(&t, "he" EOT "he", INGOT_ENCODE_SPECIAL, 256, 259, 256);
    ENCODES(&t, EOT EOT, INGOT_ENCODE_SPECIAL, 259, 259);
    ENCODES(&t, "<|endoftext" EOT, INGOT_ENCODE_SPECIAL, 257, 'e', 'n', 'd', 'o', 'f', 't', 'e', 'x', 't', 259);
    /* what lies between is encoded for itself: the space in front of the token is the end of a text */
    ENCODES(&t, "h " EOT " h", INGOT_ENCODE_SPECIAL, 'h', ' ', 259, 258);
    free(section);
}

static void of_two_special_tokens_the_longer_wins(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    size_t n = 0;
    vocab_write_text(directory, "vocab.json", vocab_map(few));
    vocab_write_text(directory, "merges.txt", vocab_lines(few, "\n"));
    fixture_write(directory, "added_tokens.json", "{\"<a>\": 260, \"<a><b>\": 261, \"x y\": 262}", 39);
    uint8_t *section = vocab_section_of(directory, 263, &n);
    struct ingot_tokenizer t = bind(section, n);
    ENCODES(&t, "<a><b><a>x y", INGOT_ENCODE_SPECIAL, 261, 260, 262);
    free(section);
    fixture_remove(directory);
}

/* -------------------------------------------------------------------------------------------------- the contract */

static void ids_are_appended_and_an_empty_text_adds_none(void **state)
{
    (void)state;
    size_t n;
    uint8_t *section = vocab_section(few, &n);
    struct ingot_tokenizer t = bind(section, n);
    struct ingot_ids ids = { 0 };
    assert_int_equal(ingot_tokenizer_encode(&t, "he", 2, 0, &ids, NULL), INGOT_OK);
    assert_int_equal(ingot_tokenizer_encode(&t, NULL, 0, 0, &ids, NULL), INGOT_OK);
    assert_int_equal(ingot_tokenizer_encode(&t, "a\0b", 3, 0, &ids, NULL), INGOT_OK);
    assert_int_equal(ids.n, 4);
    assert_memory_equal(ids.ids, ((const uint32_t[]){ 256, 'a', 0, 'b' }), 16);
    ingot_ids_free(&ids);
    assert_int_equal(ids.n, 0);
    free(section);
}

static void any_id_has_a_piece_even_if_it_is_empty(void **state)
{
    (void)state;
    size_t n, length = 1;
    uint8_t *section = vocab_section(few, &n);
    struct ingot_tokenizer t = bind(section, n);
    assert_non_null(ingot_tokenizer_piece(&t, 260, &length));
    assert_int_equal(length, 0);
    assert_non_null(ingot_tokenizer_piece(&t, UINT32_MAX, &length));
    assert_int_equal(length, 0);
    assert_memory_equal(ingot_tokenizer_piece(&t, 259, &length), EOT, strlen(EOT));
    assert_int_equal(length, strlen(EOT));
    free(section);
}

/* No more work than a constant times n log n: slots probed, heap entries moved. */
static void hostile_texts_take_no_more_than_n_log_n_steps(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    static const char *const patterns[] = { "a",    " ",     "0",         "!",
                                            "\xff", "ab",    "th",        "the",
                                            "\n",   " \n",   "\xc2\xa0",  "\xd0\xb4",
                                            "'s",   "aaaab", "e\xcc\x81", "\xf0\x9f\x98\x81" };
    uint8_t *text = malloc(N);
    for (int released = 0; released < 2; released++) {
        size_t n;
        uint8_t *section = released ? released_section(&n) : shipped_section(&n);
        if (!section) continue;
        struct ingot_tokenizer t = bind(section, n);
        for (size_t i = 0; i <= sizeof patterns / sizeof *patterns; i++) {
            struct bpe_scratch scratch = { 0 };
            struct ingot_ids ids = { 0 };
            bool letters = i == sizeof patterns / sizeof *patterns;
            random_state = 6;
            for (size_t k = 0; k < N; k++)
                text[k] = (uint8_t)(letters ? 'a' + (int)random_below(26) : patterns[i][k % strlen(patterns[i])]);
            assert_int_equal(tokenizer_encode(&t, &scratch, text, N, 0, &ids, NULL), INGOT_OK);
            assert_true(scratch.n_probes <= UINT64_C(16) * N);
            assert_true(scratch.n_moves <= UINT64_C(2) * 20 * N);
            ingot_ids_free(&ids);
            bpe_scratch_free(&scratch);
        }
        free(section);
    }
    free(text);
}

/* ------------------------------------------------------------------------------------------------ damaged sections */

static void a_header_that_breaks_a_rule_is_refused_at_its_field(void **state)
{
    (void)state;
    static const struct {
        uint32_t off, bytes;
        uint64_t value;
        enum ingot_status status;
    } cases[] = {
        { 0, 4, 0, INGOT_E_VOCABULARY },                                    /* F-91 */
        { VOCAB_FLAVOUR_OFF, 4, 2, INGOT_E_UNSUPPORTED },                   /* F-92 */
        { VOCAB_N_TOKENS_OFF, 4, 0, INGOT_E_VOCABULARY },                   /* F-93 */
        { VOCAB_N_TOKENS_OFF, 4, LIMIT_N_VOCAB + 1, INGOT_E_VOCABULARY },   /* F-93 */
        { VOCAB_N_SLOTS_OFF, 4, 0, INGOT_E_VOCABULARY },                    /* F-94 */
        { VOCAB_N_SLOTS_OFF, 4, 2, INGOT_E_VOCABULARY },                    /* F-94: not above the 3 merges */
        { VOCAB_N_SLOTS_OFF, 4, 12, INGOT_E_VOCABULARY },                   /* F-94 */
        { VOCAB_EOT_OFF, 4, 260, INGOT_E_VOCABULARY },                      /* F-95 */
        { VOCAB_PIECES_OFF_OFF, 8, 64, INGOT_E_VOCABULARY },                /* F-96: inside the header */
        { VOCAB_BYTES_OFF_OFF, 8, 132, INGOT_E_VOCABULARY },                /* F-96: not aligned */
        { VOCAB_SPECIAL_OFF_OFF, 8, UINT64_MAX - 63, INGOT_E_VOCABULARY },  /* F-96: wraps around */
        { VOCAB_MERGES_OFF_OFF, 8, UINT64_C(1) << 40, INGOT_E_VOCABULARY }, /* F-96 */
        { VOCAB_TEXT_BYTES_OFF + 8, 1, 1, INGOT_E_RESERVED },               /* F-97 */
        { VOCAB_HEADER_BYTES - 1, 1, 1, INGOT_E_RESERVED },                 /* F-97 */
        { VOCAB_N_SPECIAL_OFF, 4, VOCAB_MAX_SPECIAL + 1, INGOT_E_LIMIT },   /* F-98 */
    };
    size_t n;
    uint8_t *section = vocab_section(few, &n), *damaged = aligned_alloc(64, (n + 63) & ~(size_t)63);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ingot_tokenizer t;
        struct ingot_error err = { 0 };
        memcpy(damaged, section, n);
        memcpy(damaged + cases[i].off, &cases[i].value, cases[i].bytes);
        assert_int_equal(tokenizer_bind(damaged, n, "v", 4096, &t, &err), cases[i].status);
        assert_int_equal(err.offset, 4096 + cases[i].off);
    }
    free(damaged);
    free(section);
}

static void a_section_cut_short_is_refused(void **state)
{
    (void)state;
    size_t n;
    uint8_t *section = vocab_section(few, &n);
    for (size_t cut = 0; cut < n; cut++) {
        struct ingot_tokenizer t;
        struct ingot_error err = { 0 };
        uint8_t *part = malloc(cut + 1); /* a read beyond it is seen by the sanitizer */
        memcpy(part, section, cut);
        assert_int_equal(tokenizer_bind(part, cut, "v", 0, &t, &err), INGOT_E_VOCABULARY);
        assert_true(cut >= VOCAB_HEADER_BYTES ? err.offset >= VOCAB_PIECES_OFF_OFF : err.offset == 0);
        free(part);
    }
    free(section);
}

static void use_damaged(const struct ingot_tokenizer *t)
{
    static const char text[] = "hello he <|endoftext|> the <|end\xff\xe2\x80\x83 hhheeehehehehe"
                               "hehehehehehehehehehehehehehehehehehehehehehehehehehehe";
    struct ingot_ids ids = { 0 };
    struct ingot_error err = { 0 };
    enum ingot_status status = ingot_tokenizer_encode(t, text, sizeof text - 1, INGOT_ENCODE_SPECIAL, &ids, &err);
    assert_true(status == INGOT_OK || status == INGOT_E_VOCABULARY);
    assert_true(status == INGOT_OK || ids.n == 0);
    for (size_t i = 0; i < ids.n; i++) assert_true(ids.ids[i] < t->n_tokens);
    for (uint32_t id = 0; id < 300; id++) {
        size_t length;
        volatile uint8_t sum = 0;
        const char *piece = ingot_tokenizer_piece(t, id, &length);
        for (size_t i = 0; i < length; i++) sum = (uint8_t)(sum + (uint8_t)piece[i]);
    }
    ingot_ids_free(&ids);
}

static void any_byte_of_a_section_may_be_damaged_without_harm(void **state)
{
    (void)state;
    static const uint8_t masks[] = { 0xff, 0x01, 0x80 };
    size_t n, n_refused = 0;
    uint8_t *section = vocab_section(few, &n);
    for (size_t at = 0; at < n; at++)
        for (size_t m = 0; m < sizeof masks; m++) {
            struct ingot_tokenizer t;
            struct ingot_error err = { 0 };
            section[at] ^= masks[m];
            enum ingot_status status = tokenizer_bind(section, n, "v", 0, &t, &err);
            assert_true(status < INGOT_E_IO);
            if (status == INGOT_OK) use_damaged(&t);
            n_refused += status != INGOT_OK;
            section[at] ^= masks[m];
        }
    assert_true(n_refused > 100);
    free(section);
}

static void a_table_that_gives_no_token_is_an_error_and_leaves_the_ids_alone(void **state)
{
    (void)state;
    size_t n;
    uint8_t *section = vocab_section(few, &n);
    struct ingot_tokenizer t = bind(section, n);
    struct ingot_ids ids = encode(&t, "a", 1, 0);
    struct ingot_error err = { 0 };
    put_u32(section + get_u64(section + VOCAB_BYTES_OFF_OFF) + 4 * 'z', 260);
    assert_int_equal(ingot_tokenizer_encode(&t, "he z", 4, 0, &ids, &err), INGOT_E_VOCABULARY);
    assert_non_null(strstr(err.message, "bytes"));
    assert_int_equal(ids.n, 1);
    assert_int_equal(ids.ids[0], 'a');
    ingot_ids_free(&ids);
    free(section);
}

/* A table without an empty slot, every probe of which misses. */
static void a_full_table_of_merges_ends_every_look_up(void **state)
{
    (void)state;
    enum { SLOTS = 1 << 14, MERGES_OFF = 1 << 16 };
    size_t n, total = MERGES_OFF + (size_t)SLOTS * VOCAB_SLOT_BYTES;
    uint8_t *section = vocab_section(few, &n), *full = aligned_alloc(64, total);
    memset(full, 0, total);
    memcpy(full, section, n);
    put_u32(full + VOCAB_N_SLOTS_OFF, SLOTS);
    put_u64(full + VOCAB_MERGES_OFF_OFF, MERGES_OFF);
    struct ingot_tokenizer t = bind(full, total);
    struct bpe_scratch scratch = { 0 };
    struct ingot_ids ids = { 0 };
    assert_int_equal(tokenizer_encode(&t, &scratch, (const uint8_t *)"abcdefgh", 8, 0, &ids, NULL), INGOT_OK);
    assert_int_equal(ids.n, 8);
    assert_int_equal(scratch.n_probes, 7 * VOCAB_MAX_PROBES);
    ingot_ids_free(&ids);
    free(section);
    free(full);
}

/* --------------------------------------------------------------------------------------------------------- files */

static struct ingot_file *write_file(struct ingot_writer **w, const char *path, const uint8_t *vocabulary, size_t n,
                                     uint32_t n_vocab)
{
    struct ingot_hparams hp = { 1, 1, 16, 16, 4, n_vocab, n_vocab, INGOT_GELU_TANH, INGOT_ATTN_SCALE, 1e-5f };
    uint8_t model[INGOT_HPARAMS_BYTES];
    uint32_t id;
    struct ingot_file *file = NULL;
    const struct ingot_file *sealed;
    ingot_hparams_encode(&hp, model);
    assert_int_equal(ingot_writer_create(path, NULL, w, NULL), INGOT_OK);
    struct ingot_section_plan plan = { .name = INGOT_NAME_MODEL, .kind = INGOT_KIND_MODEL, .raw_bytes = sizeof model };
    assert_int_equal(ingot_writer_add(*w, &plan, &id, NULL), INGOT_OK);
    plan = (struct ingot_section_plan){ .name = INGOT_NAME_VOCABULARY, .kind = INGOT_KIND_VOCABULARY, .raw_bytes = n };
    if (vocabulary) assert_int_equal(ingot_writer_add(*w, &plan, &id, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_begin(*w, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_put(*w, 0, 0, model, sizeof model, NULL), INGOT_OK);
    if (vocabulary) assert_int_equal(ingot_writer_put(*w, id, 0, vocabulary, n, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_seal(*w, 1, &sealed, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_publish(*w, NULL), INGOT_OK);
    ingot_writer_close(*w);
    assert_int_equal(ingot_open(path, INGOT_OPEN_MAP, &file, NULL), INGOT_OK);
    return file;
}

static enum ingot_status open_with(bool has_vocabulary, uint32_t n_vocab, struct ingot_error *err)
{
    size_t n;
    uint8_t *section = vocab_section(few, &n);
    char *directory = fixture_directory();
    struct ingot_writer *w;
    struct ingot_tokenizer *t;
    struct ingot_file *file =
        write_file(&w, fixture_path(directory, "v.ingot"), has_vocabulary ? section : NULL, n, n_vocab);
    enum ingot_status status = ingot_tokenizer_open(file, &t, err);
    assert_true((status == INGOT_OK) == (t != NULL));
    if (t) ENCODES(t, "he", 0, 256);
    ingot_tokenizer_close(t);
    ingot_close(file);
    fixture_remove(directory);
    free(section);
    return status;
}

static void a_file_gives_a_tokenizer_that_its_model_understands(void **state)
{
    (void)state;
    struct ingot_error err = { 0 };
    assert_int_equal(open_with(true, 260, &err), INGOT_OK);
    assert_int_equal(open_with(false, 260, &err), INGOT_E_MISSING);
    err = (struct ingot_error){ 0 };
    assert_int_equal(open_with(true, 259, &err), INGOT_E_VOCABULARY); /* F-99 */
    assert_int_equal(err.offset % 4096, VOCAB_N_TOKENS_OFF);
    ingot_tokenizer_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts_have_the_released_ids),
        cmocka_unit_test(the_47_cases_of_llama_cpp_have_the_recorded_ids),
        cmocka_unit_test(decoding_gives_back_any_bytes),
        cmocka_unit_test(decoding_gives_back_any_unicode),
        cmocka_unit_test(special_tokens_are_text_unless_asked_for),
        cmocka_unit_test(of_two_special_tokens_the_longer_wins),
        cmocka_unit_test(ids_are_appended_and_an_empty_text_adds_none),
        cmocka_unit_test(any_id_has_a_piece_even_if_it_is_empty),
        cmocka_unit_test(hostile_texts_take_no_more_than_n_log_n_steps),
        cmocka_unit_test(a_header_that_breaks_a_rule_is_refused_at_its_field),
        cmocka_unit_test(a_section_cut_short_is_refused),
        cmocka_unit_test(any_byte_of_a_section_may_be_damaged_without_harm),
        cmocka_unit_test(a_table_that_gives_no_token_is_an_error_and_leaves_the_ids_alone),
        cmocka_unit_test(a_full_table_of_merges_ends_every_look_up),
        cmocka_unit_test(a_file_gives_a_tokenizer_that_its_model_understands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

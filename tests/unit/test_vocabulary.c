/* The @vocabulary section: one canonical spelling of what tokenizer files say, or an error that names the fault. */
#include "tests/unit/skip.h"
#include "tests/unit/vocab_fixture.h"

#include "format/bytes.h"
#include "format/disk.h"

static const char *const lines[] = { "h e", "l l", "he ll", "hell o", "Ġ w", "Ġw o", "\\ \"", "Ċ Ċ" };
static const struct vocab_merges merges = { lines, sizeof lines / sizeof *lines };
#define N_VOCAB 265u

static struct vocabulary build(const char *directory, uint32_t n_vocab)
{
    struct vocabulary v;
    struct ingot_error err = { 0 };
    if (vocabulary_build(directory, n_vocab, &v, &err) != INGOT_OK) fail_msg("%s: %s", err.subject, err.message);
    return v;
}

/* Writes up to two files, builds, and wants this error; `offset` may be INGOT_NO_OFFSET. */
static void refuse(const char *name_a, char *text_a, const char *name_b, char *text_b, enum ingot_status status,
                   uint64_t offset, const char *said)
{
    char *directory = fixture_directory();
    struct vocabulary v;
    struct ingot_error err = { 0 };
    if (text_a) vocab_write_text(directory, name_a, text_a);
    if (text_b) vocab_write_text(directory, name_b, text_b);
    enum ingot_status found = vocabulary_build(directory, N_VOCAB, &v, &err);
    if (found != status || !strstr(err.message, said)) fail_msg("%d, not %d: %s", found, status, err.message);
    assert_int_equal(err.status, status);
    assert_int_equal(err.offset, offset);
    assert_null(v.bytes);
    assert_int_equal(v.n_files, 0);
    fixture_remove(directory);
}

static void refuse_map(char *map, enum ingot_status status, uint64_t offset, const char *said)
{
    refuse("vocab.json", map, "merges.txt", vocab_lines(merges, "\n"), status, offset, said);
}

static void refuse_lines(char *text, enum ingot_status status, uint64_t offset, const char *said)
{
    refuse("vocab.json", vocab_map(merges), "merges.txt", text, status, offset, said);
}

/* -------------------------------------------------------------------------------------------------- what is read */

static void assert_same_section(char *directory, const struct vocabulary *expected)
{
    struct vocabulary v = build(directory, N_VOCAB);
    assert_int_equal(v.n_bytes, expected->n_bytes);
    assert_memory_equal(v.bytes, expected->bytes, v.n_bytes);
    vocabulary_free(&v);
    fixture_remove(directory);
}

static void every_spelling_gives_the_same_bytes(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    vocab_write_text(directory, "encoder.json", vocab_map(merges));
    vocab_write_text(directory, "vocab.bpe", vocab_lines(merges, "\n"));
    struct vocabulary first = build(directory, N_VOCAB);
    assert_int_equal(first.n_files, 2);
    assert_string_equal(first.files[0]->base, "encoder.json");
    assert_string_equal(first.files[1]->base, "vocab.bpe");
    fixture_remove(directory);

    directory = fixture_directory();
    vocab_write_text(directory, "vocab.json", vocab_map(merges));
    vocab_write_text(directory, "merges.txt", vocab_lines(merges, "\r\n\r\n"));
    assert_same_section(directory, &first);
    for (int as_pairs = 0; as_pairs < 2; as_pairs++) {
        directory = fixture_directory();
        vocab_write_text(directory, "tokenizer.json", vocab_tokenizer_json(merges, as_pairs));
        assert_same_section(directory, &first);
    }
    vocabulary_free(&first);
}

static void json_escapes_spell_the_same_token(void **state)
{
    (void)state;
    size_t at;
    char *directory = fixture_directory();
    vocab_write_text(directory, "vocab.json", vocab_map(merges));
    vocab_write_text(directory, "merges.txt", vocab_lines(merges, "\n"));
    struct vocabulary plain = build(directory, N_VOCAB);
    vocab_write_text(directory, "vocab.json", vocab_replace(vocab_map(merges), "\"Ġw\"", "\"\\u0120\\u0077\"", &at));
    assert_same_section(directory, &plain);
    vocabulary_free(&plain);
}

static void the_last_line_needs_no_newline_and_the_version_line_may_be_absent(void **state)
{
    (void)state;
    char *directory = fixture_directory(), *text = vocab_lines(merges, "\n");
    vocab_write_text(directory, "vocab.json", vocab_map(merges));
    fixture_write(directory, "merges.txt", text, strlen(text));
    struct vocabulary plain = build(directory, N_VOCAB);
    const char *body = strchr(text, '\n') + 1;
    fixture_write(directory, "merges.txt", body, strlen(body) - 1);
    free(text);
    assert_same_section(directory, &plain);
    vocabulary_free(&plain);
}

static uint32_t field(const struct vocabulary *v, uint32_t off)
{
    return get_u32(v->bytes + off);
}

static const uint8_t *table(const struct vocabulary *v, uint32_t off_field)
{
    return v->bytes + get_u64(v->bytes + off_field);
}

static void the_section_holds_pieces_bytes_and_specials_where_its_header_says(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    vocab_write_text(directory, "tokenizer.json", vocab_tokenizer_json(merges, false));
    struct vocabulary v = build(directory, N_VOCAB);
    const uint8_t *pieces = table(&v, VOCAB_PIECES_OFF_OFF), *text = table(&v, VOCAB_TEXT_OFF_OFF);
    assert_memory_equal(v.bytes, VOCAB_MAGIC, 4);
    assert_int_equal(field(&v, VOCAB_N_TOKENS_OFF), N_VOCAB);
    assert_int_equal(field(&v, VOCAB_N_MERGES_OFF), merges.n);
    assert_int_equal(field(&v, VOCAB_N_SLOTS_OFF), 16);
    assert_int_equal(field(&v, VOCAB_EOT_OFF), N_VOCAB - 1);
    assert_int_equal(field(&v, VOCAB_MAX_PIECE_OFF), strlen(EOT));
    assert_int_equal(field(&v, VOCAB_N_SPECIAL_OFF), 1);
    assert_int_equal(get_u32(table(&v, VOCAB_SPECIAL_OFF_OFF)), N_VOCAB - 1);
    for (uint32_t b = 0; b < 256; b++) {
        assert_int_equal(get_u32(table(&v, VOCAB_BYTES_OFF_OFF) + 4 * b), b);
        assert_int_equal(get_u32(pieces + 4 * b), b);
        assert_int_equal(text[b], b);
    }
    assert_memory_equal(text + get_u32(pieces + 4 * (256 + 3)), "hello", 5);
    assert_memory_equal(text + get_u32(pieces + 4 * (256 + 5)), " wo", 3);
    assert_memory_equal(text + get_u32(pieces + 4 * (256 + 7)), "\n\n", 2);
    assert_int_equal(get_u64(v.bytes + VOCAB_TEXT_OFF_OFF) + get_u64(v.bytes + VOCAB_TEXT_BYTES_OFF), v.n_bytes);
    vocabulary_free(&v);
    fixture_remove(directory);
}

static void every_merge_is_found_from_its_home_slot(void **state)
{
    (void)state;
    static const uint32_t expected[][3] = { { 'h', 'e', 256 },  { 'l', 'l', 257 },  { 256, 257, 258 },
                                            { 258, 'o', 259 },  { ' ', 'w', 260 },  { 260, 'o', 261 },
                                            { '\\', '"', 262 }, { '\n', '\n', 263 } };
    size_t n;
    uint8_t *section = vocab_section(merges, &n);
    const uint8_t *slots = section + get_u64(section + VOCAB_MERGES_OFF_OFF);
    for (uint32_t rank = 0; rank < merges.n; rank++) {
        uint64_t left = expected[rank][0], right = expected[rank][1];
        uint64_t at = ((left * UINT64_C(0x9E3779B97F4A7C15) + right * UINT64_C(0xC2B2AE3D27D4EB4F)) >> 32) % 16;
        while (get_u32(slots + 16 * at) != left || get_u32(slots + 16 * at + 4) != right) {
            assert_int_not_equal(get_u32(slots + 16 * at), UINT32_MAX);
            at = (at + 1) % 16;
        }
        assert_int_equal(get_u32(slots + 16 * at + 8), rank);
        assert_int_equal(get_u32(slots + 16 * at + 12), expected[rank][2]);
    }
    free(section);
}

static void an_id_between_others_may_be_unused_and_has_no_bytes(void **state)
{
    (void)state;
    size_t at;
    char *directory = fixture_directory();
    vocab_write_text(directory, "encoder.json", vocab_replace(vocab_map(merges), EOT "\": 264", EOT "\": 270", &at));
    vocab_write_text(directory, "vocab.bpe", vocab_lines(merges, "\n"));
    struct vocabulary v = build(directory, 271);
    const uint8_t *pieces = table(&v, VOCAB_PIECES_OFF_OFF);
    assert_int_equal(field(&v, VOCAB_N_TOKENS_OFF), 271);
    assert_int_equal(field(&v, VOCAB_EOT_OFF), 270);
    for (uint32_t id = 264; id < 270; id++) assert_int_equal(get_u32(pieces + 4 * id), get_u32(pieces + 4 * id + 4));
    vocabulary_free(&v);
    fixture_remove(directory);
}

static void added_tokens_beside_a_pair_are_special(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    vocab_write_text(directory, "vocab.json", vocab_map(merges));
    vocab_write_text(directory, "merges.txt", vocab_lines(merges, "\n"));
    fixture_write(directory, "added_tokens.json", "{\"<a b>\": 265}", 14);
    struct vocabulary v = build(directory, 266);
    assert_int_equal(v.n_files, 3);
    assert_int_equal(field(&v, VOCAB_N_SPECIAL_OFF), 2);
    assert_int_equal(get_u32(table(&v, VOCAB_SPECIAL_OFF_OFF) + 4), 265);
    assert_int_equal(field(&v, VOCAB_EOT_OFF), 264);
    vocabulary_free(&v);
    fixture_remove(directory);
}

/* As CodeGPT comes: its tokens stand in vocab.json, and only this file says which are special. */
static void the_roles_of_a_special_tokens_map_are_special(void **state)
{
    (void)state;
    static const char map[] = "{\"bos_token\": \"<s>\", \"pad_token\": null, \"unk_token\": \"<unk>\", "
                              "\"eos_token\": {\"content\": \"</s>\", \"lstrip\": false, \"normalized\": true}, "
                              "\"additional_special_tokens\": [\"<a>\", \"hello\"]}";
    char *directory = fixture_directory();
    size_t at;
    char *tokens = vocab_map(merges);
    tokens = vocab_replace(tokens, "{", "{\"<s>\": 265, \"</s>\": 266, \"<a>\": 267, \"<b>\": 268, ", &at);
    vocab_write_text(directory, "vocab.json", tokens);
    vocab_write_text(directory, "merges.txt", vocab_lines(merges, "\n"));
    fixture_write(directory, "special_tokens_map.json", map, strlen(map));
    struct vocabulary v = build(directory, 269);
    assert_int_equal(v.n_files, 3);
    assert_int_equal(field(&v, VOCAB_N_SPECIAL_OFF), 4); /* neither <b>, which has no role, nor what merges make */
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(get_u32(table(&v, VOCAB_SPECIAL_OFF_OFF) + 4 * (size_t)i), 264 + i);
    vocabulary_free(&v);
    fixture_remove(directory);
}

static void a_special_token_that_takes_white_space_with_it_is_refused(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    struct vocabulary v;
    struct ingot_error err = { 0 };
    static const char map[] = "{\"mask_token\": {\"content\": \"<mask>\", \"lstrip\": true}}";
    vocab_write_text(directory, "vocab.json", vocab_map(merges));
    vocab_write_text(directory, "merges.txt", vocab_lines(merges, "\n"));
    fixture_write(directory, "special_tokens_map.json", map, strlen(map));
    assert_int_equal(vocabulary_build(directory, N_VOCAB, &v, &err), INGOT_E_UNSUPPORTED);
    assert_int_equal(err.offset, 15);
    assert_non_null(strstr(err.message, "<mask>"));
    fixture_remove(directory);
}

static void the_released_vocabulary_has_50257_tokens_and_50000_merges(void **state)
{
    (void)state;
    size_t n;
    uint8_t *section = vocab_section_of(vocab_root_path("../shared/corpus/gpt2-tokenizer"), 50257, &n);
    if (!section) SKIP("no corpus");
    assert_int_equal(get_u32(section + VOCAB_N_TOKENS_OFF), 50257);
    assert_int_equal(get_u32(section + VOCAB_N_MERGES_OFF), 50000);
    assert_int_equal(get_u32(section + VOCAB_N_SLOTS_OFF), 131072);
    assert_int_equal(get_u32(section + VOCAB_EOT_OFF), 50256);
    assert_int_equal(get_u32(section + VOCAB_N_SPECIAL_OFF), 1);
    assert_int_equal(get_u32(section + VOCAB_MAX_PIECE_OFF), 128);
    free(section);
}

/* ----------------------------------------------------------------------------------------------- what is refused */

static void a_directory_without_a_tokenizer_gives_no_section_and_no_error(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    struct vocabulary v = build(directory, N_VOCAB);
    assert_null(v.bytes);
    assert_int_equal(v.n_files, 0);
    fixture_remove(directory);
}

static void one_file_of_a_pair_is_an_error_that_names_the_other(void **state)
{
    (void)state;
    static const char *const pairs[][2] = { { "vocab.json", "merges.txt" }, { "encoder.json", "vocab.bpe" } };
    for (size_t i = 0; i < 4; i++) {
        char *directory = fixture_directory();
        struct vocabulary v;
        struct ingot_error err = { 0 };
        const char *here = pairs[i / 2][i % 2], *gone = pairs[i / 2][1 - i % 2];
        vocab_write_text(directory, here, i % 2 ? vocab_lines(merges, "\n") : vocab_map(merges));
        assert_int_equal(vocabulary_build(directory, N_VOCAB, &v, &err), INGOT_E_MISSING);
        assert_non_null(strstr(err.subject, gone));
        assert_null(v.bytes);
        fixture_remove(directory);
    }
}

static void a_tokenizer_that_is_a_link_to_nowhere_is_missed(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    struct vocabulary v;
    struct ingot_error err = { 0 };
    vocab_write_text(directory, "vocab.json", vocab_map(merges));
    vocab_write_text(directory, "merges.txt", vocab_lines(merges, "\n"));
    assert_int_equal(symlink("../blobs/0", fixture_path(directory, "tokenizer.json")), 0);
    assert_int_equal(vocabulary_build(directory, N_VOCAB, &v, &err), INGOT_E_MISSING);
    assert_non_null(strstr(err.subject, "tokenizer.json"));
    fixture_remove(directory);
}

static void a_whole_pair_is_read_although_half_of_another_lies_beside_it(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    vocab_write_text(directory, "vocab.bpe", vocab_lines(merges, "\n"));
    vocab_write_text(directory, "vocab.json", vocab_map(merges));
    vocab_write_text(directory, "merges.txt", vocab_lines(merges, "\n"));
    struct vocabulary v = build(directory, N_VOCAB);
    assert_string_equal(v.files[1]->base, "merges.txt");
    vocabulary_free(&v);
    fixture_remove(directory);
}

static void other_kinds_of_tokenizer_are_refused_by_name(void **state)
{
    (void)state;
    size_t at;
    refuse("vocab.txt", strdup("[PAD]\n"), NULL, NULL, INGOT_E_UNSUPPORTED, INGOT_NO_OFFSET, "WordPiece");
    refuse("tokenizer.model", strdup("x"), NULL, NULL, INGOT_E_UNSUPPORTED, INGOT_NO_OFFSET, "SentencePiece");
    char *map = vocab_replace(vocab_map(merges), "\"Ġw\"", "\"\xe2\x96\x81w\"", &at);
    refuse_map(map, INGOT_E_UNSUPPORTED, at, "spelling of bytes");
    static const char *const marked[] = { "h e", "l o</w>" };
    char *tokens = vocab_replace(vocab_map((struct vocab_merges){ marked, 2 }), "{", "{\"o</w>\": 259, ", &at);
    char *text = vocab_lines((struct vocab_merges){ marked, 2 }, "\n");
    refuse("vocab.json", tokens, "merges.txt", text, INGOT_E_UNSUPPORTED, 18, "o</w>");
}

/* A tokenizer of either spelling beside this tokenizer_config.json. */
static enum ingot_status build_beside(const char *config, bool pair, struct ingot_error *err)
{
    char *directory = fixture_directory();
    struct vocabulary v;
    if (pair) {
        vocab_write_text(directory, "vocab.json", vocab_map(merges));
        vocab_write_text(directory, "merges.txt", vocab_lines(merges, "\n"));
    } else {
        vocab_write_text(directory, "tokenizer.json", vocab_tokenizer_json(merges, false));
    }
    fixture_write(directory, "tokenizer_config.json", config, strlen(config));
    *err = (struct ingot_error){ 0 };
    enum ingot_status status = vocabulary_build(directory, N_VOCAB, &v, err);
    vocabulary_free(&v);
    fixture_remove(directory);
    return status;
}

static void what_a_tokenizer_config_adds_to_each_text_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const fields[] = { "add_prefix_space", "add_bos_token" };
    for (size_t i = 0; i < 4; i++) {
        struct ingot_error err;
        char config[128];
        snprintf(config, sizeof config, "{\"model_max_length\": 1024, \"%s\": true}", fields[i / 2]);
        assert_int_equal(build_beside(config, i % 2, &err), INGOT_E_UNSUPPORTED);
        assert_int_equal(err.offset, strstr(config, "true") - config);
        assert_non_null(strstr(err.message, fields[i / 2]));
    }
}

static void a_pair_of_another_class_is_refused_by_name(void **state)
{
    (void)state;
    struct ingot_error err;
    static const char config[] = "{\"tokenizer_class\": \"RobertaTokenizer\"}";
    assert_int_equal(build_beside(config, true, &err), INGOT_E_UNSUPPORTED);
    assert_int_equal(err.offset, 20);
    assert_non_null(strstr(err.message, "RobertaTokenizer"));
    assert_int_equal(build_beside("{\"tokenizer_class\": \"GPT2Tokenizer\"}", true, &err), INGOT_OK);
    assert_int_equal(build_beside("{\"tokenizer_class\": null}", true, &err), INGOT_OK);
}

/* As transformers writes it beside a GPT-2. */
static void a_released_tokenizer_config_changes_nothing(void **state)
{
    (void)state;
    struct ingot_error err;
    static const char config[] =
        "{\"add_bos_token\": false, \"add_prefix_space\": false, \"added_tokens_decoder\": {\"264\": {\"content\": "
        "\"<|endoftext|>\", \"lstrip\": false, \"normalized\": true, \"special\": true}}, \"bos_token\": "
        "\"<|endoftext|>\", \"clean_up_tokenization_spaces\": true, \"errors\": \"replace\", \"model_max_length\": "
        "1024, "
        "\"pad_token\": null, \"tokenizer_class\": \"GPT2Tokenizer\", \"unk_token\": \"<|endoftext|>\"}";
    for (int pair = 0; pair < 2; pair++) assert_int_equal(build_beside(config, pair, &err), INGOT_OK);
}

static void whatever_tokenizer_json_asks_for_beyond_gpt2_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *named;
        size_t skip; /* from the start of the replaced text to the reported offset */
    } cases[] = {
        { "\"normalizer\": null", "\"normalizer\": {\"type\": \"NFC\"}", "normalizer is NFC", 14 },
        { "\"add_prefix_space\": false", "\"add_prefix_space\": true", "pre_tokenizer.add_prefix_space", SIZE_MAX },
        { "\"add_prefix_space\": false, ", "", "pre_tokenizer.add_prefix_space", SIZE_MAX },
        { "\"add_prefix_space\": false", "\"add_prefix_space\": false, \"use_regex\": false", "use_regex", SIZE_MAX },
        { "{\"type\": \"ByteLevel\", \"add_prefix_space\": false", "{\"type\": \"Metaspace\"", "Metaspace", 0 },
        { "{\"type\": \"ByteLevel\", \"add_prefix_space\": true", "{\"type\": \"TemplateProcessing\"",
          "TemplateProcessing", 0 },
        { "\"decoder\": {\"type\": \"ByteLevel\"}", "\"decoder\": {\"type\": \"WordPiece\"}", "decoder is WordPiece",
          11 },
        { "\"type\": \"BPE\"", "\"type\": \"Unigram\"", "Unigram", 8 },
        { "\"dropout\": null", "\"dropout\": 0.1", "dropout", 11 },
        { "\"end_of_word_suffix\": \"\"", "\"end_of_word_suffix\": \"</w>\"", "end_of_word_suffix", 22 },
        { "\"continuing_subword_prefix\": \"\"", "\"continuing_subword_prefix\": \"##\"", "continuing_subword_prefix",
          29 },
        { "\"byte_fallback\": false", "\"byte_fallback\": true", "byte_fallback", 17 },
        { "\"ignore_merges\": false", "\"ignore_merges\": true", "ignore_merges", 17 },
        { "\"fuse_unk\"", "\"new_field\"", "new_field", 0 },
        { "\"special\": true", "\"special\": false", "plain text is split by", SIZE_MAX },
        { "\"lstrip\": false", "\"lstrip\": true", "lstrip", SIZE_MAX },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t at;
        char *text = vocab_replace(vocab_tokenizer_json(merges, false), cases[i].from, cases[i].to, &at);
        uint64_t offset = at + cases[i].skip;
        if (cases[i].skip == SIZE_MAX) { /* the object that holds it */
            while (text[at] != '{') at--;
            offset = at;
        }
        refuse("tokenizer.json", text, NULL, NULL, INGOT_E_UNSUPPORTED, offset, cases[i].named);
    }
}

static void a_malformed_tokenizer_json_is_refused_with_its_place(void **state)
{
    (void)state;
    size_t at;
    char *text = vocab_replace(vocab_tokenizer_json(merges, false), "\"h e\"", "17", &at);
    refuse("tokenizer.json", text, NULL, NULL, INGOT_E_SOURCE, at, "merge 1");
    text = vocab_replace(vocab_tokenizer_json(merges, true), "[\"l\", \"l\"]", "[\"l\"]", &at);
    refuse("tokenizer.json", text, NULL, NULL, INGOT_E_SOURCE, at, "merge 2");
    text = vocab_replace(vocab_tokenizer_json(merges, true), "\"decoder\"", "\"normalizer\"", &at);
    refuse("tokenizer.json", text, NULL, NULL, INGOT_E_SOURCE, at, "given twice");
    text = vocab_replace(vocab_tokenizer_json(merges, true), "\"content\"", "\"name\"", &at);
    while (text[at] != '{') at--;
    refuse("tokenizer.json", text, NULL, NULL, INGOT_E_SOURCE, at, "content");
    refuse("tokenizer.json", strdup("{}"), NULL, NULL, INGOT_E_SOURCE, INGOT_NO_OFFSET, "\"model\" is missing");
    refuse("tokenizer.json", strdup("[1]"), NULL, NULL, INGOT_E_SOURCE, 0, "bad JSON");
}

static void ids_are_distinct_whole_numbers_below_the_models_vocabulary(void **state)
{
    (void)state;
    size_t at;
    char *map = vocab_replace(vocab_map(merges), "\"" EOT "\": 264", "\"" EOT "\": 265", &at);
    refuse_map(map, INGOT_E_VOCABULARY, at, "\"" EOT "\" has id 265; the model has 265 tokens");
    map = vocab_replace(vocab_map(merges), "\"Ġw\": 260", "\"Ġw\": 259", &at);
    refuse_map(map, INGOT_E_VOCABULARY, at, "259");
    map = vocab_replace(vocab_map(merges), "\"Ġw\": 260", "\"Ġw\": -1", &at);
    refuse_map(map, INGOT_E_SOURCE, at + strlen("\"Ġw\": "), "whole number");
    map = vocab_replace(vocab_map(merges), "\"Ġw\": 260", "\"Ġw\": 260.0", &at);
    refuse_map(map, INGOT_E_SOURCE, at + strlen("\"Ġw\": "), "whole number");
    map = vocab_replace(vocab_map(merges), "\"Ġw\": 260", "\"Ġw\": 4294967556", &at);
    refuse_map(map, INGOT_E_SOURCE, at + strlen("\"Ġw\": "), "whole number");
}

static void a_token_stands_once_and_is_not_empty(void **state)
{
    (void)state;
    size_t at;
    char *map = vocab_replace(vocab_map(merges), "\"Ġw\": 260", "\"hell\": 260", &at);
    refuse_map(map, INGOT_E_VOCABULARY, INGOT_NO_OFFSET, "\"hell\" is given twice, as 258 and 260");
    map = vocab_replace(vocab_map(merges), "\"Ġw\": 260", "\"\": 260", &at);
    refuse_map(map, INGOT_E_VOCABULARY, at, "token 260 is empty");
}

static void every_byte_has_a_token(void **state)
{
    (void)state;
    size_t at;
    char *map = vocab_replace(vocab_map(merges), "\"A\": 65", "\"Aa\": 65", &at);
    refuse_map(map, INGOT_E_VOCABULARY, INGOT_NO_OFFSET, "byte 0x41");
}

static void merges_name_tokens_and_make_tokens(void **state)
{
    (void)state;
    size_t at;
    char *text = vocab_replace(vocab_lines(merges, "\n"), "he ll", "hx ll", &at);
    refuse_lines(text, INGOT_E_VOCABULARY, at, "merge 4: \"hx\" is no token");
    text = vocab_replace(vocab_lines(merges, "\n"), "he ll", "he lx", &at);
    refuse_lines(text, INGOT_E_VOCABULARY, at, "merge 4: \"lx\" is no token");
    text = vocab_replace(vocab_lines(merges, "\n"), "he ll", "ll he", &at);
    refuse_lines(text, INGOT_E_VOCABULARY, at, "merge 4: \"llhe\" is made here and is no token");
    text = vocab_replace(vocab_lines(merges, "\n"), "hell o\n", "hell o\nhe ll\n", &at);
    refuse_lines(text, INGOT_E_VOCABULARY, at + 7, "merge 6 stands in the file twice");
}

static void a_line_of_merges_is_two_pieces_with_one_space(void **state)
{
    (void)state;
    static const char *const bad[] = { "hell", "he l l", " hell", "hell ", "he  ll" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t at;
        char *text = vocab_replace(vocab_lines(merges, "\n"), "he ll", bad[i], &at);
        refuse_lines(text, INGOT_E_SOURCE, at, "merge 4: expected two pieces");
    }
    size_t at;
    char *text = vocab_replace(vocab_lines(merges, "\n"), "he ll", "he \xff", &at);
    refuse_lines(text, INGOT_E_UNSUPPORTED, at, "spelling of bytes");
}

/* Neither a cut nor any byte changed may do worse than an error. */
static void damaged_files_are_refused_or_read_and_never_more(void **state)
{
    (void)state;
    char *directory = fixture_directory(), *text = vocab_tokenizer_json(merges, true);
    size_t n = strlen(text), n_refused = 0;
    uint64_t random = 7;
    for (size_t i = 0; i < 600; i++) {
        char *damaged = strdup(text);
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        size_t at = (random >> 33) % n;
        if (i % 2) damaged[at] = (char)(random >> 20);
        fixture_write(directory, "tokenizer.json", damaged, i % 2 ? n : at + 1);
        free(damaged);
        struct vocabulary v;
        struct ingot_error err = { 0 };
        enum ingot_status status = vocabulary_build(directory, N_VOCAB, &v, &err);
        assert_int_equal(err.status, status);
        assert_true(status < INGOT_E_IO);
        n_refused += status != INGOT_OK;
        vocabulary_free(&v);
    }
    assert_true(n_refused > 300);
    free(text);
    fixture_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_gives_the_same_bytes),
        cmocka_unit_test(json_escapes_spell_the_same_token),
        cmocka_unit_test(the_last_line_needs_no_newline_and_the_version_line_may_be_absent),
        cmocka_unit_test(the_section_holds_pieces_bytes_and_specials_where_its_header_says),
        cmocka_unit_test(every_merge_is_found_from_its_home_slot),
        cmocka_unit_test(an_id_between_others_may_be_unused_and_has_no_bytes),
        cmocka_unit_test(added_tokens_beside_a_pair_are_special),
        cmocka_unit_test(the_roles_of_a_special_tokens_map_are_special),
        cmocka_unit_test(a_special_token_that_takes_white_space_with_it_is_refused),
        cmocka_unit_test(the_released_vocabulary_has_50257_tokens_and_50000_merges),
        cmocka_unit_test(a_directory_without_a_tokenizer_gives_no_section_and_no_error),
        cmocka_unit_test(one_file_of_a_pair_is_an_error_that_names_the_other),
        cmocka_unit_test(a_tokenizer_that_is_a_link_to_nowhere_is_missed),
        cmocka_unit_test(a_whole_pair_is_read_although_half_of_another_lies_beside_it),
        cmocka_unit_test(other_kinds_of_tokenizer_are_refused_by_name),
        cmocka_unit_test(what_a_tokenizer_config_adds_to_each_text_is_refused_by_name),
        cmocka_unit_test(a_pair_of_another_class_is_refused_by_name),
        cmocka_unit_test(a_released_tokenizer_config_changes_nothing),
        cmocka_unit_test(whatever_tokenizer_json_asks_for_beyond_gpt2_is_refused_by_name),
        cmocka_unit_test(a_malformed_tokenizer_json_is_refused_with_its_place),
        cmocka_unit_test(ids_are_distinct_whole_numbers_below_the_models_vocabulary),
        cmocka_unit_test(a_token_stands_once_and_is_not_empty),
        cmocka_unit_test(every_byte_has_a_token),
        cmocka_unit_test(merges_name_tokens_and_make_tokens),
        cmocka_unit_test(a_line_of_merges_is_two_pieces_with_one_space),
        cmocka_unit_test(damaged_files_are_refused_or_read_and_never_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* GGUF files as sources: what they state, what they hold, the tokenizer inside them. */
#include "tests/unit/gguf_fixture.h"
#include "tests/unit/skip.h"
#include "tests/unit/vocab_fixture.h"

#include "format/disk.h"

#define CORPUS    "../shared/corpus/"
#define TOKENIZER "tokenizer.ggml."
#define F32       0u
#define N_BYTES   256u
#define NORMAL    1u
#define CONTROL   3u
#define USER      4u
#define UNUSED    5u
#define OF_A_BYTE 6u

static const char *const lines[] = { "h e", "l l", "he ll", "hell o", "\u0120 hello" };
static const struct vocab_merges merges = { lines, 5 };
#define N_VOCAB (N_BYTES + 5 + 1)

static struct ingot_source *open_source(const char *path)
{
    struct ingot_source *src = NULL;
    struct ingot_error err = { 0 };
    if (ingot_source_open(path, &src, &err) != INGOT_OK) fail_msg("%s: %s", err.subject, err.message);
    assert_string_equal(ingot_source_format(src), "gguf");
    return src;
}

/* Writes the image under a name into a directory and frees it. */
static void write_image(const char *directory, const char *name, struct gguf_image im)
{
    fixture_write(directory, name, im.bytes, im.n);
    gguf_free_image(&im);
}

static void expect_refusal(const char *path, enum ingot_status status, uint64_t off, const char *word)
{
    struct ingot_source *src = NULL;
    struct ingot_error err = { 0 };
    assert_int_equal(ingot_source_open(path, &src, &err), status);
    assert_null(src);
    assert_int_equal(err.offset, off);
    if (!strstr(err.message, word)) fail_msg("\"%s\" is not in \"%s\"", word, err.message);
}

/* ------------------------------------------------------------------------------------------------------ the source */

static void every_scalar_becomes_a_fact_under_its_own_key_and_arrays_do_not(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        int64_t value;
    } integers[] = { { "test.u8", UINT8_MAX },  { "test.i8", INT8_MIN },    { "test.u16", UINT16_MAX },
                     { "test.i16", INT16_MIN }, { "test.u32", UINT32_MAX }, { "test.i32", INT32_MIN },
                     { "test.i64", INT64_MIN } };
    struct ingot_source *src = open_source(vocab_root_path("tests/models/gguf/every-type.gguf"));
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        const struct ingot_fact *f = source_find_fact(src, integers[i].key);
        assert_non_null(f);
        assert_int_equal(f->type, INGOT_FACT_INT);
        assert_true(f->integer == integers[i].value);
    }
    assert_null(source_find_fact(src, "test.u64")); /* 2^64 - 1 is no int64_t */
    assert_true(source_find_fact(src, "test.f32")->number == (double)1e-5f);
    assert_true(source_find_fact(src, "test.f64")->number == 0.1);
    assert_int_equal(source_find_fact(src, "test.bool")->type, INGOT_FACT_BOOL);
    assert_int_equal(source_find_fact(src, "test.bool")->integer, 1);
    assert_string_equal(source_find_fact(src, "test.string")->text, "Gl\u00fcck");
    assert_string_equal(source_find_fact(src, "general.architecture")->text, "test");
    assert_null(source_find_fact(src, "test.strings"));
    assert_null(source_find_fact(src, "test.numbers"));
    ingot_source_close(src);
}

static void a_text_that_no_fact_can_hold_is_left_out(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    static char longest[SOURCE_MAX_FACT_BYTES + 2];
    memset(longest, 't', SOURCE_MAX_FACT_BYTES + 1);
    struct gguf_image im = gguf_begin(3, 0, 3);
    put_key_text(&im, "template", longest);
    put_key_text(&im, "nul", "a.b");
    im.bytes[im.n - 2] = '\0';
    put_key_text(&im, "empty", "");
    write_image(directory, "m.gguf", im);
    struct ingot_source *src = open_source(directory);
    assert_int_equal(ingot_source_fact_count(src), 1);
    assert_string_equal(source_find_fact(src, "empty")->text, "");
    ingot_source_close(src);
    fixture_remove(directory);
}

/* The same matrix as in the Hugging Face directory beside it: [V, C] there and here. */
static void the_embedding_is_rows_of_tokens(void **state)
{
    (void)state;
    struct ingot_source *gguf = open_source(vocab_root_path("tests/models/foreign/gguf/tiny.gguf")), *hf = NULL;
    struct ingot_source_tensor a = { 0 }, b = { 0 };
    assert_int_equal(ingot_source_open(vocab_root_path("tests/models/foreign/hf"), &hf, NULL), INGOT_OK);
    for (size_t i = 0; i < ingot_source_count(gguf); i++)
        if (strcmp(ingot_source_at(gguf, i).name, "token_embd.weight") == 0) a = ingot_source_at(gguf, i);
    for (size_t i = 0; i < ingot_source_count(hf); i++)
        if (strcmp(ingot_source_at(hf, i).name, "wte.weight") == 0) b = ingot_source_at(hf, i);
    assert_non_null(a.data);
    assert_non_null(b.data);
    assert_int_equal(a.rank, 2);
    assert_int_equal(a.shape[0], b.shape[0]);
    assert_int_equal(a.shape[1], b.shape[1]);
    assert_int_equal(a.n_bytes, b.n_bytes);
    assert_memory_equal(a.data, b.data, a.n_bytes);
    assert_int_equal(source_find_fact(gguf, "gpt2.block_count")->integer, 2);
    ingot_source_close(gguf);
    ingot_source_close(hf);
}

static void a_file_is_known_by_its_magic_or_by_its_name(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    write_image(directory, "model.bin", gguf_begin(3, 0, 0));
    ingot_source_close(open_source(fixture_path(directory, "model.bin")));
    fixture_write(directory, "damaged.gguf", "GGML", 4);
    expect_refusal(fixture_path(directory, "damaged.gguf"), INGOT_E_SOURCE, 0, "GGUF");
    fixture_write(directory, "short.gguf", "GG", 2);
    expect_refusal(fixture_path(directory, "short.gguf"), INGOT_E_TRUNCATED, 0, "ends");
    fixture_remove(directory);
}

static void a_directory_has_one_gguf_file_or_its_files_are_named(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    write_image(directory, "c.gguf", gguf_begin(3, 0, 0));
    fixture_write(directory, "._c.gguf", "", 0); /* as some systems leave beside a copied file */
    struct ingot_source *src = open_source(directory);
    assert_int_equal(src->n_files, 1);
    ingot_source_close(src);
    write_image(directory, "a.gguf", gguf_begin(3, 0, 0));
    expect_refusal(directory, INGOT_E_UNSUPPORTED, INGOT_NO_OFFSET, "2 GGUF files: a.gguf, c.gguf");
    write_image(directory, "b.gguf", gguf_begin(3, 0, 0));
    expect_refusal(directory, INGOT_E_UNSUPPORTED, INGOT_NO_OFFSET, "3 GGUF files: a.gguf, b.gguf, ...");
    fixture_remove(directory);
}

static void a_file_that_goes_once_the_format_is_chosen_is_said_to_have_gone(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    struct ingot_source src = { .path = directory, .directory = directory };
    struct ingot_error err = { 0 };
    assert_int_equal(source_gguf.open(&src, &err), INGOT_E_CHANGED);
    assert_int_equal(err.offset, INGOT_NO_OFFSET);
    assert_string_equal(err.message, "the GGUF file has gone");
    source_gguf.close(&src);
    fixture_remove(directory);
}

static void a_directory_with_a_checkpoint_of_another_format_is_that_checkpoint(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    struct ingot_source *src = NULL;
    struct ingot_error err = { 0 };
    write_image(directory, "m.gguf", gguf_begin(3, 0, 0));
    fixture_write(directory, "pytorch_model.bin", "PK\3\4", 4);
    assert_int_not_equal(ingot_source_open(directory, &src, &err), INGOT_OK);
    assert_non_null(strstr(err.subject, "pytorch_model.bin"));
    fixture_remove(directory);
}

static void a_part_of_a_split_model_is_refused_by_name(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    for (uint32_t count = 1; count <= 2; count++) {
        struct gguf_image im = gguf_begin(3, 0, 1);
        put_key_u32(&im, "split.count", count);
        size_t at = im.n - 4;
        write_image(directory, "model-00001-of-00002.gguf", im);
        const char *path = fixture_path(directory, "model-00001-of-00002.gguf");
        if (count == 2)
            expect_refusal(path, INGOT_E_UNSUPPORTED, at, "one of 2 parts");
        else
            ingot_source_close(open_source(path));
    }
    fixture_remove(directory);
}

static void two_tensors_of_one_name_are_refused(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    struct gguf_image im = gguf_begin(3, 2, 0);
    put_matrix(&im, "t", 1, 8, F32, 0);
    put_matrix(&im, "t", 1, 8, F32, 32);
    put_data(&im, 32, 64);
    write_image(directory, "m.gguf", im);
    expect_refusal(directory, INGOT_E_SOURCE, INGOT_NO_OFFSET, "two of its tensors");
    fixture_remove(directory);
}

/* ------------------------------------------------------------------------------------------------- quantised models */

/* The keys of the file, byte by byte. */
static void copy_values(struct gguf_image *im, const uint8_t *bytes, const struct gguf_file *f)
{
    uint64_t end = GGUF_HEADER_BYTES;
    for (size_t i = 0; i < f->n_values; i++) {
        const struct cursor *at = &f->values[i].bytes;
        if (at->at + at->left > end) end = at->at + at->left;
    }
    put_bytes(im, bytes + GGUF_HEADER_BYTES, end - GGUF_HEADER_BYTES);
}

static void put_shape(struct gguf_image *im, const struct ingot_source_tensor *t)
{
    put_text(im, t->name);
    put_32(im, t->rank);
    for (uint32_t i = t->rank; i-- > 0;) put_64(im, t->shape[i]);
}

static uint64_t f32_bytes(const struct ingot_source_tensor *t)
{
    uint64_t elems;
    assert_true(ingot_shape_elems(t->rank, t->shape, &elems));
    return elems * sizeof(float);
}

/* The same model with every block written out as f32. */
static struct gguf_image written_out(const uint8_t *bytes, size_t n)
{
    struct gguf_file f;
    uint64_t offset = 0;
    assert_int_equal(gguf_parse(bytes, n, "t", "t", &f, NULL), INGOT_OK);
    struct gguf_image im = gguf_begin(3, f.n_tensors, f.n_values);
    copy_values(&im, bytes, &f);
    for (size_t i = 0; i < f.n_tensors; offset += f32_bytes(&f.tensors[i++])) {
        put_shape(&im, &f.tensors[i]);
        put_32(&im, F32);
        put_64(&im, offset);
    }
    put_data(&im, 32, 0);
    for (size_t i = 0; i < f.n_tensors; i++) {
        uint64_t n_bytes = f32_bytes(&f.tensors[i]);
        float *values = malloc(n_bytes);
        ingot_source_gather(&f.tensors[i], 0, n_bytes / sizeof *values, values);
        put_bytes(&im, values, n_bytes);
        free(values);
    }
    gguf_free(&f);
    return im;
}

static struct ingot_convert_report convert(const char *path, const char *directory)
{
    const struct ingot_convert_options options = { .overwrite = true, .n_threads = 1 };
    struct ingot_convert_report report;
    struct ingot_error err = { 0 };
    if (ingot_convert(path, fixture_path(directory, "out.ingot"), &options, &report, &err) != INGOT_OK)
        fail_msg("%s: %s", err.subject, err.message);
    return report;
}

static void a_model_that_llama_cpp_quantised_converts_to_what_its_blocks_mean(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    size_t n;
    const char *path = vocab_root_path("tests/models/gguf/quantised.gguf");
    uint8_t *bytes = fixture_read(path, &n);
    struct ingot_convert_report quantised = convert(path, directory);
    write_image(directory, "m.gguf", written_out(bytes, n));
    struct ingot_convert_report plain = convert(fixture_path(directory, "m.gguf"), directory);
    assert_true(quantised.content_id.lo == plain.content_id.lo && quantised.content_id.hi == plain.content_id.hi);
    assert_int_equal(quantised.n_tensors, plain.n_tensors);
    assert_true(quantised.n_tensors > 20 && quantised.source_bytes < plain.source_bytes);
    free(bytes);
    fixture_remove(directory);
}

/* --------------------------------------------------------------------------------------------------- the tokenizer */

/* What a file says about its tokenizer; NULL, 0: as GPT-2's says it. */
struct tokenizer {
    const char *model, *split;
    const char *with;       /* a BOOL under this key, true */
    const char *last_merge; /* in place of the last line */
    uint32_t last_type;     /* of the token behind the merges */
    uint32_t n_types;       /* written, where not as many as tokens */
    bool no_types, no_merges, no_tokens;
};

/* The token of a merge: its line without the space. */
static void put_joined(struct gguf_image *im, const char *line)
{
    const char *space = strchr(line, ' ');
    char token[64];
    snprintf(token, sizeof token, "%.*s%s", (int)(space - line), line, space + 1);
    put_text(im, token);
}

static void put_tokens(struct gguf_image *im, const char *last)
{
    char spelled[3];
    put_key_array(im, TOKENIZER "tokens", GGUF_STRING, N_VOCAB);
    for (unsigned b = 0; b < N_BYTES; b++) {
        vocab_spell(b, spelled);
        put_text(im, spelled);
    }
    for (size_t i = 0; i < merges.n; i++) put_joined(im, merges.lines[i]);
    put_text(im, last);
}

static void put_types(struct gguf_image *im, uint32_t n, uint32_t last)
{
    put_key_array(im, TOKENIZER "token_type", GGUF_I32, n);
    for (uint32_t i = 0; i < n; i++) put_32(im, i == N_VOCAB - 1 ? last : NORMAL);
}

static void put_merges(struct gguf_image *im, const char *last)
{
    put_key_array(im, TOKENIZER "merges", GGUF_STRING, merges.n);
    for (size_t i = 0; i < merges.n; i++) put_text(im, last && i == merges.n - 1 ? last : merges.lines[i]);
}

static struct gguf_image image_of(struct tokenizer k)
{
    uint64_t n = 2u + !k.no_tokens + !k.no_types + !k.no_merges + (k.with != NULL);
    struct gguf_image im = gguf_begin(3, 0, n);
    put_key_text(&im, TOKENIZER "model", k.model ? k.model : "gpt2");
    put_key_text(&im, TOKENIZER "pre", k.split ? k.split : "gpt-2");
    if (k.with) {
        put_key(&im, k.with, GGUF_BOOL);
        put_bytes(&im, "\1", 1);
    }
    if (!k.no_tokens) put_tokens(&im, EOT);
    if (!k.no_types) put_types(&im, k.n_types ? k.n_types : N_VOCAB, k.last_type ? k.last_type : CONTROL);
    if (!k.no_merges) put_merges(&im, k.last_merge);
    return im;
}

static enum ingot_status build(struct gguf_image im, struct vocabulary *v, struct ingot_error *err)
{
    char *directory = fixture_directory();
    write_image(directory, "m.gguf", im);
    struct ingot_source *src = open_source(directory);
    *err = (struct ingot_error){ 0 };
    enum ingot_status status = vocabulary_of_source(src, N_VOCAB, v, err);
    assert_int_equal(status, err->status);
    ingot_source_close(src);
    fixture_remove(directory);
    return status;
}

/* `at` is a string of the file, where the error must point to the last of its kind; NULL: no offset. */
static void expect_no_vocabulary(struct tokenizer k, enum ingot_status status, const char *at, const char *word)
{
    struct vocabulary v;
    struct ingot_error err;
    struct gguf_image im = image_of(k);
    uint64_t off = INGOT_NO_OFFSET;
    if (at) {
        size_t found = im.n;
        while (memcmp(im.bytes + found - strlen(at), at, strlen(at)) != 0) assert_true(--found > strlen(at));
        off = found - strlen(at) - 8;
    }
    assert_int_equal(build(im, &v, &err), status);
    assert_int_equal(err.offset, off);
    assert_null(v.bytes);
    if (!strstr(err.message, word)) fail_msg("\"%s\" is not in \"%s\"", word, err.message);
}

static void expect_section(struct tokenizer k, const uint8_t *section, size_t n)
{
    struct vocabulary v;
    struct ingot_error err;
    if (build(image_of(k), &v, &err) != INGOT_OK) fail_msg("%s", err.message);
    assert_int_equal(v.n_bytes, n);
    assert_memory_equal(v.bytes, section, n);
    vocabulary_free(&v);
}

static void the_section_is_that_of_the_tokenizer_files(void **state)
{
    (void)state;
    size_t n;
    uint8_t *section = vocab_section(merges, &n);
    expect_section((struct tokenizer){ 0 }, section, n);
    expect_section((struct tokenizer){ .last_type = USER }, section, n);
    expect_section((struct tokenizer){ .no_types = true }, section, n);
    free(section);
}

static void an_unused_token_is_an_id_without_a_token(void **state)
{
    (void)state;
    struct vocabulary v;
    struct ingot_error err;
    if (build(image_of((struct tokenizer){ .last_type = UNUSED }), &v, &err) != INGOT_OK) fail_msg("%s", err.message);
    assert_int_equal(get_u32(v.bytes + VOCAB_N_TOKENS_OFF), N_VOCAB - 1);
    assert_int_equal(get_u32(v.bytes + VOCAB_N_SPECIAL_OFF), 0);
    vocabulary_free(&v);
}

static void a_file_without_a_tokenizer_leaves_it_to_the_files_beside_it(void **state)
{
    (void)state;
    static const char *const models[] = { "none", "no_vocab", "gpt2" };
    for (size_t i = 0; i < 3; i++) {
        struct vocabulary v;
        struct ingot_error err;
        struct tokenizer k = { .model = models[i], .no_tokens = true, .no_types = true, .no_merges = true };
        assert_int_equal(build(image_of(k), &v, &err), i < 2 ? INGOT_OK : INGOT_E_MISSING);
        assert_null(v.bytes);
    }
}

static void a_tokenizer_of_another_kind_is_refused_by_name(void **state)
{
    (void)state;
    expect_no_vocabulary((struct tokenizer){ .model = "llama" }, INGOT_E_UNSUPPORTED, "llama", "is llama");
    expect_no_vocabulary((struct tokenizer){ .split = "qwen2" }, INGOT_E_UNSUPPORTED, "qwen2", "is qwen2");
    static const char *const additions[] = { TOKENIZER "add_bos_token", TOKENIZER "add_eos_token",
                                             TOKENIZER "add_space_prefix" };
    for (size_t i = 0; i < 3; i++) {
        struct vocabulary v;
        struct ingot_error err;
        assert_int_equal(build(image_of((struct tokenizer){ .with = additions[i] }), &v, &err), INGOT_E_UNSUPPORTED);
        assert_non_null(strstr(err.message, additions[i]));
    }
}

static void tokens_types_and_merges_fit_together(void **state)
{
    (void)state;
    struct vocabulary v;
    struct ingot_error err;
    expect_no_vocabulary((struct tokenizer){ .no_tokens = true }, INGOT_E_MISSING, NULL, "no tokenizer.ggml.tokens");
    expect_no_vocabulary((struct tokenizer){ .no_merges = true }, INGOT_E_MISSING, NULL, "no tokenizer.ggml.merges");
    expect_no_vocabulary((struct tokenizer){ .last_type = OF_A_BYTE }, INGOT_E_UNSUPPORTED, EOT, "type 6");
    expect_no_vocabulary((struct tokenizer){ .last_type = 7 }, INGOT_E_UNSUPPORTED, EOT, "type 7");
    expect_no_vocabulary((struct tokenizer){ .last_type = NORMAL, .last_merge = "he o" }, INGOT_E_VOCABULARY, "he o",
                         "merge 5");
    expect_no_vocabulary((struct tokenizer){ .last_merge = "hello" }, INGOT_E_SOURCE, "hello", "merge 5");
    assert_int_equal(build(image_of((struct tokenizer){ .n_types = N_VOCAB - 1 }), &v, &err), INGOT_E_SOURCE);
    assert_non_null(strstr(err.message, "261 types of 262 tokens"));
}

static void arrays_of_other_elements_are_refused(void **state)
{
    (void)state;
    struct vocabulary v;
    struct ingot_error err;
    struct gguf_image im = gguf_begin(3, 0, 2);
    put_key_text(&im, TOKENIZER "model", "gpt2");
    put_key_array(&im, TOKENIZER "tokens", GGUF_U32, 1);
    put_32(&im, 0);
    size_t at = im.n - 4;
    assert_int_equal(build(im, &v, &err), INGOT_E_SOURCE);
    assert_int_equal(err.offset, at);
    assert_non_null(strstr(err.message, "not an array of strings"));
}

static void the_released_vocabulary_is_the_same_from_gguf_and_from_openais_files(void **state)
{
    (void)state;
    size_t n;
    const char *path = vocab_root_path(CORPUS "gpt2-vocab-gguf/ggml-vocab-gpt-2.gguf");
    if (access(path, R_OK) != 0) SKIP("no corpus");
    uint8_t *section = vocab_section_of(vocab_root_path(CORPUS "gpt2-tokenizer"), 50257, &n);
    struct vocabulary v;
    struct ingot_error err = { 0 };
    struct ingot_source *src = open_source(path);
    assert_int_equal(ingot_source_count(src), 0);
    assert_int_equal(source_find_fact(src, "gpt2.context_length")->integer, 1024);
    if (vocabulary_of_source(src, 50257, &v, &err) != INGOT_OK) fail_msg("%s", err.message);
    assert_int_equal(v.n_bytes, n);
    assert_memory_equal(v.bytes, section, n);
    vocabulary_free(&v);
    ingot_source_close(src);
    free(section);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scalar_becomes_a_fact_under_its_own_key_and_arrays_do_not),
        cmocka_unit_test(a_text_that_no_fact_can_hold_is_left_out),
        cmocka_unit_test(the_embedding_is_rows_of_tokens),
        cmocka_unit_test(a_file_is_known_by_its_magic_or_by_its_name),
        cmocka_unit_test(a_directory_has_one_gguf_file_or_its_files_are_named),
        cmocka_unit_test(a_file_that_goes_once_the_format_is_chosen_is_said_to_have_gone),
        cmocka_unit_test(a_directory_with_a_checkpoint_of_another_format_is_that_checkpoint),
        cmocka_unit_test(a_part_of_a_split_model_is_refused_by_name),
        cmocka_unit_test(two_tensors_of_one_name_are_refused),
        cmocka_unit_test(a_model_that_llama_cpp_quantised_converts_to_what_its_blocks_mean),
        cmocka_unit_test(the_section_is_that_of_the_tokenizer_files),
        cmocka_unit_test(an_unused_token_is_an_id_without_a_token),
        cmocka_unit_test(a_file_without_a_tokenizer_leaves_it_to_the_files_beside_it),
        cmocka_unit_test(a_tokenizer_of_another_kind_is_refused_by_name),
        cmocka_unit_test(tokens_types_and_merges_fit_together),
        cmocka_unit_test(arrays_of_other_elements_are_refused),
        cmocka_unit_test(the_released_vocabulary_is_the_same_from_gguf_and_from_openais_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

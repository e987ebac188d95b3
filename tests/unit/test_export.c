/* test_export.c - what was converted comes out again with every bit, all of it or nothing. */
#include "tests/unit/vocab_fixture.h"

#include "convert/ingot_convert.h"

#define FOREIGN "tests/models/foreign/"

/* A directory of the test's own, with the model in it as `in.ingot`. */
struct place {
    char *dir;
    struct ingot_file *file;
};

static const char *at(struct place p, const char *name)
{
    return fixture_path(p.dir, name);
}

static struct ingot_file *convert(const char *source, const char *output, enum ingot_dtype dtype)
{
    struct ingot_convert_options options = { .dtype = dtype, .overwrite = true };
    struct ingot_error err = { 0 };
    struct ingot_file *file = NULL;
    if (ingot_convert(source, output, &options, NULL, &err) != INGOT_OK ||
        ingot_open(output, INGOT_OPEN_MAP, &file, &err) != INGOT_OK)
        fail_msg("%s: %s: %s", source, err.subject, err.message);
    return file;
}

static struct place set_up(const char *source, enum ingot_dtype dtype)
{
    struct place p = { fixture_directory(), NULL };
    p.file = convert(source, at(p, "in.ingot"), dtype);
    return p;
}

/* A checkpoint made here, with the tensors as they are now. */
static struct place set_up_fixture(struct fixture *f, const char *config, enum ingot_dtype dtype)
{
    char *source = fixture_directory();
    fixture_write_checkpoint(f, source, config);
    struct place p = set_up(source, dtype);
    fixture_remove(source);
    fixture_free(f);
    return p;
}

static void remove_tree(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        char *inner = NULL;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        assert_true(asprintf(&inner, "%s/%s", path, e->d_name) > 0);
        remove_tree(inner);
        free(inner);
    }
    if (d) closedir(d);
    remove(path);
}

static void tear_down(struct place p)
{
    ingot_close(p.file);
    remove_tree(p.dir);
    free(p.dir);
}

static enum ingot_status export(struct place p, const char *format, const char *name,
                                const struct ingot_export_options *options, struct ingot_error *err) {
        *err = (struct ingot_error){ 0 }; return ingot_export(p.file, format, at(p, name), options, NULL, err);
}

static void must_export(struct place p, const char *format, const char *name, enum ingot_dtype dtype)
{
    struct ingot_export_options options = { .dtype = dtype, .n_threads = 2 };
    struct ingot_error err;
    if (export(p, format, name, &options, &err) != INGOT_OK) fail_msg("%s: %s", err.subject, err.message);
}

static void must_refuse(struct place p, const char *format, enum ingot_status status, const char *word)
{
    struct ingot_error err;
    assert_int_equal(export(p, format, "out", NULL, &err), status);
    if (!strstr(err.message, word)) fail_msg("'%s' does not name %s", err.message, word);
    assert_false(path_exists(p.dir, "out"));
    assert_int_equal(fixture_count_files(p.dir), 1);
}

/* ---------------------------------------------------------------------------------------------------- round trips */

/* All sections but those that tell where it came from are the same. */
static void expect_same_model(const struct ingot_file *a, const struct ingot_file *b, bool vocabulary_too)
{
    struct ingot_file_info x, y;
    ingot_file_get_info(a, &x);
    ingot_file_get_info(b, &y);
    assert_memory_equal(&x.content_id, &y.content_id, sizeof x.content_id);
    for (uint32_t i = 0; i < ingot_section_count(a); i++) {
        struct ingot_section s = ingot_section_at(a, i), t;
        bool tells_origin = s.kind == INGOT_KIND_METADATA || s.kind == INGOT_KIND_PROVENANCE ||
                            s.kind == INGOT_KIND_RECIPE || strcmp(s.name, INGOT_NAME_CHUNKS) == 0;
        if (tells_origin || (s.kind == INGOT_KIND_VOCABULARY && !vocabulary_too)) continue;
        if (!ingot_find(b, s.name, &t)) fail_msg("no %s", s.name);
        assert_int_equal(s.raw_bytes, t.raw_bytes);
        if (memcmp(s.data, t.data, s.raw_bytes) != 0) fail_msg("%s differs", s.name);
    }
}

static void expect_round_trip(struct place p, const char *format, const char *name)
{
    must_export(p, format, name, INGOT_DTYPE_NONE);
    struct ingot_file *again = convert(at(p, name), at(p, "again.ingot"), INGOT_DTYPE_NONE);
    expect_same_model(p.file, again, true);
    ingot_close(again);
}

static void expect_same_tensors(const char *path_a, const char *path_b)
{
    struct ingot_source *a, *b;
    struct ingot_error err = { 0 };
    assert_int_equal(ingot_source_open(path_a, &a, &err), INGOT_OK);
    assert_int_equal(ingot_source_open(path_b, &b, &err), INGOT_OK);
    assert_int_equal(ingot_source_count(a), ingot_source_count(b));
    for (size_t i = 0; i < ingot_source_count(a); i++) {
        struct ingot_source_tensor s = ingot_source_at(a, i), t = { 0 };
        for (size_t k = 0; k < ingot_source_count(b); k++)
            if (strcmp(ingot_source_at(b, k).name, s.name) == 0) t = ingot_source_at(b, k);
        if (!t.name) fail_msg("no %s", s.name);
        assert_string_equal(s.dtype_name, t.dtype_name);
        assert_int_equal(s.rank, t.rank);
        assert_memory_equal(s.shape, t.shape, sizeof s.shape);
        assert_int_equal(s.n_bytes, t.n_bytes);
        assert_memory_equal(s.data, t.data, s.n_bytes);
    }
    ingot_source_close(a);
    ingot_source_close(b);
}

static void hugging_face_comes_back_with_every_bit(void **state)
{
    (void)state;
    static const char *const sources[] = { FOREIGN "hf", FOREIGN "hf-f16", FOREIGN "hf-bf16", "tests/models/bard" };
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        struct place p = set_up(vocab_root_path(sources[i]), INGOT_DTYPE_NONE);
        expect_round_trip(p, "huggingface", "out");
        expect_same_tensors(vocab_root_path(sources[i]), at(p, "out"));
        tear_down(p);
    }
}

static const char *dtype_in(const char *directory, const char *name)
{
    static char dtype[8];
    struct ingot_source *src;
    struct ingot_error err = { 0 };
    assert_int_equal(ingot_source_open(directory, &src, &err), INGOT_OK);
    dtype[0] = 0;
    for (size_t i = 0; i < ingot_source_count(src); i++)
        if (strcmp(ingot_source_at(src, i).name, name) == 0)
            snprintf(dtype, sizeof dtype, "%s", ingot_source_at(src, i).dtype_name);
    ingot_source_close(src);
    return dtype;
}

static void an_untied_head_and_other_hyper_parameters_come_back(void **state)
{
    (void)state;
    static const char config[] =
        "{\"model_type\": \"gpt2\", \"n_layer\": 2, \"n_head\": 3, \"n_embd\": 6, \"n_positions\": 5, \"n_inner\": 20, "
        "\"vocab_size\": 17, \"activation_function\": \"gelu\", \"layer_norm_epsilon\": 1.234567e-06, "
        "\"scale_attn_weights\": false, \"scale_attn_by_inverse_layer_idx\": true, \"tie_word_embeddings\": false}";
    struct fixture *f = fixture_gpt2("", "F32");
    fixture_add(f, "lm_head.weight", "F32", 2, FIXTURE_VOCAB, FIXTURE_EMBD);
    struct place p = set_up_fixture(f, config, INGOT_DTYPE_NONE);
    struct ingot_hparams hp;
    struct ingot_error err = { 0 };
    assert_int_equal(ingot_hparams_read(p.file, &hp, &err), INGOT_OK);
    assert_int_equal(hp.n_vocab, 17); /* of 21 rows: padding is kept, and known as such */
    assert_int_equal(hp.n_vocab_stored, FIXTURE_VOCAB);
    expect_round_trip(p, "huggingface", "out");
    assert_string_equal(dtype_in(at(p, "out"), "lm_head.weight"), "F32");
    assert_string_equal(dtype_in(at(p, "out"), "transformer.wte.weight"), "F32");
    tear_down(p);
}

/* A checkpoint of 280 tokens whose tokenizer has these special ones besides, as members of "added_tokens". */
static struct place set_up_special(struct vocab_merges merges, const char *added)
{
    static const char config[] =
        "{\"model_type\": \"gpt2\", \"n_layer\": 2, \"n_head\": 2, \"n_embd\": 6, \"n_positions\": 5, \"n_inner\": 20, "
        "\"vocab_size\": 280, \"activation_function\": \"gelu_new\", \"layer_norm_epsilon\": 1e-05}";
    size_t where;
    char *source = fixture_directory(), *opened = NULL;
    assert_true(asprintf(&opened, "\"added_tokens\": [%s, ", added) > 0);
    char *json = vocab_replace(vocab_tokenizer_json(merges, false), "\"added_tokens\": [", opened, &where);
    vocab_write_text(source, "tokenizer.json", json);
    free(opened);
    struct fixture *f = fixture_gpt2("", "F32");
    fixture_drop(f, "wte.weight");
    fixture_add(f, "wte.weight", "F32", 2, 280, FIXTURE_EMBD);
    fixture_write_checkpoint(f, source, config);
    fixture_free(f);
    struct place p = set_up(source, INGOT_DTYPE_NONE);
    fixture_remove(source);
    return p;
}

/* Tokens of the kinds that a checkpoint's tokenizer may have, in all corners: added ones that are no visible word, that
 * merges make too, ids that are not used. */
static void a_vocabulary_comes_back_byte_for_byte(void **state)
{
    (void)state;
    static const char *const lines[] = { "a b", "ab c", "\u0120 a", "\" \\", "\u0120a b" };
    const struct vocab_merges merges = { lines, 5 };
    struct place p = set_up_special(
        merges, "{\"id\": 270, \"special\": true, \"content\": \"<a b>\"}, {\"id\": 265, \"special\": true, "
                "\"content\": \"<|pad|>\"}, {\"id\": 266, \"special\": true, \"content\": \"\u00e9\\n\\\"\"}");
    expect_round_trip(p, "huggingface", "out");
    assert_true(path_exists(at(p, "out"), "added_tokens.json"));
    tear_down(p);
}

static bool holds(const char *path, const char *text)
{
    size_t n;
    uint8_t *bytes = fixture_read(path, &n);
    bool found = memmem(bytes, n, text, strlen(text)) != NULL;
    free(bytes);
    return found;
}

static const char *const ab_lines[] = { "a b", "ab c" };
static const struct vocab_merges ab_merges = { ab_lines, 2 };

/* The tables have them twice, as special and as what a merge makes; vocab.json and special_tokens_map.json could not
 * say that. */
static void special_tokens_that_merges_make_too_come_back(void **state)
{
    (void)state;
    struct place p = set_up_special(ab_merges, "{\"id\": 256, \"special\": true, \"content\": \"ab\"}");
    expect_round_trip(p, "huggingface", "out");
    assert_false(holds(at(p, "out/vocab.json"), "\"ab\""));
    assert_true(holds(at(p, "out/added_tokens.json"), "\"ab\": 256"));
    expect_round_trip(p, "gguf", "out.gguf");
    tear_down(p);
}

static void a_token_that_looks_like_padding_stays_the_only_one_of_its_text(void **state)
{
    (void)state;
    struct place p = set_up_special(ab_merges, "{\"id\": 263, \"special\": true, \"content\": \"[PAD270]\"}, "
                                               "{\"id\": 264, \"special\": true, \"content\": \"[PAD270]]\"}");
    expect_round_trip(p, "gguf", "out.gguf");
    assert_true(holds(at(p, "out.gguf"), "[PAD269]"));
    assert_true(holds(at(p, "out.gguf"), "[PAD270]]]"));
    assert_false(holds(at(p, "out.gguf"), "[PAD271]]"));
    tear_down(p);
}

static void must_refuse_text(struct place p, const char *word)
{
    struct ingot_error err;
    must_refuse(p, "gguf", INGOT_E_UNSUPPORTED, word);
    must_refuse(p, "huggingface", INGOT_E_UNSUPPORTED, word);
    assert_int_equal(export(p, "llm.c", "out", NULL, &err), INGOT_E_UNSUPPORTED); /* n_inner, not this */
    assert_null(strstr(err.message, word));
    tear_down(p);
}

/* "\u0120a" is how " a" is spelled: a program that reads text could not tell the two. */
static void a_special_token_that_reads_as_another_is_spelled_is_refused(void **state)
{
    (void)state;
    static const char *const lines[] = { "\u0120 a" };
    struct place p =
        set_up_special((struct vocab_merges){ lines, 1 }, "{\"id\": 270, \"special\": true, \"content\": \"\u0120a\"}");
    must_refuse_text(p, "reads as token 256 is spelled");
}

/* GGUF's strings may be anything. */
static void a_special_token_that_is_no_text_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "<\xff\xfe>", "<\xed\xa0>", "<\0z>" };
    for (size_t i = 0; i < 3; i++) {
        size_t n;
        struct place p = set_up_special(ab_merges, "{\"id\": 263, \"special\": true, \"content\": \"<zz>\"}");
        must_export(p, "gguf", "in.gguf", INGOT_DTYPE_NONE);
        uint8_t *bytes = fixture_read(at(p, "in.gguf"), &n);
        memcpy(memmem(bytes, n, "<zz>", 4), bad[i], 4);
        fixture_write(p.dir, "in.gguf", bytes, n);
        free(bytes);
        ingot_close(p.file);
        p.file = convert(at(p, "in.gguf"), at(p, "in.ingot"), INGOT_DTYPE_NONE);
        unlink(at(p, "in.gguf"));
        must_refuse_text(p, "not text in UTF-8");
    }
}

/* The llm.c files of the same model were written by another program: so must ours be, to the byte. */
static void llm_c_is_what_its_own_writer_writes(void **state)
{
    (void)state;
    static const struct {
        const char *source, *file;
        enum ingot_dtype dtype;
    } cases[] = { { FOREIGN "hf", FOREIGN "llmc/model.bin", INGOT_DTYPE_NONE },
                  { FOREIGN "hf-bf16", FOREIGN "llmc/model_bf16.bin", INGOT_DTYPE_NONE },
                  { FOREIGN "hf", FOREIGN "llmc/model_bf16.bin", INGOT_BF16 } };
    for (size_t i = 0; i < 3; i++) {
        size_t n, m;
        struct place p = set_up(vocab_root_path(cases[i].source), INGOT_DTYPE_NONE);
        must_export(p, "llm.c", "out.bin", cases[i].dtype);
        uint8_t *got = fixture_read(at(p, "out.bin"), &n), *expected = fixture_read(vocab_root_path(cases[i].file), &m);
        assert_int_equal(n, m);
        assert_memory_equal(got, expected, n);
        free(got);
        free(expected);
        got = fixture_read(at(p, "gpt2_tokenizer.bin"), &n);
        expected = fixture_read(vocab_root_path(FOREIGN "llmc/gpt2_tokenizer.bin"), &m);
        assert_int_equal(n, m);
        assert_memory_equal(got, expected, n);
        free(got);
        free(expected);
        tear_down(p);
    }
}

/* ---------------------------------------------------------------------------------------------------------- dtypes */

static void vectors_are_narrow_only_where_nothing_is_lost(void **state)
{
    (void)state;
    struct place p = set_up_fixture(fixture_gpt2("", "F32"), FIXTURE_CONFIG, INGOT_F16);
    must_export(p, "huggingface", "out", INGOT_DTYPE_NONE);
    assert_string_equal(dtype_in(at(p, "out"), "wte.weight"), "F16");
    assert_string_equal(dtype_in(at(p, "out"), "ln_f.bias"), "F32");
    tear_down(p);
    p = set_up_fixture(fixture_gpt2("", "BF16"), FIXTURE_CONFIG, INGOT_DTYPE_NONE);
    must_export(p, "huggingface", "out", INGOT_DTYPE_NONE);
    assert_string_equal(dtype_in(at(p, "out"), "wte.weight"), "BF16");
    assert_string_equal(dtype_in(at(p, "out"), "ln_f.bias"), "BF16");
    must_export(p, "huggingface", "wide", INGOT_F32);
    assert_string_equal(dtype_in(at(p, "wide"), "wte.weight"), "F32");
    assert_string_equal(dtype_in(at(p, "wide"), "ln_f.bias"), "F32");
    tear_down(p);
}

/* As the reference implementation writes it (safetensors, tensor.rs): the wider dtype first, of two of one width BF16,
 * then by name, one behind the other; spaces to a multiple of 8. */
static void the_header_is_the_one_of_the_reference(void **state)
{
    (void)state;
    struct fixture *f = fixture_gpt2("", "F16");
    fixture_drop(f, "wpe.weight");
    fixture_add(f, "wpe.weight", "BF16", 2, 5, FIXTURE_EMBD);
    struct place p = set_up_fixture(f, FIXTURE_CONFIG, INGOT_DTYPE_NONE);
    must_export(p, "huggingface", "out", INGOT_DTYPE_NONE);
    static const char *const order[] = {
        "{\"__metadata__\":{\"format\":\"pt\"},\"h.0.attn.c_attn.bias\":{\"dtype\":\"F32\",\"shape\":[18],",
        "\"data_offsets\":[0,72]},\"h.0.attn.c_proj.bias\":",
        "\"h.1.mlp.c_proj.bias\":",
        "\"ln_f.weight\":{\"dtype\":\"F32\"",
        ",\"wpe.weight\":{\"dtype\":\"BF16\"",
        ",\"h.0.attn.c_attn.weight\":{\"dtype\":\"F16\",\"shape\":[6,18],",
        ",\"h.0.attn.c_proj.weight\":{\"dtype\":\"F16\"",
        ",\"wte.weight\":{\"dtype\":\"F16\",\"shape\":[21,6],"
    };
    size_t n;
    uint8_t *bytes = fixture_read(at(p, "out/model.safetensors"), &n);
    uint64_t length = 0;
    memcpy(&length, bytes, 8);
    assert_int_equal(length % 8, 0);
    const char *from = (const char *)bytes + 8, *end = from + length;
    assert_memory_equal(from, order[0], strlen(order[0]));
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        from = memmem(from, (size_t)(end - from), order[i], strlen(order[i]));
        if (!from) {
            fail_msg("%s is not in its place", order[i]);
            return;
        }
    }
    char last[64];
    snprintf(last, sizeof last, ",%zu]}}", n - 8 - (size_t)length);
    from = memmem(from, (size_t)(end - from), last, strlen(last));
    assert_non_null(from);
    for (from += strlen(last); from < end; from++) assert_int_equal(*from, ' ');
    free(bytes);
    tear_down(p);
}

struct warnings {
    unsigned n;
    char last[256];
};

static void note_warning(void *ctx, const char *subject, const char *message)
{
    struct warnings *w = ctx;
    w->n++;
    snprintf(w->last, sizeof w->last, "%s: %s", subject, message);
}

static void copy_file(const char *name, const char *directory)
{
    size_t n;
    char from[64];
    snprintf(from, sizeof from, FOREIGN "hf/%s", name);
    uint8_t *bytes = fixture_read(vocab_root_path(from), &n);
    fixture_write(directory, name, bytes, n);
    free(bytes);
}

static void copy_changed(const char *name, const char *directory, const char *from, const char *to)
{
    size_t n, where;
    char path[64];
    snprintf(path, sizeof path, FOREIGN "hf/%s", name);
    uint8_t *bytes = fixture_read(vocab_root_path(path), &n);
    char *text = strndup((const char *)bytes, n);
    free(bytes);
    vocab_write_text(directory, name, vocab_replace(text, from, to, &where));
}

/* The model of 277 tokens with no merge for the last but one, and other entries in vocab.json than these two. */
static struct place set_up_tokens(const char *last_two)
{
    char *source = fixture_directory();
    copy_file("config.json", source);
    copy_file("model.safetensors", source);
    copy_changed("merges.txt", source, "go t\n", "");
    copy_changed("vocab.json", source, ", \"got\": 275, \"<|endoftext|>\": 276", last_two);
    struct place p = set_up(source, INGOT_DTYPE_NONE);
    fixture_remove(source);
    return p;
}

/* Says why no tokenizer is written, or, without a word, that one is. */
static void expect_tokenizer(const char *last_two, const char *word)
{
    struct place p = set_up_tokens(last_two);
    struct warnings warnings = { 0 };
    struct ingot_export_options options = { .warning = note_warning, .warning_ctx = &warnings };
    struct ingot_error err;
    if (export(p, "llm.c", "out.bin", &options, &err) != INGOT_OK) fail_msg("%s: %s", err.subject, err.message);
    assert_int_equal(warnings.n, word ? 1 : 0);
    if (word && !strstr(warnings.last, word)) fail_msg("%s", warnings.last);
    assert_true(path_exists(p.dir, "out.bin"));
    assert_int_equal(path_exists(p.dir, "gpt2_tokenizer.bin"), !word);
    tear_down(p);
}

static void a_vocabulary_that_llm_c_cannot_say_is_not_written_for_it(void **state)
{
    (void)state;
    char entries[320];
    expect_tokenizer(", \"got\": 275", "llm.c wants an <|endoftext|>");
    expect_tokenizer(", \"<|endoftext|>\": 276", "token 275 has 0 bytes");
    snprintf(entries, sizeof entries, ", \"%0256d\": 275, \"<|endoftext|>\": 276", 0);
    expect_tokenizer(entries, "token 275 has 256 bytes, llm.c wants 1 to 255");
    snprintf(entries, sizeof entries, ", \"%0255d\": 275, \"<|endoftext|>\": 276", 0);
    expect_tokenizer(entries, NULL);
}

static void rows_that_are_a_multiple_of_128_are_not_padded_for_llm_c(void **state)
{
    (void)state;
    static const char config[] =
        "{\"model_type\": \"gpt2\", \"n_layer\": 2, \"n_head\": 2, \"n_embd\": 6, \"n_positions\": 5, \"n_inner\": 24, "
        "\"vocab_size\": 128, \"activation_function\": \"gelu_new\", \"layer_norm_epsilon\": 1e-05}";
    static const char *const wide[][3] = {
        { "h.0.mlp.c_fc.weight", "h.0.mlp.c_fc.bias", "h.0.mlp.c_proj.weight" },
        { "h.1.mlp.c_fc.weight", "h.1.mlp.c_fc.bias", "h.1.mlp.c_proj.weight" },
    };
    struct fixture *f = fixture_gpt2("", "F32");
    for (size_t layer = 0; layer < 2; layer++) {
        for (size_t i = 0; i < 3; i++) fixture_drop(f, wide[layer][i]);
        fixture_add(f, wide[layer][0], "F32", 2, 6, 24);
        fixture_add(f, wide[layer][1], "F32", 1, 24, 0);
        fixture_add(f, wide[layer][2], "F32", 2, 24, 6);
    }
    fixture_drop(f, "wte.weight");
    fixture_add(f, "wte.weight", "F32", 2, 128, 6);
    struct place p = set_up_fixture(f, config, INGOT_DTYPE_NONE);
    size_t n;
    must_export(p, "llm.c", "out.bin", INGOT_DTYPE_NONE);
    uint8_t *bytes = fixture_read(at(p, "out.bin"), &n);
    assert_memory_equal(bytes + 28, &(uint32_t){ 128 }, 4); /* padded_vocab_size */
    free(bytes);
    tear_down(p);
}

/* Version 5 is all bf16, version 3 all f32. */
static void llm_c_is_bf16_where_matrices_and_vectors_are(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        enum ingot_dtype dtype;
        uint8_t version;
    } cases[] = { { FOREIGN "hf-bf16", INGOT_DTYPE_NONE, 5 },
                  { FOREIGN "hf-bf16", INGOT_F32, 3 },
                  { FOREIGN "hf", INGOT_BF16, 3 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n;
        struct place p = set_up(vocab_root_path(cases[i].source), cases[i].dtype);
        must_export(p, "llm.c", "out.bin", INGOT_DTYPE_NONE);
        uint8_t *bytes = fixture_read(at(p, "out.bin"), &n);
        assert_int_equal(bytes[4], cases[i].version);
        free(bytes);
        tear_down(p);
    }
}

/* ------------------------------------------------------------------------------------------------------------ gguf */

/* The fact as text; "" when there is none. */
static const char *gguf_fact_of(struct place p, const char *key, char out[64])
{
    struct ingot_source *src;
    struct ingot_error err = { 0 };
    out[0] = '\0';
    if (ingot_source_open(at(p, "out.gguf"), &src, &err) != INGOT_OK) fail_msg("%s", err.message);
    for (size_t i = 0; i < ingot_source_fact_count(src); i++) {
        const struct ingot_fact f = ingot_source_fact(src, i);
        if (strcmp(f.key, key) != 0) continue;
        if (f.type == INGOT_FACT_TEXT)
            snprintf(out, 64, "%s", f.text);
        else if (f.type == INGOT_FACT_INT)
            snprintf(out, 64, "%lld", (long long)f.integer);
        else
            snprintf(out, 64, "%.6g", f.number);
    }
    ingot_source_close(src);
    return out;
}

static void expect_fact(struct place p, const char *key, const char *value)
{
    char found[64];
    if (strcmp(gguf_fact_of(p, key, found), value) != 0) fail_msg("%s is '%s', not '%s'", key, found, value);
}

/* Most of them our own reader could do without. */
static void gguf_has_every_key_that_llama_cpp_reads(void **state)
{
    (void)state;
    static const char *const facts[][2] = {
        { "general.architecture", "gpt2" },
        { "general.type", "model" },
        { "general.alignment", "32" },
        { "general.quantization_version", "2" },
        { "general.file_type", "0" },
        { "gpt2.vocab_size", "277" },
        { "gpt2.block_count", "2" },
        { "gpt2.context_length", "24" },
        { "gpt2.embedding_length", "16" },
        { "gpt2.feed_forward_length", "64" },
        { "gpt2.attention.head_count", "2" },
        { "gpt2.attention.layer_norm_epsilon", "1e-05" },
        { "tokenizer.ggml.model", "gpt2" },
        { "tokenizer.ggml.pre", "gpt-2" },
        { "tokenizer.ggml.bos_token_id", "276" },
        { "tokenizer.ggml.eos_token_id", "276" },
    };
    struct place p = set_up(vocab_root_path(FOREIGN "hf"), INGOT_DTYPE_NONE);
    must_export(p, "gguf", "out.gguf", INGOT_DTYPE_NONE);
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) expect_fact(p, facts[i][0], facts[i][1]);
    unlink(at(p, "out.gguf"));
    must_export(p, "gguf", "out.gguf", INGOT_F16);
    expect_fact(p, "general.file_type", "1");
    unlink(at(p, "out.gguf"));
    must_export(p, "gguf", "out.gguf", INGOT_BF16);
    expect_fact(p, "general.file_type", "32");
    tear_down(p);
}

static void gguf_says_that_there_is_no_vocabulary_or_no_end_of_text(void **state)
{
    (void)state;
    struct place p = set_up_fixture(fixture_gpt2("", "F32"), FIXTURE_CONFIG, INGOT_DTYPE_NONE);
    must_export(p, "gguf", "out.gguf", INGOT_DTYPE_NONE);
    expect_fact(p, "tokenizer.ggml.model", "no_vocab");
    expect_fact(p, "tokenizer.ggml.eos_token_id", "");
    tear_down(p);
    p = set_up_tokens(", \"got\": 275");
    must_export(p, "gguf", "out.gguf", INGOT_DTYPE_NONE);
    expect_fact(p, "tokenizer.ggml.model", "gpt2");
    expect_fact(p, "tokenizer.ggml.bos_token_id", "");
    expect_fact(p, "tokenizer.ggml.eos_token_id", "");
    tear_down(p);
}

/* 17 tokens, 21 rows. */
static void gguf_counts_the_rows_where_it_has_no_list_of_tokens(void **state)
{
    (void)state;
    static const char config[] =
        "{\"model_type\": \"gpt2\", \"n_layer\": 2, \"n_head\": 2, \"n_embd\": 6, \"n_positions\": 5, \"n_inner\": 20, "
        "\"vocab_size\": 17, \"activation_function\": \"gelu_new\", \"layer_norm_epsilon\": 1e-05}";
    const char *const configs[] = { config, FIXTURE_CONFIG };
    for (unsigned i = 0; i < 2; i++) {
        struct warnings warnings = { 0 };
        const struct ingot_export_options options = { .warning = note_warning, .warning_ctx = &warnings };
        struct ingot_error err;
        struct place p = set_up_fixture(fixture_gpt2("", "F32"), configs[i], INGOT_DTYPE_NONE);
        if (export(p, "gguf", "out.gguf", &options, &err) != INGOT_OK) fail_msg("%s: %s", err.subject, err.message);
        expect_fact(p, "gpt2.vocab_size", "21");
        assert_int_equal(warnings.n, i == 0 ? 2 : 1); /* that there is no tokenizer, and: */
        assert_int_equal(strstr(warnings.last, "which rows of the embedding are padding") != NULL, i == 0);
        tear_down(p);
    }
}

/* Those of merges are spelled, with a letter for each byte. */
static void a_special_token_is_written_into_gguf_as_it_reads(void **state)
{
    (void)state;
    struct place p = set_up_special(ab_merges, "{\"id\": 270, \"special\": true, \"content\": \"<a b>\"}");
    expect_round_trip(p, "gguf", "out.gguf");
    assert_true(holds(at(p, "out.gguf"), "<a b>"));
    tear_down(p);
}

/* ----------------------------------------------------------------------------------------------------- huggingface */

static void expect_holds(struct place p, const char *file, const char *text, bool expected)
{
    char path[64];
    snprintf(path, sizeof path, "out/%s", file);
    if (holds(at(p, path), text) != expected) fail_msg("%s, %s: %s", file, expected ? "without" : "with", text);
}

/* What transformers reads, of which our own reader could do without the most. */
static void the_files_beside_the_weights_say_what_transformers_asks(void **state)
{
    (void)state;
    static const char config[] =
        "{\n  \"activation_function\": \"gelu_new\",\n  \"architectures\": [\n    \"GPT2LMHeadModel\"\n  ],\n"
        "  \"bos_token_id\": 276,\n  \"eos_token_id\": 276,\n  \"layer_norm_epsilon\": 1e-5,\n"
        "  \"model_type\": \"gpt2\",\n  \"n_ctx\": 24,\n  \"n_embd\": 16,\n  \"n_head\": 2,\n  \"n_inner\": null,\n"
        "  \"n_layer\": 2,\n  \"n_positions\": 24,\n  \"vocab_size\": 277,\n  \"scale_attn_weights\": true,\n"
        "  \"scale_attn_by_inverse_layer_idx\": false,\n  \"tie_word_embeddings\": true,\n"
        "  \"torch_dtype\": \"float32\"\n}";
    static const char map[] =
        "{\n  \"bos_token\": \"" EOT "\",\n  \"eos_token\": \"" EOT "\",\n  \"unk_token\": \"" EOT "\"\n}";
    static const char tokenizer[] =
        "{\n  \"add_bos_token\": false,\n  \"add_prefix_space\": false,\n  \"added_tokens_decoder\": {\n    \"276\": "
        "{\n"
        "      \"content\": \"" EOT "\",\n      \"lstrip\": false,\n      \"normalized\": false,\n"
        "      \"rstrip\": false,\n      \"single_word\": false,\n      \"special\": true\n    }\n  },\n";
    struct place p = set_up(vocab_root_path(FOREIGN "hf"), INGOT_DTYPE_NONE);
    must_export(p, "huggingface", "out", INGOT_DTYPE_NONE);
    expect_holds(p, "config.json", config, true);
    expect_holds(p, "special_tokens_map.json", map, true);
    expect_holds(p, "tokenizer_config.json", tokenizer, true);
    expect_holds(p, "tokenizer_config.json", "\"model_max_length\": 24,\n  \"tokenizer_class\": \"GPT2Tokenizer\"\n}",
                 true);
    assert_false(path_exists(at(p, "out"), "added_tokens.json"));
    tear_down(p);
}

static void special_tokens_are_named_to_transformers(void **state)
{
    (void)state;
    struct place p = set_up_special(ab_merges, "{\"id\": 265, \"special\": true, \"content\": \"<pad>\"}, "
                                               "{\"id\": 270, \"special\": true, \"content\": \"<a b>\"}, "
                                               "{\"id\": 271, \"special\": true, \"content\": \"\u044f\"}");
    static const char others[] =
        "\"additional_special_tokens\": [\n    \"<pad>\",\n    \"<a b>\",\n    \"\u044f\"\n  ]";
    must_export(p, "huggingface", "out", INGOT_DTYPE_NONE);
    expect_holds(p, "special_tokens_map.json", others, true);
    expect_holds(p, "tokenizer_config.json", others, true);
    expect_holds(p, "added_tokens.json", "{\n  \"<a b>\": 270,\n  \"\u044f\": 271\n}", true);
    expect_holds(p, "vocab.json", "\"<pad>\": 265", true);
    expect_holds(p, "vocab.json", "270", false);
    tear_down(p);
    p = set_up_tokens(", \"got\": 275");
    must_export(p, "huggingface", "out", INGOT_DTYPE_NONE);
    expect_holds(p, "config.json", "\"bos_token_id\": null,\n  \"eos_token_id\": null", true);
    expect_holds(p, "special_tokens_map.json",
                 "{\n  \"bos_token\": null,\n  \"eos_token\": null,\n  \"unk_token\": null\n}", true);
    tear_down(p);
}

static void values_that_become_infinite_are_told(void **state)
{
    (void)state;
    struct fixture *f = fixture_gpt2("", "F32");
    fixture_put(fixture_find(f, "wpe.weight"), 3, 1e9);
    struct place p = set_up_fixture(f, FIXTURE_CONFIG, INGOT_DTYPE_NONE);
    struct warnings warnings = { 0 };
    struct ingot_export_options options = { .dtype = INGOT_F16, .warning = note_warning, .warning_ctx = &warnings };
    struct ingot_export_report report;
    assert_int_equal(ingot_export(p.file, "huggingface", at(p, "out"), &options, &report, NULL), INGOT_OK);
    assert_int_equal(report.cast.n_overflow, 1);
    assert_int_equal(warnings.n, 2); /* no tokenizer, and this */
    assert_non_null(strstr(warnings.last, "wpe.weight: 1 of 30 values became infinite in f16"));
    tear_down(p);
}

/* -------------------------------------------------------------------------------------------------------- refusals */

#define CONFIG_WITH(field)                                                                                             \
    "{\"model_type\": \"gpt2\", \"n_layer\": 2, \"n_head\": 2, \"n_embd\": 6, \"n_positions\": 5, \"n_inner\": 20, "   \
    "\"vocab_size\": 21, \"activation_function\": \"gelu_new\", " field "}"

static void expect_refused(const char *config, bool untied, const char *format, const char *word)
{
    struct fixture *f = fixture_gpt2("", "F32");
    if (untied) fixture_add(f, "lm_head.weight", "F32", 2, FIXTURE_VOCAB, FIXTURE_EMBD);
    struct place p = set_up_fixture(f, config, INGOT_DTYPE_NONE);
    must_refuse(p, format, INGOT_E_UNSUPPORTED, word);
    tear_down(p);
}

static void what_a_format_cannot_say_is_refused_by_name(void **state)
{
    (void)state;
    static const char erf[] =
        "{\"model_type\": \"gpt2\", \"n_layer\": 2, \"n_head\": 2, \"n_embd\": 6, \"n_positions\": 5, \"n_inner\": 20, "
        "\"vocab_size\": 21, \"activation_function\": \"gelu\"}";
    expect_refused(erf, false, "gguf", "erf");
    expect_refused(erf, false, "llm.c", "erf");
    expect_refused(CONFIG_WITH("\"scale_attn_weights\": false"), false, "gguf", "scores");
    expect_refused(CONFIG_WITH("\"scale_attn_by_inverse_layer_idx\": true"), false, "gguf", "scores");
    expect_refused(CONFIG_WITH("\"scale_attn_weights\": false"), false, "llm.c", "scores");
    expect_refused(CONFIG_WITH("\"tie_word_embeddings\": false"), true, "llm.c", "head");
    expect_refused(FIXTURE_CONFIG, false, "llm.c", "n_inner");
    struct place p = set_up(vocab_root_path(FOREIGN "hf"), INGOT_DTYPE_NONE);
    struct ingot_export_options options = { .dtype = INGOT_F16 };
    struct ingot_error err;
    assert_int_equal(export(p, "llm.c", "out", &options, &err), INGOT_E_UNSUPPORTED);
    assert_int_equal(export(p, "word", "out", NULL, &err), INGOT_E_ARGUMENT);
    tear_down(p);
}

/* The model of `p` once more, as in.ingot, but for one section: `instead` with these bytes, or without it none. */
static void replace_section(struct place *p, const char *name, const struct ingot_section_plan *instead,
                            const void *bytes)
{
    const uint32_t n = ingot_section_count(p->file);
    uint32_t ids[64];
    struct ingot_writer *w;
    const struct ingot_writer_options options = { .overwrite = true };
    assert_true(n <= 64);
    memset(ids, 0xff, sizeof ids);
    assert_int_equal(ingot_writer_create(at(*p, "in.ingot"), &options, &w, NULL), INGOT_OK);
    for (uint32_t k = 0; k < 2 * n; k++) { /* aliases after what they stand for */
        const struct ingot_section s = ingot_section_at(p->file, k % n);
        struct ingot_section_plan plan = { s.name, s.kind, s.dtype, s.layout, s.rank, { 0 }, s.raw_bytes, NULL };
        const bool other = strcmp(s.name, name) == 0;
        if (s.kind == INGOT_KIND_CHUNKS || (s.kind == INGOT_KIND_ALIAS) != (k >= n) || (other && !instead)) continue;
        memcpy(plan.shape, s.shape, sizeof plan.shape);
        if (s.kind == INGOT_KIND_ALIAS) plan.target = ingot_section_at(p->file, s.target).name;
        assert_int_equal(ingot_writer_add(w, other ? instead : &plan, &ids[k % n], NULL), INGOT_OK);
    }
    assert_int_equal(ingot_writer_begin(w, NULL), INGOT_OK);
    for (uint32_t i = 0; i < n; i++) {
        const struct ingot_section s = ingot_section_at(p->file, i);
        if (ids[i] == UINT32_MAX) continue;
        const void *from = strcmp(s.name, name) == 0 ? bytes : s.data;
        assert_int_equal(ingot_writer_put(w, ids[i], 0, from, ingot_writer_chunk_bytes(w, ids[i], 0), NULL), INGOT_OK);
    }
    assert_int_equal(ingot_writer_seal(w, 1, NULL, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_publish(w, NULL), INGOT_OK);
    ingot_writer_close(w);
    ingot_close(p->file);
    assert_int_equal(ingot_open(at(*p, "in.ingot"), INGOT_OPEN_MAP, &p->file, NULL), INGOT_OK);
}

static void a_part_of_a_model_is_refused_by_its_tensor(void **state)
{
    (void)state;
    static const uint8_t zeros[4096];
    const struct ingot_section_plan wide = {
        "wpe.weight", INGOT_KIND_TENSOR, INGOT_F32, INGOT_ROWS, 2, { FIXTURE_CTX + 1, FIXTURE_EMBD }, 0, NULL
    };
    const struct ingot_section_plan flat = {
        "wpe.weight", INGOT_KIND_TENSOR, INGOT_F32, INGOT_ROWS, 1, { FIXTURE_CTX }, 0, NULL
    };
    const struct ingot_section_plan whole = { "ln_f.bias", INGOT_KIND_TENSOR, INGOT_I32, INGOT_ROWS,
                                              1,           { FIXTURE_EMBD },  0,         NULL };
    const struct ingot_section_plan model = { .name = "@model", .kind = INGOT_KIND_MODEL, .raw_bytes = 64 };
    uint8_t deep[INGOT_HPARAMS_BYTES];
    struct ingot_hparams hp;
    struct place first = set_up_fixture(fixture_gpt2("", "F32"), FIXTURE_CONFIG, INGOT_DTYPE_NONE);
    assert_int_equal(ingot_hparams_read(first.file, &hp, NULL), INGOT_OK);
    hp.n_layer = 60000;
    ingot_hparams_encode(&hp, deep);
    tear_down(first);
    const struct {
        const char *name;
        const struct ingot_section_plan *instead;
        const void *bytes;
        enum ingot_status status;
        const char *word;
    } cases[] = {
        { "ln_f.weight", NULL, NULL, INGOT_E_MISSING, "no such tensor" },
        { "wpe.weight", &wide, zeros, INGOT_E_SHAPE, "rank 2, shape [6, 6]; @model says rank 2, [5, 6]" },
        { "wpe.weight", &flat, zeros, INGOT_E_SHAPE, "rank 1" },
        { "ln_f.bias", &whole, zeros, INGOT_E_DTYPE, "i32" },
        { "@model", &model, deep, INGOT_E_MISSING, "cannot hold the tensors of 60000 layers" },
        { "@model", NULL, NULL, INGOT_E_MISSING, "@model" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct place p = set_up_fixture(fixture_gpt2("", "F32"), FIXTURE_CONFIG, INGOT_DTYPE_NONE);
        replace_section(&p, cases[i].name, cases[i].instead, cases[i].bytes);
        must_refuse(p, "huggingface", cases[i].status, cases[i].word);
        tear_down(p);
    }
}

static void another_epsilon_is_refused_by_llm_c(void **state)
{
    (void)state;
    char *source = fixture_directory();
    static const char config[] = "{\"model_type\": \"gpt2\", \"n_layer\": 2, \"n_head\": 2, \"n_embd\": 16, "
                                 "\"n_positions\": 24, \"vocab_size\": 277, \"layer_norm_epsilon\": 1e-6}";
    size_t n;
    uint8_t *weights = fixture_read(vocab_root_path(FOREIGN "hf/model.safetensors"), &n);
    fixture_write(source, "model.safetensors", weights, n);
    fixture_write(source, "config.json", config, sizeof config - 1);
    free(weights);
    struct place p = set_up(source, INGOT_DTYPE_NONE);
    fixture_remove(source);
    must_refuse(p, "llm.c", INGOT_E_UNSUPPORTED, "epsilon");
    tear_down(p);
}

static void absent_biases_are_zeros_and_told(void **state)
{
    (void)state;
    struct fixture *f = fixture_gpt2("", "F32");
    for (size_t i = f->n; i-- > 0;)
        if (strstr(f->tensors[i].name, "bias")) fixture_drop(f, f->tensors[i].name);
    struct place p = set_up_fixture(f, FIXTURE_CONFIG, INGOT_DTYPE_NONE);
    struct warnings warnings = { 0 };
    struct ingot_export_options options = { .warning = note_warning, .warning_ctx = &warnings };
    struct ingot_error err;
    assert_int_equal(export(p, "huggingface", "out", &options, &err), INGOT_OK);
    assert_int_equal(warnings.n, 2);
    struct ingot_source *src;
    assert_int_equal(ingot_source_open(at(p, "out"), &src, &err), INGOT_OK);
    for (size_t i = 0; i < ingot_source_count(src); i++) {
        struct ingot_source_tensor t = ingot_source_at(src, i);
        uint8_t any = 0;
        for (uint64_t k = 0; k < t.n_bytes; k++) any |= ((const uint8_t *)t.data)[k];
        assert_int_equal(any != 0, strstr(t.name, "bias") == NULL);
    }
    assert_int_equal(ingot_source_count(src), 2 + 12 * FIXTURE_LAYERS + 2);
    ingot_source_close(src);
    tear_down(p);
}

/* --------------------------------------------------------------------------------------------------- all or nothing */

static void nothing_is_overwritten_unasked(void **state)
{
    (void)state;
    static const char *const formats[] = { "huggingface", "gguf", "llm.c" };
    struct place p = set_up(vocab_root_path(FOREIGN "hf"), INGOT_DTYPE_NONE);
    struct ingot_export_options force = { .overwrite = true };
    struct ingot_error err;
    for (size_t i = 0; i < 3; i++) {
        must_export(p, formats[i], formats[i], INGOT_DTYPE_NONE);
        assert_int_equal(export(p, formats[i], formats[i], NULL, &err), INGOT_E_EXISTS);
        assert_int_equal(export(p, formats[i], formats[i], &force, &err), INGOT_OK);
    }
    assert_int_equal(export(p, "llm.c", "other.bin", NULL, &err), INGOT_E_EXISTS); /* the tokenizer beside it */
    assert_false(path_exists(p.dir, "other.bin"));
    assert_int_equal(export(p, "llm.c", "gpt2_tokenizer.bin", &force, &err), INGOT_E_ARGUMENT);
    assert_int_equal(export(p, "gguf", "in.ingot", &force, &err), INGOT_E_ARGUMENT);  /* the input */
    assert_int_equal(export(p, "gguf", "huggingface", &force, &err), INGOT_E_EXISTS); /* a directory */
    assert_int_equal(export(p, "huggingface", "gguf", &force, &err), INGOT_E_EXISTS); /* a file */
    assert_int_equal(fixture_count_files(p.dir), 5);
    tear_down(p);
}

static void a_directory_is_replaced_only_if_all_in_it_is_ours(void **state)
{
    (void)state;
    struct place p = set_up(vocab_root_path(FOREIGN "hf"), INGOT_DTYPE_NONE);
    struct ingot_export_options force = { .overwrite = true };
    struct ingot_error err;
    must_export(p, "huggingface", "out", INGOT_DTYPE_NONE);
    char *out = strdup(at(p, "out"));
    fixture_write(out, "vocab.json", "{}", 2);
    fixture_write(out, "thesis.tex", "x", 1);
    assert_int_equal(export(p, "huggingface", "out", &force, &err), INGOT_E_EXISTS);
    assert_non_null(strstr(err.message, "thesis.tex"));
    unlink(fixture_path(out, "thesis.tex"));
    mkdir(fixture_path(out, "added_tokens.json"), 0700); /* our name, but not our file */
    assert_int_equal(export(p, "huggingface", "out", &force, &err), INGOT_E_EXISTS);
    rmdir(fixture_path(out, "added_tokens.json"));
    assert_int_equal(export(p, "huggingface", "out", &force, &err), INGOT_OK);
    struct stat st;
    assert_int_equal(stat(fixture_path(out, "vocab.json"), &st), 0);
    assert_true(st.st_size > 1000);
    assert_int_equal(fixture_count_files(p.dir), 2);
    free(out);
    tear_down(p);
}

static void copy_input(struct place p, const char *name)
{
    size_t n;
    uint8_t *bytes = fixture_read(at(p, "in.ingot"), &n);
    fixture_write(p.dir, name, bytes, n);
    free(bytes);
}

static void must_keep_input(struct place p, const char *input, const char *format, const char *name)
{
    struct ingot_export_options force = { .overwrite = true };
    struct ingot_error err;
    copy_input(p, input);
    ingot_close(p.file);
    assert_int_equal(ingot_open(at(p, input), INGOT_OPEN_MAP, &p.file, &err), INGOT_OK);
    assert_int_equal(export(p, format, name, &force, &err), INGOT_E_ARGUMENT);
    assert_non_null(strstr(err.message, "the output is the input"));
    ingot_close(p.file);
    assert_int_equal(ingot_open(at(p, input), INGOT_OPEN_MAP, &p.file, &err), INGOT_OK);
    tear_down(p);
}

/* Whatever name leads there. */
static void the_input_is_never_replaced(void **state)
{
    (void)state;
    must_keep_input(set_up(vocab_root_path(FOREIGN "hf"), INGOT_DTYPE_NONE), "model.gguf", "gguf", "model.gguf");
    must_keep_input(set_up(vocab_root_path(FOREIGN "hf"), INGOT_DTYPE_NONE), "gpt2_tokenizer.bin", "llm.c", "out.bin");
    struct place p = set_up(vocab_root_path(FOREIGN "hf"), INGOT_DTYPE_NONE);
    mkdir(at(p, "out"), 0700);
    must_keep_input(p, "out/vocab.json", "huggingface", "out/");
    p = set_up(vocab_root_path(FOREIGN "hf"), INGOT_DTYPE_NONE);
    assert_int_equal(symlink("real.ingot", at(p, "link")), 0);
    must_keep_input(p, "real.ingot", "gguf", "link");
}

static void a_link_to_a_directory_is_not_followed(void **state)
{
    (void)state;
    struct place p = set_up(vocab_root_path(FOREIGN "hf"), INGOT_DTYPE_NONE);
    struct ingot_export_options force = { .overwrite = true };
    struct ingot_error err;
    struct stat st;
    mkdir(at(p, "real"), 0700);
    assert_int_equal(symlink("real", at(p, "link")), 0);
    assert_int_equal(export(p, "huggingface", "link", &force, &err), INGOT_E_EXISTS);
    assert_int_equal(export(p, "huggingface", "link/", &force, &err), INGOT_E_EXISTS);
    assert_int_equal(lstat(at(p, "link"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(fixture_count_files(at(p, "real")), 0);
    assert_int_equal(export(p, "huggingface", "link/out", NULL, &err), INGOT_OK); /* one on the way is */
    assert_true(path_exists(at(p, "real/out"), "config.json"));
    tear_down(p);
}

/* Somebody who is faster: makes a file at the last question before publication. */
struct rival {
    char path[256];
    bool made;
};

static bool make_file_at_the_end(void *ctx, uint64_t done, uint64_t total)
{
    struct rival *r = ctx;
    FILE *f = done == total ? fopen(r->path, "wb") : NULL;
    if (f) fclose(f);
    r->made |= f != NULL;
    return true;
}

static enum ingot_status export_against_rival(struct place p, const char *format, const char *name, bool overwrite,
                                              const char *rival)
{
    struct rival r = { .made = false };
    struct ingot_export_options options = {
        .n_threads = 1, .overwrite = overwrite, .progress = make_file_at_the_end, .progress_ctx = &r
    };
    struct ingot_error err;
    snprintf(r.path, sizeof r.path, "%s", at(p, rival));
    enum ingot_status status = export(p, format, name, &options, &err);
    assert_true(r.made);
    return status;
}

static void who_is_faster_keeps_the_name(void **state)
{
    (void)state;
    struct place p = set_up(vocab_root_path(FOREIGN "hf"), INGOT_DTYPE_NONE);
    static const char *const formats[] = { "huggingface", "gguf", "llm.c" };
    struct stat st;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(export_against_rival(p, formats[i], "out", false, "out"), INGOT_E_EXISTS);
        assert_int_equal(stat(at(p, "out"), &st), 0);
        assert_int_equal(st.st_size, 0);
        assert_int_equal(fixture_count_files(p.dir), 2); /* nor is there a tokenizer beside it */
        unlink(at(p, "out"));
    }
    assert_int_equal(export_against_rival(p, "llm.c", "out", false, "gpt2_tokenizer.bin"), INGOT_E_EXISTS);
    assert_false(path_exists(p.dir, "out"));
    unlink(at(p, "gpt2_tokenizer.bin"));
    must_export(p, "huggingface", "out", INGOT_DTYPE_NONE);
    assert_int_equal(export_against_rival(p, "huggingface", "out", true, "out/thesis.tex"), INGOT_E_EXISTS);
    assert_true(path_exists(at(p, "out"), "thesis.tex"));
    assert_true(path_exists(at(p, "out"), "model.safetensors"));
    assert_int_equal(fixture_count_files(p.dir), 2);
    tear_down(p);
}

struct stopper {
    unsigned left;
};

static bool stop_later(void *ctx, uint64_t done, uint64_t total)
{
    struct stopper *s = ctx;
    assert_true(done <= total);
    return s->left-- > 0;
}

/* Stopped at every place where it asks, up to the one right before the publication. */
static void stopped_anywhere_it_leaves_nothing(void **state)
{
    (void)state;
    static const char *const formats[] = { "huggingface", "gguf", "llm.c" };
    struct place p = set_up(vocab_root_path(FOREIGN "hf"), INGOT_DTYPE_NONE);
    for (size_t i = 0; i < 3; i++) {
        unsigned n = 0;
        enum ingot_status status;
        do {
            struct stopper stopper = { n++ };
            struct ingot_export_options options = { .n_threads = 1, .progress = stop_later, .progress_ctx = &stopper };
            struct ingot_error err;
            status = export(p, formats[i], "out", &options, &err);
            if (status == INGOT_OK) break;
            assert_int_equal(status, INGOT_E_INTERRUPTED);
            assert_int_equal(fixture_count_files(p.dir), 1);
        } while (n < 1000);
        assert_true(n > 20 && n < 1000);
        remove_tree(at(p, "out"));
        unlink(at(p, "gpt2_tokenizer.bin"));
    }
    tear_down(p);
}

static void a_damaged_file_is_not_exported(void **state)
{
    (void)state;
    struct place p = set_up(vocab_root_path(FOREIGN "hf"), INGOT_DTYPE_NONE);
    struct ingot_section s;
    struct ingot_error err = { 0 };
    assert_true(ingot_find(p.file, "h.1.mlp.c_fc.weight", &s));
    ingot_close(p.file);
    FILE *f = fopen(at(p, "in.ingot"), "r+b");
    assert_non_null(f);
    fseek(f, (long)s.data_off + 77, SEEK_SET);
    fputc(0x5a, f);
    fclose(f);
    assert_int_equal(ingot_open(at(p, "in.ingot"), INGOT_OPEN_MAP, &p.file, &err), INGOT_OK);
    assert_int_equal(export(p, "gguf", "out", NULL, &err), INGOT_E_DIGEST);
    assert_int_equal(export(p, "huggingface", "out", NULL, &err), INGOT_E_DIGEST);
    assert_int_equal(fixture_count_files(p.dir), 1);
    tear_down(p);
}

static void the_bytes_do_not_depend_on_the_number_of_threads(void **state)
{
    (void)state;
    struct place p = set_up(vocab_root_path("tests/models/bard"), INGOT_F16);
    struct ingot_export_options one = { .n_threads = 1 }, five = { .n_threads = 5 };
    struct ingot_error err;
    size_t n, m;
    assert_int_equal(export(p, "gguf", "a", &one, &err), INGOT_OK);
    assert_int_equal(export(p, "gguf", "b", &five, &err), INGOT_OK);
    uint8_t *a = fixture_read(at(p, "a"), &n), *b = fixture_read(at(p, "b"), &m);
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n);
    free(a);
    free(b);
    tear_down(p);
}

static void a_slash_behind_a_directory_is_no_name(void **state)
{
    (void)state;
    struct place p = set_up(vocab_root_path(FOREIGN "hf"), INGOT_DTYPE_NONE);
    must_export(p, "huggingface", "out//", INGOT_DTYPE_NONE);
    assert_true(path_exists(at(p, "out"), "config.json"));
    struct ingot_error err;
    assert_int_equal(export(p, "huggingface", "nowhere/out", NULL, &err), INGOT_E_IO);
    assert_int_equal(export(p, "huggingface", "..", NULL, &err), INGOT_E_ARGUMENT);
    tear_down(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hugging_face_comes_back_with_every_bit),
        cmocka_unit_test(an_untied_head_and_other_hyper_parameters_come_back),
        cmocka_unit_test(a_vocabulary_comes_back_byte_for_byte),
        cmocka_unit_test(special_tokens_that_merges_make_too_come_back),
        cmocka_unit_test(a_token_that_looks_like_padding_stays_the_only_one_of_its_text),
        cmocka_unit_test(a_special_token_that_reads_as_another_is_spelled_is_refused),
        cmocka_unit_test(a_special_token_that_is_no_text_is_refused),
        cmocka_unit_test(llm_c_is_what_its_own_writer_writes),
        cmocka_unit_test(vectors_are_narrow_only_where_nothing_is_lost),
        cmocka_unit_test(the_header_is_the_one_of_the_reference),
        cmocka_unit_test(a_vocabulary_that_llm_c_cannot_say_is_not_written_for_it),
        cmocka_unit_test(rows_that_are_a_multiple_of_128_are_not_padded_for_llm_c),
        cmocka_unit_test(llm_c_is_bf16_where_matrices_and_vectors_are),
        cmocka_unit_test(gguf_has_every_key_that_llama_cpp_reads),
        cmocka_unit_test(gguf_says_that_there_is_no_vocabulary_or_no_end_of_text),
        cmocka_unit_test(gguf_counts_the_rows_where_it_has_no_list_of_tokens),
        cmocka_unit_test(a_special_token_is_written_into_gguf_as_it_reads),
        cmocka_unit_test(the_files_beside_the_weights_say_what_transformers_asks),
        cmocka_unit_test(special_tokens_are_named_to_transformers),
        cmocka_unit_test(values_that_become_infinite_are_told),
        cmocka_unit_test(what_a_format_cannot_say_is_refused_by_name),
        cmocka_unit_test(a_part_of_a_model_is_refused_by_its_tensor),
        cmocka_unit_test(another_epsilon_is_refused_by_llm_c),
        cmocka_unit_test(absent_biases_are_zeros_and_told),
        cmocka_unit_test(nothing_is_overwritten_unasked),
        cmocka_unit_test(a_directory_is_replaced_only_if_all_in_it_is_ours),
        cmocka_unit_test(the_input_is_never_replaced),
        cmocka_unit_test(a_link_to_a_directory_is_not_followed),
        cmocka_unit_test(who_is_faster_keeps_the_name),
        cmocka_unit_test(stopped_anywhere_it_leaves_nothing),
        cmocka_unit_test(a_damaged_file_is_not_exported),
        cmocka_unit_test(the_bytes_do_not_depend_on_the_number_of_threads),
        cmocka_unit_test(a_slash_behind_a_directory_is_no_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

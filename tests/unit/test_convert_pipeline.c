/* Converting: every element arrives, rounded as it should be, whatever the spelling, the sharding, the number of
 * threads; and what cannot be converted leaves nothing behind. */
#include "tests/unit/checkpoint_fixture.h"

#include "convert/self_check.h"

#include <fcntl.h>
#include <fenv.h>

#define OUT "out.ingot"

/* One checkpoint in its directory. */
struct place {
    char *dir;
    struct fixture *f;
};

static struct place set_up(const char *prefix, const char *dtype)
{
    struct place p = { fixture_directory(), fixture_gpt2(prefix, dtype) };
    fixture_write_checkpoint(p.f, p.dir, FIXTURE_CONFIG);
    return p;
}

static void tear_down(struct place p)
{
    fixture_free(p.f);
    fixture_remove(p.dir);
}

static const char *out_path(struct place p)
{
    return fixture_path(p.dir, OUT);
}

static enum ingot_status convert(struct place p, const struct ingot_convert_options *options, struct ingot_error *err)
{
    struct ingot_error unasked = { 0 };
    if (err) *err = (struct ingot_error){ 0 };
    return ingot_convert(p.dir, out_path(p), options, NULL, err ? err : &unasked);
}

static struct ingot_file *convert_and_open(struct place p, enum ingot_dtype dtype)
{
    struct ingot_convert_options options = { .dtype = dtype, .overwrite = true };
    struct ingot_error err;
    struct ingot_file *file = NULL;
    if (convert(p, &options, &err) != INGOT_OK) fail_msg("%s: %s", err.subject, err.message);
    assert_int_equal(ingot_open(out_path(p), INGOT_OPEN_MAP, &file, &err), INGOT_OK);
    return file;
}

static struct ingot_digest content_id(struct place p, enum ingot_dtype dtype)
{
    struct ingot_file_info info;
    struct ingot_file *file = convert_and_open(p, dtype);
    ingot_file_get_info(file, &info);
    ingot_close(file);
    return info.content_id;
}

static bool is_conv1d(const char *name)
{
    return strstr(name, ".c_") && strstr(name, "weight");
}

/* The index in the source of element (row, col) of the result. */
static size_t source_index(const struct fixture_tensor *t, uint64_t row, uint64_t col)
{
    if (t->rank == 1) return col;
    return is_conv1d(t->name) ? col * t->shape[1] + row : row * t->shape[1] + col;
}

typedef void (*element_fn)(double source, double result, enum ingot_dtype dtype);

/* Calls fn for every element of every tensor. */
static void for_each_element(const struct ingot_file *file, const struct fixture *f, const char *prefix, element_fn fn)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct fixture_tensor *t = &f->tensors[i];
        struct ingot_section s;
        assert_true(ingot_find(file, t->name + strlen(prefix), &s));
        uint64_t rows = t->rank == 1 ? 1 : s.shape[0], cols = t->rank == 1 ? s.shape[0] : s.shape[1];
        assert_int_equal(s.rank, t->rank);
        assert_int_equal(rows * cols, t->rank == 1 ? t->shape[0] : t->shape[0] * t->shape[1]);
        for (uint64_t r = 0; r < rows; r++)
            for (uint64_t c = 0; c < cols; c++)
                fn(fixture_get(t, source_index(t, r, c)), ingot_element(&s, r, c), s.dtype);
    }
}

static void is_kept(double source, double result, enum ingot_dtype dtype)
{
    (void)dtype;
    assert_true(result == (double)(float)source);
}

static double from_bits(uint16_t bits, enum ingot_dtype dtype)
{
    return (double)(dtype == INGOT_F16 ? ingot_f32_from_f16(bits) : ingot_f32_from_bf16(bits));
}

/* No neighbour is nearer; of two that are equally near the even one was taken. */
static void is_nearest(double source, double result, enum ingot_dtype dtype)
{
    if (dtype == INGOT_F32) { /* vectors */
        assert_true(result == (double)(float)source);
        return;
    }
    uint16_t bits = dtype == INGOT_F16 ? ingot_f16_from_f32((float)result) : ingot_bf16_from_f32((float)result);
    double here = fabs(source - result);
    for (int step = -1; step <= 1; step += 2) {
        if ((bits & 0x7fff) == 0) continue;
        double there = fabs(source - from_bits((uint16_t)(bits + step), dtype));
        assert_true(here < there || (here == there && bits % 2 == 0));
    }
}

static void keeping_the_dtype_keeps_every_bit(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        enum ingot_dtype matrices;
    } cases[] = { { "F32", INGOT_F32 }, { "F16", INGOT_F16 }, { "BF16", INGOT_BF16 }, { "F64", INGOT_F32 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct place p = set_up("", cases[i].source);
        struct ingot_file *file = convert_and_open(p, INGOT_DTYPE_NONE);
        struct ingot_section s;
        assert_true(ingot_find(file, "h.1.mlp.c_fc.weight", &s));
        assert_int_equal(s.dtype, cases[i].matrices);
        assert_int_equal(s.layout, INGOT_PANEL16);
        assert_true(ingot_find(file, "wpe.weight", &s));
        assert_int_equal(s.dtype, cases[i].matrices);
        assert_int_equal(s.layout, INGOT_ROWS);
        assert_true(ingot_find(file, "h.0.ln_1.weight", &s));
        assert_int_equal(s.dtype, INGOT_F32);
        for_each_element(file, p.f, "", is_kept);
        assert_int_equal(ingot_verify(file, NULL, NULL, NULL), INGOT_OK);
        ingot_close(file);
        tear_down(p);
    }
}

static void narrowing_rounds_once_to_the_nearest(void **state)
{
    (void)state;
    static const char *const sources[] = { "F32", "F64", "F16", "BF16" };
    static const enum ingot_dtype targets[] = { INGOT_F16, INGOT_BF16 };
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 2; k++) {
            struct place p = set_up("", sources[i]);
            struct ingot_file *file = convert_and_open(p, targets[k]);
            for_each_element(file, p.f, "", is_nearest);
            ingot_close(file);
            tear_down(p);
        }
}

static void the_hyper_parameters_arrive(void **state)
{
    (void)state;
    struct place p = set_up("", "F32");
    struct ingot_file *file = convert_and_open(p, INGOT_F16);
    struct ingot_hparams hp;
    struct ingot_error err = { 0 };
    assert_int_equal(ingot_hparams_read(file, &hp, &err), INGOT_OK);
    assert_int_equal(hp.n_layer, 2);
    assert_int_equal(hp.n_head, 2);
    assert_int_equal(hp.n_embd, FIXTURE_EMBD);
    assert_int_equal(hp.n_inner, FIXTURE_INNER);
    assert_int_equal(hp.n_ctx, FIXTURE_CTX);
    assert_int_equal(hp.n_vocab, FIXTURE_VOCAB);
    assert_int_equal(hp.n_vocab_stored, FIXTURE_VOCAB);
    assert_int_equal(hp.activation, INGOT_GELU_TANH);
    assert_true(hp.layer_norm_epsilon == 1e-5f);
    ingot_close(file);
    tear_down(p);
}

/* Replaces the single file by two shards. */
static void reshard(struct place p)
{
    char *index = NULL;
    size_t n, half = p.f->n / 2;
    FILE *h = open_memstream(&index, &n);
    for (size_t i = 0; i < p.f->n; i++)
        fprintf(h, "%s\"%s\": \"%c.safetensors\"", i ? ", " : "{\"weight_map\": {", p.f->tensors[i].name,
                i < half ? 'a' : 'b');
    fputs("}}", h);
    fclose(h);
    unlink(fixture_path(p.dir, "model.safetensors"));
    fixture_write(p.dir, "model.safetensors.index.json", index, n);
    fixture_write_tensors(p.f, 0, half, p.dir, "a.safetensors");
    fixture_write_tensors(p.f, half, p.f->n, p.dir, "b.safetensors");
    free(index);
}

static void the_same_weights_have_one_content_id(void **state)
{
    (void)state;
    struct place plain = set_up("", "F32"), sharded = set_up("", "F32"), prefixed = set_up("transformer.", "F32");
    reshard(sharded);
    struct ingot_digest a = content_id(plain, INGOT_F16), b = content_id(sharded, INGOT_F16),
                        c = content_id(prefixed, INGOT_F16), d = content_id(plain, INGOT_BF16);
    assert_memory_equal(&a, &b, sizeof a);
    assert_memory_equal(&a, &c, sizeof a);
    assert_memory_not_equal(&a, &d, sizeof a);
    tear_down(plain);
    tear_down(sharded);
    tear_down(prefixed);
}

static void sections_are_placed_in_the_order_of_their_use(void **state)
{
    (void)state;
    static const char *const first[] = {
        "@model",         "@metadata",  "@recipe",         "@chunks",       "wte.weight",
        "lm_head.weight", "wpe.weight", "h.0.ln_1.weight", "h.0.ln_1.bias", "h.0.attn.c_attn.weight"
    };
    struct place p = set_up("", "F32");
    struct ingot_file *file = convert_and_open(p, INGOT_F16);
    uint32_t n = ingot_section_count(file);
    for (uint32_t i = 0; i < sizeof first / sizeof *first; i++)
        assert_string_equal(ingot_section_at(file, ingot_section_by_offset(file, i)).name, first[i]);
    assert_string_equal(ingot_section_at(file, ingot_section_by_offset(file, n - 1)).name, "@provenance");
    assert_string_equal(ingot_section_at(file, ingot_section_by_offset(file, n - 2)).name, "ln_f.bias");
    ingot_close(file);
    tear_down(p);
}

static void the_shipped_model_arrives_with_its_vocabulary(void **state)
{
    (void)state;
    const char *root = getenv("INGOT_ROOT");
    struct place p = { fixture_directory(), NULL };
    struct ingot_error err = { 0 };
    struct ingot_file *file;
    struct ingot_section s;
    char source[512];
    snprintf(source, sizeof source, "%s/tests/models/bard", root ? root : ".");
    assert_int_equal(ingot_convert(source, out_path(p), NULL, NULL, &err), INGOT_OK);
    assert_int_equal(ingot_open(out_path(p), INGOT_OPEN_MAP, &file, &err), INGOT_OK);
    assert_true(ingot_find(file, INGOT_NAME_VOCABULARY, &s));
    assert_int_equal(ingot_verify(file, NULL, NULL, &err), INGOT_OK);
    ingot_close(file);
    fixture_remove(p.dir);
}

/* A token embedding of more than one chunk. */
static struct place set_up_large(void)
{
    struct place p = { fixture_directory(), fixture_gpt2("", "F32") };
    fixture_drop(p.f, "wte.weight");
    fixture_add(p.f, "wte.weight", "F32", 2, 200003, FIXTURE_EMBD);
    fixture_write_checkpoint(p.f, p.dir,
                             "{\"model_type\": \"gpt2\", \"n_layer\": 2, \"n_head\": 3, \"n_embd\": 6, \"n_ctx\": 5,"
                             " \"n_inner\": 20, \"vocab_size\": 200000, \"activation_function\": \"gelu\"}");
    return p;
}

static void the_number_of_threads_changes_no_byte(void **state)
{
    (void)state;
    static const enum ingot_dtype dtypes[] = { INGOT_DTYPE_NONE, INGOT_F16, INGOT_BF16 };
    struct place p = set_up_large();
    for (size_t k = 0; k < 3; k++) {
        uint8_t *first = NULL;
        size_t n_first = 0;
        for (uint32_t n_threads = 1; n_threads <= 4; n_threads++) {
            struct ingot_convert_options options = { .dtype = dtypes[k], .overwrite = true, .n_threads = n_threads };
            assert_int_equal(convert(p, &options, NULL), INGOT_OK);
            size_t n;
            uint8_t *bytes = fixture_read(out_path(p), &n);
            if (first) {
                assert_int_equal(n, n_first);
                assert_memory_equal(bytes, first, n);
                free(bytes);
            } else {
                first = bytes;
                n_first = n;
            }
        }
        free(first);
    }
    tear_down(p);
}

/* The casts of f64 and the search for scales are arithmetic. */
static void the_rounding_mode_of_the_caller_changes_no_byte(void **state)
{
    (void)state;
    static const enum ingot_dtype dtypes[] = { INGOT_F32, INGOT_F16, INGOT_Q8, INGOT_Q4 };
    struct place p = set_up("", "F64");
    for (size_t k = 0; k < 4; k++) {
        struct ingot_convert_options options = { .dtype = dtypes[k], .overwrite = true };
        size_t n, n_nearest;
        assert_int_equal(convert(p, &options, NULL), INGOT_OK);
        uint8_t *nearest = fixture_read(out_path(p), &n_nearest);
        fesetround(FE_UPWARD);
        enum ingot_status status = convert(p, &options, NULL);
        const int after = fegetround();
        fesetround(FE_TONEAREST);
        assert_int_equal(status, INGOT_OK);
        assert_int_equal(after, FE_UPWARD);
        uint8_t *upward = fixture_read(out_path(p), &n);
        assert_int_equal(n, n_nearest);
        assert_memory_equal(upward, nearest, n);
        free(nearest);
        free(upward);
    }
    tear_down(p);
}

static void padding_rows_of_the_vocabulary_are_kept(void **state)
{
    (void)state;
    struct place p = set_up_large();
    struct ingot_file *file = convert_and_open(p, INGOT_F32);
    struct ingot_hparams hp;
    assert_int_equal(ingot_hparams_read(file, &hp, NULL), INGOT_OK);
    assert_int_equal(hp.n_vocab, 200000);
    assert_int_equal(hp.n_vocab_stored, 200003);
    for_each_element(file, p.f, "", is_kept);
    ingot_close(file);
    tear_down(p);
}

/* --------------------------------------------------------------------------------------------------------- the head */

static struct ingot_section head_of(struct place p, const char *config)
{
    struct ingot_section s;
    fixture_write_checkpoint(p.f, p.dir, config);
    struct ingot_file *file = convert_and_open(p, INGOT_DTYPE_NONE);
    assert_true(ingot_find(file, "lm_head.weight", &s));
    ingot_close(file); /* only its numbers are looked at */
    return s;
}

#define UNTIED_CONFIG                                                                                                  \
    "{\"n_layer\": 2, \"n_head\": 2, \"n_embd\": 6, \"n_positions\": 5, \"n_inner\": 20, \"vocab_size\": 21, "         \
    "\"tie_word_embeddings\": false}"

static void a_tied_head_is_an_alias(void **state)
{
    (void)state;
    struct place p = set_up("", "F32");
    assert_int_equal(head_of(p, FIXTURE_CONFIG).kind, INGOT_KIND_ALIAS);
    struct fixture_tensor *head = fixture_add(p.f, "lm_head.weight", "F32", 2, FIXTURE_VOCAB, FIXTURE_EMBD);
    memcpy(head->data, p.f->tensors[0].data, head->n_bytes);
    assert_int_equal(head_of(p, FIXTURE_CONFIG).kind, INGOT_KIND_ALIAS);
    assert_int_equal(head_of(p, UNTIED_CONFIG).kind, INGOT_KIND_TENSOR);
    tear_down(p);
}

static void a_tied_head_with_other_bits_is_refused(void **state)
{
    (void)state;
    struct place p = set_up("", "F32");
    struct ingot_error err;
    struct fixture_tensor *head = fixture_add(p.f, "lm_head.weight", "F32", 2, FIXTURE_VOCAB, FIXTURE_EMBD);
    memcpy(head->data, p.f->tensors[0].data, head->n_bytes);
    head->data[head->n_bytes - 1] ^= 1;
    fixture_write_checkpoint(p.f, p.dir, FIXTURE_CONFIG);
    assert_int_equal(convert(p, NULL, &err), INGOT_E_MODEL);
    assert_string_equal(err.subject, "lm_head.weight");
    fixture_write_checkpoint(p.f, p.dir, UNTIED_CONFIG);
    struct ingot_file *file = convert_and_open(p, INGOT_DTYPE_NONE);
    for_each_element(file, p.f, "", is_kept);
    ingot_close(file);
    tear_down(p);
}

/* safetensors' save_model() writes what shares memory once, under the name that sorts first. */
static void a_tied_head_alone_is_the_embedding(void **state)
{
    (void)state;
    struct place p = set_up("transformer.", "F32");
    struct ingot_error err;
    strcpy(p.f->tensors[0].name, "lm_head.weight");
    fixture_write_checkpoint(p.f, p.dir, UNTIED_CONFIG);
    assert_int_equal(convert(p, NULL, &err), INGOT_E_MISSING);
    assert_string_equal(err.subject, "wte.weight");
    assert_int_equal(head_of(p, FIXTURE_CONFIG).kind, INGOT_KIND_ALIAS);
    struct ingot_file *file = convert_and_open(p, INGOT_DTYPE_NONE);
    strcpy(p.f->tensors[0].name, "transformer.wte.weight");
    for_each_element(file, p.f, "transformer.", is_kept);
    ingot_close(file);
    tear_down(p);
}

static void a_tied_head_with_the_same_bits_in_another_shape_is_refused(void **state)
{
    (void)state;
    struct place p = set_up("", "F32");
    struct ingot_error err;
    struct fixture_tensor *head = fixture_add(p.f, "lm_head.weight", "F32", 2, FIXTURE_EMBD, FIXTURE_VOCAB);
    memcpy(head->data, p.f->tensors[0].data, head->n_bytes);
    fixture_write_checkpoint(p.f, p.dir, FIXTURE_CONFIG);
    assert_int_equal(convert(p, NULL, &err), INGOT_E_MODEL);
    assert_string_equal(err.subject, "lm_head.weight");
    tear_down(p);
}

/* --------------------------------------------------------------------------------------------------------- refusals */

/* What was there under the output's name stays; nothing else appears. */
static void refuse(struct place p, enum ingot_status status, const char *subject)
{
    struct ingot_convert_options options = { .overwrite = true };
    struct ingot_error err;
    size_t n, n_files;
    fixture_write(p.dir, OUT, "old", 3);
    n_files = fixture_count_files(p.dir);
    assert_int_equal(convert(p, &options, &err), status);
    assert_int_equal(err.status, status);
    if (!strstr(err.subject, subject)) fail_msg("'%s' (%s) does not name %s", err.subject, err.message, subject);
    assert_int_equal(fixture_count_files(p.dir), n_files);
    uint8_t *old = fixture_read(out_path(p), &n);
    assert_int_equal(n, 3);
    assert_memory_equal(old, "old", 3);
    free(old);
}

static void rewrite(struct place p)
{
    fixture_write_checkpoint(p.f, p.dir, FIXTURE_CONFIG);
}

static void a_missing_tensor_is_named(void **state)
{
    (void)state;
    static const char *const names[] = { "wte.weight",        "wpe.weight", "h.1.ln_2.weight", "h.0.attn.c_proj.weight",
                                         "h.1.mlp.c_fc.bias", "ln_f.weight" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct place p = set_up("", "F32");
        fixture_drop(p.f, names[i]);
        rewrite(p);
        refuse(p, INGOT_E_MISSING, names[i]);
        tear_down(p);
    }
}

static void an_unknown_tensor_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum ingot_status status;
    } cases[] = {
        { "h.0.attn.c_attn.lora_A", INGOT_E_MODEL }, { "h.00.ln_1.weight", INGOT_E_MODEL },
        { "h.2.ln_1.weight", INGOT_E_MODEL },        { "h.4294967296.ln_1.weight", INGOT_E_MODEL },
        { "transformer.ln_f.bias", INGOT_E_MODEL },  { "transformer.transformer.ln_f.bias", INGOT_E_MODEL },
        { "score.weight", INGOT_E_UNSUPPORTED },     { "h.0.crossattention.c_attn.weight", INGOT_E_UNSUPPORTED },
        { "\\u001b[31mred", INGOT_E_MODEL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct place p = set_up("", "F32");
        fixture_add(p.f, cases[i].name, "F32", 1, FIXTURE_EMBD, 0);
        rewrite(p);
        refuse(p, cases[i].status, cases[i].name[0] == '\\' ? "\\x1b[31mred" : cases[i].name);
        tear_down(p);
    }
}

static void a_wrong_shape_is_named_with_both_shapes(void **state)
{
    (void)state;
    struct ingot_error err;
    struct place p = set_up("", "F32");
    fixture_drop(p.f, "h.1.attn.c_attn.weight");
    fixture_add(p.f, "h.1.attn.c_attn.weight", "F32", 2, 3 * FIXTURE_EMBD, FIXTURE_EMBD);
    rewrite(p);
    refuse(p, INGOT_E_SHAPE, "h.1.attn.c_attn.weight");
    unlink(out_path(p));
    assert_int_equal(convert(p, NULL, &err), INGOT_E_SHAPE);
    assert_non_null(strstr(err.message, "[18, 6]"));
    assert_non_null(strstr(err.message, "[6, 18]"));
    tear_down(p);
}

static void fewer_rows_than_the_vocabulary_are_refused(void **state)
{
    (void)state;
    struct place p = set_up("", "F32");
    fixture_drop(p.f, "wte.weight");
    fixture_add(p.f, "wte.weight", "F32", 2, FIXTURE_VOCAB - 1, FIXTURE_EMBD);
    rewrite(p);
    refuse(p, INGOT_E_MODEL, "config.json");
    tear_down(p);
}

static void integers_are_no_weights(void **state)
{
    (void)state;
    static const char *const dtypes[] = { "I32", "I64", "U8", "I16", "BOOL" };
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        struct place p = set_up("", "F32");
        fixture_drop(p.f, "h.0.mlp.c_fc.weight");
        fixture_add(p.f, "h.0.mlp.c_fc.weight", dtypes[i], 2, FIXTURE_EMBD, FIXTURE_INNER);
        rewrite(p);
        refuse(p, INGOT_E_DTYPE, "h.0.mlp.c_fc.weight");
        tear_down(p);
    }
}

static void a_missing_config_is_named(void **state)
{
    (void)state;
    struct place p = set_up("", "F32");
    unlink(fixture_path(p.dir, "config.json"));
    refuse(p, INGOT_E_MISSING, "config.json");
    tear_down(p);
}

static void heads_must_divide_the_width(void **state)
{
    (void)state;
    struct place p = set_up("", "F32");
    fixture_write_checkpoint(p.f, p.dir,
                             "{\"n_layer\": 2, \"n_head\": 4, \"n_embd\": 6, \"n_positions\": 5,"
                             " \"n_inner\": 20, \"vocab_size\": 21}");
    refuse(p, INGOT_E_MODEL, "config.json");
    tear_down(p);
}

static void a_config_that_is_refused_stops_the_conversion(void **state)
{
    (void)state;
    struct place p = set_up("", "F32");
    fixture_write(p.dir, "config.json", "{\"model_type\": \"bert\"}", 22);
    refuse(p, INGOT_E_UNSUPPORTED, "config.json");
    fixture_write(p.dir, "config.json", "", 0);
    refuse(p, INGOT_E_TRUNCATED, "config.json");
    tear_down(p);
}

static void an_embedding_that_is_no_matrix_is_refused(void **state)
{
    (void)state;
    struct place p = set_up("", "F32");
    fixture_drop(p.f, "wte.weight");
    fixture_add(p.f, "wte.weight", "F32", 1, FIXTURE_VOCAB, 0);
    rewrite(p);
    refuse(p, INGOT_E_SHAPE, "wte.weight");
    tear_down(p);
}

static void only_floats_can_be_asked_for(void **state)
{
    (void)state;
    struct place p = set_up("", "F32");
    static const enum ingot_dtype dtypes[] = { INGOT_F64, INGOT_I8, INGOT_I64, (enum ingot_dtype)99 };
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        struct ingot_convert_options options = { .dtype = dtypes[i] };
        assert_int_equal(convert(p, &options, NULL), INGOT_E_ARGUMENT);
    }
    tear_down(p);
}

static void mask_buffers_are_dropped_and_counted(void **state)
{
    (void)state;
    struct place p = set_up("transformer.", "F32");
    struct ingot_convert_report report;
    struct ingot_error err = { 0 };
    fixture_add(p.f, "transformer.h.0.attn.bias", "F32", 4, 1, 1);
    fixture_add(p.f, "transformer.h.1.attn.bias", "BOOL", 4, 1, 1);
    fixture_add(p.f, "transformer.h.1.attn.masked_bias", "F32", 0, 0, 0);
    rewrite(p);
    assert_int_equal(ingot_convert(p.dir, out_path(p), NULL, &report, &err), INGOT_OK);
    assert_int_equal(report.n_dropped, 3);
    assert_int_equal(report.n_tensors, p.f->n - 3);
    fixture_add(p.f, "transformer.h.0.attn.masked_bias", "F32", 1, 18, 0);
    rewrite(p);
    refuse(p, INGOT_E_SHAPE, "masked_bias");
    tear_down(p);
}

static void drop_biases(struct fixture *f)
{
    for (size_t i = f->n; i-- > 0;)
        if (strstr(f->tensors[i].name, ".bias")) fixture_drop(f, f->tensors[i].name);
}

static void biases_may_be_absent_but_not_from_one_layer(void **state)
{
    (void)state;
    struct place p = set_up("", "F32");
    struct ingot_section s;
    drop_biases(p.f);
    rewrite(p);
    struct ingot_file *file = convert_and_open(p, INGOT_F32);
    assert_false(ingot_find(file, "h.0.ln_1.bias", &s));
    for_each_element(file, p.f, "", is_kept);
    ingot_close(file);
    fixture_add(p.f, "h.0.ln_1.bias", "F32", 1, FIXTURE_EMBD, 0);
    rewrite(p);
    refuse(p, INGOT_E_MISSING, "h.1.ln_1.bias");
    tear_down(p);
}

/* ----------------------------------------------------------------------------------------------- inputs and outputs */

static void an_existing_output_is_only_replaced_when_asked(void **state)
{
    (void)state;
    struct place p = set_up("", "F32");
    struct ingot_convert_options options = { .overwrite = true };
    fixture_write(p.dir, OUT, "old", 3);
    assert_int_equal(convert(p, NULL, NULL), INGOT_E_EXISTS);
    assert_int_equal(access(out_path(p), F_OK), 0);
    assert_int_equal(convert(p, &options, NULL), INGOT_OK);
    tear_down(p);
}

static void an_input_is_never_the_output(void **state)
{
    (void)state;
    static const char *const inputs[] = { "model.safetensors", "config.json" };
    struct place p = set_up("", "F32");
    struct ingot_convert_options options = { .overwrite = true };
    for (size_t i = 0; i < 2; i++) {
        size_t before, after;
        struct ingot_error err = { 0 };
        uint8_t *bytes = fixture_read(fixture_path(p.dir, inputs[i]), &before);
        assert_int_equal(ingot_convert(p.dir, fixture_path(p.dir, inputs[i]), &options, NULL, &err), INGOT_E_ARGUMENT);
        assert_int_equal(symlink(inputs[i], out_path(p)), 0);
        assert_int_equal(convert(p, &options, NULL), INGOT_E_ARGUMENT);
        unlink(out_path(p));
        assert_int_equal(link(fixture_path(p.dir, inputs[i]), out_path(p)), 0);
        assert_int_equal(convert(p, &options, NULL), INGOT_E_ARGUMENT);
        unlink(out_path(p));
        uint8_t *now = fixture_read(fixture_path(p.dir, inputs[i]), &after);
        assert_int_equal(before, after);
        assert_memory_equal(bytes, now, after);
        free(bytes);
        free(now);
    }
    tear_down(p);
}

static void an_output_that_cannot_be_created_is_refused(void **state)
{
    (void)state;
    struct place p = set_up("", "F32");
    struct ingot_error err = { 0 };
    assert_int_equal(ingot_convert(p.dir, fixture_path(p.dir, "no/such/out"), NULL, NULL, &err), INGOT_E_IO);
    tear_down(p);
}

struct watch {
    struct place place;
    uint64_t calls, last, total;
    uint64_t calls_at_end; /* with everything done */
    uint64_t stop_at;      /* 0: never */
    bool touch;            /* the source, at the first call */
};

static bool on_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct watch *w = ctx;
    if (done < w->last) fail_msg("progress went back");
    w->last = done;
    w->total = total;
    w->calls_at_end += done == total;
    if (w->touch && w->calls == 0) {
        int fd = open(fixture_path(w->place.dir, "model.safetensors"), O_WRONLY);
        const struct timespec times[2] = { { 1, 0 }, { 1, 0 } };
        futimens(fd, times);
        close(fd);
    }
    return ++w->calls != w->stop_at;
}

static void progress_ends_at_the_total(void **state)
{
    (void)state;
    struct watch w = { .place = set_up_large() };
    struct ingot_convert_options options = { .progress = on_progress, .progress_ctx = &w, .n_threads = 3 };
    assert_int_equal(convert(w.place, &options, NULL), INGOT_OK);
    assert_true(w.calls > 10);
    assert_int_equal(w.last, w.total);
    tear_down(w.place);
}

static void a_stopped_conversion_leaves_nothing(void **state)
{
    (void)state;
    struct watch w = { .place = set_up_large() };
    size_t n_files = fixture_count_files(w.place.dir);
    for (w.stop_at = 1; w.stop_at < 40; w.stop_at += 13) {
        struct ingot_convert_options options = { .progress = on_progress, .progress_ctx = &w, .n_threads = 2 };
        w.calls = w.last = 0;
        assert_int_equal(convert(w.place, &options, NULL), INGOT_E_INTERRUPTED);
        assert_int_equal(fixture_count_files(w.place.dir), n_files);
    }
    tear_down(w.place);
}

/* Between the last byte and the publication everything is read back, compared and synced, which takes its time. */
static void a_conversion_can_be_stopped_until_it_is_published(void **state)
{
    (void)state;
    struct watch w = { .place = set_up("", "F32") };
    size_t n_files = fixture_count_files(w.place.dir);
    struct ingot_convert_options options = { .progress = on_progress, .progress_ctx = &w, .overwrite = true };
    assert_int_equal(convert(w.place, &options, NULL), INGOT_OK);
    assert_int_equal(w.calls_at_end, 1);
    unlink(out_path(w.place));
    w.stop_at = w.calls - 1;
    w.calls = w.last = 0;
    assert_int_equal(convert(w.place, &options, NULL), INGOT_E_INTERRUPTED);
    assert_true(w.last < w.total && w.last > w.total / 2);
    assert_int_equal(fixture_count_files(w.place.dir), n_files);
    w.stop_at++;
    w.calls = w.last = 0;
    assert_int_equal(convert(w.place, &options, NULL), INGOT_OK);
    assert_int_equal(fixture_count_files(w.place.dir), n_files + 1);
    tear_down(w.place);
}

static void a_source_that_changes_meanwhile_is_noticed(void **state)
{
    (void)state;
    struct watch w = { .place = set_up("", "F32"), .touch = true };
    struct ingot_convert_options options = { .progress = on_progress, .progress_ctx = &w };
    struct ingot_error err;
    assert_int_equal(convert(w.place, &options, &err), INGOT_E_CHANGED);
    assert_non_null(strstr(err.subject, "model.safetensors"));
    assert_int_not_equal(access(out_path(w.place), F_OK), 0);
    tear_down(w.place);
}

/* -------------------------------------------------------------------------------------- warnings, report, manifests */

struct notes {
    char text[4096];
};

static void on_warning(void *ctx, const char *subject, const char *message)
{
    struct notes *n = ctx;
    size_t used = strlen(n->text);
    snprintf(n->text + used, sizeof n->text - used, "%s: %s\n", subject, message);
}

static void a_matrix_that_vanishes_is_worth_a_warning_and_a_few_values_are_not(void **state)
{
    (void)state;
    for (enum ingot_dtype dtype = INGOT_F16;; dtype = INGOT_Q8) {
        struct place p = set_up("", "F32");
        struct notes notes = { "" };
        struct ingot_convert_options options = { .dtype = dtype, .warning = on_warning, .warning_ctx = &notes };
        struct ingot_error err = { 0 };
        struct fixture_tensor *faint = fixture_find(p.f, "h.1.mlp.c_proj.weight");
        for (uint64_t i = 0; i < 120; i++) fixture_put(faint, i, 1e-30);
        fixture_put(fixture_find(p.f, "h.0.mlp.c_proj.weight"), 7, 1e-30);
        fixture_put(fixture_find(p.f, "h.1.mlp.c_proj.bias"), 0, 1e-30); /* a vector: stays f32 */
        rewrite(p);
        assert_int_equal(ingot_convert(p.dir, out_path(p), &options, NULL, &err), INGOT_OK);
        assert_non_null(strstr(notes.text, "h.1.mlp.c_proj.weight: 120 of 120 values, none of them 0, became 0 in "));
        assert_null(strstr(notes.text, "h.0.mlp"));
        assert_null(strstr(notes.text, "bias:"));
        tear_down(p);
        if (dtype == INGOT_Q8) break;
    }
}

static void overflow_is_reported_by_tensor_with_its_count(void **state)
{
    (void)state;
    struct place p = set_up("", "F32");
    struct notes notes = { "" };
    struct ingot_convert_options options = { .dtype = INGOT_F16, .warning = on_warning, .warning_ctx = &notes };
    struct ingot_convert_report report;
    struct ingot_error err = { 0 };
    struct fixture_tensor *t = fixture_find(p.f, "h.1.mlp.c_proj.weight");
    fixture_put(t, 3, 65520); /* the least that rounds to infinity */
    fixture_put(t, 4, -1e30);
    fixture_put(t, 5, 65519);
    fixture_put(t, 6, NAN);
    fixture_put(t, 7, 1e-30);
    fixture_put(t, 8, INFINITY);
    fixture_put(fixture_find(p.f, "h.1.mlp.c_proj.bias"), 0, 1e30); /* a vector: stays f32 */
    rewrite(p);
    assert_int_equal(ingot_convert(p.dir, out_path(p), &options, &report, &err), INGOT_OK);
    assert_int_equal(report.cast.n_overflow, 2);
    assert_int_equal(report.cast.n_nan, 1);
    assert_true(report.cast.n_underflow >= 1);
    assert_non_null(strstr(notes.text, "h.1.mlp.c_proj.weight: 2 of 120 values"));
    assert_null(strstr(notes.text, "c_proj.bias"));
    tear_down(p);
}

static void a_checkpoint_without_a_tokenizer_is_worth_a_warning(void **state)
{
    (void)state;
    struct place p = set_up("", "F32");
    struct notes notes = { "" };
    struct ingot_convert_options options = { .warning = on_warning, .warning_ctx = &notes };
    assert_int_equal(convert(p, &options, NULL), INGOT_OK);
    assert_non_null(strstr(notes.text, "token ids"));
    tear_down(p);
}

static void the_report_says_what_was_done(void **state)
{
    (void)state;
    struct place p = set_up("", "F32");
    struct ingot_convert_report report;
    struct ingot_error err = { 0 };
    struct stat source, out;
    assert_int_equal(ingot_convert(p.dir, out_path(p), NULL, &report, &err), INGOT_OK);
    stat(fixture_path(p.dir, "model.safetensors"), &source);
    stat(out_path(p), &out);
    assert_int_equal(report.n_tensors, p.f->n);
    assert_int_equal(report.source_bytes, source.st_size);
    assert_int_equal(report.output_bytes, out.st_size);
    assert_true(report.n_checked >= 4 * p.f->n);
    tear_down(p);
}

static char *section_text(const struct ingot_file *file, const char *name)
{
    struct ingot_section s;
    assert_true(ingot_find(file, name, &s));
    return strndup(s.data, s.raw_bytes);
}

static void provenance_names_every_source_and_its_digest_but_no_path(void **state)
{
    (void)state;
    struct place p = set_up("transformer.", "F32");
    struct ingot_file *file = convert_and_open(p, INGOT_BF16);
    char *text = section_text(file, INGOT_NAME_PROVENANCE), *metadata = section_text(file, INGOT_NAME_METADATA);
    const struct fixture_tensor *t = fixture_find(p.f, "transformer.h.1.attn.c_proj.weight");
    uint64_t chunk = ingot_hash64(t->data, t->n_bytes);
    struct ingot_digest digest = ingot_hash128(&chunk, sizeof chunk);
    char expected[512];
    snprintf(expected, sizeof expected,
             "  \"h.1.attn.c_proj.weight\":\n    file: \"model.safetensors\"\n    name: \"%s\"\n    digest: "
             "\"%016llx%016llx\"\n"
             "    transform: \"transpose\"\n    from: \"f32\"\n    to: \"bf16\"\n",
             t->name, (unsigned long long)digest.hi, (unsigned long long)digest.lo);
    assert_non_null(strstr(text, expected));
    assert_non_null(strstr(metadata, "producer: \"ingot " INGOT_VERSION "\""));
    assert_non_null(strstr(metadata, "dtype: \"bf16\""));
    assert_null(strstr(text, "/"));
    assert_null(strstr(metadata, "/"));
    free(text);
    free(metadata);
    ingot_close(file);
    tear_down(p);
}

/* ------------------------------------------------------------------------------------------------------- self-check */

/* All of them are small here. */
static void the_self_check_compares_each_element_of_a_small_tensor_once(void **state)
{
    (void)state;
    struct place p = set_up("", "F32");
    struct ingot_convert_report report;
    uint64_t n_elems = 0;
    struct ingot_file *file = convert_and_open(p, INGOT_DTYPE_NONE);
    for (uint32_t i = 0; i < ingot_section_count(file); i++) {
        struct ingot_section s = ingot_section_at(file, i);
        uint64_t elems = 0;
        if (s.kind == INGOT_KIND_TENSOR && ingot_shape_elems(s.rank, s.shape, &elems)) n_elems += elems;
    }
    ingot_close(file);
    struct ingot_convert_options options = { .overwrite = true };
    assert_int_equal(ingot_convert(p.dir, out_path(p), &options, &report, NULL), INGOT_OK);
    assert_int_equal(report.n_checked, n_elems);
    tear_down(p);
}

/* The planted mistake that no shape can show. */
static void expect_missed_transpose_seen(enum ingot_dtype dtype)
{
    struct place p = set_up("", "F32");
    struct ingot_file *file = convert_and_open(p, dtype);
    struct ingot_source *src;
    struct ingot_error err = { 0 };
    struct plan plan;
    uint64_t n_checked = 0;
    assert_int_equal(ingot_source_open(p.dir, &src, &err), INGOT_OK);
    assert_int_equal(plan_make(src, &(struct ingot_convert_options){ .dtype = dtype }, &plan, &err), INGOT_OK);
    assert_int_equal(self_check(&plan, file, &n_checked, &err), INGOT_OK);
    for (size_t i = 0; i < plan.n_tensors; i++)
        if (strcmp(plan.tensors[i].name, "h.1.attn.c_proj.weight") == 0) plan.tensors[i].parts->transposed = false;
    assert_int_equal(self_check(&plan, file, &n_checked, &err), INGOT_E_MODEL);
    assert_string_equal(err.subject, "h.1.attn.c_proj.weight");
    plan_free(&plan);
    ingot_source_close(src);
    ingot_close(file);
    tear_down(p);
}

/* What the check says where the source's first element of ln_f.bias is +0 and the file's has these bits. */
static enum ingot_status check_beside_zero(uint32_t bits)
{
    struct place p = set_up("", "F32");
    struct ingot_file *file = convert_and_open(p, INGOT_DTYPE_NONE);
    struct ingot_section bias;
    assert_true(ingot_find(file, "ln_f.bias", &bias));
    ingot_close(file);
    const int fd = open(out_path(p), O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, &bits, sizeof bits, (off_t)bias.data_off), sizeof bits);
    close(fd);
    struct ingot_source *src;
    struct ingot_error err = { 0 };
    struct plan plan;
    uint64_t n_checked = 0;
    assert_int_equal(ingot_open(out_path(p), INGOT_OPEN_MAP, &file, &err), INGOT_OK);
    assert_int_equal(ingot_source_open(p.dir, &src, &err), INGOT_OK);
    assert_int_equal(plan_make(src, &(struct ingot_convert_options){ 0 }, &plan, &err), INGOT_OK);
    for (size_t i = 0; i < plan.n_tensors; i++) {
        if (strcmp(plan.tensors[i].name, "ln_f.bias") != 0) continue;
        struct ingot_source_tensor zeroed = *plan.tensors[i].parts->source;
        float *values = malloc(zeroed.n_bytes);
        assert_non_null(values);
        memcpy(values, zeroed.data, zeroed.n_bytes);
        values[0] = 0;
        zeroed.data = values;
        plan.tensors[i].parts->source = &zeroed;
        self_check(&plan, file, &n_checked, &err);
        free(values);
    }
    plan_free(&plan);
    ingot_source_close(src);
    ingot_close(file);
    tear_down(p);
    return err.status;
}

static void the_self_check_tells_zeros_apart(void **state)
{
    (void)state;
    assert_int_equal(check_beside_zero(0), INGOT_OK);
    assert_int_equal(check_beside_zero(UINT32_C(0x80000000)), INGOT_E_MODEL);
    assert_int_equal(check_beside_zero(1), INGOT_E_MODEL);
}

static void the_self_check_sees_a_missed_transpose_of_a_square_matrix(void **state)
{
    (void)state;
    static const enum ingot_dtype dtypes[] = { INGOT_F32, INGOT_F16, INGOT_BF16, INGOT_Q8, INGOT_Q4 };
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) expect_missed_transpose_seen(dtypes[i]);
}

/* What a quantiser could do wrong to the first step of a matrix: its first scale, and the code that follows 64 bytes of
 * them. */
static void double_scale(uint8_t *step)
{
    step[1] = (uint8_t)(step[1] + 4);
}

static void halve_scale(uint8_t *step)
{
    step[1] = (uint8_t)(step[1] - 4);
}

static void turn_sign(uint8_t *step)
{
    step[1] ^= 0x80;
}

static void lose_scale(uint8_t *step)
{
    step[0] = step[1] = 0;
}

static void spoil_scale(uint8_t *step)
{
    step[1] = 0x7e;
}

static void raise_level(uint8_t *step)
{
    step[64] = (uint8_t)(step[64] % 16 == 15 ? step[64] - 1 : step[64] + 1);
}

static void exchange_levels(uint8_t *step)
{
    uint8_t first = step[64];
    step[64] = step[65];
    step[65] = first;
}

static void expect_mistake_seen(enum ingot_dtype dtype, void (*plant)(uint8_t *step))
{
    static const char name[] = "h.1.mlp.c_fc.weight";
    struct place p = set_up("", "F32");
    struct ingot_error err = { 0 };
    struct ingot_source *src;
    struct ingot_section s;
    struct plan plan;
    size_t n;
    uint64_t n_checked = 0;
    ingot_close(convert_and_open(p, dtype));
    uint8_t *bytes = fixture_read(out_path(p), &n), *aligned = aligned_alloc(64, (n + 63) / 64 * 64);
    memcpy(aligned, bytes, n);
    struct ingot_file *file;
    assert_int_equal(ingot_open_memory(aligned, n, "out", &file, &err), INGOT_OK);
    assert_int_equal(ingot_source_open(p.dir, &src, &err), INGOT_OK);
    assert_int_equal(plan_make(src, &(struct ingot_convert_options){ .dtype = dtype }, &plan, &err), INGOT_OK);
    assert_int_equal(self_check(&plan, file, &n_checked, &err), INGOT_OK);
    assert_true(ingot_find(file, name, &s));
    plant(aligned + s.data_off);
    assert_int_equal(self_check(&plan, file, &n_checked, &err), INGOT_E_MODEL);
    assert_string_equal(err.subject, name);
    plan_free(&plan);
    ingot_source_close(src);
    ingot_close(file);
    free(aligned);
    free(bytes);
    tear_down(p);
}

/* From weights of which nothing is left to such as no scale reaches. */
static void the_self_check_has_nothing_against_any_magnitude(void **state)
{
    (void)state;
    for (int exponent = -40; exponent <= 36; exponent += 4) {
        struct place p = { fixture_directory(), fixture_gpt2("", "F32") };
        for (size_t i = 0; i < p.f->n; i++)
            for (size_t k = 0; k < p.f->tensors[i].n_bytes / 4; k++)
                fixture_put(&p.f->tensors[i], k, ldexp(fixture_value(&p.f->tensors[i], k), exponent + (int)(k % 9)));
        fixture_write(p.dir, "config.json", FIXTURE_CONFIG, strlen(FIXTURE_CONFIG));
        fixture_write_tensors(p.f, 0, p.f->n, p.dir, "model.safetensors");
        ingot_close(convert_and_open(p, INGOT_Q8));
        ingot_close(convert_and_open(p, INGOT_Q4));
        tear_down(p);
    }
}

static void the_self_check_sees_wrong_scales_and_levels(void **state)
{
    (void)state;
    static void (*const mistakes[])(uint8_t *) = { double_scale, halve_scale, turn_sign,      lose_scale,
                                                   spoil_scale,  raise_level, exchange_levels };
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        expect_mistake_seen(INGOT_Q8, mistakes[i]);
        expect_mistake_seen(INGOT_Q4, mistakes[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeping_the_dtype_keeps_every_bit),
        cmocka_unit_test(narrowing_rounds_once_to_the_nearest),
        cmocka_unit_test(the_hyper_parameters_arrive),
        cmocka_unit_test(the_same_weights_have_one_content_id),
        cmocka_unit_test(sections_are_placed_in_the_order_of_their_use),
        cmocka_unit_test(the_shipped_model_arrives_with_its_vocabulary),
        cmocka_unit_test(the_number_of_threads_changes_no_byte),
        cmocka_unit_test(the_rounding_mode_of_the_caller_changes_no_byte),
        cmocka_unit_test(padding_rows_of_the_vocabulary_are_kept),
        cmocka_unit_test(a_tied_head_is_an_alias),
        cmocka_unit_test(a_tied_head_with_other_bits_is_refused),
        cmocka_unit_test(a_tied_head_alone_is_the_embedding),
        cmocka_unit_test(a_tied_head_with_the_same_bits_in_another_shape_is_refused),
        cmocka_unit_test(a_missing_tensor_is_named),
        cmocka_unit_test(an_unknown_tensor_is_named),
        cmocka_unit_test(a_wrong_shape_is_named_with_both_shapes),
        cmocka_unit_test(fewer_rows_than_the_vocabulary_are_refused),
        cmocka_unit_test(integers_are_no_weights),
        cmocka_unit_test(a_missing_config_is_named),
        cmocka_unit_test(heads_must_divide_the_width),
        cmocka_unit_test(a_config_that_is_refused_stops_the_conversion),
        cmocka_unit_test(an_embedding_that_is_no_matrix_is_refused),
        cmocka_unit_test(only_floats_can_be_asked_for),
        cmocka_unit_test(mask_buffers_are_dropped_and_counted),
        cmocka_unit_test(biases_may_be_absent_but_not_from_one_layer),
        cmocka_unit_test(an_existing_output_is_only_replaced_when_asked),
        cmocka_unit_test(an_input_is_never_the_output),
        cmocka_unit_test(an_output_that_cannot_be_created_is_refused),
        cmocka_unit_test(progress_ends_at_the_total),
        cmocka_unit_test(a_conversion_can_be_stopped_until_it_is_published),
        cmocka_unit_test(a_stopped_conversion_leaves_nothing),
        cmocka_unit_test(a_source_that_changes_meanwhile_is_noticed),
        cmocka_unit_test(a_matrix_that_vanishes_is_worth_a_warning_and_a_few_values_are_not),
        cmocka_unit_test(overflow_is_reported_by_tensor_with_its_count),
        cmocka_unit_test(a_checkpoint_without_a_tokenizer_is_worth_a_warning),
        cmocka_unit_test(the_report_says_what_was_done),
        cmocka_unit_test(provenance_names_every_source_and_its_digest_but_no_path),
        cmocka_unit_test(the_self_check_compares_each_element_of_a_small_tensor_once),
        cmocka_unit_test(the_self_check_tells_zeros_apart),
        cmocka_unit_test(the_self_check_sees_a_missed_transpose_of_a_square_matrix),
        cmocka_unit_test(the_self_check_sees_wrong_scales_and_levels),
        cmocka_unit_test(the_self_check_has_nothing_against_any_magnitude),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

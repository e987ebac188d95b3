/* Planning: what rules make of tensors, and who says the hyper-parameters. */
#include "tests/unit/checkpoint_fixture.h"

#include "convert/plan.h"

#define OUT    "out.ingot"
#define RECIPE "mine.yaml"

/* A checkpoint without config.json: the recipe says everything. */
#define COMMON                                                                                                         \
    "recipe: mine\n"                                                                                                   \
    "hyper-parameters: {activation: gelu_tanh, layer_norm_epsilon: 1e-5, n_head: 2}\n"                                 \
    "tensors:\n"                                                                                                       \
    "  - wte.weight\n  - wpe.weight\n  - ln_f.weight\n  - ln_f.bias\n"                                                 \
    "  - h.{i}.ln_1.weight\n  - h.{i}.ln_1.bias\n  - h.{i}.ln_2.weight\n  - h.{i}.ln_2.bias\n"                         \
    "  - h.{i}.attn.c_attn.bias\n  - h.{i}.attn.c_proj.bias\n  - h.{i}.mlp.c_fc.bias\n  - h.{i}.mlp.c_proj.bias\n"     \
    "  - {from: \"h.{i}.attn.c_attn.weight\", transpose: true}\n"                                                      \
    "  - {from: \"h.{i}.attn.c_proj.weight\", transpose: true}\n"                                                      \
    "  - {from: \"h.{i}.mlp.c_fc.weight\", transpose: true}\n"                                                         \
    "  - {from: \"h.{i}.mlp.c_proj.weight\", transpose: true}\n"

struct place {
    char *dir;
    struct fixture *f;
};

static struct place set_up(void)
{
    return (struct place){ fixture_directory(), fixture_gpt2("", "F32") };
}

static void tear_down(struct place p)
{
    fixture_free(p.f);
    fixture_remove(p.dir);
}

static void write_all(struct place p, const char *recipe)
{
    fixture_write_tensors(p.f, 0, p.f->n, p.dir, "model.safetensors");
    fixture_write(p.dir, RECIPE, recipe, strlen(recipe));
}

static enum ingot_status convert(struct place p, struct ingot_convert_options options, struct ingot_error *err)
{
    char recipe[512];
    snprintf(recipe, sizeof recipe, "%s/" RECIPE, p.dir);
    *err = (struct ingot_error){ 0 };
    options.overwrite = true;
    if (!options.recipe) options.recipe = recipe;
    return ingot_convert(p.dir, fixture_path(p.dir, OUT), &options, NULL, err);
}

static struct ingot_file *convert_and_open(struct place p, const char *recipe)
{
    struct ingot_error err;
    struct ingot_file *file;
    write_all(p, recipe);
    if (convert(p, (struct ingot_convert_options){ 0 }, &err) != INGOT_OK) fail_msg("%s: %s", err.subject, err.message);
    assert_int_equal(ingot_open(fixture_path(p.dir, OUT), INGOT_OPEN_MAP, &file, &err), INGOT_OK);
    return file;
}

static struct ingot_digest content_id(struct place p, const char *recipe)
{
    struct ingot_file_info info;
    struct ingot_file *file = convert_and_open(p, recipe);
    ingot_file_get_info(file, &info);
    ingot_close(file);
    return info.content_id;
}

static void refuse(struct place p, const char *recipe, enum ingot_status status, const char *subject, const char *word)
{
    struct ingot_error err;
    write_all(p, recipe);
    enum ingot_status found = convert(p, (struct ingot_convert_options){ 0 }, &err);
    if (found != status || !strstr(err.subject, subject) || !strstr(err.message, word))
        fail_msg("%d %s: %s", (int)found, err.subject, err.message);
}

/* ---- a source between opening and planning: what few readers hand out is written into it */

static struct ingot_source *open_source(struct place p, const char *recipe)
{
    struct ingot_source *src;
    write_all(p, recipe);
    assert_int_equal(ingot_source_open(p.dir, &src, NULL), INGOT_OK);
    return src;
}

static struct ingot_source_tensor *tensor_of(struct ingot_source *src, const char *name)
{
    for (size_t i = 0; i < src->n_tensors; i++)
        if (strcmp(src->tensors[i].name, name) == 0) return &src->tensors[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

/* Closes the source, so that of the plan only what it owns may be looked at. */
static enum ingot_status plan_and_close(struct place p, struct ingot_source *src, struct plan *out,
                                        struct ingot_error *err)
{
    char recipe[512];
    snprintf(recipe, sizeof recipe, "%s/" RECIPE, p.dir);
    *err = (struct ingot_error){ 0 };
    enum ingot_status status = plan_make(src, &(struct ingot_convert_options){ .recipe = recipe }, out, err);
    ingot_source_close(src);
    return status;
}

static void refuse_source(struct place p, struct ingot_source *src, enum ingot_status status, const char *subject,
                          const char *word)
{
    struct ingot_error err;
    struct plan plan;
    enum ingot_status found = plan_and_close(p, src, &plan, &err);
    if (found != status || strcmp(err.subject, subject) != 0 || !strstr(err.message, word))
        fail_msg("%d %s: %s", (int)found, err.subject, err.message);
}

/* Every row of the fixture consists of pairs. */
static const struct ingot_block pairs = { "PAIRS", 0, 2, 3, NULL }, fours = { "FOURS", 0, 4, 5, NULL };

static void make_blocks(struct ingot_source_tensor *t, const struct ingot_block *block)
{
    t->block = block;
    t->dtype_name = block->name;
    t->scalar = INGOT_SCALAR_NONE;
    t->dtype = INGOT_DTYPE_NONE;
}

/* Columns [first, first + n) of `from` under another name. */
static void cut_columns(struct fixture *f, const char *from, const char *name, uint64_t first, uint64_t n)
{
    const struct fixture_tensor s = *fixture_find(f, from);
    const uint64_t rows = s.rank == 2 ? s.shape[0] : 1, width = s.shape[s.rank - 1];
    struct fixture_tensor *t =
        s.rank == 2 ? fixture_add(f, name, "F32", 2, rows, n) : fixture_add(f, name, "F32", 1, n, 0);
    for (uint64_t r = 0; r < rows; r++) memcpy(t->data + 4 * r * n, s.data + 4 * (r * width + first), 4 * n);
}

/* Rows of a, then rows of b. */
static void stack(struct fixture *f, const char *a, const char *b, const char *name, uint64_t rows)
{
    const struct fixture_tensor x = *fixture_find(f, a), y = *fixture_find(f, b);
    struct fixture_tensor *t = fixture_add(f, name, "F32", 2, rows, FIXTURE_EMBD);
    assert_int_equal(t->n_bytes, x.n_bytes + y.n_bytes);
    memcpy(t->data, x.data, x.n_bytes);
    memcpy(t->data + x.n_bytes, y.data, y.n_bytes);
}

/* ------------------------------------------------------------------------------------------------- parts and pieces */

static void separate_query_key_and_value_become_one(void **state)
{
    (void)state;
    static const char recipe[] =
        COMMON "  - {from: [\"h.{i}.q.w\", \"h.{i}.k.w\", \"h.{i}.v.w\"], to: \"h.{i}.attn.c_attn.weight\","
               " concatenate: out, transpose: true}\n"
               "  - {from: [\"h.{i}.q.b\", \"h.{i}.k.b\", \"h.{i}.v.b\"], to: \"h.{i}.attn.c_attn.bias\","
               " concatenate: out}\n";
    struct place p = set_up();
    struct ingot_digest whole = content_id(p, COMMON), parts;
    for (int layer = 0; layer < FIXTURE_LAYERS; layer++) {
        char weight[64], bias[64], name[64];
        snprintf(weight, sizeof weight, "h.%d.attn.c_attn.weight", layer);
        snprintf(bias, sizeof bias, "h.%d.attn.c_attn.bias", layer);
        for (unsigned i = 0; i < 3; i++) {
            snprintf(name, sizeof name, "h.%d.%c.w", layer, "vkq"[i]); /* in another order than the rule's */
            cut_columns(p.f, weight, name, (2 - i) * FIXTURE_EMBD, FIXTURE_EMBD);
            snprintf(name, sizeof name, "h.%d.%c.b", layer, "vkq"[i]);
            cut_columns(p.f, bias, name, (2 - i) * FIXTURE_EMBD, FIXTURE_EMBD);
        }
        fixture_drop(p.f, weight);
        fixture_drop(p.f, bias);
    }
    parts = content_id(p, recipe);
    assert_memory_equal(&whole, &parts, sizeof whole);
    fixture_drop(p.f, "h.1.k.w");
    refuse(p, recipe, INGOT_E_MISSING, "h.1.attn.c_attn.weight", "h.{i}.k.w");
    fixture_add(p.f, "h.1.k.w", "F16", 2, FIXTURE_EMBD, FIXTURE_EMBD);
    refuse(p, recipe, INGOT_E_DTYPE, "h.1.k.w", "F16");
    fixture_drop(p.f, "h.1.k.w");
    fixture_add(p.f, "h.1.k.w", "F32", 2, FIXTURE_EMBD - 1, FIXTURE_EMBD);
    refuse(p, recipe, INGOT_E_SHAPE, "h.1.k.w", "[5, 6]");
    fixture_drop(p.f, "h.1.k.w");
    fixture_add(p.f, "h.1.k.w", "F32", 2, FIXTURE_EMBD, FIXTURE_EMBD - 1);
    refuse(p, recipe, INGOT_E_SHAPE, "h.1.q.w", "[17, 6]");
    tear_down(p);
}

static void halves_by_their_inputs_become_one(void **state)
{
    (void)state;
    struct place p = set_up();
    struct ingot_digest whole = content_id(p, COMMON), parts;
    cut_columns(p.f, "wpe.weight", "left", 0, 4);
    cut_columns(p.f, "wpe.weight", "right", 4, 2);
    fixture_drop(p.f, "wpe.weight");
    parts = content_id(p, COMMON "  - {from: [left, right], to: wpe.weight, concatenate: in}\n");
    assert_memory_equal(&whole, &parts, sizeof whole);
    tear_down(p);
}

static void one_tensor_is_split_into_equal_parts(void **state)
{
    (void)state;
    static const char recipe[] = COMMON "  - {from: both, to: [ln_f.weight, ln_f.bias], split: out}\n";
    struct place p = set_up();
    struct ingot_digest whole = content_id(p, COMMON), split;
    stack(p.f, "ln_f.weight", "ln_f.bias", "both", 2);
    fixture_drop(p.f, "ln_f.weight");
    fixture_drop(p.f, "ln_f.bias");
    split = content_id(p, recipe);
    assert_memory_equal(&whole, &split, sizeof whole);
    struct fixture_tensor *both = fixture_find(p.f, "both"); /* the same twelve numbers as one row */
    both->rank = 1;
    both->shape[0] = 2 * FIXTURE_EMBD;
    split = content_id(p, recipe);
    assert_memory_equal(&whole, &split, sizeof whole);
    fixture_drop(p.f, "both");
    fixture_add(p.f, "both", "F32", 2, 3, FIXTURE_EMBD);
    refuse(p, recipe, INGOT_E_SHAPE, "both", "2 equal parts");
    tear_down(p);
}

static void matrices_are_split_along_either_side(void **state)
{
    (void)state;
    static const char *const axes[] = { "out", "in" };
    for (unsigned i = 0; i < 2; i++) {
        char recipe[4096];
        struct place p = set_up();
        struct ingot_digest whole = content_id(p, COMMON), split;
        const struct fixture_tensor a = *fixture_find(p.f, "h.0.attn.c_proj.weight");
        const struct fixture_tensor b = *fixture_find(p.f, "h.1.attn.c_proj.weight");
        struct fixture_tensor *t = fixture_add(p.f, "two", "F32", 2, i ? 12 : 6, i ? 6 : 12); /* stored [in, out] */
        for (size_t r = 0; r < 6; r++) {
            memcpy(t->data + 4 * (i ? r * 6 : r * 12), a.data + 24 * r, 24);
            memcpy(t->data + 4 * (i ? (r + 6) * 6 : r * 12 + 6), b.data + 24 * r, 24);
        }
        fixture_drop(p.f, "h.0.attn.c_proj.weight");
        fixture_drop(p.f, "h.1.attn.c_proj.weight");
        snprintf(recipe, sizeof recipe,
                 COMMON "  - {from: two, to: [h.0.attn.c_proj.weight, h.1.attn.c_proj.weight], split: %s,"
                        " transpose: true}\n",
                 axes[i]);
        split = content_id(p, recipe);
        assert_memory_equal(&whole, &split, sizeof whole);
        tear_down(p);
    }
}

static void dimensions_of_one_in_front_are_nothing(void **state)
{
    (void)state;
    static const char *const names[] = { "h.0.attn.c_attn.weight", "h.1.mlp.c_proj.bias", "wpe.weight" };
    struct place p = set_up();
    struct ingot_digest whole = content_id(p, COMMON), longer;
    for (size_t i = 0; i < 3; i++) {
        struct fixture_tensor *t = fixture_find(p.f, names[i]);
        for (uint32_t k = t->rank; k > 0; k--) t->shape[k] = t->shape[k - 1];
        t->shape[0] = 1;
        t->rank++;
    }
    longer = content_id(p, COMMON);
    assert_memory_equal(&whole, &longer, sizeof whole);
    fixture_find(p.f, "wpe.weight")->shape[0] = FIXTURE_CTX;
    fixture_find(p.f, "wpe.weight")->shape[1] = 1;
    refuse(p, COMMON, INGOT_E_SHAPE, "wpe.weight", "[5, 1, 6]");
    tear_down(p);
}

static void blocks_are_neither_transposed_nor_cut_into(void **state)
{
    (void)state;
    static const char recipe[] = COMMON "  - {from: two, to: [h.0.attn.c_proj.weight, h.1.attn.c_proj.weight],"
                                        " split: in}\n";
    struct place p = set_up();
    struct ingot_error err;
    struct plan plan;
    struct ingot_source *src = open_source(p, COMMON);
    make_blocks(tensor_of(src, "h.1.mlp.c_fc.weight"), &pairs);
    refuse_source(p, src, INGOT_E_UNSUPPORTED, "h.1.mlp.c_fc.weight", "blocks of PAIRS cannot be transposed");
    fixture_drop(p.f, "h.0.attn.c_proj.weight");
    fixture_drop(p.f, "h.1.attn.c_proj.weight");
    fixture_add(p.f, "two", "F32", 2, FIXTURE_EMBD, 2 * FIXTURE_EMBD);
    src = open_source(p, recipe);
    make_blocks(tensor_of(src, "two"), &pairs);
    assert_int_equal(plan_and_close(p, src, &plan, &err), INGOT_OK);
    plan_free(&plan);
    src = open_source(p, recipe);
    make_blocks(tensor_of(src, "two"), &fours); /* three to a row, the one in the middle in both halves */
    refuse_source(p, src, INGOT_E_UNSUPPORTED, "two", "blocks of FOURS cannot be cut into");
    tear_down(p);
}

static void a_tensor_without_values_is_refused_by_what_lacks(void **state)
{
    (void)state;
    struct place p = set_up();
    struct ingot_source *src = open_source(p, COMMON);
    tensor_of(src, "ln_f.bias")->data = NULL;
    refuse_source(p, src, INGOT_E_MISSING, "ln_f.bias", "model.safetensors, which holds its values, is not here");
    src = open_source(p, COMMON);
    tensor_of(src, "ln_f.bias")->data = NULL;
    tensor_of(src, "ln_f.bias")->n_slices = 2;
    refuse_source(p, src, INGOT_E_UNSUPPORTED, "ln_f.bias", "stored in 2 slices");
    tear_down(p);
}

/* Of a transposed one too, what stands in the file and what should stand there. */
static void a_wrong_shape_is_shown_as_the_file_has_it(void **state)
{
    (void)state;
    struct place p = set_up();
    fixture_drop(p.f, "h.1.mlp.c_proj.weight");
    fixture_add(p.f, "h.1.mlp.c_proj.weight", "F32", 2, FIXTURE_INNER, FIXTURE_EMBD + 1);
    refuse(p, COMMON, INGOT_E_SHAPE, "h.1.mlp.c_proj.weight", "shape [20, 7], expected [20, 6]");
    tear_down(p);
}

static void a_rule_decides_the_dtype_of_its_tensors(void **state)
{
    (void)state;
    struct place p = set_up();
    struct ingot_section s;
    fixture_drop(p.f, "wpe.weight");
    fixture_add(p.f, "pos", "F32", 2, FIXTURE_CTX, FIXTURE_EMBD);
    struct ingot_file *file = convert_and_open(p, COMMON "  - {from: pos, to: wpe.weight, dtype: bf16}\n");
    assert_true(ingot_find(file, "wpe.weight", &s));
    assert_int_equal(s.dtype, INGOT_BF16);
    assert_true(ingot_find(file, "wte.weight", &s));
    assert_int_equal(s.dtype, INGOT_F32);
    ingot_close(file);
    tear_down(p);
}

static enum ingot_dtype dtype_of(const struct ingot_file *file, const char *name)
{
    struct ingot_section s;
    if (!ingot_find(file, name, &s)) fail_msg("no %s", name);
    return s.dtype;
}

/* Of the embedding, the positions, a matrix and a vector. */
static void expect_dtypes(struct place p, struct ingot_convert_options options, const enum ingot_dtype expected[4])
{
    static const char *const names[] = { "wte.weight", "wpe.weight", "h.1.attn.c_proj.weight", "h.0.ln_1.bias" };
    struct ingot_error err;
    struct ingot_file *file;
    if (convert(p, options, &err) != INGOT_OK) fail_msg("%s: %s", err.subject, err.message);
    assert_int_equal(ingot_open(fixture_path(p.dir, OUT), INGOT_OPEN_MAP, &file, &err), INGOT_OK);
    for (size_t i = 0; i < 4; i++)
        if (dtype_of(file, names[i]) != expected[i]) fail_msg("%s: %d", names[i], (int)dtype_of(file, names[i]));
    assert_int_equal(dtype_of(file, "lm_head.weight"), expected[0]);
    ingot_close(file);
}

/* "keep" is none. */
static enum ingot_dtype dtype_named(const char *name)
{
    enum ingot_dtype dtype = INGOT_DTYPE_NONE;
    ingot_dtype_parse(name, &dtype);
    return dtype;
}

static void quantised_are_matrices_in_panels_and_the_embedding_apart_if_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *dtype, *embedding, *expected[4];
    } cases[] = {
        { "q8", NULL, { "q8", "f16", "q8", "f32" } },      { "q4", NULL, { "q4", "f16", "q4", "f32" } },
        { "q4", "q8", { "q8", "f16", "q4", "f32" } },      { "q4", "keep", { "f32", "f16", "q4", "f32" } },
        { "bf16", "q4", { "q4", "bf16", "bf16", "f32" } }, { "keep", "q8", { "q8", "f32", "f32", "f32" } },
        { "q8", "f16", { "f16", "f16", "q8", "f32" } },
    };
    struct place p = set_up();
    write_all(p, COMMON);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ingot_convert_options options = { .dtype = dtype_named(cases[i].dtype) };
        enum ingot_dtype expected[4];
        for (size_t k = 0; k < 4; k++) expected[k] = dtype_named(cases[i].expected[k]);
        options.sets_embedding = cases[i].embedding != NULL;
        if (options.sets_embedding) options.embedding = dtype_named(cases[i].embedding);
        expect_dtypes(p, options, expected);
    }
    tear_down(p);
}

static void a_rule_decides_over_dtype_and_embedding(void **state)
{
    (void)state;
    struct place p = set_up();
    fixture_drop(p.f, "wte.weight");
    fixture_add(p.f, "tok", "F32", 2, FIXTURE_VOCAB, FIXTURE_EMBD);
    write_all(p, COMMON "  - {from: tok, to: wte.weight, dtype: q8}\n");
    const struct ingot_convert_options options = { .dtype = INGOT_Q4, .sets_embedding = true, .embedding = INGOT_F16 };
    expect_dtypes(p, options, (const enum ingot_dtype[]){ INGOT_Q8, INGOT_F16, INGOT_Q4, INGOT_F32 });
    tear_down(p);
}

static void other_dtypes_are_no_weights(void **state)
{
    (void)state;
    struct place p = set_up();
    struct ingot_error err;
    write_all(p, COMMON);
    assert_int_equal(convert(p, (struct ingot_convert_options){ .dtype = INGOT_I8 }, &err), INGOT_E_ARGUMENT);
    assert_string_equal(err.subject, "dtype");
    assert_int_equal(convert(p, (struct ingot_convert_options){ .sets_embedding = true, .embedding = INGOT_F64 }, &err),
                     INGOT_E_ARGUMENT);
    assert_string_equal(err.subject, "embedding");
    tear_down(p);
}

/* ------------------------------------------------------------------------------------------------- hyper-parameters */

static struct ingot_hparams hparams_with(struct place p, const char *recipe, const char *const *settings, size_t n)
{
    struct ingot_error err;
    struct ingot_hparams hp;
    struct ingot_file *file;
    write_all(p, recipe);
    enum ingot_status status =
        convert(p, (struct ingot_convert_options){ .settings = settings, .n_settings = n }, &err);
    if (status != INGOT_OK) fail_msg("%s: %s", err.subject, err.message);
    assert_int_equal(ingot_open(fixture_path(p.dir, OUT), INGOT_OPEN_MAP, &file, &err), INGOT_OK);
    assert_int_equal(ingot_hparams_read(file, &hp, &err), INGOT_OK);
    ingot_close(file);
    return hp;
}

static void shapes_say_what_they_can(void **state)
{
    (void)state;
    struct place p = set_up();
    struct ingot_hparams hp = hparams_with(p, COMMON, NULL, 0);
    assert_int_equal(hp.n_layer, FIXTURE_LAYERS);
    assert_int_equal(hp.n_embd, FIXTURE_EMBD);
    assert_int_equal(hp.n_inner, FIXTURE_INNER);
    assert_int_equal(hp.n_ctx, FIXTURE_CTX);
    assert_int_equal(hp.n_vocab, FIXTURE_VOCAB);
    assert_int_equal(hp.n_vocab_stored, FIXTURE_VOCAB);
    assert_int_equal(hp.attention_flags, INGOT_ATTN_SCALE);
    tear_down(p);
}

static void settings_win_over_the_recipe(void **state)
{
    (void)state;
    static const char *const settings[] = { "n_head=3", "activation=gelu_erf", "layer_norm_epsilon=1e-6", "n_vocab=20",
                                            "scale_attn_weights=false" };
    struct place p = set_up();
    struct ingot_hparams hp = hparams_with(p, COMMON, settings, 5);
    assert_int_equal(hp.n_head, 3);
    assert_int_equal(hp.activation, INGOT_GELU_ERF);
    assert_true(hp.layer_norm_epsilon == 1e-6f);
    assert_int_equal(hp.n_vocab, 20);
    assert_int_equal(hp.n_vocab_stored, FIXTURE_VOCAB);
    assert_int_equal(hp.attention_flags, 0);
    tear_down(p);
}

static void settings_are_kept_in_the_metadata(void **state)
{
    (void)state;
    static const char *const settings[] = { "n_head=2", "n_head=3", "n_vocab=20" };
    struct place p = set_up();
    struct ingot_file *file;
    struct ingot_section s;
    for (size_t n = 0; n <= 3; n += 3) {
        hparams_with(p, COMMON, settings, n);
        assert_int_equal(ingot_open(fixture_path(p.dir, OUT), INGOT_OPEN_READ, &file, NULL), INGOT_OK);
        assert_true(ingot_find(file, INGOT_NAME_METADATA, &s));
        char *text = strndup(s.data, s.raw_bytes);
        assert_int_equal(strstr(text, "set:\n- \"n_head=3\"\n- \"n_vocab=20\"\n") != NULL, n == 3);
        assert_int_equal(strstr(text, "set:") != NULL, n == 3);
        free(text);
        ingot_close(file);
    }
    tear_down(p);
}

static void a_setting_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "n_heads=2",
                                       "n_head",
                                       "n_head=",
                                       "n_head=0",
                                       "n_head=2x",
                                       "n_head=99999999999",
                                       "activation=relu",
                                       "layer_norm_epsilon=0",
                                       "scale_attn_weights=1",
                                       "=2",
                                       "" };
    struct place p = set_up();
    write_all(p, COMMON);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ingot_error err;
        enum ingot_status status =
            convert(p, (struct ingot_convert_options){ .settings = &bad[i], .n_settings = 1 }, &err);
        if (status != INGOT_E_ARGUMENT) fail_msg("%s", bad[i]);
    }
    tear_down(p);
}

static void what_is_said_must_agree_with_the_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *setting, *subject;
    } cases[] = { { "n_embd=8", "wte.weight" },
                  { "n_ctx=6", "wpe.weight" },
                  { "n_inner=24", "h.0.mlp.c_fc.weight" },
                  { "n_layer=1", "h.1." },
                  { "n_head=4", "--set" } };
    struct place p = set_up();
    write_all(p, COMMON);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ingot_error err;
        struct ingot_convert_options options = { .settings = &cases[i].setting, .n_settings = 1 };
        assert_int_equal(convert(p, options, &err), INGOT_E_MODEL);
        if (!strstr(err.subject, cases[i].subject)) fail_msg("%s: %s", err.subject, err.message);
    }
    tear_down(p);
}

/* As a u32 it would be the 5 of all other tensors. */
static void a_dimension_beyond_32_bits_is_no_hyper_parameter(void **state)
{
    (void)state;
    struct place p = set_up();
    fixture_drop(p.f, "wpe.weight");
    fixture_add(p.f, "wpe.weight", "F32", 2, FIXTURE_CTX, 0)->shape[0] += UINT64_C(1) << 32;
    refuse(p, COMMON, INGOT_E_LIMIT, "wpe.weight", "n_ctx is 4294967301");
    tear_down(p);
}

static void what_nobody_says_is_asked_for_by_its_option(void **state)
{
    (void)state;
    static const char *const keys[] = { "n_head", "activation", "layer_norm_epsilon" };
    static const char *const values[] = { "2", "gelu_tanh", "1e-5" };
    struct place p = set_up();
    for (unsigned left_out = 0; left_out < 3; left_out++) {
        char recipe[4096] = "recipe: mine\nhyper-parameters:\n";
        for (unsigned i = 0; i < 3; i++) {
            size_t n = strlen(recipe);
            if (i != left_out) snprintf(recipe + n, sizeof recipe - n, "  %s: %s\n", keys[i], values[i]);
        }
        strcat(recipe, strstr(COMMON, "tensors:"));
        write_all(p, recipe);
        struct ingot_error err;
        assert_int_equal(convert(p, (struct ingot_convert_options){ 0 }, &err), INGOT_E_MISSING);
        assert_non_null(strstr(err.message, keys[left_out]));
        assert_non_null(strstr(err.advice, "--set"));
    }
    tear_down(p);
}

static void facts_come_from_json_files_beside_the_checkpoint(void **state)
{
    (void)state;
    static const char json[] = "{\"heads\": 3, \"model\": {\"rows\": 21}, \"type\": \"mine\"}";
    static const char recipe[] = "recipe: mine\n"
                                 "facts: {c: c.json}\n"
                                 "requires: {c.type: mine}\n"
                                 "hyper-parameters:\n"
                                 "  {activation: gelu_tanh, layer_norm_epsilon: [c.eps, 1e-5], n_head: c.heads,\n"
                                 "   n_vocab: {from: [c.none, c.model.rows], unpad: {21: 20}}}\n";
    char text[4096];
    struct place p = set_up();
    snprintf(text, sizeof text, "%s%s", recipe, strstr(COMMON, "tensors:"));
    fixture_write(p.dir, "c.json", json, strlen(json));
    struct ingot_hparams hp = hparams_with(p, text, NULL, 0);
    assert_int_equal(hp.n_head, 3);
    assert_int_equal(hp.n_vocab, 20);
    fixture_write(p.dir, "c.json", "{\"heads\": \"3\"}", 14);
    refuse(p, text, INGOT_E_SOURCE, "c.heads", "n_head");
    fixture_write(p.dir, "c.json", "{\"heads\": 3, \"type\": \"yours\"}", 29);
    refuse(p, text, INGOT_E_UNSUPPORTED, p.dir, "yours");
    tear_down(p);
}

#define TRIMMED(more)                                                                                                  \
    "recipe: mine\nhyper-parameters: {activation: gelu_tanh, layer_norm_epsilon: 1e-5, n_head: 2,\n"                   \
    "                   n_vocab: {from: 18, trim: zero_rows}}\n" more

/* Makes the rows of a matrix from 18 on +0. */
static void clear_rows(struct fixture_tensor *t)
{
    const size_t row_bytes = t->n_bytes / FIXTURE_VOCAB;
    memset(t->data + 18 * row_bytes, 0, (FIXTURE_VOCAB - 18) * row_bytes);
}

static uint32_t rows_stored(struct place p, const char *head)
{
    char recipe[4096];
    snprintf(recipe, sizeof recipe, "%s%s%s", head, strstr(COMMON, "tensors:"), "  - head -> lm_head.weight\n");
    struct ingot_hparams hp = hparams_with(p, recipe, NULL, 0);
    assert_int_equal(hp.n_vocab, 18);
    return hp.n_vocab_stored;
}

static void padding_is_trimmed_only_where_all_of_it_is_zero_and_the_recipe_says_so(void **state)
{
    (void)state;
    struct place p = set_up();
    struct fixture_tensor *wte = fixture_find(p.f, "wte.weight");
    assert_int_equal(rows_stored(p, TRIMMED("")), FIXTURE_VOCAB);
    clear_rows(wte);
    assert_int_equal(rows_stored(p, TRIMMED("")), 18);
    static const char *const settings[] = { "n_vocab=18" };
    assert_int_equal(hparams_with(p, COMMON, settings, 1).n_vocab_stored, FIXTURE_VOCAB);
    wte->data[wte->n_bytes - 1] = 0x80; /* -0 */
    assert_int_equal(rows_stored(p, TRIMMED("")), FIXTURE_VOCAB);
    tear_down(p);
}

/* The embedding and a head of its own have as many rows as one another. */
static void a_head_is_trimmed_with_the_embedding_or_neither_is(void **state)
{
    (void)state;
    struct place p = set_up();
    fixture_add(p.f, "head", "F32", 2, FIXTURE_VOCAB, FIXTURE_EMBD);
    clear_rows(fixture_find(p.f, "wte.weight"));
    assert_int_equal(rows_stored(p, TRIMMED("")), FIXTURE_VOCAB);
    clear_rows(fixture_find(p.f, "head"));
    assert_int_equal(rows_stored(p, TRIMMED("")), 18);
    memcpy(fixture_find(p.f, "head")->data, fixture_find(p.f, "wte.weight")->data, fixture_find(p.f, "head")->n_bytes);
    assert_int_equal(rows_stored(p, TRIMMED("head: tied\n")), 18);
    assert_int_equal(rows_stored(p, TRIMMED("head: stored\n")), 18);
    tear_down(p);
}

static uint32_t rows_stored_by(struct place p, const char *rules)
{
    char recipe[4096];
    snprintf(recipe, sizeof recipe, "%s%s%s", TRIMMED(""), strstr(COMMON, "tensors:"), rules);
    return hparams_with(p, recipe, NULL, 0).n_vocab_stored;
}

/* Its last rows may lie in another part, or be another tensor's. */
static void what_is_not_one_whole_tensor_is_not_trimmed(void **state)
{
    (void)state;
    struct place p = set_up();
    struct fixture_tensor wte = *fixture_find(p.f, "wte.weight");
    const size_t upper = wte.n_bytes / FIXTURE_VOCAB * 18;
    clear_rows(&wte);
    memcpy(fixture_add(p.f, "upper", "F32", 2, 18, FIXTURE_EMBD)->data, wte.data, upper);
    memset(fixture_add(p.f, "lower", "F32", 2, FIXTURE_VOCAB - 18, FIXTURE_EMBD)->data, 0, wte.n_bytes - upper);
    fixture_add(p.f, "head", "F32", 2, FIXTURE_VOCAB, FIXTURE_EMBD);
    stack(p.f, "wte.weight", "head", "both", 2 * FIXTURE_VOCAB); /* the head has no zeros */
    fixture_drop(p.f, "wte.weight");
    fixture_drop(p.f, "head");
    assert_int_equal(rows_stored_by(p, "  - {from: [upper, lower], to: wte.weight, concatenate: out}\n"
                                       "  - {from: both, drop: unused}\n"),
                     FIXTURE_VOCAB);
    assert_int_equal(rows_stored_by(p, "  - {from: both, to: [wte.weight, lm_head.weight], split: out}\n"
                                       "  - {from: upper, drop: unused}\n  - {from: lower, drop: unused}\n"),
                     FIXTURE_VOCAB);
    tear_down(p);
}

/* ------------------------------------------------------------------------------------------------ head and refusals */

static void a_head_is_tied_when_it_has_the_bits_of_the_embedding(void **state)
{
    (void)state;
    static const char *const heads[] = { "auto", "tied", "stored" };
    struct place p = set_up();
    struct fixture_tensor *head = fixture_add(p.f, "head", "F32", 2, FIXTURE_VOCAB, FIXTURE_EMBD);
    for (unsigned other = 0; other < 2; other++) {
        memcpy(head->data, fixture_find(p.f, "wte.weight")->data, head->n_bytes);
        head->data[0] ^= (uint8_t)other;
        for (unsigned i = 0; i < 3; i++) {
            char recipe[4096];
            struct ingot_section s;
            snprintf(recipe, sizeof recipe, "head: %s\n%s  - head -> lm_head.weight\n", heads[i], COMMON);
            if (other && i == 1) {
                refuse(p, recipe, INGOT_E_MODEL, "head", "recipe");
                continue;
            }
            struct ingot_file *file = convert_and_open(p, recipe);
            assert_true(ingot_find(file, "lm_head.weight", &s));
            assert_int_equal(s.kind, other || i == 2 ? INGOT_KIND_TENSOR : INGOT_KIND_ALIAS);
            ingot_close(file);
        }
    }
    fixture_drop(p.f, "head");
    refuse(p, "head: stored\n" COMMON, INGOT_E_MISSING, "lm_head.weight", "lacks");
    tear_down(p);
}

static void expect_tied(struct place p, struct ingot_source *src, bool tied)
{
    struct ingot_error err;
    struct plan plan;
    if (plan_and_close(p, src, &plan, &err) != INGOT_OK) fail_msg("%s: %s", err.subject, err.message);
    assert_int_equal(plan.tied, tied);
    assert_int_equal(plan.n_dropped, tied);
    plan_free(&plan);
}

/* A view may have the elements of the embedding in another order of memory, as what PyTorch saves of a transpose. */
static void a_head_is_tied_by_its_elements_whatever_its_strides(void **state)
{
    (void)state;
    struct place p = set_up();
    struct fixture_tensor *head = fixture_add(p.f, "head", "F32", 2, FIXTURE_VOCAB, FIXTURE_EMBD);
    const struct fixture_tensor *wte = fixture_find(p.f, "wte.weight");
    float columns[FIXTURE_EMBD * FIXTURE_VOCAB];
    for (size_t i = 0; i < FIXTURE_EMBD * FIXTURE_VOCAB; i++)
        columns[i % FIXTURE_EMBD * FIXTURE_VOCAB + i / FIXTURE_EMBD] = (float)fixture_get(wte, i);
    memcpy(head->data, columns, sizeof columns);
    for (unsigned other = 0; other < 2; other++) {
        struct ingot_source *src = open_source(p, COMMON "  - head -> lm_head.weight\n");
        struct ingot_source_tensor *t = tensor_of(src, "head");
        columns[sizeof columns / sizeof *columns - 1] += (float)other;
        t->data = columns;
        t->strided = true;
        t->strides[0] = 1;
        t->strides[1] = FIXTURE_VOCAB;
        expect_tied(p, src, !other);
    }
    tear_down(p);
}

static void a_head_with_the_bits_of_the_embedding_in_another_dtype_is_not_tied(void **state)
{
    (void)state;
    struct place p = set_up();
    fixture_drop(p.f, "wte.weight");
    struct fixture_tensor *wte = fixture_add(p.f, "wte.weight", "BF16", 2, FIXTURE_VOCAB, FIXTURE_EMBD);
    struct fixture_tensor *head = fixture_add(p.f, "head", "F16", 2, FIXTURE_VOCAB, FIXTURE_EMBD);
    memcpy(head->data, wte->data, wte->n_bytes);
    expect_tied(p, open_source(p, COMMON "  - head -> lm_head.weight\n"), false);
    head->dtype = "BF16";
    expect_tied(p, open_source(p, COMMON "  - head -> lm_head.weight\n"), true);
    tear_down(p);
}

/* Blocks are compared as bytes, for they have no elements to be gathered. */
static void a_head_in_blocks_is_tied_by_their_bytes_and_their_kind(void **state)
{
    (void)state;
    static const struct ingot_block others = { "OTHERS", 1, 2, 3, NULL };
    static const struct {
        const struct ingot_block *block;
        uint8_t flipped;
        bool tied;
    } cases[] = { { &pairs, 0, true }, { &pairs, 1, false }, { &others, 0, false } };
    struct place p = set_up();
    struct fixture_tensor *head = fixture_add(p.f, "head", "F32", 2, FIXTURE_VOCAB, FIXTURE_EMBD);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memcpy(head->data, fixture_find(p.f, "wte.weight")->data, head->n_bytes);
        head->data[head->n_bytes - 1] ^= cases[i].flipped;
        struct ingot_source *src = open_source(p, COMMON "  - head -> lm_head.weight\n");
        make_blocks(tensor_of(src, "wte.weight"), &pairs);
        make_blocks(tensor_of(src, "head"), cases[i].block);
        expect_tied(p, src, cases[i].tied);
    }
    tear_down(p);
}

/* Nobody knows yet whether it differs. */
static void a_tied_head_without_values_is_missing(void **state)
{
    (void)state;
    static const char *const names[] = { "head", "wte.weight" };
    struct place p = set_up();
    fixture_add(p.f, "head", "F32", 2, FIXTURE_VOCAB, FIXTURE_EMBD);
    for (unsigned i = 0; i < 2; i++) {
        struct ingot_source *src = open_source(p, "head: tied\n" COMMON "  - head -> lm_head.weight\n");
        tensor_of(src, names[i])->data = NULL;
        refuse_source(p, src, INGOT_E_MISSING, names[i], "is not here");
    }
    tear_down(p);
}

static void a_tensor_without_a_rule_is_refused_and_one_to_drop_is_dropped(void **state)
{
    (void)state;
    struct place p = set_up();
    fixture_add(p.f, "h.0.mask", "F32", 2, 5, 5);
    refuse(p, COMMON, INGOT_E_MODEL, "h.0.mask", "mine");
    refuse(p, COMMON "  - {from: \"*.mask\", drop: a mask, shape: [t, 2t]}\n", INGOT_E_SHAPE, "h.0.mask", "a mask");
    refuse(p, COMMON "  - {from: \"*.mask\", refuse: something else}\n", INGOT_E_UNSUPPORTED, "h.0.mask", "something");
    ingot_close(convert_and_open(p, COMMON "  - {from: \"*.mask\", drop: a mask, shape: [t, t]}\n"));
    tear_down(p);
}

static void more_layers_than_tensors_cost_no_memory(void **state)
{
    (void)state;
    struct place p = set_up();
    fixture_add(p.f, "h.60000.ln_1.weight", "F32", 1, FIXTURE_EMBD, 0);
    refuse(p, COMMON, INGOT_E_MISSING, p.dir, "too few");
    tear_down(p);
}

static void on_warning(void *ctx, const char *subject, const char *message)
{
    char *text = ctx;
    size_t n = strlen(text);
    snprintf(text + n, 1024 - n, "%s: %s\n", subject, message);
}

static void a_rule_that_matches_nothing_is_worth_a_warning(void **state)
{
    (void)state;
    struct place p = set_up();
    char text[1024] = "";
    struct ingot_error err;
    write_all(p, COMMON "  - tok -> wte.weight\n  - {from: mask, drop: a mask}\n");
    assert_int_equal(convert(p, (struct ingot_convert_options){ .warning = on_warning, .warning_ctx = text }, &err),
                     INGOT_OK);
    assert_non_null(strstr(text, "line 20: no tensor of the checkpoint is called tok"));
    assert_null(strstr(text, "called mask"));
    assert_null(strstr(text, "called wte.weight"));
    tear_down(p);
}

static void several_rules_that_match_nothing_are_one_warning(void **state)
{
    (void)state;
    struct place p = set_up();
    char text[1024] = "";
    struct ingot_error err;
    write_all(p, COMMON "  - tok -> wte.weight\n  - {from: mask, drop: a mask}\n  - pos -> wpe.weight\n");
    assert_int_equal(convert(p, (struct ingot_convert_options){ .warning = on_warning, .warning_ctx = text }, &err),
                     INGOT_OK);
    assert_non_null(strstr(text, "2 rules match no tensor of the checkpoint, in lines 20, 22\n"));
    assert_null(strstr(text, "called tok"));
    tear_down(p);
}

/* Rules of which none matches, from line 20 on. */
static void warn_of(struct place p, unsigned n_rules, char text[1024])
{
    char recipe[8192];
    struct ingot_error err;
    size_t n = (size_t)snprintf(recipe, sizeof recipe, "%s", COMMON);
    for (unsigned i = 0; i < n_rules; i++)
        n += (size_t)snprintf(recipe + n, sizeof recipe - n, "  - tok.%u -> wte.weight\n", i);
    *text = '\0';
    write_all(p, recipe);
    assert_int_equal(convert(p, (struct ingot_convert_options){ .warning = on_warning, .warning_ctx = text }, &err),
                     INGOT_OK);
}

static void a_list_of_rules_has_dots_only_where_it_is_cut(void **state)
{
    (void)state;
    struct place p = set_up();
    char text[1024];
    warn_of(p, 0, text);
    assert_null(strstr(text, "match no tensor"));
    warn_of(p, 41, text);
    if (!strstr(text,
                "in lines 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, "
                "43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60\n"))
        fail_msg("%s", text);
    warn_of(p, 42, text);
    if (!strstr(text, "59, 60, ..\n")) fail_msg("%s", text);
    tear_down(p);
}

/* --------------------------------------------------------------------------------------------------------- choosing */

static void recipes_that_nearly_fit_are_named_with_what_they_lack(void **state)
{
    (void)state;
    struct place p = set_up();
    struct ingot_error err = { 0 };
    for (int layer = 0; layer < FIXTURE_LAYERS; layer++) { /* as Linear stores it */
        char name[64];
        snprintf(name, sizeof name, "h.%d.attn.c_attn.weight", layer);
        fixture_drop(p.f, name);
        fixture_add(p.f, name, "F32", 2, 3 * FIXTURE_EMBD, FIXTURE_EMBD);
    }
    write_all(p, COMMON);
    assert_int_equal(ingot_convert(p.dir, fixture_path(p.dir, OUT), NULL, NULL, &err), INGOT_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "huggingface (h.0.attn.c_attn.weight is not [n, 3n])"));
    if (!strstr(err.message, "nanogpt (model_args.n_head is not stated)")) fail_msg("%s", err.message);
    assert_non_null(strstr(err.message, "mingpt"));
    assert_non_null(strstr(err.advice, "--recipe"));
    tear_down(p);
}

/* As nn.Linear stores what Conv1D stores [in, out]. */
static void turn(struct fixture_tensor *t)
{
    const size_t n_in = t->shape[0], n_out = t->shape[1];
    float *from = malloc(t->n_bytes), *to = (void *)t->data;
    memcpy(from, t->data, t->n_bytes);
    for (size_t i = 0; i < n_in; i++)
        for (size_t o = 0; o < n_out; o++) to[o * n_in + i] = from[i * n_out + o];
    t->shape[0] = n_out;
    t->shape[1] = n_in;
    free(from);
}

static struct ingot_digest content_with(struct place p, struct ingot_convert_options options)
{
    struct ingot_error err;
    struct ingot_file *file;
    struct ingot_file_info info;
    if (convert(p, options, &err) != INGOT_OK) fail_msg("%s: %s", err.subject, err.message);
    assert_int_equal(ingot_open(fixture_path(p.dir, OUT), INGOT_OPEN_READ, &file, &err), INGOT_OK);
    ingot_file_get_info(file, &info);
    ingot_close(file);
    return info.content_id;
}

/* Nothing in it says heads, or whose it is: the first error says how to say both. */
static void nanogpts_weights_as_safetensors_need_a_recipe_and_heads(void **state)
{
    (void)state;
    static const char *const settings[] = { "n_head=2", "activation=gelu_erf", "layer_norm_epsilon=1e-5" };
    struct place p = { fixture_directory(), fixture_gpt2("transformer.", "F32") };
    struct ingot_error err = { 0 };
    write_all(p, COMMON);
    struct ingot_convert_options options = { .recipe = "huggingface", .settings = settings, .n_settings = 3 };
    struct ingot_digest right = content_with(p, options);
    for (size_t i = 0; i < p.f->n; i++)
        if (p.f->tensors[i].rank == 2 && strstr(p.f->tensors[i].name, ".h.")) turn(&p.f->tensors[i]);
    write_all(p, COMMON);
    struct ingot_source *src;
    assert_int_equal(ingot_source_open(p.dir, &src, &err), INGOT_OK);
    char name[INGOT_RECIPE_NAME_MAX];
    assert_int_equal(ingot_source_recipe(src, name, &err), INGOT_E_UNSUPPORTED);
    if (!strstr(err.message, "nanogpt (model_args.n_head is not stated)")) fail_msg("%s", err.message);
    assert_non_null(strstr(err.advice, "--recipe"));
    assert_non_null(strstr(err.advice, "--set n_head="));
    ingot_source_close(src);
    options = (struct ingot_convert_options){ .recipe = "nanogpt", .settings = settings, .n_settings = 1 };
    struct ingot_digest found = content_with(p, options);
    assert_true(found.lo == right.lo && found.hi == right.hi);
    tear_down(p);
}

/* Which of two the directory would not say. */
static void a_recipe_names_the_file_of_a_directory(void **state)
{
    (void)state;
    struct place p = set_up();
    struct ingot_digest first = content_id(p, COMMON), second;
    fixture_find(p.f, "ln_f.bias")->data[0] ^= 1;
    fixture_write_tensors(p.f, 0, p.f->n, p.dir, "other.bin");
    fixture_find(p.f, "ln_f.bias")->data[0] ^= 1;
    second = content_id(p, "files: other.bin\n" COMMON);
    assert_memory_not_equal(&first, &second, sizeof first);
    second = content_id(p, "files: absent.bin\n" COMMON);
    assert_memory_equal(&first, &second, sizeof first);
    tear_down(p);
}

static void the_recipe_is_not_written_over(void **state)
{
    (void)state;
    struct place p = set_up();
    struct ingot_error err = { 0 };
    write_all(p, COMMON);
    char *recipe = strdup(fixture_path(p.dir, RECIPE));
    const struct ingot_convert_options options = { .recipe = recipe, .overwrite = true };
    assert_int_equal(ingot_convert(p.dir, recipe, &options, NULL, &err), INGOT_E_ARGUMENT);
    assert_string_equal(err.subject, recipe);
    free(recipe);
    tear_down(p);
}

static void a_checkpoint_without_tensors_says_so(void **state)
{
    (void)state;
    struct place p = { fixture_directory(), calloc(1, sizeof *p.f) };
    struct ingot_error err = { 0 };
    write_all(p, COMMON);
    assert_int_equal(ingot_convert(p.dir, fixture_path(p.dir, OUT), NULL, NULL, &err), INGOT_E_MISSING);
    assert_string_equal(err.message, "the checkpoint holds no tensor");
    tear_down(p);
}

static void tensors_that_no_recipe_knows_are_refused(void **state)
{
    (void)state;
    struct place p = { fixture_directory(), calloc(1, sizeof *p.f) };
    struct ingot_error err = { 0 };
    fixture_add(p.f, "conv1.weight", "F32", 2, 3, 3);
    write_all(p, COMMON);
    assert_int_equal(ingot_convert(p.dir, fixture_path(p.dir, OUT), NULL, NULL, &err), INGOT_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "conv1.weight"));
    tear_down(p);
}

/* The tiny GPT-2 in every format, as tests/models/foreign/README.md lists it. */
static void every_foreign_format_says_its_hyper_parameters(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        uint32_t n_vocab;
        enum ingot_activation activation;
    } cases[] = {
        { "hf", 277, INGOT_GELU_TANH },
        { "torch-zip", 277, INGOT_GELU_TANH },
        { "torch-legacy", 277, INGOT_GELU_TANH },
        { "tensorflow", 277, INGOT_GELU_TANH },
        { "gguf/tiny.gguf", 277, INGOT_GELU_TANH },
        { "llmc/model.bin", 277, INGOT_GELU_TANH },
        { "mingpt/model.pt", 277, INGOT_GELU_TANH },
        { "nanogpt/ckpt.pt", 320, INGOT_GELU_ERF },
        { "nanogpt-nobias/ckpt.pt", 320, INGOT_GELU_ERF },
    };
    const char *root = getenv("INGOT_ROOT");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[512];
        struct ingot_source *src;
        struct ingot_hparams hp;
        struct ingot_error err = { 0 };
        snprintf(path, sizeof path, "%s/tests/models/foreign/%s", root ? root : ".", cases[i].path);
        assert_int_equal(ingot_source_open(path, &src, &err), INGOT_OK);
        if (ingot_source_hparams(src, &hp, &err) != INGOT_OK) fail_msg("%s: %s", err.subject, err.message);
        assert_int_equal(hp.n_layer, 2);
        assert_int_equal(hp.n_head, 2);
        assert_int_equal(hp.n_embd, 16);
        assert_int_equal(hp.n_ctx, 24);
        assert_int_equal(hp.n_inner, 64);
        if (hp.n_vocab != cases[i].n_vocab) fail_msg("%s: n_vocab %u", path, hp.n_vocab);
        assert_int_equal(hp.activation, cases[i].activation);
        assert_true(hp.layer_norm_epsilon == 1e-5f);
        ingot_source_close(src);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(separate_query_key_and_value_become_one),
        cmocka_unit_test(halves_by_their_inputs_become_one),
        cmocka_unit_test(one_tensor_is_split_into_equal_parts),
        cmocka_unit_test(matrices_are_split_along_either_side),
        cmocka_unit_test(dimensions_of_one_in_front_are_nothing),
        cmocka_unit_test(blocks_are_neither_transposed_nor_cut_into),
        cmocka_unit_test(a_tensor_without_values_is_refused_by_what_lacks),
        cmocka_unit_test(a_wrong_shape_is_shown_as_the_file_has_it),
        cmocka_unit_test(a_rule_decides_the_dtype_of_its_tensors),
        cmocka_unit_test(quantised_are_matrices_in_panels_and_the_embedding_apart_if_asked_for),
        cmocka_unit_test(a_rule_decides_over_dtype_and_embedding),
        cmocka_unit_test(other_dtypes_are_no_weights),
        cmocka_unit_test(shapes_say_what_they_can),
        cmocka_unit_test(settings_win_over_the_recipe),
        cmocka_unit_test(settings_are_kept_in_the_metadata),
        cmocka_unit_test(a_setting_that_is_none_is_refused),
        cmocka_unit_test(what_is_said_must_agree_with_the_shapes),
        cmocka_unit_test(a_dimension_beyond_32_bits_is_no_hyper_parameter),
        cmocka_unit_test(what_nobody_says_is_asked_for_by_its_option),
        cmocka_unit_test(facts_come_from_json_files_beside_the_checkpoint),
        cmocka_unit_test(padding_is_trimmed_only_where_all_of_it_is_zero_and_the_recipe_says_so),
        cmocka_unit_test(a_head_is_trimmed_with_the_embedding_or_neither_is),
        cmocka_unit_test(what_is_not_one_whole_tensor_is_not_trimmed),
        cmocka_unit_test(a_head_is_tied_when_it_has_the_bits_of_the_embedding),
        cmocka_unit_test(a_head_is_tied_by_its_elements_whatever_its_strides),
        cmocka_unit_test(a_head_with_the_bits_of_the_embedding_in_another_dtype_is_not_tied),
        cmocka_unit_test(a_head_in_blocks_is_tied_by_their_bytes_and_their_kind),
        cmocka_unit_test(a_tied_head_without_values_is_missing),
        cmocka_unit_test(a_tensor_without_a_rule_is_refused_and_one_to_drop_is_dropped),
        cmocka_unit_test(more_layers_than_tensors_cost_no_memory),
        cmocka_unit_test(a_rule_that_matches_nothing_is_worth_a_warning),
        cmocka_unit_test(several_rules_that_match_nothing_are_one_warning),
        cmocka_unit_test(a_list_of_rules_has_dots_only_where_it_is_cut),
        cmocka_unit_test(recipes_that_nearly_fit_are_named_with_what_they_lack),
        cmocka_unit_test(nanogpts_weights_as_safetensors_need_a_recipe_and_heads),
        cmocka_unit_test(a_recipe_names_the_file_of_a_directory),
        cmocka_unit_test(the_recipe_is_not_written_over),
        cmocka_unit_test(a_checkpoint_without_tensors_says_so),
        cmocka_unit_test(tensors_that_no_recipe_knows_are_refused),
        cmocka_unit_test(every_foreign_format_says_its_hyper_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

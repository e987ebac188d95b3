/* One tiny GPT-2 in every format (tests/models/foreign): whichever reader opens it, the weights are the same, and so is
 * what they are converted to. */
#include "tests/unit/vocab_fixture.h"

#define FOLDER   "tests/models/foreign/"
#define N_LAYERS 2
#define N_VOCAB  277
#define WIDTH    16

enum {
    WTE,
    WPE,
    LN_1_G,
    LN_1_B,
    ATTN_W,
    ATTN_B,
    OUT_W,
    OUT_B,
    LN_2_G,
    LN_2_B,
    UP_W,
    UP_B,
    DOWN_W,
    DOWN_B,
    LN_F_G,
    LN_F_B,
    N_ROLES
};

static bool of_a_layer(int role)
{
    return role > WPE && role < LN_F_G;
}

static bool is_projection(int role)
{
    return role == ATTN_W || role == OUT_W || role == UP_W || role == DOWN_W;
}

static bool is_bias(int role)
{
    return role == LN_F_B || (of_a_layer(role) && (role - LN_1_G) % 2 == 1);
}

/* How a format calls the weights. */
struct dialect {
    bool out_in; /* projections stand [out, in]; else [in, out] */
    const char *names[N_ROLES];
};

#define TORCH_NAMES(prefix)                                                                                            \
    {                                                                                                                  \
        prefix "wte.weight", prefix "wpe.weight", prefix "h.%d.ln_1.weight", prefix "h.%d.ln_1.bias",                  \
            prefix "h.%d.attn.c_attn.weight", prefix "h.%d.attn.c_attn.bias", prefix "h.%d.attn.c_proj.weight",        \
            prefix "h.%d.attn.c_proj.bias", prefix "h.%d.ln_2.weight", prefix "h.%d.ln_2.bias",                        \
            prefix "h.%d.mlp.c_fc.weight", prefix "h.%d.mlp.c_fc.bias", prefix "h.%d.mlp.c_proj.weight",               \
            prefix "h.%d.mlp.c_proj.bias", prefix "ln_f.weight", prefix "ln_f.bias"                                    \
    }

static const struct dialect bare = { false, TORCH_NAMES("") }, prefixed = { false, TORCH_NAMES("transformer.") },
                            nanogpt = { true, TORCH_NAMES("model._orig_mod.transformer.") },
                            mingpt = { true, TORCH_NAMES("transformer.") };

static const struct dialect tensorflow = {
    false,
    { "model/wte", "model/wpe", "model/h%d/ln_1/g", "model/h%d/ln_1/b", "model/h%d/attn/c_attn/w",
      "model/h%d/attn/c_attn/b", "model/h%d/attn/c_proj/w", "model/h%d/attn/c_proj/b", "model/h%d/ln_2/g",
      "model/h%d/ln_2/b", "model/h%d/mlp/c_fc/w", "model/h%d/mlp/c_fc/b", "model/h%d/mlp/c_proj/w",
      "model/h%d/mlp/c_proj/b", "model/ln_f/g", "model/ln_f/b" },
};

static const struct dialect gguf = {
    true,
    { "token_embd.weight", "position_embd.weight", "blk.%d.attn_norm.weight", "blk.%d.attn_norm.bias",
      "blk.%d.attn_qkv.weight", "blk.%d.attn_qkv.bias", "blk.%d.attn_output.weight", "blk.%d.attn_output.bias",
      "blk.%d.ffn_norm.weight", "blk.%d.ffn_norm.bias", "blk.%d.ffn_up.weight", "blk.%d.ffn_up.bias",
      "blk.%d.ffn_down.weight", "blk.%d.ffn_down.bias", "output_norm.weight", "output_norm.bias" },
};

static const struct dialect llmc = {
    true,
    { "wte", "wpe", "h.%d.ln1w", "h.%d.ln1b", "h.%d.qkvw", "h.%d.qkvb", "h.%d.attprojw", "h.%d.attprojb", "h.%d.ln2w",
      "h.%d.ln2b", "h.%d.fcw", "h.%d.fcb", "h.%d.fcprojw", "h.%d.fcprojb", "lnfw", "lnfb" },
};

static const struct foreign {
    const char *path, *format;
    const struct dialect *dialect;
    size_t n_tensors; /* whatever else the files hold counts too */
    uint64_t n_rows;  /* of the token embedding, with the padding */
    bool trimmed;     /* in conversion the padding is left out */
    bool biased;
    const char *same; /* after conversion its tensors are those of this one */
    bool same_model;  /* and hyper-parameters and tokenizer, too */
} models[] = {
    { "hf", "safetensors", &bare, 28, N_VOCAB, false, true, "hf", true },
    { "hf/model.safetensors", "safetensors", &bare, 28, N_VOCAB, false, true, "hf", true },
    { "hf-f16", "safetensors", &bare, 28, N_VOCAB, false, true, "hf-f16", true },
    { "hf-bf16", "safetensors", &bare, 28, N_VOCAB, false, true, "hf-bf16", true },
    { "hf-sharded", "safetensors", &prefixed, 28, N_VOCAB, false, true, "hf", true },
    { "torch-zip", "torch", &prefixed, 33, N_VOCAB, false, true, "hf", true },
    { "torch-legacy", "torch", &bare, 30, N_VOCAB, false, true, "hf", true },
    { "torch-sharded", "torch", &prefixed, 32, N_VOCAB, false, true, "hf", true },
    { "nanogpt", "torch", &nanogpt, 114, 320, false, true, "hf", false },
    { "nanogpt-nobias", "torch", &nanogpt, 17, 320, false, false, "hf", false },
    { "mingpt", "torch", &mingpt, 31, N_VOCAB, false, true, "hf", false },
    { "tensorflow", "tensorflow", &tensorflow, 28, N_VOCAB, false, true, "hf", true },
    { "gguf/tiny.gguf", "gguf", &gguf, 28, N_VOCAB, false, true, "hf", true },
    { "gguf/tiny-f16.gguf", "gguf", &gguf, 28, N_VOCAB, false, true, NULL, false }, /* of several dtypes */
    { "llmc/model.bin", "llm.c", &llmc, 28, 384, true, true, "hf", true },
    { "llmc/model_bf16.bin", "llm.c", &llmc, 28, 384, true, true, "hf-bf16", true },
};
#define N_MODELS (sizeof models / sizeof *models)

/* ---------------------------------------------------------------------------------------------------------- weights */

static struct ingot_source *open_model(const char *path)
{
    char below[128];
    struct ingot_source *src;
    struct ingot_error err = { 0 };
    snprintf(below, sizeof below, FOLDER "%s", path);
    if (ingot_source_open(vocab_root_path(below), &src, &err) != INGOT_OK)
        fail_msg("%s: %s: %s", path, err.subject, err.message);
    return src;
}

static struct ingot_source_tensor find_tensor(const struct ingot_source *src, const char *name)
{
    for (size_t i = 0; i < ingot_source_count(src); i++)
        if (strcmp(ingot_source_at(src, i).name, name) == 0) return ingot_source_at(src, i);
    fail_msg("%s: no tensor %s", ingot_source_path(src), name);
    return (struct ingot_source_tensor){ 0 };
}

static struct ingot_source_tensor find_role(const struct ingot_source *src, const struct dialect *d, int role,
                                            int layer)
{
    char name[128], *at = name;
    for (const char *c = d->names[role]; *c; c++) /* "%d" is the layer */
        if (c[0] == '%')
            *at++ = (char)('0' + layer), c++;
        else
            *at++ = *c;
    *at = 0;
    return find_tensor(src, name);
}

static uint64_t elems_of(const struct ingot_source_tensor *t)
{
    uint64_t n;
    assert_true(ingot_shape_elems(t->rank, t->shape, &n));
    return n;
}

/* All elements as f32, to be freed. */
static float *gather(const struct ingot_source_tensor *t)
{
    uint64_t n = elems_of(t);
    float *out = calloc(n, sizeof *out);
    uint16_t *half = calloc(n, sizeof *half);
    ingot_source_gather(t, 0, n, t->scalar == INGOT_SCALAR_F32 ? (void *)out : half);
    for (uint64_t i = 0; t->scalar != INGOT_SCALAR_F32 && i < n; i++)
        out[i] = t->scalar == INGOT_SCALAR_F16 ? ingot_f32_from_f16(half[i]) : ingot_f32_from_bf16(half[i]);
    free(half);
    return out;
}

/* What a value becomes in an element of this kind. */
static float rounded(float value, enum ingot_scalar scalar)
{
    if (scalar == INGOT_SCALAR_F16) return ingot_f32_from_f16(ingot_f16_from_f32(value));
    if (scalar == INGOT_SCALAR_BF16) return ingot_f32_from_bf16(ingot_bf16_from_f32(value));
    assert_int_equal(scalar, INGOT_SCALAR_F32);
    return value;
}

/* `right` is that of hf/, [in, out]. */
static void expect_values(const struct ingot_source_tensor *t, const struct ingot_source_tensor *right, bool turned)
{
    float *found = gather(t), *expected = gather(right);
    uint64_t n = elems_of(right), n_out = right->shape[1];
    uint64_t n_in = turned ? n / n_out : 0;
    for (uint64_t i = 0; i < n; i++) {
        float value = turned ? found[i % n_out * n_in + i / n_out] : found[i];
        if (value != rounded(expected[i], t->scalar)) fail_msg("%s: element %d", t->name, (int)i);
    }
    for (uint64_t i = n; i < elems_of(t); i++) assert_true(found[i] == 0); /* padding */
    free(found);
    free(expected);
}

static void expect_weights(const struct ingot_source *src, const struct foreign *m, const struct ingot_source *hf)
{
    for (int role = 0; role < N_ROLES; role++)
        for (int layer = 0; layer < (of_a_layer(role) ? N_LAYERS : 1); layer++) {
            if (is_bias(role) && !m->biased) continue;
            struct ingot_source_tensor t = find_role(src, m->dialect, role, layer);
            struct ingot_source_tensor right = find_role(hf, &bare, role, layer);
            assert_int_equal(elems_of(&t), role == WTE ? m->n_rows * WIDTH : elems_of(&right));
            expect_values(&t, &right, m->dialect->out_in && is_projection(role));
        }
}

static void every_format_holds_the_same_weights(void **state)
{
    (void)state;
    struct ingot_source *hf = open_model("hf");
    for (size_t i = 0; i < N_MODELS; i++) {
        struct ingot_source *src = open_model(models[i].path);
        assert_string_equal(ingot_source_format(src), models[i].format);
        if (ingot_source_count(src) != models[i].n_tensors)
            fail_msg("%s: %zu tensors", models[i].path, ingot_source_count(src));
        expect_weights(src, &models[i], hf);
        ingot_source_close(src);
    }
    ingot_source_close(hf);
}

/* ------------------------------------------------------------------------------------------------------- conversion */

static struct ingot_file *convert(const char *path, const char *directory)
{
    char below[128], output[512];
    struct ingot_file *file;
    struct ingot_error err = { 0 };
    const struct ingot_convert_options options = { .overwrite = true, .n_threads = 1 };
    snprintf(below, sizeof below, FOLDER "%s", path);
    snprintf(output, sizeof output, "%s/converted.ingot", directory);
    if (ingot_convert(vocab_root_path(below), output, &options, NULL, &err) != INGOT_OK)
        fail_msg("%s: %s: %s", path, err.subject, err.message);
    assert_int_equal(ingot_open(output, INGOT_OPEN_READ, &file, &err), INGOT_OK);
    return file;
}

static bool is_longer(const struct foreign *m)
{
    return m->n_rows != N_VOCAB && !m->trimmed;
}

/* The head of minGPT is its own, and a padded embedding is longer than that of hf/. */
static bool may_differ(const struct foreign *m, const char *name)
{
    if (strcmp(name, "wte.weight") == 0) return is_longer(m);
    return strcmp(name, "lm_head.weight") == 0 && (is_longer(m) || m->dialect == &mingpt);
}

static void expect_same_tensors(const struct foreign *m, const struct ingot_file *file, const struct ingot_file *right)
{
    size_t n_same = 0;
    for (uint32_t i = 0; i < ingot_section_count(file); i++) {
        struct ingot_section s = ingot_section_at(file, i), r;
        if (s.kind != INGOT_KIND_TENSOR || may_differ(m, s.name)) continue;
        if (!ingot_find(right, s.name, &r)) fail_msg("%s: %s is not in hf/", m->path, s.name);
        if (s.dtype != r.dtype || s.layout != r.layout || s.raw_bytes != r.raw_bytes || s.digest.lo != r.digest.lo ||
            s.digest.hi != r.digest.hi || memcmp(s.data, r.data, s.raw_bytes) != 0)
            fail_msg("%s: %s has other bytes", m->path, s.name);
        n_same++;
    }
    assert_int_equal(n_same, (m->biased ? 28 : 15) - is_longer(m));
}

static bool same_content(const struct ingot_file *a, const struct ingot_file *b)
{
    struct ingot_file_info x, y;
    ingot_file_get_info(a, &x);
    ingot_file_get_info(b, &y);
    return x.content_id.lo == y.content_id.lo && x.content_id.hi == y.content_id.hi;
}

static void every_format_converts_to_the_same_bytes(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    const char *right_of = "";
    struct ingot_file *right = NULL;
    for (size_t i = 0; i < N_MODELS; i++) {
        if (!models[i].same) continue;
        if (strcmp(right_of, models[i].same) != 0) {
            ingot_close(right);
            right = convert(models[i].same, directory);
            right_of = models[i].same;
        }
        struct ingot_file *file = convert(models[i].path, directory);
        expect_same_tensors(&models[i], file, right);
        if (same_content(file, right) != models[i].same_model) fail_msg("%s: content id", models[i].path);
        ingot_close(file);
    }
    ingot_close(right);
    fixture_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_holds_the_same_weights),
        cmocka_unit_test(every_format_converts_to_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

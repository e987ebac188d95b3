/*
 * test_bind.c - a file whose tensors do not make a GPT-2 is refused by the tensor's name.
 *
 * The files are valid containers, made in memory: a model of one layer, in which each test changes one section.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/ingot_runtime.h"
#include "tests/conformance/image.h"

#include <string.h>

enum { C = 6, N_INNER = 10, N_CTX = 5, N_VOCAB = 19, N_STORED = 21 };

static const struct image_part WHOLE[] = {
    { .name = "@chunks", .kind = CHUNKS },
    { .name = "wte.weight", .kind = TENSOR, .dtype = F32, .layout = PANEL16, .rank = 2, .shape = { N_STORED, C } },
    { .name = "wpe.weight", .kind = TENSOR, .dtype = F32, .layout = ROWS, .rank = 2, .shape = { N_CTX, C } },
    { .name = "h.0.ln_1.weight", .kind = TENSOR, .dtype = F32, .rank = 1, .shape = { C } },
    { .name = "h.0.ln_1.bias", .kind = TENSOR, .dtype = F32, .rank = 1, .shape = { C } },
    { .name = "h.0.attn.c_attn.weight",
      .kind = TENSOR,
      .dtype = F32,
      .layout = PANEL16,
      .rank = 2,
      .shape = { 3 * C, C } },
    { .name = "h.0.attn.c_attn.bias", .kind = TENSOR, .dtype = F32, .rank = 1, .shape = { 3 * C } },
    { .name = "h.0.attn.c_proj.weight", .kind = TENSOR, .dtype = F16, .layout = PANEL16, .rank = 2, .shape = { C, C } },
    { .name = "h.0.ln_2.weight", .kind = TENSOR, .dtype = F32, .rank = 1, .shape = { C } },
    { .name = "h.0.ln_2.bias", .kind = TENSOR, .dtype = F32, .rank = 1, .shape = { C } },
    { .name = "h.0.mlp.c_fc.weight",
      .kind = TENSOR,
      .dtype = BF16,
      .layout = PANEL16,
      .rank = 2,
      .shape = { N_INNER, C } },
    { .name = "h.0.mlp.c_proj.weight",
      .kind = TENSOR,
      .dtype = F32,
      .layout = PANEL16,
      .rank = 2,
      .shape = { C, N_INNER } },
    { .name = "ln_f.weight", .kind = TENSOR, .dtype = F32, .rank = 1, .shape = { C } },
    { .name = "lm_head.weight",
      .kind = ALIAS,
      .dtype = F32,
      .layout = PANEL16,
      .rank = 2,
      .shape = { N_STORED, C },
      .target = "wte.weight" },
};
#define N_PARTS (sizeof WHOLE / sizeof *WHOLE)

/* A file in memory and, if all is well, its model. */
struct opened {
    struct image *image;
    struct ingot_file *file;
    struct ingot_model *model;
};

static void close_opened(struct opened *o)
{
    ingot_model_close(o->model);
    ingot_close(o->file);
    image_free(o->image);
}

/* The whole model with the section `name` replaced; `changed` NULL leaves it out, `name` NULL changes nothing. */
static enum ingot_status open_to_use(const char *name, const struct image_part *changed, struct opened *o,
                                     struct ingot_error *err)
{
    const struct ingot_hparams hp = { .n_layer = 1,
                                      .n_head = 2,
                                      .n_embd = C,
                                      .n_inner = N_INNER,
                                      .n_ctx = N_CTX,
                                      .n_vocab = N_VOCAB,
                                      .n_vocab_stored = N_STORED,
                                      .activation = INGOT_GELU_TANH,
                                      .attention_flags = INGOT_ATTN_SCALE,
                                      .layer_norm_epsilon = 1e-5f };
    uint8_t bytes[INGOT_HPARAMS_BYTES];
    ingot_hparams_encode(&hp, bytes);
    struct image *image = image_new();
    image_add(image, &(struct image_part){ .name = "@model", .kind = MODEL, .bytes = bytes, .n_bytes = sizeof bytes });
    for (size_t i = 0; i < N_PARTS; i++) {
        const struct image_part *part = name && strcmp(WHOLE[i].name, name) == 0 ? changed : &WHOLE[i];
        if (part) image_add(image, part);
    }
    image_finish(image, 0);
    *o = (struct opened){ .image = image };
    assert_int_equal(ingot_open_memory(image->bytes, image->n, "image", &o->file, NULL), INGOT_OK);
    return ingot_model_open(o->file, "scalar", &o->model, err);
}

static enum ingot_status open_changed(const char *name, const struct image_part *changed, struct ingot_error *err)
{
    struct opened o;
    const enum ingot_status status = open_to_use(name, changed, &o, err);
    assert_int_equal(status == INGOT_OK, o.model != NULL);
    close_opened(&o);
    return status;
}

static void assert_refused(const char *name, const struct image_part *changed, enum ingot_status status)
{
    struct ingot_error err = { 0 };
    assert_int_equal(open_changed(name, changed, &err), status);
    assert_int_equal(err.status, status);
    assert_string_equal(err.subject, name);
}

static struct image_part part_named(const char *name)
{
    for (size_t i = 0; i < N_PARTS; i++)
        if (strcmp(WHOLE[i].name, name) == 0) return WHOLE[i];
    fail_msg("no part %s", name);
    return (struct image_part){ 0 };
}

/* ----------------------------------------------------------------------------------------------------------- tests */

static void a_whole_model_of_mixed_dtypes_without_some_biases_is_bound(void **state)
{
    (void)state;
    assert_int_equal(open_changed(NULL, NULL, NULL), INGOT_OK);
}

static void every_weight_must_be_there(void **state)
{
    (void)state;
    for (size_t i = 1; i < N_PARTS; i++) {
        const bool optional = strstr(WHOLE[i].name, ".bias");
        const bool target = strcmp(WHOLE[i].name, "wte.weight") == 0; /* without it the alias cannot be written */
        if (!optional && !target) assert_refused(WHOLE[i].name, NULL, INGOT_E_MISSING);
        if (optional) assert_int_equal(open_changed(WHOLE[i].name, NULL, NULL), INGOT_OK);
    }
}

static void every_shape_must_follow_from_the_hyper_parameters(void **state)
{
    (void)state;
    for (size_t i = 1; i < N_PARTS; i++) {
        if (WHOLE[i].kind == ALIAS || strcmp(WHOLE[i].name, "wte.weight") == 0) continue;
        for (uint32_t dim = 0; dim < WHOLE[i].rank; dim++) {
            struct image_part part = WHOLE[i];
            part.shape[dim]++;
            assert_refused(part.name, &part, INGOT_E_SHAPE);
            part.shape[dim] -= 2;
            assert_refused(part.name, &part, INGOT_E_SHAPE);
        }
        struct image_part part = WHOLE[i];
        part.layout = ROWS;
        part.shape[part.rank++] = 1;
        assert_refused(part.name, &part, INGOT_E_SHAPE);
    }
}

static void every_matrix_must_have_the_layout_that_the_kernels_read(void **state)
{
    (void)state;
    struct image_part part = part_named("h.0.attn.c_proj.weight");
    part.layout = ROWS;
    assert_refused(part.name, &part, INGOT_E_LAYOUT);
    part = part_named("wpe.weight");
    part.layout = PANEL16;
    assert_refused(part.name, &part, INGOT_E_LAYOUT);
}

static void every_dtype_must_be_one_that_can_be_computed_with(void **state)
{
    (void)state;
    struct image_part part = part_named("wpe.weight");
    part.dtype = F64;
    assert_refused(part.name, &part, INGOT_E_DTYPE);
    part = part_named("h.0.ln_1.bias");
    part.dtype = F16;
    assert_refused(part.name, &part, INGOT_E_DTYPE);
}

static void a_matrix_of_panels_may_be_quantised(void **state)
{
    (void)state;
    static const enum ingot_dtype dtypes[] = { INGOT_Q8, INGOT_Q4 };
    for (size_t i = 0; i < 2; i++) {
        struct image_part part = part_named("h.0.mlp.c_fc.weight");
        part.dtype = dtypes[i];
        assert_int_equal(open_changed(part.name, &part, NULL), INGOT_OK);
    }
}

static void one_quantised_matrix_makes_the_cache_f16(void **state)
{
    (void)state;
    for (size_t i = 0; i <= N_PARTS; i++) {
        const bool changes = i < N_PARTS && WHOLE[i].kind == TENSOR && WHOLE[i].layout == PANEL16 &&
                             strcmp(WHOLE[i].name, "wte.weight") != 0; /* whose alias has its dtype */
        struct image_part part = WHOLE[changes ? i : 0];
        struct opened o;
        struct ingot_session *session;
        if (changes) part.dtype = Q8;
        assert_int_equal(open_to_use(part.name, &part, &o, NULL), INGOT_OK);
        assert_int_equal(ingot_session_create(o.model, NULL, &session, NULL), INGOT_OK);
        assert_int_equal(ingot_session_kv(session), changes ? INGOT_F16 : INGOT_F32);
        ingot_session_close(session);
        close_opened(&o);
    }
}

/* Trained padding: there are more rows than tokens. */
static void rows_beyond_the_vocabulary_are_no_tokens_and_give_no_logits(void **state)
{
    (void)state;
    const uint32_t ids[] = { 3, N_VOCAB - 1 }, beyond = N_VOCAB;
    float logits[2 * N_VOCAB + N_STORED];
    struct opened o;
    struct ingot_session *session;
    assert_int_equal(open_to_use(NULL, NULL, &o, NULL), INGOT_OK);
    assert_int_equal(ingot_session_create(o.model, NULL, &session, NULL), INGOT_OK);
    assert_int_equal(ingot_session_eval(session, &beyond, 1, INGOT_LOGITS_LAST, logits, NULL), INGOT_E_TOKEN);
    for (size_t i = 0; i < sizeof logits / sizeof *logits; i++) logits[i] = 12345.0f;
    assert_int_equal(ingot_session_eval(session, ids, 2, INGOT_LOGITS_ALL, logits, NULL), INGOT_OK);
    for (size_t i = 0; i < sizeof logits / sizeof *logits; i++)
        assert_int_equal(logits[i] == 12345.0f, i >= (size_t)2 * N_VOCAB);
    ingot_session_close(session);
    close_opened(&o);
}

static void an_instruction_set_that_is_unknown_is_refused_by_name(void **state)
{
    (void)state;
    struct ingot_error err = { 0 };
    struct image *image = image_new();
    struct ingot_file *file;
    struct ingot_model *model;
    const struct ingot_hparams hp = { .n_layer = 1,
                                      .n_head = 1,
                                      .n_embd = 1,
                                      .n_inner = 1,
                                      .n_ctx = 1,
                                      .n_vocab = 1,
                                      .n_vocab_stored = 1,
                                      .activation = INGOT_GELU_ERF,
                                      .layer_norm_epsilon = 1 };
    uint8_t bytes[INGOT_HPARAMS_BYTES];
    ingot_hparams_encode(&hp, bytes);
    image_add(image, &(struct image_part){ .name = "@model", .kind = MODEL, .bytes = bytes, .n_bytes = sizeof bytes });
    image_add(image, &WHOLE[0]);
    image_finish(image, 0);
    assert_int_equal(ingot_open_memory(image->bytes, image->n, "image", &file, NULL), INGOT_OK);
    assert_int_equal(ingot_model_open(file, "mmx", &model, &err), INGOT_E_CPU);
    assert_null(model);
    assert_string_equal(err.subject, "mmx");
    ingot_close(file);
    image_free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_model_of_mixed_dtypes_without_some_biases_is_bound),
        cmocka_unit_test(every_weight_must_be_there),
        cmocka_unit_test(every_shape_must_follow_from_the_hyper_parameters),
        cmocka_unit_test(every_matrix_must_have_the_layout_that_the_kernels_read),
        cmocka_unit_test(every_dtype_must_be_one_that_can_be_computed_with),
        cmocka_unit_test(a_matrix_of_panels_may_be_quantised),
        cmocka_unit_test(one_quantised_matrix_makes_the_cache_f16),
        cmocka_unit_test(rows_beyond_the_vocabulary_are_no_tokens_and_give_no_logits),
        cmocka_unit_test(an_instruction_set_that_is_unknown_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

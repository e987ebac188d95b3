/* config.json: each field that changes the mathematics is executed or refused by name. */
#include "tests/unit/checkpoint_fixture.h"

#include "convert/config.h"

#define BASE                                                                                                           \
    "\"model_type\": \"gpt2\", \"n_layer\": 3, \"n_head\": 2, \"n_embd\": 8, \"n_positions\": 5, \"vocab_size\": 9"

static enum ingot_status parse(const char *text, struct model_config *config, struct ingot_error *err)
{
    *err = (struct ingot_error){ 0 };
    return config_parse((const uint8_t *)text, strlen(text), "c/config.json", config, err);
}

static struct model_config accept(const char *text)
{
    struct model_config config;
    struct ingot_error err;
    assert_int_equal(parse(text, &config, &err), INGOT_OK);
    return config;
}

/* The message must name the field. */
static void refuse(const char *text, enum ingot_status status, const char *field)
{
    struct model_config config;
    struct ingot_error err;
    assert_int_equal(parse(text, &config, &err), status);
    assert_int_equal(err.status, status);
    assert_string_equal(err.subject, "c/config.json");
    if (!strstr(err.message, field)) fail_msg("'%s' does not name %s", err.message, field);
}

static void absent_fields_have_the_defaults_of_gpt2(void **state)
{
    (void)state;
    struct model_config c = accept("{" BASE "}");
    assert_int_equal(c.hp.n_layer, 3);
    assert_int_equal(c.hp.n_head, 2);
    assert_int_equal(c.hp.n_embd, 8);
    assert_int_equal(c.hp.n_inner, 32);
    assert_int_equal(c.hp.n_ctx, 5);
    assert_int_equal(c.hp.n_vocab, 9);
    assert_int_equal(c.hp.activation, INGOT_GELU_TANH);
    assert_int_equal(c.hp.attention_flags, INGOT_ATTN_SCALE);
    assert_true(c.hp.layer_norm_epsilon == 1e-5f);
    assert_true(c.tied);
}

static void the_spellings_of_all_models_mean_the_same(void **state)
{
    (void)state;
    struct model_config c = accept("{\"num_hidden_layers\": 3, \"num_attention_heads\": 2, \"hidden_size\": 8,"
                                   " \"n_ctx\": 5, \"vocab_size\": 9, \"n_inner\": 7}");
    assert_int_equal(c.hp.n_layer, 3);
    assert_int_equal(c.hp.n_head, 2);
    assert_int_equal(c.hp.n_embd, 8);
    assert_int_equal(c.hp.n_ctx, 5);
    assert_int_equal(c.hp.n_inner, 7);
    accept("{" BASE ", \"n_ctx\": 5, \"n_inner\": null}");
    refuse("{" BASE ", \"n_ctx\": 6}", INGOT_E_MODEL, "n_ctx");
    refuse("{" BASE ", \"hidden_size\": 9}", INGOT_E_MODEL, "hidden_size");
}

static void an_activation_is_one_of_two_functions_or_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum ingot_activation activation;
    } known[] = {
        { "gelu_new", INGOT_GELU_TANH }, { "gelu_pytorch_tanh", INGOT_GELU_TANH }, { "gelu_fast", INGOT_GELU_TANH },
        { "gelu", INGOT_GELU_ERF },      { "gelu_python", INGOT_GELU_ERF },
    };
    static const char *const refused[] = { "relu", "quick_gelu", "silu", "gelu_10", "tanh", "" };
    char text[512];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        snprintf(text, sizeof text, "{" BASE ", \"activation_function\": \"%s\"}", known[i].name);
        assert_int_equal(accept(text).hp.activation, known[i].activation);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        snprintf(text, sizeof text, "{" BASE ", \"activation_function\": \"%s\"}", refused[i]);
        refuse(text, INGOT_E_UNSUPPORTED, refused[i]);
        refuse(text, INGOT_E_UNSUPPORTED, "activation_function");
    }
    refuse("{" BASE ", \"activation_function\": 1}", INGOT_E_SOURCE, "activation_function");
}

static void attention_flags_are_executed(void **state)
{
    (void)state;
    assert_int_equal(accept("{" BASE ", \"scale_attn_weights\": false}").hp.attention_flags, 0);
    assert_int_equal(accept("{" BASE ", \"scale_attn_by_inverse_layer_idx\": true}").hp.attention_flags,
                     INGOT_ATTN_SCALE | INGOT_ATTN_SCALE_BY_LAYER);
    assert_int_equal(accept("{" BASE ", \"reorder_and_upcast_attn\": true}").hp.attention_flags, INGOT_ATTN_SCALE);
    assert_false(accept("{" BASE ", \"tie_word_embeddings\": false}").tied);
    refuse("{" BASE ", \"scale_attn_weights\": 1}", INGOT_E_SOURCE, "scale_attn_weights");
    refuse("{" BASE ", \"tie_word_embeddings\": null}", INGOT_E_SOURCE, "tie_word_embeddings");
}

static void epsilon_is_a_positive_f32(void **state)
{
    (void)state;
    assert_true(accept("{" BASE ", \"layer_norm_epsilon\": 1e-06}").hp.layer_norm_epsilon == 1e-6f);
    assert_true(accept("{" BASE ", \"layer_norm_epsilon\": 1}").hp.layer_norm_epsilon == 1.0f);
    refuse("{" BASE ", \"layer_norm_epsilon\": 0}", INGOT_E_SOURCE, "layer_norm_epsilon");
    refuse("{" BASE ", \"layer_norm_epsilon\": -1e-5}", INGOT_E_SOURCE, "layer_norm_epsilon");
    refuse("{" BASE ", \"layer_norm_epsilon\": 1e-60}", INGOT_E_SOURCE, "layer_norm_epsilon");
    refuse("{" BASE ", \"layer_norm_epsilon\": 1e60}", INGOT_E_SOURCE, "layer_norm_epsilon");
    refuse("{" BASE ", \"layer_norm_epsilon\": \"1e-5\"}", INGOT_E_SOURCE, "layer_norm_epsilon");
    refuse("{" BASE ", \"layer_norm_epsilon\": NaN}", INGOT_E_SOURCE, "JSON");
    refuse("{" BASE ", \"layer_norm_epsilon\": 1e999}", INGOT_E_SOURCE, "JSON");
}

static void a_count_is_an_integer_in_its_range(void **state)
{
    (void)state;
    refuse("{\"n_layer\": 0}", INGOT_E_SOURCE, "n_layer");
    refuse("{\"n_layer\": -1}", INGOT_E_SOURCE, "n_layer");
    refuse("{\"n_layer\": 1.5}", INGOT_E_SOURCE, "n_layer");
    refuse("{\"n_layer\": \"12\"}", INGOT_E_SOURCE, "n_layer");
    refuse("{\"n_layer\": true}", INGOT_E_SOURCE, "n_layer");
    refuse("{\"n_layer\": 4294967297}", INGOT_E_LIMIT, "n_layer");
    refuse("{" BASE ", \"n_inner\": 0}", INGOT_E_SOURCE, "n_inner");
    refuse("{" BASE ", \"max_position_embeddings\": 1e3}", INGOT_E_SOURCE, "max_position_embeddings");
}

static void a_missing_count_is_named(void **state)
{
    (void)state;
    refuse("{}", INGOT_E_MISSING, "n_layer");
    refuse("{\"n_layer\": 3}", INGOT_E_MISSING, "n_head");
    refuse("{\"n_layer\": 3, \"n_head\": null}", INGOT_E_MISSING, "n_head");
    refuse("{\"n_layer\": 3, \"n_head\": 2, \"n_embd\": 8}", INGOT_E_MISSING, "n_positions");
    refuse("{\"n_layer\": 3, \"n_head\": 2, \"n_embd\": 8, \"n_ctx\": 1}", INGOT_E_MISSING, "vocab_size");
}

static void another_model_is_refused_by_its_name(void **state)
{
    (void)state;
    refuse("{\"model_type\": \"llama\"}", INGOT_E_UNSUPPORTED, "llama");
    refuse("{\"model_type\": 2}", INGOT_E_SOURCE, "model_type");
    refuse("{" BASE ", \"add_cross_attention\": true}", INGOT_E_UNSUPPORTED, "add_cross_attention");
    refuse("{" BASE ", \"is_encoder_decoder\": true}", INGOT_E_UNSUPPORTED, "is_encoder_decoder");
    refuse("{" BASE ", \"pruned_heads\": {\"1\": [0]}}", INGOT_E_UNSUPPORTED, "pruned_heads");
    refuse("{" BASE ", \"quantization_config\": {\"bits\": 4}}", INGOT_E_UNSUPPORTED, "quantization_config");
    refuse("{" BASE ", \"auto_map\": {\"AutoModel\": \"m.M\"}}", INGOT_E_UNSUPPORTED, "auto_map");
    accept("{" BASE
           ", \"add_cross_attention\": false, \"pruned_heads\": {}, \"auto_map\": null, \"is_decoder\": true}");
}

static void bad_json_is_refused_where_it_is_bad(void **state)
{
    (void)state;
    struct model_config config;
    struct ingot_error err;
    assert_int_equal(parse("{\"n_layer\": 1,, }", &config, &err), INGOT_E_SOURCE);
    assert_in_range(err.offset, 14, 16);
    refuse("", INGOT_E_SOURCE, "JSON");
    refuse("[1]", INGOT_E_SOURCE, "object");
    refuse("{\"n_layer\": 1, \"n_layer\": 2}", INGOT_E_SOURCE, "duplicate");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_fields_have_the_defaults_of_gpt2),
        cmocka_unit_test(the_spellings_of_all_models_mean_the_same),
        cmocka_unit_test(an_activation_is_one_of_two_functions_or_refused),
        cmocka_unit_test(attention_flags_are_executed),
        cmocka_unit_test(epsilon_is_a_positive_f32),
        cmocka_unit_test(a_count_is_an_integer_in_its_range),
        cmocka_unit_test(a_missing_count_is_named),
        cmocka_unit_test(another_model_is_refused_by_its_name),
        cmocka_unit_test(bad_json_is_refused_where_it_is_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_yaml.c - what --yaml prints is read back by libyaml, resolved as YAML 1.1 has it, and is the tree of --json. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>
#include <jansson.h>
#include <yaml.h>

#include "inspect/cli/yaml.h"

/* A plain scalar by the expressions of yaml.org/type: null, bool, int, float, else a string. Of float only the form
 * with a point and a signed exponent, for that is the one on which versions agree. */
static json_t *resolve(const char *text)
{
    static const char *const truths[] = { "y", "yes", "on", "true" }, *const lies[] = { "n", "no", "off", "false" };
    char *end;
    if (!*text || strcmp(text, "~") == 0 || strcasecmp(text, "null") == 0) return json_null();
    for (size_t i = 0; i < 4; i++) {
        if (strcasecmp(text, truths[i]) == 0) return json_true();
        if (strcasecmp(text, lies[i]) == 0) return json_false();
    }
    if (!strchr("+-.0123456789", *text)) return json_string(text);
    long long n = strtoll(text, &end, 0);
    if (!*end) return json_integer(n);
    double x = strtod(text, &end);
    const char *e = strchr(text, 'e');
    assert_true(!*end && strchr(text, '.') && (!e || e[1] == '+' || e[1] == '-'));
    return json_real(x);
}

static json_t *tree_of(yaml_document_t *document, int id)
{
    yaml_node_t *node = yaml_document_get_node(document, id);
    json_t *tree = NULL;
    if (node->type == YAML_SCALAR_NODE) {
        const char *text = (const char *)node->data.scalar.value;
        bool plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        return plain ? resolve(text) : json_stringn(text, node->data.scalar.length);
    }
    if (node->type == YAML_SEQUENCE_NODE) {
        tree = json_array();
        for (int *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++)
            assert_int_equal(json_array_append_new(tree, tree_of(document, *i)), 0);
        return tree;
    }
    tree = json_object();
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
        json_t *key = tree_of(document, p->key);
        assert_true(json_is_string(key));
        assert_int_equal(json_object_set_new(tree, json_string_value(key), tree_of(document, p->value)), 0);
        json_decref(key);
    }
    return tree;
}

/* What is printed of `tree`, read again. *text is to be freed. */
static json_t *printed_and_read(const json_t *tree, char **text)
{
    size_t n;
    yaml_parser_t parser;
    yaml_document_t document;
    FILE *to = open_memstream(text, &n);
    assert_non_null(to);
    yaml_print(tree, to);
    fclose(to);
    yaml_parser_initialize(&parser);
    yaml_parser_set_input_string(&parser, (const unsigned char *)*text, n);
    assert_int_equal(yaml_parser_load(&parser, &document), 1);
    json_t *again = tree_of(&document, 1);
    yaml_document_delete(&document);
    yaml_parser_delete(&parser);
    return again;
}

static void expect_same(json_t *tree)
{
    char *text;
    assert_non_null(tree);
    json_t *again = printed_and_read(tree, &text);
    if (!json_equal(tree, again)) fail_msg("not the same tree:\n%s", text);
    for (const char *c = text; *c; c++) assert_true(*c == '\n' || (*c >= ' ' && *c < 127));
    free(text);
    json_decref(again);
    json_decref(tree);
}

static json_t *of(const char *text)
{
    return json_loads(text, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
}

/* What is something else to YAML when it is not quoted, and what is not. */
static const char *const strings[] = { "",
                                       " ",
                                       "~",
                                       "null",
                                       "Null",
                                       "true",
                                       "NO",
                                       "n",
                                       "Y",
                                       "on",
                                       "off",
                                       "12",
                                       "0x1f",
                                       "0777",
                                       "1e5",
                                       "-1",
                                       "+1",
                                       "1.5",
                                       ".5",
                                       "-.inf",
                                       ".nan",
                                       "1:30",
                                       "2001-12-14",
                                       "<<",
                                       "=",
                                       "- a",
                                       "a: b",
                                       "a #b",
                                       "#",
                                       "&a",
                                       "*a",
                                       "!a",
                                       "|",
                                       ">",
                                       "'",
                                       "\"",
                                       "%",
                                       "@model",
                                       "`",
                                       "{",
                                       "}",
                                       "[",
                                       "]",
                                       ",",
                                       "?",
                                       ":",
                                       "---",
                                       "...",
                                       "a\nb",
                                       "\n",
                                       "a\n",
                                       "\t",
                                       "a ",
                                       " a",
                                       "\\",
                                       "h.0.attn.c_attn.weight",
                                       "deadbeef",
                                       "0123456789abcdef",
                                       "1e10",
                                       "e5",
                                       "\x1b[31m",
                                       "\xc3\xa9",
                                       "\xe4\xb8\xad",
                                       "\xf0\x9f\x98\x80",
                                       "\xe2\x80\xae",
                                       "\xef\xbb\xbf",
                                       "\xc2\x85",
                                       "\xe2\x80\xa8",
                                       "yes,no",
                                       "x-y",
                                       "a/b",
                                       "-",
                                       "--",
                                       "a:b" };

static void a_string_stays_a_string_whatever_it_looks_like(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        expect_same(json_pack("{s:s,s:[s,s]}", "key", strings[i], "list", strings[i], strings[i]));
        expect_same(json_pack("{s:i}", strings[i], 1));
    }
    expect_same(json_pack("[s%]", "a\0b", (size_t)3));
}

static void numbers_keep_their_type_and_every_bit(void **state)
{
    static const double reals[] = {
        0, -0.0, 1, -1, 0.1, 1e-5, 1e20, 1e300, 5e-324, 1.7976931348623157e308, 1.0 / 3, 123456789012345680.0
    };
    (void)state;
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) expect_same(json_pack("[f]", reals[i]));
    expect_same(of("[0, -1, 9223372036854775807, -9223372036854775808]"));
    expect_same(of("{\"a\": true, \"b\": false, \"c\": null}"));
}

static void nested_and_empty_collections_keep_their_shape(void **state)
{
    (void)state;
    expect_same(of("{}"));
    expect_same(of("[]"));
    expect_same(of("{\"a\": {}, \"b\": [], \"c\": [[]], \"d\": [{}], \"e\": [[1, 2], [3]], \"f\": [{\"x\": [1], \"y\": "
                   "{\"z\": []}}]}"));
}

static void a_key_of_any_length_is_a_key(void **state)
{
    char name[3000];
    (void)state;
    for (size_t n = 100; n < sizeof name; n *= 3) {
        memset(name, 'k', n);
        name[n] = '\0';
        expect_same(json_pack("{s:i,s:s}", name, 1, "v", name));
        name[n / 2] = ' ';
        expect_same(json_pack("{s:i,s:s}", name, 1, "v", name));
    }
}

static void a_list_of_numbers_is_one_line(void **state)
{
    char *text;
    json_t *tree = json_object(), *list = json_array();
    (void)state;
    for (int i = 0; i < 10000; i++) json_array_append_new(list, json_integer(i));
    json_object_set_new(tree, "ids", list);
    json_t *again = printed_and_read(tree, &text);
    assert_true(json_equal(tree, again));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    free(text);
    json_decref(again);
    json_decref(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_string_stays_a_string_whatever_it_looks_like),
        cmocka_unit_test(numbers_keep_their_type_and_every_bit),
        cmocka_unit_test(nested_and_empty_collections_keep_their_shape),
        cmocka_unit_test(a_key_of_any_length_is_a_key),
        cmocka_unit_test(a_list_of_numbers_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

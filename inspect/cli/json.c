/* json.c - a thin layer over jansson that cannot fail half-way; what --yaml asked for, is decided here. */
#include "inspect/cli/json.h"

#include "format/error.h"
#include "inspect/cli/human.h"
#include "inspect/cli/memory.h"
#include "inspect/cli/report.h"
#include "inspect/cli/yaml.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool speaks_yaml;

void json_speak_yaml(void)
{
    speaks_yaml = true;
}

json_t *json_begin(void)
{
    json_t *root = json_object();
    json_put(root, "schema", json_integer(JSON_SCHEMA));
    return root;
}

void json_put(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0) report_no_memory();
}

void json_add(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0) report_no_memory();
}

json_t *json_count(uint64_t n)
{
    return n <= INT64_MAX ? json_integer((json_int_t)n) : json_real((double)n);
}

json_t *json_text(const char *text, size_t n)
{
    json_t *string = json_stringn(text, n);
    if (string) return string;
    size_t cap = 4 * n + 8;
    char *shown = memory_array(cap, 1);
    string = json_string(ingot_escape(text, n, shown, cap));
    free(shown);
    return string;
}

json_t *json_digest(struct ingot_digest digest)
{
    return json_string(human_digest(digest).text);
}

json_t *json_shape(uint32_t rank, const uint64_t *shape)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < rank; i++) json_add(array, json_count(shape[i]));
    return array;
}

json_t *json_number(double value)
{
    if (isfinite(value)) return json_real(value);
    return isnan(value) ? json_null() : json_string(value > 0 ? "inf" : "-inf");
}

json_t *json_element(double value)
{
    return isnan(value) ? json_string("nan") : json_number(value);
}

/* What jansson makes of a tree is ASCII with one control left in it, DEL, which only a string can hold. */
static int put_text(const char *text, size_t n, void *ctx)
{
    (void)ctx;
    for (const char *del; (del = memchr(text, 0x7F, n)); text = del + 1) {
        fwrite(text, 1, (size_t)(del - text), stdout);
        fputs("\\u007f", stdout);
        n -= (size_t)(del - text) + 1;
    }
    fwrite(text, 1, n, stdout);
    return 0;
}

static void put_tree(const json_t *root, size_t flags)
{
    json_dump_callback(root, put_text, NULL, flags | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(17));
}

static void print(json_t *root, size_t flags)
{
    if (speaks_yaml) {
        yaml_print(root, stdout);
    } else {
        put_tree(root, flags);
        putchar('\n');
    }
    report_flush(); /* a failure is remembered, and its cause while it is known */
    json_decref(root);
}

void json_end(json_t *root)
{
    print(root, JSON_INDENT(2));
}

void json_end_line(json_t *root)
{
    print(root, JSON_COMPACT);
}

void json_stream_begin(json_t *root, const char *key)
{
    if (speaks_yaml) {
        yaml_print(root, stdout);
        printf("%s: ", key);
    } else {
        putchar('{');
        put_tree(root, JSON_COMPACT | JSON_EMBED);
        printf(",\"%s\":", key);
    }
    json_decref(root);
}

void json_stream_end(void)
{
    puts(speaks_yaml ? "" : "}");
}

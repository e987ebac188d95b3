/* json.c - a thin layer over jansson that cannot fail half-way. */
#include "inspect/cli/json.h"

#include "format/error.h"
#include "inspect/cli/human.h"
#include "inspect/cli/memory.h"
#include "inspect/cli/report.h"

#include <math.h>
#include <stdlib.h>

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

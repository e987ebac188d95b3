/* facts.c - the scalars that a source states beside its tensors. */
#include "convert/source.h"

#include "convert/array.h"
#include "convert/json_walk.h"

#include <stdio.h>
#include <string.h>

#define MAX_JSON_BYTES (UINT64_C(4) << 20)
#define MAX_KEY        512u

const struct ingot_fact *source_find_fact(const struct ingot_source *src, const char *key)
{
    for (size_t i = 0; i < src->n_facts; i++)
        if (strcmp(src->facts[i].key, key) == 0) return &src->facts[i];
    return NULL;
}

enum ingot_status source_add_fact(struct ingot_source *src, const struct ingot_fact *fact, struct ingot_error *err)
{
    const char *text = fact->text ? fact->text : "";
    if (src->n_facts >= SOURCE_MAX_FACTS)
        return ingot_fail(err, INGOT_E_LIMIT, INGOT_NO_OFFSET, src->path, NULL,
                          "more than %u values beside the tensors", SOURCE_MAX_FACTS);
    if (strlen(fact->key) > SOURCE_MAX_FACT_BYTES || strlen(text) > SOURCE_MAX_FACT_BYTES)
        return ingot_fail(err, INGOT_E_LIMIT, INGOT_NO_OFFSET, fact->key, NULL, "a value of more than %u bytes",
                          SOURCE_MAX_FACT_BYTES);
    struct ingot_fact *facts = array_grow(src->facts, &src->cap_facts, src->n_facts, sizeof *facts);
    if (!facts) return fail_memory(err, src->path);
    src->facts = facts;
    struct ingot_fact *f = &facts[src->n_facts];
    *f = *fact;
    f->key = strdup(fact->key);
    f->text = strdup(text);
    src->n_facts++;
    return f->key && f->text ? INGOT_OK : fail_memory(err, src->path);
}

/* ------------------------------------------------------------------------------------------------- from a JSON file */

/* False for an array or an object, which is no scalar. */
static bool fact_of_json(const char *key, const json_t *value, struct ingot_fact *out)
{
    *out = (struct ingot_fact){ .key = key };
    switch (json_typeof(value)) {
    case JSON_TRUE:
    case JSON_FALSE:
        out->type = INGOT_FACT_BOOL;
        out->integer = json_is_true(value);
        return true;
    case JSON_INTEGER:
        out->type = INGOT_FACT_INT;
        out->integer = json_integer_value(value);
        return true;
    case JSON_REAL:
        out->type = INGOT_FACT_FLOAT;
        out->number = json_real_value(value);
        return true;
    case JSON_STRING:
        out->type = INGOT_FACT_TEXT;
        out->text = json_string_value(value);
        return true;
    case JSON_NULL:
        return true;
    case JSON_OBJECT:
    case JSON_ARRAY:
        break;
    }
    return false;
}

/* An object and, inside it, objects; jansson bounds the depth. A key that would be too long says nothing that is asked
 * for. */
static enum ingot_status add_object(struct ingot_source *src, json_t *object,
                                    const char *prefix, /* NOLINT: recursion */
                                    struct ingot_error *err)
{
    const char *name;
    json_t *value;
    enum ingot_status status = INGOT_OK;
    json_object_foreach(object, name, value)
    {
        char key[MAX_KEY];
        struct ingot_fact fact;
        if (snprintf(key, sizeof key, "%s.%s", prefix, name) >= (int)sizeof key) continue;
        if (json_is_object(value))
            status = add_object(src, value, key, err);
        else if (fact_of_json(key, value, &fact))
            status = source_add_fact(src, &fact, err);
        if (status != INGOT_OK) return status;
    }
    return INGOT_OK;
}

enum ingot_status source_add_json_facts(struct ingot_source *src, const struct input *in, const char *prefix,
                                        struct ingot_error *err)
{
    json_t *json = NULL;
    struct json_text text = { (const char *)in->map.bytes, in->map.size, 0 };
    enum ingot_status status = json_parse(text, in->path, MAX_JSON_BYTES, &json, err);
    if (status == INGOT_OK && !json_is_object(json))
        status = ingot_fail(err, INGOT_E_SOURCE, 0, in->path, ADVICE_COPY, "expected a JSON object");
    if (status == INGOT_OK) status = add_object(src, json, prefix, err);
    json_decref(json);
    return status;
}

size_t ingot_source_fact_count(const struct ingot_source *src)
{
    return src->n_facts;
}

struct ingot_fact ingot_source_fact(const struct ingot_source *src, size_t i)
{
    return src->facts[i];
}

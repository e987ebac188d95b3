/* yaml.c - walks the tree of jansson and tells libyaml's emitter what it meets. */
#include "inspect/cli/yaml.h"

#include "inspect/cli/memory.h"
#include "inspect/cli/report.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

/* The emitter has nowhere to fail but in memory: its output is checked by who owns the stream. */
static void emit(yaml_emitter_t *emitter, yaml_event_t *event, int made)
{
    if (!made || !yaml_emitter_emit(emitter, event)) report_no_memory();
}

static int write_out(void *to, unsigned char *bytes, size_t n)
{
    fwrite(bytes, 1, n, to);
    return 1;
}

/* Words that YAML 1.1 reads as a boolean or as nothing. */
static bool is_reserved(const char *text)
{
    static const char *const words[] = { "y", "n", "yes", "no", "on", "off", "true", "false", "null" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(text, words[i]) == 0) return true;
    return false;
}

/* A letter in front is no number; the other characters have no meaning to YAML. */
static bool is_plain(const char *text, size_t n)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";
    return n > 0 && isalpha((unsigned char)*text) && strspn(text, allowed) == n && !is_reserved(text);
}

static void emit_scalar(yaml_emitter_t *emitter, const char *text, size_t n, yaml_scalar_style_t style)
{
    yaml_event_t event;
    emit(emitter, &event,
         yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)n, 1, 1, style));
}

static void emit_string(yaml_emitter_t *emitter, const char *text, size_t n)
{
    emit_scalar(emitter, text, n, is_plain(text, n) ? YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE);
}

/* YAML 1.1 wants a point in a real, and a sign in its exponent, which %g writes. */
static void emit_real(yaml_emitter_t *emitter, double value)
{
    char text[40], digits[32];
    snprintf(digits, sizeof digits, "%.17g", value);
    size_t mantissa = strcspn(digits, "e");
    bool point = memchr(digits, '.', mantissa);
    int n = snprintf(text, sizeof text, "%.*s%s%s", (int)mantissa, digits, point ? "" : ".0", digits + mantissa);
    emit_scalar(emitter, text, (size_t)n, YAML_PLAIN_SCALAR_STYLE);
}

static void emit_word(yaml_emitter_t *emitter, const json_t *value)
{
    char text[32];
    int n = json_is_integer(value) ? snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(value))
                                   : snprintf(text, sizeof text, "%s",
                                              json_is_null(value)   ? "null"
                                              : json_is_true(value) ? "true"
                                                                    : "false");
    emit_scalar(emitter, text, (size_t)n, YAML_PLAIN_SCALAR_STYLE);
}

static void emit_value(yaml_emitter_t *emitter, const json_t *value);

static bool holds_only_scalars(const json_t *array)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        if (json_is_object(item) || json_is_array(item)) return false;
    }
    return true;
}

static void emit_sequence(yaml_emitter_t *emitter, const json_t *array)
{
    yaml_event_t event;
    yaml_sequence_style_t style = holds_only_scalars(array) ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE;
    emit(emitter, &event, yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, style));
    for (size_t i = 0; i < json_array_size(array); i++) emit_value(emitter, json_array_get(array, i));
    emit(emitter, &event, yaml_sequence_end_event_initialize(&event));
}

static void emit_pairs(yaml_emitter_t *emitter, const json_t *object)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        emit_string(emitter, key, strlen(key));
        emit_value(emitter, value);
    }
}

static void begin_mapping(yaml_emitter_t *emitter)
{
    yaml_event_t event;
    emit(emitter, &event, yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE));
}

static void end_mapping(yaml_emitter_t *emitter)
{
    yaml_event_t event;
    emit(emitter, &event, yaml_mapping_end_event_initialize(&event));
}

static void emit_mapping(yaml_emitter_t *emitter, const json_t *object)
{
    begin_mapping(emitter);
    emit_pairs(emitter, object);
    end_mapping(emitter);
}

static void emit_value(yaml_emitter_t *emitter, const json_t *value)
{
    if (json_is_object(value))
        emit_mapping(emitter, value);
    else if (json_is_array(value))
        emit_sequence(emitter, value);
    else if (json_is_string(value))
        emit_string(emitter, json_string_value(value), json_string_length(value));
    else if (json_is_real(value))
        emit_real(emitter, json_real_value(value));
    else
        emit_word(emitter, value);
}

/* ------------------------------------------------------------------------------------------------- row by row */

struct yaml_printer {
    yaml_emitter_t emitter;
};

struct yaml_printer *yaml_open(FILE *to)
{
    struct yaml_printer *p = memory_array(1, sizeof *p);
    yaml_event_t event;
    if (!yaml_emitter_initialize(&p->emitter)) report_no_memory();
    yaml_emitter_set_output(&p->emitter, write_out, to);
    yaml_emitter_set_width(&p->emitter, -1);
    emit(&p->emitter, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
    emit(&p->emitter, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
    return p;
}

void yaml_list_open(struct yaml_printer *p, const json_t *head, const char *key)
{
    yaml_event_t event;
    begin_mapping(&p->emitter);
    emit_pairs(&p->emitter, head);
    emit_string(&p->emitter, key, strlen(key));
    emit(&p->emitter, &event, yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE));
}

void yaml_row(struct yaml_printer *p, const json_t *row)
{
    emit_value(&p->emitter, row);
}

void yaml_list_close(struct yaml_printer *p, const json_t *tail)
{
    yaml_event_t event;
    emit(&p->emitter, &event, yaml_sequence_end_event_initialize(&event));
    emit_pairs(&p->emitter, tail);
    end_mapping(&p->emitter);
}

void yaml_close(struct yaml_printer *p)
{
    yaml_event_t event;
    emit(&p->emitter, &event, yaml_document_end_event_initialize(&event, 1));
    emit(&p->emitter, &event, yaml_stream_end_event_initialize(&event));
    yaml_emitter_delete(&p->emitter);
    free(p);
}

void yaml_print(const json_t *root, FILE *to)
{
    struct yaml_printer *p = yaml_open(to);
    emit_value(&p->emitter, root);
    yaml_close(p);
}

/*
 * json.h - results for programs: an object with an integer "schema", ASCII only, one final newline.
 *
 * Every command that has --json has --yaml too: the same tree. No command need know.
 */
#ifndef INGOT_CLI_JSON_H
#define INGOT_CLI_JSON_H

#include "format/ingot_format.h"

#include <jansson.h>

#define JSON_SCHEMA 1

/* From here on trees are printed as YAML. */
void json_speak_yaml(void);

/* {"schema": 1} */
json_t *json_begin(void);

/* Each takes over `value` and ends the program when memory is short. */
void json_put(json_t *object, const char *key, json_t *value);
void json_add(json_t *array, json_t *value);

json_t *json_count(uint64_t n);
/* Bytes from a file: as they are when they are UTF-8, else with \xNN for what is not printable. */
json_t *json_text(const char *text, size_t n);
json_t *json_digest(struct ingot_digest digest);
json_t *json_shape(uint32_t rank, const uint64_t *shape);
/* A figure. JSON has no infinities, so they are the strings "inf" and "-inf"; of NaN, which says that there is no such
 * figure, null. */
json_t *json_number(double value);
/* An element of a tensor, where NaN is a value: the string "nan". */
json_t *json_element(double value);

/* Prints to stdout, indented, and frees. */
void json_end(json_t *root);

/* The same on one line, for long lists of numbers. */
void json_end_line(json_t *root);

/* Prints all of `root`, then a last key (an identifier), and frees. The caller writes its value as JSON on lines of
 * which all but the first are indented, which is YAML as well; json_stream_end() closes. */
void json_stream_begin(json_t *root, const char *key);
void json_stream_end(void);

#endif

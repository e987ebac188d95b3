/* json_walk.h - the members of a JSON object, one after the other, without building the object.
 *
 * A safetensors header may have 100 MB, and the tree that jansson makes of hostile JSON is fifty times its text. The
 * walk finds where each member begins and ends, remembering the offset for errors; jansson then parses one small
 * value at a time. The walk judges only structure: what lies between the ends is jansson's to accept. */
#ifndef INGOT_JSON_WALK_H
#define INGOT_JSON_WALK_H

#include "format/ingot_format.h"

#include <jansson.h>

struct json_text {
    const char *at; /* inside the file's bytes, not terminated */
    size_t n;
    uint64_t off; /* of `at` in the file */
};

struct json_walk {
    struct json_text rest;
    const char *file; /* for errors */
    bool started, ended;
};

/* `object` must begin with '{', white space before it allowed; what follows its '}' must be white space. */
struct json_walk json_walk_begin(struct json_text object, const char *file);

/* The next member's key, quotes included; its value, without white space before it, then begins at walk->rest. *more is
 * false at the end. SOURCE with the offset otherwise. */
enum ingot_status json_walk_key(struct json_walk *walk, struct json_text *key, bool *more, struct ingot_error *err);

/* The value behind that key. Who knows where it ends may move walk->rest there instead. */
enum ingot_status json_walk_value(struct json_walk *walk, struct json_text *value, struct ingot_error *err);

/* Both: the next member's key and value. */
enum ingot_status json_walk_next(struct json_walk *walk, struct json_text *key, struct json_text *value, bool *more,
                                 struct ingot_error *err);

/* The same for an array, which must begin with '[': its next value. */
enum ingot_status json_walk_element(struct json_walk *walk, struct json_text *value, bool *more,
                                    struct ingot_error *err);

/* Parses one key or value. LIMIT beyond max_bytes; SOURCE with the offset for bad JSON or a key given twice. */
enum ingot_status json_parse(struct json_text text, const char *file, size_t max_bytes, json_t **out,
                             struct ingot_error *err);

/* Whether a key is `name`, written without escapes. */
bool json_key_is(struct json_text key, const char *name);

#endif

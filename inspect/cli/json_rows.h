/*
 * json_rows.h - an object with a list that may be too long to be held: a row is printed as soon as it is there.
 *
 * What is printed is what json_end() would print of the whole tree. Or the tree is kept, for who makes it a part of
 * another one.
 */
#ifndef INGOT_CLI_JSON_ROWS_H
#define INGOT_CLI_JSON_ROWS_H

#include <jansson.h>
#include <stdbool.h>

#define JSON_ROWS_DEPTH 2 /* a row may be such an object too */

/* Initialise with zeros. */
struct json_rows {
    bool keeps;   /* to be set before the first is opened */
    json_t *tree; /* what was kept: the caller's */

    /* its own: */
    unsigned depth;
    bool any; /* stands already where the next one goes: a comma parts them */
    struct yaml_printer *yaml;
    struct {
        json_t *object, *list;
    } kept[JSON_ROWS_DEPTH];
};

/* Each takes over the tree that it is given. An object begins with the pairs of `head` and a list `key`; the second
 * one to be opened is a row of the first. */
void json_rows_open(struct json_rows *r, json_t *head, const char *key);
void json_rows_add(struct json_rows *r, json_t *row);

/* The list ends, the object after the pairs of `tail`. */
void json_rows_close(struct json_rows *r, json_t *tail);

#endif

/* yaml.h - the tree that --json prints, as YAML 1.1 that is YAML 1.2 too. */
#ifndef INGOT_CLI_YAML_H
#define INGOT_CLI_YAML_H

#include <jansson.h>
#include <stdio.h>

/* One document, ASCII only: mappings and sequences as blocks, a sequence of scalars on one line. A string is quoted
 * whenever a reader could take it for something else. A failed write shows in ferror(to). */
void yaml_print(const json_t *root, FILE *to);

/* The same of an object that is longer than what is held at once: the pairs of `head`, a list `key` of what
 * yaml_row() is given, the pairs of `tail`. Opened within a list it is one of its rows. */
struct yaml_printer *yaml_open(FILE *to);
void yaml_list_open(struct yaml_printer *p, const json_t *head, const char *key);
void yaml_row(struct yaml_printer *p, const json_t *row);
void yaml_list_close(struct yaml_printer *p, const json_t *tail);

/* Ends the document and frees. */
void yaml_close(struct yaml_printer *p);

#endif

/* yaml.h - the tree that --json prints, as YAML 1.1 that is YAML 1.2 too. */
#ifndef INGOT_CLI_YAML_H
#define INGOT_CLI_YAML_H

#include <jansson.h>
#include <stdio.h>

/* One document, ASCII only: mappings and sequences as blocks, a sequence of scalars on one line. A string is quoted
 * whenever a reader could take it for something else. A failed write shows in ferror(to). */
void yaml_print(const json_t *root, FILE *to);

#endif

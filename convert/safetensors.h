/* safetensors.h - the parser of one safetensors file in memory; the rest of the reader stands behind source.h. */
#ifndef INGOT_SAFETENSORS_H
#define INGOT_SAFETENSORS_H

#include "convert/ingot_convert.h"
#include "convert/name_pool.h"

#include <jansson.h>

/* What the reference implementation allows, too. */
#define SAFETENSORS_MAX_HEADER UINT64_C(100000000)

/* Parses the header of a whole file. *tensors, in order of offset, points into `bytes`; each tensor's `file` is `base`,
 * its name is in `names`. Free it with free(). `path` names the file in errors. Rules, those of the reference
 * implementation: the header is an object, tensors have no overlap, no hole between them, and end where the file ends.
 * Errors: TRUNCATED, LIMIT, SOURCE, SHAPE, RANGE, OVERLAP, UNSUPPORTED (an unknown dtype), each with its offset. */
enum ingot_status safetensors_parse(const uint8_t *bytes, uint64_t size, const char *path, const char *base,
                                    struct name_pool *names, struct ingot_source_tensor **tensors, size_t *n,
                                    struct ingot_error *err);

/* What such a file, once parsed, says of itself: the object under "__metadata__", to be given to json_decref(), or
 * NULL. It is looked for in the first place, where the reference implementation writes it: a header may have 100 MB. */
enum ingot_status safetensors_metadata(const uint8_t *bytes, uint64_t size, const char *path, json_t **out,
                                       struct ingot_error *err);

#endif

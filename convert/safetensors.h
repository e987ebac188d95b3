/* safetensors.h - the parser of one safetensors file in memory; the rest of the reader stands behind source.h. */
#ifndef INGOT_SAFETENSORS_H
#define INGOT_SAFETENSORS_H

#include "convert/ingot_convert.h"
#include "convert/name_pool.h"

#include <jansson.h>

/* What the reference implementation allows, too. */
#define SAFETENSORS_MAX_HEADER UINT64_C(100000000)

struct safetensors_file {
    struct ingot_source_tensor *tensors; /* in order of offset */
    size_t n_tensors;
    json_t *metadata; /* what the file says of itself: the object under "__metadata__", or NULL */
};

/* Parses the header of a whole file. *out points into `bytes`; each tensor's `file` is `base`, its name is in `names`.
 * Free it with safetensors_free(); on failure there is nothing to free. `path` names the file in errors. Rules, those
 * of the reference implementation: the header is an object, tensors have no overlap, no hole between them, and end
 * where the file ends. Errors: TRUNCATED, LIMIT, SOURCE, SHAPE, RANGE, OVERLAP, UNSUPPORTED (an unknown dtype), each
 * with its offset. */
enum ingot_status safetensors_parse(const uint8_t *bytes, uint64_t size, const char *path, const char *base,
                                    struct name_pool *names, struct safetensors_file *out, struct ingot_error *err);
void safetensors_free(struct safetensors_file *file);

#endif

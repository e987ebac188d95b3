/* manifest.h - what a result tells about its origin, as YAML: @metadata and @provenance. Canonical: no time, host or
 * path, the same bytes for the same input and options. The only door to libyaml. */
#ifndef INGOT_MANIFEST_H
#define INGOT_MANIFEST_H

#include "convert/digests.h"
#include "convert/prepare.h"

struct text {
    char *bytes;
    size_t n, cap;
};

/* producer, source format, base names of the files, recipe and what it adds, dtype, settings. */
enum ingot_status manifest_metadata(const struct prepared *in, const struct ingot_convert_options *options,
                                    struct text *out, struct ingot_error *err);

/* For every tensor of the plan: file, name, digest, transform, dtypes; and what was dropped, and why. The length of the
 * text does not depend on the digests' values. */
enum ingot_status manifest_provenance(const struct plan *plan, const struct digests *digests, struct text *out,
                                      struct ingot_error *err);

void text_free(struct text *text);

#endif

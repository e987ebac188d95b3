/* safetensors_usual.h - the description of a tensor in the spelling that nearly every safetensors header has.
 *
 * Nearly every header is written by one library, always in the same spelling. Of 100,000 tensors, jansson's objects
 * took three times as long as all of `ingot params` does that reads this spelling directly, and looking for the end of
 * a description before reading it took as long as the reading. So it is tried first; whatever is not exactly so is
 * jansson's to read and to refuse. */
#ifndef INGOT_SAFETENSORS_USUAL_H
#define INGOT_SAFETENSORS_USUAL_H

#include "format/ingot_format.h"

struct usual_description {
    const char *dtype; /* in the text, without its quotes */
    size_t dtype_bytes;
    uint32_t rank;
    uint64_t shape[INGOT_MAX_RANK]; /* as many as the rank */
    uint64_t span[2];               /* from, to; nothing is known of them but that they are numbers */
};

/* Reads {"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}, with a blank behind each comma and colon or none, from the
 * beginning of text[0 .. n). Returns its length, or 0 when the text does not begin exactly so. */
size_t usual_description_read(const char *text, size_t n, struct usual_description *out);

#endif

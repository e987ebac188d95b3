/* unsnap.h - undoes Snappy, the compression of TensorFlow's tables. Google's library does it too, but brings C++ along,
 * whose loading is half of the start of a program that seldom needs it. */
#ifndef INGOT_UNSNAP_H
#define INGOT_UNSNAP_H

#include "format/bytes.h"

/* How long the result says that it is; c is then at the first element. c->bad when it does not say. */
uint64_t unsnap_length(struct cursor *c);

/* Uncompresses all that is left into to[0 .. n). False when that is not exactly what the elements make. */
bool unsnap(struct cursor *c, uint8_t *to, uint64_t n);

#endif

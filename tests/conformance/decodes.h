/* decodes.h - what our code wrote, a stranger must be able to read. */
#ifndef CONFORMANCE_DECODES_H
#define CONFORMANCE_DECODES_H

/* Asserts that the independent reader, $INGOT_DECODER, finds the file valid. Without that variable nothing is asserted:
 * tests/run always sets it. */
void assert_decodes(const char *path);

#endif

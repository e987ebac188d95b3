/* line_text.h - what the bytes of a line mean. */
#ifndef INGOT_LINE_TEXT_H
#define INGOT_LINE_TEXT_H

#include "inspect/fields.h"
#include "inspect/values.h"

#define LINE_BYTES 16u

/* The text of at most LINE_BYTES bytes; an element that is cut off is left out. */
typedef void line_text_fn(enum ingot_scalar scalar, const uint8_t *p, uint64_t n, char out[FIELD_TEXT_MAX]);

/* The elements' values; the characters, where they are printable; the levels of q8's codes; those of the low halves of
 * q4's, then those of the high ones. All but the first take any scalar. */
line_text_fn line_of_elements, line_of_characters, line_of_q8, line_of_q4;

#endif

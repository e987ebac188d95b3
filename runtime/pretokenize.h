/* pretokenize.h - cuts text into the pieces inside which byte pairs are merged. */
#ifndef INGOT_PRETOKENIZE_H
#define INGOT_PRETOKENIZE_H

#include <stddef.h>
#include <stdint.h>

/* Length in bytes of the first piece of text[0 .. n), n >= 1, by GPT-2's pattern
 *   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * (openai/gpt-2, src/encoder.py). At least 1: every text is covered. Linear in the piece and the white space behind. */
size_t pretokenize_next(const uint8_t *text, size_t n);

#endif

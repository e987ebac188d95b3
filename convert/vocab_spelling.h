/* vocab_spelling.h - GPT-2's printable spelling of bytes, as tokenizer files use it. */
#ifndef INGOT_VOCAB_SPELLING_H
#define INGOT_VOCAB_SPELLING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Turns UTF-8 text[0 .. n) into the bytes that it spells, written to out, which has room for n. False when a character
 * is none of the 256 that spell a byte, or the text is not valid UTF-8; *n_out is then the number of bytes of text
 * that were good. */
bool vocab_spelling_decode(const char *text, size_t n, uint8_t *out, size_t *n_out);

/* The inverse: spells bytes[0 .. n) in UTF-8, written to out, which has room for 2 n. Returns the length. */
size_t vocab_spelling_encode(const uint8_t *bytes, size_t n, char *out);

#endif

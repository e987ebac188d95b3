/* unicode.h - the four classes of characters that GPT-2's split pattern tells apart. */
#ifndef INGOT_UNICODE_H
#define INGOT_UNICODE_H

#include <stddef.h>
#include <stdint.h>

enum char_class {
    CHAR_OTHER,  /* [^\s\p{L}\p{N}]; also a byte that is not part of valid UTF-8, and unassigned code points */
    CHAR_SPACE,  /* \s: Unicode's White_Space */
    CHAR_LETTER, /* \p{L} */
    CHAR_NUMBER, /* \p{N} */
};

/* The class of the character at text[0], n >= 1, and its length in bytes. Surrogates, overlong forms and values above
 * U+10FFFF are not valid: the first byte alone is then the character. */
enum char_class unicode_classify(const uint8_t *text, size_t n, size_t *length);

#endif

/*
 * unicode.c - classes of characters, by utf8proc's tables.
 *
 * White space is the property White_Space, which is what \s means in the `regex` module that GPT-2's encoder uses;
 * utf8proc has no such property, but the list is short and stable. It differs from the categories Z*: U+0085 and the
 * ASCII controls 9 to 13 belong to it, U+200B and U+180E do not.
 */
#include "runtime/unicode.h"

#include <stdbool.h>
#include <utf8proc.h>

static bool is_white_space(int32_t c)
{
    return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

static enum char_class class_of(int32_t c)
{
    if (is_white_space(c)) return CHAR_SPACE;
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return CHAR_LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return CHAR_NUMBER;
    default:
        return CHAR_OTHER;
    }
}

enum char_class unicode_classify(const uint8_t *text, size_t n, size_t *length)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t taken = utf8proc_iterate(text, n < 4 ? (utf8proc_ssize_t)n : 4, &c);
    if (taken <= 0) {
        *length = 1;
        return CHAR_OTHER;
    }
    *length = (size_t)taken;
    return class_of(c);
}

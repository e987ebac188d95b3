/*
 * pretokenize.c - GPT-2's split pattern, by hand.
 *
 * Its alternatives begin with different classes of characters, so the first one or two characters decide which of
 * them matches, and each is a run of one class. Only white space looks ahead: a run in front of something else leaves
 * its last character, which the next piece takes along if it is a space.
 */
#include "runtime/pretokenize.h"

#include "runtime/unicode.h"

#include <stdbool.h>

/* ASCII needs no decoding. */
#define O         CHAR_OTHER
#define S         CHAR_SPACE
#define L         CHAR_LETTER
#define N         CHAR_NUMBER
#define ASCII_END 0x80
static const uint8_t ascii_class[ASCII_END] = {
    O, O, O, O, O, O, O, O, O, S, S, S, S, S, O, O, /* controls: 9 to 13 are white space, 28 to 31 are not */
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, /* */
    S, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, /* space, punctuation */
    N, N, N, N, N, N, N, N, N, N, O, O, O, O, O, O, /* 0-9 */
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, /* A-Z */
    L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O, /* */
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, /* a-z */
    L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O, /* */
};
#undef O
#undef S
#undef L
#undef N

static inline enum char_class classify(const uint8_t *text, size_t n, size_t *length)
{
    *length = 1;
    return text[0] < ASCII_END ? (enum char_class)ascii_class[text[0]] : unicode_classify(text, n, length);
}

/* Where the run of `class` that covers text[0 .. at) ends. */
static size_t run_end(const uint8_t *text, size_t n, size_t at, enum char_class class)
{
    size_t length;
    while (at < n && classify(text + at, n - at, &length) == class) at += length;
    return at;
}

/* Length of the contraction that text begins with, 0 if none. */
static size_t contraction(const uint8_t *text, size_t n)
{
    if (n < 2 || text[0] != '\'') return 0;
    uint8_t a = text[1], b = n > 2 ? text[2] : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    bool two = ((a == 'r' || a == 'v') && b == 'e') || (a == 'l' && b == 'l');
    return two ? 3 : 0;
}

/* White space, text[0 .. first) being its first character. */
static size_t space_piece(const uint8_t *text, size_t n, size_t first)
{
    size_t end = first, last = 0, length;
    while (end < n && classify(text + end, n - end, &length) == CHAR_SPACE) {
        last = end;
        end += length;
    }
    return end == n || last == 0 ? end : last;
}

size_t pretokenize_next(const uint8_t *text, size_t n)
{
    size_t length = contraction(text, n);
    if (length > 0) return length;
    enum char_class class = classify(text, n, &length);
    if (class != CHAR_SPACE) return run_end(text, n, length, class);
    if (text[0] == ' ' && n > 1) {
        size_t next;
        class = classify(text + 1, n - 1, &next);
        if (class != CHAR_SPACE) return run_end(text, n, 1 + next, class);
    }
    return space_piece(text, n, length);
}

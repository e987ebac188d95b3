/* vocab_spelling.c - the byte <-> character table of openai/gpt-2, src/encoder.py, bytes_to_unicode(): a byte that is a
 * visible character of Latin-1 spells itself; the other 68, in ascending order, are spelled by U+0100, U+0101, ... */
#include "convert/vocab_spelling.h"

#define FIRST_SUBSTITUTE 0x100u
#define N_SUBSTITUTES    68u

static bool spells_itself(unsigned byte)
{
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xff && byte != 0xad);
}

/* The k-th byte that does not spell itself: 0x00..0x20, 0x7f..0xa0, 0xad. */
static unsigned substituted_byte(unsigned k)
{
    if (k <= 0x20) return k;
    return k <= 0x42 ? 0x7f + (k - 0x21) : 0xad;
}

/* All characters of the table need one or two bytes of UTF-8. Returns the length, 0 when this is no such character. */
static size_t take_character(const uint8_t *p, size_t n, unsigned *character)
{
    *character = p[0];
    if (p[0] < 0x80) return 1;
    if (n < 2 || p[0] < 0xc2 || p[0] > 0xdf || (p[1] & 0xc0) != 0x80) return 0;
    *character = (unsigned)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
    return 2;
}

bool vocab_spelling_decode(const char *text, size_t n, uint8_t *out, size_t *n_out)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t at = 0, written = 0;
    while (at < n) {
        unsigned c;
        size_t length = take_character(p + at, n - at, &c);
        bool substitute = c >= FIRST_SUBSTITUTE && c < FIRST_SUBSTITUTE + N_SUBSTITUTES;
        if (length == 0 || !(substitute || (c < FIRST_SUBSTITUTE && spells_itself(c)))) {
            *n_out = at;
            return false;
        }
        out[written++] = (uint8_t)(substitute ? substituted_byte(c - FIRST_SUBSTITUTE) : c);
        at += length;
    }
    *n_out = written;
    return true;
}

static unsigned character_of(unsigned byte)
{
    if (spells_itself(byte)) return byte;
    if (byte <= 0x20) return FIRST_SUBSTITUTE + byte;
    return FIRST_SUBSTITUTE + (byte == 0xad ? N_SUBSTITUTES - 1 : byte - 0x7f + 0x21);
}

size_t vocab_spelling_encode(const uint8_t *bytes, size_t n, char *out)
{
    size_t written = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned c = character_of(bytes[i]);
        if (c >= 0x80) out[written++] = (char)(0xc0 | c >> 6);
        out[written++] = (char)(c < 0x80 ? c : 0x80 | (c & 0x3f));
    }
    return written;
}

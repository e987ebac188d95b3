/* error.c - errors are values: one caller-owned struct, the first cause wins, nothing hostile reaches a terminal. */
#include "format/error.h"

#include "format/bytes.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum ingot_status ingot_fail(struct ingot_error *err, enum ingot_status status, uint64_t offset, const char *subject,
                             const char *advice, const char *fmt, ...)
{
    if (!err || err->status != INGOT_OK) return status;
    char message[2 * sizeof err->message];
    *err = (struct ingot_error){ .status = status, .offset = offset };
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    ingot_escape(message, strlen(message), err->message, sizeof err->message);
    if (subject) ingot_escape(subject, strlen(subject), err->subject, sizeof err->subject);
    if (subject && !*subject) strcpy(err->subject, "''"); /* a path that a script left empty is to be seen */
    if (advice) ingot_escape(advice, strlen(advice), err->advice, sizeof err->advice);
    return status;
}

enum ingot_status ingot_fail_errno(struct ingot_error *err, const char *subject, const char *verb)
{
    int saved = errno;
    char reason[128];
    const char *text = strerror_r(saved, reason, sizeof reason); /* GNU: may point to a static constant */
    if (!err || err->status != INGOT_OK) return INGOT_E_IO;
    ingot_fail(err, INGOT_E_IO, INGOT_NO_OFFSET, subject, NULL, "cannot %s: %s", verb, text);
    err->sys_errno = saved;
    return INGOT_E_IO;
}

/* Length of the valid UTF-8 sequence at s[0 .. n), or 0. Overlong forms, surrogates and values beyond U+10FFFF are not
 * valid (Unicode 15, table 3-7). */
static size_t utf8_length(const unsigned char *s, size_t n)
{
    unsigned char c = s[0];
    size_t len = c < 0x80 ? 1 : c >= 0xC2 && c < 0xE0 ? 2 : c >= 0xE0 && c < 0xF0 ? 3 : c >= 0xF0 && c < 0xF5 ? 4 : 0;
    if (len == 0 || len > n) return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xC0) != 0x80) return 0;
    if ((c == 0xE0 && s[1] < 0xA0) || (c == 0xED && s[1] > 0x9F)) return 0;
    if ((c == 0xF0 && s[1] < 0x90) || (c == 0xF4 && s[1] > 0x8F)) return 0;
    return len;
}

/* Of a valid sequence of UTF-8. */
static uint32_t code_point(const unsigned char *s, size_t len)
{
    uint32_t c = len == 1 ? s[0] : s[0] & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++) c = c << 6 | (s[i] & 0x3Fu);
    return c;
}

/* Not controls, line separators, what steers the direction of writing, nor what cannot be seen and has no part in how
 * words are written, as joiners have: a name must not make a line lie, nor look like another. Nor what is never to be a
 * character: neither XML nor YAML may have U+FFFE in it as it is. */
static bool is_printable(const unsigned char *s, size_t len)
{
    static const struct {
        uint32_t first, last;
    } hidden[] = {
        { 0x0000, 0x001F },   /* C0 */
        { 0x007F, 0x009F },   /* DEL, C1 */
        { 0x00AD, 0x00AD },   /* soft hyphen */
        { 0x061C, 0x061C },   /* Arabic letter mark */
        { 0x200B, 0x200B },   /* zero width space */
        { 0x200E, 0x200F },   /* marks of direction */
        { 0x2028, 0x202E },   /* separators, embeddings, overrides */
        { 0x2060, 0x206F },   /* invisible operators, isolates */
        { 0xFDD0, 0xFDEF },   /* no characters */
        { 0xFEFF, 0xFEFF },   /* byte order mark */
        { 0xFFF9, 0xFFFB },   /* annotations */
        { 0xE0000, 0xE0FFF }, /* tags, variation selectors */
    };
    const uint32_t c = code_point(s, len);
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (c >= hidden[i].first && c <= hidden[i].last) return false;
    return (c & 0xFFFE) != 0xFFFE; /* the last two of each plane are no characters */
}

/* Copies what is plain ASCII at the beginning, which most names are as a whole. Returns how many bytes. */
static size_t copy_plain(const unsigned char *s, size_t n, char *out, size_t cap)
{
    size_t i = 0;
    for (; n - i >= 8 && i + 12 < cap && eight_are_printable(s + i); i += 8) memcpy(out + i, s + i, 8);
    for (; i < n && i + 5 < cap && s[i] >= 0x20 && s[i] < 0x7F; i++) out[i] = (char)s[i];
    return i;
}

char *ingot_escape(const char *text, size_t n, char *out, size_t cap)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t used = copy_plain(s, n, out, cap);
    for (size_t i = used; i < n;) {
        size_t len = utf8_length(s + i, n - i);
        bool keep = len > 0 && is_printable(s + i, len);
        size_t need = keep ? len : 4;
        bool last = i + (keep ? len : 1) == n;
        if (used + need + (last ? 1 : 4) > cap) {
            memcpy(out + used, "...", 4);
            return out;
        }
        if (keep)
            memcpy(out + used, s + i, len);
        else
            snprintf(out + used, 5, "\\x%02x", s[i]);
        used += need;
        i += keep ? len : 1;
    }
    out[used] = '\0';
    return out;
}

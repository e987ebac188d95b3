/* pickle_literals.c - the instructions that make numbers and texts. */
#include "convert/pickle_machine.h"

#include <locale.h>
#include <string.h>
#include <utf8proc.h>

#define MAX_NUMBER  63u /* characters of a number that is written out */
#define SAFE_DIGITS 18u /* that many fit 64 bits */

enum ingot_status pickle_op_none(struct pickle *p, const struct pickle_argument *a)
{
    (void)a;
    return pickle_push_new(p, (struct pickle_value){ .type = PICKLE_NONE });
}

static enum ingot_status push_bool(struct pickle *p, bool value)
{
    return pickle_push_new(p, (struct pickle_value){ .type = PICKLE_BOOL, .as.integer = value });
}

enum ingot_status pickle_op_bool(struct pickle *p, const struct pickle_argument *a)
{
    return push_bool(p, a->variant != 0);
}

/* A decimal number of a line into `text`. */
static bool copy_number(const struct pickle *p, const struct pickle_argument *a, char text[MAX_NUMBER + 1])
{
    if (a->n == 0 || a->n > MAX_NUMBER) return false;
    memcpy(text, p->in.bytes + a->off, a->n);
    text[a->n] = '\0';
    return strspn(text, "+-.0123456789eEinfaINFAL") == a->n;
}

static enum ingot_status push_int(struct pickle *p, int64_t value)
{
    return pickle_push_new(p, (struct pickle_value){ .type = PICKLE_INT, .as.integer = value });
}

enum ingot_status pickle_op_int(struct pickle *p, const struct pickle_argument *a)
{
    return push_int(p, (int64_t)a->integer);
}

/* "01" and "00" are how protocol 0 writes booleans; an L may stand behind a long. */
enum ingot_status pickle_op_int_line(struct pickle *p, const struct pickle_argument *a)
{
    char text[MAX_NUMBER + 1], *end;
    if (!copy_number(p, a, text)) return pickle_fail(p, INGOT_E_SOURCE, "expected a whole number");
    if (a->n > SAFE_DIGITS) return pickle_push_new(p, pickle_spanning(PICKLE_BYTES, a->off, a->n));
    if (strcmp(text, "00") == 0 || strcmp(text, "01") == 0) return push_bool(p, text[1] == '1');
    const int64_t value = strtoll(text, &end, 10);
    if (end == text || (*end && strcmp(end, "L") != 0))
        return pickle_fail(p, INGOT_E_SOURCE, "expected a whole number");
    return push_int(p, value);
}

/* Up to 8 bytes are an integer; more are kept as they stand. */
enum ingot_status pickle_op_long(struct pickle *p, const struct pickle_argument *a)
{
    uint8_t bytes[8];
    if (a->n > sizeof bytes) return pickle_push_new(p, pickle_spanning(PICKLE_LONG, a->off, a->n));
    const uint8_t *from = p->in.bytes + a->off;
    memset(bytes, a->n > 0 && from[a->n - 1] & 0x80 ? 0xFF : 0, sizeof bytes);
    memcpy(bytes, from, a->n);
    return push_int(p, (int64_t)get_u64(bytes));
}

static enum ingot_status push_float(struct pickle *p, double value)
{
    return pickle_push_new(p, (struct pickle_value){ .type = PICKLE_FLOAT, .as.number = value });
}

enum ingot_status pickle_op_float(struct pickle *p, const struct pickle_argument *a)
{
    double value;
    memcpy(&value, &a->integer, sizeof value);
    return push_float(p, value);
}

enum ingot_status pickle_op_float_line(struct pickle *p, const struct pickle_argument *a)
{
    char text[MAX_NUMBER + 1], *end;
    if (!copy_number(p, a, text)) return pickle_fail(p, INGOT_E_SOURCE, "expected a number");
    const locale_t points = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* whatever the program's own writes in numbers */
    if (!points) return fail_memory(p->err, p->in.path);
    const double value = strtod_l(text, &end, points);
    freelocale(points);
    if (end == text || *end) return pickle_fail(p, INGOT_E_SOURCE, "expected a number");
    return push_float(p, value);
}

/* ------------------------------------------------------------------------------------------------------------ texts */

bool pickle_is_utf8(const struct pickle *p, uint32_t off, uint32_t n)
{
    const uint8_t *text = p->in.bytes + off;
    utf8proc_int32_t c;
    for (utf8proc_ssize_t i = 0, step; i < (utf8proc_ssize_t)n; i += step)
        if ((step = utf8proc_iterate(text + i, (utf8proc_ssize_t)n - i, &c)) <= 0) return false;
    return true;
}

/* Python's own texts are Unicode. */
enum ingot_status pickle_op_text(struct pickle *p, const struct pickle_argument *a)
{
    if (pickle_is_utf8(p, a->off, a->n)) return pickle_push_new(p, pickle_spanning(PICKLE_TEXT, a->off, a->n));
    return pickle_fail(p, INGOT_E_SOURCE, "a text that is not UTF-8");
}

enum ingot_status pickle_op_bytes(struct pickle *p, const struct pickle_argument *a)
{
    return pickle_push_new(p, pickle_spanning(PICKLE_BYTES, a->off, a->n));
}

/* Python 2's texts were bytes, mostly ASCII; in protocol 0 with escapes, which nothing here needs. */
static enum ingot_status push_old_text(struct pickle *p, uint32_t off, uint32_t n, bool may_escape)
{
    const bool escaped = may_escape && n > 0 && memchr(p->in.bytes + off, '\\', n);
    const bool plain = !escaped && pickle_is_utf8(p, off, n);
    return pickle_push_new(p, pickle_spanning(plain ? PICKLE_TEXT : PICKLE_BYTES, off, n));
}

enum ingot_status pickle_op_old_text(struct pickle *p, const struct pickle_argument *a)
{
    return push_old_text(p, a->off, a->n, false);
}

enum ingot_status pickle_op_unicode_line(struct pickle *p, const struct pickle_argument *a)
{
    return push_old_text(p, a->off, a->n, true);
}

enum ingot_status pickle_op_quoted_line(struct pickle *p, const struct pickle_argument *a)
{
    const uint8_t *s = p->in.bytes + a->off;
    if (a->n < 2 || (s[0] != '\'' && s[0] != '"') || s[a->n - 1] != s[0])
        return pickle_fail(p, INGOT_E_SOURCE, "expected a text in quotes");
    return push_old_text(p, a->off + 1, a->n - 2, true);
}

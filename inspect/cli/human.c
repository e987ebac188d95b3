/* human.c - numbers as people read them. */
#include "inspect/cli/human.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define DIGITS_MAX 20 /* of 2^64 */

/* Not snprintf(), of which a listing of 100,000 tensors would make a million calls. Returns the number of digits. */
static size_t put_digits(uint64_t n, char out[DIGITS_MAX])
{
    char backwards[DIGITS_MAX];
    size_t n_digits = 0;
    do backwards[n_digits++] = (char)('0' + n % 10);
    while (n /= 10);
    for (size_t i = 0; i < n_digits; i++) out[i] = backwards[n_digits - 1 - i];
    return n_digits;
}

/* Of a letter or two, without the NUL; returns how many bytes are used then. */
static size_t put_text(const char *text, char *out, size_t used)
{
    while (*text) out[used++] = *text++;
    return used;
}

struct human human_count(uint64_t n)
{
    struct human h;
    char digits[DIGITS_MAX];
    size_t n_digits = put_digits(n, digits), used = 0;
    for (size_t i = 0; i < n_digits; i++) {
        if (i > 0 && (n_digits - i) % 3 == 0) h.text[used++] = ',';
        h.text[used++] = digits[i];
    }
    h.text[used] = '\0';
    return h;
}

/* A value >= 0, below 2^63 / 100, with up to two decimals, and what comes behind. */
static struct human fixed(double value, unsigned decimals, const char *unit, const char *suffix)
{
    static const unsigned factors[] = { 1, 10, 100 };
    struct human h;
    uint64_t n = (uint64_t)llrint(value * factors[decimals]);
    size_t used = put_digits(n / factors[decimals], h.text);
    if (decimals > 0) h.text[used++] = '.';
    if (decimals > 1) h.text[used++] = (char)('0' + n / 10 % 10);
    if (decimals > 0) h.text[used++] = (char)('0' + n % 10);
    h.text[used++] = ' ';
    used = put_text(suffix, h.text, put_text(unit, h.text, used));
    h.text[used] = '\0';
    return h;
}

/* Three digits, whatever the magnitude. */
static struct human scaled(double value, const char *unit)
{
    static const char *const prefixes[] = { "", "k", "M", "G", "T", "P", "E" };
    size_t prefix = 0;
    while (value >= 999.5 && prefix + 1 < sizeof prefixes / sizeof *prefixes) {
        value /= 1000;
        prefix++;
    }
    return fixed(value, prefix == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2, prefixes[prefix], unit);
}

struct human human_bytes(uint64_t n)
{
    return scaled((double)n, "B");
}

struct human human_rate(double bytes_a_second)
{
    return scaled(bytes_a_second, "B/s");
}

struct human human_operations(double n)
{
    return scaled(n, "FLOP");
}

struct human human_share(uint64_t part, uint64_t whole)
{
    return fixed(whole ? 100.0 * (double)part / (double)whole : 0.0, 1, "%", "");
}

struct human human_clock(double seconds)
{
    struct human h;
    if (!(seconds < 360000)) seconds = 359999;
    unsigned s = (unsigned)(seconds + 0.5);
    if (s >= 3600)
        snprintf(h.text, sizeof h.text, "%u:%02u:%02u", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(h.text, sizeof h.text, "%u:%02u", s / 60, s % 60);
    return h;
}

struct human human_duration(double seconds)
{
    struct human h;
    bool whole = seconds >= 1;
    double value = whole ? seconds : seconds * 1e3;
    snprintf(h.text, sizeof h.text, "%.*f %s", value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2, value, whole ? "s" : "ms");
    return h;
}

struct human human_digest(struct ingot_digest digest)
{
    struct human h;
    snprintf(h.text, sizeof h.text, "%016" PRIx64 "%016" PRIx64, digest.hi, digest.lo);
    return h;
}

void human_shape(uint32_t rank, const uint64_t *shape, char *out, size_t cap)
{
    char text[INGOT_MAX_RANK * (DIGITS_MAX + 3) + 1];
    size_t used = 0;
    for (uint32_t i = 0; i < rank; i++) {
        if (i > 0) used = put_text(" x ", text, used);
        used += put_digits(shape[i], text + used);
    }
    if (rank == 0) used = put_text("scalar", text, used);
    if (used >= cap) used = cap - 1;
    memcpy(out, text, used);
    out[used] = '\0';
}

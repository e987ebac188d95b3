/* human.c - numbers as people read them. */
#include "inspect/cli/human.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct human human_count(uint64_t n)
{
    struct human h;
    char digits[24];
    size_t n_digits = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, n), used = 0;
    for (size_t i = 0; i < n_digits; i++) {
        if (i > 0 && (n_digits - i) % 3 == 0) h.text[used++] = ',';
        h.text[used++] = digits[i];
    }
    h.text[used] = '\0';
    return h;
}

/* Three digits, whatever the magnitude. */
static struct human scaled(double value, const char *suffix)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
    struct human h;
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1000;
        unit++;
    }
    int decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    snprintf(h.text, sizeof h.text, "%.*f %s%s", decimals, value, units[unit], suffix);
    return h;
}

struct human human_bytes(uint64_t n)
{
    return scaled((double)n, "");
}

struct human human_rate(double bytes_a_second)
{
    return scaled(bytes_a_second, "/s");
}

struct human human_share(uint64_t part, uint64_t whole)
{
    struct human h;
    snprintf(h.text, sizeof h.text, "%.1f %%", whole ? 100.0 * (double)part / (double)whole : 0.0);
    return h;
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
    size_t used = (size_t)snprintf(out, cap, "%s", rank == 0 ? "scalar" : "");
    for (uint32_t i = 0; i < rank && used < cap; i++)
        used += (size_t)snprintf(out + used, cap - used, "%s%" PRIu64, i ? " x " : "", shape[i]);
}

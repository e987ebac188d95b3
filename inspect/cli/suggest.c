/* suggest.c - edit distance with transpositions (optimal string alignment): the mistakes that fingers make. */
#include "inspect/cli/suggest.h"

#include <stdbool.h>
#include <string.h>

/* Names beyond this length are not compared: nobody mistypes them, and three rows fit on the stack. */
#define MAX_LENGTH 96

static size_t least(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* d[i][j] for prefixes of a and b, of which only three rows are alive. Both are shorter than MAX_LENGTH. */
static size_t edit_distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
    size_t rows[3][MAX_LENGTH + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= n_b; j++) last[j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        now[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            now[j] = least(last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        size_t *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[n_b];
}

struct suggestion suggest_begin(const char *wanted)
{
    size_t n = strlen(wanted);
    return (struct suggestion){ .wanted = wanted, .distance = (n < 3 ? 1 : n / 3 + 1) + 1 };
}

/* Whether the longer name is the shorter one below something: "transformer.wte.weight", "wte.weight". */
static bool is_qualified(const char *longer, size_t n, const char *shorter, size_t m)
{
    return n > m + 1 && m > 1 && strchr("./", longer[n - m - 1]) && memcmp(longer + n - m, shorter, m) == 0;
}

void suggest_offer(struct suggestion *best, const char *candidate)
{
    size_t n = strlen(candidate), n_wanted = strlen(best->wanted);
    if (n > MAX_LENGTH || n_wanted > MAX_LENGTH || n_wanted == 0) return;
    size_t distance = edit_distance(best->wanted, n_wanted, candidate, n);
    if (n > n_wanted && n_wanted > 1 && memcmp(candidate, best->wanted, n_wanted) == 0) distance = 1;
    if (is_qualified(candidate, n, best->wanted, n_wanted) || is_qualified(best->wanted, n_wanted, candidate, n))
        distance = 1;
    if (distance >= best->distance || distance >= n) return;
    best->distance = distance;
    best->name = candidate;
}

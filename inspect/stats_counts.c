/* stats_counts.c - counts are walked by octaves: all numbers of a sign and exponent, one after the other. Their value
 * is unit * (hidden + m), m being the place in the octave, so their sums are those of whole numbers, and exact. */
#include "inspect/stats_counts.h"

#include "format/simd/count.h"

#include <math.h>
#include <string.h>

#define SIGN     UINT32_C(0x8000)
#define OCTAVE   UINT32_C(128) /* numbers of a sign and exponent */
#define EXPONENT (SIGN / OCTAVE - 1)

/* counts[m] numbers have the bits first + m and the magnitude unit * (hidden + m), m < OCTAVE. */
struct octave {
    uint32_t *counts;
    uint32_t first, hidden;
    double unit;
};

static bool is_empty(const struct octave *o)
{
    uint32_t any = 0;
    for (uint32_t m = 0; m < OCTAVE; m++) any |= o->counts[m];
    return any == 0;
}

/* n * squares is below 2^42 * 2^16, and no less than sum * sum. */
static struct stats_tally sums_of(const struct octave *o)
{
    uint64_t n = 0, sum = 0, squares = 0;
    for (uint32_t m = 0; m < OCTAVE; m++) {
        const uint64_t whole = o->hidden + m, count = o->counts[m];
        n += count;
        sum += count * whole;
        squares += count * whole * whole;
    }
    return (struct stats_tally){
        .n = n,
        .n_finite = n,
        .sum = o->unit * (double)sum,
        .m2 = o->unit * o->unit * ((double)(n * squares - sum * sum) / (double)n),
    };
}

/* Of an octave with no zero in it that is not empty. */
static void add_octave(const struct octave *o, struct stats_tally *tally)
{
    struct stats_tally t = sums_of(o);
    uint32_t low = 0, high = OCTAVE - 1;
    while (o->counts[low] == 0) low++;
    while (o->counts[high] == 0) high--;
    t.abs_min = o->unit * (o->hidden + low);
    t.abs_max = o->unit * (o->hidden + high);
    t.min = o->first & SIGN ? -t.abs_max : t.abs_min;
    t.max = o->first & SIGN ? -t.abs_min : t.abs_max;
    if (o->first & SIGN) t.sum = -t.sum;
    stats_add_tally(tally, &t);
}

static void add_zeros(const struct octave *o, struct stats_tally *tally)
{
    struct stats_tally t = stats_no_values;
    t.n = t.n_finite = t.n_zero = o->counts[0];
    if (t.n > 0) t.min = t.max = 0;
    stats_add_tally(tally, &t);
}

/* The numbers of the greatest exponent, which are not finite. */
static void add_special(const struct octave *o, struct stats_tally *tally)
{
    uint64_t n = 0;
    for (uint32_t m = 0; m < OCTAVE; m++) n += o->counts[m];
    tally->n += n;
    tally->n_nan += n - o->counts[0];
    *(o->first & SIGN ? &tally->n_neg_inf : &tally->n_pos_inf) += o->counts[0];
}

/* A bin has one bit more than a bf16. */
static void put_bins(const struct octave *o, uint32_t *bins)
{
    for (uint32_t m = 0; m < OCTAVE; m++) bins[2 * (o->first + m)] += o->counts[m];
}

static void take_octave(struct octave *o, struct stats_tally *tally, uint32_t *bins)
{
    const uint32_t exponent = (o->first & ~SIGN) / OCTAVE;
    if (exponent == EXPONENT) {
        add_special(o, tally);
        return;
    }
    put_bins(o, bins);
    if (exponent == 0) {
        add_zeros(o, tally);
        o->counts[0] = 0;
        if (is_empty(o)) return;
    }
    o->hidden = exponent ? OCTAVE : 0;
    o->unit = ldexp(0x1p-134, (int)(exponent ? exponent : 1));
    add_octave(o, tally);
}

void stats_take_counts(uint32_t *counts, struct stats_tally *tally, uint32_t *bins)
{
    for (uint32_t first = 0; first < COUNT_VALUES; first += OCTAVE) {
        struct octave o = { .counts = &counts[first], .first = first };
        if (is_empty(&o)) continue;
        take_octave(&o, tally, bins);
        memset(&counts[first], 0, OCTAVE * sizeof *counts);
    }
}

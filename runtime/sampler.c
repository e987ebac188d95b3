/*
 * sampler.c - from logits to the next token; spec/arithmetic.md, "Sampling", is the reference.
 *
 * After the exponentials everything is integers: weights are floor(2^38 e), so that sums are exact in any order and a
 * draw is a 64-bit product. Candidates are ranked by logit, of equal ones the lower id first, and only as far as they
 * are needed: a heap of k for top-k, a heap that is popped until the mass is reached for top-p, nothing for neither.
 */
#include "runtime/ingot_runtime.h"

#include "format/disk.h"
#include "format/error.h"
#include "format/fpenv.h"
#include "runtime/kernels/kernels.h"

#include <math.h>
#include <stdlib.h>

#define WEIGHT_ONE 0x1p38f /* LIMIT_N_VOCAB weights add up to 2^62 at most */

struct candidate {
    float logit;
    uint32_t id;
    uint64_t weight;
};

struct ingot_sampler {
    struct ingot_sampling settings;
    uint64_t state; /* of SplitMix64 */
    uint32_t n_vocab;
    const struct kernels *kernels;
    struct candidate *candidates; /* n_vocab */
    float *scaled;                /* n_vocab */
};

/* ----------------------------------------------------------------------------------------------------- generator */

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* floor(a b / 2^64) */
static uint64_t multiply_high(uint64_t a, uint64_t b)
{
    uint64_t a_low = (uint32_t)a, a_high = a >> 32, b_low = (uint32_t)b, b_high = b >> 32;
    uint64_t middle = a_high * b_low + (a_low * b_low >> 32);
    uint64_t carry = a_low * b_high + (uint32_t)middle;
    return a_high * b_high + (middle >> 32) + (carry >> 32);
}

/* ------------------------------------------------------------------------------------------------------- ranking */

static bool ranks_before(const struct candidate *a, const struct candidate *b)
{
    return a->logit > b->logit || (a->logit == b->logit && a->id < b->id);
}

static bool ranks_after(const struct candidate *a, const struct candidate *b)
{
    return ranks_before(b, a);
}

/* Who stands above whom in a heap: with ranks_after the last in rank is on top, which is the one to give up where k are
 * kept; with ranks_before the first, which is the next to take. */
typedef bool (*above_fn)(const struct candidate *a, const struct candidate *b);

static void sift_down(struct candidate *heap, size_t n, size_t i, above_fn above)
{
    struct candidate moved = heap[i];
    for (size_t child = 2 * i + 1; child < n; child = 2 * i + 1) {
        if (child + 1 < n && above(&heap[child + 1], &heap[child])) child++;
        if (!above(&heap[child], &moved)) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = moved;
}

static void make_heap(struct candidate *heap, size_t n, above_fn above)
{
    for (size_t i = n / 2; i-- > 0;) sift_down(heap, n, i, above);
}

/* Keeps the first `keep` in rank of all logits that are numbers; returns how many there are. */
static uint32_t collect(struct ingot_sampler *s, const float *logits, uint32_t keep)
{
    struct candidate *heap = s->candidates;
    uint32_t n = 0, id = 0;
    for (; id < s->n_vocab && n < keep; id++)
        if (!isnan(logits[id])) heap[n++] = (struct candidate){ .logit = logits[id], .id = id };
    if (id == s->n_vocab) return n;
    make_heap(heap, n, ranks_after);
    for (; id < s->n_vocab; id++) {
        if (!(logits[id] > heap[0].logit)) continue; /* an equal one has the higher id */
        heap[0] = (struct candidate){ .logit = logits[id], .id = id };
        sift_down(heap, n, 0, ranks_after);
    }
    return n;
}

/* ------------------------------------------------------------------------------------------------------- weights */

/* Infinite logits: +inf takes all, -inf gets nothing unless there is nothing else. */
static float below_max(float logit, float max)
{
    return logit == max ? 0.0f : logit - max;
}

/* weight = floor(2^38 exp((logit - max) / temperature)); returns the sum, at least 2^38. */
static uint64_t weigh(struct ingot_sampler *s, uint32_t n)
{
    struct candidate *c = s->candidates;
    float max = c[0].logit;
    uint64_t total = 0;
    for (uint32_t i = 1; i < n; i++) max = c[i].logit > max ? c[i].logit : max;
    for (uint32_t i = 0; i < n; i++) s->scaled[i] = below_max(c[i].logit, max) / s->settings.temperature;
    s->kernels->softmax_exp(s->scaled, n);
    for (uint32_t i = 0; i < n; i++) total += c[i].weight = (uint64_t)(s->scaled[i] * WEIGHT_ONE);
    return total;
}

/* Moves the first in rank to the end of the array, one by one, until their weights reach `mass`. Returns how many; the
 * first in rank is candidates[n - 1]. *total becomes their weight. */
static uint32_t take_nucleus(struct candidate *heap, uint32_t n, uint64_t mass, uint64_t *total)
{
    uint32_t left = n;
    make_heap(heap, n, ranks_before);
    for (*total = 0; left > 0 && *total < mass;) {
        struct candidate first = heap[0];
        heap[0] = heap[--left];
        sift_down(heap, left, 0, ranks_before);
        heap[left] = first;
        *total += first.weight;
    }
    return n - left;
}

/* ceil(p total), with the product rounded to f64. */
static uint64_t mass_of(float p, uint64_t total)
{
    uint64_t mass = (uint64_t)ceil((double)p * (double)total);
    return p >= 1.0f || mass > total ? total : mass;
}

static uint32_t draw(struct ingot_sampler *s, const float *logits)
{
    struct candidate *c = s->candidates;
    bool cuts_k = s->settings.top_k > 0 && s->settings.top_k < s->n_vocab;
    uint32_t n = collect(s, logits, cuts_k ? s->settings.top_k : s->n_vocab);
    uint64_t random = next_random(&s->state);
    if (n == 0) return 0;
    uint64_t total = weigh(s, n);
    if (!cuts_k && s->settings.top_p >= 1.0f) { /* in order of ids */
        uint64_t target = multiply_high(random, total);
        while (target >= c->weight) target -= c++->weight;
        return c->id;
    }
    take_nucleus(c, n, mass_of(s->settings.top_p, total), &total);
    uint64_t target = multiply_high(random, total);
    for (c += n - 1; target >= c->weight; c--) target -= c->weight;
    return c->id;
}

/* Of equal logits the lowest id; 0 where all are NaN. */
static uint32_t likeliest(const float *logits, uint32_t n)
{
    uint32_t best = 0;
    for (uint32_t id = 1; id < n; id++)
        if (logits[id] > logits[best] || (isnan(logits[best]) && !isnan(logits[id]))) best = id;
    return best;
}

/* -------------------------------------------------------------------------------------------------------- public */

static enum ingot_status check_settings(const struct ingot_sampling *settings, uint32_t n_vocab,
                                        struct ingot_error *err)
{
    const char *subject = NULL, *expected = NULL;
    double found = 0;
    if (n_vocab == 0 || n_vocab > LIMIT_N_VOCAB) {
        subject = "n_vocab", expected = "1 to 16777216", found = n_vocab;
    } else if (!(settings->temperature >= 0.0f) || isinf(settings->temperature)) {
        subject = "temperature", expected = "0 (greedy) or a positive number", found = (double)settings->temperature;
    } else if (!(settings->top_p > 0.0f && settings->top_p <= 1.0f)) {
        subject = "top_p", expected = "above 0, and 1 at most", found = (double)settings->top_p;
    }
    if (!subject) return INGOT_OK;
    return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, subject, NULL, "%g is out of range: expected %s", found,
                      expected);
}

enum ingot_status ingot_sampler_create(const struct ingot_sampling *settings, uint32_t n_vocab,
                                       struct ingot_sampler **out, struct ingot_error *err)
{
    static const struct ingot_sampling greedy = { .top_p = 1 };
    *out = NULL;
    if (!settings) settings = &greedy;
    enum ingot_status status = check_settings(settings, n_vocab, err);
    if (status != INGOT_OK) return status;
    struct ingot_sampler *s = calloc(1, sizeof *s);
    if (s) {
        *s = (struct ingot_sampler){ .settings = *settings, .state = settings->seed, .n_vocab = n_vocab };
        s->kernels = kernels_select(NULL)->kernels; /* whichever: the bits are the same */
        s->candidates = calloc(n_vocab, sizeof *s->candidates);
        s->scaled = calloc(n_vocab, sizeof *s->scaled);
    }
    if (!s || !s->candidates || !s->scaled) {
        ingot_sampler_close(s);
        return ingot_fail(err, INGOT_E_MEMORY, INGOT_NO_OFFSET, "sampler", NULL, "out of memory");
    }
    *out = s;
    return INGOT_OK;
}

void ingot_sampler_close(struct ingot_sampler *sampler)
{
    if (!sampler) return;
    free(sampler->candidates);
    free(sampler->scaled);
    free(sampler);
}

uint32_t ingot_sampler_draw(struct ingot_sampler *sampler, const float *logits)
{
    fenv_t saved;
    fpenv_enter(&saved);
    uint32_t id = sampler->settings.temperature > 0.0f ? draw(sampler, logits) : likeliest(logits, sampler->n_vocab);
    fpenv_leave(&saved);
    return id;
}

static double log_softmax(const float *logits, uint32_t n_vocab, uint32_t id)
{
    const float max = logits[likeliest(logits, n_vocab)];
    double sum = 0.0;
    if (isnan(logits[id])) return -INFINITY;
    for (uint32_t i = 0; i < n_vocab; i++)
        if (!isnan(logits[i])) sum += logits[i] == max ? 1.0 : exp((double)logits[i] - (double)max);
    return (logits[id] == max ? 0.0 : (double)logits[id] - (double)max) - log(sum);
}

double ingot_log_probability(const float *logits, uint32_t n_vocab, uint32_t id)
{
    fenv_t saved;
    fpenv_enter(&saved);
    double result = log_softmax(logits, n_vocab, id);
    fpenv_leave(&saved);
    return result;
}

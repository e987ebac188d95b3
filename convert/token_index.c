/*
 * token_index.c - buckets by the hash of a token's bytes, as many as tokens, each sorted and searched by halving.
 *
 * A list of merges asks three times for each of 50,000 merges. Mostly a bucket holds one token or none; were all made
 * to fall into the same, a search would still take no more steps than in one sorted array.
 */
#include "convert/token_index.h"

#include "format/ingot_format.h"

#include <stdlib.h>
#include <string.h>

static int compare_keys(const void *a, const void *b)
{
    const struct token_key *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    if (x->n != y->n) return x->n < y->n ? -1 : 1;
    return memcmp(x->at, y->at, x->n);
}

static uint32_t bucket_of(const struct token_index *x, uint64_t hash)
{
    return (uint32_t)hash & (x->n_buckets - 1);
}

static uint32_t begin_of(const struct token_index *x, uint32_t bucket)
{
    return bucket ? x->ends[bucket - 1] : 0;
}

/* Counts each bucket's keys, then puts them where they belong: `ends` grows from a bucket's begin to its end. */
static void distribute(struct token_index *x, struct token_key *keys)
{
    for (uint32_t i = 0; i < x->n_keys; i++) {
        keys[i].hash = ingot_hash64(keys[i].at, keys[i].n);
        x->ends[bucket_of(x, keys[i].hash)]++;
    }
    for (uint32_t bucket = 0, begin = 0; bucket < x->n_buckets; bucket++) {
        const uint32_t n = x->ends[bucket];
        x->ends[bucket] = begin;
        begin += n;
    }
    for (uint32_t i = 0; i < x->n_keys; i++) x->keys[x->ends[bucket_of(x, keys[i].hash)]++] = keys[i];
}

bool token_index_build(struct token_index *x, struct token_key *keys, uint32_t n)
{
    *x = (struct token_index){ .n_keys = n, .n_buckets = 1 };
    while (x->n_buckets < n && x->n_buckets <= UINT32_MAX / 4) x->n_buckets *= 2;
    x->keys = calloc((size_t)n + 1, sizeof *x->keys);
    x->ends = calloc(x->n_buckets, sizeof *x->ends);
    if (!x->keys || !x->ends) return false;
    distribute(x, keys);
    for (uint32_t bucket = 0; bucket < x->n_buckets; bucket++) {
        const uint32_t begin = begin_of(x, bucket), n_here = x->ends[bucket] - begin;
        if (n_here > 1) qsort(x->keys + begin, n_here, sizeof *x->keys, compare_keys);
    }
    return true;
}

bool token_index_twins(const struct token_index *x, const struct token_key *twins[2])
{
    for (uint32_t i = 1; i < x->n_keys; i++) {
        const struct token_key *a = &x->keys[i - 1], *b = &x->keys[i];
        if (compare_keys(a, b) != 0) continue;
        twins[0] = a->id < b->id ? a : b;
        twins[1] = a->id < b->id ? b : a;
        return true;
    }
    return false;
}

const struct token_key *token_index_find(const struct token_index *x, const uint8_t *bytes, size_t n)
{
    if (n > UINT32_MAX || x->n_keys == 0) return NULL;
    const struct token_key wanted = { .hash = ingot_hash64(bytes, n), .at = bytes, .n = (uint32_t)n };
    const uint32_t bucket = bucket_of(x, wanted.hash), begin = begin_of(x, bucket);
    return bsearch(&wanted, x->keys + begin, x->ends[bucket] - begin, sizeof wanted, compare_keys);
}

void token_index_free(struct token_index *x)
{
    free(x->keys);
    free(x->ends);
    *x = (struct token_index){ 0 };
}

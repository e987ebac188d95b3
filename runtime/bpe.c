/*
 * bpe.c - the loop of openai/gpt-2, src/encoder.py, bpe(), in two shapes.
 *
 * GPT-2 works in rounds: find the pair of neighbours with the lowest rank, merge all its occurrences from left to
 * right, look again. A pair that a merge brings about waits for the next round, even if its rank is lower. For short
 * pieces a scan over the ranks is fastest. For long ones it would be quadratic, so positions form a list and a heap
 * finds the next round; each merge removes a position and adds at most two entries, which makes O(n log n).
 */
#include "runtime/bpe.h"

#include "format/bytes.h"
#include "format/disk.h"

#include <stdlib.h>

#define NO_RANK UINT32_MAX
#define NOWHERE UINT32_MAX

/* What two neighbours merge into; rank NO_RANK: they do not. */
struct pair {
    uint32_t rank, merged;
};

static inline uint32_t byte_id(const struct bpe *b, struct bpe_scratch *s, uint8_t byte)
{
    uint32_t id = get_u32(b->byte_ids + 4 * (size_t)byte);
    if (id >= b->n_tokens) s->damaged = true;
    return id;
}

static struct pair find_pair(const struct bpe *b, struct bpe_scratch *s, uint32_t left, uint32_t right)
{
    uint32_t at = (uint32_t)((left * VOCAB_HASH_LEFT + right * VOCAB_HASH_RIGHT) >> 32);
    for (uint32_t probe = 0; probe < VOCAB_MAX_PROBES; probe++, at++) {
        const uint8_t *slot = b->slots + (uint64_t)VOCAB_SLOT_BYTES * (at & (b->n_slots - 1));
        s->n_probes++;
        if (get_u32(slot) == left && get_u32(slot + 4) == right) {
            struct pair found = { get_u32(slot + 8), get_u32(slot + 12) };
            if (found.merged >= b->n_tokens) s->damaged = true;
            return found;
        }
        if (get_u32(slot) == VOCAB_NO_TOKEN) break;
    }
    return (struct pair){ NO_RANK, 0 };
}

/* --------------------------------------------------------------------------------------------------------- short */

static uint32_t lowest_rank(const struct pair *pairs, size_t n)
{
    uint32_t lowest = NO_RANK;
    for (size_t i = 0; i < n; i++) lowest = pairs[i].rank < lowest ? pairs[i].rank : lowest;
    return lowest;
}

/* Merges every pair of this rank, left to right; pairs[i] is that of ids[i] and ids[i + 1], the last has none. Pairs
 * that changed are looked up as soon as both their ids are known, and land where this round no longer looks. */
static size_t merge_round(const struct bpe *b, struct bpe_scratch *s, uint32_t rank, uint32_t *ids, struct pair *pairs,
                          size_t n)
{
    size_t out = 0;
    bool changed = false; /* the token before, or this one, is new: their pair has to be looked up */
    for (size_t i = 0; i < n; out++) {
        bool merges = i + 1 < n && pairs[i].rank == rank;
        uint32_t id = merges ? pairs[i].merged : ids[i];
        if (out > 0 && (changed || merges)) pairs[out - 1] = find_pair(b, s, ids[out - 1], id);
        ids[out] = id;
        changed = merges;
        i += merges ? 2 : 1;
        pairs[out] = i < n ? pairs[i - 1] : (struct pair){ NO_RANK, 0 };
    }
    return out;
}

size_t bpe_encode_short(const struct bpe *bpe, struct bpe_scratch *scratch, const uint8_t *piece, size_t n,
                        uint32_t *ids)
{
    struct pair pairs[BPE_SHORT];
    for (size_t i = 0; i < n; i++) ids[i] = byte_id(bpe, scratch, piece[i]);
    for (size_t i = 0; i + 1 < n; i++) pairs[i] = find_pair(bpe, scratch, ids[i], ids[i + 1]);
    pairs[n - 1] = (struct pair){ NO_RANK, 0 };
    for (;;) {
        uint32_t rank = lowest_rank(pairs, n);
        if (rank == NO_RANK) return n;
        n = merge_round(bpe, scratch, rank, ids, pairs, n);
    }
}

/* ---------------------------------------------------------------------------------------------------------- long */

static void heap_push(struct bpe_scratch *s, uint64_t entry)
{
    size_t i = s->n_heap++;
    for (; i > 0 && s->heap[(i - 1) / 2] > entry; i = (i - 1) / 2) {
        s->heap[i] = s->heap[(i - 1) / 2];
        s->n_moves++;
    }
    s->heap[i] = entry;
}

static uint64_t heap_pop(struct bpe_scratch *s)
{
    uint64_t top = s->heap[0], entry = s->heap[--s->n_heap];
    size_t i = 0;
    for (size_t child = 1; child < s->n_heap; child = 2 * i + 1) {
        if (child + 1 < s->n_heap && s->heap[child + 1] < s->heap[child]) child++;
        if (s->heap[child] >= entry) break;
        s->heap[i] = s->heap[child];
        i = child;
        s->n_moves++;
    }
    s->heap[i] = entry;
    return top;
}

/* Looks up the pair that begins at `at` and lets it wait for its round. */
static void rank_link(const struct bpe *b, struct bpe_scratch *s, uint32_t at)
{
    struct bpe_link *link = &s->links[at];
    if (link->next == NOWHERE) return;
    struct pair pair = find_pair(b, s, link->id, s->links[link->next].id);
    link->rank = pair.rank;
    link->merged = pair.merged;
    if (pair.rank != NO_RANK) heap_push(s, (uint64_t)pair.rank << 32 | at);
}

/* A position whose pair changed takes no further part in this round. Of two merges side by side the right one finds its
 * left neighbour waiting already. */
static void postpone(struct bpe_scratch *s, uint32_t at)
{
    s->links[at].rank = NO_RANK;
    if (s->n_pending == 0 || s->pending[s->n_pending - 1] != at) s->pending[s->n_pending++] = at;
}

static void merge_link(struct bpe_scratch *s, uint32_t at)
{
    struct bpe_link *link = &s->links[at], *right = &s->links[link->next];
    link->id = link->merged;
    link->next = right->next;
    right->rank = NO_RANK;
    if (link->next != NOWHERE) s->links[link->next].prev = at;
    if (link->prev != NOWHERE) postpone(s, link->prev);
    postpone(s, at);
}

/* n links, an entry for each plus one more for each merge, two positions that wait for each merge of a round. */
static bool reserve_long(struct bpe_scratch *s, size_t n)
{
    if (n <= s->cap) return true;
    bpe_scratch_free(s);
    s->links = calloc(n, sizeof *s->links);
    s->heap = calloc(n, 2 * sizeof *s->heap);
    s->pending = calloc(n, sizeof *s->pending);
    s->cap = s->links && s->heap && s->pending ? n : 0;
    return s->cap > 0;
}

static void begin_long(const struct bpe *b, struct bpe_scratch *s, const uint8_t *piece, uint32_t n)
{
    s->n_heap = 0;
    for (uint32_t i = 0; i < n; i++)
        s->links[i] = (struct bpe_link){ .id = byte_id(b, s, piece[i]),
                                         .prev = i > 0 ? i - 1 : NOWHERE,
                                         .next = i + 1 < n ? i + 1 : NOWHERE,
                                         .rank = NO_RANK };
    for (uint32_t i = 0; i < n; i++) rank_link(b, s, i);
}

size_t bpe_encode_long(const struct bpe *bpe, struct bpe_scratch *scratch, const uint8_t *piece, size_t n,
                       uint32_t *ids)
{
    struct bpe_scratch *s = scratch;
    if (!reserve_long(s, n)) return 0;
    begin_long(bpe, s, piece, (uint32_t)n);
    while (s->n_heap > 0) {
        uint32_t rank = (uint32_t)(s->heap[0] >> 32);
        s->n_pending = 0;
        while (s->n_heap > 0 && s->heap[0] >> 32 == rank) {
            uint32_t at = (uint32_t)heap_pop(s);
            if (s->links[at].rank == rank) merge_link(s, at);
        }
        for (size_t i = 0; i < s->n_pending; i++) rank_link(bpe, s, s->pending[i]);
    }
    size_t out = 0;
    for (uint32_t at = 0; at != NOWHERE; at = s->links[at].next) ids[out++] = s->links[at].id;
    return out;
}

size_t bpe_encode(const struct bpe *bpe, struct bpe_scratch *scratch, const uint8_t *piece, size_t n, uint32_t *ids)
{
    return n <= BPE_SHORT ? bpe_encode_short(bpe, scratch, piece, n, ids)
                          : bpe_encode_long(bpe, scratch, piece, n, ids);
}

void bpe_scratch_free(struct bpe_scratch *scratch)
{
    free(scratch->links);
    free(scratch->heap);
    free(scratch->pending);
    scratch->links = NULL;
    scratch->heap = NULL;
    scratch->pending = NULL;
    scratch->cap = 0;
}

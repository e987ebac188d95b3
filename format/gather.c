/* gather.c - the ends of pieces wait in blocks until their neighbours come. */
#include "format/gather.h"

#include "format/error.h"
#include "format/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES MAP_LARGE_PAGE

struct block {
    struct block *next;
    uint64_t off;    /* in the file: a multiple of BLOCK_BYTES */
    uint64_t filled; /* bytes that have come */
    uint8_t *bytes;  /* owned: BLOCK_BYTES, or as many as a smaller file has */
};

struct gather {
    const struct output *output;
    uint64_t file_bytes;
    pthread_mutex_t lock; /* of the lists and of every `filled`; bytes are copied without it */
    struct block *open;   /* a few: those at the ends of what is being put at the moment, and the head of the file */
    struct block *spare;
};

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static struct block *allocate_block(uint64_t file_bytes)
{
    struct block *b = calloc(1, sizeof *b);
    if (!b) return NULL;
    b->bytes = file_bytes < BLOCK_BYTES ? malloc(file_bytes) : aligned_alloc(BLOCK_BYTES, BLOCK_BYTES);
    if (!b->bytes) {
        free(b);
        return NULL;
    }
    map_large_pages(b->bytes, least(BLOCK_BYTES, file_bytes));
    return b;
}

/* The open block at `off`, opened now if need be. The lock is held. */
static struct block *find_block(struct gather *g, uint64_t off)
{
    for (struct block *b = g->open; b; b = b->next)
        if (b->off == off) return b;
    struct block *b = g->spare;
    if (b)
        g->spare = b->next;
    else
        b = allocate_block(g->file_bytes);
    if (!b) return NULL;
    b->off = off;
    b->filled = 0;
    b->next = g->open;
    g->open = b;
    return b;
}

static void unlink_block(struct gather *g, const struct block *b)
{
    struct block **at = &g->open;
    while (*at != b) at = &(*at)->next;
    *at = b->next;
}

/* Whoever brings the last byte of a block takes it out, writes it, and puts it aside for another. */
static enum ingot_status finish_block(struct gather *g, struct block *b, struct ingot_error *err)
{
    enum ingot_status status =
        output_write(g->output, b->bytes, least(BLOCK_BYTES, g->file_bytes - b->off), b->off, err);
    pthread_mutex_lock(&g->lock);
    b->next = g->spare;
    g->spare = b;
    pthread_mutex_unlock(&g->lock);
    return status;
}

/* A piece of one block. */
static enum ingot_status put_part(struct gather *g, const uint8_t *bytes, uint64_t n, uint64_t off,
                                  struct ingot_error *err)
{
    pthread_mutex_lock(&g->lock);
    struct block *b = find_block(g, off & ~(BLOCK_BYTES - 1));
    pthread_mutex_unlock(&g->lock);
    if (!b)
        return ingot_fail(err, INGOT_E_MEMORY, INGOT_NO_OFFSET, g->output->path, NULL, "no memory to write the file");
    if (bytes)
        memcpy(b->bytes + (off - b->off), bytes, n);
    else
        memset(b->bytes + (off - b->off), 0, n);
    pthread_mutex_lock(&g->lock);
    b->filled += n;
    const bool full = b->filled == least(BLOCK_BYTES, g->file_bytes - b->off);
    if (full) unlink_block(g, b);
    pthread_mutex_unlock(&g->lock);
    return full ? finish_block(g, b, err) : INGOT_OK;
}

struct gather *gather_create(const struct output *output, uint64_t file_bytes)
{
    struct gather *g = calloc(1, sizeof *g);
    if (!g) return NULL;
    g->output = output;
    g->file_bytes = file_bytes;
    pthread_mutex_init(&g->lock, NULL);
    return g;
}

enum ingot_status gather_put(struct gather *gather, const void *bytes, uint64_t n, uint64_t off,
                             struct ingot_error *err)
{
    const uint8_t *p = bytes;
    enum ingot_status status = INGOT_OK;
    while (n > 0 && status == INGOT_OK) {
        const uint64_t into = off & (BLOCK_BYTES - 1);
        const bool whole = p && into == 0 && n >= BLOCK_BYTES;
        const uint64_t part = whole ? n & ~(BLOCK_BYTES - 1) : least(n, BLOCK_BYTES - into);
        status = whole ? output_write(gather->output, p, part, off, err) : put_part(gather, p, part, off, err);
        if (p) p += part;
        off += part;
        n -= part;
    }
    return status;
}

static void free_blocks(struct block *list)
{
    while (list) {
        struct block *b = list;
        list = b->next;
        free(b->bytes);
        free(b);
    }
}

void gather_free(struct gather *gather)
{
    if (!gather) return;
    free_blocks(gather->open);
    free_blocks(gather->spare);
    pthread_mutex_destroy(&gather->lock);
    free(gather);
}

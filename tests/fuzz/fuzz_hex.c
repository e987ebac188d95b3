/* fuzz_hex.c - a hostile .ingot file, dumped: in brief, in full, by range, by name. Nothing is asked of it first. */
#include "inspect/anatomy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct sum {
    const uint8_t *data;
    size_t n;
    unsigned total;
};

static void take_heading(void *ctx, const char *part)
{
    struct sum *s = ctx;
    s->total += (unsigned char)*part;
}

/* What a line says to be there must be; a sanitizer sees the rest. */
static void take_line(void *ctx, const struct anatomy_line *line)
{
    struct sum *s = ctx;
    if (line->n_here > line->n_bytes || (line->n_here < line->n_bytes && !line->fault)) abort();
    if (line->n_here && (line->off > s->n || line->n_here > s->n - line->off)) abort();
    for (uint64_t i = 0; i < line->n_here; i++) s->total += line->bytes[i];
    s->total += (unsigned char)*line->name + (unsigned char)*line->value;
}

static void take_name(void *ctx, const char *name)
{
    take_heading(ctx, name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct sum sum = { .data = data, .n = n };
    struct anatomy_options how = { .to = UINT64_MAX, .heading = take_heading, .line = take_line, .ctx = &sum };
    if (n == 0) return 0;
    anatomy_walk(data, n, &how);
    how.full = true;
    anatomy_walk(data, n, &how);
    how.from = data[0] * 64u;
    how.to = how.from + data[n - 1];
    anatomy_walk(data, n, &how);
    uint64_t from, to;
    if (anatomy_find(data, n, "@model", &from, &to, take_name, &sum) && (from > to || to > n)) abort();
    return 0;
}

/* stream.c - a token may end inside a character: the rest is held back until the next token brings it. */
#include "inspect/cli/stream.h"

#include "format/error.h"
#include "inspect/cli/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes that the UTF-8 sequence beginning with c should have; 1 for what begins none. */
static size_t sequence_bytes(unsigned char c)
{
    return c >= 0xF0 && c < 0xF5 ? 4 : c >= 0xE0 && c < 0xF0 ? 3 : c >= 0xC2 && c < 0xE0 ? 2 : 1;
}

/* Length of the unfinished sequence at the end of bytes[0 .. n). */
static size_t unfinished(const char *bytes, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = (unsigned char)bytes[n - back];
        if ((c & 0xC0) == 0x80) continue;
        return sequence_bytes(c) > back ? back : 0;
    }
    return 0;
}

static void write_escaped(const char *bytes, size_t n)
{
    char *shown = memory_array(4 * n + 8, 1);
    for (size_t i = 0; i < n;) {
        size_t span = i;
        while (span < n && bytes[span] != '\n' && bytes[span] != '\t') span++;
        fputs(ingot_escape(bytes + i, span - i, shown, 4 * n + 8), stdout);
        if (span < n) putchar(bytes[span]);
        i = span + 1;
    }
    free(shown);
}

static void write_out(struct stream *s, const char *bytes, size_t n)
{
    if (n == 0) return;
    if (s->escape)
        write_escaped(bytes, n);
    else
        fwrite(bytes, 1, n, stdout);
    s->in_line = bytes[n - 1] != '\n';
}

/* Completes the pending sequence from the front of bytes, so that the rest can be written without a copy. */
static size_t finish_pending(struct stream *s, const char *bytes, size_t n)
{
    size_t taken = 0, wanted = sequence_bytes((unsigned char)s->pending[0]);
    while (taken < n && s->n_pending < wanted && ((unsigned char)bytes[taken] & 0xC0) == 0x80)
        s->pending[s->n_pending++] = bytes[taken++];
    if (s->n_pending < wanted && taken == n) return taken;
    write_out(s, s->pending, s->n_pending);
    s->n_pending = 0;
    return taken;
}

void stream_put(struct stream *s, const char *bytes, size_t n)
{
    if (s->n_pending > 0) {
        size_t taken = finish_pending(s, bytes, n);
        bytes += taken;
        n -= taken;
        if (s->n_pending > 0) return;
    }
    size_t held = unfinished(bytes, n);
    write_out(s, bytes, n - held);
    memcpy(s->pending, bytes + n - held, held);
    s->n_pending = held;
}

void stream_end(struct stream *s)
{
    write_out(s, s->pending, s->n_pending);
    s->n_pending = 0;
}

/* stream.h - text that is made bit by bit goes to stdout in whole characters. */
#ifndef INGOT_CLI_STREAM_H
#define INGOT_CLI_STREAM_H

#include <stdbool.h>
#include <stddef.h>

/* Zero-initialise, then set `escape`. */
struct stream {
    char pending[4]; /* the beginning of a UTF-8 sequence whose end is still to come */
    size_t n_pending;
    bool escape;  /* a terminal: control characters are shown as \xNN, but for newline and tab */
    bool in_line; /* the last byte was not a newline */
};

/* Writes bytes[0 .. n) but for an unfinished UTF-8 sequence at the end. Bytes that can never become valid pass. */
void stream_put(struct stream *s, const char *bytes, size_t n);

/* Writes what is left. */
void stream_end(struct stream *s);

#endif

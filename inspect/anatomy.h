/*
 * anatomy.h - an .ingot file, field by field, as it is: sound or damaged, whole or cut.
 *
 * ingot_open() refuses what is wrong; this shows it. It reads through a bounded view, believes nothing, and goes on
 * after every fault as long as the file says where to. What it finds wrong is what fields say by themselves and against
 * one another; whether the bytes of sections are right, is for ingot_verify().
 */
#ifndef INGOT_ANATOMY_H
#define INGOT_ANATOMY_H

#include "inspect/values.h"

/* One field, or a run of bytes. All pointers are borrowed for the call; texts are escaped. */
struct anatomy_line {
    uint64_t off, n_bytes; /* all of it lies in the file, unless it is cut off, which is a fault */
    const uint8_t *bytes;  /* n_here of them */
    uint64_t n_here;
    const char *name;  /* "" in a run of bytes */
    const char *value; /* may be "" */
    const char *fault; /* NULL: it is as it must be */
};

struct anatomy_options {
    uint64_t from, to; /* only lines that hold a byte in [from, to) */
    bool full;         /* all the bytes of sections; else one line for each */
    void (*heading)(void *ctx, const char *part);
    void (*line)(void *ctx, const struct anatomy_line *line);
    void *ctx;
};

/* Tells everything in order of offset; of one part, in order of its fields. Returns the number of faulty lines told. */
uint64_t anatomy_walk(const uint8_t *bytes, uint64_t n, const struct anatomy_options *options);

/* Any range of any bytes: lines of 16, where `scalar` is not NONE with the elements' values, else with their
 * characters. Lines that are all zero are told as one. */
void anatomy_bytes(const uint8_t *bytes, uint64_t off, uint64_t n, enum ingot_scalar scalar,
                   const struct anatomy_options *options);

/* The bytes of a section, as far as they are in the file; also of "superblock" and "index". False when there is none of
 * that name, spelled as it is or escaped; then `offer`, when not NULL, was called with every name there is. */
bool anatomy_find(const uint8_t *bytes, uint64_t n, const char *name, uint64_t *from, uint64_t *to,
                  void (*offer)(void *ctx, const char *name), void *ctx);

#endif

/*
 * bench_xxh3.c - what inspecting is held against: a process that does nothing but map a file and hash its pages, and
 * how fast those pages can be read at all.
 *
 *   bench_xxh3 hash FILE THREADS     XXH3-64 of every MiB, each by the next free thread; prints nothing but their sum
 *   bench_xxh3 read FILE THREADS     GB/s of reading the mapped file, all of which is in memory and mapped
 */
#include "format/digest.h"
#include "format/map.h"
#include "format/parallel.h"
#include "tests/bench/limits.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK ((uint64_t)1 << 20)

struct hashing {
    struct file_map map;
    atomic_uint_fast64_t sum;
};

/* A parallel_job_fn. */
static enum ingot_status hash_chunk(void *ctx, uint64_t job, uint32_t worker, struct ingot_error *err)
{
    struct hashing *h = ctx;
    const uint64_t at = job * CHUNK, left = h->map.size - at;
    (void)worker;
    (void)err;
    atomic_fetch_xor(&h->sum, ingot_hash64(h->map.bytes + at, left < CHUNK ? left : CHUNK));
    return INGOT_OK;
}

static void hash(struct hashing *h, uint32_t n_threads)
{
    parallel_for((h->map.size + CHUNK - 1) / CHUNK, n_threads, hash_chunk, h, NULL);
    printf("%016llx\n", (unsigned long long)h->sum);
}

/* The best of some passes: the first one maps. */
static void read_all(const struct hashing *h, uint32_t n_threads)
{
    printf("%.1f\n", limits_reading(h->map.bytes, h->map.size, n_threads < MAX_THREADS ? n_threads : MAX_THREADS));
}

int main(int argc, char **argv)
{
    struct hashing h = { 0 };
    struct ingot_error err = { 0 };
    if (argc != 4) bench_die("usage: bench_xxh3 hash|read FILE THREADS");
    if (map_open(argv[2], INGOT_OPEN_MAP, &h.map, &err) != INGOT_OK) bench_die(err.message);
    if (strcmp(argv[1], "hash") == 0)
        hash(&h, (uint32_t)strtoul(argv[3], NULL, 10));
    else
        read_all(&h, (uint32_t)strtoul(argv[3], NULL, 10));
    map_close(&h.map);
    return 0;
}

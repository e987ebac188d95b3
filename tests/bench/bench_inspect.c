/*
 * bench_inspect.c - what inspecting is held against: a process that does nothing but map a file and hash its pages, or
 * read them, and how fast those pages can be read at all.
 *
 *   bench_inspect hash FILE THREADS     XXH3-64 of every MiB, each by the next free thread; prints nothing but their
 * sum bench_inspect once FILE THREADS     reads them instead, with nothing done to what is read bench_inspect read FILE
 * THREADS     GB/s of reading the mapped file, all of which is in memory and mapped bench_inspect verify FILE THREADS
 * the time of that hash by the time that ingot_verify() takes over the same mapped pages, in turns: the median of them,
 * in per cent bench_inspect stats FILE THREADS    the same of reading once, by the time of all statistics
 */
#include "format/digest.h"
#include "format/file.h"
#include "format/map.h"
#include "format/parallel.h"
#include "inspect/choose.h"
#include "inspect/files.h"
#include "inspect/stats.h"
#include "runtime/kernels/peak.h"
#include "tests/bench/limits.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK ((uint64_t)1 << 20)
#define TURNS 9

/* Of bytes, some number that needs all of them. */
typedef uint64_t look_fn(const void *bytes, size_t n);

struct looking {
    struct file_map map;
    look_fn *look;
    atomic_uint_fast64_t sum;
};

static uint64_t hash_of(const void *bytes, size_t n)
{
    return ingot_hash64(bytes, n);
}

/* A parallel_job_fn. */
static enum ingot_status look_at_chunk(void *ctx, uint64_t job, uint32_t worker, struct ingot_error *err)
{
    struct looking *h = ctx;
    const uint64_t at = job * CHUNK, left = h->map.size - at;
    (void)worker;
    (void)err;
    atomic_fetch_xor(&h->sum, h->look(h->map.bytes + at, left < CHUNK ? left : CHUNK));
    return INGOT_OK;
}

static void look(struct looking *h, uint32_t n_threads)
{
    parallel_for((h->map.size + CHUNK - 1) / CHUNK, n_threads, look_at_chunk, h, NULL);
}

/* Seconds of a pass, and of what is held against it. */
struct turn {
    double pass, other;
};

/* The first turn does not count. */
static void print_share(struct turn (*take_turn)(void *ctx), void *ctx)
{
    double share[TURNS];
    take_turn(ctx);
    for (size_t i = 0; i < TURNS; i++) {
        const struct turn turn = take_turn(ctx);
        share[i] = 100 * turn.pass / turn.other;
    }
    bench_sort(share, TURNS);
    printf("%.0f\n", share[TURNS / 2]);
}

struct subject {
    struct looking looking;
    uint32_t n_threads;
    struct ingot_file *file; /* to be verified */
    struct checkpoint cp;    /* of which statistics are made */
    struct choice all;
};

static struct turn verify_turn(void *ctx)
{
    struct subject *s = ctx;
    struct ingot_error err = { 0 };
    const struct ingot_verify_options options = { .n_threads = s->n_threads };
    const double begin = bench_now();
    look(&s->looking, s->n_threads);
    const double between = bench_now();
    if (ingot_verify(s->file, &options, NULL, &err) != INGOT_OK) bench_die(err.message);
    return (struct turn){ between - begin, bench_now() - between };
}

static void verify_in_turns(const char *path, uint32_t n_threads)
{
    struct subject s = { .n_threads = n_threads };
    struct ingot_error err = { 0 };
    if (ingot_open(path, INGOT_OPEN_MAP, &s.file, &err) != INGOT_OK) bench_die(err.message);
    s.looking = (struct looking){ .map = s.file->map, .look = hash_of };
    print_share(verify_turn, &s);
    ingot_close(s.file);
}

/* Statistics let go of pages, so there is a pass first that maps them. */
static struct turn stats_turn(void *ctx)
{
    struct subject *s = ctx;
    struct stats_figures total;
    struct ingot_error err = { 0 };
    const struct stats_options options = { .n_threads = s->n_threads };
    look(&s->looking, s->n_threads);
    const double begin = bench_now();
    look(&s->looking, s->n_threads);
    const double between = bench_now();
    if (stats_run(&s->cp, s->all.list, s->all.n, &options, &total, &err) != INGOT_OK) bench_die(err.message);
    return (struct turn){ between - begin, bench_now() - between };
}

static void stats_in_turns(const char *path, uint32_t n_threads)
{
    struct subject s = { .n_threads = n_threads };
    struct ingot_error err = { 0 };
    if (checkpoint_open(path, &s.cp, &err) != INGOT_OK) bench_die(err.message);
    if (choose_tensors(&s.cp, NULL, 0, &s.all, &err) != INGOT_OK) bench_die(err.message);
    s.looking = (struct looking){ .map = *checkpoint_file_at(&s.cp, 0).map, .look = peak_read };
    print_share(stats_turn, &s);
    free(s.all.list);
    checkpoint_close(&s.cp);
}

/* The best of some passes: the first one maps. */
static void read_all(const struct looking *h, uint32_t n_threads)
{
    printf("%.1f\n", limits_reading(h->map.bytes, h->map.size, n_threads < MAX_THREADS ? n_threads : MAX_THREADS));
}

int main(int argc, char **argv)
{
    struct looking h = { .look = hash_of };
    struct ingot_error err = { 0 };
    if (argc != 4) bench_die("usage: bench_inspect hash|once|read|verify|stats FILE THREADS");
    const uint32_t n_threads = (uint32_t)strtoul(argv[3], NULL, 10);
    if (strcmp(argv[1], "verify") == 0) {
        verify_in_turns(argv[2], n_threads);
        return 0;
    }
    if (strcmp(argv[1], "stats") == 0) {
        stats_in_turns(argv[2], n_threads);
        return 0;
    }
    if (map_open(argv[2], INGOT_OPEN_MAP, &h.map, &err) != INGOT_OK) bench_die(err.message);
    if (strcmp(argv[1], "read") == 0) {
        read_all(&h, n_threads);
    } else {
        if (strcmp(argv[1], "once") == 0) h.look = peak_read;
        look(&h, n_threads);
        printf("%016llx\n", (unsigned long long)h.sum);
    }
    map_close(&h.map);
    return 0;
}

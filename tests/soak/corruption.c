/*
 * corruption.c - damages an .ingot file at every place, one at a time, in memory, and asks whether that is seen.
 *
 *   corruption [--stride N] [FILE]     FILE: the demonstration model of the build directory
 *
 * Every byte of the superblocks and the index takes four other values, and every N-th byte after them one (N is a prime
 * near 1000 unless given; make soak uses 1). Each must be refused by ingot_open() or found by ingot_verify(), with a
 * status that blames the file. Likewise the file is cut short at every length up to the end of the index and at every
 * N-th beyond, and has bytes appended. Output: TAP. Built with AddressSanitizer this also shows that nothing reads
 * beyond the bytes there are: a cut file stands in a block of exactly its size.
 */
#include "format/ingot_format.h"
#include "format/parallel.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_STRIDE = 997, POSITIONS_PER_JOB = 64, SHOWN = 10 };

struct task {
    const char *name;
    const uint8_t *bytes; /* the good file */
    uint64_t n_bytes;
    uint64_t first, end, stride;                                      /* the positions to damage */
    bool (*seen)(uint8_t *copy, uint64_t n_bytes, uint64_t position); /* leaves copy as it was */
    uint8_t *copies[256];                                             /* one per worker */
    atomic_ulong n_tried, n_missed;
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "corruption: %s\n", what);
    exit(1);
}

static uint8_t *allocate(uint64_t n)
{
    void *p = NULL;
    if (posix_memalign(&p, 64, n ? n : 1)) die("out of memory");
    return p;
}

static bool blames_the_file(enum ingot_status status)
{
    return status >= 100 && status < 300;
}

/* Whether opening or verifying these bytes finds fault with them. */
static bool is_refused(const uint8_t *bytes, uint64_t n_bytes)
{
    struct ingot_file *file;
    enum ingot_status status = ingot_open_memory(bytes, n_bytes, "damaged", &file, NULL);
    if (status == INGOT_OK) status = ingot_verify(file, &(struct ingot_verify_options){ .n_threads = 1 }, NULL, NULL);
    ingot_close(file);
    return blames_the_file(status);
}

/* ---------------------------------------------------------------------------------------------------- damages */

static bool sees_change(uint8_t *copy, uint64_t n_bytes, uint64_t position, uint8_t flip)
{
    copy[position] ^= flip;
    bool refused = is_refused(copy, n_bytes);
    copy[position] ^= flip;
    return refused;
}

/* One of the 255 other values, a different one from byte to byte. */
static bool sees_one_change(uint8_t *copy, uint64_t n_bytes, uint64_t position)
{
    return sees_change(copy, n_bytes, position, (uint8_t)(1 + position * 37 % 255));
}

static bool sees_four_changes(uint8_t *copy, uint64_t n_bytes, uint64_t position)
{
    return sees_change(copy, n_bytes, position, 0x01) && sees_change(copy, n_bytes, position, 0x80) &&
           sees_change(copy, n_bytes, position, 0xff) && sees_one_change(copy, n_bytes, position);
}

/* Cut files are refused by opening alone, as truncated. */
static bool sees_cut(uint8_t *copy, uint64_t n_bytes, uint64_t length)
{
    (void)n_bytes;
    struct ingot_file *file;
    uint8_t *cut = allocate(length);
    memcpy(cut, copy, length);
    enum ingot_status status = ingot_open_memory(cut, length, "cut", &file, NULL);
    ingot_close(file);
    free(cut);
    return status == INGOT_E_TRUNCATED;
}

static bool sees_tail(uint8_t *copy, uint64_t n_bytes, uint64_t n_more)
{
    uint8_t *longer = allocate(n_bytes + n_more);
    memcpy(longer, copy, n_bytes);
    memset(longer + n_bytes, 0, n_more);
    bool refused = is_refused(longer, n_bytes + n_more);
    free(longer);
    return refused;
}

/* ------------------------------------------------------------------------------------------------------ running */

static enum ingot_status damage_some(void *ctx, uint64_t job, uint32_t worker, struct ingot_error *err)
{
    (void)err;
    struct task *t = ctx;
    uint64_t position = t->first + job * POSITIONS_PER_JOB * t->stride;
    for (int i = 0; i < POSITIONS_PER_JOB && position < t->end; i++, position += t->stride) {
        atomic_fetch_add(&t->n_tried, 1);
        if (t->seen(t->copies[worker], t->n_bytes, position)) continue;
        if (atomic_fetch_add(&t->n_missed, 1) < SHOWN) printf("# %s: not seen at %" PRIu64 "\n", t->name, position);
    }
    return INGOT_OK;
}

static void run_task(struct task *t, int number)
{
    uint32_t n_threads = parallel_threads(0);
    uint64_t n_positions = t->end > t->first ? (t->end - t->first + t->stride - 1) / t->stride : 0;
    for (uint32_t i = 0; i < n_threads; i++) {
        t->copies[i] = allocate(t->n_bytes);
        memcpy(t->copies[i], t->bytes, t->n_bytes);
    }
    parallel_for((n_positions + POSITIONS_PER_JOB - 1) / POSITIONS_PER_JOB, n_threads, damage_some, t, NULL);
    for (uint32_t i = 0; i < n_threads; i++) free(t->copies[i]);
    unsigned long tried = atomic_load(&t->n_tried), missed = atomic_load(&t->n_missed);
    printf("%s %d - %s: %lu tried, %lu missed\n", missed || tried != n_positions ? "not ok" : "ok", number, t->name,
           tried, missed);
    fflush(stdout);
}

static uint8_t *read_whole(const char *path, uint64_t *n_bytes)
{
    FILE *in = fopen(path, "rb");
    if (!in || fseek(in, 0, SEEK_END)) die(path);
    long n = ftell(in);
    if (n < 0) die(path);
    uint8_t *bytes = allocate((uint64_t)n);
    rewind(in);
    if (fread(bytes, 1, (size_t)n, in) != (size_t)n) die(path);
    fclose(in);
    *n_bytes = (uint64_t)n;
    return bytes;
}

static uint64_t index_end(const uint8_t *bytes, uint64_t n_bytes)
{
    struct ingot_file *file;
    struct ingot_file_info info;
    if (ingot_open_memory(bytes, n_bytes, "good", &file, NULL)) die("the file is not good to begin with");
    ingot_file_get_info(file, &info);
    if (ingot_verify(file, NULL, NULL, NULL)) die("the file is not good to begin with");
    ingot_close(file);
    return info.index_off + info.index_bytes;
}

static void run_tasks(const uint8_t *bytes, uint64_t n, uint64_t stride)
{
    uint64_t head = index_end(bytes, n);
    struct task tasks[] = {
        { .name = "changed bytes of superblocks and index", .end = head, .stride = 1, .seen = sees_four_changes },
        { .name = "changed bytes of sections", .first = head, .end = n, .stride = stride, .seen = sees_one_change },
        { .name = "cuts up to the end of the index", .end = head + 1, .stride = 1, .seen = sees_cut },
        { .name = "cuts inside the sections", .first = head + 1, .end = n, .stride = 16 * stride, .seen = sees_cut },
        { .name = "appended zeros", .first = 1, .end = 4200, .stride = 129, .seen = sees_tail },
    };
    int n_tasks = sizeof tasks / sizeof *tasks;
    printf("1..%d\n", n_tasks);
    for (int i = 0; i < n_tasks; i++) {
        tasks[i].bytes = bytes;
        tasks[i].n_bytes = n;
        run_task(&tasks[i], i + 1);
    }
}

int main(int argc, char **argv)
{
    char path[4096];
    const char *build = getenv("INGOT_BUILD");
    uint64_t stride = DEFAULT_STRIDE, n_bytes;
    int i = 1;
    if (i + 1 < argc && !strcmp(argv[i], "--stride")) {
        stride = strtoull(argv[i + 1], NULL, 10);
        i += 2;
    }
    if (stride == 0) die("a stride of at least 1 is needed");
    snprintf(path, sizeof path, "%s/demo.ingot", build ? build : "build");
    uint8_t *bytes = read_whole(i < argc ? argv[i] : path, &n_bytes);
    run_tasks(bytes, n_bytes, stride);
    free(bytes);
    return 0;
}

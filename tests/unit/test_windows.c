/* test_windows.c - in whatever pieces a file is written, and by whom: its bytes are theirs, and the rest zeros. */
#include "format/windows.h"

#include "format/map.h"
#include "format/parallel.h"
#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define N_BYTES   ((uint64_t)4 * MAP_LARGE_PAGE + 12345) /* the last window is not whole */
#define N_PIECES  60u
#define GAP_EVERY 7u /* so often a piece is left out */

struct file {
    FILE *stream;
    int fd;
    struct windows *windows;
    uint8_t *wanted;             /* [N_BYTES] */
    uint64_t ends[N_PIECES + 1]; /* of the pieces, the first of which begins at ends[0] */
    uint32_t order[N_PIECES];
};

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void plan_pieces(struct file *f, uint64_t seed)
{
    for (uint32_t i = 1; i < N_PIECES; i++) f->ends[i] = random_below(&seed, N_BYTES);
    f->ends[1] = MAP_LARGE_PAGE; /* some begin and end where windows do */
    f->ends[2] = 3 * MAP_LARGE_PAGE;
    f->ends[N_PIECES] = N_BYTES;
    qsort(f->ends, N_PIECES + 1, sizeof *f->ends, compare);
    for (uint32_t i = 0; i < N_PIECES; i++) f->order[i] = i;
    for (uint32_t i = 0; i < N_PIECES; i++) {
        const size_t other = random_below(&seed, N_PIECES);
        const uint32_t kept = f->order[i];
        f->order[i] = f->order[other];
        f->order[other] = kept;
    }
    for (uint32_t i = 0; i < N_PIECES; i++)
        for (uint64_t at = f->ends[i]; at < f->ends[i + 1]; at++)
            f->wanted[at] = i % GAP_EVERY ? (uint8_t)(at % 251 + 1) : 0;
}

/* The parallel_job_fn. */
static enum ingot_status write_piece(void *ctx, uint64_t job, uint32_t worker, struct ingot_error *err)
{
    const struct file *f = ctx;
    const uint32_t piece = f->order[job];
    (void)worker;
    (void)err;
    for (uint64_t at = f->ends[piece]; piece % GAP_EVERY && at < f->ends[piece + 1];) {
        const ssize_t n = windows_write(f->windows, f->fd, f->wanted + at, f->ends[piece + 1] - at, at);
        if (n <= 0) return INGOT_E_IO;
        at += (uint64_t)n;
    }
    return INGOT_OK;
}

static void check(bool with_windows, uint32_t n_threads, uint64_t seed)
{
    struct file f = { .stream = tmpfile(), .wanted = malloc(N_BYTES) };
    uint8_t *found = malloc(N_BYTES + 1);
    assert_true(f.stream && f.wanted && found);
    f.fd = fileno(f.stream);
    assert_int_equal(ftruncate(f.fd, (off_t)N_BYTES), 0);
    if (with_windows) assert_non_null(f.windows = windows_create(N_BYTES));
    plan_pieces(&f, seed);
    assert_int_equal(parallel_for(N_PIECES, n_threads, write_piece, &f, NULL), INGOT_OK);
    assert_int_equal(pread(f.fd, found, N_BYTES + 1, 0), N_BYTES);
    assert_memory_equal(found, f.wanted, N_BYTES);
    windows_free(f.windows);
    free(found);
    free(f.wanted);
    fclose(f.stream);
}

static void pieces_in_any_order_from_any_number_of_threads_make_the_same_file(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 4; seed++)
        for (uint32_t n_threads = 1; n_threads <= 4; n_threads += 3) check(true, n_threads, seed);
}

static void without_windows_the_file_is_the_same(void **state)
{
    (void)state;
    check(false, 2, 0);
}

static void what_was_written_stays_where_something_is_written_again(void **state)
{
    (void)state;
    struct file f = { .stream = tmpfile(), .wanted = calloc(1, N_BYTES) };
    uint8_t *found = malloc(N_BYTES);
    assert_true(f.stream && f.wanted && found);
    f.fd = fileno(f.stream);
    f.windows = windows_create(N_BYTES);
    assert_int_equal(ftruncate(f.fd, (off_t)N_BYTES), 0);
    memset(f.wanted, 1, (size_t)2 * MAP_LARGE_PAGE);
    assert_int_equal(windows_write(f.windows, f.fd, f.wanted, 2 * MAP_LARGE_PAGE, 0), 2 * MAP_LARGE_PAGE);
    for (uint64_t at = 5; at < N_BYTES; at += MAP_LARGE_PAGE) {
        f.wanted[at] = 2;
        assert_int_equal(windows_write(f.windows, f.fd, f.wanted + at, 1, at), 1);
    }
    assert_int_equal(pread(f.fd, found, N_BYTES, 0), N_BYTES);
    assert_memory_equal(found, f.wanted, N_BYTES);
    windows_free(f.windows);
    free(found);
    free(f.wanted);
    fclose(f.stream);
}

static void what_cannot_be_written_is_told(void **state)
{
    (void)state;
    const uint8_t byte = 1;
    struct windows *windows = windows_create(N_BYTES);
    assert_non_null(windows);
    for (int again = 0; again < 2; again++) assert_int_equal(windows_write(windows, -1, &byte, 1, 5), -1);
    windows_free(windows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_in_any_order_from_any_number_of_threads_make_the_same_file),
        cmocka_unit_test(without_windows_the_file_is_the_same),
        cmocka_unit_test(what_was_written_stays_where_something_is_written_again),
        cmocka_unit_test(what_cannot_be_written_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

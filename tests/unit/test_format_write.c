/* test_format_write.c - one file or none: what a writer makes, what it refuses, and what it leaves when the system
 * fails.
 *
 * The system calls of format/output.c are replaced by ones of the same name that can be told to fail. */
#include "tests/unit/format_fixture.h"

#include "format/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the system is to do; all zero: work. */
static struct {
    bool no_unnamed_files;
    int create_errno, fallocate_errno, pwrite_errno, fsync_errno, fsync_dir_errno, linkat_errno, renameat2_errno;
    bool short_writes;
    unsigned interrupts; /* so many writes are interrupted */
} machine;

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the system's names are reserved */
int openat(int dir, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = va_arg(args, mode_t);
    va_end(args);
    if (machine.no_unnamed_files && (flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    if (machine.create_errno && ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE)) {
        errno = machine.create_errno;
        return -1;
    }
    return (int)syscall(SYS_openat, dir, path, flags, mode);
}

int fallocate(int fd, int mode, off_t off, off_t n)
{
    if (machine.fallocate_errno) {
        errno = machine.fallocate_errno;
        return -1;
    }
    return (int)syscall(SYS_fallocate, fd, mode, off, n);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t off)
{
    if (machine.interrupts) {
        machine.interrupts--;
        errno = EINTR;
        return -1;
    }
    if (machine.pwrite_errno) {
        errno = machine.pwrite_errno;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, machine.short_writes && n > 7 ? 7 : n, off);
}

int fsync(int fd)
{
    struct stat st;
    bool directory = machine.fsync_dir_errno && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    if (machine.fsync_errno || directory) {
        errno = directory ? machine.fsync_dir_errno : machine.fsync_errno;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    if (machine.linkat_errno) {
        errno = machine.linkat_errno;
        return -1;
    }
    return (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    if (machine.renameat2_errno) {
        errno = machine.renameat2_errno;
        return -1;
    }
    return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

/* ------------------------------------------------------------------------------------------------------ fixture */

struct place {
    char dir[DIRECTORY_BYTES];
    char path[DIRECTORY_BYTES + 16];
};

static struct place make_place(void)
{
    struct place place;
    memset(&machine, 0, sizeof machine);
    make_directory(place.dir);
    snprintf(place.path, sizeof place.path, "%s/out.ingot", place.dir);
    return place;
}

static int count_files(const struct place *place)
{
    int n = 0;
    DIR *dir = opendir(place->dir);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(dir);
    return n;
}

static void make_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static char *slurp(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *bytes = calloc(1, 1 << 20);
    assert_non_null(bytes);
    *n = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    return bytes;
}

static void expect_text(const char *path, const char *text)
{
    size_t n;
    char *bytes = slurp(path, &n);
    assert_string_equal(bytes, text);
    free(bytes);
}

static void expect_good(const char *path)
{
    struct ingot_file *file;
    assert_int_equal(ingot_open(path, INGOT_OPEN_MAP, &file, NULL), INGOT_OK);
    assert_int_equal(ingot_verify(file, NULL, NULL, NULL), INGOT_OK);
    ingot_close(file);
}

static const struct ingot_section_plan vector = { "v", INGOT_KIND_TENSOR, INGOT_F32, INGOT_ROWS, 1, { 4 }, 0, NULL };
static const float four[4] = { 1, 2, 3, 4 };

/* A writer with one vector, as far as `begin`; statuses are the caller's to check. */
static enum ingot_status start(const char *path, bool overwrite, struct ingot_writer **w, struct ingot_error *err)
{
    struct ingot_writer_options options = { .overwrite = overwrite };
    enum ingot_status status = ingot_writer_create(path, &options, w, err);
    if (status == INGOT_OK) status = ingot_writer_add(*w, &vector, NULL, err);
    if (status == INGOT_OK) status = ingot_writer_begin(*w, err);
    return status;
}

static enum ingot_status finish(struct ingot_writer *w, struct ingot_error *err)
{
    enum ingot_status status = ingot_writer_put(w, 0, 0, four, sizeof four, err);
    if (status == INGOT_OK) status = ingot_writer_seal(w, 1, NULL, err);
    if (status == INGOT_OK) status = ingot_writer_publish(w, err);
    return status;
}

static enum ingot_status write_all(const char *path, bool overwrite, struct ingot_error *err)
{
    struct ingot_writer *w = NULL;
    enum ingot_status status = start(path, overwrite, &w, err);
    if (status == INGOT_OK) status = finish(w, err);
    ingot_writer_close(w);
    return status;
}

static void end_place(const struct place *place, int n_files)
{
    memset(&machine, 0, sizeof machine);
    assert_int_equal(count_files(place), n_files);
    if (n_files) assert_int_equal(unlink(place->path), 0);
    remove_directory(place->dir);
}

/* -------------------------------------------------------------------------------------------------- one or none */

static void nothing_is_seen_before_publish(void **state)
{
    (void)state;
    struct place place = make_place();
    struct ingot_writer *w;
    const struct ingot_file *file;
    assert_int_equal(start(place.path, false, &w, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_put(w, 0, 0, four, sizeof four, NULL), INGOT_OK);
    assert_int_equal(count_files(&place), 0);
    assert_int_equal(ingot_writer_seal(w, 1, &file, NULL), INGOT_OK);
    struct ingot_section s;
    assert_true(ingot_find(file, "v", &s)); /* readable between seal and publish */
    assert_memory_equal(s.data, four, sizeof four);
    assert_int_equal(count_files(&place), 0);
    assert_int_equal(ingot_writer_publish(w, NULL), INGOT_OK);
    ingot_writer_close(w);
    expect_good(place.path);
    end_place(&place, 1);
}

static void a_writer_that_is_closed_early_leaves_nothing(void **state)
{
    (void)state;
    for (int named = 0; named < 2; named++)
        for (int steps = 0; steps < 4; steps++) {
            struct place place = make_place();
            struct ingot_writer *w;
            machine.no_unnamed_files = named;
            assert_int_equal(ingot_writer_create(place.path, NULL, &w, NULL), INGOT_OK);
            assert_int_equal(ingot_writer_add(w, &vector, NULL, NULL), INGOT_OK);
            if (steps > 0) assert_int_equal(ingot_writer_begin(w, NULL), INGOT_OK);
            if (steps > 1) assert_int_equal(ingot_writer_put(w, 0, 0, four, sizeof four, NULL), INGOT_OK);
            if (steps > 2) assert_int_equal(ingot_writer_seal(w, 1, NULL, NULL), INGOT_OK);
            ingot_writer_close(w);
            end_place(&place, 0);
        }
    ingot_writer_close(NULL);
}

static void the_same_plan_gives_the_same_bytes_in_any_order_of_chunks(void **state)
{
    (void)state;
    struct place place = make_place();
    char *bytes[2];
    size_t n[2];
    for (int round = 0; round < 2; round++) {
        struct ingot_writer *w;
        struct ingot_section_plan plan = vector;
        assert_int_equal(ingot_writer_create(place.path, NULL, &w, NULL), INGOT_OK);
        for (int i = 0; i < 5; i++) {
            plan.name = (const char *[]){ "c", "a", "e", "b", "d" }[i];
            assert_int_equal(ingot_writer_add(w, &plan, NULL, NULL), INGOT_OK);
        }
        assert_int_equal(ingot_writer_begin(w, NULL), INGOT_OK);
        for (uint32_t i = 0; i < 5; i++) {
            uint32_t id = round ? 4 - i : i;
            float values[4] = { (float)id, 0, 0, 0 };
            assert_int_equal(ingot_writer_put(w, id, 0, values, sizeof values, NULL), INGOT_OK);
        }
        assert_int_equal(ingot_writer_seal(w, 1, NULL, NULL), INGOT_OK);
        assert_int_equal(ingot_writer_publish(w, NULL), INGOT_OK);
        ingot_writer_close(w);
        bytes[round] = slurp(place.path, &n[round]);
        unlink(place.path);
    }
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(bytes[0], bytes[1], n[0]);
    free(bytes[0]);
    free(bytes[1]);
    end_place(&place, 0);
}

static void the_content_id_is_that_of_the_tensors_not_of_the_place(void **state)
{
    (void)state;
    struct place place = make_place();
    struct ingot_digest ids[2];
    for (int round = 0; round < 2; round++) {
        struct ingot_writer_options options = { .align = round ? 1u << 21 : 0, .overwrite = true };
        struct ingot_writer *w;
        struct ingot_section_plan text = { "@metadata", .kind = INGOT_KIND_METADATA, .raw_bytes = 1 };
        struct ingot_file_info info;
        const struct ingot_file *file;
        assert_int_equal(ingot_writer_create(place.path, &options, &w, NULL), INGOT_OK);
        assert_int_equal(ingot_writer_add(w, &vector, NULL, NULL), INGOT_OK);
        if (round) assert_int_equal(ingot_writer_add(w, &text, NULL, NULL), INGOT_OK);
        assert_int_equal(ingot_writer_begin(w, NULL), INGOT_OK);
        assert_int_equal(ingot_writer_put(w, 0, 0, four, sizeof four, NULL), INGOT_OK);
        if (round) assert_int_equal(ingot_writer_put(w, 1, 0, "x", 1, NULL), INGOT_OK);
        assert_int_equal(ingot_writer_seal(w, 1, &file, NULL), INGOT_OK);
        ingot_file_get_info(file, &info);
        ids[round] = info.content_id;
        assert_int_equal(info.align, round ? 1 << 21 : 4096);
        ingot_writer_close(w);
    }
    assert_memory_equal(&ids[0], &ids[1], sizeof ids[0]);
    end_place(&place, 0);
}

static void an_empty_plan_makes_the_smallest_file(void **state)
{
    (void)state;
    struct place place = make_place();
    struct ingot_writer *w;
    assert_int_equal(ingot_writer_create(place.path, NULL, &w, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_begin(w, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_seal(w, 1, NULL, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_publish(w, NULL), INGOT_OK);
    ingot_writer_close(w);
    expect_good(place.path);
    end_place(&place, 1);
}

/* ------------------------------------------------------------------------------------------------- what was there */

static void an_output_that_exists_is_refused_before_any_work(void **state)
{
    (void)state;
    struct place place = make_place();
    struct ingot_writer *w;
    struct ingot_error err = { 0 };
    make_file(place.path, "old");
    assert_int_equal(ingot_writer_create(place.path, NULL, &w, &err), INGOT_E_EXISTS);
    assert_null(w);
    assert_true(err.advice[0] != '\0');
    expect_text(place.path, "old");
    end_place(&place, 1);
}

static void an_output_that_appears_meanwhile_is_not_overwritten(void **state)
{
    (void)state;
    for (int named = 0; named < 2; named++) {
        struct place place = make_place();
        struct ingot_writer *w;
        struct ingot_error err = { 0 };
        machine.no_unnamed_files = named;
        assert_int_equal(start(place.path, false, &w, NULL), INGOT_OK);
        make_file(place.path, "theirs");
        assert_int_equal(finish(w, &err), INGOT_E_EXISTS);
        ingot_writer_close(w);
        expect_text(place.path, "theirs");
        end_place(&place, 1);
    }
}

static void of_two_writers_on_one_name_the_first_wins_unless_overwriting(void **state)
{
    (void)state;
    for (int overwrite = 0; overwrite < 2; overwrite++) {
        struct place place = make_place();
        struct ingot_writer *a, *b;
        assert_int_equal(start(place.path, overwrite, &a, NULL), INGOT_OK);
        assert_int_equal(start(place.path, overwrite, &b, NULL), INGOT_OK);
        assert_int_equal(finish(a, NULL), INGOT_OK);
        assert_int_equal(finish(b, NULL), overwrite ? INGOT_OK : INGOT_E_EXISTS);
        ingot_writer_close(a);
        ingot_writer_close(b);
        expect_good(place.path);
        end_place(&place, 1);
    }
}

static void overwriting_replaces_the_whole_file_and_leaves_readers_theirs(void **state)
{
    (void)state;
    for (int named = 0; named < 2; named++) {
        struct place place = make_place();
        struct ingot_file *old;
        machine.no_unnamed_files = named;
        write_sample(place.path, 0);
        assert_int_equal(ingot_open(place.path, INGOT_OPEN_MAP, &old, NULL), INGOT_OK);
        assert_int_equal(write_all(place.path, true, NULL), INGOT_OK);
        assert_int_equal(ingot_verify(old, NULL, NULL, NULL), INGOT_OK);
        ingot_close(old);
        expect_good(place.path);
        end_place(&place, 1);
    }
}

static void what_is_not_a_file_is_not_replaced(void **state)
{
    (void)state;
    struct place place = make_place();
    struct ingot_error err = { 0 };
    assert_int_equal(mkdir(place.path, 0700), 0);
    assert_int_equal(write_all(place.path, true, &err), INGOT_E_EXISTS);
    assert_int_equal(rmdir(place.path), 0);
    assert_int_equal(mkfifo(place.path, 0600), 0);
    assert_int_equal(write_all(place.path, true, NULL), INGOT_E_EXISTS);
    assert_int_equal(unlink(place.path), 0);
    assert_int_equal(write_all(place.dir, true, NULL), INGOT_E_EXISTS);
    char slash[DIRECTORY_BYTES + 2];
    snprintf(slash, sizeof slash, "%s/", place.dir);
    assert_int_equal(write_all(slash, true, NULL), INGOT_E_ARGUMENT);
    end_place(&place, 0);
}

static void a_link_is_replaced_itself_unless_what_it_leads_to_is_no_file(void **state)
{
    (void)state;
    struct place place = make_place();
    char other[DIRECTORY_BYTES + 16];
    struct stat st;
    snprintf(other, sizeof other, "%s/other", place.dir);
    make_file(other, "other");
    const char *const replaced[] = { "other", "nowhere", other }, *const kept[] = { "/proc/self/fd/0", place.dir };
    for (size_t i = 0; i < sizeof replaced / sizeof *replaced; i++) {
        assert_int_equal(symlink(replaced[i], place.path), 0);
        assert_int_equal(write_all(place.path, false, NULL), INGOT_E_EXISTS);
        assert_int_equal(write_all(place.path, true, NULL), INGOT_OK);
        assert_int_equal(lstat(place.path, &st), 0);
        assert_true(S_ISREG(st.st_mode));
        expect_text(other, "other");
        assert_int_equal(unlink(place.path), 0);
    }
    const int stdin_is = open(other, O_RDONLY | O_CLOEXEC), was = dup(0);
    assert_true(stdin_is >= 0 && was >= 0 && dup2(stdin_is, 0) == 0); /* even where a stream is a file at the moment */
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        assert_int_equal(symlink(kept[i], place.path), 0);
        assert_int_equal(write_all(place.path, true, NULL), INGOT_E_EXISTS);
        assert_int_equal(unlink(place.path), 0);
    }
    dup2(was, 0);
    close(was);
    close(stdin_is);
    assert_int_equal(unlink(other), 0);
    end_place(&place, 0);
}

static void the_mode_is_what_umask_leaves(void **state)
{
    (void)state;
    for (int named = 0; named < 2; named++) {
        struct place place = make_place();
        struct stat st;
        machine.no_unnamed_files = named;
        mode_t before = umask(027);
        assert_int_equal(write_all(place.path, named, NULL), INGOT_OK);
        umask(before);
        assert_int_equal(stat(place.path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0640);
        end_place(&place, 1);
    }
}

/* A name as long as a directory entry can be leaves room for the temporary one. */
static void the_longest_name_can_be_written(void **state)
{
    (void)state;
    for (int named = 0; named < 2; named++) {
        struct place place = make_place();
        char path[DIRECTORY_BYTES + 300];
        machine.no_unnamed_files = named;
        snprintf(path, sizeof path, "%s/%0255d", place.dir, 1);
        assert_int_equal(write_all(path, true, NULL), INGOT_OK);
        assert_int_equal(write_all(path, true, NULL), INGOT_OK);
        assert_int_equal(unlink(path), 0);
        end_place(&place, 0);
    }
}

/* ------------------------------------------------------------------------------------------------------- failures */

static void a_temporary_name_says_what_it_is(void **state)
{
    (void)state;
    struct place place = make_place();
    struct ingot_writer *w;
    machine.no_unnamed_files = true;
    assert_int_equal(start(place.path, false, &w, NULL), INGOT_OK);
    DIR *dir = opendir(place.dir);
    bool found = false;
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) found |= strncmp(e->d_name, ".out.ingot.ingot-tmp-", 21) == 0;
    closedir(dir);
    assert_true(found);
    ingot_writer_close(w);
    end_place(&place, 0);
}

static void a_full_disk_shows_at_begin(void **state)
{
    (void)state;
    struct place place = make_place();
    struct ingot_writer *w;
    struct ingot_error err = { 0 };
    machine.fallocate_errno = ENOSPC;
    assert_int_equal(start(place.path, false, &w, &err), INGOT_E_IO);
    assert_int_equal(err.sys_errno, ENOSPC);
    ingot_writer_close(w);
    end_place(&place, 0);
}

static void a_writer_that_did_not_begin_takes_no_chunk(void **state)
{
    (void)state;
    struct place place = make_place();
    struct ingot_writer *w;
    struct ingot_section_plan twice = vector;
    assert_int_equal(ingot_writer_create(place.path, NULL, &w, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_add(w, &vector, NULL, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_put(w, 0, 0, four, sizeof four, NULL), INGOT_E_ARGUMENT);
    assert_int_equal(ingot_writer_seal(w, 1, NULL, NULL), INGOT_E_ARGUMENT);
    assert_int_equal(ingot_writer_add(w, &twice, NULL, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_begin(w, NULL), INGOT_E_NAME);
    assert_int_equal(ingot_writer_put(w, 0, 0, four, sizeof four, NULL), INGOT_E_ARGUMENT);
    assert_int_equal(ingot_writer_seal(w, 1, NULL, NULL), INGOT_E_ARGUMENT);
    ingot_writer_close(w);
    end_place(&place, 0);
}

/* ctx: counts the calls. */
static bool stop(void *ctx, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    ++*(unsigned *)ctx;
    return false;
}

static void what_was_not_verified_is_not_published(void **state)
{
    (void)state;
    struct place place = make_place();
    struct ingot_writer *w;
    const struct ingot_file *file = NULL;
    unsigned n_calls = 0;
    const struct ingot_writer_options options = { .progress = stop, .progress_ctx = &n_calls };
    assert_int_equal(ingot_writer_create(place.path, &options, &w, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_add(w, &vector, NULL, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_begin(w, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_put(w, 0, 0, four, sizeof four, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_seal(w, 1, &file, NULL), INGOT_E_INTERRUPTED);
    assert_null(file);
    assert_int_equal(n_calls, 1);
    assert_int_equal(ingot_writer_publish(w, NULL), INGOT_E_ARGUMENT);
    ingot_writer_close(w);
    end_place(&place, 0);
}

static void a_file_system_that_cannot_reserve_is_written_all_the_same(void **state)
{
    (void)state;
    struct place place = make_place();
    machine.fallocate_errno = EOPNOTSUPP;
    assert_int_equal(write_all(place.path, false, NULL), INGOT_OK);
    expect_good(place.path);
    end_place(&place, 1);
}

static void short_and_interrupted_writes_are_continued(void **state)
{
    (void)state;
    struct place place = make_place();
    machine.short_writes = true;
    machine.interrupts = 5;
    assert_int_equal(write_all(place.path, false, NULL), INGOT_OK);
    expect_good(place.path);
    end_place(&place, 1);
}

static void a_write_that_fails_leaves_nothing(void **state)
{
    (void)state;
    struct place place = make_place();
    struct ingot_error err = { 0 };
    machine.pwrite_errno = EIO;
    assert_int_equal(write_all(place.path, false, &err), INGOT_E_IO);
    assert_int_equal(err.sys_errno, EIO);
    end_place(&place, 0);
}

static void a_sync_that_fails_leaves_what_was_there(void **state)
{
    (void)state;
    struct place place = make_place();
    struct ingot_error err = { 0 };
    make_file(place.path, "old");
    machine.fsync_errno = EIO;
    assert_int_equal(write_all(place.path, true, &err), INGOT_E_IO);
    assert_int_equal(err.sys_errno, EIO);
    expect_text(place.path, "old");
    end_place(&place, 1);
}

static void a_file_that_cannot_be_made_is_told_with_the_cause(void **state)
{
    (void)state;
    struct place place = make_place();
    struct ingot_error err = { 0 };
    machine.create_errno = EROFS;
    assert_int_equal(write_all(place.path, false, &err), INGOT_E_IO);
    assert_int_equal(err.sys_errno, EROFS);
    assert_non_null(strstr(err.message, "create a file in its directory"));
    end_place(&place, 0);
}

/* Only where the rename is not known is it done by a link. */
static void a_rename_that_fails_leaves_nothing(void **state)
{
    (void)state;
    struct place place = make_place();
    struct ingot_error err = { 0 };
    machine.no_unnamed_files = true;
    machine.renameat2_errno = EIO;
    assert_int_equal(write_all(place.path, false, &err), INGOT_E_IO);
    assert_int_equal(err.sys_errno, EIO);
    end_place(&place, 0);
}

static void a_link_that_fails_leaves_what_was_there(void **state)
{
    (void)state;
    struct place place = make_place();
    struct ingot_error err = { 0 };
    make_file(place.path, "old");
    machine.linkat_errno = EPERM;
    assert_int_equal(write_all(place.path, true, &err), INGOT_E_IO);
    assert_int_equal(err.sys_errno, EPERM);
    expect_text(place.path, "old");
    end_place(&place, 1);
}

/* FAT has no links, NFS no rename that does not replace; neither has unnamed files. */
static void a_file_system_without_links_or_without_such_renames_is_written_all_the_same(void **state)
{
    (void)state;
    for (int links = 0; links < 2; links++) {
        struct place place = make_place();
        struct ingot_error err = { 0 };
        machine.no_unnamed_files = true;
        machine.linkat_errno = links ? 0 : EPERM;
        machine.renameat2_errno = links ? EINVAL : 0;
        assert_int_equal(write_all(place.path, false, NULL), INGOT_OK);
        expect_good(place.path);
        assert_int_equal(write_all(place.path, true, NULL), INGOT_OK);
        assert_int_equal(write_all(place.path, false, &err), INGOT_E_EXISTS);
        end_place(&place, 1);
    }
}

static void a_directory_that_cannot_be_synced_is_an_error_beside_a_complete_file(void **state)
{
    (void)state;
    for (int overwrite = 0; overwrite < 2; overwrite++) {
        struct place place = make_place();
        struct ingot_error err = { 0 };
        machine.fsync_dir_errno = EIO;
        assert_int_equal(write_all(place.path, overwrite, &err), INGOT_E_IO);
        assert_int_equal(err.sys_errno, EIO);
        assert_non_null(strstr(err.message, "complete"));
        expect_good(place.path);
        end_place(&place, 1);
    }
}

static void a_directory_that_knows_no_sync_is_no_error(void **state)
{
    (void)state;
    struct place place = make_place();
    machine.fsync_dir_errno = EINVAL;
    assert_int_equal(write_all(place.path, false, NULL), INGOT_OK);
    end_place(&place, 1);
}

static void a_name_that_is_too_long_is_told_at_once(void **state)
{
    (void)state;
    struct place place = make_place();
    struct ingot_writer *w;
    struct ingot_error err = { 0 };
    char path[DIRECTORY_BYTES + 300];
    snprintf(path, sizeof path, "%s/%0256d", place.dir, 1);
    assert_int_equal(ingot_writer_create(path, NULL, &w, &err), INGOT_E_IO);
    assert_int_equal(err.sys_errno, ENAMETOOLONG);
    end_place(&place, 0);
}

/* Only looked at, not made. */
static void a_path_ends_in_a_name_in_some_directory(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "/", "//", ".", "..", "a/.", "a/..", "a/" };
    static const char *const good[] = { "a-name-alone.ingot", "./a-name.ingot", "/a-name-in-the-root.ingot" };
    struct ingot_writer *w;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (ingot_writer_create(bad[i], NULL, &w, NULL) != INGOT_E_ARGUMENT) fail_msg("'%s'", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (ingot_writer_create(good[i], NULL, &w, NULL) != INGOT_OK) fail_msg("'%s'", good[i]);
        ingot_writer_close(w);
    }
}

static void a_directory_that_is_not_there_is_told_at_once(void **state)
{
    (void)state;
    struct place place = make_place();
    struct ingot_writer *w;
    struct ingot_error err = { 0 };
    char path[DIRECTORY_BYTES + 32];
    snprintf(path, sizeof path, "%s/none/out", place.dir);
    assert_int_equal(ingot_writer_create(path, NULL, &w, &err), INGOT_E_IO);
    assert_int_equal(err.sys_errno, ENOENT);
    end_place(&place, 0);
}

/* ---------------------------------------------------------------------------------------------------------- plans */

static void expect_refused(const struct ingot_section_plan *plan, enum ingot_status status)
{
    struct place place = make_place();
    struct ingot_writer *w;
    struct ingot_error err = { 0 };
    assert_int_equal(ingot_writer_create(place.path, NULL, &w, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_add(w, &vector, NULL, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_add(w, plan, NULL, &err), status);
    assert_int_equal(err.status, status);
    ingot_writer_close(w);
    end_place(&place, 0);
}

static void a_plan_that_no_reader_would_open_is_refused(void **state)
{
    (void)state;
    char long_name[INGOT_MAX_NAME + 2];
    memset(long_name, 'n', sizeof long_name);
    long_name[INGOT_MAX_NAME + 1] = '\0';
    struct ingot_section_plan plan = vector;
    plan.name = "";
    expect_refused(&plan, INGOT_E_NAME);
    plan.name = long_name;
    expect_refused(&plan, INGOT_E_NAME);
    plan.name = "@v";
    expect_refused(&plan, INGOT_E_NAME);
    plan = vector;
    plan.dtype = INGOT_DTYPE_NONE;
    expect_refused(&plan, INGOT_E_SHAPE);
    plan = vector;
    plan.layout = INGOT_PANEL16; /* of rank 1 */
    expect_refused(&plan, INGOT_E_SHAPE);
    plan = vector;
    plan.rank = 9;
    expect_refused(&plan, INGOT_E_SHAPE);
    plan = vector;
    plan.shape[0] = UINT64_MAX;
    expect_refused(&plan, INGOT_E_SHAPE);
    plan = (struct ingot_section_plan){ "@metadata", .kind = INGOT_KIND_RECIPE, .raw_bytes = 1 };
    expect_refused(&plan, INGOT_E_NAME);
    plan = (struct ingot_section_plan){ "@model", .kind = INGOT_KIND_MODEL, .raw_bytes = 63 };
    expect_refused(&plan, INGOT_E_SHAPE);
    plan = (struct ingot_section_plan){ "@chunks", .kind = INGOT_KIND_CHUNKS };
    expect_refused(&plan, INGOT_E_ARGUMENT);
    plan = (struct ingot_section_plan){ "@new", .kind = (enum ingot_kind)0x9000 };
    expect_refused(&plan, INGOT_E_KIND);
    plan = (struct ingot_section_plan){ "alias", .kind = INGOT_KIND_ALIAS, .target = "nobody" };
    expect_refused(&plan, INGOT_E_ARGUMENT);
    plan.target = NULL;
    expect_refused(&plan, INGOT_E_ARGUMENT);
}

static void an_alias_is_of_a_tensor_and_has_no_chunk_to_put(void **state)
{
    (void)state;
    static const struct ingot_section_plan text = { "@metadata", .kind = INGOT_KIND_METADATA, .raw_bytes = 16 };
    struct place place = make_place();
    struct ingot_writer *w;
    struct ingot_section_plan alias = { "a", .kind = INGOT_KIND_ALIAS, .target = "v" };
    assert_int_equal(ingot_writer_create(place.path, NULL, &w, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_add(w, &text, NULL, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_add(w, &vector, NULL, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_add(w, &alias, NULL, NULL), INGOT_OK);
    alias.name = "b";
    alias.target = "a";
    assert_int_equal(ingot_writer_add(w, &alias, NULL, NULL), INGOT_E_ARGUMENT);
    alias.target = "@metadata";
    assert_int_equal(ingot_writer_add(w, &alias, NULL, NULL), INGOT_E_ARGUMENT);
    assert_int_equal(ingot_writer_begin(w, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_put(w, 2, 0, four, sizeof four, NULL), INGOT_E_ARGUMENT);
    assert_int_equal(ingot_writer_put(w, 0, 0, four, sizeof four, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_put(w, 1, 0, four, sizeof four, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_seal(w, 1, NULL, NULL), INGOT_OK);
    ingot_writer_close(w);
    end_place(&place, 0);
}

/* Whatever the names, which say in which order the records stand. */
static void all_that_is_small_stands_before_the_first_tensor(void **state)
{
    (void)state;
    static const struct ingot_section_plan text = { "@metadata", .kind = INGOT_KIND_METADATA, .raw_bytes = 16 };
    struct place place = make_place();
    struct ingot_writer *w;
    const struct ingot_file *file;
    struct ingot_section metadata, chunks, tensor;
    struct ingot_section_plan first = vector;
    first.name = "!";
    assert_int_equal(ingot_writer_create(place.path, NULL, &w, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_add(w, &text, NULL, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_add(w, &first, NULL, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_begin(w, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_put(w, 0, 0, four, sizeof four, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_put(w, 1, 0, four, sizeof four, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_seal(w, 1, &file, NULL), INGOT_OK);
    assert_true(ingot_find(file, "@metadata", &metadata));
    assert_true(ingot_find(file, INGOT_NAME_CHUNKS, &chunks));
    assert_true(ingot_find(file, "!", &tensor));
    assert_true(metadata.data_off < chunks.data_off && chunks.data_off < tensor.data_off);
    ingot_writer_close(w);
    end_place(&place, 0);
}

static void a_section_may_have_the_longest_name_and_all_dimensions(void **state)
{
    (void)state;
    struct place place = make_place();
    struct ingot_writer *w;
    const struct ingot_file *file;
    struct ingot_section section;
    char name[INGOT_MAX_NAME + 1];
    memset(name, 'n', INGOT_MAX_NAME);
    name[INGOT_MAX_NAME] = '\0';
    const struct ingot_section_plan plan = { name,           INGOT_KIND_TENSOR,          INGOT_U8, INGOT_ROWS,
                                             INGOT_MAX_RANK, { 1, 2, 1, 1, 1, 1, 2, 3 }, 0,        NULL };
    assert_int_equal(ingot_writer_create(place.path, NULL, &w, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_add(w, &plan, NULL, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_begin(w, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_put(w, 0, 0, "0123456789ab", 12, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_seal(w, 1, &file, NULL), INGOT_OK);
    assert_true(ingot_find(file, name, &section));
    assert_int_equal(section.rank, INGOT_MAX_RANK);
    assert_memory_equal(section.shape, plan.shape, sizeof plan.shape);
    ingot_writer_close(w);
    end_place(&place, 0);
}

static void the_index_is_as_long_as_what_is_in_it(void **state)
{
    (void)state;
    struct place place = make_place();
    char name[SECTION_ALIGN + 1] = "";
    for (size_t n = 1; n <= SECTION_ALIGN; n++) {
        struct ingot_section_plan plan = vector;
        struct ingot_writer *w;
        const struct ingot_file *file;
        struct ingot_file_info info;
        name[n - 1] = 'n';
        plan.name = name;
        const size_t used = IX_HEADER_BYTES + 2 * (RECORD_BYTES + 4) + n + 1 + sizeof INGOT_NAME_CHUNKS;
        assert_int_equal(ingot_writer_create(place.path, NULL, &w, NULL), INGOT_OK);
        assert_int_equal(ingot_writer_add(w, &plan, NULL, NULL), INGOT_OK);
        assert_int_equal(ingot_writer_begin(w, NULL), INGOT_OK);
        assert_int_equal(ingot_writer_put(w, 0, 0, four, sizeof four, NULL), INGOT_OK);
        assert_int_equal(ingot_writer_seal(w, 1, &file, NULL), INGOT_OK);
        ingot_file_get_info(file, &info);
        assert_int_equal(info.index_bytes, (used + SECTION_ALIGN - 1) / SECTION_ALIGN * SECTION_ALIGN);
        ingot_writer_close(w);
    }
    end_place(&place, 0);
}

static void a_file_has_fewer_than_2_to_the_32_chunks(void **state)
{
    (void)state;
    struct place place = make_place();
    struct ingot_writer *w;
    struct ingot_section_plan huge = {
        "v", INGOT_KIND_TENSOR, INGOT_U8, INGOT_ROWS, 1, { UINT64_C(1) << 54 }, 0, NULL
    };
    struct ingot_error err = { 0 };
    assert_int_equal(ingot_writer_create(place.path, NULL, &w, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_add(w, &huge, NULL, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_begin(w, &err), INGOT_E_LIMIT);
    assert_non_null(strstr(err.message, "chunks"));
    ingot_writer_close(w);
    end_place(&place, 0);
}

static void a_file_has_as_many_sections_as_a_reader_takes(void **state)
{
    (void)state;
    struct place place = make_place();
    struct ingot_writer *w;
    struct ingot_section_plan plan = vector;
    char name[16];
    plan.name = name;
    assert_int_equal(ingot_writer_create(place.path, NULL, &w, NULL), INGOT_OK);
    for (unsigned i = 0; i < INGOT_MAX_SECTIONS; i++) { /* one is @chunks */
        snprintf(name, sizeof name, "%u", i);
        const bool fits = i + 1 < INGOT_MAX_SECTIONS;
        if (ingot_writer_add(w, &plan, NULL, NULL) != (fits ? INGOT_OK : INGOT_E_LIMIT)) fail_msg("%u", i);
    }
    ingot_writer_close(w);
    end_place(&place, 0);
}

static void a_name_is_used_once(void **state)
{
    (void)state;
    struct place place = make_place();
    struct ingot_writer *w;
    assert_int_equal(ingot_writer_create(place.path, NULL, &w, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_add(w, &vector, NULL, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_add(w, &vector, NULL, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_begin(w, NULL), INGOT_E_NAME);
    ingot_writer_close(w);
    end_place(&place, 0);
}

static void alignments_are_powers_of_two_from_4096_to_2_mib(void **state)
{
    (void)state;
    static const uint32_t bad[] = { 1, 64, 2048, 4097, 6144, 4u << 20, UINT32_MAX };
    struct place place = make_place();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ingot_writer_options options = { .align = bad[i] };
        struct ingot_writer *w;
        assert_int_equal(ingot_writer_create(place.path, &options, &w, NULL), INGOT_E_ARGUMENT);
    }
    end_place(&place, 0);
}

static void every_chunk_is_put_exactly_once_and_whole(void **state)
{
    (void)state;
    struct place place = make_place();
    struct ingot_writer *w;
    assert_int_equal(start(place.path, false, &w, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_seal(w, 1, NULL, NULL), INGOT_E_ARGUMENT);
    assert_int_equal(ingot_writer_put(w, 0, 0, four, 15, NULL), INGOT_E_ARGUMENT);
    assert_int_equal(ingot_writer_put(w, 0, 1, four, 16, NULL), INGOT_E_ARGUMENT);
    assert_int_equal(ingot_writer_put(w, 1, 0, four, 8, NULL), INGOT_E_ARGUMENT); /* @chunks is the writer's own */
    assert_int_equal(ingot_writer_put(w, UINT32_MAX, 0, four, 16, NULL), INGOT_E_ARGUMENT);
    assert_int_equal(ingot_writer_put(w, 0, 0, four, 16, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_put(w, 0, 0, four, 16, NULL), INGOT_E_ARGUMENT);
    assert_int_equal(ingot_writer_publish(w, NULL), INGOT_E_ARGUMENT);
    assert_int_equal(ingot_writer_add(w, &vector, NULL, NULL), INGOT_E_ARGUMENT);
    assert_int_equal(ingot_writer_begin(w, NULL), INGOT_E_ARGUMENT);
    assert_int_equal(ingot_writer_seal(w, 1, NULL, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_seal(w, 1, NULL, NULL), INGOT_E_ARGUMENT);
    assert_int_equal(ingot_writer_publish(w, NULL), INGOT_OK);
    ingot_writer_close(w);
    end_place(&place, 1);
}

static void an_empty_section_has_no_chunk_to_put(void **state)
{
    (void)state;
    struct place place = make_place();
    struct ingot_writer *w;
    struct ingot_section_plan empty = vector;
    empty.shape[0] = 0;
    assert_int_equal(ingot_writer_create(place.path, NULL, &w, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_add(w, &empty, NULL, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_begin(w, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_put(w, 0, 0, four, 0, NULL), INGOT_E_ARGUMENT);
    assert_int_equal(ingot_writer_seal(w, 1, NULL, NULL), INGOT_OK);
    ingot_writer_close(w);
    end_place(&place, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_seen_before_publish),
        cmocka_unit_test(a_writer_that_is_closed_early_leaves_nothing),
        cmocka_unit_test(the_same_plan_gives_the_same_bytes_in_any_order_of_chunks),
        cmocka_unit_test(the_content_id_is_that_of_the_tensors_not_of_the_place),
        cmocka_unit_test(an_empty_plan_makes_the_smallest_file),
        cmocka_unit_test(an_output_that_exists_is_refused_before_any_work),
        cmocka_unit_test(an_output_that_appears_meanwhile_is_not_overwritten),
        cmocka_unit_test(of_two_writers_on_one_name_the_first_wins_unless_overwriting),
        cmocka_unit_test(overwriting_replaces_the_whole_file_and_leaves_readers_theirs),
        cmocka_unit_test(what_is_not_a_file_is_not_replaced),
        cmocka_unit_test(a_link_is_replaced_itself_unless_what_it_leads_to_is_no_file),
        cmocka_unit_test(the_mode_is_what_umask_leaves),
        cmocka_unit_test(the_longest_name_can_be_written),
        cmocka_unit_test(a_temporary_name_says_what_it_is),
        cmocka_unit_test(a_full_disk_shows_at_begin),
        cmocka_unit_test(a_writer_that_did_not_begin_takes_no_chunk),
        cmocka_unit_test(what_was_not_verified_is_not_published),
        cmocka_unit_test(a_file_system_that_cannot_reserve_is_written_all_the_same),
        cmocka_unit_test(short_and_interrupted_writes_are_continued),
        cmocka_unit_test(a_write_that_fails_leaves_nothing),
        cmocka_unit_test(a_sync_that_fails_leaves_what_was_there),
        cmocka_unit_test(a_file_that_cannot_be_made_is_told_with_the_cause),
        cmocka_unit_test(a_rename_that_fails_leaves_nothing),
        cmocka_unit_test(a_link_that_fails_leaves_what_was_there),
        cmocka_unit_test(a_file_system_without_links_or_without_such_renames_is_written_all_the_same),
        cmocka_unit_test(a_directory_that_cannot_be_synced_is_an_error_beside_a_complete_file),
        cmocka_unit_test(a_directory_that_knows_no_sync_is_no_error),
        cmocka_unit_test(a_name_that_is_too_long_is_told_at_once),
        cmocka_unit_test(a_path_ends_in_a_name_in_some_directory),
        cmocka_unit_test(a_directory_that_is_not_there_is_told_at_once),
        cmocka_unit_test(a_plan_that_no_reader_would_open_is_refused),
        cmocka_unit_test(an_alias_is_of_a_tensor_and_has_no_chunk_to_put),
        cmocka_unit_test(all_that_is_small_stands_before_the_first_tensor),
        cmocka_unit_test(a_section_may_have_the_longest_name_and_all_dimensions),
        cmocka_unit_test(the_index_is_as_long_as_what_is_in_it),
        cmocka_unit_test(a_file_has_fewer_than_2_to_the_32_chunks),
        cmocka_unit_test(a_file_has_as_many_sections_as_a_reader_takes),
        cmocka_unit_test(a_name_is_used_once),
        cmocka_unit_test(alignments_are_powers_of_two_from_4096_to_2_mib),
        cmocka_unit_test(every_chunk_is_put_exactly_once_and_whole),
        cmocka_unit_test(an_empty_section_has_no_chunk_to_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

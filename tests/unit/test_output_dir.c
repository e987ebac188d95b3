/* test_output_dir.c - all of a directory or nothing of it, on systems that cannot do everything, and when they fail.
 *
 * The system calls are replaced by ones of the same name that can be told to fail. */
#include "tests/unit/format_fixture.h"

#include "format/output_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the system is to do; all zero: work. */
static struct {
    int renameat2_errno;
    int renames_before;     /* so many work first */
    int fsync_dir_errno;    /* of directories */
    int dir_fsyncs_before;  /* so many work first */
    const char *rival_path; /* made before the next rename */
} machine;

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the system's names are reserved */
int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    if (machine.rival_path) mkdir(machine.rival_path, 0777);
    machine.rival_path = NULL;
    if (machine.renameat2_errno && machine.renames_before-- <= 0) {
        errno = machine.renameat2_errno;
        return -1;
    }
    return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

int fsync(int fd)
{
    struct stat st;
    const bool directory = machine.fsync_dir_errno && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    if (directory && machine.dir_fsyncs_before-- <= 0) {
        errno = machine.fsync_dir_errno;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

/* ------------------------------------------------------------------------------------------------------ fixture */

static const char *const names[] = { "a", "b", NULL };

struct place {
    char root[DIRECTORY_BYTES];
    char path[DIRECTORY_BYTES + 8];
};

static struct place make_place(void)
{
    struct place p;
    memset(&machine, 0, sizeof machine);
    make_directory(p.root);
    snprintf(p.path, sizeof p.path, "%s/out", p.root);
    return p;
}

static int count_entries(const char *path)
{
    int n = 0;
    DIR *d = opendir(path);
    if (!d) return -1;
    while (readdir(d)) n++;
    closedir(d);
    return n - 2;
}

/* The text of path/a; "" when there is none. */
static const char *text_of(const struct place *p)
{
    static char text[16];
    char path[DIRECTORY_BYTES + 16];
    snprintf(path, sizeof path, "%s/a", p->path);
    FILE *f = fopen(path, "rb");
    text[0] = '\0';
    if (f && !fgets(text, sizeof text, f)) text[0] = '\0';
    if (f) fclose(f);
    return text;
}

/* A directory whose file `a` holds the text, up to its publication and closed. */
static enum ingot_status make(const struct place *p, const char *text, bool overwrite, struct ingot_error *err)
{
    struct output_dir dir;
    struct output out;
    enum ingot_status status = output_dir_init(&dir, p->path, names, overwrite, err);
    if (status == INGOT_OK) status = output_dir_begin(&dir, err);
    if (status == INGOT_OK) {
        status = output_dir_file(&dir, "a", strlen(text), &out, err);
        if (status == INGOT_OK) status = output_write(&out, text, strlen(text), 0, err);
        if (status == INGOT_OK) status = output_keep(&out, err);
        output_close(&out);
    }
    if (status == INGOT_OK) status = output_dir_publish(&dir, err);
    output_dir_close(&dir);
    return status;
}

/* What could not be put back, beside the output. */
static void remove_left_over(const struct place *p)
{
    char path[2 * DIRECTORY_BYTES], file[2 * DIRECTORY_BYTES + 2];
    DIR *d = opendir(p->root);
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d));) {
        if (strncmp(e->d_name, ".out.ingot-tmp-", strlen(".out.ingot-tmp-")) != 0) continue;
        snprintf(path, sizeof path, "%s/%s", p->root, e->d_name);
        snprintf(file, sizeof file, "%s/a", path);
        assert_int_equal(unlink(file), 0);
        assert_int_equal(rmdir(path), 0);
    }
    closedir(d);
}

/* Nothing but the output may be there. */
static void end_place(const struct place *p, const char *text)
{
    char file[DIRECTORY_BYTES + 16];
    assert_string_equal(text_of(p), text);
    assert_int_equal(count_entries(p->root), 1);
    snprintf(file, sizeof file, "%s/a", p->path);
    unlink(file);
    assert_int_equal(rmdir(p->path), 0);
    remove_directory(p->root);
}

/* -------------------------------------------------------------------------------------------------------- tests */

static void a_directory_appears_and_is_replaced_whole(void **state)
{
    (void)state;
    struct place p = make_place();
    assert_int_equal(make(&p, "old", false, NULL), INGOT_OK);
    assert_string_equal(text_of(&p), "old");
    assert_int_equal(make(&p, "new", false, NULL), INGOT_E_EXISTS);
    assert_int_equal(make(&p, "new", true, NULL), INGOT_OK);
    end_place(&p, "new");
}

static void a_system_that_cannot_name_without_replacing_names_all_the_same(void **state)
{
    (void)state;
    static const int errors[] = { EINVAL, ENOSYS };
    for (size_t i = 0; i < 2; i++) {
        struct place p = make_place();
        machine.renameat2_errno = errors[i];
        assert_int_equal(make(&p, "new", false, NULL), INGOT_OK);
        end_place(&p, "new");
    }
}

static void a_system_that_cannot_exchange_says_so_and_leaves_what_was_there(void **state)
{
    (void)state;
    static const struct {
        int error;
        const char *word;
    } cases[] = { { EINVAL, "in one step" },
                  { ENOSYS, "in one step" },
                  { EACCES, "exchange it with the new directory" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct place p = make_place();
        struct ingot_error err = { 0 };
        assert_int_equal(make(&p, "old", false, NULL), INGOT_OK);
        machine.renameat2_errno = cases[i].error;
        assert_int_equal(make(&p, "new", true, &err), INGOT_E_IO);
        assert_non_null(strstr(err.message, cases[i].word));
        end_place(&p, "old");
    }
}

static void who_comes_first_keeps_the_name(void **state)
{
    (void)state;
    struct place p = make_place();
    struct ingot_error err = { 0 };
    machine.rival_path = p.path;
    assert_int_equal(make(&p, "new", false, &err), INGOT_E_EXISTS);
    assert_int_equal(count_entries(p.path), 0);
    end_place(&p, "");
}

static void a_replacement_that_cannot_be_synced_is_undone(void **state)
{
    (void)state;
    struct place p = make_place();
    struct ingot_error err = { 0 };
    assert_int_equal(make(&p, "old", false, NULL), INGOT_OK);
    machine.fsync_dir_errno = EIO;
    machine.dir_fsyncs_before = 1; /* the new directory itself can be */
    assert_int_equal(make(&p, "new", true, &err), INGOT_E_IO);
    assert_non_null(strstr(err.message, "put back"));
    end_place(&p, "old");
}

static void what_cannot_be_put_back_is_kept_beside(void **state)
{
    (void)state;
    struct place p = make_place();
    struct ingot_error err = { 0 };
    assert_int_equal(make(&p, "old", false, NULL), INGOT_OK);
    machine.fsync_dir_errno = machine.renameat2_errno = EIO;
    machine.dir_fsyncs_before = machine.renames_before = 1;
    assert_int_equal(make(&p, "new", true, &err), INGOT_E_IO);
    assert_string_equal(text_of(&p), "new"); /* complete, if not certain to last; the old one is not lost either */
    assert_int_equal(count_entries(p.root), 2);
    remove_left_over(&p);
    end_place(&p, "new");
}

static void what_is_new_and_cannot_be_synced_is_there_and_told(void **state)
{
    (void)state;
    struct place p = make_place();
    machine.fsync_dir_errno = EIO;
    machine.dir_fsyncs_before = 1;
    assert_int_equal(make(&p, "new", false, NULL), INGOT_E_IO);
    end_place(&p, "new");
}

static enum ingot_status begin_and_close(const char *path, bool overwrite, struct ingot_error *err)
{
    struct output_dir dir;
    enum ingot_status status = output_dir_init(&dir, path, names, overwrite, err);
    output_dir_close(&dir);
    return status;
}

static void what_cannot_be_an_output_is_told_before_any_work(void **state)
{
    (void)state;
    static const char *const no_names[] = { "", "/", "//", ".", "..", "a/.", "a/..", "../" };
    struct place p = make_place();
    struct ingot_error err = { 0 };
    char path[DIRECTORY_BYTES + 320];
    for (size_t i = 0; i < sizeof no_names / sizeof *no_names; i++)
        if (begin_and_close(no_names[i], true, NULL) != INGOT_E_ARGUMENT) fail_msg("'%s'", no_names[i]);
    assert_int_equal(begin_and_close("a-name-alone", false, NULL), INGOT_OK);
    snprintf(path, sizeof path, "%s/none/out", p.root);
    assert_int_equal(begin_and_close(path, false, &err), INGOT_E_IO);
    assert_int_equal(err.sys_errno, ENOENT);
    err = (struct ingot_error){ 0 };
    snprintf(path, sizeof path, "%s/%0256d", p.root, 0);
    assert_int_equal(begin_and_close(path, false, &err), INGOT_E_IO);
    assert_int_equal(err.sys_errno, ENAMETOOLONG);
    assert_int_equal(make(&p, "old", false, NULL), INGOT_OK);
    assert_int_equal(begin_and_close(p.path, false, NULL), INGOT_E_EXISTS);
    assert_int_equal(begin_and_close(p.path, true, NULL), INGOT_OK);
    end_place(&p, "old");
}

static void what_may_be_replaced_need_not_be_there(void **state)
{
    (void)state;
    struct place p = make_place();
    assert_int_equal(make(&p, "new", true, NULL), INGOT_OK);
    end_place(&p, "new");
}

static void a_name_that_cannot_be_given_leaves_nothing(void **state)
{
    (void)state;
    struct place p = make_place();
    struct ingot_error err = { 0 };
    machine.renameat2_errno = EIO;
    assert_int_equal(make(&p, "new", false, &err), INGOT_E_IO);
    assert_int_equal(err.sys_errno, EIO);
    assert_int_equal(count_entries(p.root), 0);
    remove_directory(p.root);
}

static void a_file_that_is_there_already_is_not_opened(void **state)
{
    (void)state;
    struct place p = make_place();
    struct output_dir dir;
    struct output first, second;
    struct ingot_error err = { 0 };
    assert_int_equal(output_dir_init(&dir, p.path, names, false, NULL), INGOT_OK);
    assert_int_equal(output_dir_begin(&dir, NULL), INGOT_OK);
    assert_int_equal(output_dir_file(&dir, "a", 1, &first, NULL), INGOT_OK);
    assert_int_equal(output_dir_file(&dir, "a", 1, &second, &err), INGOT_E_IO);
    assert_int_equal(err.sys_errno, EEXIST);
    assert_non_null(strstr(err.message, "create"));
    output_close(&second);
    output_close(&first);
    output_dir_close(&dir);
    assert_int_equal(count_entries(p.root), 0);
    remove_directory(p.root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_appears_and_is_replaced_whole),
        cmocka_unit_test(a_system_that_cannot_name_without_replacing_names_all_the_same),
        cmocka_unit_test(a_system_that_cannot_exchange_says_so_and_leaves_what_was_there),
        cmocka_unit_test(who_comes_first_keeps_the_name),
        cmocka_unit_test(a_replacement_that_cannot_be_synced_is_undone),
        cmocka_unit_test(what_cannot_be_put_back_is_kept_beside),
        cmocka_unit_test(what_is_new_and_cannot_be_synced_is_there_and_told),
        cmocka_unit_test(what_cannot_be_an_output_is_told_before_any_work),
        cmocka_unit_test(what_may_be_replaced_need_not_be_there),
        cmocka_unit_test(a_name_that_cannot_be_given_leaves_nothing),
        cmocka_unit_test(a_file_that_is_there_already_is_not_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

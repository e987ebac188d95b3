/* output_dir.c - files are made in a directory with a temporary name, which is renamed when all are there. What it
 * replaces is exchanged with it in one step and then removed, file by file, by name: nothing else is ever removed. */
#include "format/output_dir.h"
#include "format/error.h"
#include "format/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE       0777 /* less umask, by the kernel */
#define TEMP_TRIES 100

#define ADVICE_NAME  "choose another name"
#define ADVICE_FORCE "choose another name, or ask for overwriting (-f)"

static bool is_known(const struct output_dir *dir, const char *name)
{
    size_t i = 0;
    while (dir->files[i] && strcmp(dir->files[i], name) != 0) i++;
    return dir->files[i] != NULL;
}

/* An entry of the directory `fd` that is one of ours, or gone already: another export may be removing them. */
static bool may_go(const struct output_dir *dir, int fd, const char *name)
{
    struct stat st;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return true;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return errno == ENOENT;
    return is_known(dir, name) && !S_ISDIR(st.st_mode);
}

/* Sets *stray to the first entry of the directory `name` that is not one of ours, to be freed; NULL when there is none.
 */
static enum ingot_status find_stray(const struct output_dir *dir, const char *name, char **stray,
                                    struct ingot_error *err)
{
    int fd = openat(dir->parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
    *stray = NULL;
    if (!entries) {
        if (fd >= 0) close(fd);
        return ingot_fail_errno(err, dir->path, "look into");
    }
    enum ingot_status status = INGOT_OK;
    for (const struct dirent *entry; status == INGOT_OK && !*stray && (entry = readdir(entries));)
        if (!may_go(dir, fd, entry->d_name) && !(*stray = strdup(entry->d_name)))
            status = ingot_fail(err, INGOT_E_MEMORY, INGOT_NO_OFFSET, dir->path, NULL, "no memory for a name");
    closedir(entries);
    return status;
}

/* The directory `name` is one that may be removed. */
static enum ingot_status check_contents(const struct output_dir *dir, const char *name, struct ingot_error *err)
{
    char *stray, shown[128];
    enum ingot_status status = find_stray(dir, name, &stray, err);
    if (status != INGOT_OK || !stray) return status;
    ingot_escape(stray, strlen(stray), shown, sizeof shown);
    free(stray);
    return ingot_fail(err, INGOT_E_EXISTS, INGOT_NO_OFFSET, dir->path, ADVICE_NAME,
                      "the directory is not replaced: it holds %s, which an export does not write", shown);
}

/* Early, so that no work is done in vain, and again before replacing. */
static enum ingot_status check_target(const struct output_dir *dir, struct ingot_error *err)
{
    struct stat st;
    if (fstatat(dir->parent_fd, dir->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? INGOT_OK : ingot_fail_errno(err, dir->path, "look at");
    if (!S_ISDIR(st.st_mode))
        return ingot_fail(err, INGOT_E_EXISTS, INGOT_NO_OFFSET, dir->path, ADVICE_NAME,
                          "the output exists, and is no directory");
    if (!dir->overwrite)
        return ingot_fail(err, INGOT_E_EXISTS, INGOT_NO_OFFSET, dir->path, ADVICE_FORCE, "the output exists already");
    return check_contents(dir, dir->name, err);
}

enum ingot_status output_dir_init(struct output_dir *dir, const char *path, const char *const *files, bool overwrite,
                                  struct ingot_error *err)
{
    *dir = (struct output_dir){ .files = files, .parent_fd = -1, .fd = -1, .overwrite = overwrite };
    dir->path = strdup(path);
    if (!dir->path) return ingot_fail(err, INGOT_E_MEMORY, INGOT_NO_OFFSET, path, NULL, "no memory for a path");
    for (size_t n = strlen(dir->path); n > 1 && dir->path[n - 1] == '/'; n--) dir->path[n - 1] = '\0';
    dir->name = path_base(dir->path);
    if (dir->name[0] == '\0' || strcmp(dir->name, ".") == 0 || strcmp(dir->name, "..") == 0)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, path, "give the name of a directory to be made",
                          "the output has no name of its own");
    dir->parent_fd = output_open_directory(dir->path);
    if (dir->parent_fd < 0) return ingot_fail_errno(err, path, "open its directory");
    return check_target(dir, err);
}

enum ingot_status output_dir_begin(struct output_dir *dir, struct ingot_error *err)
{
    for (int i = 0; !dir->temp_name && i < TEMP_TRIES; i++) {
        char *temp = output_temp_name(dir->name);
        if (!temp) return ingot_fail(err, INGOT_E_MEMORY, INGOT_NO_OFFSET, dir->path, NULL, "no memory for a name");
        if (mkdirat(dir->parent_fd, temp, MODE) == 0)
            dir->temp_name = temp;
        else
            free(temp);
        if (!dir->temp_name && errno != EEXIST) break;
    }
    if (dir->temp_name)
        dir->fd = openat(dir->parent_fd, dir->temp_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return dir->fd >= 0 ? INGOT_OK : ingot_fail_errno(err, dir->path, "make a directory there");
}

enum ingot_status output_dir_file(const struct output_dir *dir, const char *name, uint64_t n_bytes, struct output *out,
                                  struct ingot_error *err)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", dir->path, name) < 0) {
        *out = (struct output){ .dir_fd = -1, .fd = -1 };
        return ingot_fail(err, INGOT_E_MEMORY, INGOT_NO_OFFSET, dir->path, NULL, "no memory for a path");
    }
    enum ingot_status status = output_begin_in(out, dir->fd, name, path, n_bytes, err);
    free(path);
    return status;
}

/* Our files in the directory, then itself; what else is in it stays, and so does it. */
static int remove_directory(const struct output_dir *dir, int fd)
{
    for (size_t i = 0; dir->files[i]; i++) unlinkat(fd, dir->files[i], 0);
    return unlinkat(dir->parent_fd, dir->temp_name, AT_REMOVEDIR);
}

static void forget_temp(struct output_dir *dir)
{
    free(dir->temp_name);
    dir->temp_name = NULL;
}

/* The name must be free. A file system that cannot promise that replaces an empty directory at worst. */
static enum ingot_status name_first(struct output_dir *dir, struct ingot_error *err)
{
    int result = renameat2(dir->parent_fd, dir->temp_name, dir->parent_fd, dir->name, RENAME_NOREPLACE);
    if (result != 0 && (errno == EINVAL || errno == ENOSYS))
        result = renameat(dir->parent_fd, dir->temp_name, dir->parent_fd, dir->name);
    if (result == 0) {
        forget_temp(dir);
        return INGOT_OK;
    }
    if (errno == EEXIST || errno == ENOTEMPTY)
        return ingot_fail(err, INGOT_E_EXISTS, INGOT_NO_OFFSET, dir->path, ADVICE_FORCE, "the output exists already");
    return ingot_fail_errno(err, dir->path, "name");
}

static int exchange(const struct output_dir *dir)
{
    return renameat2(dir->parent_fd, dir->temp_name, dir->parent_fd, dir->name, RENAME_EXCHANGE);
}

static enum ingot_status fail_exchange(const struct output_dir *dir, struct ingot_error *err)
{
    if (errno != EINVAL && errno != ENOSYS)
        return ingot_fail_errno(err, dir->path, "exchange it with the new directory");
    return ingot_fail(err, INGOT_E_IO, INGOT_NO_OFFSET, dir->path, "remove it first, or choose another name",
                      "this file system cannot replace a directory in one step");
}

/* Another program may have put something in it, or something else in its place, until the exchange. */
static enum ingot_status check_replaced(const struct output_dir *dir, int old, struct ingot_error *err)
{
    if (old < 0) return ingot_fail_errno(err, dir->path, "open");
    enum ingot_status status = check_contents(dir, dir->temp_name, err);
    if (status != INGOT_OK || output_sync_directory(dir->parent_fd, dir->path, NULL) == INGOT_OK) return status;
    return ingot_fail(err, INGOT_E_IO, INGOT_NO_OFFSET, dir->path, NULL,
                      "what holds it cannot be synced; what was there has been put back");
}

/* Once exchanged, the temporary name is that of the old directory, which goes when nothing can bring it back; until
 * then the exchange can be undone. */
static enum ingot_status replace(struct output_dir *dir, struct ingot_error *err)
{
    if (exchange(dir) != 0) return errno == ENOENT ? name_first(dir, err) : fail_exchange(dir, err);
    int old = openat(dir->parent_fd, dir->temp_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    enum ingot_status status = check_replaced(dir, old, err);
    if (status != INGOT_OK) {
        if (exchange(dir) != 0) forget_temp(dir);
    } else {
        if (remove_directory(dir, old) != 0)
            status = ingot_fail(err, INGOT_E_IO, INGOT_NO_OFFSET, dir->temp_name, "see what is in it, and remove it",
                                "the output is complete, but what it replaced could not be removed from beside it");
        forget_temp(dir);
    }
    if (old >= 0) close(old);
    return status;
}

enum ingot_status output_dir_publish(struct output_dir *dir, struct ingot_error *err)
{
    enum ingot_status status = output_sync_directory(dir->fd, dir->path, err);
    if (status == INGOT_OK) status = check_target(dir, err);
    if (status != INGOT_OK) return status;
    status = dir->overwrite ? replace(dir, err) : name_first(dir, err);
    enum ingot_status synced = output_sync_directory(dir->parent_fd, dir->path, err);
    return status == INGOT_OK ? synced : status;
}

void output_dir_close(struct output_dir *dir)
{
    if (dir->temp_name) remove_directory(dir, dir->fd);
    if (dir->fd >= 0) close(dir->fd);
    if (dir->parent_fd >= 0) close(dir->parent_fd);
    free(dir->temp_name);
    free(dir->path);
    *dir = (struct output_dir){ .parent_fd = -1, .fd = -1 };
}

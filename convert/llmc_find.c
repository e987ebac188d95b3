/* llmc_find.c - llm.c's files in a directory. Its names are the user's own choice; the first bytes say what a file is.
 */
#include "convert/llmc.h"

#include "convert/input.h"
#include "format/bytes.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

/* O_NONBLOCK: a pipe that nobody writes to must not hang. */
static bool begins_with(int directory, const char *name, uint32_t magic)
{
    uint8_t head[4];
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return false;
    bool yes = pread(fd, head, sizeof head, 0) == (ssize_t)sizeof head && get_u32(head) == magic;
    close(fd);
    return yes;
}

struct first_two llmc_find(const char *directory, const char *suffix, uint32_t magic)
{
    struct first_two found = { 0 };
    DIR *d = opendir(directory);
    if (!d) return found;
    for (const struct dirent *e; (e = readdir(d));)
        if (path_ends_with(e->d_name, suffix) && begins_with(dirfd(d), e->d_name, magic))
            first_two_add(&found, e->d_name);
    closedir(d);
    return found;
}

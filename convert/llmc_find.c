/* llmc_find.c - llm.c's files in a directory. Its names are the user's own choice; the first bytes say what a file is.
 */
#include "convert/llmc.h"

#include "convert/input.h"
#include "format/bytes.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
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

/* Keeps the two least names, whatever the order of the directory. False without memory. */
static bool add_found(struct llmc_found *found, const char *name)
{
    size_t at = found->n == 0 || strcmp(name, found->names[0]) < 0 ? 0 : 1;
    found->n++;
    if (at == 1 && found->names[1] && strcmp(name, found->names[1]) > 0) return true;
    free(found->names[1]);
    found->names[1] = at == 0 ? found->names[0] : NULL;
    found->names[at] = strdup(name);
    return found->names[at] != NULL;
}

bool llmc_find(const char *directory, const char *suffix, uint32_t magic, struct llmc_found *out)
{
    bool enough = true;
    DIR *d = opendir(directory);
    *out = (struct llmc_found){ 0 };
    if (!d) return true;
    for (struct dirent *e; enough && (e = readdir(d));)
        if (path_ends_with(e->d_name, suffix) && begins_with(dirfd(d), e->d_name, magic))
            enough = add_found(out, e->d_name);
    closedir(d);
    return enough;
}

void llmc_found_free(struct llmc_found *found)
{
    free(found->names[0]);
    free(found->names[1]);
    *found = (struct llmc_found){ 0 };
}

/* input.h - one mapped input file with its identity: what it is called in the outside world, and whether it stayed the
 * same while it was being read. */
#ifndef INGOT_INPUT_H
#define INGOT_INPUT_H

#include "format/map.h"

#include <sys/stat.h>

struct input {
    char *path;       /* for errors */
    const char *base; /* the last component of path: all that a result may record */
    struct file_map map;
    int fd; /* stays open: the identity is asked of the same file, whatever its name means by then */
    struct stat at_open;
};

/* Opens directory/name. Errors: those of map_open(); MISSING with `advice` when there is no such file; SOURCE for a
 * pointer of Git LFS in its place. */
enum ingot_status input_open(const char *directory, const char *name, const char *advice, struct input **out,
                             struct ingot_error *err);
void input_close(struct input *in);

/* CHANGED when size or times are no longer those of input_open(). */
enum ingot_status input_check_unchanged(const struct input *in, struct ingot_error *err);

/* directory + "/" + name, to be freed; NULL without memory. */
char *path_join(const char *directory, const char *name);

/* The way back: the directory that holds what `path` names, "." for a bare name, to be freed; NULL without memory.
 * *base is the name in it, inside `path`. */
char *path_split(const char *path, const char **base);

/* Whether a file's name says what it is: path_ends_with("a/b.gguf", ".gguf"). */
bool path_ends_with(const char *path, const char *end);

/* Whether directory/name exists, were it a link that leads nowhere. */
bool path_exists(const char *directory, const char *name);

#endif

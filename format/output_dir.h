/* output_dir.h - a directory of files that appears under its name only when all of them are complete. */
#ifndef INGOT_OUTPUT_DIR_H
#define INGOT_OUTPUT_DIR_H

#include "format/output.h"

/* Zero-initialise; output_dir_close() is fine at any time after output_dir_init(), whatever that said. */
struct output_dir {
    char *path;               /* owned: as given, without slashes at the end */
    const char *name;         /* its last part */
    const char *const *files; /* NULL-terminated: what may be in it */
    int parent_fd;            /* the directory that holds it */
    int fd;                   /* itself, or -1 */
    char *temp_name;          /* owned: its name until it is published, and that of what it replaced afterwards */
    bool overwrite;
};

/* `files` are the names, borrowed, that may be made in the directory. One that exists is replaced only when that was
 * asked for and it holds nothing but files of these names; else EXISTS, naming what would be lost. */
enum ingot_status output_dir_init(struct output_dir *dir, const char *path, const char *const *files, bool overwrite,
                                  struct ingot_error *err);

/* Makes the directory, under a temporary name beside its own. */
enum ingot_status output_dir_begin(struct output_dir *dir, struct ingot_error *err);

/* A file in it, to be written, kept and closed (output.h). */
enum ingot_status output_dir_file(const struct output_dir *dir, const char *name, uint64_t n_bytes, struct output *out,
                                  struct ingot_error *err);

/* Syncs the directory, gives it its name, syncs the one that holds it; removes what it replaced. When a replacement
 * cannot be synced, the old one is put back. */
enum ingot_status output_dir_publish(struct output_dir *dir, struct ingot_error *err);

/* A directory that was not published is gone afterwards. */
void output_dir_close(struct output_dir *dir);

#endif

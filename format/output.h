/* output.h - a file that appears under its name only when it is complete. */
#ifndef INGOT_OUTPUT_H
#define INGOT_OUTPUT_H

#include "format/ingot_format.h"

/* Zero-initialise; output_close() is fine at any time after output_init(), whatever that said. */
struct output {
    char *path;       /* owned: as given, for errors */
    const char *name; /* its last part */
    int dir_fd;       /* the directory, held open: a rename of it or a chdir cannot lead astray */
    int fd;           /* the file, or -1 */
    char *temp_name;  /* owned: while the file has a temporary name in dir_fd, else NULL */
    bool overwrite;
    bool published; /* it has its name, even if that failed to be synced */
};

/* EXISTS when the path exists and overwriting was not asked for, or is something that must not be replaced. */
enum ingot_status output_init(struct output *out, const char *path, bool overwrite, struct ingot_error *err);

/* Creates the file, unnamed where the system can, and reserves n_bytes for it, all reading as zero. */
enum ingot_status output_begin(struct output *out, uint64_t n_bytes, struct ingot_error *err);

/* Instead of both: creates the file `name`, named at once, in a directory that is not yet to be seen itself. `path` is
 * what errors call it. output_close() removes it unless output_keep() succeeded. */
enum ingot_status output_begin_in(struct output *out, int dir_fd, const char *name, const char *path, uint64_t n_bytes,
                                  struct ingot_error *err);

/* Thread-safe. */
enum ingot_status output_write(const struct output *out, const void *bytes, uint64_t n, uint64_t off,
                               struct ingot_error *err);

/* Syncs the file, gives it its name, syncs the directory. When only that last step fails the file is there, complete:
 * what cannot be promised is that its name survives a crash. */
enum ingot_status output_publish(struct output *out, struct ingot_error *err);

/* Syncs the file of output_begin_in(); it stays. */
enum ingot_status output_keep(struct output *out, struct ingot_error *err);

/* Takes the name away again from a file that was published without replacing another; nothing when it was not. */
void output_retract(const struct output *out);

/* A file that was not published is gone afterwards. */
void output_close(struct output *out);

/* For names that must not last (the caller frees): `.NAME.ingot-tmp-PID-RANDOM`, NAME cut so that the whole fits into a
 * directory entry; NULL without memory. */
char *output_temp_name(const char *name);

/* The directory in which `path` names something; -1 with errno. */
int output_open_directory(const char *path);

/* Syncs a directory. Some file systems cannot and say EINVAL; what is in it is there all the same. */
enum ingot_status output_sync_directory(int dir_fd, const char *path, struct ingot_error *err);

#endif

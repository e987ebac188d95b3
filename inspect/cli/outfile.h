/* outfile.h - a result file that appears under its name complete or not at all. */
#ifndef INGOT_CLI_OUTFILE_H
#define INGOT_CLI_OUTFILE_H

#include "format/ingot_format.h"

/* Whether both paths are there and lead to one file. */
bool outfile_is_same(const char *a, const char *b);

/* Zero-initialise. */
struct outfile {
    const char *path; /* borrowed */
    char *temporary;  /* NULL: not open, or stdout */
    int fd;
    bool overwrite;
};

/* Whether `path`, which may be NULL, is "-": that is stdout, where a failure shows at the end of the program. */
bool outfile_is_stdout(const char *path);

/* EXISTS when the path exists and overwriting was not asked for, or is not a regular file. */
enum ingot_status outfile_open(struct outfile *f, const char *path, bool overwrite, struct ingot_error *err);
enum ingot_status outfile_write(struct outfile *f, const void *bytes, size_t n, struct ingot_error *err);

/* Syncs, gives the file its name and closes. */
enum ingot_status outfile_publish(struct outfile *f, struct ingot_error *err);

/* Closes; an unpublished file disappears. */
void outfile_close(struct outfile *f);

#endif

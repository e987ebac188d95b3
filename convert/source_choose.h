/* source_choose.h - which reader opens a path. */
#ifndef INGOT_SOURCE_CHOOSE_H
#define INGOT_SOURCE_CHOOSE_H

#include "convert/source.h"

struct chosen_reader {
    const struct source_reader *reader;
    bool is_directory;
    char *file; /* the path to open instead of a directory's, to be freed; or NULL */
};

/* The first reader that claims the path; for a directory that none claims, that of the one file in it that one does.
 * *out is set in any case. IO; SOURCE naming two of several such files; MISSING and UNSUPPORTED when there is none. */
enum ingot_status source_choose(const char *path, struct chosen_reader *out, struct ingot_error *err);

#endif

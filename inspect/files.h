/* files.h - the files of a checkpoint, as they are mapped. */
#ifndef INGOT_FILES_H
#define INGOT_FILES_H

#include "format/map.h"
#include "inspect/checkpoint.h"

/* All borrowed from the checkpoint; hostile where a directory's files have hostile names. */
struct checkpoint_file {
    const char *path; /* as the user would write it */
    const char *name; /* its last part, by which ls tells files apart */
    const struct file_map *map;
};

/* Those that were opened: a part that is not here is not among them. */
size_t checkpoint_file_count(const struct checkpoint *cp);

/* i must be below the count. */
struct checkpoint_file checkpoint_file_at(const struct checkpoint *cp, size_t i);

/* The file in which bytes[0 .. ) of a tensor lie and where; false for bytes that are in none. `hint` is where the
 * search begins: tensors that follow one another are in one file. */
bool checkpoint_file_of(const struct checkpoint *cp, const void *bytes, size_t *hint, uint64_t *off);

#endif

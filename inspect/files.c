/* files.c - an .ingot file is one; a source knows its own. */
#include "inspect/files.h"

#include "convert/source.h"
#include "format/file.h"
#include "format/path.h"

#include <string.h>

size_t checkpoint_file_count(const struct checkpoint *cp)
{
    return cp->file ? 1 : cp->source->n_files;
}

struct checkpoint_file checkpoint_file_at(const struct checkpoint *cp, size_t i)
{
    if (cp->file) return (struct checkpoint_file){ cp->path, path_base(cp->path), &cp->file->map };
    const struct input *in = cp->source->files[i];
    bool given = cp->source->base && strcmp(cp->source->base, in->base) == 0;
    return (struct checkpoint_file){ given ? cp->path : in->path, in->base, &in->map };
}

bool checkpoint_file_of(const struct checkpoint *cp, const void *bytes, size_t *hint, uint64_t *off)
{
    size_t n = checkpoint_file_count(cp);
    for (size_t k = 0; bytes && k < n; k++) {
        size_t i = (*hint + k) % n;
        const struct file_map *map = checkpoint_file_at(cp, i).map;
        uintptr_t at = (uintptr_t)bytes, first = (uintptr_t)map->bytes;
        if (at < first || at - first >= map->size) continue;
        *hint = i;
        *off = at - first;
        return true;
    }
    return false;
}

/* path.h - a path is what stands up to its last slash, and the name behind it. */
#ifndef INGOT_PATH_H
#define INGOT_PATH_H

#include <string.h>

/* The last component, inside `path`: all of a bare name, nothing of what ends in a slash. In front of it stand the
 * bytes that another name in the same directory begins with. */
static inline const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

#endif

/* first_two.c - a walk through a directory. */
#include "convert/first_two.h"

#include "convert/input.h"

#include <dirent.h>

bool first_two_list(const char *directory, const char *suffix, struct first_two *out)
{
    *out = (struct first_two){ 0 };
    DIR *d = opendir(directory);
    if (!d) return false;
    for (const struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.' && path_ends_with(e->d_name, suffix)) first_two_add(out, e->d_name);
    closedir(d);
    return true;
}

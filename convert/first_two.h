/* first_two.h - of the names of a directory that could be meant, how many there are and the first two of them in
 * alphabetical order: what an error says of several, whatever order the system lists them in. */
#ifndef INGOT_FIRST_TWO_H
#define INGOT_FIRST_TWO_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct first_two {
    size_t n;
    char names[2][NAME_MAX + 1]; /* as many as there are */
};

/* True when `name`, of one of the directory's entries, is the first one now. */
static inline bool first_two_add(struct first_two *found, const char *name)
{
    const size_t n_before = found->n++;
    const bool first = n_before == 0 || strcmp(name, found->names[0]) < 0;
    if (!first && n_before > 1 && strcmp(name, found->names[1]) > 0) return false;
    if (first) memcpy(found->names[1], found->names[0], sizeof found->names[1]);
    snprintf(found->names[first ? 0 : 1], sizeof found->names[0], "%s", name);
    return first;
}

/* Those of a directory that end so; hidden ones are other programs' business. False, with errno, where it cannot be
 * read. */
bool first_two_list(const char *directory, const char *suffix, struct first_two *out);

#endif

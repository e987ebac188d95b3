/* choose.h - which tensors of a checkpoint a command line means. */
#ifndef INGOT_CHOOSE_H
#define INGOT_CHOOSE_H

#include "inspect/checkpoint.h"

struct choice {
    size_t *list; /* numbers of tensors, ascending, each once; to be freed */
    size_t n;
    bool patterns; /* one of the names was a pattern, or there was none */
};

/* A name is the tensor of that name; otherwise, with * ? or [ in it, a pattern for the names as ls prints them, in
 * which * stands for dots and slashes too. No name at all means every tensor. Aliases are meant only by their names.
 * ARGUMENT for a name that means nothing. */
enum ingot_status choose_tensors(const struct checkpoint *cp, const char *const *names, size_t n_names,
                                 struct choice *out, struct ingot_error *err);

/* One line of advice for a pattern, or a name, that no tensor has: the pattern that was perhaps meant, or the nearest
 * name. */
void choose_advise(const struct checkpoint *cp, const char *pattern, char *advice, size_t cap);

#endif

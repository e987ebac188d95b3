/* diff_pairs.h - which tensors of two checkpoints are compared with which. */
#ifndef INGOT_DIFF_PAIRS_H
#define INGOT_DIFF_PAIRS_H

#include "inspect/diff.h"

/* Opens both and pairs their tensors; nothing is compared yet. Errors of diff_open(). Free with diff_close(), after a
 * failure too. */
enum ingot_status diff_pairs_open(const char *path_a, const char *path_b, const struct diff_options *options,
                                  struct diff *out, struct ingot_error *err);

/* Whether its rows are those of the vocabulary, of which one side may have more. */
bool diff_is_vocabulary(const struct diff_tensor *t);

#endif

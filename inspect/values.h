/* values.h - single values of any tensor, whatever its file, layout and dtype. */
#ifndef INGOT_VALUES_H
#define INGOT_VALUES_H

#include "inspect/checkpoint.h"

/* How the tensor is looked at: a vector is one row, leading dimensions are folded into rows. False when its values
 * cannot be read: an unknown dtype, or bytes that do not match the shape. */
bool values_shape(const struct checkpoint_tensor *t, uint64_t *n_rows, uint64_t *n_cols);

/* Row and column must be inside values_shape(). */
double values_element(const struct checkpoint_tensor *t, uint64_t row, uint64_t col);

#endif

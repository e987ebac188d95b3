/* self_check.h - after the writing: is each element of the result the cast of the right element of the source? */
#ifndef INGOT_SELF_CHECK_H
#define INGOT_SELF_CHECK_H

#include "convert/plan.h"

/* Compares every element of a small tensor, corners and a spread of elements of any other: the source's element, found
 * by its own row-major shape, cast by definition, against ingot_element() of the written file. Adds the number compared
 * to *n_checked. MODEL names the tensor and the element that differs: that would be a fault of this program, not of the
 * checkpoint. */
enum ingot_status self_check(const struct plan *plan, const struct ingot_file *file, uint64_t *n_checked,
                             struct ingot_error *err);

#endif

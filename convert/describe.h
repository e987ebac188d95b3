/* describe.h - what became of a source tensor, in words: for plans and for the provenance. */
#ifndef INGOT_DESCRIBE_H
#define INGOT_DESCRIBE_H

#include "convert/plan.h"

#define DESCRIBE_MAX 192

/* "none"; "transpose"; "rows 0..767 of [2304, 768]", counted after the transposition if there is one; for one of
 * several parts also where it goes: "none, to rows 768..1535". Returns out. */
char *describe_part(const struct plan_tensor *t, const struct plan_part *part, char out[DESCRIBE_MAX]);

#endif

/* anatomy_faults.h - what is wrong with a field of an .ingot file beside the others, as far as they are to be believed;
 * what is wrong with it by itself, field_fault() knows. */
#ifndef INGOT_ANATOMY_FAULTS_H
#define INGOT_ANATOMY_FAULTS_H

#include "inspect/fields.h"
#include "inspect/skeleton.h"

/* `base` is the whole structure, which stands at `at` in the file. Returns out, "is beyond the length [F-17]", or NULL:
 * nothing wrong. */
typedef const char *fault_fn(const struct skeleton *s, const struct field *f, const uint8_t *base, uint64_t at,
                             char out[FIELD_TEXT_MAX]);

fault_fn fault_of_superblock, fault_of_index, fault_of_record, fault_of_model, fault_of_vocabulary;

#endif

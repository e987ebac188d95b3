/* fail.h - what many files of this room say in the same words. */
#ifndef INGOT_FAIL_H
#define INGOT_FAIL_H

#include "format/error.h"

#define ADVICE_COPY "get another copy of the file"

static inline enum ingot_status fail_memory(struct ingot_error *err, const char *subject)
{
    return ingot_fail(err, INGOT_E_MEMORY, INGOT_NO_OFFSET, subject, NULL, "out of memory");
}

#endif

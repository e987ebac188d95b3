/* analyzer.h - what clang's analyzer cannot see from one file: a failure is never INGOT_OK. Included by `make lint`
 * only. */
#ifndef TESTS_LINT_ANALYZER_H
#define TESTS_LINT_ANALYZER_H

#include <stdlib.h>

#include "format/error.h"

#define ingot_fail(err, status, ...)                                                                                   \
    ((status) == INGOT_OK ? (abort(), INGOT_OK) : (ingot_fail(err, status, __VA_ARGS__), (status)))
#define ingot_fail_errno(err, subject, verb) (ingot_fail_errno(err, subject, verb), INGOT_E_IO)

#endif

/*
 * summary.h - the closing line on stderr of the commands that take long, and what those that write a file share
 * besides.
 */
#ifndef INGOT_INSPECT_SUMMARY_H
#define INGOT_INSPECT_SUMMARY_H

#include "inspect/cli/options.h"

#define VERBOSE_OPTION                                                                                                 \
    {                                                                                                                  \
        .name = "verbose", .letter = 'v', .help = "Print a summary on stderr even when it is not a terminal"           \
    }

/* Whether the line is wanted: by default a person gets it and a script does not. */
bool summary_wanted(const struct option_value *quiet, const struct option_value *verbose);

/* "gpt2.ingot: 148 tensors, 498 MB, in 290 ms (1.7 GB/s)" */
void summary_of_written(const char *output, uint64_t n_tensors, uint64_t bytes, double seconds);

/* The dtype of a --dtype option whose choices are dtypes and "keep", which is none. */
enum ingot_dtype dtype_to_write(const char *choice);

#endif

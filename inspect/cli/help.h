/* help.h - every text about the commands, made from their tables. All print to stdout unless a stream is given. */
#ifndef INGOT_CLI_HELP_H
#define INGOT_CLI_HELP_H

#include "inspect/cli/options.h"

#include <stdio.h>

void help_overview(FILE *to, const struct command *const *commands, size_t n);
void help_command(const struct command *command);

/* The manual page ingot(1), in man(7) macros. */
void help_manual(const struct command *const *commands, size_t n);

/* The completion for bash, to be sourced. */
void help_completion(const struct command *const *commands, size_t n);

/* The default and the range of an option, for people: " (default 0.8, 0 to 100)"; may be empty. */
void help_option_note(const struct option *o, char *out, size_t cap);

#endif

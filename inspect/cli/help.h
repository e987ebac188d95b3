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

#define HELP_NOTE_MAX 256

/* Choices and default of an option, for people: " (f32, f16; default f16)"; may be empty. */
void help_option_note(const struct option *o, char out[HELP_NOTE_MAX]);

#endif

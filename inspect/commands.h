/* commands.h - the commands of the program; each cmd_*.c defines one. */
#ifndef INGOT_COMMANDS_H
#define INGOT_COMMANDS_H

#include "inspect/cli/options.h"

extern const struct command command_bench;
extern const struct command command_cat;
extern const struct command command_convert;
extern const struct command command_cpu;
extern const struct command command_diff;
extern const struct command command_eval;
extern const struct command command_export;
extern const struct command command_hash;
extern const struct command command_help;
extern const struct command command_hex;
extern const struct command command_ls;
extern const struct command command_map;
extern const struct command command_params;
extern const struct command command_report;
extern const struct command command_run;
extern const struct command command_score;
extern const struct command command_show;
extern const struct command command_stats;
extern const struct command command_tokenize;
extern const struct command command_verify;
extern const struct command command_version;

/* In the order in which people meet them. */
extern const struct command *const commands[];
extern const size_t n_commands;

/* NULL when there is none of that name. */
const struct command *command_find(const char *name);

/* "no such command", with a suggestion. */
enum ingot_status command_unknown(const char *name, struct ingot_error *err);

#endif

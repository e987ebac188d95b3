/* commands.c - the one list of commands. */
#include "inspect/commands.h"

#include "format/error.h"
#include "inspect/cli/suggest.h"

#include <stdio.h>
#include <string.h>

const struct command *const commands[] = {
    &command_convert, &command_export, &command_run,     &command_eval,   &command_score,  &command_tokenize,
    &command_ls,      &command_cat,    &command_show,    &command_params, &command_stats,  &command_verify,
    &command_hash,    &command_hex,    &command_map,     &command_diff,   &command_report, &command_bench,
    &command_cpu,     &command_help,   &command_version,
};
const size_t n_commands = sizeof commands / sizeof *commands;

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < n_commands; i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

enum ingot_status command_unknown(const char *name, struct ingot_error *err)
{
    struct suggestion best = suggest_begin(name);
    char advice[96] = "'ingot help' lists the commands", shown[96];
    for (size_t i = 0; i < n_commands; i++) suggest_offer(&best, commands[i]->name);
    if (best.name) snprintf(advice, sizeof advice, "did you mean 'ingot %s'?", best.name);
    ingot_escape(name, strlen(name), shown, sizeof shown);
    return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, NULL, advice, "'%s' is not a command", shown);
}

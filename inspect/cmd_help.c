/* cmd_help.c - `ingot help` and `ingot version`: the tables, read aloud. */
#include "inspect/commands.h"

#include "inspect/cli/help.h"
#include "inspect/cli/report.h"
#include "inspect/recipe_help.h"

#include <stdio.h>
#include <string.h>

enum { OPT_MAN, OPT_COMPLETION, N_OPTIONS };

static const struct option options[N_OPTIONS] = {
    [OPT_MAN] = { .name = "man", .help = "Print the manual page, for man -l" },
    [OPT_COMPLETION] = { .name = "completion", .help = "Print the completion for bash, to be sourced" },
};

static int help_recipes(const struct arguments *args)
{
    struct ingot_error err = { 0 };
    if (args->n_operands == 1)
        recipe_help_language();
    else if (recipe_help_one(args->operands[1], &err) != INGOT_OK)
        return report_error(&err);
    return CODE_OK;
}

static int run_help(const struct arguments *args)
{
    struct ingot_error err = { 0 };
    if (args->values[OPT_MAN].given) {
        help_manual(commands, n_commands);
        return CODE_OK;
    }
    if (args->values[OPT_COMPLETION].given) {
        help_completion(commands, n_commands);
        return CODE_OK;
    }
    if (args->n_operands == 0) {
        help_overview(stdout, commands, n_commands);
        return CODE_OK;
    }
    if (strcmp(args->operands[0], "recipes") == 0) return help_recipes(args);
    if (args->n_operands > 1)
        return report_failure(INGOT_E_ARGUMENT, "help", "usage: ingot help COMMAND", "too many arguments");
    const struct command *command = command_find(args->operands[0]);
    if (!command) {
        command_unknown(args->operands[0], &err);
        return report_error(&err);
    }
    help_command(command);
    return CODE_OK;
}

const struct command command_help = {
    .name = "help",
    .summary = "explain a command",
    .operands = "[COMMAND | recipes [NAME]]",
    .max_operands = 2,
    .options = options,
    .n_options = N_OPTIONS,
    .description = "Without an argument, lists the commands. 'recipes' explains the language in which a recipe says "
                   "how a checkpoint is to be read; with NAME, prints the recipe of that name.",
    .examples = "ingot help convert\n"
                "ingot help recipes nanogpt\n"
                "ingot help --man | man -l -\n"
                "source <(ingot help --completion)",
    .run = run_help,
};

static int run_version(const struct arguments *args)
{
    (void)args;
    puts("ingot " INGOT_VERSION);
    return CODE_OK;
}

const struct command command_version = {
    .name = "version",
    .summary = "print the version",
    .operands = "",
    .description = "Prints the version of the program.",
    .run = run_version,
};

/* main.c - finds the command, parses its options, runs it, and makes sure that what was printed arrived. */
#include "inspect/cli/help.h"
#include "inspect/cli/json.h"
#include "inspect/cli/report.h"
#include "inspect/cli/signals.h"
#include "inspect/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* A standard stream that the caller closed must not become the number of a file that we open. The stand-ins face the
 * wrong way on purpose: reading and writing them fails. */
static void guard_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) (void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct arguments args;
    struct ingot_error err = { 0 };
    if (options_parse(command, argc, argv, &args, &err) != INGOT_OK) return report_error(&err);
    if (args.help) {
        help_command(command);
        return CODE_OK;
    }
    if (args.yaml) json_speak_yaml();
    return command->run(&args);
}

static int dispatch(int argc, char **argv)
{
    struct ingot_error err = { 0 };
    if (argc < 2) {
        help_overview(stderr, commands, n_commands);
        return CODE_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) name = "version";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) name = "help";
    const struct command *command = command_find(name);
    if (command) return run_command(command, argc - 2, argv + 2);
    command_unknown(name, &err);
    return report_error(&err);
}

int main(int argc, char **argv)
{
    guard_standard_streams();
    signals_install();
    return report_finish(dispatch(argc, argv));
}

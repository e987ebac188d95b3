/* signals.c - handlers that do nothing but what POSIX allows in a handler: set a flag, write(2), _exit(2). */
#include "inspect/cli/signals.h"

#include "format/error.h"
#include "inspect/cli/report.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Whoever asks a third time does not want to wait for a clean end. (`timeout` sends its signal twice.) */
#define PATIENCE 3

static volatile sig_atomic_t n_interrupts;

/* Prepared in advance: a handler may not format. */
static char mapping_message[640];
static size_t mapping_message_bytes;

static void on_interrupt(int signo)
{
    (void)signo;
    int n = n_interrupts + 1;
    n_interrupts = n;
    if (n >= PATIENCE) _exit(CODE_INTERRUPTED);
}

static void on_bus_error(int signo, siginfo_t *info, void *context)
{
    (void)context;
    if (info->si_code != BUS_ADRERR) {
        signal(signo, SIG_DFL); /* not a mapping's fault: fail as if there were no handler */
        raise(signo);
        return;
    }
    ssize_t ignored = write(STDERR_FILENO, mapping_message, mapping_message_bytes);
    (void)ignored;
    _exit(CODE_SYSTEM);
}

static void append(const char *text)
{
    size_t n = strlen(text), room = sizeof mapping_message - mapping_message_bytes;
    if (n > room) n = room;
    memcpy(mapping_message + mapping_message_bytes, text, n);
    mapping_message_bytes += n;
}

static void append_path(const char *path)
{
    char shown[200];
    append(ingot_escape(path, strlen(path), shown, sizeof shown));
}

void signals_name_mapping(const char *path)
{
    signals_name_mappings(path, NULL);
}

void signals_name_mappings(const char *path, const char *other)
{
    mapping_message_bytes = 0;
    append("ingot: ");
    append_path(path);
    if (other) append(" or ");
    if (other) append_path(other);
    append(": the file became shorter, or its medium unreadable, while it was in use\n"
           "       work on a copy that nothing else writes to\n");
}

void signals_install(void)
{
    /* No SA_RESTART: a read from a keyboard or a write to a full pipe shall return when the user interrupts. */
    struct sigaction interrupt = { .sa_handler = on_interrupt };
    struct sigaction bus = { .sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO };
    struct sigaction ignore = { .sa_handler = SIG_IGN }, inherited;
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGTERM, &interrupt, NULL);
    if (sigaction(SIGHUP, NULL, &inherited) == 0 && inherited.sa_handler != SIG_IGN) /* nohup stays nohup */
        sigaction(SIGHUP, &interrupt, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL);
    signals_name_mapping("a mapped file");
    sigaction(SIGBUS, &bus, NULL);
}

bool signals_interrupted(void)
{
    return n_interrupts > 0;
}

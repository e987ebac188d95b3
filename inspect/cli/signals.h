/* signals.h - an interruption is a flag that the work asks for; a vanished mapping is an error message. */
#ifndef INGOT_CLI_SIGNALS_H
#define INGOT_CLI_SIGNALS_H

#include <stdbool.h>

/* SIGINT, SIGTERM and SIGHUP set the flag (the third one ends the program on the spot), SIGPIPE and SIGXFSZ are
 * ignored so that writing says EPIPE and EFBIG, SIGBUS under a mapping prints an error and ends with CODE_SYSTEM. */
void signals_install(void);

bool signals_interrupted(void);

/* The file that a SIGBUS is blamed on from now on; copied. */
void signals_name_mapping(const char *path);

/* One of the two: the signal does not say which. */
void signals_name_mappings(const char *path, const char *other);

#endif

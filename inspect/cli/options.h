/*
 * options.h - options are data.
 *
 * One `struct command` per command holds everything that there is to say about it; the parser, `--help`, the man page
 * and the shell completion all read the same table. A command's options stand in an array indexed by the command's own
 * enum, and so do the parsed values: args->values[OPT_OUTPUT].text.
 */
#ifndef INGOT_CLI_OPTIONS_H
#define INGOT_CLI_OPTIONS_H

#include "format/ingot_format.h"

#define OPTIONS_MAX  24
#define OPERANDS_MAX 64
#define REPEATED_MAX 64

enum option_type {
    OPTION_FLAG,
    OPTION_TEXT,   /* anything; `choices` are suggested to the shell */
    OPTION_FILE,   /* a path */
    OPTION_CHOICE, /* one of `choices` */
    OPTION_COUNT,  /* decimal, in [min, max] */
    OPTION_SIZE,   /* the same with an optional k or M (1024, 1024^2) */
    OPTION_REAL,   /* finite, in [real_min, real_max] */
};

struct option {
    const char *name; /* without the dashes */
    char letter;      /* or 0 */
    enum option_type type;
    const char *value;    /* what stands for the value in help: "FILE" */
    const char *fallback; /* the default, as the user would write it; NULL: none */
    uint64_t min, max;
    double real_min, real_max;
    const char *const *choices; /* NULL-terminated */
    const char *help;           /* one sentence, no final period */
    bool repeats;               /* may be given several times; of a command's options one at most */
};

/* Rows that many commands' tables have, but for what they say of it. */
#define THREADS_OPTION(what)                                                                                           \
    {                                                                                                                  \
        .name = "threads", .letter = 't', .type = OPTION_COUNT, .value = "N", .min = 1, .max = 256, .help = (what)     \
    }
#define JSON_OPTION(what)                                                                                              \
    {                                                                                                                  \
        .name = "json", .help = (what)                                                                                 \
    }
#define QUIET_OPTION(what)                                                                                             \
    {                                                                                                                  \
        .name = "quiet", .letter = 'q', .help = (what)                                                                 \
    }

struct option_value {
    bool given;       /* on the command line */
    const char *text; /* as written, or the fallback; NULL when there is neither */
    uint64_t count;   /* COUNT, SIZE; CHOICE: index of the choice */
    double real;      /* REAL */
};

struct arguments;

struct command {
    const char *name;
    const char *summary; /* for the list of commands: a verb phrase, no final period */
    const char *operands;
    unsigned min_operands, max_operands;
    const struct option *options;
    size_t n_options;
    const char *description; /* paragraphs parted by an empty line */
    const char *examples;    /* one a line */
    int (*run)(const struct arguments *args);
};

struct arguments {
    const struct command *command;
    struct option_value values[OPTIONS_MAX];
    const char *operands[OPERANDS_MAX];
    size_t n_operands;
    const char *repeated[REPEATED_MAX]; /* every text of the option that repeats, in order */
    size_t n_repeated;
    bool help; /* --help was asked for: nothing behind it was read */
    bool yaml; /* --yaml: the option called json is given, and its tree is to be printed as YAML */
};

/* What a table does not say: beside an option called "json" there is this one. NULL for every other. */
const struct option *options_beside(const struct option *o);

/* Reads argv[0 .. argc) (without program and command name) by the command's table. Options and operands may be mixed;
 * "--" ends the options. ARGUMENT with advice when something is unknown, missing, repeated wrongly or out of range. */
enum ingot_status options_parse(const struct command *command, int argc, char **argv, struct arguments *args,
                                struct ingot_error *err);

/* Decimal digits only; false on anything else and on overflow. */
bool options_parse_count(const char *text, uint64_t *out);

#endif

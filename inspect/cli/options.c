/* options.c - the parser of the command line: one pass over argv, everything checked against the command's table. */
#include "inspect/cli/options.h"

#include "format/checked.h"
#include "format/error.h"
#include "inspect/cli/suggest.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the parser stands. `at` is the next word of argv. */
struct parser {
    const struct command *command;
    char **argv;
    int argc, at;
    struct arguments *args;
    struct ingot_error *err;
};

static const struct option yaml_option = { .name = "yaml", .help = "The same as --json, as YAML" };

const struct option *options_beside(const struct option *o)
{
    return strcmp(o->name, "json") == 0 ? &yaml_option : NULL;
}

bool options_parse_count(const char *text, uint64_t *out)
{
    uint64_t n = 0;
    if (!*text) return false;
    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9') return false;
        if (!checked_mul(n, 10, &n) || !checked_add(n, (uint64_t)(*c - '0'), &n)) return false;
    }
    *out = n;
    return true;
}

static bool parse_size(const char *text, uint64_t *out)
{
    char digits[32];
    size_t n = strlen(text);
    uint64_t unit = 1;
    if (n == 0 || n >= sizeof digits) return false;
    memcpy(digits, text, n + 1);
    if (digits[n - 1] == 'k' || digits[n - 1] == 'K') unit = 1024;
    if (digits[n - 1] == 'M') unit = 1024 * 1024;
    if (unit > 1) digits[n - 1] = '\0';
    return options_parse_count(digits, out) && checked_mul(*out, unit, out);
}

static bool parse_real(const char *text, double *out)
{
    char *end;
    if (!*text || strchr(" \t\n", *text)) return false;
    errno = 0;
    *out = strtod(text, &end);
    return !*end && errno == 0 && isfinite(*out);
}

static enum ingot_status usage(const struct parser *p, const char *advice, const char *what, const char *word)
{
    char shown[160];
    ingot_escape(word, strlen(word), shown, sizeof shown);
    return ingot_fail(p->err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, p->command->name, advice, "%s '%s'", what, shown);
}

/* The value of option `o` is not acceptable: say what would be. */
static enum ingot_status bad_value(const struct parser *p, const struct option *o, const char *text)
{
    char what[96], advice[160];
    snprintf(what, sizeof what, "--%s cannot be", o->name);
    if (o->type == OPTION_REAL) {
        snprintf(advice, sizeof advice, "a number from %g to %g is expected", o->real_min, o->real_max);
    } else if (o->type == OPTION_CHOICE) {
        size_t used = (size_t)snprintf(advice, sizeof advice, "one of these is expected:");
        for (size_t i = 0; o->choices[i] && used < sizeof advice; i++)
            used += (size_t)snprintf(advice + used, sizeof advice - used, " %s", o->choices[i]);
    } else {
        snprintf(advice, sizeof advice, "a whole number from %llu to %llu is expected", (unsigned long long)o->min,
                 (unsigned long long)(o->max ? o->max : UINT64_MAX));
    }
    return usage(p, advice, what, text);
}

static bool parse_choice(const struct option *o, const char *text, uint64_t *index)
{
    for (*index = 0; o->choices[*index]; ++*index)
        if (strcmp(o->choices[*index], text) == 0) return true;
    return false;
}

/* Fills v from text as the option's type asks. */
static bool convert_value(const struct option *o, const char *text, struct option_value *v)
{
    bool good = true;
    v->text = text;
    if (o->type == OPTION_COUNT) good = options_parse_count(text, &v->count);
    if (o->type == OPTION_SIZE) good = parse_size(text, &v->count);
    if (o->type == OPTION_CHOICE) return parse_choice(o, text, &v->count);
    if (o->type == OPTION_REAL) return parse_real(text, &v->real) && v->real >= o->real_min && v->real <= o->real_max;
    if (o->type == OPTION_COUNT || o->type == OPTION_SIZE)
        good = good && v->count >= o->min && (o->max == 0 || v->count <= o->max);
    return good;
}

/* Records option `o` with the value that stands attached to it (`--o=value`, `-ovalue`) or in the next word. */
static enum ingot_status take_option(struct parser *p, const struct option *o, const char *attached)
{
    struct option_value *v = &p->args->values[o - p->command->options];
    char name[64];
    snprintf(name, sizeof name, "--%s", o->name);
    v->given = true;
    if (o->type == OPTION_FLAG) return attached ? usage(p, NULL, "this option takes no value:", name) : INGOT_OK;
    if (!attached) {
        if (p->at == p->argc) return usage(p, o->help, "a value is missing after option", name);
        attached = p->argv[p->at++];
    }
    if (!convert_value(o, attached, v)) return bad_value(p, o, attached);
    if (!o->repeats) return INGOT_OK;
    if (p->args->n_repeated == REPEATED_MAX) return usage(p, NULL, "given too many times: option", name);
    p->args->repeated[p->args->n_repeated++] = attached;
    return INGOT_OK;
}

/* "did you mean" among the long options. */
static enum ingot_status unknown_option(const struct parser *p, const char *word)
{
    struct suggestion best = suggest_begin(word + strspn(word, "-"));
    char advice[160];
    for (size_t i = 0; i < p->command->n_options; i++) {
        const struct option *beside = options_beside(&p->command->options[i]);
        suggest_offer(&best, p->command->options[i].name);
        if (beside) suggest_offer(&best, beside->name);
    }
    suggest_offer(&best, "help");
    if (best.name)
        snprintf(advice, sizeof advice, "did you mean '--%s'?", best.name);
    else
        snprintf(advice, sizeof advice, "'ingot help %s' lists the options", p->command->name);
    return usage(p, advice, "unknown option", word);
}

static bool is_named(const struct option *o, const char *name, size_t n)
{
    return o && strlen(o->name) == n && memcmp(o->name, name, n) == 0;
}

static enum ingot_status parse_long(struct parser *p, const char *word)
{
    const char *name = word + 2, *equals = strchr(name, '=');
    size_t n = equals ? (size_t)(equals - name) : strlen(name);
    for (size_t i = 0; i < p->command->n_options; i++) {
        const struct option *o = &p->command->options[i];
        bool beside = is_named(options_beside(o), name, n);
        if (!beside && !is_named(o, name, n)) continue;
        p->args->yaml |= beside;
        return take_option(p, o, equals ? equals + 1 : NULL);
    }
    char bare[64];
    snprintf(bare, sizeof bare, "--%.*s", n < 60 ? (int)n : 60, name);
    return unknown_option(p, bare);
}

/* A word of one-letter options, of which the last may take a value: -qf, -n5, -n 5. */
static enum ingot_status parse_letters(struct parser *p, const char *word)
{
    for (const char *c = word + 1; *c; c++) {
        const struct option *o = NULL;
        for (size_t i = 0; i < p->command->n_options && !o; i++)
            if (p->command->options[i].letter == *c) o = &p->command->options[i];
        if (!o) {
            char bare[3] = { '-', *c, '\0' };
            return unknown_option(p, c == word + 1 ? word : bare);
        }
        if (o->type != OPTION_FLAG) return take_option(p, o, c[1] ? c + 1 : NULL);
        enum ingot_status status = take_option(p, o, NULL);
        if (status != INGOT_OK) return status;
    }
    return INGOT_OK;
}

#define USAGE_MAX 160

static const char *usage_line(const struct command *command, char out[USAGE_MAX])
{
    snprintf(out, USAGE_MAX, "usage: ingot %s [OPTION]...%s%s", command->name, *command->operands ? " " : "",
             command->operands);
    return out;
}

static enum ingot_status take_operand(struct parser *p, const char *word)
{
    if (p->args->n_operands == p->command->max_operands) {
        char advice[USAGE_MAX];
        return usage(p, usage_line(p->command, advice), "unexpected argument", word);
    }
    p->args->operands[p->args->n_operands++] = word;
    return INGOT_OK;
}

static void fill_fallbacks(const struct command *command, struct arguments *args)
{
    for (size_t i = 0; i < command->n_options; i++)
        if (command->options[i].fallback)
            convert_value(&command->options[i], command->options[i].fallback, &args->values[i]);
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* All words, until --help makes the rest unimportant. */
static enum ingot_status parse_words(struct parser *p)
{
    bool only_operands = false;
    while (p->at < p->argc) {
        const char *word = p->argv[p->at++];
        enum ingot_status status = INGOT_OK;
        if (only_operands || word[0] != '-' || !word[1])
            status = take_operand(p, word);
        else if (strcmp(word, "--") == 0)
            only_operands = true;
        else if (is_help(word))
            p->args->help = true;
        else
            status = word[1] == '-' ? parse_long(p, word) : parse_letters(p, word);
        if (status != INGOT_OK || p->args->help) return status;
    }
    return INGOT_OK;
}

enum ingot_status options_parse(const struct command *command, int argc, char **argv, struct arguments *args,
                                struct ingot_error *err)
{
    struct parser p = { .command = command, .argv = argv, .argc = argc, .args = args, .err = err };
    *args = (struct arguments){ .command = command };
    fill_fallbacks(command, args);
    enum ingot_status status = parse_words(&p);
    if (status != INGOT_OK || args->help || args->n_operands >= command->min_operands) return status;
    char advice[USAGE_MAX];
    return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, command->name, usage_line(command, advice),
                      "an argument is missing");
}

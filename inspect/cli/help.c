/* help.c - --help and `ingot help`, wrapped to the terminal. */
#include "inspect/cli/help.h"

#include "inspect/cli/paragraph.h"
#include "inspect/cli/terminal.h"

#include <assert.h>
#include <string.h>

#define INDENT        2
#define OPTION_COLUMN 26

static void print_heading(FILE *to, const char *heading)
{
    fprintf(to, "\n%s%s%s\n", terminal_style(to, STYLE_BOLD), heading, terminal_style(to, STYLE_PLAIN));
}

/* Indented paragraphs; an empty line parts them. */
static void print_paragraphs(const char *text)
{
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t n = end ? (size_t)(end - text) : strlen(text);
        printf("\n%*s", INDENT, "");
        paragraph_print(stdout, text, n, INDENT, INDENT);
        text += n + strspn(text + n, "\n");
    }
}

static void print_examples(const char *text)
{
    print_heading(stdout, "Examples");
    while (*text) {
        size_t n = strcspn(text, "\n");
        printf("%*s%.*s\n", INDENT, "", (int)n, text);
        text += n + (text[n] == '\n');
    }
}

void help_option_note(const struct option *o, char out[HELP_NOTE_MAX])
{
    const size_t cap = HELP_NOTE_MAX;
    size_t used = 0;
    *out = '\0';
    if (o->type == OPTION_CHOICE) {
        used += (size_t)snprintf(out, cap, " (");
        for (size_t i = 0; o->choices[i] && used < cap; i++)
            used += (size_t)snprintf(out + used, cap - used, "%s%s", i ? ", " : "", o->choices[i]);
    }
    if (o->fallback && used < cap)
        used += (size_t)snprintf(out + used, cap - used, "%sdefault %s", used ? "; " : " (", o->fallback);
    if (o->repeats && used < cap) used += (size_t)snprintf(out + used, cap - used, "%srepeatable", used ? "; " : " (");
    if (used > 0 && used < cap) used += (size_t)snprintf(out + used, cap - used, ")");
    assert(used < cap);
}

static void print_option(const struct option *o, size_t column)
{
    char spelling[64], note[HELP_NOTE_MAX], text[768];
    char letter[8] = "    ";
    if (o->letter) snprintf(letter, sizeof letter, "-%c, ", o->letter);
    size_t n = (size_t)snprintf(spelling, sizeof spelling, "%s--%s%s%s", letter, o->name, o->value ? " " : "",
                                o->value ? o->value : "");
    help_option_note(o, note);
    snprintf(text, sizeof text, "%s%s", o->help, note);
    printf("%*s%s", INDENT, "", spelling);
    if (INDENT + n + 2 > column) {
        printf("\n%*s", (int)column, "");
    } else {
        printf("%*s", (int)(column - INDENT - n), "");
    }
    paragraph_print(stdout, text, strlen(text), column, column);
}

static void print_options(const struct command *command)
{
    static const struct option help = { .name = "help", .letter = 'h', .help = "Show this text" };
    print_heading(stdout, "Options");
    for (size_t i = 0; i < command->n_options; i++) {
        const struct option *beside = options_beside(&command->options[i]);
        print_option(&command->options[i], OPTION_COLUMN);
        if (beside) print_option(beside, OPTION_COLUMN);
    }
    print_option(&help, OPTION_COLUMN);
}

void help_command(const struct command *command)
{
    printf("%singot %s%s - %s\n", terminal_style(stdout, STYLE_BOLD), command->name,
           terminal_style(stdout, STYLE_PLAIN), command->summary);
    print_heading(stdout, "Usage");
    printf("%*singot %s%s%s%s\n", INDENT, "", command->name, command->n_options ? " [OPTION]..." : "",
           *command->operands ? " " : "", command->operands);
    print_paragraphs(command->description);
    print_options(command);
    if (command->examples) print_examples(command->examples);
}

static const char exit_codes[] = "0 done, 1 the answer is no, 2 usage, 3 invalid file, 4 unsupported, 5 system, "
                                 "130 interrupted";
static const char more[] = "'ingot help COMMAND' explains a command, 'ingot help recipes' how foreign checkpoints are "
                           "read.";

void help_overview(FILE *to, const struct command *const *commands, size_t n)
{
    fprintf(to, "%singot%s %s - GPT-2 in a file that is ready to run\n", terminal_style(to, STYLE_BOLD),
            terminal_style(to, STYLE_PLAIN), INGOT_VERSION);
    print_heading(to, "Usage");
    fprintf(to, "%*singot COMMAND [OPTION]... [ARGUMENT]...\n", INDENT, "");
    print_heading(to, "Commands");
    for (size_t i = 0; i < n; i++) {
        fprintf(to, "%*s%-10s", INDENT, "", commands[i]->name);
        paragraph_print(to, commands[i]->summary, strlen(commands[i]->summary), 12, 12);
    }
    print_heading(to, "Exit codes");
    fprintf(to, "%*s", INDENT, "");
    paragraph_print(to, exit_codes, sizeof exit_codes - 1, INDENT, INDENT);
    fputc('\n', to);
    paragraph_print(to, more, sizeof more - 1, 0, 0);
}

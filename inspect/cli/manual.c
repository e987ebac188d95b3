/* manual.c - the man page and the shell completion, from the same tables as --help. */
#include "inspect/cli/help.h"

#include <ctype.h>
#include <string.h>

/* Text for roff: a backslash and a leading dot or quote are its own, a dash shall stay the ASCII one. */
static void roff(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool line_start = i == 0 || text[i - 1] == '\n';
        if (line_start && (text[i] == '.' || text[i] == '\'')) fputs("\\&", stdout);
        if (text[i] == '\\')
            fputs("\\e", stdout);
        else if (text[i] == '-')
            fputs("\\-", stdout);
        else
            putchar(text[i]);
    }
}

static void roff_paragraphs(const char *text)
{
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t n = end ? (size_t)(end - text) : strlen(text);
        puts(".PP");
        roff(text, n);
        putchar('\n');
        text += n + strspn(text + n, "\n");
    }
}

static void manual_option(const struct option *o)
{
    char note[HELP_NOTE_MAX];
    help_option_note(o, note);
    fputs(".TP\n", stdout);
    if (o->letter) printf("\\fB\\-%c\\fR, ", o->letter);
    fputs("\\fB\\-\\-", stdout);
    roff(o->name, strlen(o->name));
    fputs("\\fR", stdout);
    if (o->value) printf(" \\fI%s\\fR", o->value);
    putchar('\n');
    roff(o->help, strlen(o->help));
    roff(note, strlen(note));
    putchar('\n');
}

static void manual_command(const struct command *command)
{
    printf(".SS \"ingot %s%s%s\"\n", command->name, *command->operands ? " " : "", command->operands);
    for (const char *c = command->summary; *c; c++) putchar(c == command->summary ? toupper((unsigned char)*c) : *c);
    puts(".");
    roff_paragraphs(command->description);
    for (size_t i = 0; i < command->n_options; i++) {
        const struct option *beside = options_beside(&command->options[i]);
        manual_option(&command->options[i]);
        if (beside) manual_option(beside);
    }
    if (!command->examples) return;
    puts(".PP\nExamples:\n.PP\n.nf\n.RS");
    roff(command->examples, strlen(command->examples));
    puts("\n.RE\n.fi");
}

void help_manual(const struct command *const *commands, size_t n)
{
    printf(".TH INGOT 1 \"\" \"ingot %s\" \"User commands\"\n", INGOT_VERSION);
    puts(".SH NAME\ningot \\- GPT\\-2 in a file that is ready to run");
    puts(".SH SYNOPSIS\n.B ingot\n.I COMMAND\n[\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...");
    puts(".SH COMMANDS");
    for (size_t i = 0; i < n; i++) manual_command(commands[i]);
    puts(".SH EXIT STATUS\n"
         ".TP\n0\nDone; the answer is yes.\n.TP\n1\nThe answer is no: \\fBverify\\fR found damage.\n"
         ".TP\n2\nThe command line is wrong.\n.TP\n3\nA file is damaged or is not what it should be.\n"
         ".TP\n4\nA file is valid but asks for something that this version cannot do.\n"
         ".TP\n5\nThe system refused: input and output, memory, an instruction set that is not there.\n"
         ".TP\n130\nInterrupted, after cleaning up.");
    puts(".SH ENVIRONMENT\n"
         ".TP\n.B INGOT_CPU\nThe instruction set to run on, of those that \\fBingot cpu\\fR lists. The results are the "
         "same.\n"
         ".TP\n.B NO_COLOR\nWhen not empty, nothing is coloured.");
}

static void completion_words(const struct command *command)
{
    for (size_t i = 0; i < command->n_options; i++) {
        const struct option *beside = options_beside(&command->options[i]);
        printf("--%s ", command->options[i].name);
        if (beside) printf("--%s ", beside->name);
    }
    fputs("--help", stdout);
}

/* A line for each candidate: names of files may hold spaces. */
#define COMPLETE_FILES "mapfile -t COMPREPLY < <(compgen -f -- \"$word\")"

/* What may follow an option that takes a value. */
static void completion_value(const char *command, const struct option *o)
{
    if (o->type == OPTION_FLAG) return;
    printf("        '%s --%s'", command, o->name);
    if (o->letter) printf("|'%s -%c'", command, o->letter);
    fputs(") ", stdout);
    if (o->choices) {
        fputs("mapfile -t COMPREPLY < <(compgen -W '", stdout);
        for (size_t i = 0; o->choices[i]; i++) printf("%s%s", i ? " " : "", o->choices[i]);
        puts("' -- \"$word\"); return ;;");
    } else {
        puts(o->type == OPTION_FILE ? COMPLETE_FILES "; return ;;" : "return ;;");
    }
}

void help_completion(const struct command *const *commands, size_t n)
{
    puts("# bash completion for ingot; source this file, or put it into bash_completion.d");
    puts("_ingot()\n{\n    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} "
         "command=${COMP_WORDS[1]}");
    puts("    COMPREPLY=()");
    fputs("    local commands='", stdout);
    for (size_t i = 0; i < n; i++) printf("%s%s", i ? " " : "", commands[i]->name);
    puts("'\n    [ \"$command\" != help ] || commands+=' recipes'\n"
         "    if [ \"$COMP_CWORD\" -eq 1 ] || { [ \"$COMP_CWORD\" -eq 2 ] && [ \"$command\" = help ]; }; then\n"
         "        mapfile -t COMPREPLY < <(compgen -W \"$commands\" -- \"$word\")\n"
         "        return\n    fi\n    case \"$command $before\" in");
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < commands[i]->n_options; k++)
            completion_value(commands[i]->name, &commands[i]->options[k]);
    puts("    esac\n    if [ \"${word:0:1}\" = - ]; then\n        case \"$command\" in");
    for (size_t i = 0; i < n; i++) {
        printf("        %s) mapfile -t COMPREPLY < <(compgen -W '", commands[i]->name);
        completion_words(commands[i]);
        puts("' -- \"$word\") ;;");
    }
    puts("        esac\n    else\n        " COMPLETE_FILES "\n    fi\n}");
    puts("complete -o filenames -F _ingot ingot");
}

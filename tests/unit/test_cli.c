/* test_cli.c - the pieces that the program is made of: options, suggestions, numbers, tables, whole characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "inspect/census.h"
#include "inspect/cli/human.h"
#include "inspect/cli/options.h"
#include "inspect/cli/outfile.h"
#include "inspect/cli/stream.h"
#include "inspect/cli/suggest.h"
#include "inspect/cli/table.h"
#include "inspect/cli/terminal.h"
#include "inspect/commands.h"
#include "inspect/npy.h"

/* ------------------------------------------------------------------------------------------- stdout, captured */

static FILE *captured;
static int real_stdout = -1;

static void capture_begin(void)
{
    captured = tmpfile();
    assert_non_null(captured);
    fflush(stdout);
    real_stdout = dup(STDOUT_FILENO);
    dup2(fileno(captured), STDOUT_FILENO);
}

/* What has been printed since capture_begin(). */
static void capture_end(char *out, size_t cap)
{
    fflush(stdout);
    dup2(real_stdout, STDOUT_FILENO);
    close(real_stdout);
    rewind(captured);
    size_t n = fread(out, 1, cap - 1, captured);
    out[n] = '\0';
    fclose(captured);
}

/* ------------------------------------------------------------------------------------------------ options */

enum { OPT_FLAG, OPT_COUNT, OPT_REAL, OPT_CHOICE, OPT_SIZE, N_OPTIONS };

static const char *const colours[] = { "red", "green", NULL };
static const struct option options[N_OPTIONS] = {
    [OPT_FLAG] = { .name = "flag", .letter = 'f', .help = "a flag" },
    [OPT_COUNT] = { .name = "count",
                    .letter = 'n',
                    .type = OPTION_COUNT,
                    .value = "N",
                    .fallback = "3",
                    .max = 10,
                    .help = "" },
    [OPT_REAL] = { .name = "real", .type = OPTION_REAL, .value = "X", .real_min = -1, .real_max = 1, .help = "" },
    [OPT_CHOICE] = { .name = "choice", .type = OPTION_CHOICE, .value = "C", .choices = colours, .help = "" },
    [OPT_SIZE] = { .name = "size", .type = OPTION_SIZE, .value = "S", .min = 1, .max = 1 << 20, .help = "" },
};
static const struct command command = {
    .name = "try",
    .operands = "[A] [B]",
    .max_operands = 2,
    .options = options,
    .n_options = N_OPTIONS,
};

static enum ingot_status parse(const char *line, struct arguments *args, struct ingot_error *err)
{
    static char words[256];
    static char *argv[16];
    int argc = 0;
    snprintf(words, sizeof words, "%s", line);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) argv[argc++] = word;
    *err = (struct ingot_error){ 0 };
    return options_parse(&command, argc, argv, args, err);
}

static void options_and_operands_mix_in_every_spelling(void **state)
{
    static const char *const lines[] = { "a -fn5 b",   "-f -n 5 a b",         "--flag --count=5 a b",
                                         "a b -n5 -f", "--count 5 -f -- a b", "a --count=5 --flag b" };
    struct arguments args;
    struct ingot_error err;
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_int_equal(parse(lines[i], &args, &err), INGOT_OK);
        assert_true(args.values[OPT_FLAG].given);
        assert_int_equal(args.values[OPT_COUNT].count, 5);
        assert_int_equal(args.n_operands, 2);
        assert_string_equal(args.operands[0], "a");
        assert_string_equal(args.operands[1], "b");
    }
}

static void an_option_that_is_not_given_has_its_default(void **state)
{
    struct arguments args;
    struct ingot_error err;
    (void)state;
    assert_int_equal(parse("", &args, &err), INGOT_OK);
    assert_false(args.values[OPT_COUNT].given);
    assert_int_equal(args.values[OPT_COUNT].count, 3);
    assert_null(args.values[OPT_REAL].text);
}

static void values_outside_their_range_are_refused(void **state)
{
    static const char *const lines[] = { "-n 11",
                                         "-n -1",
                                         "-n 1e1",
                                         "--real 1.01",
                                         "--real nan",
                                         "--real 1x",
                                         "--choice blu",
                                         "--size 0",
                                         "--size 2M",
                                         "--size k",
                                         "--size 1kk",
                                         "--flag=1",
                                         "--size=99999999999999999999",
                                         "-n",
                                         "a b c",
                                         "--",
                                         "-x" };
    struct arguments args;
    struct ingot_error err;
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        bool fine = strcmp(lines[i], "--") == 0;
        assert_int_equal(parse(lines[i], &args, &err), fine ? INGOT_OK : INGOT_E_ARGUMENT);
        assert_int_equal(err.message[0] == '\0', fine);
    }
}

static void sizes_have_units(void **state)
{
    struct arguments args;
    struct ingot_error err;
    (void)state;
    assert_int_equal(parse("--size 64k", &args, &err), INGOT_OK);
    assert_int_equal(args.values[OPT_SIZE].count, 65536);
    assert_int_equal(parse("--size 1M", &args, &err), INGOT_OK);
    assert_int_equal(args.values[OPT_SIZE].count, 1 << 20);
}

/* A default that its own range refuses, or a letter used twice, would be a mistake in a table. */
static void every_command_table_is_consistent(void **state)
{
    (void)state;
    for (size_t c = 0; c < n_commands; c++) {
        const struct command *one = commands[c];
        struct arguments args;
        struct ingot_error err = { 0 };
        assert_true(one->n_options <= OPTIONS_MAX && one->max_operands <= OPERANDS_MAX);
        for (size_t i = 0; i < one->n_options; i++) {
            const struct option *o = &one->options[i];
            assert_true(o->help && *o->help && o->help[strlen(o->help) - 1] != '.');
            assert_int_equal(o->type == OPTION_FLAG, o->value == NULL);
            for (size_t k = 0; k < i; k++) {
                assert_string_not_equal(o->name, one->options[k].name);
                assert_true(!o->letter || o->letter != one->options[k].letter);
            }
            if (!o->fallback) continue;
            char word[96];
            char *argv[] = { word, "a", "b" };
            snprintf(word, sizeof word, "--%s=%s", o->name, o->fallback);
            assert_int_equal(options_parse(one, 1 + (int)one->min_operands, argv, &args, &err), INGOT_OK);
        }
    }
}

/* -------------------------------------------------------------------------------------------- suggestions */

static const char *nearest(const char *wanted)
{
    static const char *const names[] = { "convert", "run", "eval", "tokenize", "ls", "show", "params", "verify" };
    struct suggestion best = suggest_begin(wanted);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) suggest_offer(&best, names[i]);
    return best.name ? best.name : "";
}

static void slips_of_the_finger_find_the_name(void **state)
{
    (void)state;
    assert_string_equal(nearest("conver"), "convert");
    assert_string_equal(nearest("covnert"), "convert");
    assert_string_equal(nearest("tokenise"), "tokenize");
    assert_string_equal(nearest("prams"), "params");
    assert_string_equal(nearest("sl"), "ls");
    assert_string_equal(nearest("tok"), "tokenize");
    assert_string_equal(nearest("zzzz"), "");
    assert_string_equal(nearest("x"), "");
    assert_string_equal(nearest(""), "");
}

static void a_name_below_something_is_found_by_its_end(void **state)
{
    (void)state;
    assert_string_equal(nearest("transformer.params"), "params");
    assert_string_equal(nearest("model/verify"), "verify");
    assert_string_equal(nearest("transformer-params"), "");
    struct suggestion best = suggest_begin("wte.weight");
    suggest_offer(&best, "model._orig_mod.transformer.wte.weight");
    assert_string_equal(best.name, "model._orig_mod.transformer.wte.weight");
}

static void a_very_long_word_is_compared_with_nothing(void **state)
{
    char word[4096];
    (void)state;
    memset(word, 'a', sizeof word);
    word[sizeof word - 1] = '\0';
    assert_string_equal(nearest(word), "");
}

/* ---------------------------------------------------------------------------------------------- numbers */

static void numbers_are_rounded_to_three_digits(void **state)
{
    (void)state;
    assert_string_equal(human_bytes(0).text, "0 B");
    assert_string_equal(human_bytes(999).text, "999 B");
    assert_string_equal(human_bytes(1000).text, "1.00 kB");
    assert_string_equal(human_bytes(9994).text, "9.99 kB");
    assert_string_equal(human_bytes(9996).text, "10.0 kB");
    assert_string_equal(human_bytes(999499).text, "999 kB");
    assert_string_equal(human_bytes(999500).text, "1.00 MB");
    assert_string_equal(human_bytes(497759232).text, "498 MB");
    assert_string_equal(human_bytes(UINT64_MAX).text, "18.4 EB");
}

static void counts_have_commas(void **state)
{
    (void)state;
    assert_string_equal(human_count(0).text, "0");
    assert_string_equal(human_count(999).text, "999");
    assert_string_equal(human_count(1000).text, "1,000");
    assert_string_equal(human_count(124439808).text, "124,439,808");
    assert_string_equal(human_count(UINT64_MAX).text, "18,446,744,073,709,551,615");
}

static void clocks_and_shapes_read_well(void **state)
{
    char shape[64];
    (void)state;
    assert_string_equal(human_clock(7).text, "0:07");
    assert_string_equal(human_clock(3723).text, "1:02:03");
    assert_string_equal(human_clock(1e30).text, "99:59:59");
    assert_string_equal(human_duration(0.0123).text, "12.3 ms");
    human_shape(2, (const uint64_t[]){ 50257, 768 }, shape, sizeof shape);
    assert_string_equal(shape, "50257 x 768");
    human_shape(0, NULL, shape, sizeof shape);
    assert_string_equal(shape, "scalar");
    const uint64_t huge[8] = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, 1, 1, 1, 1 };
    human_shape(8, huge, shape, sizeof shape);
    assert_int_equal(strlen(shape), sizeof shape - 1);
}

/* ------------------------------------------------------------------------------------------------ tables */

static void cells_align_by_what_a_terminal_shows(void **state)
{
    static const struct table_column columns[] = { { .title = "name" }, { .title = "n", .right = true } };
    char text[256];
    (void)state;
    capture_begin();
    struct table t = table_begin(columns, 2);
    table_cell(&t, "\u00e9\u4e2d"); /* one column and two */
    table_cell(&t, "7");
    table_cell(&t, "abcde");
    table_cell(&t, "1000");
    table_rule(&t);
    table_cell(&t, "sum");
    table_cell(&t, "%s", "");
    table_end(&t);
    capture_end(text, sizeof text);
    assert_string_equal(text, "name      n\n\u00e9\u4e2d       7\nabcde  1000\n-----------\nsum\n");
}

static void a_width_is_never_cut_inside_a_character(void **state)
{
    const char *text = "a\u4e2d\u6587";
    (void)state;
    assert_int_equal(terminal_text_width(text, strlen(text)), 5);
    assert_int_equal(terminal_text_prefix(text, strlen(text), 2), 1);
    assert_int_equal(terminal_text_prefix(text, strlen(text), 3), 4);
    assert_int_equal(terminal_text_prefix(text, strlen(text), 99), 7);
}

/* ------------------------------------------------------------------------------------------------ stream */

/* The pieces, each followed by a '|' if it made something visible. */
static void stream_pieces(const char *const *pieces, size_t n, bool escape, char *out, size_t cap)
{
    struct stream s = { .escape = escape };
    capture_begin();
    for (size_t i = 0; i < n; i++) {
        stream_put(&s, pieces[i], strlen(pieces[i]));
        putchar('|');
    }
    stream_end(&s);
    capture_end(out, cap);
}

static void characters_leave_only_whole(void **state)
{
    const char *const pieces[] = { "a\xe4", "\xb8", "\xad\x62", "\xf0\x9f", "\x98\x80" };
    char text[128];
    (void)state;
    stream_pieces(pieces, 5, false, text, sizeof text);
    assert_string_equal(text, "a||\u4e2d"
                              "b||\U0001F600|");
}

static void bytes_that_never_become_valid_pass(void **state)
{
    const char *const pieces[] = { "\xe4", "x", "\xff", "\xc3", "\xc3\xa9", "\x80\x80\x80\x80", "\xf0\x9f" };
    char text[128];
    (void)state;
    stream_pieces(pieces, 7, false, text, sizeof text);
    assert_string_equal(text, "|\xe4x|\xff||\xc3\u00e9|\x80\x80\x80\x80||\xf0\x9f");
}

static void control_characters_do_not_reach_a_terminal(void **state)
{
    const char *const pieces[] = { "a\x1b[31m\n", "\t\xff\r", "\u00e9" };
    char text[128];
    (void)state;
    stream_pieces(pieces, 3, true, text, sizeof text);
    assert_string_equal(text, "a\\x1b[31m\n|\t\\xff\\x0d|\u00e9|");
}

/* -------------------------------------------------------------------------------------------- result files */

static void an_unpublished_file_disappears(void **state)
{
    char dir[] = "cli-XXXXXX", path[64];
    struct outfile f = { 0 };
    struct ingot_error err = { 0 };
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/a", dir);
    assert_int_equal(outfile_open(&f, path, false, &err), INGOT_OK);
    assert_int_equal(outfile_write(&f, "x", 1, &err), INGOT_OK);
    assert_int_equal(access(path, F_OK), -1);
    outfile_close(&f);
    assert_int_equal(rmdir(dir), 0);
}

/* Whoever came second must not replace what came first, even when nothing was there at the start. */
static void publishing_does_not_replace_what_appeared_meanwhile(void **state)
{
    char dir[] = "cli-XXXXXX", path[64];
    struct outfile first = { 0 }, second = { 0 };
    struct ingot_error err = { 0 };
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/a", dir);
    assert_int_equal(outfile_open(&first, path, false, &err), INGOT_OK);
    assert_int_equal(outfile_open(&second, path, false, &err), INGOT_OK);
    assert_int_equal(outfile_publish(&first, &err), INGOT_OK);
    assert_int_not_equal(outfile_publish(&second, &err), INGOT_OK);
    outfile_close(&second);
    outfile_close(&first);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void the_npy_header_is_aligned_and_ends_in_a_newline(void **state)
{
    static const uint64_t shape[INGOT_MAX_RANK] = { UINT32_MAX,     1u << 24,       UINT64_MAX, UINT64_MAX - 1,
                                                    UINT64_MAX - 2, UINT64_MAX - 3, UINT64_MAX, UINT64_MAX };
    static const char *const tuples[INGOT_MAX_RANK + 1] = { "()", "(4294967295,)", "(4294967295, 16777216)" };
    uint8_t header[NPY_HEADER_MAX];
    (void)state;
    for (uint32_t rank = 0; rank <= INGOT_MAX_RANK; rank++) {
        size_t n = npy_header("<c16", rank, shape, header);
        assert_in_range(n, 64, sizeof header);
        assert_int_equal(n % 64, 0);
        assert_memory_equal(header, "\x93NUMPY\x01\x00", 8);
        assert_int_equal(header[8] | header[9] << 8, n - 10);
        assert_int_equal(header[n - 1], '\n');
        header[n - 1] = '\0';
        assert_non_null(strstr((const char *)header + 10, "'descr': '<c16'"));
        if (tuples[rank]) assert_non_null(strstr((const char *)header + 10, tuples[rank]));
    }
}

/* ------------------------------------------------------------------------------------------------ census */

static void the_released_sizes_are_counted_exactly(void **state)
{
    static const struct {
        uint32_t n_layer, n_embd;
        uint64_t n_params;
    } sizes[] = { { 12, 768, 124439808 }, { 24, 1024, 354823168 }, { 36, 1280, 774030080 }, { 48, 1600, 1557611200 } };
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct ingot_hparams hp = { .n_layer = sizes[i].n_layer,
                                    .n_embd = sizes[i].n_embd,
                                    .n_inner = 4 * sizes[i].n_embd,
                                    .n_ctx = 1024,
                                    .n_vocab = 50257,
                                    .n_vocab_stored = 50257 };
        struct census c = census_of_hparams(&hp, true, true);
        assert_int_equal(census_total(&c), sizes[i].n_params);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_operands_mix_in_every_spelling),
        cmocka_unit_test(an_option_that_is_not_given_has_its_default),
        cmocka_unit_test(values_outside_their_range_are_refused),
        cmocka_unit_test(sizes_have_units),
        cmocka_unit_test(every_command_table_is_consistent),
        cmocka_unit_test(slips_of_the_finger_find_the_name),
        cmocka_unit_test(a_name_below_something_is_found_by_its_end),
        cmocka_unit_test(a_very_long_word_is_compared_with_nothing),
        cmocka_unit_test(numbers_are_rounded_to_three_digits),
        cmocka_unit_test(counts_have_commas),
        cmocka_unit_test(clocks_and_shapes_read_well),
        cmocka_unit_test(cells_align_by_what_a_terminal_shows),
        cmocka_unit_test(a_width_is_never_cut_inside_a_character),
        cmocka_unit_test(characters_leave_only_whole),
        cmocka_unit_test(bytes_that_never_become_valid_pass),
        cmocka_unit_test(control_characters_do_not_reach_a_terminal),
        cmocka_unit_test(an_unpublished_file_disappears),
        cmocka_unit_test(publishing_does_not_replace_what_appeared_meanwhile),
        cmocka_unit_test(the_npy_header_is_aligned_and_ends_in_a_newline),
        cmocka_unit_test(the_released_sizes_are_counted_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

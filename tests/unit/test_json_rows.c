/* test_json_rows.c - a list that is printed row by row reads as if the whole tree had been printed, and holds none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "inspect/cli/json.h"
#include "inspect/cli/json_rows.h"

#define TEXT_MAX 4096

static FILE *captured;
static int real_stdout;

static void capture(void)
{
    captured = tmpfile();
    assert_non_null(captured);
    fflush(stdout);
    real_stdout = dup(STDOUT_FILENO);
    dup2(fileno(captured), STDOUT_FILENO);
}

static void release(char text[TEXT_MAX])
{
    fflush(stdout);
    dup2(real_stdout, STDOUT_FILENO);
    close(real_stdout);
    rewind(captured);
    text[fread(text, 1, TEXT_MAX - 1, captured)] = '\0';
    fclose(captured);
}

static json_t *row_of(json_int_t i)
{
    return json_pack("{s:I,s:s,s:[I,I],s:[],s:{s:n}}", "n", i, "text", "a\nb\x7f\xc3\xa9", "shape", i, i + 1, "none",
                     "o", "x");
}

/* Objects in a list: of n rows each, with pairs behind the list where `tail` says so. */
static void build(struct json_rows *r, json_int_t n_lists, json_int_t n, bool tail)
{
    json_rows_open(r, json_begin(), "files");
    for (json_int_t f = 0; f < n_lists; f++) {
        json_rows_open(r, f ? json_pack("{s:I}", "file", f) : json_object(), "rows");
        for (json_int_t i = 0; i < n; i++) json_rows_add(r, row_of(i));
        json_rows_close(r, tail ? json_pack("{s:{s:b}}", "all", "ok", 1) : json_object());
    }
    json_rows_close(r, tail ? json_pack("{s:I,s:[]}", "n", n, "none") : json_object());
}

static void expect_same_text(json_int_t n_lists, json_int_t n, bool tail)
{
    char whole[TEXT_MAX], by_row[TEXT_MAX];
    struct json_rows kept = { .keeps = true }, printed = { 0 };
    build(&kept, n_lists, n, tail);
    capture();
    json_end(kept.tree);
    release(whole);
    capture();
    build(&printed, n_lists, n, tail);
    release(by_row);
    assert_string_equal(by_row, whole);
    assert_null(printed.tree);
}

static void expect_same_texts(void)
{
    for (json_int_t n_lists = 0; n_lists < 3; n_lists++)
        for (json_int_t n = 0; n < 3; n++) {
            expect_same_text(n_lists, n, false);
            expect_same_text(n_lists, n, true);
        }
}

static void rows_read_as_the_whole_tree_does(void **state)
{
    (void)state;
    expect_same_texts();
}

static void a_row_is_out_before_the_next_one_is_there(void **state)
{
    char text[TEXT_MAX];
    struct json_rows r = { 0 };
    (void)state;
    capture();
    json_rows_open(&r, json_begin(), "rows");
    json_rows_add(&r, json_string("the first"));
    release(text);
    assert_non_null(strstr(text, "\"the first\""));
    capture();
    json_rows_close(&r, json_object());
    release(text);
    assert_string_equal(text, "\n  ]\n}\n");
}

/* The last test of all: nothing makes the program speak JSON again. */
static void rows_of_yaml_read_as_the_whole_tree_does(void **state)
{
    (void)state;
    json_speak_yaml();
    expect_same_texts();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_read_as_the_whole_tree_does),
        cmocka_unit_test(a_row_is_out_before_the_next_one_is_there),
        cmocka_unit_test(rows_of_yaml_read_as_the_whole_tree_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

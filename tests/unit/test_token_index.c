/* A token is found by its bytes, wherever its hash puts it, and no other is taken for it. */
#include "convert/token_index.h"
#include "format/ingot_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define N_TOKENS 64u

/* Tokens t0, t1, ..; all of them of one bucket where that is wanted: the hash's low bits choose it. */
struct fixture {
    char texts[N_TOKENS][16];
    struct token_key keys[N_TOKENS];
    struct token_index index;
};

static void build(struct fixture *f, bool one_bucket)
{
    uint32_t n = 0;
    for (unsigned i = 0; n < N_TOKENS; i++) {
        const int length = snprintf(f->texts[n], sizeof f->texts[n], "t%u", i);
        if (one_bucket && ingot_hash64(f->texts[n], (size_t)length) % N_TOKENS != 0) continue;
        f->keys[n] = (struct token_key){ .at = (const uint8_t *)f->texts[n], .n = (uint32_t)length, .id = 100 + n };
        n++;
    }
    assert_true(token_index_build(&f->index, f->keys, N_TOKENS));
}

static uint32_t find(const struct fixture *f, const char *text)
{
    const struct token_key *found = token_index_find(&f->index, (const uint8_t *)text, strlen(text));
    return found ? found->id : 0;
}

static void check_all(bool one_bucket)
{
    const struct token_key *twins[2];
    struct fixture f;
    build(&f, one_bucket);
    for (uint32_t i = 0; i < N_TOKENS; i++) assert_int_equal(find(&f, f.texts[i]), 100 + i);
    assert_int_equal(find(&f, "t"), 0);
    assert_int_equal(find(&f, ""), 0);
    assert_int_equal(find(&f, "no such token"), 0);
    assert_false(token_index_twins(&f.index, twins));
    token_index_free(&f.index);
}

static void every_token_is_found_and_nothing_else(void **state)
{
    (void)state;
    check_all(false);
}

static void tokens_of_one_bucket_are_told_apart(void **state)
{
    (void)state;
    check_all(true);
}

static void equal_tokens_are_twins_the_lower_id_first(void **state)
{
    (void)state;
    const struct token_key *twins[2];
    struct token_index index;
    struct token_key keys[] = {
        { .at = (const uint8_t *)"hell", .n = 4, .id = 9 },
        { .at = (const uint8_t *)"hello", .n = 5, .id = 3 },
        { .at = (const uint8_t *)"hello", .n = 4, .id = 7 },
    };
    assert_true(token_index_build(&index, keys, 3));
    assert_true(token_index_twins(&index, twins));
    assert_int_equal(twins[0]->id, 7);
    assert_int_equal(twins[1]->id, 9);
    token_index_free(&index);
}

static void in_an_empty_index_nothing_is_found(void **state)
{
    (void)state;
    const struct token_key *twins[2];
    struct token_index index;
    assert_true(token_index_build(&index, NULL, 0));
    assert_null(token_index_find(&index, (const uint8_t *)"a", 1));
    assert_false(token_index_twins(&index, twins));
    token_index_free(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_token_is_found_and_nothing_else),
        cmocka_unit_test(tokens_of_one_bucket_are_told_apart),
        cmocka_unit_test(equal_tokens_are_twins_the_lower_id_first),
        cmocka_unit_test(in_an_empty_index_nothing_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

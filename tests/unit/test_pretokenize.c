/* test_pretokenize.c - classes of characters, and where the pattern cuts a text. */
#include "tests/unit/tokenizer_fixture.h"

#include "runtime/pretokenize.h"
#include "runtime/unicode.h"

static void white_space_is_unicodes_white_space_and_nothing_else(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        uint8_t bytes[4];
        size_t length;
        if (c >= 0xd800 && c <= 0xdfff) continue;
        size_t n = put_utf8(c, bytes);
        assert_int_equal(unicode_classify(bytes, n, &length) == CHAR_SPACE, in_white_space(c));
        assert_int_equal(length, n);
    }
}

static void classes_are_the_categories_l_and_n(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum char_class class;
        size_t length;
    } cases[] = {
        { "\xc2\xaa", CHAR_LETTER, 2 },        /* feminine ordinal: Lo */
        { "\xca\xb0", CHAR_LETTER, 2 },        /* modifier h: Lm */
        { "\xc7\x85", CHAR_LETTER, 2 },        /* Dz with caron: Lt */
        { "\xe6\x88\x91", CHAR_LETTER, 3 },    /* Han: Lo */
        { "\xc2\xb2", CHAR_NUMBER, 2 },        /* superscript two: No */
        { "\xe2\x85\xa7", CHAR_NUMBER, 3 },    /* Roman eight: Nl */
        { "\xd9\xa3", CHAR_NUMBER, 2 },        /* Arabic-Indic three: Nd */
        { "\xcc\x81", CHAR_OTHER, 2 },         /* combining acute: Mn */
        { "\xe2\x80\x8b", CHAR_OTHER, 3 },     /* zero width space: Cf */
        { "\xe1\xa0\x8e", CHAR_OTHER, 3 },     /* Mongolian vowel separator: Cf since Unicode 6.3 */
        { "\xf0\x9f\x98\x81", CHAR_OTHER, 4 }, /* emoji: So */
        { "\xf4\x8f\xbf\xbf", CHAR_OTHER, 4 }, /* U+10FFFF: Cn */
        { "\xf4\x90\x80\x80", CHAR_OTHER, 1 }, /* above U+10FFFF */
        { "\xed\xa0\x80", CHAR_OTHER, 1 },     /* a surrogate */
        { "\xc1\x81", CHAR_OTHER, 1 },         /* overlong A */
        { "\xe6\x88", CHAR_OTHER, 1 },         /* cut short */
        { "\x80", CHAR_OTHER, 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t length, n = strlen(cases[i].text);
        assert_int_equal(unicode_classify((const uint8_t *)cases[i].text, n, &length), cases[i].class);
        assert_int_equal(length, cases[i].length);
    }
}

/* `pieces` is the text with | where it is cut. */
static void assert_cuts(const char *pieces)
{
    char text[128];
    size_t n = 0;
    for (const char *p = pieces; *p; p++)
        if (*p != '|') text[n++] = *p;
    const char *p = pieces;
    for (size_t at = 0; at < n;) {
        size_t length = pretokenize_next((const uint8_t *)text + at, n - at), expected = strcspn(p, "|");
        if (length != expected) fail_msg("'%s': %zu, not %zu at %zu", pieces, length, expected, at);
        at += length;
        p += expected + (p[expected] == '|');
    }
}

static void text_is_cut_where_the_pattern_cuts_it(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "Hello| world|!",
        "  | a",
        " |\n|a",
        "a|  ",
        "a|\t|b",
        "x|'s| y|'|S",
        "they|'ll|'ve|'d|'re|'m|'t",
        "'|l| '|s",
        "!!'|s",
        "it|''|s",
        "abc|123|def",
        " 1|a| !?|",
        "a|\n\n|\n|b",
        "a|  | b",
        "a|\xc2\xa0|b",
        "a| |\xc2\xa0|b",
        "\xc3\xa9t\xc3\xa9| \xd9\xa3|\xd0\xb4",
        "a|\xff\xfe!|b",
        " \xff|a",
        "a|\x1c\x1d|b",
        "'|r|'re|d",
        "a|\r\n\r|\n|b",
        "0|.|5",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) assert_cuts(cases[i]);
}

/* In a buffer that ends where the text does, and in one that goes on. */
static void what_stands_behind_the_end_of_a_text_is_no_part_of_it(void **state)
{
    static const char *const whole[] = { "'re", "'ll",           "\xc3\xa9", "\xe6\x88\x91", "\xf0\x9f\x98\x81",
                                         "  a", " \xe2\x80\x83x" };
    (void)state;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        for (size_t n = 1; n < strlen(whole[i]); n++) {
            size_t length, length_alone;
            const uint8_t *text = (const uint8_t *)whole[i];
            uint8_t *alone = malloc(n);
            memcpy(alone, text, n);
            assert_int_equal(unicode_classify(text, n, &length), unicode_classify(alone, n, &length_alone));
            assert_int_equal(length, length_alone);
            assert_in_range(pretokenize_next(text, n), 1, n);
            assert_int_equal(pretokenize_next(text, n), pretokenize_next(alone, n));
            free(alone);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(white_space_is_unicodes_white_space_and_nothing_else),
        cmocka_unit_test(classes_are_the_categories_l_and_n),
        cmocka_unit_test(text_is_cut_where_the_pattern_cuts_it),
        cmocka_unit_test(what_stands_behind_the_end_of_a_text_is_no_part_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

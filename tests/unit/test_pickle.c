/* The pickle machine: values of every instruction, and every program that Python would refuse, or should have. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "convert/pickle.h"

#include <stdlib.h>
#include <string.h>

#define OFF 1000 /* where the pickle begins in its imagined file */

enum { NAMED = 1, CALLED, MAP };
static const struct pickle_name names[] = {
    { "torch", "FloatStorage", PICKLE_NAMED, NAMED },
    { "torch._utils", "rebuild", PICKLE_CALLED, CALLED },
    { "collections", "OrderedDict", PICKLE_MAP, MAP },
};

/* Runs a copy of exactly these bytes. The pickle borrows them: free both with done(). */
struct run {
    enum ingot_status status;
    struct ingot_error err;
    struct pickle *p;
    uint8_t *bytes;
    uint64_t used;
};

static struct run run_bytes(const char *program, size_t n)
{
    struct run r = { .bytes = malloc(n ? n : 1) };
    if (n) memcpy(r.bytes, program, n);
    const struct pickle_input in = { r.bytes, n, OFF, "t.pkl", names, sizeof names / sizeof *names };
    r.status = pickle_run(&in, &r.p, &r.used, &r.err);
    assert_int_equal(r.status, r.err.status);
    assert_true((r.p != NULL) == (r.status == INGOT_OK));
    return r;
}

static void done(struct run *r)
{
    pickle_free(r->p);
    free(r->bytes);
}

#define RUN(program) run_bytes(program, sizeof(program) - 1)

static const struct pickle_value *root(const struct run *r)
{
    if (r->status != INGOT_OK) fail_msg("%s", r->err.message);
    return pickle_at(r->p, pickle_root(r->p));
}

static void refused(const char *program, size_t n, enum ingot_status status, uint64_t at, const char *said)
{
    struct run r = run_bytes(program, n);
    assert_int_equal(r.status, status);
    if (r.err.offset != OFF + at) print_error("%s\n", r.err.message);
    assert_int_equal(r.err.offset, OFF + at);
    assert_string_equal(r.err.subject, "t.pkl");
    if (!strstr(r.err.message, said)) fail_msg("'%s' is not in: %s", said, r.err.message);
    done(&r);
}

#define REFUSED(program, status, at, said) refused(program, sizeof(program) - 1, status, at, said)

static void is_int(const char *program, size_t n, int64_t expected)
{
    struct run r = run_bytes(program, n);
    assert_int_equal(root(&r)->type, PICKLE_INT);
    assert_int_equal(root(&r)->as.integer, expected);
    done(&r);
}

#define IS_INT(program, expected) is_int(program, sizeof(program) - 1, expected)

static void is_spanning(const char *program, size_t n, enum pickle_type type, const char *expected, size_t n_expected)
{
    struct run r = run_bytes(program, n);
    size_t n_found = 0;
    assert_int_equal(root(&r)->type, type);
    const char *found = pickle_bytes(r.p, root(&r), &n_found);
    assert_int_equal(n_found, n_expected);
    if (n_found) assert_memory_equal(found, expected, n_expected);
    done(&r);
}

#define IS(program, type, expected) is_spanning(program, sizeof(program) - 1, type, expected, sizeof(expected) - 1)

/* The root's items are these integers. */
static void holds(const char *program, size_t n, enum pickle_type type, size_t n_items, const int64_t *expected)
{
    struct run r = run_bytes(program, n);
    assert_int_equal(root(&r)->type, type);
    struct pickle_items it = pickle_items(r.p, root(&r));
    size_t i = 0;
    uint32_t item = 0;
    for (; i < n_items && pickle_next(&it, &item); i++) assert_int_equal(pickle_at(r.p, item)->as.integer, expected[i]);
    assert_int_equal(i, n_items);
    assert_false(pickle_next(&it, &item));
    done(&r);
}

#define HOLDS(program, type, ...)                                                                                      \
    holds(program, sizeof(program) - 1, type, sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t),                    \
          (int64_t[]){ __VA_ARGS__ })

static void whole_numbers_of_every_width(void **state)
{
    (void)state;
    IS_INT("K\xff.", 255);
    IS_INT("M\x01\x02.", 0x201);
    IS_INT("J\xfe\xff\xff\xff.", -2);
    IS_INT("I-17\n.", -17);
    IS_INT("L17L\n.", 17);
    IS_INT("\x8a\x00.", 0);
    IS_INT("\x8a\x01\x80.", -128);
    IS_INT("\x8a\x02\x80\x00.", 128);
    IS_INT("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f.", INT64_MAX);
    IS_INT("\x8b\x01\x00\x00\x00\x07.", 7);
    IS("\x8a\x0a"
       "123456789a.",
       PICKLE_LONG, "123456789a");
    IS("I1234567890123456789\n.", PICKLE_BYTES, "1234567890123456789");
    REFUSED("Ix\n.", INGOT_E_SOURCE, 0, "whole number");
    REFUSED("I1x\n.", INGOT_E_SOURCE, 0, "whole number");
}

static void truth_and_nothing(void **state)
{
    (void)state;
    struct run r = RUN("\x88.");
    assert_int_equal(root(&r)->type, PICKLE_BOOL);
    assert_int_equal(root(&r)->as.integer, 1);
    done(&r);
    r = RUN("I00\n.");
    assert_int_equal(root(&r)->type, PICKLE_BOOL);
    assert_int_equal(root(&r)->as.integer, 0);
    done(&r);
    r = RUN("N.");
    assert_int_equal(root(&r)->type, PICKLE_NONE);
    done(&r);
}

static void broken_numbers(void **state)
{
    (void)state;
    struct run r = RUN("G\x3f\xf8\0\0\0\0\0\0.");
    assert_int_equal(root(&r)->type, PICKLE_FLOAT);
    assert_true(root(&r)->as.number == 1.5);
    done(&r);
    r = RUN("F-1.5e3\n.");
    assert_true(root(&r)->as.number == -1500.0);
    done(&r);
    REFUSED("F1.5x\n.", INGOT_E_SOURCE, 0, "number");
    REFUSED("F\n.", INGOT_E_SOURCE, 0, "number");
}

static void texts_are_utf8_and_stand_in_the_pickle(void **state)
{
    (void)state;
    IS("X\x03\0\0\0wte.", PICKLE_TEXT, "wte");
    IS("\x8c\x02\xc3\xa4.", PICKLE_TEXT, "\xc3\xa4");
    IS("\x8d\x01\0\0\0\0\0\0\0a.", PICKLE_TEXT, "a");
    IS("Vabc\n.", PICKLE_TEXT, "abc");
    IS("S'abc'\n.", PICKLE_TEXT, "abc");
    IS("U\x02"
       "ab.",
       PICKLE_TEXT, "ab");
    IS("T\x01\0\0\0\xff.", PICKLE_BYTES, "\xff");
    IS("V\\u0041\n.", PICKLE_BYTES, "\\u0041");
    IS("C\x02\0\1.", PICKLE_BYTES, "\0\1");
    IS("B\x01\0\0\0x.", PICKLE_BYTES, "x");
    IS("\x8e\x01\0\0\0\0\0\0\0x.", PICKLE_BYTES, "x");
    IS("\x96\x01\0\0\0\0\0\0\0x.", PICKLE_BYTES, "x");
    REFUSED("X\x01\0\0\0\xff.", INGOT_E_SOURCE, 0, "not UTF-8");
    REFUSED("\x8c\x03\xed\xa0\x80.", INGOT_E_SOURCE, 0, "not UTF-8");
    REFUSED("S'abc\n.", INGOT_E_SOURCE, 0, "quotes");
}

static void containers_hold_their_items_in_order(void **state)
{
    (void)state;
    HOLDS("(K\1K\2K\3t.", PICKLE_TUPLE, 1, 2, 3);
    HOLDS("K\1\x85.", PICKLE_TUPLE, 1);
    HOLDS("K\1K\2\x86.", PICKLE_TUPLE, 1, 2);
    HOLDS("K\1K\2K\3\x87.", PICKLE_TUPLE, 1, 2, 3);
    HOLDS("](K\1K\2e.", PICKLE_LIST, 1, 2);
    HOLDS("]K\1a(K\2K\3e(K\4e.", PICKLE_LIST, 1, 2, 3, 4);
    HOLDS("(K\1K\2l.", PICKLE_LIST, 1, 2);
    HOLDS("}(K\1K\2K\3K\4u.", PICKLE_DICT, 1, 2, 3, 4);
    HOLDS("}K\1K\2sK\3K\4s.", PICKLE_DICT, 1, 2, 3, 4);
    HOLDS("(K\1K\2d.", PICKLE_DICT, 1, 2);
    HOLDS("\x8f(K\1K\2\x90.", PICKLE_LIST, 1, 2);
    HOLDS("(K\1K\2\x91.", PICKLE_TUPLE, 1, 2);
    struct run r = RUN(").");
    uint32_t item;
    assert_int_equal(pickle_first_items(r.p, root(&r), &item, 1), 0);
    done(&r);
}

/* Two lists that grow in turn: their items do not lie side by side. */
static void interleaved_lists_keep_their_items(void **state)
{
    (void)state;
    HOLDS("]q\0]q\1h\0K\1a0h\1K\2a0h\0K\3a0h\1K\4a0h\0.", PICKLE_LIST, 1, 3);
}

static void the_memo_gives_back_what_was_stored(void **state)
{
    (void)state;
    HOLDS("K\7q\5K\1h\5\x86.", PICKLE_TUPLE, 1, 7);
    HOLDS("K\7r\5\0\0\0K\1j\5\0\0\0\x86.", PICKLE_TUPLE, 1, 7);
    HOLDS("K\7p5\nK\1g5\n\x86.", PICKLE_TUPLE, 1, 7);
    HOLDS("K\7\x94K\1\x94h\0\x86.", PICKLE_TUPLE, 1, 7);
    REFUSED("h\0.", INGOT_E_SOURCE, 0, "memo number 0");
    REFUSED("K\1q\1h\2.", INGOT_E_SOURCE, 4, "memo number 2");
    REFUSED("q\0.", INGOT_E_SOURCE, 0, "stack");
    REFUSED("K\1r\xff\xff\xff\xff.", INGOT_E_LIMIT, 2, "4294967295");
    REFUSED("K\1px\n.", INGOT_E_SOURCE, 2, "memo");
}

static void the_stack_is_never_taken_below_its_mark(void **state)
{
    (void)state;
    REFUSED(".", INGOT_E_SOURCE, 0, "stack");
    REFUSED("0.", INGOT_E_SOURCE, 0, "stack");
    REFUSED("2.", INGOT_E_SOURCE, 0, "stack");
    REFUSED("K\1\x86.", INGOT_E_SOURCE, 2, "stack");
    REFUSED("K\1(\x85.", INGOT_E_SOURCE, 3, "stack");
    REFUSED("K\1(2.", INGOT_E_SOURCE, 3, "stack");
    REFUSED("K\1(q\0.", INGOT_E_SOURCE, 3, "stack");
    REFUSED("](K\1a.", INGOT_E_SOURCE, 4, "stack");
    REFUSED("K\1(.", INGOT_E_SOURCE, 3, "stack");
    REFUSED("t.", INGOT_E_SOURCE, 0, "mark");
    REFUSED("e.", INGOT_E_SOURCE, 0, "mark");
    REFUSED("1.", INGOT_E_SOURCE, 0, "mark");
    REFUSED("(e.", INGOT_E_SOURCE, 1, "stack");
    REFUSED("(o.", INGOT_E_SOURCE, 1, "stack");
    REFUSED("R.", INGOT_E_SOURCE, 0, "stack");
    REFUSED("b.", INGOT_E_SOURCE, 0, "stack");
    REFUSED("Q.", INGOT_E_SOURCE, 0, "stack");
    REFUSED("\x93.", INGOT_E_SOURCE, 0, "stack");
    IS_INT("K\1(K\2K\0031.", 1);
    IS_INT("K\1(0.", 1);
    HOLDS("K\0012\x86.", PICKLE_TUPLE, 1, 1);
}

static void items_go_into_what_can_hold_them(void **state)
{
    (void)state;
    REFUSED("NK\1a.", INGOT_E_SOURCE, 3, "no list");
    REFUSED("}K\1a.", INGOT_E_SOURCE, 3, "no list");
    REFUSED("](K\1u.", INGOT_E_SOURCE, 4, "no dictionary");
    REFUSED("}(K\1u.", INGOT_E_SOURCE, 4, "no value");
    REFUSED("(K\1d.", INGOT_E_SOURCE, 3, "no value");
}

static void listed_calls_are_recorded(void **state)
{
    (void)state;
    static const char *const programs[] = {
        "ctorch._utils\nrebuild\n(K\7tR.",
        "ctorch._utils\nrebuild\n(K\7t\x81.",
        "(ctorch._utils\nrebuild\nK\7o.",
        "(K\7itorch._utils\nrebuild\n.",
        "\x8c\x0ctorch._utils\x8c\x07rebuild\x93K\7\x85R.",
    };
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        struct run r = run_bytes(programs[i], strlen(programs[i]));
        uint32_t item;
        assert_int_equal(root(&r)->type, PICKLE_CALL);
        assert_int_equal(root(&r)->as.call.id, CALLED);
        assert_int_equal(pickle_first_items(r.p, pickle_at(r.p, root(&r)->as.call.args), &item, 1), 1);
        assert_int_equal(pickle_at(r.p, item)->as.integer, 7);
        done(&r);
    }
}

static void other_calls_are_refused_by_name_however_they_are_made(void **state)
{
    (void)state;
    REFUSED("cposix\nsystem\n(Vls\ntR.", INGOT_E_UNSUPPORTED, 20, "call posix.system");
    REFUSED("cposix\nsystem\n)\x81.", INGOT_E_UNSUPPORTED, 15, "call posix.system");
    REFUSED("(cposix\nsystem\no.", INGOT_E_UNSUPPORTED, 15, "call posix.system");
    REFUSED("(iposix\nsystem\n.", INGOT_E_UNSUPPORTED, 1, "call posix.system");
    REFUSED("Vposix\nVsystem\n\x93)R.", INGOT_E_UNSUPPORTED, 17, "call posix.system");
    REFUSED("cposix\nsystem\n)}\x92.", INGOT_E_UNSUPPORTED, 16, "make posix.system");
    REFUSED("cposix\nsystem\n}b.", INGOT_E_UNSUPPORTED, 15, "attributes of posix.system");
    REFUSED("ctorch\nFloatStorage\n)R.", INGOT_E_UNSUPPORTED, 21, "call torch.FloatStorage");
    REFUSED("ctorch._utils\nrebuild\n)R)R.", INGOT_E_UNSUPPORTED, 25, "the result of a call");
    REFUSED("ctorch._utils\nrebuild\n)R}b.", INGOT_E_UNSUPPORTED, 25, "attributes of the result of a call");
    REFUSED("N)R.", INGOT_E_UNSUPPORTED, 2, "no function");
    REFUSED("ctorch._utils\nrebuild\nNR.", INGOT_E_SOURCE, 23, "no tuple");
    REFUSED("\x82\1.", INGOT_E_UNSUPPORTED, 0, "extension registry");
    REFUSED("Pid\n.", INGOT_E_UNSUPPORTED, 0, "persistent");
    REFUSED("\x97.", INGOT_E_UNSUPPORTED, 0, "buffer");
    REFUSED("\x80\6.", INGOT_E_UNSUPPORTED, 0, "protocol 6");
}

/* The name may be anything; a terminal must not see it as it stands. */
static void a_hostile_name_is_escaped(void **state)
{
    (void)state;
    REFUSED("cos\x1b[2J\nsystem\n)R.", INGOT_E_UNSUPPORTED, 16, "os\\x1b[2J.system");
    REFUSED("c\xff\nsystem\n.", INGOT_E_SOURCE, 0, "not UTF-8");
    REFUSED("N]\x93.", INGOT_E_SOURCE, 2, "no text");
}

static void an_unknown_name_that_is_not_called_is_only_a_value(void **state)
{
    (void)state;
    struct run r = RUN("cargparse\nNamespace\n.");
    char name[64];
    assert_int_equal(root(&r)->type, PICKLE_GLOBAL);
    assert_int_equal(root(&r)->as.global.id, -1);
    assert_string_equal(pickle_global_name(r.p, root(&r), name, sizeof name), "argparse.Namespace");
    done(&r);
}

static void an_ordered_dictionary_is_a_dictionary(void **state)
{
    (void)state;
    HOLDS("ccollections\nOrderedDict\n)R(K\1K\2u.", PICKLE_DICT, 1, 2);
    HOLDS("ccollections\nOrderedDict\n](K\1K\2\x86](K\3K\4ee\x85R.", PICKLE_DICT, 1, 2, 3, 4);
    HOLDS("ccollections\nOrderedDict\n)R}(K\5K\6ub(K\1K\2u.", PICKLE_DICT, 1, 2);
    HOLDS("ccollections\nOrderedDict\ncbuiltins\nlist\n\x85RK\1K\2s.", PICKLE_DICT, 1, 2);
    REFUSED("ccollections\nOrderedDict\n]K\1a\x85R.", INGOT_E_SOURCE, 30, "no pairs");
    REFUSED("ccollections\nOrderedDict\n](K\1K\2K\3\x87"
            "e\x85R.",
            INGOT_E_SOURCE, 36, "no pairs");
    REFUSED("ccollections\nOrderedDict\nK\1\x85R.", INGOT_E_UNSUPPORTED, 28, "list of pairs");
    REFUSED("ccollections\nOrderedDict\n)RNb.", INGOT_E_UNSUPPORTED, 28, "attributes");
}

static void a_persistent_object_keeps_its_id(void **state)
{
    (void)state;
    struct run r = RUN("K\7Q.");
    assert_int_equal(root(&r)->type, PICKLE_PERSISTENT);
    assert_int_equal(pickle_at(r.p, root(&r)->as.persistent)->as.integer, 7);
    done(&r);
}

static void a_container_may_hold_itself(void **state)
{
    (void)state;
    struct run r = RUN("]q\0h\0a.");
    struct pickle_items it = pickle_items(r.p, root(&r));
    uint32_t item;
    assert_true(pickle_next(&it, &item));
    assert_int_equal(item, pickle_root(r.p));
    assert_false(pickle_next(&it, &item));
    done(&r);
}

static void only_the_first_pickle_is_run(void **state)
{
    (void)state;
    struct run r = RUN("\x80\2K\1.K\2.");
    assert_int_equal(root(&r)->as.integer, 1);
    assert_int_equal(r.used, 5);
    done(&r);
}

static void every_prefix_is_truncated(void **state)
{
    (void)state;
    static const char program[] = "\x80\4\x95\x10\0\0\0\0\0\0\0}(X\2\0\0\0abM\1\2\x8c\1cG\0\0\0\0\0\0\0\0Vd\ncm\nn\n"
                                  "u\x8a\1\1r\0\0\0\0J\0\0\0\0\x86.";
    struct run r = RUN(program);
    assert_int_equal(r.status, INGOT_OK);
    done(&r);
    for (size_t n = 0; n + 1 < sizeof program - 1; n++) {
        r = run_bytes(program, n);
        assert_int_equal(r.status, INGOT_E_TRUNCATED);
        assert_true(r.err.offset <= OFF + n);
        done(&r);
    }
    REFUSED("K\1", INGOT_E_TRUNCATED, 2, "STOP");
    REFUSED("X\xff\xff\xff\xff"
            "a.",
            INGOT_E_TRUNCATED, 0, "0x58");
    REFUSED("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
            "a.",
            INGOT_E_TRUNCATED, 0, "0x8d");
    REFUSED("\x95\xff\xff\xff\xff\xff\xff\xff\xff.", INGOT_E_TRUNCATED, 0, "frame");
}

static void unknown_instructions_are_refused(void **state)
{
    (void)state;
    REFUSED("K\1\xff.", INGOT_E_SOURCE, 2, "0xff");
    REFUSED("\0.", INGOT_E_SOURCE, 0, "0x00");
}

/* A program of n bytes, all alike, is bounded in what it makes. */
static void floods_end_in_a_limit(void **state)
{
    (void)state;
    static const char instructions[] = "N](}";
    const size_t n = 5u << 20;
    char *program = malloc(n);
    for (const char *i = instructions; *i; i++) {
        memset(program, *i, n);
        struct run r = run_bytes(program, n);
        assert_int_equal(r.status, *i == '(' ? INGOT_E_TRUNCATED : INGOT_E_LIMIT);
        done(&r);
    }
    free(program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_of_every_width),
        cmocka_unit_test(truth_and_nothing),
        cmocka_unit_test(broken_numbers),
        cmocka_unit_test(texts_are_utf8_and_stand_in_the_pickle),
        cmocka_unit_test(containers_hold_their_items_in_order),
        cmocka_unit_test(interleaved_lists_keep_their_items),
        cmocka_unit_test(the_memo_gives_back_what_was_stored),
        cmocka_unit_test(the_stack_is_never_taken_below_its_mark),
        cmocka_unit_test(items_go_into_what_can_hold_them),
        cmocka_unit_test(listed_calls_are_recorded),
        cmocka_unit_test(other_calls_are_refused_by_name_however_they_are_made),
        cmocka_unit_test(a_hostile_name_is_escaped),
        cmocka_unit_test(an_unknown_name_that_is_not_called_is_only_a_value),
        cmocka_unit_test(an_ordered_dictionary_is_a_dictionary),
        cmocka_unit_test(a_persistent_object_keeps_its_id),
        cmocka_unit_test(a_container_may_hold_itself),
        cmocka_unit_test(only_the_first_pickle_is_run),
        cmocka_unit_test(every_prefix_is_truncated),
        cmocka_unit_test(unknown_instructions_are_refused),
        cmocka_unit_test(floods_end_in_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

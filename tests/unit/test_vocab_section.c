/* test_vocab_section.c - a @vocabulary section is read back as what was written, or refused where it is not that. */
#include "tests/unit/vocab_fixture.h"

#include "convert/vocab_section.h"
#include "format/bytes.h"
#include "format/disk.h"

#define DATA_OFF 4096u

static const char *const lines[] = { "a b", "ab c", "\u0120 a" };
static const struct vocab_merges merges = { lines, 3 };

static enum ingot_status read_section(const uint8_t *bytes, uint64_t n, struct vocab_tables *t, uint32_t *eot,
                                      struct ingot_error *err)
{
    const struct ingot_section s = { .data = bytes, .raw_bytes = n, .data_off = DATA_OFF };
    *err = (struct ingot_error){ 0 };
    enum ingot_status status = vocab_section_read(&s, "f.ingot", vocab_size(merges), t, eot, err);
    assert_int_equal(status, err->status);
    return status;
}

static void expect_refused(const uint8_t *bytes, uint64_t n, enum ingot_status status, uint64_t offset,
                           const char *words)
{
    struct vocab_tables t;
    struct ingot_error err;
    uint32_t eot;
    assert_int_equal(read_section(bytes, n, &t, &eot, &err), status);
    assert_int_equal(err.offset, offset == INGOT_NO_OFFSET ? offset : DATA_OFF + offset);
    if (!strstr(err.message, words)) fail_msg("'%s' does not say %s", err.message, words);
    assert_memory_equal(err.message, "@vocabulary: ", 13); /* whatever finds the fault: the file is not a tokenizer's */
    assert_string_equal(err.advice, "convert the checkpoint again");
}

/* A valid section with one u32 changed. */
static void expect_refused_u32(uint64_t at, uint32_t value, enum ingot_status status, uint64_t offset,
                               const char *words)
{
    size_t n;
    uint8_t *bytes = vocab_section(merges, &n);
    put_u32(bytes + at, value);
    expect_refused(bytes, n, status, offset, words);
    free(bytes);
}

static void the_lists_are_what_they_were(void **state)
{
    (void)state;
    size_t n;
    struct vocab_tables t;
    struct ingot_error err;
    uint32_t eot;
    uint8_t *bytes = vocab_section(merges, &n);
    assert_int_equal(read_section(bytes, n, &t, &eot, &err), INGOT_OK);
    assert_int_equal(t.n_pieces, 260);
    assert_int_equal(eot, 259);
    assert_true(t.pieces[259].special && !t.pieces[258].special);
    assert_int_equal(t.n_merges, 3);
    assert_int_equal(t.merges[1].left, 256);
    assert_int_equal(t.merges[1].right, 'c');
    assert_int_equal(t.merges[1].merged, 257);
    vocab_tables_free(&t);
    free(bytes);
}

/* Also those that no table covers, and those that are hints. */
static void every_byte_counts(void **state)
{
    (void)state;
    size_t n;
    struct vocab_tables t;
    struct ingot_error err;
    uint32_t eot;
    uint8_t *bytes = vocab_section(merges, &n);
    for (size_t at = 0; at < n; at++) {
        bytes[at] ^= 1;
        if (read_section(bytes, n, &t, &eot, &err) == INGOT_OK) fail_msg("byte %zu does not count", at);
        bytes[at] ^= 1;
    }
    free(bytes);
}

static void a_section_cut_short_or_too_long_is_refused(void **state)
{
    (void)state;
    size_t n;
    struct vocab_tables t;
    struct ingot_error err;
    uint32_t eot;
    uint8_t *bytes = vocab_section(merges, &n);
    for (size_t length = 0; length < n; length++) {
        uint8_t *cut = malloc(length ? length : 1);
        memcpy(cut, bytes, length);
        if (read_section(cut, length, &t, &eot, &err) == INGOT_OK) fail_msg("%zu bytes are enough", length);
        free(cut);
    }
    uint8_t *longer = malloc(n + 1);
    assert_non_null(longer);
    memcpy(longer, bytes, n);
    free(bytes);
    bytes = longer;
    bytes[n] = 0;
    expect_refused(bytes, n + 1, INGOT_E_VOCABULARY, n, "its own tokens and merges");
    free(bytes);
}

static void what_the_header_says_is_checked_where_it_stands(void **state)
{
    (void)state;
    expect_refused_u32(0, 0x31455042u + 1, INGOT_E_VOCABULARY, 0, "no header");
    expect_refused_u32(VOCAB_FLAVOUR_OFF, 2, INGOT_E_UNSUPPORTED, VOCAB_FLAVOUR_OFF, "not known");
    expect_refused_u32(VOCAB_N_TOKENS_OFF, 0, INGOT_E_VOCABULARY, VOCAB_N_TOKENS_OFF, "out of range");
    expect_refused_u32(VOCAB_N_TOKENS_OFF, LIMIT_N_VOCAB + 1, INGOT_E_VOCABULARY, VOCAB_N_TOKENS_OFF, "out of range");
    expect_refused_u32(VOCAB_N_TOKENS_OFF, LIMIT_N_VOCAB, INGOT_E_VOCABULARY, VOCAB_PIECES_OFF_OFF, "does not fit");
    expect_refused_u32(VOCAB_N_MERGES_OFF, 8, INGOT_E_VOCABULARY, VOCAB_N_SLOTS_OFF, "not more slots");
    expect_refused_u32(VOCAB_N_MERGES_OFF, 4, INGOT_E_VOCABULARY, VOCAB_N_MERGES_OFF, "merges are missing");
    expect_refused_u32(VOCAB_N_SLOTS_OFF, UINT32_MAX, INGOT_E_VOCABULARY, VOCAB_MERGES_OFF_OFF, "does not fit");
    expect_refused_u32(VOCAB_N_SPECIAL_OFF, UINT32_MAX, INGOT_E_VOCABULARY, VOCAB_SPECIAL_OFF_OFF, "does not fit");
    expect_refused_u32(VOCAB_EOT_OFF, 'x', INGOT_E_VOCABULARY, VOCAB_EOT_OFF, "its own tokens and merges");
    expect_refused_u32(VOCAB_EOT_OFF, VOCAB_NO_TOKEN, INGOT_E_VOCABULARY, VOCAB_EOT_OFF, "its own tokens and merges");
    expect_refused_u32(VOCAB_MAX_PIECE_OFF, 4, INGOT_E_VOCABULARY, VOCAB_MAX_PIECE_OFF, "its own tokens and merges");
}

static uint64_t table_at(uint64_t field)
{
    size_t n;
    uint8_t *bytes = vocab_section(merges, &n);
    uint64_t at = get_u64(bytes + field);
    free(bytes);
    return at;
}

/* Offset of the slot of that rank. */
static uint64_t slot_of(uint32_t rank)
{
    size_t n;
    uint8_t *bytes = vocab_section(merges, &n);
    uint64_t at = get_u64(bytes + VOCAB_MERGES_OFF_OFF);
    while (get_u32(bytes + at) == VOCAB_NO_TOKEN || get_u32(bytes + at + 8) != rank) at += VOCAB_SLOT_BYTES;
    free(bytes);
    return at;
}

static void what_the_tables_say_is_checked_where_it_stands(void **state)
{
    (void)state;
    const uint64_t pieces = table_at(VOCAB_PIECES_OFF_OFF), special = table_at(VOCAB_SPECIAL_OFF_OFF);
    const uint64_t ids = table_at(VOCAB_BYTES_OFF_OFF), slot = slot_of(2);
    expect_refused_u32(pieces + 40, 1000, INGOT_E_VOCABULARY, pieces + 36, "outside the text");
    expect_refused_u32(pieces + 40, 8, INGOT_E_VOCABULARY, pieces + 36, "outside the text");
    expect_refused_u32(special, 260, INGOT_E_VOCABULARY, special, "no token");
    expect_refused_u32(ids + UINT64_C(4) * 'a', 'b', INGOT_E_VOCABULARY, ids + UINT64_C(4) * 'a', "its own");
    expect_refused_u32(slot, 260, INGOT_E_VOCABULARY, slot, "a merge of what is no token");
    expect_refused_u32(slot + 4, VOCAB_NO_TOKEN, INGOT_E_VOCABULARY, slot, "a merge of what is no token");
    expect_refused_u32(slot + 8, 3, INGOT_E_VOCABULARY, slot, "the rank of a merge is wrong");
    expect_refused_u32(slot + 12, 256, INGOT_E_VOCABULARY, slot + 12, "its own");
    expect_refused_u32(slot + 4, 'b', INGOT_E_VOCABULARY, slot, "is made here and is no token");
}

/* The runtime would never apply it, though every list has it. */
static void a_merge_where_no_look_up_finds_it_is_refused(void **state)
{
    (void)state;
    size_t n;
    uint8_t *bytes = vocab_section(merges, &n), empty[VOCAB_SLOT_BYTES];
    uint64_t table = get_u64(bytes + VOCAB_MERGES_OFF_OFF), slot = slot_of(0), free_slot = table;
    while (get_u32(bytes + free_slot) != VOCAB_NO_TOKEN) free_slot += VOCAB_SLOT_BYTES;
    memcpy(empty, bytes + free_slot, sizeof empty);
    memcpy(bytes + free_slot, bytes + slot, sizeof empty);
    memcpy(bytes + slot, empty, sizeof empty);
    expect_refused(bytes, n, INGOT_E_VOCABULARY, slot < free_slot ? slot : free_slot, "its own tokens and merges");
    free(bytes);
}

/* 700 KB that ask for 4 GB of text, did the merges not stop at 256 MB: the bytes, 64 K and 128 K letters, and the same
 * merge again and again. */
static void merges_that_spell_too_much_are_refused(void **state)
{
    (void)state;
    enum { LONG = 1 << 16, SLOTS = 1 << 15, PIECES_AT = 128, MERGES_AT = 1216, TEXT_AT = MERGES_AT + 16 * SLOTS };
    uint64_t text = 256 + 3 * (uint64_t)LONG, n = TEXT_AT + text;
    uint8_t *bytes = calloc(1, n);
    memcpy(bytes, VOCAB_MAGIC, 4);
    put_u32(bytes + VOCAB_FLAVOUR_OFF, VOCAB_FLAVOUR_GPT2);
    put_u32(bytes + VOCAB_N_TOKENS_OFF, 258);
    put_u32(bytes + VOCAB_N_MERGES_OFF, SLOTS - 1);
    put_u32(bytes + VOCAB_N_SLOTS_OFF, SLOTS);
    put_u64(bytes + VOCAB_PIECES_OFF_OFF, PIECES_AT);
    put_u64(bytes + VOCAB_MERGES_OFF_OFF, MERGES_AT);
    put_u64(bytes + VOCAB_TEXT_OFF_OFF, TEXT_AT);
    put_u64(bytes + VOCAB_TEXT_BYTES_OFF, text);
    for (uint32_t i = 0; i < 257; i++) put_u32(bytes + PIECES_AT + 4 * (uint64_t)i, i);
    put_u32(bytes + PIECES_AT + 4 * 257, 256 + LONG);
    put_u32(bytes + PIECES_AT + 4 * 258, 256 + 3 * LONG);
    for (size_t i = 0; i < 256; i++) bytes[TEXT_AT + i] = (uint8_t)i;
    memset(bytes + TEXT_AT + 256, 'a', 3 * (size_t)LONG);
    memset(bytes + MERGES_AT, 0xff, VOCAB_SLOT_BYTES);
    for (uint32_t i = 1; i < SLOTS; i++) {
        uint8_t *slot = bytes + MERGES_AT + (size_t)VOCAB_SLOT_BYTES * i;
        put_u32(slot, 256);
        put_u32(slot + 4, 256);
        put_u32(slot + 8, i - 1);
        put_u32(slot + 12, 257);
    }
    expect_refused(bytes, n, INGOT_E_LIMIT, MERGES_AT + VOCAB_SLOT_BYTES * 2049, "256 MiB");
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lists_are_what_they_were),
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(a_section_cut_short_or_too_long_is_refused),
        cmocka_unit_test(what_the_header_says_is_checked_where_it_stands),
        cmocka_unit_test(what_the_tables_say_is_checked_where_it_stands),
        cmocka_unit_test(a_merge_where_no_look_up_finds_it_is_refused),
        cmocka_unit_test(merges_that_spell_too_much_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

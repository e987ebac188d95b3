/*
 * Encoding and decoding against an independent reading of GPT-2's encoder: the pattern matched alternative by
 * alternative over code points, bpe() as the textbook loop over words of byte strings.
 */
#include "tests/unit/vocab_fixture.h"

#include "format/bytes.h"
#include "format/disk.h"
#include "runtime/pretokenize.h"
#include "runtime/tokenizer.h"
#include "runtime/unicode.h"

#include <utf8proc.h>

#define CORPUS "../shared/corpus/"

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 33) % n);
}

static struct ingot_tokenizer bind(const uint8_t *section, size_t n)
{
    struct ingot_tokenizer t;
    struct ingot_error err = { 0 };
    if (tokenizer_bind(section, n, "v", 0, &t, &err) != INGOT_OK) fail_msg("%s", err.message);
    return t;
}

static struct ingot_ids encode(const struct ingot_tokenizer *t, const void *text, size_t n, unsigned flags)
{
    struct ingot_ids ids = { 0 };
    struct ingot_error err = { 0 };
    if (ingot_tokenizer_encode(t, text, n, flags, &ids, &err) != INGOT_OK) fail_msg("%s", err.message);
    return ids;
}

static void assert_encodes(const struct ingot_tokenizer *t, const char *text, unsigned flags, const uint32_t *ids,
                           size_t n)
{
    struct ingot_ids found = encode(t, text, strlen(text), flags);
    assert_int_equal(found.n, n);
    if (n) assert_memory_equal(found.ids, ids, n * sizeof *ids);
    ingot_ids_free(&found);
}

#define ENCODES(t, text, flags, ...)                                                                                   \
    assert_encodes(t, text, flags, (const uint32_t[]){ __VA_ARGS__ }, sizeof((uint32_t[]){ __VA_ARGS__ }) / 4)

static void assert_round_trip(const struct ingot_tokenizer *t, const uint8_t *text, size_t n)
{
    struct ingot_ids ids = encode(t, text, n, INGOT_ENCODE_PLAIN);
    size_t at = 0;
    for (size_t i = 0; i < ids.n; i++) {
        size_t length;
        const char *piece = ingot_tokenizer_piece(t, ids.ids[i], &length);
        assert_true(length > 0 && length <= n - at);
        assert_memory_equal(piece, text + at, length);
        at += length;
    }
    assert_int_equal(at, n);
    ingot_ids_free(&ids);
}

/* The vocabularies of tests that need real ones: released (may be absent), shipped. */
static uint8_t *released_section(size_t *n)
{
    return vocab_section_of(vocab_root_path(CORPUS "gpt2-tokenizer"), 50257, n);
}

static uint8_t *shipped_section(size_t *n)
{
    uint8_t *section = vocab_section_of(vocab_root_path("tests/models/bard"), 2048, n);
    assert_non_null(section);
    return section;
}

/* ----------------------------------------------------------------------------------------- the pattern, directly */

/* One character of the text: where it begins, and its class by the letter of its category, S for white space. */
struct character {
    size_t at;
    char class;
    uint32_t code;
};

/* PropList.txt of Unicode, White_Space. */
static bool in_white_space(uint32_t c)
{
    static const uint32_t list[] = { 0x0009, 0x000a, 0x000b, 0x000c, 0x000d, 0x0020, 0x0085, 0x00a0, 0x1680,
                                     0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008,
                                     0x2009, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000 };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (list[i] == c) return true;
    return false;
}

static size_t characters_of(const uint8_t *text, size_t n, struct character *out)
{
    size_t count = 0;
    for (size_t at = 0; at < n;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t length = utf8proc_iterate(text + at, (utf8proc_ssize_t)(n - at), &c);
        struct character *ch = &out[count++];
        *ch = (struct character){ .at = at, .class = 'O', .code = UINT32_MAX };
        if (length > 0) {
            const char *category = utf8proc_category_string(c);
            ch->code = (uint32_t)c;
            ch->class = in_white_space(ch->code) ? 'S' : category[0] == 'L' || category[0] == 'N' ? category[0] : 'O';
        }
        at += length > 0 ? (size_t)length : 1;
    }
    out[count].at = n;
    return count;
}

/* How many characters ` ?[class]+` matches. */
static size_t match_class(const struct character *c, size_t n, char class)
{
    size_t space = n > 1 && c[0].code == ' ' && c[1].class == class;
    size_t i = space;
    while (i < n && c[i].class == class) i++;
    return i > space ? i : 0;
}

static size_t match_literal(const struct character *c, size_t n, const char *literal)
{
    size_t length = strlen(literal);
    for (size_t i = 0; i < length; i++)
        if (i >= n || c[i].code != (uint8_t)literal[i]) return 0;
    return length;
}

/* `\s+(?!\S)`: greedy, giving back one character at a time. */
static size_t match_trailing_space(const struct character *c, size_t n)
{
    size_t i = 0;
    while (i < n && c[i].class == 'S') i++;
    while (i > 0 && i < n && c[i].class != 'S') i--;
    return i;
}

/* The alternatives in the order in which they stand. */
static size_t match_pattern(const struct character *c, size_t n)
{
    static const char *const literals[] = { "'s", "'t", "'re", "'ve", "'m", "'ll", "'d" };
    size_t length;
    for (size_t i = 0; i < sizeof literals / sizeof *literals; i++)
        if ((length = match_literal(c, n, literals[i]))) return length;
    if ((length = match_class(c, n, 'L'))) return length;
    if ((length = match_class(c, n, 'N'))) return length;
    if ((length = match_class(c, n, 'O'))) return length;
    if ((length = match_trailing_space(c, n))) return length;
    while (length < n && c[length].class == 'S') length++;
    return length;
}

/* ------------------------------------------------------------------------------------------ bpe(), directly */

/* A vocabulary as byte strings. */
struct textbook {
    struct {
        uint8_t bytes[64];
        size_t n;
    } tokens[512];
    struct {
        uint32_t left, right, merged;
    } merges[200]; /* by rank */
    size_t n_tokens, n_merges;
};

static size_t rank_of(const struct textbook *v, uint32_t left, uint32_t right)
{
    size_t rank = 0;
    while (rank < v->n_merges && (v->merges[rank].left != left || v->merges[rank].right != right)) rank++;
    return rank;
}

static size_t textbook_bpe(const struct textbook *v, const uint8_t *piece, size_t n, uint32_t *word)
{
    for (size_t i = 0; i < n; i++) word[i] = piece[i];
    for (;;) {
        size_t best = v->n_merges, out = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            size_t rank = rank_of(v, word[i], word[i + 1]);
            if (rank < best) best = rank;
        }
        if (best == v->n_merges) return n;
        uint32_t left = v->merges[best].left, right = v->merges[best].right;
        for (size_t i = 0; i < n; out++) {
            bool merges = i + 1 < n && word[i] == left && word[i + 1] == right;
            word[out] = merges ? v->merges[best].merged : word[i];
            i += merges ? 2 : 1;
        }
        n = out;
    }
}

static size_t textbook_encode(const struct textbook *v, const uint8_t *text, size_t n, uint32_t *ids)
{
    struct character *c = calloc(n + 1, sizeof *c);
    size_t count = characters_of(text, n, c), n_ids = 0;
    for (size_t i = 0; i < count;) {
        size_t length = match_pattern(c + i, count - i);
        assert_true(length > 0);
        n_ids += textbook_bpe(v, text + c[i].at, c[i + length].at - c[i].at, ids + n_ids);
        i += length;
    }
    free(c);
    return n_ids;
}

static const char *const alphabet[] = { "a", "b", " ", "\n", "'", "s", "1", "!", "\xc3", "\xa9", "\xff", "\xe2" };
#define N_ALPHABET (sizeof alphabet / sizeof *alphabet)

static bool known_token(const struct textbook *v, const uint8_t *bytes, size_t n)
{
    for (size_t id = 0; id < v->n_tokens; id++)
        if (v->tokens[id].n == n && memcmp(v->tokens[id].bytes, bytes, n) == 0) return true;
    return false;
}

/* Pieces grow from the first n_letters of the alphabet, at least 2; then the ranks are shuffled, so that merges bring
 * about pairs of lower rank. */
static void grow_textbook(struct textbook *v, size_t n_merges, size_t n_letters)
{
    *v = (struct textbook){ .n_tokens = 256 };
    for (uint32_t b = 0; b < 256; b++) v->tokens[b].n = 1, v->tokens[b].bytes[0] = (uint8_t)b;
    uint32_t pool[N_ALPHABET + 200], n_pool = 0;
    for (size_t i = 0; i < n_letters; i++) pool[n_pool++] = (uint8_t)alphabet[i][0];
    while (v->n_merges < n_merges) {
        uint32_t left = pool[random_below(n_pool)], right = pool[random_below(n_pool)], id = (uint32_t)v->n_tokens;
        uint8_t joined[128];
        size_t n = v->tokens[left].n + v->tokens[right].n;
        memcpy(joined, v->tokens[left].bytes, v->tokens[left].n);
        memcpy(joined + v->tokens[left].n, v->tokens[right].bytes, v->tokens[right].n);
        if (n > 12 || known_token(v, joined, n)) continue;
        memcpy(v->tokens[id].bytes, joined, n);
        v->tokens[id].n = n;
        v->n_tokens++;
        v->merges[v->n_merges].left = left;
        v->merges[v->n_merges].right = right;
        v->merges[v->n_merges++].merged = id;
        pool[n_pool++] = id;
    }
}

static void shuffle_ranks(struct textbook *v)
{
    for (size_t i = v->n_merges; i > 1; i--) {
        size_t j = random_below((uint32_t)i);
        uint32_t a[3] = { v->merges[i - 1].left, v->merges[i - 1].right, v->merges[i - 1].merged };
        v->merges[i - 1] = v->merges[j];
        v->merges[j].left = a[0], v->merges[j].right = a[1], v->merges[j].merged = a[2];
    }
}

static void spell_token(const struct textbook *v, uint32_t id, FILE *out)
{
    char spelled[3];
    for (size_t i = 0; i < v->tokens[id].n; i++) {
        vocab_spell(v->tokens[id].bytes[i], spelled);
        if (spelled[0] == '"' || spelled[0] == '\\') fputc('\\', out);
        fputs(spelled, out);
    }
}

/* Through the converter, as encoder.json and vocab.bpe. */
static uint8_t *textbook_section(const struct textbook *v, size_t *n)
{
    char *directory = fixture_directory();
    FILE *out = fopen(fixture_path(directory, "encoder.json"), "w");
    for (uint32_t id = 0; id < v->n_tokens; id++) {
        fputs(id ? ", \"" : "{\"", out);
        spell_token(v, id, out);
        fprintf(out, "\": %u", id);
    }
    fputs("}", out);
    fclose(out);
    out = fopen(fixture_path(directory, "vocab.bpe"), "w");
    fputs("#version: 0.2\n", out);
    for (size_t i = 0; i < v->n_merges; i++) {
        spell_token(v, v->merges[i].left, out);
        fputs(" ", out);
        spell_token(v, v->merges[i].right, out);
        fputs("\n", out);
    }
    fclose(out);
    uint8_t *section = vocab_section_of(directory, (uint32_t)v->n_tokens, n);
    fixture_remove(directory);
    return section;
}

static void assert_same_as_textbook(const struct textbook *v, const struct ingot_tokenizer *t, const uint8_t *text,
                                    size_t n)
{
    uint32_t *expected = calloc(n + 1, sizeof *expected);
    size_t n_expected = textbook_encode(v, text, n, expected);
    struct ingot_ids ids = encode(t, text, n, INGOT_ENCODE_PLAIN);
    assert_int_equal(ids.n, n_expected);
    if (ids.n) assert_memory_equal(ids.ids, expected, ids.n * sizeof *expected);
    ingot_ids_free(&ids);
    free(expected);
}

static size_t random_text(uint8_t *out, size_t n_parts)
{
    static const char *const more[] = { "  ",       "'re",      "'ll",         "\xc2\xa0",         "\xe2\x80\x83",
                                        "\xd0\xb4", "\xd9\xa3", "\x1c",        "\xf0\x9f\x98\x81", "\xed\xa0\x80",
                                        "\xc0\x80", "\r\n",     "\xe2\x80\x8b" };
    size_t n = 0;
    for (size_t i = 0; i < n_parts; i++) {
        uint32_t k = random_below(N_ALPHABET + 6);
        const char *part = k < N_ALPHABET ? alphabet[k] : more[random_below(sizeof more / sizeof *more)];
        memcpy(out + n, part, strlen(part));
        n += strlen(part);
    }
    return n;
}

static void random_texts_encode_as_by_the_textbook_whatever_the_order_of_ranks(void **state)
{
    (void)state;
    static struct textbook v;
    static uint8_t text[4096];
    random_state = 1;
    for (int round = 0; round < 24; round++) {
        size_t n;
        grow_textbook(&v, 1 + random_below(150), 3 + random_below(N_ALPHABET - 2));
        if (round % 2) shuffle_ranks(&v);
        uint8_t *section = textbook_section(&v, &n);
        struct ingot_tokenizer t = bind(section, n);
        for (int i = 0; i < 60; i++) assert_same_as_textbook(&v, &t, text, random_text(text, random_below(40)));
        assert_same_as_textbook(&v, &t, text, random_text(text, 1000));
        free(section);
    }
}

/* Long enough for the cache of pieces, which must not show. */
static void repeated_words_encode_as_the_first_time(void **state)
{
    (void)state;
    static struct textbook v;
    static uint8_t text[40000];
    size_t n;
    random_state = 2;
    grow_textbook(&v, 60, N_ALPHABET);
    uint8_t *section = textbook_section(&v, &n);
    struct ingot_tokenizer t = bind(section, n);
    assert_same_as_textbook(&v, &t, text, random_text(text, 9000));
    free(section);
}

static void long_and_short_pieces_merge_alike(void **state)
{
    (void)state;
    static struct textbook v;
    random_state = 3;
    for (int round = 0; round < 30; round++) {
        size_t n;
        uint32_t n_letters = 2 + random_below(3); /* few: pairs of merged pieces must come about */
        grow_textbook(&v, 1 + random_below(150), n_letters);
        if (round % 3) shuffle_ranks(&v);
        uint8_t *section = textbook_section(&v, &n);
        struct ingot_tokenizer t = bind(section, n);
        struct bpe_scratch scratch = { 0 };
        for (int i = 0; i < 100; i++) {
            uint8_t piece[500];
            uint32_t by_list[500], by_textbook[500], by_scan[BPE_SHORT];
            size_t n_piece = 1 + random_below(i % 2 ? BPE_SHORT : 500);
            for (size_t k = 0; k < n_piece; k++) piece[k] = (uint8_t)alphabet[random_below(n_letters)][0];
            size_t n_list = bpe_encode_long(&t.bpe, &scratch, piece, n_piece, by_list);
            assert_int_equal(n_list, textbook_bpe(&v, piece, n_piece, by_textbook));
            assert_memory_equal(by_list, by_textbook, n_list * sizeof *by_list);
            if (n_piece > BPE_SHORT) continue;
            assert_int_equal(n_list, bpe_encode_short(&t.bpe, &scratch, piece, n_piece, by_scan));
            assert_memory_equal(by_list, by_scan, n_list * sizeof *by_list);
        }
        assert_false(scratch.damaged);
        bpe_scratch_free(&scratch);
        free(section);
    }
}

/* ---------------------------------------------------------------------------------------------- classes, pieces */

static size_t put_utf8(uint32_t code, uint8_t out[4])
{
    return (size_t)utf8proc_encode_char((utf8proc_int32_t)code, out);
}

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

/* -------------------------------------------------------------------------------------------------- real texts */

static void known_texts_have_the_released_ids(void **state)
{
    (void)state;
    size_t n;
    uint8_t *section = released_section(&n);
    if (!section) skip();
    struct ingot_tokenizer t = bind(section, n);
    ENCODES(&t, "hello world", 0, 31373, 995);
    ENCODES(&t, "Hello world ", 0, 15496, 995, 220);
    ENCODES(&t, "Hello, my dog is cute", 0, 15496, 11, 616, 3290, 318, 13779);
    ENCODES(&t, "0", 0, 15);
    ENCODES(&t, "00", 0, 405);
    ENCODES(&t, "000", 0, 830);
    ENCODES(&t, "0000", 0, 2388);
    ENCODES(&t, "00000", 0, 20483);
    ENCODES(&t, EOT, INGOT_ENCODE_PLAIN, 27, 91, 437, 1659, 5239, 91, 29);
    ENCODES(&t, EOT, INGOT_ENCODE_SPECIAL, 50256);
    free(section);
}

/* Next case of the input file, cut at the lines that part them. */
static char *next_case(char **rest)
{
    static const char parting[] = "\n__ggml_vocab_test__\n";
    char *text = *rest, *end = text ? strstr(text, parting) : NULL;
    if (end) *end = 0;
    *rest = end ? end + sizeof parting - 1 : NULL;
    return text;
}

static char *read_text(const char *path)
{
    size_t n;
    char *text = (char *)fixture_read(path, &n);
    text[n] = 0;
    return text;
}

static void the_47_cases_of_llama_cpp_have_the_recorded_ids(void **state)
{
    (void)state;
    size_t n, n_cases = 0;
    uint8_t *section = released_section(&n);
    if (!section) skip();
    struct ingot_tokenizer t = bind(section, n);
    char *inputs = read_text(vocab_root_path(CORPUS "gpt2-vocab-gguf/ggml-vocab-gpt-2.gguf.inp")), *rest = inputs;
    char *outputs = read_text(vocab_root_path(CORPUS "gpt2-vocab-gguf/ggml-vocab-gpt-2.gguf.out")), *line = outputs;
    for (char *text; (text = next_case(&rest)); n_cases++) {
        struct ingot_ids ids = encode(&t, text, strlen(text), INGOT_ENCODE_PLAIN);
        char *end = line + strcspn(line, "\n");
        for (size_t i = 0; i < ids.n; i++) assert_int_equal(strtoul(line, &line, 10), ids.ids[i]);
        assert_int_equal(strspn(line, " "), end - line);
        line = end + (*end == '\n');
        ingot_ids_free(&ids);
    }
    assert_int_equal(n_cases, 47);
    free(inputs);
    free(outputs);
    free(section);
}

static void decoding_gives_back_any_bytes(void **state)
{
    (void)state;
    for (int released = 0; released < 2; released++) {
        static uint8_t text[20000];
        size_t n;
        uint8_t *section = released ? released_section(&n) : shipped_section(&n);
        if (!section) continue;
        struct ingot_tokenizer t = bind(section, n);
        random_state = 4;
        for (int i = 0; i < 400; i++) {
            size_t length = random_below(i % 40 ? 200 : sizeof text);
            for (size_t k = 0; k < length; k++) text[k] = (uint8_t)random_below(256);
            assert_round_trip(&t, text, length);
        }
        free(section);
    }
}

static void decoding_gives_back_any_unicode(void **state)
{
    (void)state;
    for (int released = 0; released < 2; released++) {
        static uint8_t text[1000];
        size_t n;
        uint8_t *section = released ? released_section(&n) : shipped_section(&n);
        if (!section) continue;
        struct ingot_tokenizer t = bind(section, n);
        random_state = 5;
        for (int i = 0; i < 1000; i++) {
            static const uint32_t below[] = { 0x80, 0x250, 0x3100, 0x11000, 0x110000 };
            size_t length = 0, limit = random_below(sizeof text - 4);
            while (length < limit) length += put_utf8(random_below(below[random_below(5)]), text + length);
            assert_round_trip(&t, text, length);
        }
        free(section);
    }
}

/* ------------------------------------------------------------------------------------------------- special tokens */

static const char *const few_lines[] = { "h e", "< |", "Ġ h" };
static const struct vocab_merges few = { few_lines, 3 };

static void special_tokens_are_text_unless_asked_for(void **state)
{
    (void)state;
    size_t n;
    uint8_t *section = vocab_section(few, &n);
    struct ingot_tokenizer t = bind(section, n);
    assert_int_equal(ingot_tokenizer_count(&t), 260);
    assert_int_equal(ingot_tokenizer_eot(&t), 259);
    ENCODES(&t, "he" EOT "he", INGOT_ENCODE_PLAIN, 256, 257, 'e', 'n', 'd', 'o', 'f', 't', 'e', 'x', 't', '|', '>',
            256);
    ENCODES(&t, "he" EOT "he", INGOT_ENCODE_SPECIAL, 256, 259, 256);
    ENCODES(&t, EOT EOT, INGOT_ENCODE_SPECIAL, 259, 259);
    ENCODES(&t, "<|endoftext" EOT, INGOT_ENCODE_SPECIAL, 257, 'e', 'n', 'd', 'o', 'f', 't', 'e', 'x', 't', 259);
    /* what lies between is encoded for itself: the space in front of the token is the end of a text */
    ENCODES(&t, "h " EOT " h", INGOT_ENCODE_SPECIAL, 'h', ' ', 259, 258);
    free(section);
}

static void of_two_special_tokens_the_longer_wins(void **state)
{
    (void)state;
    char *directory = fixture_directory();
    size_t n = 0;
    vocab_write_text(directory, "vocab.json", vocab_map(few));
    vocab_write_text(directory, "merges.txt", vocab_lines(few, "\n"));
    fixture_write(directory, "added_tokens.json", "{\"<a>\": 260, \"<a><b>\": 261, \"x y\": 262}", 39);
    uint8_t *section = vocab_section_of(directory, 263, &n);
    struct ingot_tokenizer t = bind(section, n);
    ENCODES(&t, "<a><b><a>x y", INGOT_ENCODE_SPECIAL, 261, 260, 262);
    free(section);
    fixture_remove(directory);
}

/* -------------------------------------------------------------------------------------------------- the contract */

static void ids_are_appended_and_an_empty_text_adds_none(void **state)
{
    (void)state;
    size_t n;
    uint8_t *section = vocab_section(few, &n);
    struct ingot_tokenizer t = bind(section, n);
    struct ingot_ids ids = { 0 };
    assert_int_equal(ingot_tokenizer_encode(&t, "he", 2, 0, &ids, NULL), INGOT_OK);
    assert_int_equal(ingot_tokenizer_encode(&t, NULL, 0, 0, &ids, NULL), INGOT_OK);
    assert_int_equal(ingot_tokenizer_encode(&t, "a\0b", 3, 0, &ids, NULL), INGOT_OK);
    assert_int_equal(ids.n, 4);
    assert_memory_equal(ids.ids, ((const uint32_t[]){ 256, 'a', 0, 'b' }), 16);
    ingot_ids_free(&ids);
    assert_int_equal(ids.n, 0);
    free(section);
}

static void any_id_has_a_piece_even_if_it_is_empty(void **state)
{
    (void)state;
    size_t n, length = 1;
    uint8_t *section = vocab_section(few, &n);
    struct ingot_tokenizer t = bind(section, n);
    assert_non_null(ingot_tokenizer_piece(&t, 260, &length));
    assert_int_equal(length, 0);
    assert_non_null(ingot_tokenizer_piece(&t, UINT32_MAX, &length));
    assert_int_equal(length, 0);
    assert_memory_equal(ingot_tokenizer_piece(&t, 259, &length), EOT, strlen(EOT));
    assert_int_equal(length, strlen(EOT));
    free(section);
}

/* No more work than a constant times n log n: slots probed, heap entries moved. */
static void hostile_texts_take_no_more_than_n_log_n_steps(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    static const char *const patterns[] = { "a",    " ",     "0",         "!",
                                            "\xff", "ab",    "th",        "the",
                                            "\n",   " \n",   "\xc2\xa0",  "\xd0\xb4",
                                            "'s",   "aaaab", "e\xcc\x81", "\xf0\x9f\x98\x81" };
    uint8_t *text = malloc(N);
    for (int released = 0; released < 2; released++) {
        size_t n;
        uint8_t *section = released ? released_section(&n) : shipped_section(&n);
        if (!section) continue;
        struct ingot_tokenizer t = bind(section, n);
        for (size_t i = 0; i <= sizeof patterns / sizeof *patterns; i++) {
            struct bpe_scratch scratch = { 0 };
            struct ingot_ids ids = { 0 };
            bool letters = i == sizeof patterns / sizeof *patterns;
            random_state = 6;
            for (size_t k = 0; k < N; k++)
                text[k] = (uint8_t)(letters ? 'a' + (int)random_below(26) : patterns[i][k % strlen(patterns[i])]);
            assert_int_equal(tokenizer_encode(&t, &scratch, text, N, 0, &ids, NULL), INGOT_OK);
            assert_true(scratch.n_probes <= UINT64_C(16) * N);
            assert_true(scratch.n_moves <= UINT64_C(2) * 20 * N);
            ingot_ids_free(&ids);
            bpe_scratch_free(&scratch);
        }
        free(section);
    }
    free(text);
}

/* ------------------------------------------------------------------------------------------------ damaged sections */

static void a_header_that_breaks_a_rule_is_refused_at_its_field(void **state)
{
    (void)state;
    static const struct {
        uint32_t off, bytes;
        uint64_t value;
        enum ingot_status status;
    } cases[] = {
        { 0, 4, 0, INGOT_E_VOCABULARY },                                    /* F-91 */
        { VOCAB_FLAVOUR_OFF, 4, 2, INGOT_E_UNSUPPORTED },                   /* F-92 */
        { VOCAB_N_TOKENS_OFF, 4, 0, INGOT_E_VOCABULARY },                   /* F-93 */
        { VOCAB_N_TOKENS_OFF, 4, LIMIT_N_VOCAB + 1, INGOT_E_VOCABULARY },   /* F-93 */
        { VOCAB_N_SLOTS_OFF, 4, 0, INGOT_E_VOCABULARY },                    /* F-94 */
        { VOCAB_N_SLOTS_OFF, 4, 2, INGOT_E_VOCABULARY },                    /* F-94: not above the 3 merges */
        { VOCAB_N_SLOTS_OFF, 4, 12, INGOT_E_VOCABULARY },                   /* F-94 */
        { VOCAB_EOT_OFF, 4, 260, INGOT_E_VOCABULARY },                      /* F-95 */
        { VOCAB_PIECES_OFF_OFF, 8, 64, INGOT_E_VOCABULARY },                /* F-96: inside the header */
        { VOCAB_BYTES_OFF_OFF, 8, 132, INGOT_E_VOCABULARY },                /* F-96: not aligned */
        { VOCAB_SPECIAL_OFF_OFF, 8, UINT64_MAX - 63, INGOT_E_VOCABULARY },  /* F-96: wraps around */
        { VOCAB_MERGES_OFF_OFF, 8, UINT64_C(1) << 40, INGOT_E_VOCABULARY }, /* F-96 */
        { VOCAB_TEXT_BYTES_OFF + 8, 1, 1, INGOT_E_RESERVED },               /* F-97 */
        { VOCAB_HEADER_BYTES - 1, 1, 1, INGOT_E_RESERVED },                 /* F-97 */
        { VOCAB_N_SPECIAL_OFF, 4, VOCAB_MAX_SPECIAL + 1, INGOT_E_LIMIT },   /* F-98 */
    };
    size_t n;
    uint8_t *section = vocab_section(few, &n), *damaged = aligned_alloc(64, (n + 63) & ~(size_t)63);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ingot_tokenizer t;
        struct ingot_error err = { 0 };
        memcpy(damaged, section, n);
        memcpy(damaged + cases[i].off, &cases[i].value, cases[i].bytes);
        assert_int_equal(tokenizer_bind(damaged, n, "v", 4096, &t, &err), cases[i].status);
        assert_int_equal(err.offset, 4096 + cases[i].off);
    }
    free(damaged);
    free(section);
}

static void a_section_cut_short_is_refused(void **state)
{
    (void)state;
    size_t n;
    uint8_t *section = vocab_section(few, &n);
    for (size_t cut = 0; cut < n; cut++) {
        struct ingot_tokenizer t;
        struct ingot_error err = { 0 };
        uint8_t *part = malloc(cut + 1); /* a read beyond it is seen by the sanitizer */
        memcpy(part, section, cut);
        assert_int_equal(tokenizer_bind(part, cut, "v", 0, &t, &err), INGOT_E_VOCABULARY);
        assert_true(cut >= VOCAB_HEADER_BYTES ? err.offset >= VOCAB_PIECES_OFF_OFF : err.offset == 0);
        free(part);
    }
    free(section);
}

static void use_damaged(const struct ingot_tokenizer *t)
{
    static const char text[] = "hello he <|endoftext|> the <|end\xff\xe2\x80\x83 hhheeehehehehe"
                               "hehehehehehehehehehehehehehehehehehehehehehehehehehehe";
    struct ingot_ids ids = { 0 };
    struct ingot_error err = { 0 };
    enum ingot_status status = ingot_tokenizer_encode(t, text, sizeof text - 1, INGOT_ENCODE_SPECIAL, &ids, &err);
    assert_true(status == INGOT_OK || status == INGOT_E_VOCABULARY);
    assert_true(status == INGOT_OK || ids.n == 0);
    for (size_t i = 0; i < ids.n; i++) assert_true(ids.ids[i] < t->n_tokens);
    for (uint32_t id = 0; id < 300; id++) {
        size_t length;
        volatile uint8_t sum = 0;
        const char *piece = ingot_tokenizer_piece(t, id, &length);
        for (size_t i = 0; i < length; i++) sum = (uint8_t)(sum + (uint8_t)piece[i]);
    }
    ingot_ids_free(&ids);
}

static void any_byte_of_a_section_may_be_damaged_without_harm(void **state)
{
    (void)state;
    static const uint8_t masks[] = { 0xff, 0x01, 0x80 };
    size_t n, n_refused = 0;
    uint8_t *section = vocab_section(few, &n);
    for (size_t at = 0; at < n; at++)
        for (size_t m = 0; m < sizeof masks; m++) {
            struct ingot_tokenizer t;
            struct ingot_error err = { 0 };
            section[at] ^= masks[m];
            enum ingot_status status = tokenizer_bind(section, n, "v", 0, &t, &err);
            assert_true(status < INGOT_E_IO);
            if (status == INGOT_OK) use_damaged(&t);
            n_refused += status != INGOT_OK;
            section[at] ^= masks[m];
        }
    assert_true(n_refused > 100);
    free(section);
}

static void a_table_that_gives_no_token_is_an_error_and_leaves_the_ids_alone(void **state)
{
    (void)state;
    size_t n;
    uint8_t *section = vocab_section(few, &n);
    struct ingot_tokenizer t = bind(section, n);
    struct ingot_ids ids = encode(&t, "a", 1, 0);
    struct ingot_error err = { 0 };
    put_u32(section + get_u64(section + VOCAB_BYTES_OFF_OFF) + 4 * 'z', 260);
    assert_int_equal(ingot_tokenizer_encode(&t, "he z", 4, 0, &ids, &err), INGOT_E_VOCABULARY);
    assert_non_null(strstr(err.message, "bytes"));
    assert_int_equal(ids.n, 1);
    assert_int_equal(ids.ids[0], 'a');
    ingot_ids_free(&ids);
    free(section);
}

/* A table without an empty slot, every probe of which misses. */
static void a_full_table_of_merges_ends_every_look_up(void **state)
{
    (void)state;
    enum { SLOTS = 1 << 14, MERGES_OFF = 1 << 16 };
    size_t n, total = MERGES_OFF + (size_t)SLOTS * VOCAB_SLOT_BYTES;
    uint8_t *section = vocab_section(few, &n), *full = aligned_alloc(64, total);
    memset(full, 0, total);
    memcpy(full, section, n);
    put_u32(full + VOCAB_N_SLOTS_OFF, SLOTS);
    put_u64(full + VOCAB_MERGES_OFF_OFF, MERGES_OFF);
    struct ingot_tokenizer t = bind(full, total);
    struct bpe_scratch scratch = { 0 };
    struct ingot_ids ids = { 0 };
    assert_int_equal(tokenizer_encode(&t, &scratch, (const uint8_t *)"abcdefgh", 8, 0, &ids, NULL), INGOT_OK);
    assert_int_equal(ids.n, 8);
    assert_int_equal(scratch.n_probes, 7 * VOCAB_MAX_PROBES);
    ingot_ids_free(&ids);
    free(section);
    free(full);
}

/* --------------------------------------------------------------------------------------------------------- files */

static struct ingot_file *write_file(struct ingot_writer **w, const char *path, const uint8_t *vocabulary, size_t n,
                                     uint32_t n_vocab)
{
    struct ingot_hparams hp = { 1, 1, 16, 16, 4, n_vocab, n_vocab, INGOT_GELU_TANH, INGOT_ATTN_SCALE, 1e-5f };
    uint8_t model[INGOT_HPARAMS_BYTES];
    uint32_t id;
    struct ingot_file *file = NULL;
    const struct ingot_file *sealed;
    ingot_hparams_encode(&hp, model);
    assert_int_equal(ingot_writer_create(path, NULL, w, NULL), INGOT_OK);
    struct ingot_section_plan plan = { .name = INGOT_NAME_MODEL, .kind = INGOT_KIND_MODEL, .raw_bytes = sizeof model };
    assert_int_equal(ingot_writer_add(*w, &plan, &id, NULL), INGOT_OK);
    plan = (struct ingot_section_plan){ .name = INGOT_NAME_VOCABULARY, .kind = INGOT_KIND_VOCABULARY, .raw_bytes = n };
    if (vocabulary) assert_int_equal(ingot_writer_add(*w, &plan, &id, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_begin(*w, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_put(*w, 0, 0, model, sizeof model, NULL), INGOT_OK);
    if (vocabulary) assert_int_equal(ingot_writer_put(*w, id, 0, vocabulary, n, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_seal(*w, 1, &sealed, NULL), INGOT_OK);
    assert_int_equal(ingot_writer_publish(*w, NULL), INGOT_OK);
    ingot_writer_close(*w);
    assert_int_equal(ingot_open(path, INGOT_OPEN_MAP, &file, NULL), INGOT_OK);
    return file;
}

static enum ingot_status open_with(bool has_vocabulary, uint32_t n_vocab, struct ingot_error *err)
{
    size_t n;
    uint8_t *section = vocab_section(few, &n);
    char *directory = fixture_directory();
    struct ingot_writer *w;
    struct ingot_tokenizer *t;
    struct ingot_file *file =
        write_file(&w, fixture_path(directory, "v.ingot"), has_vocabulary ? section : NULL, n, n_vocab);
    enum ingot_status status = ingot_tokenizer_open(file, &t, err);
    assert_true((status == INGOT_OK) == (t != NULL));
    if (t) ENCODES(t, "he", 0, 256);
    ingot_tokenizer_close(t);
    ingot_close(file);
    fixture_remove(directory);
    free(section);
    return status;
}

static void a_file_gives_a_tokenizer_that_its_model_understands(void **state)
{
    (void)state;
    struct ingot_error err = { 0 };
    assert_int_equal(open_with(true, 260, &err), INGOT_OK);
    assert_int_equal(open_with(false, 260, &err), INGOT_E_MISSING);
    err = (struct ingot_error){ 0 };
    assert_int_equal(open_with(true, 259, &err), INGOT_E_VOCABULARY); /* F-99 */
    assert_int_equal(err.offset % 4096, VOCAB_N_TOKENS_OFF);
    ingot_tokenizer_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_texts_encode_as_by_the_textbook_whatever_the_order_of_ranks),
        cmocka_unit_test(repeated_words_encode_as_the_first_time),
        cmocka_unit_test(long_and_short_pieces_merge_alike),
        cmocka_unit_test(white_space_is_unicodes_white_space_and_nothing_else),
        cmocka_unit_test(classes_are_the_categories_l_and_n),
        cmocka_unit_test(text_is_cut_where_the_pattern_cuts_it),
        cmocka_unit_test(known_texts_have_the_released_ids),
        cmocka_unit_test(the_47_cases_of_llama_cpp_have_the_recorded_ids),
        cmocka_unit_test(decoding_gives_back_any_bytes),
        cmocka_unit_test(decoding_gives_back_any_unicode),
        cmocka_unit_test(special_tokens_are_text_unless_asked_for),
        cmocka_unit_test(of_two_special_tokens_the_longer_wins),
        cmocka_unit_test(ids_are_appended_and_an_empty_text_adds_none),
        cmocka_unit_test(any_id_has_a_piece_even_if_it_is_empty),
        cmocka_unit_test(hostile_texts_take_no_more_than_n_log_n_steps),
        cmocka_unit_test(a_header_that_breaks_a_rule_is_refused_at_its_field),
        cmocka_unit_test(a_section_cut_short_is_refused),
        cmocka_unit_test(any_byte_of_a_section_may_be_damaged_without_harm),
        cmocka_unit_test(a_table_that_gives_no_token_is_an_error_and_leaves_the_ids_alone),
        cmocka_unit_test(a_full_table_of_merges_ends_every_look_up),
        cmocka_unit_test(a_file_gives_a_tokenizer_that_its_model_understands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

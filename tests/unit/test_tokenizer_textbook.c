/*
 * Encoding against an independent reading of GPT-2's encoder: the pattern matched alternative by alternative over code
 * points, bpe() as the textbook loop over words of byte strings.
 */
#include "tests/unit/tokenizer_fixture.h"

/* ----------------------------------------------------------------------------------------- the pattern, directly */

/* One character of the text: where it begins, and its class by the letter of its category, S for white space. */
struct character {
    size_t at;
    char class;
    uint32_t code;
};

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_texts_encode_as_by_the_textbook_whatever_the_order_of_ranks),
        cmocka_unit_test(repeated_words_encode_as_the_first_time),
        cmocka_unit_test(long_and_short_pieces_merge_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

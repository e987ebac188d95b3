/* vocab_fixture.h - small byte-level vocabularies in every spelling that the converter reads.
 *
 * Ids 0 .. 255 are the bytes themselves, then one token for each merge, then <|endoftext|>. Merges are given as GPT-2
 * spells them ("\u0120" for the space). Included by the tests of vocabulary and tokenizer. */
#ifndef INGOT_VOCAB_FIXTURE_H
#define INGOT_VOCAB_FIXTURE_H

#include "tests/unit/checkpoint_fixture.h"

#include "convert/vocabulary.h"

#define EOT "<|endoftext|>"

struct vocab_merges {
    const char *const *lines; /* "a b" */
    size_t n;
};

static inline uint32_t vocab_size(struct vocab_merges merges)
{
    return 256 + (uint32_t)merges.n + 1;
}

/* UTF-8 of the character that spells a byte: a direct reading of bytes_to_unicode() in openai/gpt-2, src/encoder.py. */
static inline void vocab_spell(unsigned byte, char out[3])
{
    unsigned character = 0, n = 0;
    for (unsigned b = 0; b < 256; b++) {
        bool visible = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || (b >= 0xae && b <= 0xff);
        unsigned c = visible ? b : 256 + n++;
        if (b == byte) character = c;
    }
    out[0] = (char)(character < 0x80 ? character : 0xc0 | character >> 6);
    out[1] = (char)(character < 0x80 ? 0 : 0x80 | (character & 0x3f));
    out[2] = 0;
}

static inline void vocab_put_json(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', out);
        if (*text != ' ') fputc(*text, out);
    }
}

/* {"Ā": 0, ...}: keys are the spelled tokens; a merge's token is its line without the space. */
static inline char *vocab_map(struct vocab_merges merges)
{
    char *text = NULL, spelled[3];
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    for (unsigned b = 0; b < 256; b++) {
        vocab_spell(b, spelled);
        fputs(b ? ", \"" : "{\"", out);
        vocab_put_json(out, spelled);
        fprintf(out, "\": %u", b);
    }
    for (size_t i = 0; i < merges.n; i++) {
        fputs(", \"", out);
        vocab_put_json(out, merges.lines[i]);
        fprintf(out, "\": %zu", 256 + i);
    }
    fprintf(out, ", \"%s\": %zu}", EOT, 256 + merges.n);
    fclose(out);
    return text;
}

static inline char *vocab_lines(struct vocab_merges merges, const char *newline)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    fprintf(out, "#version: 0.2%s", newline);
    for (size_t i = 0; i < merges.n; i++) fprintf(out, "%s%s", merges.lines[i], newline);
    fclose(out);
    return text;
}

static inline void vocab_put_merge(FILE *out, const char *line, bool as_pair)
{
    const char *space = strchr(line, ' ');
    char left[64];
    snprintf(left, sizeof left, "%.*s", (int)(space - line), line);
    fputs(as_pair ? "[\"" : "\"", out);
    vocab_put_json(out, left);
    fputs(as_pair ? "\", \"" : " ", out);
    vocab_put_json(out, space + 1);
    fputs(as_pair ? "\"]" : "\"", out);
}

/* tokenizer.json, with the fields that Hugging Face writes for GPT-2. */
static inline char *vocab_tokenizer_json(struct vocab_merges merges, bool as_pairs)
{
    char *text = NULL, *map = vocab_map(merges);
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    fprintf(out,
            "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null, \"added_tokens\": [{\"id\": %zu, "
            "\"special\": true, \"content\": \"%s\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
            "\"normalized\": true}], \"normalizer\": null, \"pre_tokenizer\": {\"type\": \"ByteLevel\", "
            "\"add_prefix_space\": false, \"trim_offsets\": true}, \"post_processor\": {\"type\": \"ByteLevel\", "
            "\"add_prefix_space\": true, \"trim_offsets\": false}, \"decoder\": {\"type\": \"ByteLevel\"}, "
            "\"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": null, "
            "\"continuing_subword_prefix\": \"\", \"end_of_word_suffix\": \"\", \"fuse_unk\": false, "
            "\"byte_fallback\": false, \"ignore_merges\": false, \"vocab\": %s, \"merges\": [",
            256 + merges.n, EOT, map);
    for (size_t i = 0; i < merges.n; i++) {
        fputs(i ? ", " : "", out);
        vocab_put_merge(out, merges.lines[i], as_pairs);
    }
    fputs("]}}", out);
    fclose(out);
    free(map);
    return text;
}

/* Frees `text`; returns it with the first `from`, which must occur, replaced. *at: where. */
static inline char *vocab_replace(char *text, const char *from, const char *to, size_t *at)
{
    char *found = strstr(text, from), *out = NULL;
    if (!found) fail_msg("'%s' does not occur", from);
    *at = (size_t)(found - text);
    assert_true(asprintf(&out, "%.*s%s%s", (int)*at, text, to, found + strlen(from)) > 0);
    free(text);
    return out;
}

static inline void vocab_write_text(const char *directory, const char *name, char *text)
{
    fixture_write(directory, name, text, strlen(text));
    free(text);
}

/* The section of these merges, 64-byte aligned, to be freed. */
static inline uint8_t *vocab_section(struct vocab_merges merges, size_t *n)
{
    *n = 0;
    char *directory = fixture_directory();
    struct vocabulary v;
    struct ingot_error err = { 0 };
    vocab_write_text(directory, "vocab.json", vocab_map(merges));
    vocab_write_text(directory, "merges.txt", vocab_lines(merges, "\n"));
    if (vocabulary_build(directory, vocab_size(merges), &v, &err) != INGOT_OK) fail_msg("%s", err.message);
    fixture_remove(directory);
    *n = v.n_bytes;
    uint8_t *bytes = aligned_alloc(64, (v.n_bytes + 63) & ~UINT64_C(63));
    memcpy(bytes, v.bytes, v.n_bytes);
    vocabulary_free(&v);
    return bytes;
}

/* The same for the tokenizer files in a directory; NULL when it is absent. */
static inline uint8_t *vocab_section_of(const char *directory, uint32_t n_vocab, size_t *n)
{
    struct vocabulary v;
    struct ingot_error err = { 0 };
    *n = 0;
    if (!path_exists(directory, ".")) return NULL;
    if (vocabulary_build(directory, n_vocab, &v, &err) != INGOT_OK) fail_msg("%s", err.message);
    *n = v.n_bytes;
    uint8_t *bytes = aligned_alloc(64, (v.n_bytes + 63) & ~UINT64_C(63));
    memcpy(bytes, v.bytes, v.n_bytes);
    vocabulary_free(&v);
    return bytes;
}

/* A path below the repository; static. */
static inline const char *vocab_root_path(const char *below)
{
    const char *root = getenv("INGOT_ROOT");
    return fixture_path(root ? root : ".", below);
}

#endif

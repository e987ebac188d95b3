/* engine.c - opens what a run needs and reads what the user feeds it. */
#include "inspect/engine.h"

#include "format/error.h"
#include "inspect/checkpoint.h"
#include "inspect/cli/memory.h"
#include "inspect/cli/options.h"
#include "inspect/cli/report.h"
#include "inspect/cli/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_AT_ONCE ((size_t)64 << 10)

static enum ingot_status open_tokenizer(struct engine *engine, struct ingot_error *err)
{
    struct ingot_section vocabulary;
    if (!ingot_find(engine->file, INGOT_NAME_VOCABULARY, &vocabulary)) return INGOT_OK;
    return ingot_tokenizer_open(engine->file, &engine->tokenizer, err);
}

enum ingot_status engine_open(const char *path, struct engine *out, struct ingot_error *err)
{
    const char *cpu = getenv("INGOT_CPU");
    *out = (struct engine){ .path = path };
    enum ingot_status status = checkpoint_open_ingot(path, &out->file, err);
    if (status == INGOT_OK) status = ingot_model_open(out->file, cpu && *cpu ? cpu : NULL, &out->model, err);
    if (status == INGOT_OK) status = open_tokenizer(out, err);
    if (status == INGOT_OK && !(cpu && *cpu) && strcmp(ingot_model_cpu(out->model), "scalar") == 0)
        report_note("no instruction set of this processor is known: running the portable definition, slowly");
    if (status != INGOT_OK) engine_close(out);
    return status;
}

void engine_close(struct engine *engine)
{
    ingot_tokenizer_close(engine->tokenizer);
    ingot_model_close(engine->model);
    ingot_close(engine->file);
    *engine = (struct engine){ 0 };
}

const char *const engine_kv_choices[] = { "auto", "f32", "f16", NULL };

enum ingot_kv engine_kv(const char *choice)
{
    return strcmp(choice, "f32") == 0 ? INGOT_KV_F32 : strcmp(choice, "f16") == 0 ? INGOT_KV_F16 : INGOT_KV_DEFAULT;
}

const char *engine_arithmetic(const struct engine *engine, bool fast)
{
    const char *arithmetic = fast ? ingot_model_fast(engine->model) : NULL;
    if (arithmetic)
        report_note("the arithmetic is %s: results are not the same bits on every machine", arithmetic);
    else if (fast)
        report_note("nothing is faster here with --fast: the arithmetic is exact");
    return arithmetic ? arithmetic : "exact";
}

enum ingot_status engine_need_tokenizer(const struct engine *engine, struct ingot_error *err)
{
    if (engine->tokenizer) return INGOT_OK;
    return ingot_fail(err, INGOT_E_MISSING, INGOT_NO_OFFSET, engine->path, "give token ids with --ids 1,2,3",
                      "the file has no vocabulary, so text cannot be encoded");
}

enum ingot_status engine_interrupted(struct ingot_error *err)
{
    if (!signals_interrupted()) return INGOT_OK;
    return ingot_fail(err, INGOT_E_INTERRUPTED, INGOT_NO_OFFSET, NULL, NULL, "interrupted");
}

bool engine_goes_on(void *ctx, uint64_t done, uint64_t total)
{
    (void)ctx, (void)done, (void)total;
    return !signals_interrupted();
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static enum ingot_status parse_id(const char *word, size_t n, uint32_t n_vocab, struct ingot_ids *out,
                                  struct ingot_error *err)
{
    char digits[24] = "", shown[64];
    uint64_t id;
    if (n < sizeof digits) memcpy(digits, word, n);
    ingot_escape(word, n, shown, sizeof shown);
    if (!options_parse_count(digits, &id) || strlen(digits) != n)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "token ids",
                          "decimal numbers parted by commas or spaces are expected", "'%s' is not a token id", shown);
    if (id >= n_vocab)
        return ingot_fail(err, INGOT_E_TOKEN, INGOT_NO_OFFSET, "token ids", NULL,
                          "%s is not below the size of the vocabulary, %u", shown, n_vocab);
    out->ids = memory_grow(out->ids, &out->capacity, out->n + 1, sizeof *out->ids);
    out->ids[out->n++] = (uint32_t)id;
    return INGOT_OK;
}

static size_t skip_spaces(const char *text, size_t n, size_t i)
{
    while (i < n && is_space(text[i])) i++;
    return i;
}

/* A comma parts two numbers: where one is missing, as in "1,,2", a script has lost a token. */
enum ingot_status engine_parse_ids(const char *text, size_t n, uint32_t n_vocab, struct ingot_ids *out,
                                   struct ingot_error *err)
{
    bool after_comma = false;
    for (size_t i = skip_spaces(text, n, 0); i < n || after_comma;) {
        const size_t start = i;
        while (i < n && text[i] != ',' && !is_space(text[i])) i++;
        enum ingot_status status = parse_id(text + start, i - start, n_vocab, out, err);
        if (status != INGOT_OK) return status;
        i = skip_spaces(text, n, i);
        after_comma = i < n && text[i] == ',';
        if (after_comma) i = skip_spaces(text, n, i + 1);
    }
    return INGOT_OK;
}

void user_text_free(struct user_text *text)
{
    free(text->bytes);
    *text = (struct user_text){ 0 };
}

static enum ingot_status read_all(int fd, const char *label, struct user_text *out, struct ingot_error *err)
{
    size_t capacity = 0;
    for (;;) {
        out->bytes = memory_grow(out->bytes, &capacity, out->n + READ_AT_ONCE + 1, 1);
        ssize_t n = read(fd, out->bytes + out->n, READ_AT_ONCE);
        if (n < 0 && errno == EINTR && !signals_interrupted()) continue;
        if (n < 0 && errno == EINTR) return engine_interrupted(err);
        if (n < 0) return ingot_fail_errno(err, label, "read");
        if (n == 0) break;
        out->n += (size_t)n;
    }
    out->bytes[out->n] = '\0';
    return INGOT_OK;
}

enum ingot_status user_text_read(const char *path, struct user_text *out, struct ingot_error *err)
{
    *out = (struct user_text){ 0 };
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (fd < 0) return ingot_fail_errno(err, path, "open");
    enum ingot_status status = read_all(fd, path ? path : "standard input", out, err);
    if (path) close(fd);
    if (status != INGOT_OK) user_text_free(out);
    return status;
}

enum ingot_status user_text_copy(const char *string, struct user_text *out, struct ingot_error *err)
{
    *out = (struct user_text){ .bytes = strdup(string), .n = strlen(string) };
    return out->bytes ? INGOT_OK : ingot_fail(err, INGOT_E_MEMORY, INGOT_NO_OFFSET, NULL, NULL, "not enough memory");
}

const char *engine_piece(const struct ingot_tokenizer *tokenizer, uint32_t id, char out[64])
{
    size_t n = 0;
    const char *bytes = tokenizer ? ingot_tokenizer_piece(tokenizer, id, &n) : "";
    return ingot_escape(bytes, n, out, 64);
}

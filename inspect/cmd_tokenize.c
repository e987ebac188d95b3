/* cmd_tokenize.c - `ingot tokenize`: text to token ids and back, exactly as GPT-2 does it. */
#include "inspect/commands.h"

#include "format/error.h"
#include "inspect/checkpoint.h"
#include "inspect/cli/json.h"
#include "inspect/cli/report.h"
#include "inspect/cli/table.h"
#include "inspect/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_PROMPT, OPT_JSON, OPT_PIECES, OPT_DECODE, OPT_SPECIAL, N_OPTIONS };

static const struct option options[N_OPTIONS] = {
    [OPT_PROMPT] = { .name = "prompt",
                     .letter = 'p',
                     .type = OPTION_TEXT,
                     .value = "TEXT",
                     .help = "The text itself, in place of INPUT" },
    [OPT_JSON] = JSON_OPTION("Print JSON"),
    [OPT_PIECES] = { .name = "pieces", .help = "Show each id beside its bytes" },
    [OPT_DECODE] = { .name = "decode", .letter = 'd', .help = "The other way: read ids, print the text" },
    [OPT_SPECIAL] = { .name = "special", .help = "Take <|endoftext|> in the text as the special token" },
};

static void print_ids(const struct ingot_ids *ids)
{
    for (size_t i = 0; i < ids->n; i++) printf("%s%" PRIu32, i ? " " : "", ids->ids[i]);
    putchar('\n');
}

static void print_pieces(const struct ingot_tokenizer *tokenizer, const struct ingot_ids *ids)
{
    static const struct table_column columns[] = { { .title = "id", .right = true }, { .title = "piece" } };
    struct table t = table_begin(columns, 2);
    char shown[64];
    for (size_t i = 0; i < ids->n; i++) {
        table_cell(&t, "%" PRIu32, ids->ids[i]);
        table_cell(&t, "'%s'", engine_piece(tokenizer, ids->ids[i], shown));
    }
    table_end(&t);
}

static void print_json(const struct ingot_tokenizer *tokenizer, const struct ingot_ids *ids, bool pieces)
{
    json_t *root = json_begin(), *array = json_array(), *texts = json_array();
    for (size_t i = 0; i < ids->n; i++) {
        size_t n;
        const char *bytes = ingot_tokenizer_piece(tokenizer, ids->ids[i], &n);
        json_add(array, json_count(ids->ids[i]));
        if (pieces) json_add(texts, json_text(bytes, n));
    }
    json_put(root, "ids", array);
    if (pieces)
        json_put(root, "pieces", texts);
    else
        json_decref(texts);
    json_end_line(root);
}

/* The bytes of the tokens, to the letter: what was encoded comes back. */
static void decode_text(const struct ingot_tokenizer *tokenizer, const struct ingot_ids *ids)
{
    for (size_t i = 0; i < ids->n; i++) {
        size_t n;
        const char *bytes = ingot_tokenizer_piece(tokenizer, ids->ids[i], &n);
        fwrite(bytes, 1, n, stdout);
    }
}

static void decode_json(const struct ingot_tokenizer *tokenizer, const struct ingot_ids *ids)
{
    json_t *root = json_begin();
    size_t total = 0, n;
    for (size_t i = 0; i < ids->n; i++) {
        ingot_tokenizer_piece(tokenizer, ids->ids[i], &n);
        total += n;
    }
    char *text = malloc(total + 1), *end = text;
    if (!text) report_no_memory();
    for (size_t i = 0; i < ids->n; i++) {
        const char *bytes = ingot_tokenizer_piece(tokenizer, ids->ids[i], &n);
        memcpy(end, bytes, n);
        end += n;
    }
    json_put(root, "text", json_text(text, total));
    json_end_line(root);
    free(text);
}

static enum ingot_status read_ids(const struct user_text *text, const struct ingot_tokenizer *tokenizer,
                                  struct ingot_ids *ids, struct ingot_error *err)
{
    return engine_parse_ids(text->bytes, text->n, ingot_tokenizer_count(tokenizer), ids, err);
}

/* Input to ids, ids to output. */
static enum ingot_status work(const struct arguments *args, const struct ingot_tokenizer *tokenizer,
                              const struct user_text *text, struct ingot_error *err)
{
    struct ingot_ids ids = { 0 };
    bool json = args->values[OPT_JSON].given, pieces = args->values[OPT_PIECES].given;
    bool decode = args->values[OPT_DECODE].given;
    unsigned flags = args->values[OPT_SPECIAL].given ? INGOT_ENCODE_SPECIAL : INGOT_ENCODE_PLAIN;
    enum ingot_status status = decode ? read_ids(text, tokenizer, &ids, err)
                                      : ingot_tokenizer_encode(tokenizer, text->bytes, text->n, flags, &ids, err);
    if (status == INGOT_OK) {
        if (decode && json)
            decode_json(tokenizer, &ids);
        else if (json)
            print_json(tokenizer, &ids, pieces);
        else if (pieces)
            print_pieces(tokenizer, &ids);
        else if (decode)
            decode_text(tokenizer, &ids);
        else
            print_ids(&ids);
    }
    ingot_ids_free(&ids);
    return status;
}

static enum ingot_status input_text(const struct arguments *args, struct user_text *text, struct ingot_error *err)
{
    const char *prompt = args->values[OPT_PROMPT].text, *path = args->n_operands > 1 ? args->operands[1] : NULL;
    if (prompt && path)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "tokenize", NULL, "-p and INPUT exclude each other");
    if (prompt) return user_text_copy(prompt, text, err);
    return user_text_read(path && strcmp(path, "-") != 0 ? path : NULL, text, err);
}

static int run_tokenize(const struct arguments *args)
{
    struct ingot_error err = { 0 };
    struct ingot_file *file = NULL;
    struct ingot_tokenizer *tokenizer = NULL;
    struct user_text text = { 0 };
    enum ingot_status status = checkpoint_open_ingot(args->operands[0], &file, &err);
    if (status == INGOT_OK) status = ingot_tokenizer_open(file, &tokenizer, &err);
    if (status == INGOT_OK) status = input_text(args, &text, &err);
    if (status == INGOT_OK) status = work(args, tokenizer, &text, &err);
    user_text_free(&text);
    ingot_tokenizer_close(tokenizer);
    ingot_close(file);
    return status == INGOT_OK ? CODE_OK : report_error(&err);
}

const struct command command_tokenize = {
    .name = "tokenize",
    .summary = "turn text into token ids, or back",
    .operands = "FILE [INPUT]",
    .min_operands = 1,
    .max_operands = 2,
    .options = options,
    .n_options = N_OPTIONS,
    .description = "Encodes a text with the vocabulary of FILE. The text is -p TEXT, the content of INPUT, or "
                   "standard input; every byte of it counts, a final newline too. Bytes that are not UTF-8 are "
                   "encoded one by one, as GPT-2 does. Without --special, <|endoftext|> is plain text.\n\n"
                   "With --decode the input is a list of ids parted by spaces or commas, and the output is the bytes "
                   "of the tokens, with nothing added.",
    .examples = "ingot tokenize gpt2.ingot -p 'Hello world'\n"
                "ingot tokenize gpt2.ingot --json < book.txt\n"
                "ingot tokenize gpt2.ingot < book.txt | ingot tokenize gpt2.ingot --decode | cmp - book.txt",
    .run = run_tokenize,
};

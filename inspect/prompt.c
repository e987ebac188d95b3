/* prompt.c - --ids, -p or standard input, in this order. */
#include "inspect/prompt.h"

#include "format/error.h"
#include "inspect/cli/terminal.h"

#include <string.h>

static enum ingot_status encode(const struct engine *engine, bool special, const struct user_text *text,
                                struct ingot_ids *ids, struct ingot_error *err)
{
    if (text->n == 0) return INGOT_OK;
    enum ingot_status status = engine_need_tokenizer(engine, err);
    if (status != INGOT_OK) return status;
    unsigned flags = special ? INGOT_ENCODE_SPECIAL : INGOT_ENCODE_PLAIN;
    return ingot_tokenizer_encode(engine->tokenizer, text->bytes, text->n, flags, ids, err);
}

enum ingot_status prompt_read(const struct engine *engine, const struct prompt *prompt, struct ingot_ids *ids,
                              struct user_text *shown, struct ingot_error *err)
{
    uint32_t n_vocab = ingot_model_hparams(engine->model)->n_vocab;
    enum ingot_status status = INGOT_OK;
    *shown = (struct user_text){ 0 };
    if (prompt->text && prompt->ids)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, "prompt", NULL, "-p and --ids exclude each other");
    if (prompt->ids) return engine_parse_ids(prompt->ids, strlen(prompt->ids), n_vocab, ids, err);
    if (prompt->text)
        status = user_text_copy(prompt->text, shown, err);
    else if (!terminal_is(stdin))
        status = user_text_read(NULL, shown, err);
    if (status == INGOT_OK) status = encode(engine, prompt->special, shown, ids, err);
    if (status != INGOT_OK) user_text_free(shown);
    return status;
}

/* prompt.h - the tokens that run and eval start from. */
#ifndef INGOT_PROMPT_H
#define INGOT_PROMPT_H

#include "inspect/engine.h"

/* What the options say; NULL: not given. */
struct prompt {
    const char *text; /* -p */
    const char *ids;  /* --ids */
    bool special;     /* <|endoftext|> in the text is the token */
};

/* Appends the ids of the prompt to *ids: of --ids, of -p, or of standard input when that is not a terminal. `shown`
 * takes the text itself (empty for ids). No prompt at all gives none. */
enum ingot_status prompt_read(const struct engine *engine, const struct prompt *prompt, struct ingot_ids *ids,
                              struct user_text *shown, struct ingot_error *err);

#endif

/* vocab_read.h - readers of the files that a byte-level BPE comes in; each adds what its file says to the tables. */
#ifndef INGOT_VOCAB_READ_H
#define INGOT_VOCAB_READ_H

#include "convert/input.h"
#include "convert/json_walk.h"
#include "convert/vocab_tables.h"

/* The longest token in GPT-2's spelling, JSON escapes included. GPT-2's longest takes 256 bytes. */
#define VOCAB_TOKEN_LIMIT 4096u

/* The whole file, for a walk. */
struct json_text vocab_file_text(const struct input *in);

/* One token in GPT-2's spelling. A special token that is in the tables already may come once more, spelled as itself.
 */
enum ingot_status vocab_read_token(struct vocab_tables *t, uint32_t id, struct vocab_span text,
                                   struct vocab_place place, struct ingot_error *err);

/* An object of spelled tokens and their ids: vocab.json, encoder.json, tokenizer.json's model.vocab. A special token
 * that is in the tables already may stand in it once more, spelled as itself. */
enum ingot_status vocab_read_map(struct json_text object, const char *file, struct vocab_tables *t,
                                 struct ingot_error *err);

/* Two spelled pieces with one space between them: a line of merges.txt. */
enum ingot_status vocab_read_merge(struct vocab_span text, struct vocab_place place, struct vocab_tables *t,
                                   struct ingot_error *err);

/* The two pieces apart. */
enum ingot_status vocab_read_merge_pair(struct vocab_span left, struct vocab_span right, struct vocab_place place,
                                        struct vocab_tables *t, struct ingot_error *err);

/* merges.txt, vocab.bpe: an optional line "#version..." and one merge a line, by rank. */
enum ingot_status vocab_read_merges(const struct input *in, struct vocab_tables *t, struct ingot_error *err);

/* added_tokens.json: an object of special tokens, spelled as themselves, and their ids. */
enum ingot_status vocab_read_added(const struct input *in, struct vocab_tables *t, struct ingot_error *err);

/* special_tokens_map.json, after the merges: roles ("bos_token") and the tokens that have them, which are special.
 * UNSUPPORTED for one that takes white space with it. */
enum ingot_status vocab_read_special(const struct input *in, struct vocab_tables *t, struct ingot_error *err);

/* tokenizer.json: everything in one file; calls vocab_tables_close_tokens(). UNSUPPORTED, by name, for whatever is not
 * GPT-2's byte-level BPE. */
enum ingot_status vocab_read_tokenizer(const struct input *in, struct vocab_tables *t, struct ingot_error *err);

/* llm.c's tokenizer, which lists tokens alone: the merges are recovered from their order. Calls
 * vocab_tables_close_tokens(). UNSUPPORTED, naming the token, where one is no merge of two before it. */
enum ingot_status vocab_read_llmc(const struct input *in, struct vocab_tables *t, struct ingot_error *err);

#endif

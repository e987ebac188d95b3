/* vocab_section.h - a @vocabulary section, read back into the tables that it was made of. */
#ifndef INGOT_VOCAB_SECTION_H
#define INGOT_VOCAB_SECTION_H

#include "convert/vocab_tables.h"

/* The section is hostile: whatever it says is checked as if it came from a tokenizer's files, and after success
 * vocab_tables_encode() makes the same bytes again. `file` names it in errors and must outlive *out, which is
 * overwritten; after success it is the caller's. *eot: the id of <|endoftext|> or VOCAB_NO_TOKEN. VOCABULARY with the
 * offset in the file; UNSUPPORTED for another flavour; LIMIT, MEMORY. */
enum ingot_status vocab_section_read(const struct ingot_section *section, const char *file, uint32_t n_vocab,
                                     struct vocab_tables *out, uint32_t *eot, struct ingot_error *err);

#endif

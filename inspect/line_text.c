/* line_text.c - one element behind the other, or one character. */
#include "inspect/line_text.h"

#include "format/layout.h"

#include <stdio.h>
#include <string.h>

void line_of_elements(enum ingot_scalar scalar, const uint8_t *p, uint64_t n, char out[FIELD_TEXT_MAX])
{
    size_t size = ingot_scalar_info(scalar)->bytes, used = 0;
    char text[VALUES_TEXT_MAX];
    *out = '\0';
    for (uint64_t i = 0; i + size <= n && used + VALUES_TEXT_MAX < FIELD_TEXT_MAX; i += size) {
        uint64_t element[2];
        memcpy(element, p + i, size);
        values_text(scalar, element, VALUES_BRIEF, text);
        used += (size_t)snprintf(out + used, FIELD_TEXT_MAX - used, "%s%s", i ? " " : "", text);
    }
}

void line_of_characters(enum ingot_scalar none, const uint8_t *p, uint64_t n, char out[FIELD_TEXT_MAX])
{
    size_t used = 0;
    (void)none;
    out[used++] = '|';
    for (uint64_t i = 0; i < n; i++) out[used++] = p[i] >= 0x20 && p[i] < 0x7f ? (char)p[i] : '.';
    out[used++] = '|';
    out[used] = '\0';
}

/* Codes of q8 as their levels: a byte whose first bit is turned is one of two's complement. */
void line_of_q8(enum ingot_scalar none, const uint8_t *p, uint64_t n, char out[FIELD_TEXT_MAX])
{
    uint8_t levels[LINE_BYTES];
    (void)none;
    for (uint64_t i = 0; i < n; i++) levels[i] = p[i] ^ QUANT_Q8_ZERO;
    line_of_elements(INGOT_SCALAR_I8, levels, n, out);
}

/* Of q4 those of the low halves, then of the high ones. */
void line_of_q4(enum ingot_scalar none, const uint8_t *p, uint64_t n, char out[FIELD_TEXT_MAX])
{
    uint8_t levels[2][LINE_BYTES];
    char high[FIELD_TEXT_MAX];
    (void)none;
    for (uint64_t i = 0; i < n; i++) {
        levels[0][i] = (uint8_t)quant_q4_levels[p[i] & 15];
        levels[1][i] = (uint8_t)quant_q4_levels[p[i] >> 4];
    }
    line_of_elements(INGOT_SCALAR_I8, levels[0], n, out);
    line_of_elements(INGOT_SCALAR_I8, levels[1], n, high);
    const size_t used = strlen(out);
    snprintf(out + used, FIELD_TEXT_MAX - used, " | %.*s", (int)(FIELD_TEXT_MAX - used - 4), high);
}

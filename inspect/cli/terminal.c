/* terminal.c - asks the stream, not the user; NO_COLOR (no-color.org) and TERM=dumb switch colour off. */
#include "inspect/cli/terminal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utf8proc.h>

#define USUAL_WIDTH 80

bool terminal_is(FILE *stream)
{
    return isatty(fileno(stream)) == 1;
}

size_t terminal_width(FILE *stream)
{
    struct winsize size;
    if (!terminal_is(stream)) return SIZE_MAX;
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return USUAL_WIDTH;
}

static bool colour_wanted(FILE *stream)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    if (no_color && *no_color) return false;
    return terminal_is(stream) && term && strcmp(term, "dumb") != 0;
}

const char *terminal_style(FILE *stream, enum style style)
{
    static const char *const sequences[] = {
        [STYLE_PLAIN] = "\033[0m",    [STYLE_BOLD] = "\033[1m",     [STYLE_DIM] = "\033[2m",
        [STYLE_ERROR] = "\033[1;31m", [STYLE_WARNING] = "\033[33m",
    };
    return colour_wanted(stream) ? sequences[style] : "";
}

struct terminal_ground terminal_ground(FILE *stream, unsigned colour)
{
    struct terminal_ground ground = { "" };
    if (colour_wanted(stream)) snprintf(ground.text, sizeof ground.text, "\033[30;48;5;%um", colour & 255);
    return ground;
}

bool terminal_utf8(void)
{
    static const char *const variables[] = { "LC_ALL", "LC_CTYPE", "LANG" };
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *value = getenv(variables[i]);
        if (value && *value) return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
    }
    return false;
}

/* An invalid byte counts as one column. */
size_t terminal_text_step(const char *text, size_t n, size_t *width)
{
    utf8proc_int32_t code;
    if ((unsigned char)*text < 0x80) {
        *width = 1;
        return 1;
    }
    utf8proc_ssize_t taken = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)n, &code);
    *width = taken > 0 ? (size_t)utf8proc_charwidth(code) : 1;
    return taken > 0 ? (size_t)taken : 1;
}

size_t terminal_text_prefix(const char *text, size_t n, size_t width)
{
    size_t used = 0, at = 0, w;
    while (at < n) {
        size_t taken = terminal_text_step(text + at, n - at, &w);
        if (used + w > width) break;
        used += w;
        at += taken;
    }
    return at;
}

static uint64_t load(const char *text, size_t n)
{
    uint64_t bytes = 0;
    memcpy(&bytes, text, n);
    return bytes;
}

/* No byte is the beginning or a part of a wider character. The last eight, or four, may be looked at twice. */
static bool is_ascii(const char *text, size_t n)
{
    uint64_t all = 0;
    for (size_t at = 0; n - at >= 8; at += 8) all |= load(text + at, 8);
    if (n >= 8)
        all |= load(text + n - 8, 8);
    else if (n >= 4)
        all |= load(text, 4) | load(text + n - 4, 4);
    else
        while (n > 0) all |= (unsigned char)text[--n];
    return (all & UINT64_C(0x8080808080808080)) == 0;
}

size_t terminal_text_width(const char *text, size_t n)
{
    size_t at = 0, total = 0, w;
    if (is_ascii(text, n)) return n;
    for (; at < n; total += w) at += terminal_text_step(text + at, n - at, &w);
    return total;
}

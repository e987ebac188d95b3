/* windows.c - where the next step begins and whether its predictions have been counted before. */
#include "inspect/windows.h"

struct windows windows_begin(size_t n_ids, uint32_t n_ctx, uint32_t stride, uint32_t portion)
{
    return (
        struct windows){ .n_positions = n_ids ? n_ids - 1 : 0, .n_ctx = n_ctx, .stride = stride, .portion = portion };
}

/* Behind the last position of the window at hand. */
static size_t window_end(const struct windows *w)
{
    return w->n_positions - w->begin < w->n_ctx ? w->n_positions : w->begin + w->n_ctx;
}

bool windows_next(struct windows *w, struct window_step *out)
{
    if (w->n_counted == w->n_positions) return false;
    if (w->at == window_end(w)) w->at = w->begin += w->stride;
    const size_t room = window_end(w) - w->at;
    *out = (struct window_step){ .first = w->at, .fresh = w->at == w->begin, .counts = w->at == w->n_counted };
    if (out->counts)
        w->n_counted += out->n = room < w->portion ? room : w->portion;
    else
        out->n = w->n_counted - w->at;
    w->at += out->n;
    return true;
}

size_t windows_count(size_t n_ids, uint32_t n_ctx, uint32_t stride)
{
    const size_t n_positions = n_ids ? n_ids - 1 : 0;
    if (n_positions == 0) return 0;
    if (n_positions <= n_ctx) return 1;
    return 1 + (n_positions - n_ctx - 1) / stride + 1;
}

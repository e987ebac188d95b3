/* progress.c - nothing for the first moments, then one line that is drawn over and over. */
#include "inspect/cli/progress.h"

#include "inspect/cli/human.h"
#include "inspect/cli/report.h"
#include "inspect/cli/signals.h"
#include "inspect/cli/terminal.h"

#include <stdio.h>
#include <time.h>

#define FIRST_SECONDS  0.3 /* work that is over by then needs no bar */
#define REDRAW_SECONDS 0.1
#define TEXT_COLUMNS   48 /* label, percentage, rate and time at their widest */
#define BAR_MAX        40
#define BAR_MIN        8

double progress_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct progress progress_begin(const char *label, bool quiet)
{
    double now = progress_now();
    return (struct progress){ .label = label, .shown = !quiet && terminal_is(stderr), .start = now, .last = now };
}

static void draw_bar(double fraction, size_t columns)
{
    const char *full = terminal_utf8() ? "\u2588" : "#", *empty = terminal_utf8() ? "\u2591" : ".";
    size_t n_full = (size_t)(fraction * (double)columns);
    for (size_t i = 0; i < columns; i++) fputs(i < n_full ? full : empty, stderr);
    fputs("  ", stderr);
}

static void draw(const struct progress *p, uint64_t done, uint64_t total, double elapsed)
{
    double fraction = total ? (double)done / (double)total : 0;
    double rate = (double)done / elapsed;
    size_t width = terminal_width(stderr);
    fprintf(stderr, "\r\033[K%s %3.0f %%  ", p->label, 100 * fraction);
    if (width >= TEXT_COLUMNS + BAR_MIN)
        draw_bar(fraction, width - TEXT_COLUMNS < BAR_MAX ? width - TEXT_COLUMNS : BAR_MAX);
    if (width >= TEXT_COLUMNS && p->unit) fprintf(stderr, "%s %s/s  ", human_count((uint64_t)rate).text, p->unit);
    if (width >= TEXT_COLUMNS && !p->unit) fprintf(stderr, "%s  ", human_rate(rate).text);
    if (done > 0) fprintf(stderr, "%s left", human_clock((double)(total - done) / rate).text);
    fflush(stderr);
}

bool progress_update(void *ctx, uint64_t done_bytes, uint64_t total_bytes)
{
    struct progress *p = ctx;
    if (signals_interrupted()) return false;
    if (!p->shown) return true;
    double now = progress_now();
    if (now - p->start < FIRST_SECONDS || now - p->last < REDRAW_SECONDS) return true;
    draw(p, done_bytes < total_bytes ? done_bytes : total_bytes, total_bytes, now - p->start);
    p->last = now;
    p->drawn = true;
    return true;
}

static void erase(struct progress *p)
{
    if (p->drawn) fputs("\r\033[K", stderr);
    p->drawn = false;
}

void progress_warning(void *ctx, const char *subject, const char *message)
{
    erase(ctx);
    report_warning(subject, message);
}

double progress_end(struct progress *p)
{
    erase(p);
    return progress_now() - p->start;
}

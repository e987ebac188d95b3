/* checksum.c - are the bytes of a source what its author's checksums say? All chunks of all checks are one list of
 * jobs; their checksums are joined in order when all are done. */
#include "convert/checksum.h"

#include "convert/array.h"
#include "format/layout.h"
#include "format/parallel.h"
#include "format/simd/crc.h"

#include <pthread.h>
#include <string.h>

#define SHOWN_NAME 160

struct algorithm {
    const char *name;
    const char *covers; /* what the name of a check means */
    enum crc_polynomial polynomial;
    bool masked;
};

static const struct algorithm algorithms[] = {
    [SOURCE_CRC32C_MASKED] = { "crc32c", "tensor", CRC_32C, true },
    [SOURCE_CRC32] = { "crc32", "member", CRC_32, false },
};

static const struct algorithm *algorithm_of(const struct source_check *c)
{
    return &algorithms[c->algorithm];
}

/* ------------------------------------------------------------------------------------------------- one checksum */

uint32_t checksum_chunk(const struct source_check *c, uint64_t chunk)
{
    return crc_of(algorithm_of(c)->polynomial, c->data + chunk * INGOT_CHUNK_BYTES, chunk_bytes(c->n_bytes, chunk));
}

uint32_t checksum_join(const struct source_check *c, const uint32_t *of_chunks)
{
    const struct algorithm *a = algorithm_of(c);
    uint32_t crc = 0; /* of no bytes */
    for (uint64_t i = 0; i < chunk_count(c->n_bytes); i++)
        crc = crc_join(a->polynomial, crc, of_chunks[i], chunk_bytes(c->n_bytes, i));
    return a->masked ? crc_mask(crc) : crc;
}

static enum ingot_status compare(const struct source_check *c, uint32_t found, struct ingot_error *err)
{
    const struct algorithm *a = algorithm_of(c);
    char shown[SHOWN_NAME];
    ingot_escape(c->name, strlen(c->name), shown, sizeof shown);
    if (!c->data)
        return ingot_fail(err, INGOT_E_MISSING, INGOT_NO_OFFSET, c->file, "put the file beside the others",
                          "the file that should hold %s %s is not here", a->covers, shown);
    if (found == c->expected) return INGOT_OK;
    return ingot_fail(err, INGOT_E_DIGEST, c->file_off, c->file, ADVICE_COPY,
                      "the bytes of %s %s have %s %08x, expected %08x", a->covers, shown, a->name, found, c->expected);
}

enum ingot_status checksum_finish(const struct source_check *c, const uint32_t *of_chunks, struct ingot_error *err)
{
    return compare(c, c->data ? checksum_join(c, of_chunks) : 0, err);
}

/* ------------------------------------------------------------------------------------------- all of a source's */

struct scan {
    const struct ingot_source *src;
    const struct ingot_source_verify_options *options;
    uint64_t *first_job;  /* n_checks + 1 */
    uint32_t *of_chunks;  /* first_job[n_checks] */
    pthread_mutex_t lock; /* guards done_bytes and the callback */
    uint64_t done_bytes, total_bytes;
};

/* The last check whose first job is not above `job`; those without chunks share their first job with the next. */
static size_t check_of_job(const struct scan *s, uint64_t job)
{
    return parallel_owner(s->first_job, sizeof *s->first_job, s->src->n_checks, job);
}

static enum ingot_status advance(struct scan *s, uint64_t bytes, struct ingot_error *err)
{
    if (!s->options->progress) return INGOT_OK;
    pthread_mutex_lock(&s->lock);
    s->done_bytes += bytes;
    bool go_on = s->options->progress(s->options->progress_ctx, s->done_bytes, s->total_bytes);
    pthread_mutex_unlock(&s->lock);
    if (go_on) return INGOT_OK;
    return ingot_fail(err, INGOT_E_INTERRUPTED, INGOT_NO_OFFSET, s->src->path, NULL, "verification was stopped");
}

static enum ingot_status scan_chunk(void *ctx, uint64_t job, uint32_t worker, struct ingot_error *err)
{
    (void)worker;
    struct scan *s = ctx;
    size_t i = check_of_job(s, job);
    const struct source_check *c = &s->src->checks[i];
    uint64_t chunk = job - s->first_job[i];
    s->of_chunks[job] = checksum_chunk(c, chunk);
    return advance(s, chunk_bytes(c->n_bytes, chunk), err);
}

static enum ingot_status scan_all(struct scan *s, struct ingot_error *err)
{
    const struct ingot_source *src = s->src;
    s->first_job = calloc(src->n_checks + 1, sizeof *s->first_job);
    if (!s->first_job) return fail_memory(err, src->path);
    for (size_t i = 0; i < src->n_checks; i++) {
        const uint64_t n_bytes = src->checks[i].data ? src->checks[i].n_bytes : 0;
        s->first_job[i + 1] = s->first_job[i] + chunk_count(n_bytes);
        s->total_bytes += n_bytes;
    }
    s->of_chunks = calloc(s->first_job[src->n_checks] + 1, sizeof *s->of_chunks);
    if (!s->of_chunks) return fail_memory(err, src->path);
    return parallel_for(s->first_job[src->n_checks], s->options->n_threads, scan_chunk, s, err);
}

/* In order of the checks. The first error stays in *err, and its status is returned. */
static enum ingot_status judge_all(const struct scan *s, uint64_t *n_bad, struct ingot_error *err)
{
    enum ingot_status first = INGOT_OK;
    for (size_t i = 0; i < s->src->n_checks; i++) {
        const struct source_check *c = &s->src->checks[i];
        const uint32_t found = c->data ? checksum_join(c, s->of_chunks + s->first_job[i]) : 0;
        const enum ingot_status status = compare(c, found, err);
        *n_bad += status != INGOT_OK;
        if (first == INGOT_OK) first = status;
        if (!s->options->check) continue;
        const struct ingot_source_check shown = ingot_source_check_at(s->src, i);
        s->options->check(s->options->check_ctx, &shown, found, status == INGOT_OK);
    }
    return first;
}

size_t ingot_source_check_count(const struct ingot_source *src)
{
    return src->n_checks;
}

struct ingot_source_check ingot_source_check_at(const struct ingot_source *src, size_t i)
{
    const struct source_check *c = &src->checks[i];
    return (struct ingot_source_check){
        .name = c->name,
        .algorithm = algorithm_of(c)->name,
        .file = c->file,
        .file_off = c->file_off,
        .n_bytes = c->n_bytes,
        .expected = c->expected,
        .present = c->data != NULL,
    };
}

enum ingot_status ingot_source_verify(const struct ingot_source *src, const struct ingot_source_verify_options *options,
                                      uint64_t *n_bad, struct ingot_error *err)
{
    static const struct ingot_source_verify_options defaults = { 0 };
    struct scan s = { .src = src, .options = options ? options : &defaults, .lock = PTHREAD_MUTEX_INITIALIZER };
    uint64_t bad = 0;
    enum ingot_status status = scan_all(&s, err);
    if (status == INGOT_OK) status = judge_all(&s, &bad, err);
    if (n_bad) *n_bad = bad;
    free(s.first_job);
    free(s.of_chunks);
    pthread_mutex_destroy(&s.lock);
    return status;
}

/* hashes.c - a span is cut into its chunks, which any thread may hash; what is hashed as a whole is one job. */
#include "inspect/hashes.h"

#include "format/digest.h"
#include "format/error.h"
#include "format/layout.h"
#include "format/parallel.h"
#include "inspect/cli/memory.h"

#include <pthread.h>
#include <stdlib.h>

struct hashing {
    const struct hash_span *spans;
    size_t n;
    const struct hash_options *options;
    uint64_t *first_job; /* n + 1 */
    uint64_t *hashes;    /* one for each job */
    struct ingot_digest *out;
    struct sha256 *sha256; /* instead of `out` */
    pthread_mutex_t lock;  /* guards done_bytes and the callback */
    uint64_t done_bytes, total_bytes;
};

/* The last span whose first job is not above `job`: those without jobs are passed over. */
static size_t span_of_job(const struct hashing *h, uint64_t job)
{
    return parallel_owner(h->first_job, sizeof *h->first_job, h->n, job);
}

static bool advance(void *ctx, uint64_t bytes)
{
    struct hashing *h = ctx;
    if (!h->options->progress) return true;
    pthread_mutex_lock(&h->lock);
    h->done_bytes += bytes;
    bool go_on = h->options->progress(h->options->progress_ctx, h->done_bytes, h->total_bytes);
    pthread_mutex_unlock(&h->lock);
    return go_on;
}

static enum ingot_status stopped(struct ingot_error *err)
{
    return ingot_fail(err, INGOT_E_INTERRUPTED, INGOT_NO_OFFSET, NULL, NULL, "hashing was stopped");
}

static enum ingot_status hash_job(void *ctx, uint64_t job, uint32_t worker, struct ingot_error *err)
{
    (void)worker;
    struct hashing *h = ctx;
    size_t i = span_of_job(h, job);
    const struct hash_span *span = &h->spans[i];
    bool go_on;
    if (span->plain) {
        go_on = digest_in_steps(span->map->bytes + span->off, span->n_bytes, advance, h, &h->out[i]);
    } else {
        uint64_t chunk = job - h->first_job[i], bytes = chunk_bytes(span->n_bytes, chunk);
        uint64_t off = span->off + chunk * INGOT_CHUNK_BYTES;
        map_will_read(span->map, off, bytes);
        h->hashes[job] = ingot_hash64(span->map->bytes + off, bytes);
        go_on = advance(h, bytes);
    }
    return go_on ? INGOT_OK : stopped(err);
}

static void count_jobs(struct hashing *h)
{
    h->first_job = memory_array(h->n + 1, sizeof *h->first_job);
    for (size_t i = 0; i < h->n; i++) {
        const struct hash_span *span = &h->spans[i];
        h->first_job[i + 1] = h->first_job[i] + (span->plain ? 1 : chunk_count(span->n_bytes));
        h->total_bytes += span->n_bytes;
    }
    h->hashes = memory_array(h->first_job[h->n] + 1, sizeof *h->hashes);
}

enum ingot_status hash_spans(const struct hash_span *spans, size_t n, const struct hash_options *options,
                             struct ingot_digest *out, struct ingot_error *err)
{
    struct hashing h = { .spans = spans, .n = n, .options = options, .out = out };
    pthread_mutex_init(&h.lock, NULL);
    count_jobs(&h);
    enum ingot_status status = parallel_for(h.first_job[n], options->n_threads, hash_job, &h, err);
    for (size_t i = 0; i < n && status == INGOT_OK; i++)
        if (!spans[i].plain)
            out[i] = ingot_hash128(h.hashes + h.first_job[i], 8 * (h.first_job[i + 1] - h.first_job[i]));
    free(h.first_job);
    free(h.hashes);
    pthread_mutex_destroy(&h.lock);
    return status;
}

static enum ingot_status sha256_job(void *ctx, uint64_t job, uint32_t worker, struct ingot_error *err)
{
    (void)worker;
    struct hashing *h = ctx;
    const struct hash_span *span = &h->spans[job];
    bool go_on = sha256_in_steps(span->map->bytes + span->off, span->n_bytes, advance, h, &h->sha256[job]);
    return go_on ? INGOT_OK : stopped(err);
}

enum ingot_status hash_sha256(const struct hash_span *spans, size_t n, const struct hash_options *options,
                              struct sha256 *out, struct ingot_error *err)
{
    struct hashing h = { .spans = spans, .n = n, .options = options, .sha256 = out };
    pthread_mutex_init(&h.lock, NULL);
    for (size_t i = 0; i < n; i++) h.total_bytes += spans[i].n_bytes;
    enum ingot_status status = parallel_for(n, options->n_threads, sha256_job, &h, err);
    pthread_mutex_destroy(&h.lock);
    return status;
}

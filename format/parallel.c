/* parallel.c - a shared counter hands out jobs in ascending order, so the lowest failing job is always one that ran:
 * whichever thread fails first, the error that is reported does not depend on timing. */
#include "format/parallel.h"
#include "format/cpus.h"
#include "format/quota.h"

#include <pthread.h>
#include <stdatomic.h>

#define MAX_THREADS 256u

struct pool {
    uint64_t n_jobs;
    parallel_job_fn fn;
    void *ctx;
    atomic_uint_fast64_t next;
    atomic_bool stop;
    pthread_mutex_t lock; /* guards the three below */
    uint64_t failed_job;  /* lowest so far */
    enum ingot_status status;
    struct ingot_error error;
};

struct worker {
    struct pool *pool;
    uint32_t number;
};

static void note_failure(struct pool *pool, uint64_t job, enum ingot_status status, const struct ingot_error *error)
{
    pthread_mutex_lock(&pool->lock);
    if (pool->status == INGOT_OK || job < pool->failed_job) {
        pool->failed_job = job;
        pool->status = status;
        pool->error = *error;
    }
    pthread_mutex_unlock(&pool->lock);
    atomic_store(&pool->stop, true);
}

static void *work(void *arg)
{
    const struct worker *worker = arg;
    struct pool *pool = worker->pool;
    while (!atomic_load_explicit(&pool->stop, memory_order_relaxed)) {
        uint64_t job = atomic_fetch_add(&pool->next, 1);
        if (job >= pool->n_jobs) break;
        struct ingot_error error = { 0 };
        enum ingot_status status = pool->fn(pool->ctx, job, worker->number, &error);
        if (status != INGOT_OK) note_failure(pool, job, status, &error);
    }
    return NULL;
}

/* CPUs that the process may run on, or as many as it is granted the time of. */
static uint32_t available_cpus(void)
{
    const struct cpus cpus = cpus_allowed();
    return quota_cpus("", cpus_count(&cpus));
}

uint32_t parallel_threads(uint32_t requested)
{
    const uint32_t n = requested ? requested : available_cpus();
    return n < MAX_THREADS ? n : MAX_THREADS;
}

/* Starts workers 1 .. n - 1; how many there are with the caller. */
static uint32_t start(pthread_t *threads, struct worker *workers, uint32_t n)
{
    uint32_t started = 1;
    while (started < n && pthread_create(&threads[started], NULL, work, &workers[started]) == 0) started++;
    if (started > 1) {
        const struct cpus cpus = cpus_allowed();
        cpus_spread(&threads[1], started - 1, &cpus);
    }
    return started;
}

enum ingot_status parallel_for(uint64_t n_jobs, uint32_t n_threads, parallel_job_fn fn, void *ctx,
                               struct ingot_error *err)
{
    struct pool pool = { .n_jobs = n_jobs, .fn = fn, .ctx = ctx, .lock = PTHREAD_MUTEX_INITIALIZER };
    struct worker workers[MAX_THREADS];
    pthread_t threads[MAX_THREADS];
    uint32_t wanted = parallel_threads(n_threads);
    if (wanted > n_jobs) wanted = n_jobs ? (uint32_t)n_jobs : 1;

    for (uint32_t i = 0; i < wanted; i++) workers[i] = (struct worker){ &pool, i };
    const uint32_t started = start(threads, workers, wanted);
    work(&workers[0]);
    for (uint32_t i = 1; i < started; i++) pthread_join(threads[i], NULL);

    pthread_mutex_destroy(&pool.lock);
    if (pool.status != INGOT_OK && err && err->status == INGOT_OK) *err = pool.error;
    return pool.status;
}

/* pool.c - spin a little, politely, then sleep: a start signal, shares of items and a barrier. */
#include "runtime/pool.h"

#include "format/cpus.h"
#include "format/fpenv.h"
#include "runtime/cores.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

/* How long a thread spins before it sleeps: BURSTS times PAUSES, 12,000 pauses, which CPUs make last 0.1 to 0.5
 * milliseconds. An item of a product takes about as long, so the thread that is waited for mostly comes within that
 * time. To sleep earlier would cost more than it saves, for a thread that must be woken may find the next phase nearly
 * over. After every burst the CPU is offered to others: where another process holds a CPU, the thread that is waited
 * for may be queueing for this one, and a spin without a break would keep it there at every barrier. */
#define BURSTS 240
#define PAUSES 50

/* A number that grows and can be waited for. Cache lines of their own: an arrival must not slow who waits. */
struct signal_line {
    _Alignas(64) atomic_uint value;
};

/* Of a thread's share of the items, how many are taken: in the low half from its beginning, in the high half from its
 * end. */
struct share_line {
    _Alignas(64) _Atomic uint64_t taken;
};

struct pool {
    struct signal_line start;   /* one step per pool_run() */
    struct signal_line barrier; /* one step per completed barrier */
    struct signal_line arrived;
    struct signal_line n_sleeping;
    pthread_mutex_t lock; /* with `wake`: only for those who sleep */
    pthread_cond_t wake;
    pool_fn fn;
    void *ctx;
    atomic_bool stop;
    uint32_t n_threads;
    pthread_t *threads; /* n_threads - 1 workers */
    struct pool_worker *workers;
    struct share_line *shares; /* of each thread */
};

struct pool_worker {
    struct pool *pool;
    uint32_t thread;
};

/* ------------------------------------------------------------------------------------------------------- waiting */

static inline void pause_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static bool still(struct signal_line *line, unsigned old)
{
    return atomic_load(&line->value) == old;
}

/* Returns when line's value is no longer `old`. */
static void wait_change(struct pool *pool, struct signal_line *line, unsigned old)
{
    for (int burst = 0; burst < BURSTS; burst++) {
        for (int i = 0; i < PAUSES; i++) {
            if (!still(line, old)) return;
            pause_cpu();
        }
        sched_yield();
    }
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->n_sleeping.value, 1);
    while (still(line, old)) pthread_cond_wait(&pool->wake, &pool->lock);
    atomic_fetch_sub(&pool->n_sleeping.value, 1);
    pthread_mutex_unlock(&pool->lock);
}

/* Steps the line. A sleeper announces itself before it looks at the line, and we look for sleepers after stepping it,
 * both sequentially consistent: at least one of the two sees the other. */
static void step(struct pool *pool, struct signal_line *line)
{
    atomic_fetch_add(&line->value, 1);
    if (atomic_load(&pool->n_sleeping.value) == 0) return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
}

/* ------------------------------------------------------------------------------------------------------- workers */

static void *worker_main(void *arg)
{
    const struct pool_worker *worker = arg;
    struct pool *pool = worker->pool;
    fenv_t inherited;
    fpenv_enter(&inherited);
    for (unsigned run = 0;; run++) {
        wait_change(pool, &pool->start, run);
        if (atomic_load(&pool->stop)) return NULL;
        pool->fn(pool->ctx, worker->thread);
        pool_barrier(pool);
    }
}

/* Signals are the program's business, so workers are born with all of them blocked, but for those that an instruction
 * of their own raises: a page of the map that has vanished must reach the program's handler from any thread. */
static void start_workers(struct pool *pool, uint32_t n_threads)
{
    static const int own_faults[] = { SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP };
    sigset_t all, old;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof own_faults / sizeof *own_faults; i++) sigdelset(&all, own_faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (pool->n_threads < n_threads) {
        uint32_t thread = pool->n_threads;
        struct pool_worker *worker = &pool->workers[thread - 1];
        *worker = (struct pool_worker){ pool, thread };
        if (pthread_create(&pool->threads[thread - 1], NULL, worker_main, worker)) break;
        pool->n_threads++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* A core each: two hardware threads of one core share what a matrix product keeps busy. */
static void spread_workers(const struct pool *pool)
{
    const struct cpus cores = cores_list(pool->n_threads + 1); /* with one core more than threads nothing happens */
    cpus_spread(pool->threads, pool->n_threads - 1, &cores);
}

/* -------------------------------------------------------------------------------------------------------- public */

struct pool *pool_create(uint32_t n_threads)
{
    struct pool *pool = aligned_alloc(_Alignof(struct pool), sizeof *pool);
    if (!pool) return NULL;
    *pool = (struct pool){ .n_threads = 1 };
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pool->threads = calloc(n_threads, sizeof *pool->threads);
    pool->workers = calloc(n_threads, sizeof *pool->workers);
    pool->shares = aligned_alloc(_Alignof(struct share_line), n_threads * sizeof *pool->shares);
    if (!pool->threads || !pool->workers || !pool->shares) {
        pool_close(pool);
        return NULL;
    }
    for (uint32_t i = 0; i < n_threads; i++) atomic_init(&pool->shares[i].taken, 0);
    start_workers(pool, n_threads);
    if (pool->n_threads > 1) spread_workers(pool);
    return pool;
}

void pool_close(struct pool *pool)
{
    if (!pool) return;
    atomic_store(&pool->stop, true);
    step(pool, &pool->start);
    for (uint32_t i = 1; i < pool->n_threads; i++) pthread_join(pool->threads[i - 1], NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    free(pool->threads);
    free(pool->workers);
    free(pool->shares);
    free(pool);
}

uint32_t pool_size(const struct pool *pool)
{
    return pool->n_threads;
}

void pool_run(struct pool *pool, pool_fn fn, void *ctx)
{
    pool->fn = fn;
    pool->ctx = ctx;
    if (pool->n_threads > 1) step(pool, &pool->start);
    fn(ctx, 0);
    pool_barrier(pool);
}

/* Takes an item of a share that had n at first; false when none is left. *at is its number, counted from the end or
 * from the beginning, wherever it was taken. */
static bool take(struct share_line *share, uint32_t n, bool from_end, uint32_t *at)
{
    uint64_t taken = atomic_load_explicit(&share->taken, memory_order_relaxed);
    do {
        const uint32_t begin = (uint32_t)taken, end = (uint32_t)(taken >> 32);
        if (begin + end == n) return false;
        *at = from_end ? end : begin;
    } while (!atomic_compare_exchange_weak_explicit(&share->taken, &taken, taken + (from_end ? UINT64_C(1) << 32 : 1),
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

bool pool_next(struct pool *pool, uint32_t thread, uint32_t n_items, uint32_t *item)
{
    for (uint32_t i = 0, at; i < pool->n_threads; i++) {
        const uint32_t owner = (thread + i) % pool->n_threads;
        const uint32_t begin = (uint32_t)((uint64_t)n_items * owner / pool->n_threads);
        const uint32_t end = (uint32_t)((uint64_t)n_items * (owner + 1) / pool->n_threads);
        if (!take(&pool->shares[owner], end - begin, i > 0, &at)) continue;
        *item = i > 0 ? end - 1 - at : begin + at;
        return true;
    }
    return false;
}

void pool_barrier(struct pool *pool)
{
    unsigned round = atomic_load(&pool->barrier.value);
    if (atomic_fetch_add(&pool->arrived.value, 1) + 1 < pool->n_threads) {
        wait_change(pool, &pool->barrier, round);
        return;
    }
    for (uint32_t i = 0; i < pool->n_threads; i++)
        atomic_store_explicit(&pool->shares[i].taken, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->arrived.value, 0, memory_order_relaxed);
    step(pool, &pool->barrier);
}

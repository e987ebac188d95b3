/*
 * pool.h - a few threads that compute one thing together, meeting at barriers.
 *
 * A decoded token of a small model takes 100 microseconds and has twenty phases, so threads are not handed jobs: all of
 * them run the same function from end to end and meet at pool_barrier() between phases. Within a phase work is dealt
 * out in items by pool_next(): every thread has a share, neighbouring items that it takes in ascending order, so that
 * what it reads is one straight stretch of memory; who is through takes the last items of others, so that nobody waits
 * for one who comes late or is slowed by another process. Which thread computes an item is never visible in the result.
 *
 * Waiting spins for some hundred microseconds, longer than any phase should be out of step, yielding the CPU now and
 * then, and then sleeps.
 */
#ifndef INGOT_POOL_H
#define INGOT_POOL_H

#include <stdbool.h>
#include <stdint.h>

struct pool;

/* Runs on every thread of the pool, the caller's being number 0. All threads must make the same calls of
 * pool_barrier().
 */
typedef void (*pool_fn)(void *ctx, uint32_t thread);

/* Starts n_threads - 1 workers that take no signals. Threads that cannot be started are left out: pool_size() says how
 * many there are. NULL when there is no memory. */
struct pool *pool_create(uint32_t n_threads);
void pool_close(struct pool *pool);
uint32_t pool_size(const struct pool *pool);

/* Runs fn on all threads and returns when all have ended. The workers run it in the default floating-point environment.
 */
void pool_run(struct pool *pool, pool_fn fn, void *ctx);

/* Inside fn: the next item of this phase for `thread`, each number 0 .. n_items - 1 going to exactly one thread; false
 * when none is left. */
bool pool_next(struct pool *pool, uint32_t thread, uint32_t n_items, uint32_t *item);

/* Inside fn: waits until every thread is here. What they wrote before is then visible to all, and dealing restarts. */
void pool_barrier(struct pool *pool);

#endif

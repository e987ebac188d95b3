/* parallel.h - independent jobs over a few threads, for work that streams (converting, verifying). */
#ifndef INGOT_PARALLEL_H
#define INGOT_PARALLEL_H

#include "format/ingot_format.h"

#include <string.h>

/* Does job `job` on worker `worker` (0 .. n_workers - 1: index of per-worker scratch). A status other than OK stops the
 * loop: jobs not yet started are dropped. */
typedef enum ingot_status (*parallel_job_fn)(void *ctx, uint64_t job, uint32_t worker, struct ingot_error *err);

/* The threads that `requested` stands for: itself, or for 0 the number of CPUs that the process may run on, or has a
 * quota of; at least 1, at most 256. */
uint32_t parallel_threads(uint32_t requested);

/* Who owns a job, where owner i has the jobs from its first_job up to that of owner i + 1: the last owner whose first
 * job is not above `job`. Owners without jobs share their first with the next one and are passed over. `first_job` is
 * that of owner 0, a uint64_t; those of the others follow `stride` bytes apart. n is at least 1. */
static inline size_t parallel_owner(const void *first_job, size_t stride, size_t n, uint64_t job)
{
    size_t low = 0, high = n;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        uint64_t first;
        memcpy(&first, (const char *)first_job + middle * stride, sizeof first);
        if (first <= job)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Runs jobs 0 .. n_jobs - 1, handed out in ascending order, on up to n_threads threads, the caller's being one. Returns
 * when all have ended. Of several failures the lowest job's is reported. A thread that cannot be started is not an
 * error: the others do its work. */
enum ingot_status parallel_for(uint64_t n_jobs, uint32_t n_threads, parallel_job_fn fn, void *ctx,
                               struct ingot_error *err);

#endif

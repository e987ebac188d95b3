/* machine.h - this machine's own limits, measured: how fast some threads can read given bytes, multiply and add. */
#ifndef INGOT_MACHINE_H
#define INGOT_MACHINE_H

#include "runtime/kernels/kernels.h"
#include "runtime/pool.h"

/* Bytes a second that all threads of the pool together read of [bytes, bytes + n), each a contiguous part. One pass. */
double machine_read(struct pool *pool, const void *bytes, size_t n);

/* Operations a second on registers (runtime/kernels/peak.h), all threads together; 0 where the rung has none. */
double machine_fma(struct pool *pool, const struct rung *rung);
double machine_integer(struct pool *pool, const struct rung *rung);
double machine_fast(struct pool *pool, const struct rung *rung);

#endif

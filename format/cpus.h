/* cpus.h - which CPUs the process may run on; and that threads which work at once have one each from their first
 * instruction on. */
#ifndef INGOT_CPUS_H
#define INGOT_CPUS_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

/* A set of CPUs for the largest machines: the kernel refuses to tell one that knows of more CPUs than a lone cpu_set_t
 * holds, 1024. Linux is built for at most 8192. */
struct cpus {
    cpu_set_t sets[8192 / CPU_SETSIZE];
};

enum { CPUS_MOST = 8192 };

static inline bool cpus_have(const struct cpus *cpus, unsigned cpu)
{
    return cpu < CPUS_MOST && CPU_ISSET_S(cpu, sizeof *cpus, cpus->sets);
}

static inline void cpus_add(struct cpus *cpus, unsigned cpu)
{
    CPU_SET_S(cpu, sizeof *cpus, cpus->sets);
}

static inline uint32_t cpus_count(const struct cpus *cpus)
{
    return (uint32_t)CPU_COUNT_S(sizeof *cpus, cpus->sets);
}

/* Those that the calling thread may run on: its affinity mask, not the machine. None when the kernel does not say. */
struct cpus cpus_allowed(void);

/* Gives the caller and the n threads that it has just started a CPU each of `cpus`, which the process may run on: the
 * caller keeps its own if that is among them. A kernel that packs threads onto few CPUs, so that others can sleep,
 * leaves a new thread beside its creator for some milliseconds, in which a small model has answered.
 *
 * That is only where they begin: all may then run wherever the caller may. Where they leave CPUs free nothing happens,
 * for the kernel knows which of them are idle. Never fails. */
void cpus_spread(const pthread_t *threads, uint32_t n, const struct cpus *cpus);

#endif

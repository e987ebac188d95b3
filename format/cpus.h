/* cpus.h - threads that work at once need a CPU each from their first instruction on. */
#ifndef INGOT_CPUS_H
#define INGOT_CPUS_H

#include <pthread.h>
#include <sched.h>
#include <stdint.h>

/* Gives the caller and the n threads that it has just started a CPU each of `cpus`, which the process may run on: the
 * caller keeps its own if that is among them. A kernel that packs threads onto few CPUs, so that others can sleep,
 * leaves a new thread beside its creator for some milliseconds, in which a small model has answered.
 *
 * That is only where they begin: all may then run wherever the caller may. Where they leave CPUs free nothing happens,
 * for the kernel knows which of them are idle. Never fails. */
void cpus_spread(const pthread_t *threads, uint32_t n, const cpu_set_t *cpus);

#endif

/*
 * cores.h - the cores that this process may run on, hardware threads of one core counted once: they share the units
 * that a matrix product keeps busy.
 */
#ifndef INGOT_CORES_H
#define INGOT_CORES_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

/* One CPU of each core, of the first `most` cores: every CPU's file is opened. None when the kernel does not say. */
void cores_list(cpu_set_t *cores, uint32_t most);

/* How many there are; at least 1. */
uint32_t cores_count(void);

/* Whether a list as the kernel writes it, "0-1" or "0,64", names a CPU of the set that is below `cpu`. */
bool cores_names_lower(const char *list, unsigned long cpu, const cpu_set_t *set);

#endif

/*
 * cores.h - the cores that this process may run on, hardware threads of one core counted once: they share the units
 * that a matrix product keeps busy.
 */
#ifndef INGOT_CORES_H
#define INGOT_CORES_H

#include "format/cpus.h"

/* One CPU of each core, of the first `most` cores: every CPU's file is opened. None when the kernel does not say. */
struct cpus cores_list(uint32_t most);

/* How many there are, or how many of them the process has a quota of; at least 1, at most `most`: to count those of a
 * large machine takes milliseconds. */
uint32_t cores_count(uint32_t most);

/* Whether a list as the kernel writes it, "0-1" or "0,64", names a CPU of the set that is below `cpu`. */
bool cores_names_lower(const char *list, unsigned long cpu, const struct cpus *set);

#endif

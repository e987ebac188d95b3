/*
 * cores.h - the cores that this process may run on, hardware threads of one core counted once: they share the units
 * that a matrix product keeps busy.
 */
#ifndef INGOT_CORES_H
#define INGOT_CORES_H

#include "format/cpus.h"

/* One CPU of each core, for at most `most` cores: to know a core, the kernel's file on each of its CPUs must be read.
 * None when the kernel does not say. */
struct cpus cores_list(uint32_t most);

/* How many cores there are, but no more than the process has a quota of CPU time for; 1 to `most`, at which counting
 * stops, for it would take milliseconds on a large machine. */
uint32_t cores_count(uint32_t most);

/* Whether a list as the kernel writes it, "0-1" or "0,64", names a CPU of the set that is below `cpu`. */
bool cores_names_lower(const char *list, unsigned long cpu, const struct cpus *set);

#endif

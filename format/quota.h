/* quota.h - what control groups leave a process of the machine's CPUs. */
#ifndef INGOT_QUOTA_H
#define INGOT_QUOTA_H

#include <stdint.h>

/* Of n_cpus those that the process is granted by its control groups (cpu.max of version 2, cpu.cfs_quota_us of version
 * 1), to the nearest whole one; at least 1. All where nothing limits them, or nothing can be read. `root` is put before
 * /proc and /sys: "" but for tests. */
uint32_t quota_cpus(const char *root, uint32_t n_cpus);

#endif

/* cores.c - what the kernel says of siblings: of a core's hardware threads the lowest allowed one stands for all. */
#include "runtime/cores.h"

#include <stdio.h>
#include <stdlib.h>

bool cores_names_lower(const char *list, unsigned long cpu, const cpu_set_t *set)
{
    while (*list >= '0' && *list <= '9') {
        char *end;
        const unsigned long from = strtoul(list, &end, 10);
        const unsigned long to = *end == '-' ? strtoul(end + 1, &end, 10) : from;
        for (unsigned long other = from; other <= to && other < cpu; other++)
            if (CPU_ISSET(other, set)) return true;
        list = *end == ',' ? end + 1 : end;
    }
    return false;
}

/* Without the kernel's word every CPU is a core. */
static bool shares_core(unsigned cpu, const cpu_set_t *set)
{
    char path[96], list[256];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu);
    FILE *f = fopen(path, "re");
    if (!f) return false;
    const bool shared = fgets(list, sizeof list, f) && cores_names_lower(list, cpu, set);
    fclose(f);
    return shared;
}

void cores_list(cpu_set_t *cores, uint32_t most)
{
    cpu_set_t set;
    CPU_ZERO(cores);
    if (sched_getaffinity(0, sizeof set, &set)) return;
    for (unsigned cpu = 0, n = 0; cpu < CPU_SETSIZE && n < most; cpu++)
        if (CPU_ISSET(cpu, &set) && !shares_core(cpu, &set)) {
            CPU_SET(cpu, cores);
            n++;
        }
}

uint32_t cores_count(void)
{
    cpu_set_t cores;
    cores_list(&cores, CPU_SETSIZE);
    const int n = CPU_COUNT(&cores);
    return n > 1 ? (uint32_t)n : 1;
}

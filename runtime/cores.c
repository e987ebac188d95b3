/* cores.c - what the kernel says of siblings: of a core's hardware threads the lowest allowed one stands for all. */
#include "runtime/cores.h"

#include "format/quota.h"

#include <stdio.h>
#include <stdlib.h>

bool cores_names_lower(const char *list, unsigned long cpu, const struct cpus *set)
{
    while (*list >= '0' && *list <= '9') {
        char *end;
        const unsigned long from = strtoul(list, &end, 10);
        const unsigned long to = *end == '-' ? strtoul(end + 1, &end, 10) : from;
        for (unsigned long other = from; other <= to && other < cpu; other++)
            if (cpus_have(set, (unsigned)other)) return true;
        list = *end == ',' ? end + 1 : end;
    }
    return false;
}

/* Without the kernel's word every CPU is a core. */
static bool shares_core(unsigned cpu, const struct cpus *set)
{
    char path[96], list[256];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu);
    FILE *f = fopen(path, "re");
    if (!f) return false;
    const bool shared = fgets(list, sizeof list, f) && cores_names_lower(list, cpu, set);
    fclose(f);
    return shared;
}

struct cpus cores_list(uint32_t most)
{
    const struct cpus allowed = cpus_allowed();
    struct cpus cores = { 0 };
    for (unsigned cpu = 0, n = 0; cpu < CPUS_MOST && n < most; cpu++)
        if (cpus_have(&allowed, cpu) && !shares_core(cpu, &allowed)) {
            cpus_add(&cores, cpu);
            n++;
        }
    return cores;
}

uint32_t cores_count(uint32_t most)
{
    const struct cpus cores = cores_list(most);
    return quota_cpus("", cpus_count(&cores));
}

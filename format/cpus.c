/* cpus.c - a thread is sent to a CPU by allowing it no other for a moment: it stays there when all are allowed again.
 */
#include "format/cpus.h"

static unsigned next_cpu(const cpu_set_t *cpus, unsigned cpu)
{
    do cpu = (cpu + 1) % CPU_SETSIZE;
    while (!CPU_ISSET(cpu, cpus));
    return cpu;
}

static void send(pthread_t thread, unsigned cpu, const cpu_set_t *allowed)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (pthread_setaffinity_np(thread, sizeof one, &one) == 0) pthread_setaffinity_np(thread, sizeof *allowed, allowed);
}

void cpus_spread(const pthread_t *threads, uint32_t n, const cpu_set_t *cpus)
{
    cpu_set_t allowed;
    const int own = sched_getcpu(), n_cpus = CPU_COUNT(cpus);
    if (own < 0 || own >= CPU_SETSIZE || n_cpus < 2 || n < (uint32_t)n_cpus - 1) return;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    unsigned cpu = (unsigned)own;
    if (!CPU_ISSET(cpu, cpus)) {
        cpu = next_cpu(cpus, cpu);
        send(pthread_self(), cpu, &allowed);
    }
    for (uint32_t i = 0; i < n; i++) {
        cpu = next_cpu(cpus, cpu);
        send(threads[i], cpu, &allowed);
    }
}

/* cpus.c - a thread is sent to a CPU by allowing it no other for a moment: it stays there when all are allowed again.
 */
#include "format/cpus.h"

struct cpus cpus_allowed(void)
{
    struct cpus cpus = { 0 };
    return sched_getaffinity(0, sizeof cpus, cpus.sets) == 0 ? cpus : (struct cpus){ 0 };
}

static unsigned next_cpu(const struct cpus *cpus, unsigned cpu)
{
    do cpu = (cpu + 1) % CPUS_MOST;
    while (!cpus_have(cpus, cpu));
    return cpu;
}

static void send(pthread_t thread, unsigned cpu, const struct cpus *allowed)
{
    struct cpus one = { 0 };
    cpus_add(&one, cpu);
    if (pthread_setaffinity_np(thread, sizeof one, one.sets) == 0)
        pthread_setaffinity_np(thread, sizeof *allowed, allowed->sets);
}

void cpus_spread(const pthread_t *threads, uint32_t n, const struct cpus *cpus)
{
    const int own = sched_getcpu();
    const uint32_t n_cpus = cpus_count(cpus);
    if (own < 0 || own >= CPUS_MOST || n_cpus < 2 || n < n_cpus - 1) return;
    const struct cpus allowed = cpus_allowed();
    if (cpus_count(&allowed) == 0) return;
    unsigned cpu = (unsigned)own;
    if (!cpus_have(cpus, cpu)) {
        cpu = next_cpu(cpus, cpu);
        send(pthread_self(), cpu, &allowed);
    }
    for (uint32_t i = 0; i < n; i++) {
        cpu = next_cpu(cpus, cpu);
        send(threads[i], cpu, &allowed);
    }
}

/*
 * quota.c - a container of "two CPUs" on a large machine sees all of them, but is stopped for the rest of every tenth
 * of a second in which its threads have used up what is granted. Threads that wait for each other use it up waiting.
 *
 * /proc/self/cgroup names the group of the process in each hierarchy. Where that lies below /sys/fs/cgroup depends on
 * who mounted it: in a container often its own group is the root. So every directory from the named one up to the root
 * is asked, and those that are not there say nothing.
 */
#include "format/quota.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Time that may be used in each period, both in microseconds. */
struct grant {
    unsigned long long time, period; /* period 0: no limit */
};

/* The beginning of a file of `directory`. */
static bool read_text(const char *directory, const char *name, char *text, size_t size)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path) return false;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const ssize_t n = read(fd, text, size - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* Of a line "150000 100000"; "max 100000" is no number. */
static struct grant read_max(const char *group)
{
    char text[64], *end;
    if (!read_text(group, "cpu.max", text, sizeof text)) return (struct grant){ 0 };
    struct grant grant = { .time = strtoull(text, &end, 10) };
    if (end != text) grant.period = strtoull(end, NULL, 10);
    return grant;
}

static unsigned long long read_number(const char *group, const char *name)
{
    char text[64];
    return read_text(group, name, text, sizeof text) && text[0] != '-' ? strtoull(text, NULL, 10) : 0;
}

/* The time is -1 where there is no limit. */
static struct grant read_cfs(const char *group)
{
    const unsigned long long time = read_number(group, "cpu.cfs_quota_us");
    return time ? (struct grant){ time, read_number(group, "cpu.cfs_period_us") } : (struct grant){ 0 };
}

static uint32_t nearest(struct grant grant)
{
    if (grant.period == 0) return UINT32_MAX;
    const unsigned long long whole = grant.time / grant.period, rest = grant.time % grant.period;
    const unsigned long long n = whole + (rest >= grant.period - rest);
    return n < 1 ? 1 : n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* The least that a group or one above it grants. A name that leads out of what is mounted, "/../x", is the root's. */
static uint32_t least_of(struct grant (*read_grant)(const char *group), const char *mount, const char *name)
{
    char group[PATH_MAX];
    const size_t n_mount = strlen(mount);
    if (strcmp(name, "/") == 0 || strncmp(name, "/..", 3) == 0) name = "";
    if (snprintf(group, sizeof group, "%s%s", mount, name) >= (int)sizeof group) return UINT32_MAX;
    uint32_t least = UINT32_MAX;
    for (;;) {
        const uint32_t n = nearest(read_grant(group));
        if (n < least) least = n;
        char *last = strrchr(group + n_mount, '/');
        if (!last) return least;
        *last = '\0';
    }
}

/* Whether "cpu" is among words parted by commas. */
static bool names_cpu(const char *words)
{
    while (*words) {
        const size_t n = strcspn(words, ",");
        if (n == 3 && memcmp(words, "cpu", 3) == 0) return true;
        words += n + (words[n] == ',');
    }
    return false;
}

/* A line of /proc/self/cgroup: number, controllers and name, parted by colons. That of version 2 has no controllers. */
static uint32_t of_line(const char *root, char *line)
{
    char mount[PATH_MAX];
    char *controllers = strchr(line, ':'), *name = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!name || strlen(root) > PATH_MAX / 2) return UINT32_MAX;
    *name++ = '\0';
    controllers++;
    if (*controllers && !names_cpu(controllers)) return UINT32_MAX;
    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup%s", root, *controllers ? "/cpu" : "");
    return least_of(*controllers ? read_cfs : read_max, mount, name);
}

uint32_t quota_cpus(const char *root, uint32_t n_cpus)
{
    char text[4096], *rest = NULL;
    uint32_t least = n_cpus > 1 ? n_cpus : 1;
    if (least == 1 || !read_text(root, "proc/self/cgroup", text, sizeof text)) return least;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        const uint32_t n = of_line(root, line);
        if (n < least) least = n;
    }
    return least;
}

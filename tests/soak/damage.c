/*
 * damage.c - damages foreign checkpoints, one place at a time, and asks every command that reads them what it makes of
 * that.
 *
 *   damage [--cases N] [--seconds N] [--seed N] [--keep DIRECTORY] [PATH...]
 *
 * PATH is a checkpoint, a file or a directory; those of tests/models, and of the corpus where it is, unless given. Each
 * is copied into a scratch directory; N times for each (or until its share of the seconds is over) one of its files is
 * damaged, ls, show, params, verify, cat and convert are run on it, and the file is put back. Laws:
 *
 *   a command ends by itself, with 0 (verify: or 1), 3 or 4, within 10 seconds of CPU and 1 GiB of address space;
 *   what it says on failure is one message, with its advice: 3 lines; a sanitizer says nothing;
 *   convert refuses what its own --plan refuses, with the same code;
 *   convert leaves its output when it succeeds, and nothing when it does not;
 *   where the format has checksums, the tensors of that output are those of the good checkpoint, bit for bit.
 *
 * Output: TAP, one test for each checkpoint. A case that breaks a law is told by its damage and by the seed that makes
 * it again: damage --cases 1 --seed N --keep . PATH leaves the damaged file.
 */
#include "convert/ingot_convert.h"
#include "format/bytes.h"
#include "format/ingot_format.h"
#include "format/path.h"
#include "format/simd/crc.h"
#include "inspect/cli/report.h"
#include "inspect/commands.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FILES = 16, MAX_OPERANDS = 8, CPU_SECONDS = 10, MAX_LINES = 3, PATH_BYTES = 1024 };
#define MAX_ADDRESS   (UINT64_C(1) << 30)
#define END_BYTES     UINT64_C(2048) /* of either end of a file, where most of what describes it stands */
#define ZIP_CENTRAL   0x02014b50u
#define DEFAULT_CASES (RUNNING_SLOWLY ? 1 : 3)
#define CORPUS        "../shared/corpus/"
#define ADDRESS_LIMIT (RUNNING_SLOWLY ? RLIM_INFINITY : MAX_ADDRESS)

#if defined __SANITIZE_ADDRESS__
#define RUNNING_SLOWLY 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define RUNNING_SLOWLY 1 /* whose shadow needs terabytes of addresses */
#endif
#endif
#ifndef RUNNING_SLOWLY
#define RUNNING_SLOWLY 0
#endif

struct bytes {
    uint8_t *p;
    size_t n;
};

struct part {
    char name[256]; /* in the checkpoint's directory */
    struct bytes good;
};

struct checkpoint {
    char name[256];
    char tensor[256];      /* the name of one that it holds */
    char path[PATH_BYTES]; /* of the copy, as commands are given it */
    char folder[PATH_BYTES];
    struct part parts[MAX_FILES];
    size_t n_parts;
    struct ingot_file *good; /* what it is converted to; NULL when it is no model */
    bool checked;            /* its format has checksums for the tensors */
};

static char work[PATH_BYTES];
static uint64_t seed = 1;
static const char *keep_in; /* NULL: nowhere */

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "damage: %s\n", what);
    exit(1);
}

static void join(char out[PATH_BYTES], const char *a, const char *b)
{
    if ((size_t)snprintf(out, PATH_BYTES, "%s/%s", a, b) >= PATH_BYTES) die("a path is too long");
}

/* splitmix64 */
static uint64_t chance(void)
{
    uint64_t z = seed += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static uint64_t below(uint64_t n)
{
    return n ? chance() % n : 0;
}

/* ------------------------------------------------------------------------------------------------------------ files */

static struct bytes read_whole(const char *path)
{
    struct bytes b = { NULL, 0 };
    FILE *in = fopen(path, "rb");
    struct stat st;
    if (!in || fstat(fileno(in), &st)) die(path);
    b.n = (size_t)st.st_size;
    b.p = malloc(b.n + 1);
    if (!b.p || fread(b.p, 1, b.n, in) != b.n) die(path);
    fclose(in);
    return b;
}

static void write_whole(const char *path, struct bytes b)
{
    FILE *out = fopen(path, "wb");
    if (!out || fwrite(b.p, 1, b.n, out) != b.n || fclose(out)) die(path);
}

static int remove_entry(const char *path, const struct stat *info, int flag, struct FTW *ftw)
{
    (void)info, (void)flag, (void)ftw;
    return remove(path);
}

static void copy_file(struct checkpoint *c, const char *folder, const char *name)
{
    char from[PATH_BYTES], to[PATH_BYTES];
    struct part *part = &c->parts[c->n_parts];
    join(from, folder, name);
    join(to, c->folder, name);
    if (c->n_parts == MAX_FILES || strlen(name) >= sizeof part->name) die(from);
    part->good = read_whole(from);
    memcpy(part->name, name, strlen(name) + 1);
    write_whole(to, part->good);
    c->n_parts++;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct part *)a)->name, ((const struct part *)b)->name);
}

static void copy_directory(struct checkpoint *c, const char *path)
{
    DIR *dir = opendir(path);
    if (!dir) die(path);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_type == DT_REG) copy_file(c, path, entry->d_name);
    closedir(dir);
    qsort(c->parts, c->n_parts, sizeof *c->parts, by_name);
}

/* ----------------------------------------------------------------------------------------------------------- damage */

static uint64_t a_place(const struct bytes *b)
{
    const uint64_t end = b->n < END_BYTES ? b->n : END_BYTES;
    switch (below(4)) {
    case 0:
        return below(end);
    case 1:
        return b->n - 1 - below(end);
    default:
        return below(b->n);
    }
}

static void change_byte(struct bytes *b, char *what, size_t cap)
{
    const uint64_t at = a_place(b);
    const uint8_t old = b->p[at];
    b->p[at] = below(2) ? (uint8_t)(old ^ 1u << below(8)) : (uint8_t)(old + 1 + below(255));
    snprintf(what, cap, "byte %" PRIu64 " from %02x to %02x", at, old, b->p[at]);
}

/* A number that is hard to take, in either byte order. */
static void change_number(struct bytes *b, char *what, size_t cap)
{
    static const uint64_t hard[] = { 0,
                                     1,
                                     0x7f,
                                     0xff,
                                     0xffff,
                                     0x7fffffff,
                                     0x80000000,
                                     0xffffffff,
                                     0x100000000,
                                     UINT64_C(1) << 60,
                                     UINT64_C(1) << 62,
                                     INT64_MAX,
                                     (uint64_t)INT64_MAX + 1,
                                     UINT64_MAX - 7,
                                     UINT64_MAX };
    uint8_t number[8];
    const size_t n = (size_t)1 << below(4);
    const uint64_t value = below(8) ? hard[below(sizeof hard / sizeof *hard)] : b->n, at = a_place(b);
    put_u64(number, value);
    for (size_t i = 0; i < n && at + i < b->n; i++) b->p[at + i] = number[i];
    snprintf(what, cap, "%zu bytes at %" PRIu64 " to the number %" PRIu64, n, at, value);
}

/* What text is made of. */
static void change_sign(struct bytes *b, char *what, size_t cap)
{
    static const char signs[] = "[]{}\",:\\0123456789-+.eE \t\n/'nul";
    const uint64_t at = a_place(b);
    b->p[at] = (uint8_t)signs[below(sizeof signs)];
    snprintf(what, cap, "byte %" PRIu64 " to %02x", at, b->p[at]);
}

static void cut(struct bytes *b, char *what, size_t cap)
{
    b->n = a_place(b);
    snprintf(what, cap, "cut to %zu bytes", b->n);
}

static void sprinkle(struct bytes *b, char *what, size_t cap)
{
    const uint64_t first = a_place(b), n = 1 + below(b->n - first);
    for (uint64_t i = 0; i <= n / 100; i++) b->p[first + below(n)] = (uint8_t)chance();
    snprintf(what, cap, "1 %% of the bytes %" PRIu64 " to %" PRIu64, first, first + n - 1);
}

static void move_chunk(struct bytes *b, char *what, size_t cap)
{
    const uint64_t n = 1 + below(b->n < 4096 ? b->n : 4096), from = below(b->n - n + 1), to = below(b->n - n + 1);
    memmove(b->p + to, b->p + from, n);
    snprintf(what, cap, "%" PRIu64 " bytes at %" PRIu64 " again at %" PRIu64, n, from, to);
}

static void swap_chunks(struct bytes *b, char *what, size_t cap)
{
    const uint64_t n = 1 + below(b->n / 2 < 256 ? b->n / 2 : 256), one = below(b->n - n + 1),
                   other = below(b->n - n + 1);
    for (uint64_t i = 0; i < n; i++) {
        const uint8_t byte = b->p[one + i];
        b->p[one + i] = b->p[other + i];
        b->p[other + i] = byte;
    }
    snprintf(what, cap, "%" PRIu64 " bytes at %" PRIu64 " and at %" PRIu64 " swapped", n, one, other);
}

static void lose_chunk(struct bytes *b, char *what, size_t cap)
{
    const uint64_t at = a_place(b), rest = b->n - at, n = 1 + below(rest < 64 ? rest : 64);
    memmove(b->p + at, b->p + at + n, rest - n);
    b->n -= n;
    snprintf(what, cap, "%" PRIu64 " bytes at %" PRIu64 " gone", n, at);
}

/* Puts the checksums of a zip file right again, of what its list of members still finds: what is behind them is to be
 * seen, too. */
static void mend_zip(struct bytes *b)
{
    for (uint64_t at = 0; at + 46 < b->n; at++) {
        if (get_u32(b->p + at) != ZIP_CENTRAL) continue;
        const uint64_t off = get_u32(b->p + at + 42), size = get_u32(b->p + at + 24);
        if (off + 30 > b->n) continue;
        const uint64_t begin = off + 30 + get_u16(b->p + off + 26) + get_u16(b->p + off + 28);
        if (begin > b->n || size > b->n - begin) continue;
        const uint32_t crc = crc_of(CRC_32, b->p + begin, size);
        put_u32(b->p + at + 16, crc);
        if (get_u32(b->p + off + 14)) put_u32(b->p + off + 14, crc);
        if (begin + size + 8 <= b->n) put_u32(b->p + begin + size + 4, crc);
    }
}

/* *mended: the checksums were made to fit, so that any tensors may come out. */
static void damage(struct bytes *b, bool *mended, char *what, size_t cap)
{
    static void (*const kinds[])(struct bytes *, char *, size_t) = {
        change_byte, change_byte, change_byte, change_number, change_number, change_sign,
        cut,         sprinkle,    move_chunk,  swap_chunks,   lose_chunk,
    };
    *mended = false;
    if (b->n == 0) return;
    kinds[below(sizeof kinds / sizeof *kinds)](b, what, cap);
    if (b->n < 4 || memcmp(b->p, "PK\3\4", 4) != 0 || below(2)) return;
    mend_zip(b);
    *mended = true;
}

/* --------------------------------------------------------------------------------------------------------- commands */

static int run_here(const char *const *words)
{
    char *argv[MAX_OPERANDS] = { NULL };
    int n = 0;
    struct arguments args;
    struct ingot_error err = { 0 };
    for (; words[n]; n++) argv[n] = (char *)(uintptr_t)words[n];
    const struct command *command = command_find(words[0]);
    if (!command || options_parse(command, n - 1, argv + 1, &args, &err) != INGOT_OK) die("no such command");
    return report_finish(command->run(&args));
}

/* In a process of its own. The exit code, or minus the signal. */
static int run(const char *const *words)
{
    char errors[PATH_BYTES];
    int status = 0;
    join(errors, work, "stderr");
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0) die("cannot fork");
    if (pid == 0) {
        const struct rlimit cpu = { CPU_SECONDS, CPU_SECONDS }, address = { ADDRESS_LIMIT, ADDRESS_LIMIT };
        int null = open("/dev/null", O_RDWR), to = open(errors, O_CREAT | O_TRUNC | O_WRONLY, 0600);
        if (null < 0 || to < 0 || dup2(null, 0) || dup2(null, 1) != 1 || dup2(to, 2) != 2) _exit(127);
        if (setrlimit(RLIMIT_CPU, &cpu) || setrlimit(RLIMIT_AS, &address)) _exit(127);
        exit(run_here(words));
    }
    if (waitpid(pid, &status, 0) != pid) die("a child got lost");
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static bool says_too_much(int code)
{
    char path[PATH_BYTES];
    join(path, work, "stderr");
    struct bytes text = read_whole(path);
    size_t n_lines = 0;
    text.p[text.n] = '\0';
    for (const char *line = (char *)text.p, *end; (end = strchr(line, '\n')); line = end + 1)
        n_lines += strncmp(line, "ingot: warning:", 15) != 0;
    bool bad = (code != 0 && n_lines > MAX_LINES) || (code > CODE_NO && n_lines == 0) ||
               strstr((char *)text.p, "Sanitizer") || strstr((char *)text.p, "runtime error");
    free(text.p);
    return bad;
}

/* NULL when the command kept the laws, else which it broke. */
static const char *judge(const char *const *words, int *code)
{
    *code = run(words);
    if (*code < 0) return "ended by a signal";
    if (says_too_much(*code)) return "says too much or nothing";
    if (*code == CODE_OK || *code == CODE_INVALID || *code == CODE_UNSUPPORTED) return NULL;
    if (*code == CODE_NO && strcmp(words[0], "verify") == 0) return NULL;
    if (*code == CODE_USAGE && strcmp(words[0], "cat") == 0) return NULL; /* the name that was asked for was damaged */
    return "ends with a code that blames nobody's file";
}

/* ------------------------------------------------------------------------------------------------------- conversion */

/* Whether every tensor of `a` stands in `b`, too. */
static bool has_tensors_of(const struct ingot_file *b, const struct ingot_file *a)
{
    for (uint32_t i = 0; i < ingot_section_count(a); i++) {
        const struct ingot_section s = ingot_section_at(a, i);
        struct ingot_section t;
        if (s.kind != INGOT_KIND_TENSOR) continue;
        if (!ingot_find(b, s.name, &t) || t.raw_bytes != s.raw_bytes || memcmp(s.data, t.data, s.raw_bytes) != 0)
            return false;
    }
    return true;
}

static int convert(const struct checkpoint *c, const char *output, const char **broken)
{
    int code;
    const char *words[] = { "convert", c->path, "-o", output, "-q", "-t", "2", NULL };
    *broken = judge(words, &code);
    return code;
}

/* What stands in the scratch directory beside the checkpoint and what it is compared with. */
static bool left_something(void)
{
    static const char *const ours[] = { ".", "..", "stderr", "good.ingot", "checkpoint" };
    DIR *dir = opendir(work);
    bool other = false;
    if (!dir) die(work);
    for (struct dirent *entry; (entry = readdir(dir));) {
        bool known = false;
        for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) known = known || !strcmp(entry->d_name, ours[i]);
        other = other || !known;
    }
    closedir(dir);
    return other;
}

static const char *judge_output(const struct checkpoint *c, const char *output, bool whole)
{
    struct ingot_file *file = NULL;
    if (ingot_open(output, 0, &file, NULL) != INGOT_OK) return "convert wrote what is no file of ours";
    const char *broken =
        whole && c->good && !has_tensors_of(file, c->good) ? "other values than the checksums say" : NULL;
    ingot_close(file);
    if (unlink(output) != 0) die(output);
    return broken;
}

static const char *judge_conversion(const struct checkpoint *c, bool mended)
{
    char output[PATH_BYTES];
    int planned, converted;
    join(output, work, "out.ingot");
    const char *plan[] = { "convert", "--plan", c->path, NULL };
    const char *broken = judge(plan, &planned);
    if (broken) return broken;
    converted = convert(c, output, &broken);
    if (!broken && planned != CODE_OK && converted != planned) broken = "convert and its plan disagree";
    if (!broken && converted == CODE_OK) broken = judge_output(c, output, c->checked && !mended);
    if (!broken && left_something()) broken = "convert left something behind";
    unlink(output);
    return broken;
}

static const char *judge_all(const struct checkpoint *c, bool mended, const char **command)
{
    const char *looks[][2] = {
        { "ls", "--json" }, { "show", "--json" }, { "params", NULL }, { "verify", NULL }, { "cat", c->tensor }
    };
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
        int code;
        const char *words[] = { *command = looks[i][0], c->path, looks[i][1], NULL };
        const char *broken = judge(words, &code);
        if (broken) return broken;
    }
    *command = "convert";
    return judge_conversion(c, mended);
}

/* ---------------------------------------------------------------------------------------------------------- running */

static void tell(const struct checkpoint *c, const struct part *part, struct bytes bad, const char *what,
                 uint64_t begun)
{
    char name[PATH_BYTES];
    printf("# %s of %s: %s (seed %" PRIu64 ")\n", part->name, c->name, what, begun);
    if (!keep_in) return;
    join(name, keep_in, part->name);
    write_whole(name, bad);
}

static bool try_one(const struct checkpoint *c)
{
    char what[200] = "nothing", path[PATH_BYTES], story[500];
    const uint64_t begun = seed;
    const struct part *part = &c->parts[below(c->n_parts)];
    struct bytes bad = { malloc(part->good.n + 1), part->good.n };
    const char *command = "";
    bool mended;
    if (!bad.p) die("out of memory");
    memcpy(bad.p, part->good.p, bad.n);
    damage(&bad, &mended, what, sizeof what);
    join(path, c->folder, part->name);
    write_whole(path, bad);
    const char *broken = judge_all(c, mended, &command);
    snprintf(story, sizeof story, "%s%s: %s %s", what, mended ? ", checksums mended" : "", command,
             broken ? broken : "");
    if (broken) tell(c, part, bad, story, begun);
    write_whole(path, part->good);
    free(bad.p);
    return !broken;
}

/* The same before anything is damaged. */
static void convert_good(struct checkpoint *c)
{
    char output[PATH_BYTES];
    const char *broken;
    join(output, work, "good.ingot");
    unlink(output);
    c->good = NULL;
    if (convert(c, output, &broken) == CODE_OK && ingot_open(output, 0, &c->good, NULL) != INGOT_OK) die(output);
    for (size_t i = 0; i < c->n_parts; i++) {
        const struct part *part = &c->parts[i];
        const char *dot = strrchr(part->name, '.');
        c->checked = c->checked || (part->good.n > 4 && memcmp(part->good.p, "PK\3\4", 4) == 0) ||
                     (dot && strcmp(dot, ".index") == 0);
    }
}

static void copy_checkpoint(struct checkpoint *c, const char *path)
{
    struct stat st;
    memset(c, 0, sizeof *c);
    join(c->folder, work, "checkpoint");
    if (mkdir(c->folder, 0700) || stat(path, &st)) die(path);
    if (S_ISDIR(st.st_mode)) {
        copy_directory(c, path);
        memcpy(c->path, c->folder, sizeof c->path);
    } else {
        char folder[PATH_BYTES];
        const char *name = path_base(path);
        snprintf(folder, sizeof folder, "%.*s.", (int)(name - path), path);
        copy_file(c, folder, name);
        join(c->path, c->folder, c->parts[0].name);
    }
}

static void free_checkpoint(struct checkpoint *c)
{
    ingot_close(c->good);
    for (size_t i = 0; i < c->n_parts; i++) free(c->parts[i].good.p);
    nftw(c->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* The checkpoint by the last part of its path, and its first tensor. */
static void name_things(struct checkpoint *c, const char *path)
{
    struct ingot_source *src;
    const char *end = path + strlen(path), *begin;
    while (end > path + 1 && end[-1] == '/') end--;
    for (begin = end; begin > path && begin[-1] != '/';) begin--;
    snprintf(c->name, sizeof c->name, "%.*s", (int)(end - begin), begin);
    if (ingot_source_open(c->path, &src, NULL) != INGOT_OK) return;
    if (ingot_source_count(src) > 0) snprintf(c->tensor, sizeof c->tensor, "%s", ingot_source_at(src, 0).name);
    ingot_source_close(src);
}

static bool run_checkpoint(const char *path, uint64_t n_cases, time_t until)
{
    static struct checkpoint c;
    uint64_t n = 0, n_bad = 0;
    copy_checkpoint(&c, path);
    name_things(&c, path);
    convert_good(&c);
    for (; until ? time(NULL) < until : n < n_cases; n++) n_bad += !try_one(&c);
    printf("# %" PRIu64 " cases, %" PRIu64 " break a law\n", n, n_bad);
    free_checkpoint(&c);
    return n_bad == 0;
}

/* What the options leave. Fills `all` with the paths; false when the corpus is wanted and not here. */
static bool choose(char **given, int n_given, glob_t *all)
{
    static const char *const patterns[] = { "tests/models/foreign/*/",  "tests/models/foreign/gguf/*",
                                            "tests/models/torch/*.pt",  "tests/models/gguf/*.gguf",
                                            CORPUS "torch/*.pt",        CORPUS "tensorflow/*/",
                                            CORPUS "safetensors/*.s*s", CORPUS "gpt2-tf-index",
                                            CORPUS "gpt-nano-sort",     CORPUS "nanogpt-like",
                                            CORPUS "pickle/*" };
    char pattern[PATH_BYTES];
    const char *root = getenv("INGOT_ROOT");
    bool found = true;
    for (int i = 0; i < n_given; i++) found = glob(given[i], i ? GLOB_APPEND : 0, NULL, all) == 0 && found;
    if (n_given > 0) return found;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        join(pattern, root ? root : ".", patterns[i]);
        found = glob(pattern, i ? GLOB_APPEND : 0, NULL, all) == 0 && found;
    }
    return found;
}

static int run_all(const glob_t *all, bool complete, uint64_t n_cases, uint64_t seconds)
{
    size_t n_bad = 0;
    const time_t begun = time(NULL);
    printf("1..%zu\n", all->gl_pathc + !complete);
    for (size_t i = 0; i < all->gl_pathc; i++) {
        const time_t until = begun + (time_t)(seconds * (i + 1) / all->gl_pathc);
        const bool good = run_checkpoint(all->gl_pathv[i], n_cases, seconds ? until : 0);
        printf("%s %zu - damaged %s\n", good ? "ok" : "not ok", i + 1, all->gl_pathv[i]);
        fflush(stdout);
        n_bad += !good;
    }
    if (!complete) printf("ok %zu - the corpus # SKIP it is not here\n", all->gl_pathc + 1);
    return n_bad > 0;
}

int main(int argc, char **argv)
{
    uint64_t n_cases = DEFAULT_CASES, seconds = 0;
    glob_t all = { 0 };
    int i = 1;
    for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
        uint64_t *to = !strcmp(argv[i], "--cases") ? &n_cases : !strcmp(argv[i], "--seconds") ? &seconds : &seed;
        if (!strcmp(argv[i], "--keep"))
            keep_in = argv[i + 1];
        else
            *to = strtoull(argv[i + 1], NULL, 10);
    }
    const char *base = getenv("TMPDIR");
    snprintf(work, sizeof work, "%s/damage.XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(work)) die(work);
    const bool complete = choose(argv + i, argc - i, &all);
    const int status = run_all(&all, complete, n_cases, seconds);
    globfree(&all);
    nftw(work, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return status;
}

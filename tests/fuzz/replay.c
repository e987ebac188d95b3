/*
 * replay.c - runs a fuzz target over its known inputs, without libFuzzer, as TAP.
 *
 * Linked with one tests/fuzz/fuzz_NAME.c each. Inputs: no bytes at all, every file of tests/fuzz/seeds/NAME/ and of
 * tests/fuzz/regressions/NAME/ (inputs that once crashed), and each of them cut in half. FUZZ_NAME comes from the
 * Makefile. A crash ends the program, which tests/run counts as a failure of every test that was planned.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct input {
    char name[256];
    uint8_t *data;
    size_t n;
};

static struct input inputs[4096];
static size_t n_inputs;

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

/* The bytes stand in a block of exactly their size, so that a sanitizer sees a read beyond them. */
static void add_input(const char *name, const uint8_t *data, size_t n)
{
    if (n_inputs == sizeof inputs / sizeof *inputs) return;
    struct input *in = &inputs[n_inputs++];
    snprintf(in->name, sizeof in->name, "%s", name);
    in->n = n;
    in->data = malloc(n ? n : 1);
    if (!in->data) die(name);
    if (n) memcpy(in->data, data, n);
}

static void add_file(const char *dir, const char *name)
{
    static uint8_t buffer[1 << 24];
    char path[8192];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "rb");
    if (!file) die(path);
    size_t n = fread(buffer, 1, sizeof buffer, file);
    fclose(file);
    add_input(name, buffer, n);
    snprintf(path, sizeof path, "%s, first half", name);
    add_input(path, buffer, n / 2);
}

static void add_directory(const char *kind)
{
    const char *root = getenv("INGOT_ROOT");
    char dir[4096];
    snprintf(dir, sizeof dir, "%s/tests/fuzz/%s/%s", root ? root : ".", kind, FUZZ_NAME);
    struct dirent **entries;
    int n = scandir(dir, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.') add_file(dir, entries[i]->d_name);
        free(entries[i]);
    }
    if (n >= 0) free(entries);
}

int main(void)
{
    add_input("nothing", NULL, 0);
    add_directory("seeds");
    add_directory("regressions");
    printf("1..%zu\n", n_inputs);
    for (size_t i = 0; i < n_inputs; i++) {
        LLVMFuzzerTestOneInput(inputs[i].data, inputs[i].n);
        printf("ok %zu - %s\n", i + 1, inputs[i].name);
        fflush(stdout);
        free(inputs[i].data);
    }
    return 0;
}

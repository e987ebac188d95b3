/* source_choose.c - which reader opens a path: a table, decided by content. A reader adds one line here. */
#include "convert/source_choose.h"

#include "convert/fail.h"
#include "convert/first_two.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_ADVICE 256
#define N_SHOWN    64

/* In order of the certainty of their probes; the first that claims the path opens it. */
static const struct source_reader *const readers[] = {
    &source_safetensors, &source_tensorflow, &source_torch, &source_llmc, &source_gguf,
};

/* A pipe is not opened here: only regular files have a head to read. */
static enum ingot_status look_at(const char *path, struct source_candidate *out, struct ingot_error *err)
{
    struct stat st;
    *out = (struct source_candidate){ .path = path };
    if (stat(path, &st) != 0) return ingot_fail_errno(err, path, "open");
    out->is_directory = S_ISDIR(st.st_mode);
    if (out->is_directory) return INGOT_OK;
    if (!S_ISREG(st.st_mode))
        return ingot_fail(err, INGOT_E_IO, INGOT_NO_OFFSET, path, "copy it to a regular file first",
                          "expected a directory or a regular file");
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return ingot_fail_errno(err, path, "open");
    ssize_t got = pread(fd, out->head, sizeof out->head, 0);
    enum ingot_status status = got < 0 ? ingot_fail_errno(err, path, "read") : INGOT_OK;
    close(fd);
    out->head_bytes = got < 0 ? 0 : (size_t)got;
    out->file_bytes = (uint64_t)st.st_size;
    return status;
}

/* "give model.safetensors, model.gguf, ..": what every reader of the table says that it takes. */
static const char *advise(char out[MAX_ADVICE])
{
    size_t n = (size_t)snprintf(out, MAX_ADVICE, "give");
    for (size_t i = 0; i < sizeof readers / sizeof *readers && n < MAX_ADVICE; i++)
        n += (size_t)snprintf(out + n, MAX_ADVICE - n, "%s %s", i ? "," : "", readers[i]->files);
    return out;
}

static bool probe_all(const struct source_candidate *candidate, const struct source_reader **out)
{
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (readers[i]->probe(candidate)) {
            *out = readers[i];
            return true;
        }
    return false;
}

/* -------------------------------------------------------------------------------- the one checkpoint in a directory */

/* Files in a directory that some reader claims. */
struct claimed {
    struct first_two files;
    const struct source_reader *reader; /* of the first */
};

/* What cannot be looked at is claimed by nobody. False without memory. */
static bool try_file(const char *directory, const char *name, struct claimed *found)
{
    struct source_candidate candidate;
    const struct source_reader *reader = NULL;
    if (name[0] == '.') return true;
    char *path = path_join(directory, name);
    if (!path) return false;
    bool is_file = look_at(path, &candidate, NULL) == INGOT_OK && !candidate.is_directory;
    candidate.content_only = true;
    if (is_file && probe_all(&candidate, &reader) && first_two_add(&found->files, name)) found->reader = reader;
    free(path);
    return true;
}

static enum ingot_status fail_several(const char *path, const struct first_two *found, struct ingot_error *err)
{
    char shown[2][N_SHOWN];
    for (size_t i = 0; i < 2; i++) ingot_escape(found->names[i], strlen(found->names[i]), shown[i], sizeof shown[i]);
    return ingot_fail(err, INGOT_E_SOURCE, INGOT_NO_OFFSET, path, "give the path of the one that is meant",
                      "%zu files of the directory may be checkpoints, %s and %s among them", found->n, shown[0],
                      shown[1]);
}

/* A directory that is no known checkpoint is the one file in it that is. *known says whether there is one. */
static enum ingot_status choose_inside(const char *path, struct chosen_reader *out, bool *known,
                                       struct ingot_error *err)
{
    struct claimed found = { .reader = NULL };
    bool enough_memory = true;
    DIR *d = opendir(path);
    if (!d) return ingot_fail_errno(err, path, "read");
    for (struct dirent *e; enough_memory && (e = readdir(d));) enough_memory = try_file(path, e->d_name, &found);
    closedir(d);
    if (!enough_memory) return fail_memory(err, path);
    if (found.files.n > 1) return fail_several(path, &found.files, err);
    if (found.files.n == 0) return INGOT_OK;
    *out = (struct chosen_reader){ found.reader, false, path_join(path, found.files.names[0]) };
    *known = true;
    return out->file ? INGOT_OK : fail_memory(err, path);
}

enum ingot_status source_choose(const char *path, struct chosen_reader *out, struct ingot_error *err)
{
    struct source_candidate candidate;
    char advice[MAX_ADVICE];
    *out = (struct chosen_reader){ 0 };
    enum ingot_status status = look_at(path, &candidate, err);
    if (status != INGOT_OK) return status;
    bool known = probe_all(&candidate, &out->reader);
    out->is_directory = candidate.is_directory;
    if (!known && candidate.is_directory) status = choose_inside(path, out, &known, err);
    if (status != INGOT_OK || known) return status;
    if (candidate.is_directory)
        return ingot_fail(err, INGOT_E_MISSING, INGOT_NO_OFFSET, path, advise(advice),
                          "the directory holds no checkpoint that is known");
    if (candidate.file_bytes == 0)
        return ingot_fail(err, INGOT_E_TRUNCATED, 0, path, "get another copy", "the file is empty");
    return ingot_fail(err, INGOT_E_UNSUPPORTED, 0, path, advise(advice),
                      "the content is no checkpoint format that is known");
}

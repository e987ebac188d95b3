/* conformance_files.c - writes the conformance vectors as files, for fuzzing and for other readers of the format.
 *
 *   conformance_files DIRECTORY          all of them, RULE-WHAT.ingot
 *   conformance_files NAME FILE          one of the valid ones */
#include "tests/conformance/vectors.h"

#include <stdio.h>
#include <string.h>

static int write_vector(const struct vector *vector, const char *path)
{
    uint64_t at;
    struct image *image = vector_make(vector, &at);
    FILE *out = fopen(path, "wb");
    bool good = out && fwrite(image->bytes, 1, image->n, out) == image->n;
    if (out && fclose(out) != 0) good = false;
    image_free(image);
    if (!good) perror(path);
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    char path[4096];
    int status = argc == 2 ? 0 : 2;
    for (size_t i = 0; i < n_vectors; i++) {
        const struct vector *v = &vectors[i];
        if (argc == 3 && strcmp(v->what, argv[1]) == 0 && !v->status) return write_vector(v, argv[2]);
        if (argc != 2) continue;
        snprintf(path, sizeof path, "%s/%s-%s.ingot", argv[1], v->rule, v->what);
        status |= write_vector(v, path);
    }
    if (status == 2) fprintf(stderr, "usage: conformance_files DIRECTORY | NAME FILE\n");
    return status;
}

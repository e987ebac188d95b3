/* model_fixture.c - makes, converts, opens; the temporary directory is gone before the first test looks. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/model_fixture.h"

#include "convert/ingot_convert.h"
#include "tests/conformance/decodes.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PATH_BYTES 1024

static void assert_ok(enum ingot_status status, const struct ingot_error *err)
{
    if (status) fail_msg("%s: %s: %s", ingot_status_name(status), err->subject, err->message);
}

static const char *directory_of(const char *variable, const char *otherwise)
{
    const char *value = getenv(variable);
    return value ? value : otherwise;
}

static void make_directory(char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/model-XXXXXX", directory_of("TMPDIR", "/tmp"));
    assert_non_null(mkdtemp(path));
}

const char *path_from_root(const char *name)
{
    static char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", directory_of("INGOT_ROOT", "."), name);
    return path;
}

struct model_fixture model_from_checkpoint(const char *path, enum ingot_dtype dtype, const char *cpu)
{
    struct model_fixture fixture = { 0 };
    struct ingot_error err = { 0 };
    const struct ingot_convert_options options = { .dtype = dtype };
    char directory[PATH_BYTES], file[PATH_BYTES + 16];
    make_directory(directory);
    snprintf(file, sizeof file, "%s/it.ingot", directory);
    assert_ok(ingot_convert(path, file, &options, NULL, &err), &err);
    assert_decodes(file);
    assert_ok(ingot_open(file, INGOT_OPEN_MAP, &fixture.file, &err), &err);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(directory), 0);
    assert_ok(ingot_model_open(fixture.file, cpu, &fixture.model, &err), &err);
    return fixture;
}

struct model_fixture model_from_options(const char *options, enum ingot_dtype dtype, const char *cpu)
{
    char directory[PATH_BYTES], command[4 * PATH_BYTES];
    make_directory(directory);
    snprintf(command, sizeof command, "'%s/tests/tools/random_checkpoint' '%s' %s",
             directory_of("INGOT_BUILD", "build"), directory, options);
    assert_int_equal(system(command), 0);
    const struct model_fixture fixture = model_from_checkpoint(directory, dtype, cpu);
    snprintf(command, sizeof command, "rm -r '%s'", directory);
    assert_int_equal(system(command), 0);
    return fixture;
}

struct ingot_model *model_on(const struct model_fixture *fixture, const char *cpu)
{
    struct ingot_model *model = NULL;
    const enum ingot_status status = ingot_model_open(fixture->file, cpu, &model, NULL);
    assert_true(status == INGOT_OK || status == INGOT_E_CPU);
    return model;
}

void model_fixture_close(struct model_fixture *fixture)
{
    ingot_model_close(fixture->model);
    ingot_close(fixture->file);
}

float *all_logits(const struct ingot_model *model, const struct ingot_session_options *options, const uint32_t *ids,
                  size_t n)
{
    struct ingot_error err = { 0 };
    struct ingot_session *session;
    assert_ok(ingot_session_create(model, options, &session, &err), &err);
    float *logits = malloc(n * ingot_model_hparams(model)->n_vocab * sizeof *logits);
    assert_non_null(logits);
    assert_ok(ingot_session_eval(session, ids, n, INGOT_LOGITS_ALL, logits, &err), &err);
    assert_int_equal(ingot_session_position(session), n);
    ingot_session_close(session);
    return logits;
}

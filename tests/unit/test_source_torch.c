/* PyTorch checkpoints: those of its own writer are read bit for bit, those that lie are refused where they lie. */
#include "tests/unit/checkpoint_fixture.h"
#include "tests/unit/skip.h"

#include "convert/torch.h"
#include "tests/unit/zip_fixture.h"

#include <time.h>

/* ----------------------------------------------------------------------------------------------------- what is read */

static const struct ingot_source_tensor *find(const struct ingot_source *src, const char *name)
{
    for (size_t i = 0; i < src->n_tensors; i++)
        if (strcmp(src->tensors[i].name, name) == 0) return &src->tensors[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

/* Element i as a number; the real part of a complex one. */
static double element(const struct ingot_source_tensor *t, uint64_t i)
{
    union {
        uint8_t u8;
        int8_t i8;
        int16_t i16;
        int32_t i32;
        int64_t i64;
        uint16_t u16;
        float f32;
        double f64;
        uint8_t bytes[16];
    } e = { .bytes = { 0 } };
    ingot_source_gather(t, i, 1, e.bytes);
    switch (t->scalar) {
    case INGOT_SCALAR_BOOL:
    case INGOT_SCALAR_U8:
        return e.u8;
    case INGOT_SCALAR_I8:
        return e.i8;
    case INGOT_SCALAR_I16:
        return e.i16;
    case INGOT_SCALAR_I32:
        return e.i32;
    case INGOT_SCALAR_I64:
        return (double)e.i64;
    case INGOT_SCALAR_U16:
        return e.u16;
    case INGOT_SCALAR_F16:
        return (double)ingot_f32_from_f16(e.u16);
    case INGOT_SCALAR_BF16:
        return (double)ingot_f32_from_bf16(e.u16);
    case INGOT_SCALAR_F32:
    case INGOT_SCALAR_C64:
        return (double)e.f32;
    case INGOT_SCALAR_F64:
    case INGOT_SCALAR_C128:
        return e.f64;
    default:
        fail_msg("no number: %s", t->dtype_name);
        return 0;
    }
}

/* Dtype, shape up to the first 0 (a scalar has none), and all elements, four of which make 1. */
static void is(const struct ingot_source *src, const char *name, const char *dtype, uint32_t rank,
               const uint64_t *shape, size_t n, const double *quarters)
{
    const struct ingot_source_tensor *t = find(src, name);
    uint64_t elems;
    assert_string_equal(t->dtype_name, dtype);
    assert_int_equal(t->rank, rank);
    for (uint32_t i = 0; i < rank; i++) assert_int_equal(t->shape[i], shape[i]);
    assert_true(ingot_shape_elems(t->rank, t->shape, &elems));
    assert_int_equal(elems, n);
    for (size_t i = 0; i < n; i++)
        if (element(t, i) != quarters[i] / 4) fail_msg("%s[%zu] is %g", name, i, element(t, i));
}

#define SHAPE(...)                                                                                                     \
    sizeof((uint64_t[]){ __VA_ARGS__ }) / 8, (uint64_t[])                                                              \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }
#define ELEMS(...)                                                                                                     \
    sizeof((double[]){ __VA_ARGS__ }) / 8, (double[])                                                                  \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

static struct ingot_source *open_good(const char *path)
{
    struct ingot_source *src;
    struct ingot_error err = { 0 };
    if (ingot_source_open(path, &src, &err) != INGOT_OK) fail_msg("%s: %s", path, err.message);
    assert_string_equal(ingot_source_format(src), "torch");
    return src;
}

static const char *root_path(const char *format, const char *name)
{
    static char path[512];
    const char *root = getenv("INGOT_ROOT");
    int n = snprintf(path, sizeof path, "%s/", root ? root : ".");
    snprintf(path + n, sizeof path - (size_t)n, format, name);
    return path;
}

static struct ingot_source *open_model(const char *name)
{
    return open_good(root_path("tests/models/torch/%s", name));
}

static void a_file_is_refused(const char *path, enum ingot_status status, const char *said)
{
    struct ingot_source *src;
    struct ingot_error err = { 0 };
    assert_int_equal(ingot_source_open(path, &src, &err), status);
    if (!strstr(err.message, said)) fail_msg("%s: '%s' is not in: %s", path, said, err.message);
}

/* ----------------------------------------------------------------------------------------- what PyTorch has written */

static void every_dtype_is_read_from_both_kinds_of_files(void **state)
{
    (void)state;
    static const char *const files[] = { "dtypes.pt", "dtypes-legacy.pt" };
    static const char *const floats[] = { "F64", "F32", "F16", "BF16", "C64", "C128" };
    static const char *const names[] = { "f64", "f32", "f16", "bf16", "c64", "c128" };
    static const char *const wholes[] = { "I64", "I32", "I16", "I8", "U8" };
    static const char *const whole_names[] = { "i64", "i32", "i16", "i8", "u8" };
    for (size_t k = 0; k < 2; k++) {
        struct ingot_source *src = open_model(files[k]);
        assert_int_equal(src->n_tensors, 12);
        for (size_t i = 0; i < 6; i++) is(src, names[i], floats[i], SHAPE(5), ELEMS(0, 1, 2, 3, 4));
        for (size_t i = 0; i < 5; i++) is(src, whole_names[i], wholes[i], SHAPE(5), ELEMS(0, 4, 8, 12, 16));
        is(src, "bool", "BOOL", SHAPE(5), ELEMS(0, 4, 0, 4, 0));
        ingot_source_close(src);
    }
}

static void views_are_gathered_by_their_strides(void **state)
{
    (void)state;
    static const char *const files[] = { "views.pt", "views-legacy.pt" };
    for (size_t k = 0; k < 2; k++) {
        struct ingot_source *src = open_model(files[k]);
        assert_int_equal(src->n_tensors, 9);
        is(src, "transposed", "F32", SHAPE(4, 2, 3),
           ELEMS(0, 4, 8, 12, 16, 20, 1, 5, 9, 13, 17, 21, 2, 6, 10, 14, 18, 22, 3, 7, 11, 15, 19, 23));
        is(src, "middle", "F32", SHAPE(6), ELEMS(5, 6, 7, 8, 9, 10));
        is(src, "every_third", "F32", SHAPE(8), ELEMS(1, 4, 7, 10, 13, 16, 19, 22));
        is(src, "column", "F32", SHAPE(2, 3), ELEMS(2, 6, 10, 14, 18, 22));
        is(src, "expanded", "F32", SHAPE(3, 5), ELEMS(7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7));
        is(src, "one_row", "F32", SHAPE(1, 1, 4), ELEMS(12, 13, 14, 15));
        is(src, "scalar", "F32", 0, NULL, ELEMS(9));
        assert_int_equal(find(src, "nothing")->shape[2], 0);
        assert_int_equal(find(src, "nothing")->n_bytes, 0);
        assert_true(find(src, "transposed")->strided);
        assert_false(find(src, "cube")->strided);
        assert_false(find(src, "middle")->strided);
        assert_false(find(src, "one_row")->strided);
        ingot_source_close(src);
    }
}

static void n_bytes_reaches_from_the_first_to_the_last_element(void **state)
{
    (void)state;
    struct ingot_source *src = open_model("views.pt");
    const uint64_t begin = find(src, "cube")->file_off;
    assert_int_equal(find(src, "cube")->n_bytes, 24 * 4);
    assert_int_equal(find(src, "transposed")->n_bytes, 24 * 4);
    assert_int_equal(find(src, "middle")->n_bytes, 6 * 4);
    assert_int_equal(find(src, "middle")->file_off, begin + 5 * 4);
    assert_int_equal(find(src, "every_third")->n_bytes, 22 * 4);
    assert_int_equal(find(src, "column")->n_bytes, 21 * 4);
    assert_int_equal(find(src, "expanded")->n_bytes, 4);
    assert_int_equal(find(src, "scalar")->n_bytes, 4);
    ingot_source_close(src);
}

static void views_of_one_storage_share_one_checksum(void **state)
{
    (void)state;
    struct ingot_source *src = open_model("views.pt");
    struct ingot_error err = { 0 };
    uint64_t n_bad = 1;
    assert_int_equal(ingot_source_check_count(src), 1);
    const struct ingot_source_check check = ingot_source_check_at(src, 0);
    assert_string_equal(check.name, "views/data/0");
    assert_string_equal(check.algorithm, "crc32");
    assert_int_equal(check.n_bytes, 96);
    for (size_t i = 0; i < src->n_tensors; i++) assert_int_equal(src->tensors[i].check, 0);
    assert_int_equal(ingot_source_verify(src, NULL, &n_bad, &err), INGOT_OK);
    assert_int_equal(n_bad, 0);
    ingot_source_close(src);
    src = open_model("views-legacy.pt"); /* has none */
    assert_int_equal(ingot_source_check_count(src), 0);
    assert_int_equal(find(src, "cube")->check, INGOT_NO_CHECK);
    ingot_source_close(src);
}

static void nested_containers_give_dotted_names(void **state)
{
    (void)state;
    struct ingot_source *src = open_model("parameters.pt");
    assert_int_equal(src->n_tensors, 4);
    is(src, "weight", "F32", SHAPE(2, 3), ELEMS(0, 1, 2, 3, 4, 5));
    is(src, "list.0", "F32", SHAPE(2), ELEMS(0, 1));
    is(src, "list.1.0", "F32", SHAPE(3), ELEMS(0, 1, 2));
    is(src, "list.1.1.7", "F32", SHAPE(3), ELEMS(0, 1, 2));
    ingot_source_close(src);
}

static const struct ingot_fact *fact(const struct ingot_source *src, const char *key)
{
    const struct ingot_fact *f = source_find_fact(src, key);
    if (!f) fail_msg("no fact %s", key);
    return f;
}

static void a_training_checkpoint_gives_its_tensors_and_its_facts(void **state)
{
    (void)state;
    struct ingot_source *src = open_model("nanogpt.pt");
    const struct ingot_source_tensor *head = find(src, "model._orig_mod.lm_head.weight");
    const struct ingot_source_tensor *embedding = find(src, "model._orig_mod.transformer.wte.weight");
    assert_int_equal(src->n_tensors, 10);
    assert_ptr_equal(head->data, embedding->data);
    is(src, "model._orig_mod.transformer.wte.weight", "F32", SHAPE(2, 3), ELEMS(0, 1, 2, 3, 4, 5));
    is(src, "best_val_loss", "F32", 0, NULL, ELEMS(6));
    find(src, "optimizer.state.0.exp_avg");
    assert_int_equal(fact(src, "model_args.n_head")->integer, 2);
    assert_int_equal(fact(src, "model_args.bias")->type, INGOT_FACT_BOOL);
    assert_true(fact(src, "model_args.dropout")->number == 0.25);
    assert_int_equal(fact(src, "model_args.vocab_size")->type, INGOT_FACT_NULL);
    assert_int_equal(fact(src, "iter_num")->integer, 2000);
    assert_string_equal(fact(src, "config.dataset")->text, "openwebtext");
    assert_true(fact(src, "optimizer.param_groups.0.lr")->number == 1e-3);
    assert_null(source_find_fact(src, "config.betas.0"));
    assert_null(source_find_fact(src, "config.device"));
    ingot_source_close(src);
}

static void newer_pickle_protocols_are_read_alike(void **state)
{
    (void)state;
    static const char *const files[] = { "protocol-4.pt", "protocol-4-legacy.pt" };
    for (size_t k = 0; k < 2; k++) {
        struct ingot_source *src = open_model(files[k]);
        is(src, "weight", "F32", SHAPE(2, 3), ELEMS(0, 1, 2, 3, 4, 5));
        ingot_source_close(src);
    }
}

static void other_tensors_and_whole_modules_are_refused_by_name(void **state)
{
    (void)state;
    a_file_is_refused(root_path("tests/models/torch/%s", "sparse.pt"), INGOT_E_UNSUPPORTED, "hollow: it is sparse");
    a_file_is_refused(root_path("tests/models/torch/%s", "quantised.pt"), INGOT_E_UNSUPPORTED,
                      "coarse: it is quantised");
    a_file_is_refused(root_path("tests/models/torch/%s", "module.pt"), INGOT_E_UNSUPPORTED,
                      "torch.nn.modules.linear.Linear");
}

/* ----------------------------------------------------------------------------------------------- files made by hand */

static void text(struct bytes *b, const char *s)
{
    bytes_text(b, "X");
    bytes_number(b, strlen(s), 4);
    bytes_text(b, s);
}

static void number(struct bytes *b, int64_t n)
{
    bytes_text(b, "\x8a\x08");
    bytes_number(b, (uint64_t)n, 8);
}

static void numbers(struct bytes *b, uint32_t n, const int64_t *values)
{
    bytes_text(b, "(");
    for (uint32_t i = 0; i < n; i++) number(b, values[i]);
    bytes_text(b, "t");
}

/* A tensor over a storage, every field of which may be a lie. */
struct lie {
    const char *class; /* "torch\nFloatStorage\n" unless given */
    const char *key;
    int64_t n_storage; /* elements that the pickle says */
    const char *view;  /* instructions of the sixth field; NULL: a zip's id has five */
    int64_t first;
    uint32_t rank, n_strides;
    int64_t shape[9], strides[9];
    const char *shape_as; /* instructions in place of the shape */
    const char *hooks;    /* instructions */
    const char *dtype;    /* a name, for _rebuild_tensor_v3 */
};

/* The fields that a case names stand behind these and win. */
#pragma GCC diagnostic ignored "-Woverride-init"
#define HONEST .key = "0", .n_storage = 6, .rank = 2, .n_strides = 2, .shape = { 2, 3 }, .strides = { 3, 1 }

static void tensor(struct bytes *b, const struct lie *l)
{
    bytes_text(b, l->dtype ? "ctorch._utils\n_rebuild_tensor_v3\n((" : "ctorch._utils\n_rebuild_tensor_v2\n((");
    text(b, "storage");
    bytes_text(b, "c");
    bytes_text(b, l->class ? l->class : "torch\nFloatStorage\n");
    text(b, l->key);
    text(b, "cpu");
    number(b, l->n_storage);
    if (l->view) bytes_text(b, l->view);
    bytes_text(b, "tQ");
    number(b, l->first);
    if (l->shape_as)
        bytes_text(b, l->shape_as);
    else
        numbers(b, l->rank, l->shape);
    numbers(b, l->n_strides, l->strides);
    bytes_text(b, "\x89");
    bytes_text(b, l->hooks ? l->hooks : "ccollections\nOrderedDict\n)R");
    if (l->dtype) bytes_text(b, l->dtype);
    bytes_text(b, "tR");
}

static const float six[] = { 0.F, 0.25F, 0.5F, 0.75F, 1.F, 1.25F };

/* A file in memory, opened as src_torch.c opens it, without a file. */
struct opened {
    struct ingot_source *src;
    struct input in;
    struct ingot_error err;
    enum ingot_status status;
    uint8_t *bytes;
};

static char memory_name[] = "t.pt";

static struct opened open_bytes(const struct bytes *b, size_t n)
{
    struct opened o = { .src = calloc(1, sizeof *o.src), .bytes = bytes_exact(b, n) };
    o.in = (struct input){ .path = memory_name, .base = memory_name, .map = { .bytes = o.bytes, .size = n } };
    o.src->path = strdup(memory_name);
    struct torch_file f = { .src = o.src, .in = &o.in };
    const bool zip = n >= 4 && memcmp(o.bytes, "PK\3\4", 4) == 0;
    o.status = zip ? torch_open_zip(&f, &o.err) : torch_open_legacy(&f, &o.err);
    if (o.status == INGOT_OK) o.status = torch_declare(&f, &o.err);
    torch_close(&f);
    assert_int_equal(o.status, o.err.status);
    return o;
}

static void close_bytes(struct opened *o)
{
    ingot_source_close(o->src);
    free(o->bytes);
}

/* The bytes must be refused with these words at that offset. Frees them. */
static void bytes_refused(struct bytes *b, enum ingot_status status, uint64_t at, const char *said)
{
    struct opened o = open_bytes(b, b->n);
    if (o.status != status || !strstr(o.err.message, said)) print_error("%d: %s\n", o.status, o.err.message);
    assert_int_equal(o.status, status);
    assert_non_null(strstr(o.err.message, said));
    assert_int_equal(o.err.offset, at);
    assert_string_equal(o.err.subject, "t.pt");
    close_bytes(&o);
    bytes_free(b);
}

/* A zip with this pickle and six floats in storage 0. *at is where the pickle stands. */
static struct bytes zip_of(const struct bytes *pickle, uint64_t *at)
{
    struct zip_fixture z = { 0 };
    *at = z.members[zip_add(&z, "t/data.pkl", pickle->p, pickle->n, ZIP_LATER)].data_off;
    zip_add(&z, "t/byteorder", "little", 6, ZIP_LATER);
    zip_add(&z, "t/data/0", six, sizeof six, ZIP_LATER);
    zip_finish(&z, true);
    return z.file;
}

/* {"w": tensor}; *call is where the call stands in it. */
static struct bytes pickle_of(const struct lie *l, uint64_t *call)
{
    struct bytes b = { 0 };
    bytes_text(&b, "\x80\2}");
    text(&b, "w");
    tensor(&b, l);
    *call = b.n - 1;
    bytes_text(&b, "s.");
    return b;
}

static void lie_refused(struct lie l, enum ingot_status status, const char *said)
{
    uint64_t call, at;
    struct bytes pickle = pickle_of(&l, &call), file = zip_of(&pickle, &at);
    bytes_free(&pickle);
    struct opened o = open_bytes(&file, file.n);
    if (o.status != status || !strstr(o.err.message, said)) print_error("%d: %s\n", o.status, o.err.message);
    assert_int_equal(o.status, status);
    assert_non_null(strstr(o.err.message, said));
    if (status != INGOT_OK && strstr(o.err.message, "tensor w")) assert_int_equal(o.err.offset, at + call);
    close_bytes(&o);
    bytes_free(&file);
}

static void lie_accepted(struct lie l, const char *dtype, size_t n, const double *quarters)
{
    uint64_t call, at;
    struct bytes pickle = pickle_of(&l, &call), file = zip_of(&pickle, &at);
    uint64_t shape[8];
    for (uint32_t i = 0; i < l.rank; i++) shape[i] = (uint64_t)l.shape[i];
    bytes_free(&pickle);
    struct opened o = open_bytes(&file, file.n);
    if (o.status != INGOT_OK) fail_msg("%s", o.err.message);
    is(o.src, "w", dtype, l.rank, shape, n, quarters);
    close_bytes(&o);
    bytes_free(&file);
}

static void no_view_reaches_out_of_its_storage(void **state)
{
    (void)state;
    lie_accepted((struct lie){ HONEST }, "F32", ELEMS(0, 1, 2, 3, 4, 5));
    lie_accepted((struct lie){ HONEST, .shape = { 1, 1 }, .first = 5 }, "F32", ELEMS(5));
    lie_accepted((struct lie){ HONEST, .shape = { 3, 2 }, .strides = { 1, 3 } }, "F32", ELEMS(0, 3, 1, 4, 2, 5));
    lie_refused((struct lie){ HONEST, .first = 1 }, INGOT_E_RANGE, "beyond its storage");
    lie_refused((struct lie){ HONEST, .shape = { 1, 1 }, .first = 6 }, INGOT_E_RANGE, "beyond its storage");
    lie_refused((struct lie){ HONEST, .shape = { 2, 4 } }, INGOT_E_RANGE, "beyond its storage");
    lie_refused((struct lie){ HONEST, .strides = { 4, 1 } }, INGOT_E_RANGE, "beyond its storage");
    lie_refused((struct lie){ HONEST, .strides = { INT64_MAX, 1 } }, INGOT_E_RANGE, "beyond its storage");
    lie_refused((struct lie){ HONEST, .first = INT64_MAX, .strides = { INT64_MAX, 1 } }, INGOT_E_RANGE, "beyond");
    lie_refused((struct lie){ HONEST, .shape = { 5, 1 }, .strides = { INT64_MAX, 1 } }, INGOT_E_RANGE, "beyond");
}

static void a_tensor_without_elements_reaches_nowhere(void **state)
{
    (void)state;
    lie_accepted((struct lie){ HONEST, .shape = { 0, 3 }, .first = 1000 }, "F32", 0, NULL);
    lie_refused((struct lie){ HONEST, .shape = { 0, INT64_MAX }, .rank = 3, .n_strides = 3, .shape[2] = INT64_MAX },
                INGOT_E_SHAPE, "overflows");
}

static void shapes_and_strides_are_counts_as_many_as_dimensions(void **state)
{
    (void)state;
    lie_refused((struct lie){ HONEST, .first = -1 }, INGOT_E_SOURCE, "offset");
    lie_refused((struct lie){ HONEST, .shape = { 2, -3 } }, INGOT_E_SOURCE, "shape");
    lie_refused((struct lie){ HONEST, .strides = { -3, 1 } }, INGOT_E_SOURCE, "strides");
    lie_refused((struct lie){ HONEST, .n_strides = 1 }, INGOT_E_SHAPE, "2 dimensions");
    lie_refused((struct lie){ HONEST, .rank = 9, .n_strides = 9 }, INGOT_E_LIMIT, "8 dimensions");
    lie_refused((struct lie){ HONEST, .shape = { INT64_MAX, INT64_MAX }, .strides = { 0, 0 } }, INGOT_E_SHAPE,
                "overflows");
    lie_accepted((struct lie){ HONEST, .shape_as = "ctorch\nSize\n((K\2K\3ttR" }, "F32", ELEMS(0, 1, 2, 3, 4, 5));
    lie_refused((struct lie){ HONEST, .shape_as = "ctorch\nSize\n)R" }, INGOT_E_SOURCE, "shape is no tuple");
    lie_refused((struct lie){ HONEST, .shape_as = "ctorch._utils\n_rebuild_parameter\n((K\2K\3ttR" }, INGOT_E_SOURCE,
                "shape is no tuple");
    lie_refused((struct lie){ HONEST, .shape_as = "K\2" }, INGOT_E_SOURCE, "shape is no tuple");
}

static void a_tensor_is_made_of_a_storage_and_as_many_arguments_as_its_function_has(void **state)
{
    (void)state;
    lie_accepted((struct lie){ HONEST, .hooks = "NN" }, "F32", ELEMS(0, 1, 2, 3, 4, 5)); /* metadata behind them */
    lie_refused((struct lie){ HONEST, .hooks = "NNN" }, INGOT_E_SOURCE, "8 arguments; expected 6");
    lie_refused((struct lie){ HONEST, .hooks = "0" }, INGOT_E_SOURCE, "4 arguments; expected 6");
    lie_refused((struct lie){ HONEST, .shape_as = "00NK\1(K\2K\3t" }, INGOT_E_SOURCE, "it has no storage");
    lie_refused((struct lie){ HONEST, .view = "NN" }, INGOT_E_SOURCE, "persistent object that is no storage");
    lie_refused((struct lie){ HONEST, .view = "0" }, INGOT_E_SOURCE, "persistent object that is no storage");
    lie_refused((struct lie){ HONEST, .class = "torch\nFloatStorage\n0K\1" }, INGOT_E_SOURCE, "class is no name");
}

/* Twenty bytes of a pickle could ask for terabytes. */
static void a_view_repeats_its_storage_only_so_often(void **state)
{
    (void)state;
    lie_refused((struct lie){ HONEST, .shape = { 1 << 20, 1 << 20 }, .strides = { 0, 0 } }, INGOT_E_LIMIT,
                "over a storage of 6");
    uint64_t call, at;
    struct bytes pickle = pickle_of(&(struct lie){ HONEST, .shape = { 1 << 10, 1 << 10 }, .strides = { 0, 0 } }, &call);
    struct bytes file = zip_of(&pickle, &at);
    struct opened o = open_bytes(&file, file.n);
    assert_int_equal(o.status, INGOT_OK);
    close_bytes(&o);
    bytes_free(&pickle);
    bytes_free(&file);
}

static void a_storage_is_what_the_pickle_says(void **state)
{
    (void)state;
    lie_refused((struct lie){ HONEST, .n_storage = 7 }, INGOT_E_SHAPE, "7 elements");
    lie_refused((struct lie){ HONEST, .n_storage = INT64_MAX }, INGOT_E_SHAPE, "elements");
    lie_refused((struct lie){ HONEST, .n_storage = -1 }, INGOT_E_SOURCE, "number of elements");
    lie_refused((struct lie){ HONEST, .key = "1" }, INGOT_E_MISSING, "does not hold");
    lie_refused((struct lie){ HONEST, .class = "torch\nDoubleStorage\n" }, INGOT_E_SHAPE, "8 bytes");
    lie_refused((struct lie){ HONEST, .class = "torch\nQInt8Storage\n" }, INGOT_E_UNSUPPORTED, "torch.QInt8Storage");
    lie_refused((struct lie){ HONEST, .class = "torch\nfloat32\n" }, INGOT_E_UNSUPPORTED, "torch.float32");
    lie_accepted((struct lie){ HONEST, .class = "torch\nIntStorage\n", .shape = { 1, 1 } }, "I32", ELEMS(0));
}

static void hooks_are_refused(void **state)
{
    (void)state;
    lie_accepted((struct lie){ HONEST, .hooks = "N" }, "F32", ELEMS(0, 1, 2, 3, 4, 5));
    lie_refused((struct lie){ HONEST, .hooks = "}K\1K\2s" }, INGOT_E_UNSUPPORTED, "hooks");
    lie_refused((struct lie){ HONEST, .hooks = "K\1" }, INGOT_E_UNSUPPORTED, "hooks");
}

static void a_storage_of_bytes_takes_the_dtype_of_its_tensor(void **state)
{
    (void)state;
    const struct lie l = { HONEST, .class = "torch.storage\nUntypedStorage\n", .n_storage = 24 };
    struct lie typed = l, other = l, bare = l, typed_storage = { HONEST, .dtype = "ctorch\nint32\n" };
    typed.dtype = "ctorch\nfloat32\n";
    lie_accepted(typed, "F32", ELEMS(0, 1, 2, 3, 4, 5));
    other.dtype = "ctorch\nquint8\n";
    lie_refused(other, INGOT_E_UNSUPPORTED, "torch.quint8");
    other.dtype = "ctorch\nfloat64\n";
    lie_refused(other, INGOT_E_RANGE, "storage of 3 elements");
    lie_refused(bare, INGOT_E_SOURCE, "no dtype");
    other.dtype = "K\1";
    lie_refused(other, INGOT_E_SOURCE, "dtype is no name");
    typed_storage.shape[0] = 1;
    typed_storage.shape[1] = 1;
    lie_refused(typed_storage, INGOT_E_SOURCE, "not that of its storage");
}

/* ----------------------------------------------------------------------------------------------- what stands around */

/* Refused in a zip with this pickle; `at` inside the pickle. */
static void pickle_refused(struct bytes *pickle, enum ingot_status status, uint64_t at, const char *said)
{
    uint64_t off;
    struct bytes file = zip_of(pickle, &off);
    bytes_free(pickle);
    bytes_refused(&file, status, off + at, said);
}

static void a_tensor_needs_a_name(void **state)
{
    (void)state;
    const struct lie l = { HONEST };
    struct bytes b = { 0 };
    tensor(&b, &l);
    uint64_t call = b.n - 1;
    bytes_text(&b, ".");
    pickle_refused(&b, INGOT_E_UNSUPPORTED, call, "without a name");
    static const char *const keys[] = { "N", "K\1\x85", "]" };
    for (size_t i = 0; i < 3; i++) {
        bytes_text(&b, "}");
        bytes_text(&b, keys[i]);
        tensor(&b, &l);
        call = b.n - 1;
        bytes_text(&b, "s.");
        pickle_refused(&b, INGOT_E_UNSUPPORTED, call, "neither text nor a number");
    }
    bytes_text(&b, "}");
    bytes_add(&b, "X\2\0\0\0a\0", 7);
    tensor(&b, &l);
    call = b.n - 1;
    bytes_text(&b, "s.");
    pickle_refused(&b, INGOT_E_UNSUPPORTED, call, "NUL");
}

static void keys_may_be_as_long_as_a_name_and_no_longer(void **state)
{
    (void)state;
    for (size_t n = INGOT_MAX_NAME; n <= INGOT_MAX_NAME + 1; n++) {
        struct bytes b = { 0 };
        uint64_t at;
        bytes_text(&b, "}X");
        bytes_number(&b, n, 4);
        for (size_t i = 0; i < n; i++) bytes_text(&b, "k");
        tensor(&b, &(struct lie){ HONEST });
        const uint64_t call = b.n - 1;
        bytes_text(&b, "s.");
        if (n > INGOT_MAX_NAME) {
            pickle_refused(&b, INGOT_E_UNSUPPORTED, call, "1024");
            continue;
        }
        struct bytes file = zip_of(&b, &at);
        struct opened o = open_bytes(&file, file.n);
        assert_int_equal(o.status, INGOT_OK);
        assert_int_equal(strlen(o.src->tensors[0].name), n);
        close_bytes(&o);
        bytes_free(&b);
        bytes_free(&file);
    }
}

/* 16 MiB once, then named 200,000 times. Looking through it each time would take minutes. */
static struct bytes long_key(void)
{
    struct bytes b = { 0 };
    const size_t n = 16u << 20;
    char *key = malloc(n);
    assert_non_null(key);
    memset(key, '7', n);
    bytes_text(&b, "X");
    bytes_number(&b, n, 4);
    bytes_add(&b, key, n);
    bytes_add(&b, "q\0", 2);
    free(key);
    return b;
}

static void a_long_key_is_not_looked_through_each_time(void **state)
{
    (void)state;
    struct bytes b = { 0 }, key = long_key();
    const clock_t begin = clock();
    bytes_add(&b, key.p, key.n);
    bytes_text(&b, "0}(");
    for (size_t i = 0; i < 200000; i++) bytes_add(&b, "h\0N", 3);
    bytes_text(&b, "u.");
    pickle_refused(&b, INGOT_E_SOURCE, 0, "no tensors");
    bytes_free(&key);
    assert_true(clock() - begin < 20 * CLOCKS_PER_SEC);
}

static void a_checkpoint_without_tensors_is_refused(void **state)
{
    (void)state;
    struct bytes b = { 0 };
    bytes_text(&b, "}X\1");
    bytes_number(&b, 0, 3);
    bytes_text(&b, "aK\1s.");
    pickle_refused(&b, INGOT_E_SOURCE, 0, "no tensors");
}

static void a_container_in_itself_is_refused(void **state)
{
    (void)state;
    struct bytes b = { 0 };
    bytes_add(&b, "]q\0h\0a.", 7);
    pickle_refused(&b, INGOT_E_LIMIT, 0, "in themselves");
    bytes_add(&b, "}q\0X\1\0\0\0ah\0s.", 13);
    pickle_refused(&b, INGOT_E_LIMIT, 0, "in themselves");
}

/* Each of 60 lists holds the one before twice: 2^60 items. */
static void containers_that_double_are_refused(void **state)
{
    (void)state;
    struct bytes b = { 0 };
    bytes_text(&b, "]q");
    bytes_number(&b, 0, 1);
    for (uint64_t i = 1; i <= 60; i++) {
        bytes_text(&b, "0](h");
        bytes_number(&b, i - 1, 1);
        bytes_text(&b, "h");
        bytes_number(&b, i - 1, 1);
        bytes_text(&b, "eq");
        bytes_number(&b, i, 1);
    }
    bytes_text(&b, ".");
    uint64_t at;
    struct bytes file = zip_of(&b, &at);
    struct opened o = open_bytes(&file, file.n);
    assert_int_equal(o.status, INGOT_E_LIMIT);
    assert_non_null(strstr(o.err.message, "unfold"));
    close_bytes(&o);
    bytes_free(&b);
    bytes_free(&file);
}

static void tables_and_lists_of_scalars_are_no_facts(void **state)
{
    (void)state;
    struct bytes b = { 0 };
    uint64_t at;
    bytes_text(&b, "}(");
    text(&b, "w");
    tensor(&b, &(struct lie){ HONEST });
    text(&b, "table");
    bytes_text(&b, "}(");
    for (uint64_t i = 0; i < 2000; i++) {
        number(&b, (int64_t)i);
        bytes_text(&b, "K\1");
    }
    bytes_text(&b, "u");
    text(&b, "list");
    bytes_text(&b, "](K\1K\2e");
    text(&b, "small");
    bytes_text(&b, "}K\1K\2su.");
    struct bytes file = zip_of(&b, &at);
    struct opened o = open_bytes(&file, file.n);
    assert_int_equal(o.status, INGOT_OK);
    assert_int_equal(o.src->n_facts, 1);
    assert_int_equal(fact(o.src, "small.1")->integer, 2);
    close_bytes(&o);
    bytes_free(&b);
    bytes_free(&file);
}

static void the_pickle_of_a_zip_is_intact_and_alone(void **state)
{
    (void)state;
    uint64_t call, at;
    struct bytes pickle = pickle_of(&(struct lie){ HONEST }, &call), file = zip_of(&pickle, &at);
    file.p[at + 8] ^= 1;
    bytes_refused(&file, INGOT_E_DIGEST, at, "data.pkl has CRC-32");
    const uint64_t n = pickle.n;
    bytes_text(&pickle, "x");
    pickle_refused(&pickle, INGOT_E_SOURCE, n, "1 byte behind");
}

static void zips_that_are_something_else_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *name, *data;
        enum ingot_status status;
        const char *said;
    } cases[] = { { "t/byteorder", "big", INGOT_E_UNSUPPORTED, "byte order" },
                  { "t/constants.pkl", "", INGOT_E_UNSUPPORTED, "TorchScript" },
                  { "u/data.pkl", "", INGOT_E_SOURCE, "more than one data.pkl" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t call;
        struct zip_fixture z = { 0 };
        struct bytes pickle = pickle_of(&(struct lie){ HONEST }, &call);
        zip_add(&z, "t/data.pkl", pickle.p, pickle.n, 0);
        zip_add(&z, "t/data/0", six, sizeof six, 0);
        const size_t k = zip_add(&z, cases[i].name, cases[i].data, strlen(cases[i].data), 0);
        zip_finish(&z, false);
        bytes_refused(&z.file, cases[i].status, i == 0 ? z.members[k].data_off : 0, cases[i].said);
        bytes_free(&pickle);
    }
    struct zip_fixture z = { 0 };
    zip_add(&z, "weights.npy", "1", 1, 0);
    zip_finish(&z, false);
    bytes_refused(&z.file, INGOT_E_UNSUPPORTED, 0, "without data.pkl");
}

/* ----------------------------------------------------------------------------------------------------- legacy files */

#define MAGIC   "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
#define VERSION "\x80\2M\xe9\3."

struct legacy {
    const char *magic, *version;
    bool big, no_list; /* no_list: the keys are a tuple */
    const char *keys[3];
    uint64_t counts[3];
    uint64_t main_at, keys_at, storages_at;
};

static struct bytes legacy_of(struct legacy *l, const struct lie *tensors, size_t n)
{
    static const char *const names[] = { "a", "b", "c" };
    struct bytes b = { 0 };
    bytes_add(&b, l->magic ? l->magic : MAGIC, 15);
    bytes_add(&b, l->version ? l->version : VERSION, 6);
    bytes_text(&b, "}(");
    text(&b, "protocol_version");
    bytes_text(&b, "M\xe9\3");
    text(&b, "little_endian");
    bytes_text(&b, l->big ? "\x89u." : "\x88u.");
    l->main_at = b.n;
    bytes_text(&b, "}(");
    for (size_t i = 0; i < n; i++) {
        text(&b, names[i]);
        tensor(&b, &tensors[i]);
    }
    bytes_text(&b, "u.");
    l->keys_at = b.n;
    bytes_text(&b, l->no_list ? "(" : "](");
    for (size_t i = 0; i < 3 && l->keys[i]; i++) text(&b, l->keys[i]);
    bytes_text(&b, l->no_list ? "t." : "e.");
    l->storages_at = b.n;
    for (size_t i = 0; i < 3 && l->keys[i]; i++) {
        bytes_number(&b, l->counts[i], 8);
        bytes_add(&b, six, l->counts[i] < 6 ? l->counts[i] * 4 : 24);
    }
    return b;
}

#define LEGACY HONEST, .view = "N"

static void legacy_storages_follow_in_the_order_of_their_list(void **state)
{
    (void)state;
    const struct lie tensors[] = { { LEGACY },
                                   { LEGACY, .key = "1", .n_storage = 2, .shape = { 1, 2 } },
                                   { LEGACY, .first = 3, .shape = { 1, 3 } } };
    struct legacy l = { .keys = { "1", "0" }, .counts = { 2, 6 } };
    struct bytes b = legacy_of(&l, tensors, 3);
    struct opened o = open_bytes(&b, b.n);
    if (o.status != INGOT_OK) fail_msg("%s", o.err.message);
    is(o.src, "a", "F32", SHAPE(2, 3), ELEMS(0, 1, 2, 3, 4, 5));
    is(o.src, "b", "F32", SHAPE(1, 2), ELEMS(0, 1));
    is(o.src, "c", "F32", SHAPE(1, 3), ELEMS(3, 4, 5));
    assert_int_equal(find(o.src, "b")->file_off, l.storages_at + 8);
    close_bytes(&o);
    for (size_t n = 0; n < b.n; n++) {
        o = open_bytes(&b, n);
        assert_true(o.status == INGOT_E_TRUNCATED || (n == 0 && o.status == INGOT_E_SOURCE) ||
                    (n == 15 && o.status == INGOT_E_TRUNCATED));
        close_bytes(&o);
    }
    bytes_free(&b);
}

/* PyTorch 0.1 to 0.3: (key of the view, first element, elements). */
static void a_legacy_storage_may_be_a_view_of_another(void **state)
{
    (void)state;
    struct lie t = { LEGACY, .view = "Vk\nK\2K\3\x87", .rank = 1, .n_strides = 1, .shape = { 2 }, .strides = { 1 } };
    struct legacy l = { .keys = { "0" }, .counts = { 6 } };
    t.first = 1;
    struct bytes b = legacy_of(&l, &t, 1);
    struct opened o = open_bytes(&b, b.n);
    if (o.status != INGOT_OK) fail_msg("%s", o.err.message);
    is(o.src, "a", "F32", SHAPE(2), ELEMS(3, 4));
    close_bytes(&o);
    bytes_free(&b);
    t.first = 2;
    b = legacy_of(&l, &t, 1);
    o = open_bytes(&b, b.n);
    assert_int_equal(o.status, INGOT_E_RANGE);
    close_bytes(&o);
    bytes_free(&b);
    t.view = "Vk\nK\4K\3\x87";
    b = legacy_of(&l, &t, 1);
    o = open_bytes(&b, b.n);
    assert_int_equal(o.status, INGOT_E_SOURCE);
    assert_non_null(strstr(o.err.message, "view of a storage"));
    close_bytes(&o);
    bytes_free(&b);
}

static void legacy_refused(struct legacy l, struct lie *tensors, size_t n, enum ingot_status status, int where,
                           const char *said)
{
    struct bytes b = legacy_of(&l, tensors, n);
    const uint64_t at[] = { 0, 15, 21, l.main_at, l.keys_at, l.storages_at, b.n };
    bytes_refused(&b, status, at[where], said);
}

static void legacy_files_that_lie_are_refused(void **state)
{
    (void)state;
    struct lie t[] = { { LEGACY }, { LEGACY } };
    const struct legacy good = { .keys = { "0" }, .counts = { 6 } };
    struct legacy l = good;
    l.magic = "\x80\2\x8a\x0a\x6d\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    legacy_refused(l, t, 1, INGOT_E_SOURCE, 0, "magic number is missing");
    struct bytes nine = { 0 }; /* a byte less, and nothing behind it */
    bytes_add(&nine, "\x80\2\x8a\x09\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50.", 14);
    bytes_refused(&nine, INGOT_E_SOURCE, 0, "magic number is missing");
    l = good;
    l.version = "\x80\2M\xea\3.";
    legacy_refused(l, t, 1, INGOT_E_UNSUPPORTED, 1, "1001");
    l = good;
    l.big = true;
    legacy_refused(l, t, 1, INGOT_E_UNSUPPORTED, 2, "little-endian");
    l = (struct legacy){ .keys = { "0", "0" }, .counts = { 6, 6 } };
    struct bytes b = legacy_of(&l, t, 1);
    bytes_refused(&b, INGOT_E_SOURCE, l.storages_at + 32, "listed twice");
    l = good;
    l.no_list = true;
    legacy_refused(l, t, 1, INGOT_E_SOURCE, 4, "no list");
    l = (struct legacy){ .keys = { "1" }, .counts = { 6 } };
    legacy_refused(l, t, 1, INGOT_E_SOURCE, 5, "does not name");
    l = (struct legacy){ .keys = { NULL } };
    legacy_refused(l, t, 1, INGOT_E_SOURCE, 4, "not in the list");
    l = (struct legacy){ .keys = { "0" }, .counts = { 5 } };
    legacy_refused(l, t, 1, INGOT_E_SOURCE, 5, "another number");
    t[1].class = "torch\nHalfStorage\n";
    legacy_refused(good, t, 2, INGOT_E_SOURCE, 3, "differ");
    t[1] = (struct lie){ LEGACY, .n_storage = 5 };
    legacy_refused(good, t, 2, INGOT_E_SOURCE, 3, "differ");
    l = good;
    b = legacy_of(&l, t, 1);
    const uint64_t n = b.n;
    bytes_text(&b, "x");
    bytes_refused(&b, INGOT_E_SOURCE, n, "behind the last storage");
    t[0].n_storage = INT64_MAX;
    l.counts[0] = INT64_MAX;
    legacy_refused(l, t, 1, INGOT_E_TRUNCATED, 6, "cut off");
}

static void the_key_of_a_storage_is_short(void **state)
{
    (void)state;
    char key[257];
    struct lie t[] = { { LEGACY, .key = key } };
    struct legacy l = { .keys = { key }, .counts = { 6 } };
    memset(key, '7', 255);
    key[255] = '\0';
    struct bytes b = legacy_of(&l, t, 1);
    struct opened o = open_bytes(&b, b.n);
    assert_int_equal(o.status, INGOT_OK);
    close_bytes(&o);
    bytes_free(&b);
    strcpy(key + 255, "7");
    b = legacy_of(&l, t, 1);
    o = open_bytes(&b, b.n);
    assert_int_equal(o.status, INGOT_E_LIMIT);
    assert_non_null(strstr(o.err.message, "255 bytes"));
    close_bytes(&o);
    bytes_free(&b);
}

static void what_is_no_pickle_is_refused_by_what_it_is(void **state)
{
    (void)state;
    struct bytes b = { 0 };
    bytes_text(&b, "\x89PNG\r\n");
    bytes_refused(&b, INGOT_E_SOURCE, 0, "neither a zip file nor a pickle");
    for (size_t i = 0; i < 257; i++) bytes_text(&b, "s");
    bytes_text(&b, "ustar ");
    bytes_refused(&b, INGOT_E_UNSUPPORTED, 257, "tar file");
    bytes_text(&b, "N.");
    bytes_refused(&b, INGOT_E_SOURCE, 0, "magic number");
    bytes_text(&b, "N.cposix\nsystem\n)R.");
    bytes_refused(&b, INGOT_E_UNSUPPORTED, 17, "posix.system");
}

/* ----------------------------------------------------------------------------------------------------------
 * directories */

static void write_zip(const char *dir, const char *file, const char *key)
{
    struct bytes b = { 0 };
    uint64_t at;
    bytes_text(&b, "}");
    text(&b, key);
    tensor(&b, &(struct lie){ HONEST });
    bytes_text(&b, "s.");
    struct bytes zip = zip_of(&b, &at);
    fixture_write(dir, file, zip.p, zip.n);
    bytes_free(&b);
    bytes_free(&zip);
}

static void a_directory_is_opened_by_the_file_in_it(void **state)
{
    (void)state;
    static const char *const files[] = { "pytorch_model.bin", "ckpt.pt", "model.pt" };
    for (size_t i = 0; i < 3; i++) {
        char *dir = fixture_directory();
        write_zip(dir, files[i], "w");
        struct ingot_source *src = open_good(dir);
        is(src, "w", "F32", SHAPE(2, 3), ELEMS(0, 1, 2, 3, 4, 5));
        assert_string_equal(find(src, "w")->file, files[i]);
        ingot_source_close(src);
        fixture_remove(dir);
    }
}

static void shards_come_together_by_their_index(void **state)
{
    (void)state;
    static const char index[] = "{\"weight_map\":{\"v\":\"pytorch_model-00001-of-00002.bin\","
                                "\"w\":\"pytorch_model-00002-of-00002.bin\"}}";
    char *dir = fixture_directory();
    write_zip(dir, "pytorch_model-00001-of-00002.bin", "v");
    write_zip(dir, "pytorch_model-00002-of-00002.bin", "w");
    fixture_write(dir, "pytorch_model.bin.index.json", index, strlen(index));
    struct ingot_source *src = open_good(dir);
    assert_int_equal(src->n_tensors, 2);
    assert_int_equal(src->n_checks, 2);
    is(src, "w", "F32", SHAPE(2, 3), ELEMS(0, 1, 2, 3, 4, 5));
    ingot_source_close(src);
    write_zip(dir, "pytorch_model-00002-of-00002.bin", "x");
    a_file_is_refused(dir, INGOT_E_SOURCE, "does not list");
    fixture_remove(dir);
}

static void a_file_is_known_by_content_or_by_name(void **state)
{
    (void)state;
    char *dir = fixture_directory();
    write_zip(dir, "weights", "w");
    ingot_source_close(open_good(fixture_path(dir, "weights")));
    static const char *const names[] = { "a.pt", "a.pth", "a.bin", "a.ckpt", "a.pkl", "a.pickle" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        fixture_write(dir, names[i], "abc", 3);
        a_file_is_refused(fixture_path(dir, names[i]), INGOT_E_SOURCE, "neither a zip file nor a pickle");
    }
    fixture_remove(dir);
}

static void one_name_for_two_tensors_is_refused(void **state)
{
    (void)state;
    struct bytes b = { 0 };
    uint64_t at;
    char *dir = fixture_directory();
    bytes_text(&b, "}(");
    for (int i = 0; i < 2; i++) {
        text(&b, "w");
        tensor(&b, &(struct lie){ HONEST });
    }
    bytes_text(&b, "u.");
    struct bytes zip = zip_of(&b, &at);
    fixture_write(dir, "a.pt", zip.p, zip.n);
    a_file_is_refused(fixture_path(dir, "a.pt"), INGOT_E_SOURCE, "two of its tensors");
    bytes_free(&b);
    bytes_free(&zip);
    fixture_remove(dir);
}

/* ---------------------------------------------------------------------------------------------- the files of others */

#define CORPUS "../shared/corpus/"

/* Values by the bytes of the members; n tensors, one of them with its shape, first and last element. */
static const struct {
    const char *file;
    size_t n;
    const char *name, *dtype;
    uint32_t rank;
    uint64_t shape[4];
    double first, last;
} real_files[] = {
    { "torch/bfloat16.pt", 1, "tensor", "BF16", 1, { 3 }, 1.5, 3.5 },
    { "torch/bool.pt", 1, "tensor", "BOOL", 1, { 5 }, 1, 0 },
    { "torch/buffers.pt", 2, "buffer1", "I32", 1, { 3 }, 1, 3 },
    { "torch/checkpoint.pt", 5, "model_state_dict.fc2.bias", "F32", 1, { 3 }, 1.4371334314346313, 0.4995947778224945 },
    { "torch/complex_structure.pt",
      6,
      "state.encoder.layer_0.weight",
      "F32",
      2,
      { 4, 3 },
      -1.19159734249115,
      -0.3319321870803833 },
    { "torch/empty.pt", 1, "tensor", "F32", 1, { 0 }, 0, 0 },
    { "torch/extreme_values.pt", 1, "tensor", "F32", 1, { 4 }, 1.0000000031710769e-30, -1.0000000150474662e+30 },
    { "torch/float16.pt", 1, "tensor", "F16", 1, { 3 }, 1.5, 3.125 },
    { "torch/float32.pt", 1, "tensor", "F32", 1, { 4 }, 1, 0 },
    { "torch/float64.pt", 1, "tensor", "F64", 1, { 3 }, 1.1, 3.3 },
    { "torch/int16.pt", 1, "tensor", "I16", 1, { 3 }, 1000, 3000 },
    { "torch/int32.pt", 1, "tensor", "I32", 1, { 3 }, 10, -30 },
    { "torch/int64.pt", 1, "tensor", "I64", 1, { 4 }, 100, 0 },
    { "torch/int8.pt", 1, "tensor", "I8", 1, { 4 }, 127, 50 },
    { "torch/large_shape.pt", 1, "tensor", "F32", 2, { 100, 100 }, 1, 3 },
    { "torch/legacy_shared_storage.pt", 3, "view2", "F32", 1, { 20 }, NAN, NAN },
    { "torch/legacy_uncloned_views.pt", 2, "tensor2", "F32", 1, { 10 }, 50, 59 },
    { "torch/legacy_with_offsets.pt", 3, "tensor2", "F32", 1, { 5 }, 2, 2.4000000953674316 },
    { "torch/mixed_types.pt", 4, "int64", "I64", 1, { 2 }, 100, 200 },
    { "torch/nested_dict.pt", 4, "layer2.bias", "F32", 1, { 4 }, -0.931602954864502, -0.07157137989997864 },
    { "torch/parameter.pt", 1, "param", "F32", 2, { 3, 3 }, 1.024911880493164, -0.8965914845466614 },
    { "torch/scalar.pt", 1, "tensor", "F32", 0, { 0 }, 42, 42 },
    { "torch/simple_legacy.pt", 3, "weight", "F32", 2, { 2, 3 }, NAN, NAN },
    { "torch/special_values.pt", 1, "tensor", "F32", 1, { 5 }, NAN, 1 },
    { "torch/state_dict.pt", 4, "running_var", "F32", 1, { 3 }, 1, 1 },
    { "torch/tensor_2d.pt", 1, "tensor", "F32", 2, { 3, 2 }, 1, 6 },
    { "torch/tensor_3d.pt", 1, "tensor", "F32", 3, { 2, 3, 4 }, 19.269149780273438, 3.3089842796325684 },
    { "torch/tensor_4d.pt", 1, "tensor", "F32", 4, { 2, 3, 2, 2 }, 0.03491166606545448, -0.7508036494255066 },
    { "torch/uint8.pt", 1, "tensor", "U8", 1, { 4 }, 0, 42 },
    { "torch/legacy-distilbert-tiny.bin", 38, "qa_outputs.weight", "F32", 2, { 2, 2 }, NAN, NAN },
    { "gpt-nano-sort/model.pt", 44, "transformer.wte.weight", "F32", 2, { 3, 48 }, NAN, NAN },
    { "nanogpt-like/ckpt.pt", 62, "model.transformer.wte.weight", "F32", 2, { 32, 16 }, NAN, NAN },
};

static void the_samples_of_others_are_read(void **state)
{
    (void)state;
    if (access(root_path(CORPUS "%s", "torch"), R_OK) != 0) SKIP("no corpus");
    for (size_t i = 0; i < sizeof real_files / sizeof *real_files; i++) {
        struct ingot_source *src = open_good(root_path(CORPUS "%s", real_files[i].file));
        const struct ingot_source_tensor *t = find(src, real_files[i].name);
        uint64_t n;
        if (src->n_tensors != real_files[i].n) fail_msg("%s has %zu tensors", real_files[i].file, src->n_tensors);
        assert_string_equal(t->dtype_name, real_files[i].dtype);
        assert_int_equal(t->rank, real_files[i].rank);
        for (uint32_t k = 0; k < t->rank; k++) assert_int_equal(t->shape[k], real_files[i].shape[k]);
        assert_true(ingot_shape_elems(t->rank, t->shape, &n));
        if (n > 0 && !isnan(real_files[i].first) && element(t, 0) != real_files[i].first)
            fail_msg("%s begins with %.17g", real_files[i].file, element(t, 0));
        if (n > 0 && !isnan(real_files[i].last) && element(t, n - 1) != real_files[i].last)
            fail_msg("%s ends with %.17g", real_files[i].file, element(t, n - 1));
        ingot_source_close(src);
    }
    a_file_is_refused(root_path(CORPUS "%s", "torch/broken.pt"), INGOT_E_SOURCE, "neither a zip file nor a pickle");
}

static void a_tied_head_shares_its_storage_in_a_real_checkpoint(void **state)
{
    (void)state;
    if (access(root_path(CORPUS "%s", "nanogpt-like"), R_OK) != 0) SKIP("no corpus");
    struct ingot_source *src = open_good(root_path(CORPUS "%s", "nanogpt-like"));
    assert_ptr_equal(find(src, "model.lm_head.weight")->data, find(src, "model.transformer.wte.weight")->data);
    assert_int_equal(fact(src, "iter_num")->integer, 2000);
    ingot_source_close(src);
}

/* Nothing is run, so that all that can be seen of it is the name of what would have been. */
static void every_hostile_pickle_of_others_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *file, *said;
    } samples[] = {
        { "bad_pytorch.pt", "neither a zip file" },
        { "benign0_v0.pkl", "magic number" },
        { "benign0_v3.pkl", "magic number" },
        { "benign0_v4.pkl", "magic number" },
        { "benign_password_protected.zip", "encrypted" },
        { "broken_model.pkl", "0x58 reaches beyond" },
        { "malicious-invalid-bytes.pkl", "os.system" },
        { "malicious0.pkl", "__builtin__.globals" },
        { "malicious1.zip", "builtins.eval" },
        { "malicious10.pkl", "__builtin__.exec" },
        { "malicious11.pkl", "os.system" },
        { "malicious12.pkl", "operator.attrgetter" },
        { "malicious13a.pkl", "pickle.loads" },
        { "malicious13b.pkl", "_pickle.loads" },
        { "malicious14.pkl", "runpy._run_code" },
        { "malicious15a.pkl", "__builtin__.getattr" },
        { "malicious15b.pkl", "bdb.Bdb" },
        { "malicious16.pkl", "pip.main" },
        { "malicious17.pkl", "torch._inductor.codecache.compile_file" },
        { "malicious18.pkl", "pydoc.pipepager" },
        { "malicious19.pkl", "functools.partial" },
        { "malicious1_0x1.zip", "encrypted" },
        { "malicious1_0x20.zip", "patch" },
        { "malicious1_0x40.zip", "encrypted" },
        { "malicious1_central_directory.zip", "calls it datap.kl" },
        { "malicious1_v0.pkl", "__builtin__.eval" },
        { "malicious1_v3.pkl", "builtins.eval" },
        { "malicious1_v4.pkl", "builtins.eval" },
        { "malicious1_wrong_ext.zip", "without data.pkl" },
        { "malicious20.pkl", "venv.create" },
        { "malicious2_v0.pkl", "posix.system" },
        { "malicious2_v3.pkl", "posix.system" },
        { "malicious2_v4.pkl", "posix.system" },
        { "malicious3.pkl", "httplib.HTTPSConnection" },
        { "malicious4.pickle", "requests.api.get" },
        { "malicious5.pickle", "aiohttp.client.ClientSession" },
        { "malicious6.pkl", "requests.api.get" },
        { "malicious7.pkl", "socket.create_connection" },
        { "malicious8.pkl", "subprocess.run" },
        { "malicious9.pkl", "sys.exit" },
        { "new_pytorch_model.bin", "without a name" },
        { "not_a_pickle.bin", "not UTF-8" },
        { "pytorch_magic_bypass.pt", "__builtin__.eval" },
        { "sys_module_override_sploit.pkl", "torch._utils" },
    };
    const size_t n = sizeof samples / sizeof *samples;
    if (access(root_path(CORPUS "%s", "pickle"), R_OK) != 0) SKIP("no corpus");
    assert_int_equal(fixture_count_files(root_path(CORPUS "%s", "pickle")), n + 1); /* and the licence */
    for (size_t i = 0; i < n; i++) {
        struct ingot_source *src;
        struct ingot_error err = { 0 };
        enum ingot_status status = ingot_source_open(root_path(CORPUS "pickle/%s", samples[i].file), &src, &err);
        assert_true(status >= 100 && status < 300);
        if (!strstr(err.message, samples[i].said)) fail_msg("%s: %s", samples[i].file, err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dtype_is_read_from_both_kinds_of_files),
        cmocka_unit_test(views_are_gathered_by_their_strides),
        cmocka_unit_test(n_bytes_reaches_from_the_first_to_the_last_element),
        cmocka_unit_test(views_of_one_storage_share_one_checksum),
        cmocka_unit_test(nested_containers_give_dotted_names),
        cmocka_unit_test(a_training_checkpoint_gives_its_tensors_and_its_facts),
        cmocka_unit_test(newer_pickle_protocols_are_read_alike),
        cmocka_unit_test(other_tensors_and_whole_modules_are_refused_by_name),
        cmocka_unit_test(no_view_reaches_out_of_its_storage),
        cmocka_unit_test(a_tensor_without_elements_reaches_nowhere),
        cmocka_unit_test(shapes_and_strides_are_counts_as_many_as_dimensions),
        cmocka_unit_test(a_tensor_is_made_of_a_storage_and_as_many_arguments_as_its_function_has),
        cmocka_unit_test(a_view_repeats_its_storage_only_so_often),
        cmocka_unit_test(a_storage_is_what_the_pickle_says),
        cmocka_unit_test(hooks_are_refused),
        cmocka_unit_test(a_storage_of_bytes_takes_the_dtype_of_its_tensor),
        cmocka_unit_test(a_tensor_needs_a_name),
        cmocka_unit_test(keys_may_be_as_long_as_a_name_and_no_longer),
        cmocka_unit_test(a_long_key_is_not_looked_through_each_time),
        cmocka_unit_test(a_checkpoint_without_tensors_is_refused),
        cmocka_unit_test(a_container_in_itself_is_refused),
        cmocka_unit_test(containers_that_double_are_refused),
        cmocka_unit_test(tables_and_lists_of_scalars_are_no_facts),
        cmocka_unit_test(the_pickle_of_a_zip_is_intact_and_alone),
        cmocka_unit_test(zips_that_are_something_else_are_refused_by_name),
        cmocka_unit_test(legacy_storages_follow_in_the_order_of_their_list),
        cmocka_unit_test(a_legacy_storage_may_be_a_view_of_another),
        cmocka_unit_test(legacy_files_that_lie_are_refused),
        cmocka_unit_test(the_key_of_a_storage_is_short),
        cmocka_unit_test(what_is_no_pickle_is_refused_by_what_it_is),
        cmocka_unit_test(a_directory_is_opened_by_the_file_in_it),
        cmocka_unit_test(shards_come_together_by_their_index),
        cmocka_unit_test(a_file_is_known_by_content_or_by_name),
        cmocka_unit_test(one_name_for_two_tensors_is_refused),
        cmocka_unit_test(the_samples_of_others_are_read),
        cmocka_unit_test(a_tied_head_shares_its_storage_in_a_real_checkpoint),
        cmocka_unit_test(every_hostile_pickle_of_others_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

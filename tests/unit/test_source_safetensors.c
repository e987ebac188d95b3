/* The safetensors header: every way to lie about it ends in the right status at the right offset. */
#include "tests/unit/checkpoint_fixture.h"

#include "convert/safetensors.h"

/* A file in memory: length, header, n_data zero bytes. */
struct image {
    uint8_t *bytes;
    uint64_t size;
};

static struct image image_of(const char *header, size_t n_data)
{
    uint64_t n = strlen(header);
    struct image im = { calloc(1, 8 + n + n_data + 1), 8 + n + n_data };
    memcpy(im.bytes, &n, 8);
    memcpy(im.bytes + 8, header, n);
    return im;
}

static enum ingot_status parse(struct image im, size_t *n, struct ingot_error *err)
{
    struct name_pool names = { 0 };
    struct safetensors_file f;
    *err = (struct ingot_error){ 0 };
    enum ingot_status status = safetensors_parse(im.bytes, im.size, "t.safetensors", "t.safetensors", &names, &f, err);
    *n = f.n_tensors;
    name_pool_free(&names);
    safetensors_free(&f);
    return status;
}

/* `at` is the text in the header where the error must point, or NULL for `off`. */
static void expect(const char *header, size_t n_data, enum ingot_status status, const char *at, uint64_t off)
{
    struct ingot_error err;
    size_t n;
    struct image im = image_of(header, n_data);
    uint64_t expected = at ? 8 + (uint64_t)(strstr(header, at) - header) : off;
    assert_int_equal(parse(im, &n, &err), status);
    assert_int_equal(err.status, status);
    assert_int_equal(err.offset, expected);
    if (status != INGOT_OK) assert_string_equal(err.subject, "t.safetensors");
    free(im.bytes);
}

#define T(name, dtype, shape, begin, end)                                                                              \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

static void an_empty_object_is_a_file_without_tensors(void **state)
{
    (void)state;
    struct ingot_error err;
    size_t n = 1;
    struct image im = image_of("{}      ", 0);
    assert_int_equal(parse(im, &n, &err), INGOT_OK);
    assert_int_equal(n, 0);
    free(im.bytes);
}

static void a_file_shorter_than_the_length_is_truncated(void **state)
{
    (void)state;
    for (uint64_t size = 0; size < 8; size++) {
        struct ingot_error err;
        size_t n;
        struct image im = { calloc(1, 8), size };
        assert_int_equal(parse(im, &n, &err), INGOT_E_TRUNCATED);
        assert_int_equal(err.offset, size);
        free(im.bytes);
    }
}

static void a_header_longer_than_the_file_is_truncated(void **state)
{
    (void)state;
    struct ingot_error err;
    size_t n;
    struct image im = image_of("{}", 0);
    im.bytes[0] = 3;
    assert_int_equal(parse(im, &n, &err), INGOT_E_TRUNCATED);
    assert_int_equal(err.offset, 0);
    memset(im.bytes, 0xFF, 8);
    assert_int_equal(parse(im, &n, &err), INGOT_E_LIMIT);
    assert_int_equal(err.offset, 0);
    free(im.bytes);
}

static void every_prefix_of_a_file_is_refused(void **state)
{
    (void)state;
    struct ingot_error err;
    size_t n;
    struct image im = image_of("{" T("a", "F32", "[2]", "0", "8") "," T("b", "U8", "[3]", "8", "11") "}", 11);
    assert_int_equal(parse(im, &n, &err), INGOT_OK);
    assert_int_equal(n, 2);
    for (uint64_t size = im.size; size-- > 0;) {
        uint8_t *exact = malloc(size + 1); /* the sanitizer sees a read beyond the prefix */
        memcpy(exact, im.bytes, size);
        uint8_t *tight = realloc(exact, size ? size : 1);
        assert_int_not_equal(parse((struct image){ tight, size }, &n, &err), INGOT_OK);
        free(tight);
    }
    free(im.bytes);
}

static void what_is_not_json_is_refused_where_it_stops_being_json(void **state)
{
    (void)state;
    expect("[]", 0, INGOT_E_SOURCE, "[]", 0);
    expect("", 0, INGOT_E_SOURCE, NULL, 8);
    expect("{", 0, INGOT_E_SOURCE, NULL, 9);
    expect("{}x", 0, INGOT_E_SOURCE, "x", 0);
    expect("{\"a\"}", 0, INGOT_E_SOURCE, "}", 0);
    expect("{\"a\":}", 0, INGOT_E_SOURCE, "}", 0);
    expect("{\"a\":{", 0, INGOT_E_SOURCE, NULL, 13);
    expect("{\"a\":\"", 0, INGOT_E_SOURCE, NULL, 13);
    expect("{\"a\":{},@", 0, INGOT_E_SOURCE, "{},", 0);
    expect("{" T("a", "U8", "[]", "0", "1") " ~", 1, INGOT_E_SOURCE, "~", 0);
    expect("{" T("a", "U8", "[]", "0", "1") ",~", 1, INGOT_E_SOURCE, "~", 0);
}

static void a_description_has_its_three_fields_of_the_right_types(void **state)
{
    (void)state;
    expect("{\"a\":1}", 0, INGOT_E_SOURCE, "1", 0);
    expect("{\"a\":{\"dtype\":\"U8\",\"shape\":[]}}", 1, INGOT_E_SOURCE, "{\"dtype", 0);
    expect("{\"a\":{\"dtype\":8,\"shape\":[],\"data_offsets\":[0,1]}}", 1, INGOT_E_SOURCE, "{\"dtype", 0);
    expect("{\"a\":{\"dtype\":\"U8\",\"shape\":1,\"data_offsets\":[0,1]}}", 1, INGOT_E_SOURCE, "{\"dtype", 0);
    expect("{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1],\"x\":0}}", 1, INGOT_E_SOURCE, "{\"dtype", 0);
    expect("{" T("a", "U8", "[1.0]", "0", "1") "}", 1, INGOT_E_SOURCE, "{\"dtype", 0);
    expect("{" T("a", "U8", "[-1]", "0", "1") "}", 1, INGOT_E_SOURCE, "{\"dtype", 0);
    expect("{" T("a", "U8", "[1]", "-1", "0") "}", 1, INGOT_E_SOURCE, "{\"dtype", 0);
    expect("{" T("a", "U8", "[1]", "0", "true") "}", 1, INGOT_E_SOURCE, "{\"dtype", 0);
    expect("{\"__metadata__\":[]}", 0, INGOT_E_SOURCE, "[]", 0);
}

static void a_number_beyond_64_bits_is_bad_json(void **state)
{
    (void)state;
    struct ingot_error err;
    size_t n;
    struct image im = image_of("{" T("a", "U8", "[1]", "0", "99999999999999999999") "}", 1);
    assert_int_equal(parse(im, &n, &err), INGOT_E_SOURCE);
    free(im.bytes);
}

static void a_span_lies_inside_the_file_and_has_the_size_of_its_shape(void **state)
{
    (void)state;
    expect("{" T("a", "F32", "[1]", "0", "4") "}", 4, INGOT_OK, NULL, 0);
    expect("{" T("a", "F32", "[1]", "4", "0") "}", 4, INGOT_E_RANGE, "{\"dtype", 0);
    expect("{" T("a", "F32", "[1]", "0", "4") "}", 3, INGOT_E_TRUNCATED, "{\"dtype", 0);
    expect("{" T("a", "F32", "[1]", "0", "9223372036854775807") "}", 3, INGOT_E_TRUNCATED, "{\"dtype", 0);
    expect("{" T("a", "F32", "[2]", "0", "4") "}", 4, INGOT_E_SHAPE, "{\"dtype", 0);
    expect("{" T("a", "F32", "[4294967296,4294967297]", "0", "4") "}", 4, INGOT_E_SHAPE, "{\"dtype", 0);
    expect("{" T("a", "F32", "[0,9223372036854775807,9223372036854775807]", "0", "0") "}", 0, INGOT_E_SHAPE, "{\"dtype",
           0);
    expect("{" T("a", "F4", "[3]", "0", "2") "}", 2, INGOT_E_SHAPE, "{\"dtype", 0);
    expect("{" T("a", "F4", "[4]", "0", "2") "}", 2, INGOT_OK, NULL, 0);
    expect("{" T("a", "F6_E2M3", "[4]", "0", "3") "}", 3, INGOT_OK, NULL, 0);
    expect("{" T("a", "U8", "[1,1,1,1,1,1,1,1,1]", "0", "1") "}", 1, INGOT_E_LIMIT, "{\"dtype", 0);
    expect("{" T("a", "Q4", "[1]", "0", "1") "}", 1, INGOT_E_UNSUPPORTED, "{\"dtype", 0);
}

/* What is read at a glance and what goes through jansson: the same tensors, wherever the blanks are. */
static void every_spelling_of_a_header_says_the_same(void **state)
{
    static const char *const headers[] = {
        "{\"a\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[0,12]},\"b\":{\"dtype\":\"U8\",\"shape\":[],"
        "\"data_offsets\":[12,13]}}",
        "{\"a\": {\"dtype\": \"BF16\", \"shape\": [2, 3], \"data_offsets\": [0, 12]}, \"b\": {\"dtype\": \"U8\", "
        "\"shape\": "
        "[], \"data_offsets\": [12, 13]}}",
        "{\"a\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[0,12]} , \"b\" : { \"shape\":[ "
        "],\"dtype\":\"U8\","
        "\"data_offsets\":[12 ,13]}}  ",
        "{\"\\u0061\":{\"dtype\":\"\\u0042F16\",\"shape\":[2,3],\"data_offsets\":[0,12]},\n\"b\":\t{\"dtype\":\"U8\","
        "\"shape\":[],\"data_offsets\":[12,13]\n}}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct image im = image_of(headers[i], 13);
        struct name_pool pool = { 0 };
        struct safetensors_file f;
        assert_int_equal(safetensors_parse(im.bytes, im.size, "t", "t", &pool, &f, NULL), INGOT_OK);
        const struct ingot_source_tensor *t = f.tensors;
        assert_int_equal(f.n_tensors, 2);
        assert_string_equal(t[0].name, "a");
        assert_int_equal(t[0].scalar, INGOT_SCALAR_BF16);
        assert_true(t[0].rank == 2 && t[0].shape[0] == 2 && t[0].shape[1] == 3);
        assert_string_equal(t[1].name, "b");
        assert_true(t[1].rank == 0 && t[1].n_bytes == 1 && t[1].file_off == im.size - 1);
        name_pool_free(&pool);
        safetensors_free(&f);
        free(im.bytes);
    }
}

/* What a header says, as text: the tensors, or the word of refusal. */
static void say(const char *header, size_t n, char *out, size_t room)
{
    struct image im = { calloc(1, 8 + n + 26), 8 + n + 26 };
    struct name_pool pool = { 0 };
    struct safetensors_file f;
    const uint64_t n_header = n;
    memcpy(im.bytes, &n_header, 8);
    memcpy(im.bytes + 8, header, n);
    snprintf(out, room, "refused");
    if (safetensors_parse(im.bytes, im.size, "t", "t", &pool, &f, NULL) == INGOT_OK) {
        size_t used = (size_t)snprintf(out, room, "%zu", f.n_tensors);
        for (size_t i = 0; i < f.n_tensors; i++) {
            const struct ingot_source_tensor *t = &f.tensors[i];
            used += (size_t)snprintf(out + used, room - used, "; %s %s %u %d %d at %d", t->name, t->dtype_name, t->rank,
                                     (int)t->shape[0], (int)t->shape[1], (int)(t->file_off - 8 - n));
        }
        safetensors_free(&f);
    }
    name_pool_free(&pool);
    free(im.bytes);
}

/* Each byte of a header in the usual spelling, changed into many others: it is read, or refused, as jansson does it
 * beside a line feed, which is not usual. */
static void a_header_in_the_usual_spelling_is_read_as_json_is(void **state)
{
    (void)state;
    static const char usual[] = "{" T("a", "F32", "[2, 3]", "0", "24") "," T("b", "BF16", "[1]", "24", "26") "}";
    static const char others[] = "\"{}[]:, 0129.-+eFU\\\n\xFFx";
    const size_t n = sizeof usual - 1, a = (size_t)(strstr(usual, ":{") + 2 - usual);
    const size_t b = (size_t)(strstr(strstr(usual, "\"b\""), ":{") + 2 - usual);
    for (size_t at = 1; at + 1 < n; at++)
        for (size_t k = 0; k < sizeof others; k++) {
            char changed[256], twin[256], said[256], expected[256];
            memcpy(changed, usual, n);
            changed[at] = others[k];
            memcpy(twin, changed, a);
            twin[a] = '\n';
            memcpy(twin + a + 1, changed + a, b - a);
            twin[b + 1] = '\n';
            memcpy(twin + b + 2, changed + b, n - b);
            say(changed, n, said, sizeof said);
            say(twin, n + 2, expected, sizeof expected);
            if (strcmp(said, expected) != 0) fail_msg("%.*s: %s, not %s", (int)n, changed, said, expected);
        }
}

static void tensors_neither_overlap_nor_leave_holes(void **state)
{
    (void)state;
    const uint64_t header = sizeof("{" T("a", "U8", "[2]", "0", "2") "," T("b", "U8", "[2]", "2", "4") "}") - 1 + 8;
    expect("{" T("a", "U8", "[2]", "0", "2") "," T("b", "U8", "[2]", "2", "4") "}", 4, INGOT_OK, NULL, 0);
    expect("{" T("b", "U8", "[2]", "2", "4") "," T("a", "U8", "[2]", "0", "2") "}", 4, INGOT_OK, NULL, 0);
    expect("{" T("a", "U8", "[2]", "0", "2") "," T("b", "U8", "[2]", "1", "3") "}", 3, INGOT_E_OVERLAP, NULL,
           header + 1);
    expect("{" T("a", "U8", "[2]", "0", "2") "," T("b", "U8", "[2]", "0", "2") "}", 2, INGOT_E_OVERLAP, NULL, header);
    expect("{" T("a", "U8", "[2]", "0", "2") "," T("b", "U8", "[2]", "3", "5") "}", 5, INGOT_E_SOURCE, NULL,
           header + 2);
    expect("{" T("a", "U8", "[2]", "1", "3") "," T("b", "U8", "[2]", "3", "5") "}", 5, INGOT_E_SOURCE, NULL, header);
    expect("{" T("a", "U8", "[2]", "0", "2") "," T("b", "U8", "[2]", "2", "4") "}", 5, INGOT_E_SOURCE, NULL,
           header + 4);
    expect("{" T("a", "U8", "[2]", "0", "2") "," T("b", "U8", "[0]", "1", "1") "}", 2, INGOT_E_OVERLAP, NULL,
           header + 1);
}

static void an_empty_tensor_between_two_others_is_fine(void **state)
{
    (void)state;
    expect("{" T("b", "U8", "[2]", "2", "4") "," T("e", "F32", "[0,7]", "2", "2") "," T("a", "U8", "[2]", "0", "2") "}",
           4, INGOT_OK, NULL, 0);
}

static void a_name_is_not_too_long_and_holds_no_nul(void **state)
{
    (void)state;
    char name[INGOT_MAX_NAME + 2], header[INGOT_MAX_NAME + 128];
    for (size_t extra = 0; extra < 2; extra++) {
        struct ingot_error err;
        size_t n;
        memset(name, 'n', sizeof name);
        name[INGOT_MAX_NAME + extra] = '\0';
        snprintf(header, sizeof header, "{\"%s\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}", name);
        struct image im = image_of(header, 1);
        assert_int_equal(parse(im, &n, &err), extra ? INGOT_E_LIMIT : INGOT_OK);
        free(im.bytes);
    }
    expect("{" T("\\u0000", "U8", "[]", "0", "1") "}", 1, INGOT_E_SOURCE, NULL, 17);
}

static void a_key_given_twice_in_a_description_is_refused(void **state)
{
    (void)state;
    struct ingot_error err;
    size_t n;
    struct image im = image_of("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"I8\",\"shape\":[],\"data_offsets\":[0,1]}}", 1);
    assert_int_equal(parse(im, &n, &err), INGOT_E_SOURCE);
    free(im.bytes);
}

static void every_dtype_of_the_format_is_listed_by_its_name(void **state)
{
    (void)state;
    static const char *const names[] = { "BOOL", "U8",  "I8",  "U16", "I16",     "F16",     "BF16",    "U32", "I32",
                                         "F32",  "U64", "I64", "F64", "F8_E4M3", "F8_E5M2", "F8_E8M0", "C64" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct name_pool pool = { 0 };
        struct safetensors_file f;
        struct ingot_error err = { 0 };
        size_t elem = fixture_dtype_size(names[i]);
        if (strncmp(names[i], "F8", 2) == 0) elem = 1;
        char header[128];
        snprintf(header, sizeof header, "{\"a\":{\"dtype\":\"%s\",\"shape\":[3],\"data_offsets\":[0,%zu]}}", names[i],
                 3 * elem);
        struct image im = image_of(header, 3 * elem);
        assert_int_equal(safetensors_parse(im.bytes, im.size, "t", "t", &pool, &f, &err), INGOT_OK);
        assert_int_equal(f.n_tensors, 1);
        assert_string_equal(f.tensors[0].dtype_name, names[i]);
        assert_int_equal(f.tensors[0].n_bytes, 3 * elem);
        name_pool_free(&pool);
        safetensors_free(&f);
        free(im.bytes);
    }
}

static void ten_thousand_tensors_come_out_in_order_of_offset(void **state)
{
    (void)state;
    enum { N = 10000 };
    char *header = NULL;
    size_t n_header;
    struct name_pool pool = { 0 };
    struct safetensors_file f;
    struct ingot_error err = { 0 };
    FILE *h = open_memstream(&header, &n_header);
    for (int i = 0; i < N; i++) {
        int at = i * 7 % N; /* scattered: 7 and N have no common factor */
        fprintf(h, "%c\"t%d\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}", i ? ',' : '{', at, at,
                at + 1);
    }
    fputs("}", h);
    fclose(h);
    struct image im = image_of(header, N);
    assert_int_equal(safetensors_parse(im.bytes, im.size, "t", "t", &pool, &f, &err), INGOT_OK);
    assert_int_equal(f.n_tensors, N);
    for (int i = 0; i < N; i++) assert_int_equal(atoi(f.tensors[i].name + 1), i);
    name_pool_free(&pool);
    safetensors_free(&f);
    free(im.bytes);
    free(header);
}

static void metadata_stands_anywhere_but_once(void **state)
{
    (void)state;
    struct name_pool pool = { 0 };
    struct safetensors_file f;
    struct image im = image_of("{" T("a", "U8", "[2]", "0", "2") ",\"__metadata__\":{\"format\":\"pt\"}}", 2);
    assert_int_equal(safetensors_parse(im.bytes, im.size, "t", "t", &pool, &f, NULL), INGOT_OK);
    assert_string_equal(json_string_value(json_object_get(f.metadata, "format")), "pt");
    name_pool_free(&pool);
    safetensors_free(&f);
    free(im.bytes);
    expect("{\"__metadata__\":{\"a\":\"1\"},\"__metadata__\" :{}}", 0, INGOT_E_SOURCE, "\"__metadata__\" ", 0);
}

/* A tree of this text would have gigabytes; quadratic time would not end. */
static void a_hostile_header_of_a_hundred_megabytes_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *begin, *repeat;
        enum ingot_status status;
    } cases[] = {
        { "{\"a\":", "[", INGOT_E_SOURCE }, { "{\"a\":[", "[],", INGOT_E_SOURCE },
        { "{\"a\":", " ", INGOT_E_SOURCE }, { "{\"", "\\u0061", INGOT_E_SOURCE },
        { "{\"a\":", "1", INGOT_E_LIMIT },  { "{\"__metadata__\":{\"a\":{}},", "\"__metadata__\":{},", INGOT_E_SOURCE },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ingot_error err;
        size_t n, begin = strlen(cases[i].begin), step = strlen(cases[i].repeat);
        uint64_t length = SAFETENSORS_MAX_HEADER;
        struct image im = { malloc(8 + length), 8 + length };
        memcpy(im.bytes, &length, 8);
        memset(im.bytes + 8, ' ', length);
        memcpy(im.bytes + 8, cases[i].begin, begin);
        uint8_t *body = im.bytes + 8 + begin;
        uint64_t n_body = (length - begin) / step * step, done = step;
        memcpy(body, cases[i].repeat, step);
        for (; done < n_body; done *= 2) memcpy(body + done, body, done < n_body - done ? done : n_body - done);
        assert_int_equal(parse(im, &n, &err), cases[i].status);
        free(im.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_object_is_a_file_without_tensors),
        cmocka_unit_test(a_file_shorter_than_the_length_is_truncated),
        cmocka_unit_test(a_header_longer_than_the_file_is_truncated),
        cmocka_unit_test(every_prefix_of_a_file_is_refused),
        cmocka_unit_test(what_is_not_json_is_refused_where_it_stops_being_json),
        cmocka_unit_test(a_description_has_its_three_fields_of_the_right_types),
        cmocka_unit_test(a_number_beyond_64_bits_is_bad_json),
        cmocka_unit_test(a_span_lies_inside_the_file_and_has_the_size_of_its_shape),
        cmocka_unit_test(every_spelling_of_a_header_says_the_same),
        cmocka_unit_test(a_header_in_the_usual_spelling_is_read_as_json_is),
        cmocka_unit_test(tensors_neither_overlap_nor_leave_holes),
        cmocka_unit_test(an_empty_tensor_between_two_others_is_fine),
        cmocka_unit_test(a_name_is_not_too_long_and_holds_no_nul),
        cmocka_unit_test(a_key_given_twice_in_a_description_is_refused),
        cmocka_unit_test(every_dtype_of_the_format_is_listed_by_its_name),
        cmocka_unit_test(metadata_stands_anywhere_but_once),
        cmocka_unit_test(ten_thousand_tensors_come_out_in_order_of_offset),
        cmocka_unit_test(a_hostile_header_of_a_hundred_megabytes_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

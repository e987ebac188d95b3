/* test_anatomy.c - the tables of fields, and the walk over images that are damaged in every byte and cut at every
 * length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "inspect/anatomy.h"
#include "inspect/fields.h"
#include "tests/conformance/vectors.h"

static void every_table_covers_its_structure_without_gap(void **state)
{
    const struct field_table *tables[] = { &superblock_fields, &index_fields, &record_fields, &model_fields,
                                           &vocabulary_fields };
    (void)state;
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        uint32_t end = 0;
        for (size_t i = 0; i < tables[t]->n; i++) {
            assert_int_equal(tables[t]->fields[i].off, end);
            end += tables[t]->fields[i].bytes;
        }
        assert_int_equal(end, tables[t]->bytes);
    }
}

static struct image *everything(void)
{
    uint64_t at;
    for (size_t i = 0; i < n_vectors; i++)
        if (!vectors[i].status && strcmp(vectors[i].what, "everything") == 0) return vector_make(&vectors[i], &at);
    return NULL;
}

/* What is told must lie in the bytes that there are. */
struct check {
    uint64_t n, told;
    const uint8_t *bytes;
};

static void check_heading(void *ctx, const char *part)
{
    (void)ctx;
    assert_true(*part != '\0');
}

static void check_line(void *ctx, const struct anatomy_line *line)
{
    struct check *c = ctx;
    volatile uint8_t sum = 0;
    c->told += line->n_here;
    assert_true(line->n_here <= line->n_bytes);
    if (line->n_here == 0) return;
    assert_true(line->off <= c->n && line->n_here <= c->n - line->off);
    assert_ptr_equal(line->bytes, c->bytes + line->off);
    sum = (uint8_t)(sum + line->bytes[line->n_here - 1]);
}

static uint64_t walk(const uint8_t *bytes, uint64_t n, uint64_t from, uint64_t to, bool full, uint64_t *told)
{
    struct check check = { .n = n, .bytes = bytes };
    struct anatomy_options how = {
        .from = from, .to = to, .full = full, .heading = check_heading, .line = check_line, .ctx = &check
    };
    uint64_t n_faults = anatomy_walk(bytes, n, &how);
    if (told) *told = check.told;
    return n_faults;
}

static void a_sound_file_has_no_fault_and_every_byte_is_told_once(void **state)
{
    struct image *image = everything();
    uint64_t told;
    (void)state;
    for (int full = 0; full < 2; full++) {
        assert_int_equal(walk(image->bytes, image->n, 0, UINT64_MAX, full, &told), 0);
        assert_true(!full || told == image->n);
    }
    image_free(image);
}

static void a_valid_vector_has_no_fault(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_vectors; i++) {
        uint64_t at;
        if (vectors[i].status) continue;
        struct image *image = vector_make(&vectors[i], &at);
        assert_int_equal(walk(image->bytes, image->n, 0, UINT64_MAX, false, NULL), 0);
        image_free(image);
    }
}

static void every_cut_has_a_fault_and_nothing_beyond_it_is_read(void **state)
{
    struct image *image = everything();
    (void)state;
    for (uint64_t n = 1; n < image->n; n += n < 10300 ? 7 : 97) {
        uint8_t *cut = malloc(n);
        memcpy(cut, image->bytes, n);
        assert_true(walk(cut, n, 0, UINT64_MAX, true, NULL) > 0);
        free(cut);
    }
    image_free(image);
}

/* Every byte of slot A and the index, to its extremes: whatever they say, nothing outside is read. */
static void no_damage_leads_outside(void **state)
{
    struct image *image = everything();
    const uint8_t values[] = { 0x00, 0x7f, 0xff };
    (void)state;
    for (uint64_t at = 0; at < 10304; at = at == 255 ? 8192 : at + 1)
        for (size_t v = 0; v < 3; v++) {
            uint8_t old = image->bytes[at], slot_b = image->bytes[4096];
            image->bytes[at] = values[v];
            image->bytes[4096] = 0; /* so that slot A is what counts, right or wrong */
            walk(image->bytes, image->n, 0, UINT64_MAX, v == 2, NULL);
            image->bytes[at] = old;
            image->bytes[4096] = slot_b;
        }
    image_free(image);
}

static void a_range_is_told_by_the_lines_that_touch_it(void **state)
{
    struct image *image = everything();
    uint64_t told;
    (void)state;
    walk(image->bytes, image->n, 8, 9, true, &told);
    assert_int_equal(told, 2); /* the read version */
    walk(image->bytes, image->n, 9, 11, true, &told);
    assert_int_equal(told, 4);
    walk(image->bytes, image->n, 8204, 8204, true, &told);
    assert_int_equal(told, 0);
    image_free(image);
}

static void sections_are_found_by_name(void **state)
{
    struct image *image = everything();
    uint64_t from, to;
    (void)state;
    assert_true(anatomy_find(image->bytes, image->n, "@model", &from, &to, NULL, NULL));
    assert_int_equal(to - from, 64);
    assert_true(anatomy_find(image->bytes, image->n, "superblock", &from, &to, NULL, NULL));
    assert_int_equal(from, 0);
    assert_int_equal(to, 8192);
    assert_true(anatomy_find(image->bytes, image->n, "index", &from, &to, NULL, NULL));
    assert_int_equal(from, 8192);
    assert_false(anatomy_find(image->bytes, image->n, "no such", &from, &to, NULL, NULL));
    image_free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_covers_its_structure_without_gap),
        cmocka_unit_test(a_sound_file_has_no_fault_and_every_byte_is_told_once),
        cmocka_unit_test(a_valid_vector_has_no_fault),
        cmocka_unit_test(every_cut_has_a_fault_and_nothing_beyond_it_is_read),
        cmocka_unit_test(no_damage_leads_outside),
        cmocka_unit_test(a_range_is_told_by_the_lines_that_touch_it),
        cmocka_unit_test(sections_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

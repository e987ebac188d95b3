/* test_regions.c - covering a file with regions, cutting it into cells, and what is in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "inspect/map_draw.h"

#define N 10000

static struct region tensor(uint64_t off, uint64_t n, const char *name, uint64_t align)
{
    return (struct region){
        .off = off, .n_bytes = n, .kind = REGION_TENSOR, .name = name, .name_len = strlen(name), .align = align
    };
}

/* "T0+10 P10+6 ..." of what covers `n_bytes` zero bytes. */
static const char *cover(struct region *owned, size_t n, uint64_t n_bytes, bool is_ingot, const uint8_t *bytes)
{
    static char text[1024];
    struct region out[64];
    size_t used = 0, n_out = regions_cover(owned, n, bytes, n_bytes, is_ingot, out);
    uint64_t end = 0;
    assert_true(n_out <= 3 * n + 1);
    *text = '\0';
    for (size_t i = 0; i < n_out; i++) {
        assert_int_equal(out[i].off, end);
        assert_true(out[i].n_bytes > 0);
        end += out[i].n_bytes;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%c%llu+%llu", i ? " " : "",
                                 region_kind_letter(out[i].kind), (unsigned long long)out[i].off,
                                 (unsigned long long)out[i].n_bytes);
        if (out[i].n_sharing) used += (size_t)snprintf(text + used, sizeof text - used, "/%u", out[i].n_sharing);
    }
    assert_int_equal(end, n_bytes);
    return text;
}

static uint8_t zeros[N];

static void gaps_are_padding_as_far_as_alignment_asks_and_dead_beyond(void **state)
{
    struct region near[] = { tensor(64, 10, "b", 64), tensor(0, 10, "a", 64) };
    struct region far[] = { tensor(0, 10, "a", 64), tensor(4096, 10, "b", 64) };
    struct region crowded[] = { tensor(0, 10, "a", 64), tensor(12, 1, "b", 64) };
    struct region free_place[] = { tensor(0, 10, "a", 0), tensor(12, 1, "b", 0) };
    (void)state;
    assert_string_equal(cover(near, 2, 74, true, zeros), "T0+10 P10+54 T64+10");
    assert_string_equal(cover(far, 2, 5000, true, zeros), "T0+10 P10+54 D64+4032 T4096+10 D4106+894");
    assert_string_equal(cover(crowded, 2, 13, true, zeros), "T0+10 P10+2 T12+1");
    assert_string_equal(cover(free_place, 2, 13, true, zeros), "T0+10 D10+2 T12+1");
    assert_string_equal(cover(NULL, 0, 7, true, zeros), "D0+7");
}

static void foreign_gaps_are_padding_when_they_are_zero(void **state)
{
    uint8_t bytes[100] = { 1 };
    struct region owned[] = { tensor(20, 10, "a", 0), tensor(40, 10, "b", 0) };
    (void)state;
    assert_string_equal(cover(owned, 2, 100, false, bytes), "H0+20 T20+10 P30+10 T40+10 P50+50");
    bytes[99] = 1;
    assert_string_equal(cover(owned, 2, 100, false, bytes), "H0+20 T20+10 P30+10 T40+10 H50+50");
    assert_string_equal(cover(NULL, 0, 100, false, bytes), "H0+100");
}

static void shared_bytes_belong_to_the_first_and_longest(void **state)
{
    struct region same[] = { tensor(0, 10, "b", 0), tensor(0, 10, "a", 0) };
    struct region inside[] = { tensor(0, 10, "a", 0), tensor(3, 4, "b", 0), tensor(0, 30, "c", 0) };
    struct region across[] = { tensor(0, 10, "a", 0), tensor(5, 10, "b", 0), tensor(12, 8, "c", 0) };
    struct region empty[] = { tensor(5, 0, "a", 0), tensor(0, 10, "b", 0) };
    (void)state;
    assert_string_equal(cover(same, 2, 10, false, zeros), "T0+10/1");
    assert_string_equal(same[0].name, "a");
    assert_string_equal(cover(inside, 3, 30, false, zeros), "T0+30/2");
    assert_string_equal(cover(across, 3, 20, false, zeros), "T0+10/1 T10+5/1 T15+5");
    assert_string_equal(cover(empty, 2, 10, false, zeros), "T0+10");
}

static void tensors_have_the_kind_of_their_canonical_name(void **state)
{
    (void)state;
    assert_int_equal(region_kind_of_tensor("wte.weight"), REGION_EMBEDDING);
    assert_int_equal(region_kind_of_tensor("h.11.ln_1.bias"), REGION_NORMS);
    assert_int_equal(region_kind_of_tensor("ln_f.weight"), REGION_NORMS);
    assert_int_equal(region_kind_of_tensor("h.0.attn.c_proj.weight"), REGION_ATTENTION);
    assert_int_equal(region_kind_of_tensor("h.0.mlp.c_proj.bias"), REGION_MLP);
    assert_int_equal(region_kind_of_tensor("lm_head.weight"), REGION_UNEMBEDDING);
    assert_int_equal(region_kind_of_tensor("x"), REGION_TENSOR);
}

static void damage_is_marked_where_it_is(void **state)
{
    struct file_map map = { .bytes = zeros, .size = 30 };
    struct region list[] = { tensor(0, 10, "a", 0), tensor(10, 10, "b", 0), tensor(20, 10, "c", 0) };
    struct region_file file = { .file = { "f", "f", &map }, .regions = list, .n = 3 };
    struct regions r = { .files = &file, .n_files = 1, .n_bytes = 30 };
    (void)state;
    regions_damage(&r, 0, 12, 3);
    assert_int_equal(list[0].damaged + list[2].damaged, 0);
    assert_int_equal(list[1].damaged, 3);
    regions_damage(&r, 0, 9, 2);
    assert_int_equal(list[0].damaged, 1);
    assert_int_equal(list[1].damaged, 4);
    regions_damage(&r, 0, 30, 100);
    assert_int_equal(list[2].damaged, 0);
    regions_damage(&r, 0, 29, 100);
    assert_int_equal(list[2].damaged, 1);
    assert_int_equal(regions_total(&r, REGION_TENSOR).damaged, 6);
    regions_damage(&r, 0, 0, 30); /* what was marked before is no more than damaged */
    assert_int_equal(regions_total(&r, REGION_TENSOR).damaged, 30);
}

static void cells_cover_the_file_and_show_what_most_of_them_is(void **state)
{
    struct file_map map = { .bytes = zeros, .size = N };
    struct region list[] = { tensor(0, 100, "a", 0), tensor(100, N - 100, "b", 0) };
    struct region_file file = { .file = { "f", "f", &map }, .regions = list, .n = 2 };
    struct map_cell cells[200];
    list[0].kind = REGION_NORMS;
    list[1].damaged = 1;
    (void)state;
    for (size_t most = 1; most <= 200; most++) {
        size_t n = map_cells(&file, true, most, cells);
        uint64_t end = 0;
        assert_true(n <= most);
        for (size_t i = 0; i < n; end += cells[i++].n_bytes) assert_int_equal(cells[i].off, end);
        assert_int_equal(end, N);
        assert_true(cells[0].n_bytes >= 64 && cells[0].resident);
        assert_int_equal(cells[0].kind, cells[0].n_bytes <= 200 ? REGION_NORMS : REGION_TENSOR);
        assert_int_equal(cells[0].damaged, cells[0].n_bytes > 100);
        assert_true(cells[n - 1].damaged);
    }
}

/* The file was just written, so all of it is in memory, whatever range is asked for. */
static void what_was_just_written_is_in_memory(void **state)
{
    const char *path = "resident";
    FILE *out = fopen(path, "wb");
    struct file_map map;
    uint64_t bytes;
    (void)state;
    assert_non_null(out);
    assert_int_equal(fwrite(zeros, 1, N, out), N);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(map_open(path, INGOT_OPEN_MAP, &map, NULL), INGOT_OK);
    const uint64_t ranges[][2] = { { 0, N }, { 0, 1 }, { 4095, 2 }, { 4096, 4096 }, { N - 1, 1 }, { 17, 0 } };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        assert_true(map_resident(&map, ranges[i][0], ranges[i][1], &bytes));
        assert_int_equal(bytes, ranges[i][1]);
    }
    map_close(&map);
    remove(path);
}

/* A copy in private memory, which nobody could read again, is left alone. */
static void what_was_read_can_be_read_again(void **state)
{
    const char *path = "again";
    static const unsigned flags[] = { INGOT_OPEN_MAP, INGOT_OPEN_READ };
    static uint8_t ones[N];
    FILE *out = fopen(path, "wb");
    struct file_map map;
    (void)state;
    memset(ones, 1, N);
    assert_non_null(out);
    assert_int_equal(fwrite(ones, 1, N, out), N);
    assert_int_equal(fclose(out), 0);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        assert_int_equal(map_open(path, flags[i], &map, NULL), INGOT_OK);
        assert_memory_equal(map.bytes, ones, N);
        map_was_read(&map, 0, N);
        map_was_read(&map, 17, N - 17);
        assert_memory_equal(map.bytes, ones, N);
        map_close(&map);
    }
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaps_are_padding_as_far_as_alignment_asks_and_dead_beyond),
        cmocka_unit_test(foreign_gaps_are_padding_when_they_are_zero),
        cmocka_unit_test(shared_bytes_belong_to_the_first_and_longest),
        cmocka_unit_test(tensors_have_the_kind_of_their_canonical_name),
        cmocka_unit_test(damage_is_marked_where_it_is),
        cmocka_unit_test(cells_cover_the_file_and_show_what_most_of_them_is),
        cmocka_unit_test(what_was_just_written_is_in_memory),
        cmocka_unit_test(what_was_read_can_be_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_diff.c - comparing: every figure against plain loops, every way in which a tensor may lie against the others,
 * and a planted difference is found where it is. */
#include "inspect/diff.h"
#include "inspect/diff_model.h"
#include "inspect/values.h"
#include "tests/unit/checkpoint_fixture.h"
#include "tests/unit/random.h"

/* ---------------------------------------------------------------------------------------------------------- figures */

/* A value as an element of a type, if it is one that the tests make. */
static void put_value(enum ingot_scalar scalar, double value, uint8_t *to)
{
    float f32 = (float)value;
    uint16_t u16 = scalar == INGOT_SCALAR_BF16 ? ingot_bf16_from_f32(f32) : ingot_f16_from_f32(f32);
    int64_t i64 = isfinite(value) ? (int64_t)fmod(value, 100) : 1;
    switch (scalar) {
    case INGOT_SCALAR_F16:
    case INGOT_SCALAR_BF16:
        memcpy(to, &u16, 2);
        break;
    case INGOT_SCALAR_F32:
        memcpy(to, &f32, 4);
        break;
    case INGOT_SCALAR_F64:
        memcpy(to, &value, 8);
        break;
    default:
        memcpy(to, &i64, ingot_scalar_info(scalar)->bytes);
        break;
    }
}

/* Numbers of every size, some of them special, many the same on both sides. */
static void fill_pair(enum ingot_scalar a, enum ingot_scalar b, size_t n, uint64_t seed, bool wild, uint8_t *to_a,
                      uint8_t *to_b)
{
    static const double special[] = { 0, -0.0, INFINITY, -INFINITY, NAN, 1, -1, 65504, 1e-7, 3e38 };
    const size_t size_a = ingot_scalar_info(a)->bytes, size_b = ingot_scalar_info(b)->bytes;
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = random_u64(&seed);
        double x = ldexp((double)(int64_t)bits, -63 + (int)(bits & 15) - 8), y = x;
        if (bits >> 8 & 1) y = x * (1 + ldexp((double)(bits >> 40), -34));
        if (wild && (bits >> 20 & 15) == 0) x = special[(bits >> 24 & 255) % 10];
        if (wild && (bits >> 28 & 15) == 0) y = special[(bits >> 32 & 15) % 10];
        if (wild && (bits >> 36 & 31) == 0) x = y = special[(bits >> 41) % 10];
        put_value(a, x, to_a + i * size_a);
        put_value(b, y, to_b + i * size_b);
    }
}

/* How many numbers of a type with p digits and this least exponent lie between 0 and v, with its sign. */
static long double place_of(double v, int p, int least)
{
    int e;
    frexp(v, &e);
    if (v == 0) return 0;
    if (fabs(v) < ldexp(1, least)) return ldexpl((long double)v, p - 1 - least);
    return copysignl((long double)(e - 1 - least), (long double)v) * ldexpl(1, p - 1) + (long double)ldexp(v, p - e);
}

static long double steps_between(enum ingot_scalar type, double a, double b)
{
    switch (type) {
    case INGOT_SCALAR_F16:
        a = (double)ingot_f32_from_f16(ingot_f16_from_f32((float)a));
        b = (double)ingot_f32_from_f16(ingot_f16_from_f32((float)b));
        return fabsl(place_of(fmax(fmin(a, 65536), -65536), 11, -14) - place_of(fmax(fmin(b, 65536), -65536), 11, -14));
    case INGOT_SCALAR_BF16:
        a = (double)ingot_f32_from_bf16(ingot_bf16_from_f32((float)a));
        b = (double)ingot_f32_from_bf16(ingot_bf16_from_f32((float)b));
        return fabsl(place_of(a, 8, -126) - place_of(b, 8, -126));
    case INGOT_SCALAR_F32:
        return fabsl(place_of((double)(float)a, 24, -126) - place_of((double)(float)b, 24, -126));
    case INGOT_SCALAR_F64:
        return fabsl(place_of(a, 53, -1022) - place_of(b, 53, -1022));
    default:
        return 0;
    }
}

static bool same(double a, double b)
{
    return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
}

struct plain {
    struct diff_figures f;
    double cosine, rms, rms_abs;
};

static struct plain plainly(const struct diff_types *t, const struct diff_tolerance *tolerance, const uint8_t *a,
                            const uint8_t *b, size_t n)
{
    struct plain p = { .f = { .max_abs = -1, .n_elems = n } };
    long double steps = 0;
    double aa = 0, bb = 0, ab = 0, dd = 0;
    for (size_t i = 0; i < n; i++) {
        double x = values_number(t->a, a + i * ingot_scalar_info(t->a)->bytes);
        double y = values_number(t->b, b + i * ingot_scalar_info(t->b)->bytes);
        bool finite = isfinite(x) && isfinite(y);
        double far = finite ? fabs(x - y) : (double)INFINITY, most = fmax(fabs(x), fabs(y));
        bool near = finite && tolerance->given && far <= fmax(tolerance->absolute, tolerance->relative * most);
        p.f.n_equal += same(x, y);
        p.f.n_within += same(x, y) || near;
        p.f.n_not_finite += !same(x, y) && !finite;
        if (!same(x, y) && far > p.f.max_abs) {
            p.f.max_abs = far;
            p.f.max_abs_at = i;
        }
        if (!finite) continue;
        if (most > 0) p.f.max_rel = fmax(p.f.max_rel, far / most);
        steps = fmaxl(steps, steps_between(t->ulp, x, y));
        aa += x * x;
        bb += y * y;
        ab += x * y;
        dd += (x - y) * (x - y);
    }
    p.f.max_ulp = (uint64_t)steps;
    p.cosine = ab / sqrt(aa) / sqrt(bb);
    p.rms = aa > 0 ? sqrt(dd / aa) : (double)NAN;
    p.rms_abs = p.f.n_not_finite < n ? sqrt(dd / (double)(n - p.f.n_not_finite)) : 0;
    return p;
}

static void assert_near(double found, double expected)
{
    if (isnan(expected) && isnan(found)) return;
    if (!(fabs(found - expected) <= 1e-11 * fmax(1e-3, fabs(expected)))) fail_msg("%.17g, not %.17g", found, expected);
}

static void check_figures(const struct diff_types *t, const struct diff_tolerance *tolerance, const uint8_t *a,
                          const uint8_t *b, size_t n)
{
    struct diff_figures f = diff_figures_none();
    struct plain p = plainly(t, tolerance, a, b, n);
    diff_run(t, tolerance, a, b, n, 0, &f);
    assert_int_equal(f.n_elems, n);
    assert_int_equal(f.n_equal, p.f.n_equal);
    assert_int_equal(f.n_within, p.f.n_within);
    assert_int_equal(f.n_not_finite, p.f.n_not_finite);
    assert_true(f.max_abs == p.f.max_abs);
    assert_int_equal(f.max_abs_at, p.f.max_abs_at);
    assert_true(f.max_rel == p.f.max_rel);
    if (f.max_ulp != p.f.max_ulp)
        fail_msg("%s %s: %llu steps, not %llu", ingot_scalar_info(t->a)->name, ingot_scalar_info(t->b)->name,
                 (unsigned long long)f.max_ulp, (unsigned long long)p.f.max_ulp);
    if (p.f.n_equal == n) return;
    assert_near(diff_cosine(&f), p.cosine);
    assert_near(diff_rms(&f), p.rms);
    assert_near(diff_rms_abs(&f), p.rms_abs);
}

#define MANY 2500u

static void figures_are_those_of_plain_loops(void **state)
{
    static const enum ingot_scalar scalars[] = { INGOT_SCALAR_F16, INGOT_SCALAR_BF16,   INGOT_SCALAR_F32,
                                                 INGOT_SCALAR_F64, INGOT_SCALAR_I8,     INGOT_SCALAR_I32,
                                                 INGOT_SCALAR_I64, INGOT_SCALAR_F8_E4M3 };
    static const size_t counts[] = { 1, 3, 1024, 1025, MANY };
    const size_t n = sizeof scalars / sizeof *scalars;
    const struct diff_tolerance none = { 0 }, some = { true, 0.01, 0.001 };
    uint8_t *a = malloc(MANY * 8 + 1), *b = malloc(MANY * 8 + 1);
    (void)state;
    for (size_t i = 0; i < 5 * n * n * 2; i++) {
        struct diff_types types;
        assert_true(diff_types_of(scalars[i / 2 % n], scalars[i / 2 / n % n], &types));
        size_t many = counts[i / 2 / n / n];
        fill_pair(types.a, types.b, many, i + 1, i % 2, a + 1, b + 1);
        check_figures(&types, &none, a + 1, b + 1, many);
        check_figures(&types, &some, a + 1, b + 1, many);
        fill_pair(types.a, types.a, many, i + 1, i % 2, a, b);
        types.b = types.a;
        check_figures(&types, &none, a, a, many);
    }
    free(a);
    free(b);
}

/* The bit pattern of every f16 and every bf16 is a neighbour of the next. */
static void neighbours_are_one_step_apart(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        struct diff_types t;
        diff_types_of(k ? INGOT_SCALAR_BF16 : INGOT_SCALAR_F16, INGOT_SCALAR_F32, &t);
        const unsigned last = k ? 0x7F7F : 0x7BFF;
        for (unsigned bits = 0; bits < last; bits++) {
            uint16_t lower = (uint16_t)bits, upper = (uint16_t)(bits + 1);
            float wide = k ? ingot_f32_from_bf16(upper) : ingot_f32_from_f16(upper);
            struct diff_figures f = diff_figures_none();
            const struct diff_tolerance none = { 0 };
            diff_run(&t, &none, &lower, &wide, 1, 0, &f);
            if (f.max_ulp != 1 || f.n_equal != 0) fail_msg("%x: %llu", bits, (unsigned long long)f.max_ulp);
            bits += bits % 64 == 63 ? 0 : bits % 7; /* a sample, but every power of two and its neighbour */
        }
    }
}

static void integers_that_f64_cannot_tell_apart_differ(void **state)
{
    const int64_t a[] = { (INT64_C(1) << 53) + 1, 7 }, b[] = { INT64_C(1) << 53, 7 };
    const struct diff_tolerance none = { 0 };
    struct diff_figures f = diff_figures_none();
    struct diff_types t;
    (void)state;
    diff_types_of(INGOT_SCALAR_I64, INGOT_SCALAR_I64, &t);
    diff_run(&t, &none, a, b, 2, 0, &f);
    assert_int_equal(f.n_equal, 1);
}

static void complex_numbers_have_no_distance(void **state)
{
    struct diff_types t;
    (void)state;
    assert_false(diff_types_of(INGOT_SCALAR_C64, INGOT_SCALAR_C64, &t));
    assert_false(diff_types_of(INGOT_SCALAR_NONE, INGOT_SCALAR_F32, &t));
}

static void zeros_of_both_signs_differ_by_nothing(void **state)
{
    const float a[] = { 1, 0, 2 }, b[] = { 1, -0.0f, 2 };
    const struct diff_tolerance none = { 0 }, exact = { true, 0, 0 };
    struct diff_figures f = diff_figures_none(), g = diff_figures_none();
    struct diff_types t;
    (void)state;
    diff_types_of(INGOT_SCALAR_F32, INGOT_SCALAR_F32, &t);
    diff_run(&t, &none, a, b, 3, 10, &f);
    assert_int_equal(f.n_equal, 2);
    assert_int_equal(f.n_within, 2);
    assert_true(f.max_abs == 0);
    assert_int_equal(f.max_abs_at, 11);
    assert_int_equal(f.max_ulp, 0);
    diff_run(&t, &exact, a, b, 3, 10, &g);
    assert_int_equal(g.n_within, 3);
}

static void opposite_vectors_have_a_cosine_of_minus_one(void **state)
{
    const float a[] = { 3, 4 }, opposite[] = { -3, -4 }, across[] = { -4, 3 }, zero[] = { 0, 0 };
    const float *const others[] = { a, opposite, across };
    const double expected[] = { 1, -1, 0 };
    const struct diff_tolerance none = { 0 };
    struct diff_types t;
    (void)state;
    diff_types_of(INGOT_SCALAR_F32, INGOT_SCALAR_F32, &t);
    for (unsigned i = 0; i < 3; i++) {
        struct diff_figures f = diff_figures_none();
        diff_run(&t, &none, a, others[i], 2, 0, &f);
        assert_true(diff_cosine(&f) == expected[i]);
    }
    struct diff_figures f = diff_figures_none();
    diff_run(&t, &none, zero, a, 2, 0, &f);
    assert_true(isnan(diff_cosine(&f)) && isnan(diff_rms(&f)));
}

static void a_run_may_be_cut_anywhere(void **state)
{
    const struct diff_tolerance some = { true, 0.5, 0 };
    uint8_t a[MANY * 4], b[MANY * 2];
    struct diff_types t;
    (void)state;
    diff_types_of(INGOT_SCALAR_F32, INGOT_SCALAR_F16, &t);
    fill_pair(t.a, t.b, MANY, 5, true, a, b);
    struct diff_figures whole = diff_figures_none();
    diff_run(&t, &some, a, b, MANY, 0, &whole);
    for (size_t cut = 0; cut <= MANY; cut += 125) {
        struct diff_figures first = diff_figures_none(), second = diff_figures_none();
        diff_run(&t, &some, a, b, cut, 0, &first);
        diff_run(&t, &some, a + cut * 4, b + cut * 2, MANY - cut, cut, &second);
        diff_merge(&first, &second);
        assert_int_equal(first.n_equal, whole.n_equal);
        assert_int_equal(first.n_within, whole.n_within);
        assert_int_equal(first.n_not_finite, whole.n_not_finite);
        assert_true(first.max_abs == whole.max_abs && first.max_rel == whole.max_rel);
        assert_int_equal(first.max_abs_at, whole.max_abs_at);
        assert_int_equal(first.max_ulp, whole.max_ulp);
        assert_near(diff_cosine(&first), diff_cosine(&whole));
    }
}

/* ----------------------------------------------------------------------------------------------------------
 * checkpoints
 */

struct place {
    char *dir[2];
    struct fixture *f[2];
};

static struct place set_up(const char *dtype_a, const char *dtype_b)
{
    return (struct place){ { fixture_directory(), fixture_directory() },
                           { fixture_gpt2("", dtype_a), fixture_gpt2("transformer.", dtype_b) } };
}

static struct place set_up_empty(void)
{
    return (struct place){ { fixture_directory(), fixture_directory() },
                           { calloc(1, sizeof(struct fixture)), calloc(1, sizeof(struct fixture)) } };
}

static void tear_down(struct place p)
{
    for (unsigned s = 0; s < 2; s++) {
        fixture_free(p.f[s]);
        fixture_remove(p.dir[s]);
    }
}

static struct diff compare_paths(const char *a, const char *b, struct diff_options how)
{
    struct diff d;
    struct ingot_error err = { 0 };
    if (diff_open(a, b, &how, &d, &err) != INGOT_OK) fail_msg("%s: %s", err.subject, err.message);
    return d;
}

static struct diff compare(struct place p, struct diff_options how)
{
    for (unsigned s = 0; s < 2; s++) fixture_write_checkpoint(p.f[s], p.dir[s], FIXTURE_CONFIG);
    return compare_paths(p.dir[0], p.dir[1], how);
}

static const struct diff_pair *pair_named(const struct diff *d, const char *name)
{
    for (size_t i = 0; i < d->n_pairs; i++) {
        const struct diff_pair *p = &d->pairs[i];
        struct diff_tensor t = diff_tensor_of(d, p, p->at[0] == DIFF_NOWHERE || p->head_of_wte[0]);
        if (strcmp(t.t.name, name) == 0) return p;
    }
    fail_msg("no pair %s", name);
    return NULL;
}

/* Every pair but the named one is equal. */
static void assert_only(const struct diff *d, const char *name)
{
    for (size_t i = 0; i < d->n_pairs; i++)
        if (d->pairs[i].outcome != DIFF_EQUAL && (!name || &d->pairs[i] != pair_named(d, name)))
            fail_msg("pair %zu differs", i);
}

static const struct diff_options defaults;

static void prefixes_are_nothing(void **state)
{
    (void)state;
    struct place p = set_up("F32", "F32");
    struct diff d = compare(p, defaults);
    assert_true(d.canonical);
    assert_int_equal(d.n_pairs, 28);
    assert_true(d.side[0].tied && d.side[1].tied);
    assert_only(&d, NULL);
    diff_close(&d);
    d = compare(p, (struct diff_options){ .raw_names = true });
    assert_int_equal(d.n_pairs, 56);
    diff_close(&d);
    tear_down(p);
}

static void a_planted_difference_is_found_in_canonical_orientation(void **state)
{
    (void)state;
    struct place p = set_up("F32", "F32");
    struct fixture_tensor *t = fixture_find(p.f[1], "transformer.h.1.attn.c_attn.weight"); /* [in, out] */
    fixture_put(t, 4 * 3 * FIXTURE_EMBD + 17, 100);
    struct diff d = compare(p, defaults);
    const struct diff_pair *pair = pair_named(&d, "h.1.attn.c_attn.weight");
    assert_only(&d, "h.1.attn.c_attn.weight");
    assert_int_equal(pair->outcome, DIFF_VALUES);
    assert_int_equal(pair->figures.n_elems - pair->figures.n_equal, 1);
    assert_int_equal(pair->figures.max_abs_at, 17 * FIXTURE_EMBD + 4);
    assert_true(pair->figures.max_b == 100);
    diff_close(&d);
    tear_down(p);
}

/* Against the .ingot file that each becomes: panels, other dtypes. */
static void a_conversion_is_equal_to_its_source(void **state)
{
    static const char *const dtypes[] = { "F32", "F16", "BF16" };
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct place p = set_up(dtypes[i], dtypes[i]);
        struct ingot_error err = { 0 };
        char *out = strdup(fixture_path(p.dir[1], "out.ingot"));
        fixture_write_checkpoint(p.f[0], p.dir[0], FIXTURE_CONFIG);
        assert_int_equal(ingot_convert(p.dir[0], out, NULL, NULL, &err), INGOT_OK);
        struct diff d = compare_paths(p.dir[0], out, defaults), back;
        assert_int_equal(d.n_pairs, 28);
        assert_only(&d, NULL);
        diff_close(&d);
        d = compare_paths(out, out, defaults);
        assert_only(&d, NULL);
        diff_close(&d);
        fixture_put(fixture_find(p.f[0], "h.0.mlp.c_fc.weight"), 2 * FIXTURE_INNER + 19, 50); /* [in, out] */
        fixture_write_checkpoint(p.f[0], p.dir[0], FIXTURE_CONFIG);
        char *other = strdup(fixture_path(p.dir[1], "other.ingot"));
        assert_int_equal(ingot_convert(p.dir[0], other, NULL, NULL, &err), INGOT_OK);
        d = compare_paths(out, other, defaults);
        assert_only(&d, "h.0.mlp.c_fc.weight");
        assert_int_equal(pair_named(&d, "h.0.mlp.c_fc.weight")->figures.max_abs_at, 19 * FIXTURE_EMBD + 2);
        diff_close(&d);
        free(other);
        back = compare_paths(out, p.dir[0], defaults);
        assert_only(&back, "h.0.mlp.c_fc.weight");
        assert_int_equal(pair_named(&back, "h.0.mlp.c_fc.weight")->figures.max_abs_at, 19 * FIXTURE_EMBD + 2);
        diff_close(&back);
        free(out);
        tear_down(p);
    }
}

static void missing_tensors_and_other_shapes_are_told_apart(void **state)
{
    (void)state;
    struct place p = set_up("F32", "F32");
    fixture_drop(p.f[0], "ln_f.bias");
    fixture_drop(p.f[1], "transformer.h.0.ln_1.weight");
    fixture_drop(p.f[1], "transformer.wpe.weight");
    fixture_add(p.f[1], "transformer.wpe.weight", "F32", 2, FIXTURE_CTX + 1, FIXTURE_EMBD);
    fixture_add(p.f[1], "another", "F32", 1, 3, 0);
    struct diff d = compare(p, defaults);
    assert_int_equal(pair_named(&d, "ln_f.bias")->outcome, DIFF_ONLY_B);
    assert_int_equal(pair_named(&d, "another")->outcome, DIFF_ONLY_B);
    assert_int_equal(pair_named(&d, "h.0.ln_1.weight")->outcome, DIFF_ONLY_A);
    assert_int_equal(pair_named(&d, "wpe.weight")->outcome, DIFF_SHAPE);
    assert_int_equal(pair_named(&d, "wpe.weight")->figures.n_elems, 0);
    diff_close(&d);
    tear_down(p);
}

/* More rows of zeros are no difference, more rows of anything else are. */
static void padding_of_the_vocabulary_counts_when_it_holds_something(void **state)
{
    (void)state;
    struct place p = set_up("F32", "F32");
    const struct fixture_tensor a = *fixture_find(p.f[0], "wte.weight");
    fixture_drop(p.f[1], "transformer.wte.weight");
    struct fixture_tensor *b = fixture_add(p.f[1], "transformer.wte.weight", "F32", 2, FIXTURE_VOCAB + 3, FIXTURE_EMBD);
    memset(b->data, 0, b->n_bytes);
    memcpy(b->data, a.data, a.n_bytes);
    for (unsigned i = 0; i < 2; i++) {
        struct diff d = compare(p, defaults);
        const struct diff_pair *pair = pair_named(&d, "wte.weight");
        assert_int_equal(pair->outcome, i ? DIFF_SHAPE : DIFF_EQUAL);
        assert_true(pair->rows_differ && pair->padding_is_zeros == !i);
        assert_int_equal(pair->n_padding, 3);
        assert_int_equal(pair->figures.n_equal, FIXTURE_VOCAB * FIXTURE_EMBD);
        diff_close(&d);
        fixture_put(b, (FIXTURE_VOCAB + 3) * FIXTURE_EMBD - 1, 1);
    }
    tear_down(p);
}

static void a_head_is_compared_with_the_embedding_to_which_the_other_is_tied(void **state)
{
    (void)state;
    struct place p = set_up("F32", "F32");
    const struct fixture_tensor wte = *fixture_find(p.f[1], "transformer.wte.weight");
    struct fixture_tensor *head = fixture_add(p.f[1], "lm_head.weight", "F32", 2, FIXTURE_VOCAB, FIXTURE_EMBD);
    memcpy(head->data, wte.data, wte.n_bytes);
    for (unsigned i = 0; i < 2; i++) {
        struct diff d = compare(p, defaults);
        const struct diff_pair *pair = pair_named(&d, "lm_head.weight");
        assert_true(d.side[0].tied && !d.side[1].tied);
        assert_true(pair->head_of_wte[0] && !pair->head_of_wte[1]);
        assert_int_equal(pair->outcome, i ? DIFF_VALUES : DIFF_EQUAL);
        assert_int_equal(pair_named(&d, "wte.weight")->outcome, DIFF_EQUAL);
        diff_close(&d);
        fixture_put(head, 0, 9);
    }
    tear_down(p);
}

/* Without position embeddings it is a part of a checkpoint, whose names stay. */
static void a_head_alone_is_the_embedding(void **state)
{
    (void)state;
    struct place p = set_up("F32", "F32");
    strcpy(fixture_find(p.f[1], "transformer.wte.weight")->name, "lm_head.weight");
    struct diff d = compare(p, defaults);
    assert_int_equal(d.n_pairs, 28);
    assert_true(d.side[0].tied && d.side[1].tied);
    assert_only(&d, NULL);
    diff_close(&d);
    fixture_drop(p.f[1], "transformer.wpe.weight");
    d = compare(p, defaults);
    assert_int_equal(pair_named(&d, "wte.weight")->at[1], DIFF_NOWHERE);
    assert_true(pair_named(&d, "lm_head.weight")->head_of_wte[0]);
    diff_close(&d);
    tear_down(p);
}

static void what_a_model_leaves_out_is_compared_when_all_is_asked_for(void **state)
{
    (void)state;
    struct place p = set_up("F32", "F32");
    fixture_add(p.f[0], "h.0.attn.bias", "U8", 2, FIXTURE_CTX, FIXTURE_CTX);
    struct diff d = compare(p, defaults);
    assert_int_equal(d.n_pairs, 28);
    assert_int_equal(d.side[0].n_left_out, 1);
    diff_close(&d);
    d = compare(p, (struct diff_options){ .all = true });
    assert_int_equal(d.n_pairs, 29);
    assert_int_equal(pair_named(&d, "h.0.attn.bias")->outcome, DIFF_ONLY_A);
    diff_close(&d);
    tear_down(p);
}

/* ----------------------------------------------------------------------------------------------------- orientations */

#define RECIPE(rules) "recipe: test\nhyper-parameters:\n  n_head: 2\ntensors:\n" rules

/* One tensor, transposed on one side, in many tiles and jobs, with a difference in one place. */
static void check_transposed(const char *dtype, uint64_t rows, uint64_t cols, uint64_t row, uint64_t col)
{
    struct place p = set_up_empty();
    struct fixture_tensor *a = fixture_add(p.f[0], "w", dtype, 2, cols, rows);
    struct fixture_tensor *b = fixture_add(p.f[1], "w", dtype, 2, rows, cols);
    const size_t size = fixture_dtype_size(dtype);
    for (uint64_t r = 0; r < rows; r++)
        for (uint64_t c = 0; c < cols; c++)
            memcpy(b->data + (r * cols + c) * size, a->data + (c * rows + r) * size, size);
    fixture_put(b, row * cols + col, 77);
    char *turned = strdup(fixture_path(p.dir[0], "t.yaml")), *plain = strdup(fixture_path(p.dir[0], "p.yaml"));
    const char *turned_text = RECIPE("  - {from: w, to: wpe.weight, transpose: true}\n");
    const char *plain_text = RECIPE("  - {from: w, to: wpe.weight}\n");
    fixture_write(p.dir[0], "t.yaml", turned_text, strlen(turned_text));
    fixture_write(p.dir[0], "p.yaml", plain_text, strlen(plain_text));
    struct diff_figures first = { 0 };
    for (uint32_t threads = 1; threads < 4; threads++) {
        struct diff_options how = { .recipe = { turned, plain }, .n_threads = threads };
        struct diff d = compare(p, how);
        assert_int_equal(d.n_pairs, 1);
        assert_int_equal(d.pairs[0].figures.n_equal, rows * cols - 1);
        assert_int_equal(d.pairs[0].figures.max_abs_at, row * cols + col);
        if (threads > 1) assert_memory_equal(&d.pairs[0].figures, &first, sizeof first);
        first = d.pairs[0].figures;
        diff_close(&d);
    }
    free(turned);
    free(plain);
    tear_down(p);
}

static void a_transposed_matrix_is_equal_but_for_what_was_planted(void **state)
{
    (void)state;
    check_transposed("F32", 1300, 1100, 1299, 1099);
    check_transposed("F32", 17, 31, 16, 0);
    check_transposed("F16", 100, 33, 99, 31);
    check_transposed("F64", 33, 100, 0, 99);
    check_transposed("F32", 2, 140000, 1, 139999);
    check_transposed("F16", 2, 1100000, 1, 1099999);
}

/* Both transposed: they are read as they lie, and the place is still the canonical one. */
static void two_transposed_matrices_are_compared_as_they_lie(void **state)
{
    (void)state;
    struct place p = set_up_empty();
    fixture_add(p.f[0], "w", "F32", 2, 1500, 1000);
    fixture_put(fixture_add(p.f[1], "w", "F32", 2, 1500, 1000), 1400 * 1000 + 3, 5);
    char *recipe = strdup(fixture_path(p.dir[0], "r.yaml"));
    const char *text = RECIPE("  - {from: w, to: wpe.weight, transpose: true}\n");
    fixture_write(p.dir[0], "r.yaml", text, strlen(text));
    struct diff d = compare(p, (struct diff_options){ .recipe = { recipe, recipe } });
    assert_int_equal(d.pairs[0].figures.max_abs_at, 3 * 1500 + 1400);
    assert_int_equal(d.pairs[0].figures.n_elems - d.pairs[0].figures.n_equal, 1);
    assert_near(diff_rms(&d.pairs[0].figures), sqrt(d.pairs[0].figures.dd / d.pairs[0].figures.aa));
    /* squares of every job, those of the equal ones too: uniform in -1 .. 1 */
    assert_true(fabs(d.pairs[0].figures.aa / 1.5e6 - 1. / 3) < 0.01);
    diff_close(&d);
    free(recipe);
    tear_down(p);
}

/* w is the whole of what the other side has in pieces, or the other way round. */
static void check_pieces(const char *whole_rule, const char *pieces_rule, bool by_columns)
{
    struct place p = set_up_empty();
    const struct fixture_tensor *w = fixture_add(p.f[0], "w", "F32", 2, 6, 8);
    for (unsigned i = 0; i < 2; i++) {
        struct fixture_tensor *t = by_columns ? fixture_add(p.f[1], i ? "y" : "x", "F32", 2, 6, 4)
                                              : fixture_add(p.f[1], i ? "y" : "x", "F32", 2, 3, 8);
        for (size_t r = 0; r < t->shape[0]; r++)
            for (size_t c = 0; c < t->shape[1]; c++) {
                size_t row = by_columns ? r : r + 3 * i, col = by_columns ? c + 4 * i : c;
                memcpy(t->data + 4 * (r * t->shape[1] + c), w->data + 4 * (row * 8 + col), 4);
            }
    }
    char *whole = strdup(fixture_path(p.dir[0], "w.yaml")), *pieces = strdup(fixture_path(p.dir[0], "p.yaml"));
    fixture_write(p.dir[0], "w.yaml", whole_rule, strlen(whole_rule));
    fixture_write(p.dir[0], "p.yaml", pieces_rule, strlen(pieces_rule));
    struct diff d = compare(p, (struct diff_options){ .recipe = { whole, pieces } });
    assert_only(&d, NULL);
    assert_true(diff_tensor_of(&d, &d.pairs[0], 0).known);
    diff_close(&d);
    fixture_put(fixture_find(p.f[1], "y"), 5, 3);
    d = compare(p, (struct diff_options){ .recipe = { whole, pieces } });
    uint64_t n_unequal = 0;
    for (size_t i = 0; i < d.n_pairs; i++) n_unequal += d.pairs[i].figures.n_elems - d.pairs[i].figures.n_equal;
    assert_int_equal(n_unequal, 1);
    diff_close(&d);
    free(whole);
    free(pieces);
    tear_down(p);
}

static void pieces_are_compared_as_the_whole_that_they_make(void **state)
{
    (void)state;
    check_pieces(RECIPE("  - {from: w, to: wpe.weight}\n"),
                 RECIPE("  - {from: [x, y], to: wpe.weight, concatenate: out}\n"), false);
    check_pieces(RECIPE("  - {from: w, to: wpe.weight}\n"),
                 RECIPE("  - {from: [x, y], to: wpe.weight, concatenate: in}\n"), true);
    check_pieces(RECIPE("  - {from: w, to: [wte.weight, wpe.weight], split: out}\n"),
                 RECIPE("  - {from: x, to: wte.weight}\n  - {from: y, to: wpe.weight}\n"), false);
    check_pieces(RECIPE("  - {from: w, to: [wte.weight, wpe.weight], split: in, transpose: true}\n"),
                 RECIPE("  - {from: x, to: wte.weight, transpose: true}\n"
                        "  - {from: y, to: wpe.weight, transpose: true}\n"),
                 false);
}

/* What a recipe cannot put together keeps its name: nothing is lost. */
static void what_cannot_be_put_together_keeps_its_name(void **state)
{
    (void)state;
    struct place p = set_up_empty();
    fixture_add(p.f[0], "x", "F32", 2, 2, 3);
    fixture_add(p.f[0], "y", "F32", 2, 2, 4); /* not as wide */
    fixture_add(p.f[0], "z", "F32", 2, 3, 5); /* no halves */
    fixture_add(p.f[1], "x", "F32", 2, 2, 3); /* y is missing */
    char *recipe = strdup(fixture_path(p.dir[0], "r.yaml"));
    const char *text = RECIPE("  - {from: [x, y], to: wpe.weight, concatenate: out}\n"
                              "  - {from: z, to: [ln_f.weight, ln_f.bias], split: out}\n");
    fixture_write(p.dir[0], "r.yaml", text, strlen(text));
    struct diff d = compare(p, (struct diff_options){ .recipe = { recipe, recipe } });
    assert_int_equal(d.n_pairs, 3);
    assert_int_equal(pair_named(&d, "x")->outcome, DIFF_EQUAL);
    assert_int_equal(pair_named(&d, "y")->outcome, DIFF_ONLY_A);
    assert_int_equal(pair_named(&d, "z")->outcome, DIFF_ONLY_A);
    diff_close(&d);
    free(recipe);
    tear_down(p);
}

static void a_recipe_is_refused_where_none_can_be_used(void **state)
{
    (void)state;
    struct place p = set_up("F32", "F32");
    struct diff d;
    for (unsigned s = 0; s < 2; s++) fixture_write_checkpoint(p.f[s], p.dir[s], FIXTURE_CONFIG);
    struct diff_options how = { .recipe = { "huggingface" }, .raw_names = true };
    assert_int_equal(diff_open(p.dir[0], p.dir[1], &how, &d, NULL), INGOT_E_ARGUMENT);
    diff_close(&d);
    how = (struct diff_options){ .recipe = { NULL, "no such recipe" } };
    assert_int_equal(diff_open(p.dir[0], p.dir[1], &how, &d, NULL), INGOT_E_ARGUMENT);
    diff_close(&d);
    tear_down(p);
}

static bool stop_at_once(void *ctx, uint64_t done, uint64_t total)
{
    (void)ctx;
    assert_true(done <= total);
    return false;
}

static void comparing_can_be_stopped(void **state)
{
    (void)state;
    struct place p = set_up("F32", "F32");
    struct diff d;
    for (unsigned s = 0; s < 2; s++) fixture_write_checkpoint(p.f[s], p.dir[s], FIXTURE_CONFIG);
    struct diff_options how = { .progress = stop_at_once };
    assert_int_equal(diff_open(p.dir[0], p.dir[1], &how, &d, NULL), INGOT_E_INTERRUPTED);
    diff_close(&d);
    tear_down(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_those_of_plain_loops),
        cmocka_unit_test(neighbours_are_one_step_apart),
        cmocka_unit_test(integers_that_f64_cannot_tell_apart_differ),
        cmocka_unit_test(complex_numbers_have_no_distance),
        cmocka_unit_test(zeros_of_both_signs_differ_by_nothing),
        cmocka_unit_test(opposite_vectors_have_a_cosine_of_minus_one),
        cmocka_unit_test(a_run_may_be_cut_anywhere),
        cmocka_unit_test(prefixes_are_nothing),
        cmocka_unit_test(a_planted_difference_is_found_in_canonical_orientation),
        cmocka_unit_test(a_conversion_is_equal_to_its_source),
        cmocka_unit_test(missing_tensors_and_other_shapes_are_told_apart),
        cmocka_unit_test(padding_of_the_vocabulary_counts_when_it_holds_something),
        cmocka_unit_test(a_head_is_compared_with_the_embedding_to_which_the_other_is_tied),
        cmocka_unit_test(a_head_alone_is_the_embedding),
        cmocka_unit_test(what_a_model_leaves_out_is_compared_when_all_is_asked_for),
        cmocka_unit_test(a_transposed_matrix_is_equal_but_for_what_was_planted),
        cmocka_unit_test(two_transposed_matrices_are_compared_as_they_lie),
        cmocka_unit_test(pieces_are_compared_as_the_whole_that_they_make),
        cmocka_unit_test(what_cannot_be_put_together_keeps_its_name),
        cmocka_unit_test(a_recipe_is_refused_where_none_can_be_used),
        cmocka_unit_test(comparing_can_be_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

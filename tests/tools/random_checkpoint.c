/*
 * random_checkpoint.c - writes a GPT-2 of any shape with random weights, as a Hugging Face directory.
 *
 * Tests and benches need models that nobody can ship: 498 MB of GPT-2 124M, 25 heads, an untied head. They are made
 * here instead, the same bytes on every machine and compiler: a weight is a sum of four uniform integers of 16 bits
 * (close to a normal distribution), multiplied by one f32 factor; only that product rounds.
 *
 *   random_checkpoint DIR [options]     files of the same names in DIR are replaced; see `usage` below
 *
 * Initial GPT-2 weights have standard deviation 0.02, at which a wrong activation would pass a comparison of logits:
 * the default here is 0.08, and --outliers plants values of 25 standard deviations in every matrix.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char usage[] =
    "usage: random_checkpoint DIR [options]\n"
    "  --n_layer N --n_head N --n_embd N --n_inner N --n_ctx N --n_vocab N   shape (4, 2, 128, 4 x n_embd, 256, 2048)\n"
    "  --std X           standard deviation of the weights (0.08)\n"
    "  --outliers N      values of 25 standard deviations per matrix (0)\n"
    "  --activation S    activation_function of config.json (gelu_new)\n"
    "  --epsilon X       layer_norm_epsilon of config.json (1e-05)\n"
    "  --untied          an output head of its own, lm_head.weight\n"
    "  --no-bias         no bias anywhere\n"
    "  --dtype S         f32, f16 or bf16 (f32)\n"
    "  --prefix S        in front of every name but lm_head's (none); e.g. transformer.\n"
    "  --seed N          (1)\n"
    "  --vocabulary S    none, or bytes: 256 one-byte tokens and <|endoftext|> (none); bytes makes n_vocab 257 unless "
    "given\n";

enum dtype { F32, F16, BF16 };

struct options {
    const char *dir, *activation, *epsilon, *prefix, *vocabulary;
    uint64_t n_layer, n_head, n_embd, n_inner, n_ctx, n_vocab, outliers, seed;
    double std;
    bool untied, no_bias;
    enum dtype dtype;
};

struct tensor {
    char name[96];
    uint64_t shape[2]; /* shape[1] is 0 for a vector */
    bool around_one;   /* LayerNorm's gain */
};

static _Noreturn void die(const char *what, const char *which)
{
    fprintf(stderr, "random_checkpoint: %s: %s\n", what, which);
    exit(1);
}

/* ------------------------------------------------------------------------------------------------------ values */

/* Sebastiano Vigna's SplitMix64. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Four uniform 16-bit integers, centred: mean 0, standard deviation 37837.23, at most 131070 either way. */
static int32_t next_bell(uint64_t *state)
{
    uint64_t z = next_random(state);
    uint32_t sum = (uint32_t)((z & 0xffff) + (z >> 16 & 0xffff) + (z >> 32 & 0xffff) + (z >> 48));
    return (int32_t)sum - 131070;
}

/* Rounds to the nearest f16, ties to even; subnormals included. The values here are far from overflow. */
static uint16_t f16_bits(float value)
{
    int exponent;
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    float size = fabsf(value);
    if (size == 0.0f) return sign;
    frexpf(size, &exponent); /* size = m 2^exponent, m in [1/2, 1) */
    int unit = exponent - 11 < -24 ? -24 : exponent - 11;
    unsigned n = (unsigned)nearbyintf(ldexpf(size, -unit)); /* the significand, in units of 2^unit */
    return (uint16_t)(sign | (uint16_t)(((unsigned)(unit + 24) << 10) + n));
}

static uint16_t bf16_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static size_t put_value(uint8_t *p, float value, enum dtype dtype)
{
    if (dtype == F32) {
        memcpy(p, &value, 4);
        return 4;
    }
    uint16_t bits = dtype == F16 ? f16_bits(value) : bf16_bits(value);
    memcpy(p, &bits, 2);
    return 2;
}

static uint64_t tensor_elems(const struct tensor *t)
{
    return t->shape[1] ? t->shape[0] * t->shape[1] : t->shape[0];
}

/* Outliers stand at fixed distances, each with the sign of the value that it replaces. */
static void write_tensor(FILE *out, const struct options *o, const struct tensor *t, uint64_t number)
{
    static uint8_t buffer[1 << 16];
    size_t used = 0;
    uint64_t state = o->seed * UINT64_C(0xd1342543de82ef95) + number;
    uint64_t n = tensor_elems(t), every = t->shape[1] && o->outliers ? n / o->outliers : 0;
    float factor = (float)(o->std / 37837.23), outlier = (float)(25.0 * o->std);
    for (uint64_t i = 0; i < n; i++) {
        float value = (float)next_bell(&state) * factor;
        if (every && i % every == every / 2) value = value < 0.0f ? -outlier : outlier;
        if (t->around_one) value = 1.0f + value;
        used += put_value(buffer + used, value, o->dtype);
        if (used == sizeof buffer || i + 1 == n) {
            if (fwrite(buffer, 1, used, out) != used) die("cannot write", strerror(errno));
            used = 0;
        }
    }
}

/* ----------------------------------------------------------------------------------------------------- tensors */

struct list {
    struct tensor *at;
    size_t n, capacity;
};

static struct tensor *append(struct list *l, uint64_t rows, uint64_t cols)
{
    if (l->n == l->capacity) {
        l->capacity = l->capacity ? 2 * l->capacity : 64;
        l->at = realloc(l->at, l->capacity * sizeof *l->at);
        if (!l->at) die("out of memory", "list of tensors");
    }
    l->at[l->n] = (struct tensor){ .shape = { rows, cols } };
    return &l->at[l->n++];
}

/* One LayerNorm, or one Conv1D of Hugging Face, which is stored [in, out]. */
static void append_layer(struct list *l, const struct options *o, const char *name, uint64_t n_in, uint64_t n_out)
{
    struct tensor *weight = n_in ? append(l, n_in, n_out) : append(l, n_out, 0);
    snprintf(weight->name, sizeof weight->name, "%s%s.weight", o->prefix, name);
    weight->around_one = n_in == 0;
    if (o->no_bias) return;
    struct tensor *bias = append(l, n_out, 0);
    snprintf(bias->name, sizeof bias->name, "%s%s.bias", o->prefix, name);
}

static void append_block(struct list *l, const struct options *o, uint64_t i)
{
    const struct {
        const char *name;
        uint64_t n_in, n_out;
    } layers[] = {
        { "ln_1", 0, o->n_embd }, { "attn.c_attn", o->n_embd, 3 * o->n_embd }, { "attn.c_proj", o->n_embd, o->n_embd },
        { "ln_2", 0, o->n_embd }, { "mlp.c_fc", o->n_embd, o->n_inner },       { "mlp.c_proj", o->n_inner, o->n_embd },
    };
    for (size_t k = 0; k < sizeof layers / sizeof *layers; k++) {
        char name[64];
        snprintf(name, sizeof name, "h.%" PRIu64 ".%s", i, layers[k].name);
        append_layer(l, o, name, layers[k].n_in, layers[k].n_out);
    }
}

static struct list list_tensors(const struct options *o)
{
    struct list l = { NULL, 0, 0 };
    struct tensor *wte = append(&l, o->n_vocab, o->n_embd);
    snprintf(wte->name, sizeof wte->name, "%swte.weight", o->prefix);
    struct tensor *wpe = append(&l, o->n_ctx, o->n_embd);
    snprintf(wpe->name, sizeof wpe->name, "%swpe.weight", o->prefix);
    for (uint64_t i = 0; i < o->n_layer; i++) append_block(&l, o, i);
    append_layer(&l, o, "ln_f", 0, o->n_embd);
    if (o->untied) snprintf(append(&l, o->n_vocab, o->n_embd)->name, sizeof l.at->name, "lm_head.weight");
    return l;
}

/* ------------------------------------------------------------------------------------------------------- files */

static FILE *create(const struct options *o, const char *name)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", o->dir, name) >= (int)sizeof path) die("path too long", o->dir);
    FILE *out = fopen(path, "wb");
    if (!out) die(path, strerror(errno));
    return out;
}

static void finish(FILE *out, const char *name)
{
    if (ferror(out) || fclose(out)) die("cannot write", name);
}

static void write_config(const struct options *o)
{
    static const char *const torch_dtype[] = { "float32", "float16", "bfloat16" };
    FILE *out = create(o, "config.json");
    fprintf(out, "{\n  \"architectures\": [\n    \"GPT2LMHeadModel\"\n  ],\n  \"model_type\": \"gpt2\",\n");
    fprintf(out, "  \"activation_function\": \"%s\",\n", o->activation);
    fprintf(out, "  \"n_layer\": %" PRIu64 ",\n  \"n_head\": %" PRIu64 ",\n", o->n_layer, o->n_head);
    fprintf(out, "  \"n_embd\": %" PRIu64 ",\n  \"n_inner\": %" PRIu64 ",\n", o->n_embd, o->n_inner);
    fprintf(out, "  \"n_ctx\": %" PRIu64 ",\n  \"n_positions\": %" PRIu64 ",\n", o->n_ctx, o->n_ctx);
    fprintf(out, "  \"vocab_size\": %" PRIu64 ",\n", o->n_vocab);
    fprintf(out, "  \"layer_norm_epsilon\": %s,\n", o->epsilon);
    fprintf(out, "  \"tie_word_embeddings\": %s,\n", o->untied ? "false" : "true");
    fprintf(out, "  \"torch_dtype\": \"%s\"\n}\n", torch_dtype[o->dtype]);
    finish(out, "config.json");
}

/* The header is padded with spaces so that the data begins at a multiple of 8, as the safetensors library does. */
static void write_header(FILE *out, const struct options *o, const struct list *l)
{
    static const char *const dtype_name[] = { "F32", "F16", "BF16" };
    char *text = NULL;
    size_t n = 0;
    uint64_t at = 0, size = o->dtype == F32 ? 4 : 2;
    FILE *header = open_memstream(&text, &n);
    if (!header) die("out of memory", "header");
    fprintf(header, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t i = 0; i < l->n; i++) {
        const struct tensor *t = &l->at[i];
        uint64_t bytes = tensor_elems(t) * size;
        fprintf(header, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%" PRIu64, t->name, dtype_name[o->dtype], t->shape[0]);
        if (t->shape[1]) fprintf(header, ",%" PRIu64, t->shape[1]);
        fprintf(header, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", at, at + bytes);
        at += bytes;
    }
    fprintf(header, "}");
    finish(header, "header");
    uint64_t padded = (n + 7) / 8 * 8;
    for (int i = 0; i < 8; i++) fputc((int)(padded >> (8 * i) & 0xff), out);
    fprintf(out, "%s%*s", text, (int)(padded - n), "");
    free(text);
}

static void write_weights(const struct options *o)
{
    struct list l = list_tensors(o);
    FILE *out = create(o, "model.safetensors");
    write_header(out, o, &l);
    for (size_t i = 0; i < l.n; i++) write_tensor(out, o, &l.at[i], i * UINT64_C(0xa0761d6478bd642f));
    finish(out, "model.safetensors");
    free(l.at);
}

/* GPT-2 writes a byte as a printable character: itself where it is one, else U+0100 and on, in order of the bytes. */
static bool is_printable(unsigned byte)
{
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

static void put_token(FILE *out, unsigned code_point, unsigned *id)
{
    fprintf(out, *id ? ", \"" : "{\"");
    if (code_point == '"' || code_point == '\\') fputc('\\', out);
    if (code_point < 0x80) {
        fputc((int)code_point, out);
    } else {
        fputc((int)(0xc0 | code_point >> 6), out);
        fputc((int)(0x80 | (code_point & 0x3f)), out);
    }
    fprintf(out, "\": %u", (*id)++);
}

/* Ids in GPT-2's order: the printable bytes first. */
static void write_vocabulary(const struct options *o)
{
    unsigned id = 0, other = 0x100;
    FILE *out = create(o, "vocab.json");
    for (unsigned byte = 0; byte < 256; byte++) {
        if (is_printable(byte)) put_token(out, byte, &id);
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        if (!is_printable(byte)) put_token(out, other++, &id);
    }
    fprintf(out, ", \"<|endoftext|>\": %u}\n", id);
    finish(out, "vocab.json");
    out = create(o, "merges.txt");
    fprintf(out, "#version: 0.2\n");
    finish(out, "merges.txt");
}

/* ----------------------------------------------------------------------------------------------------- options */

enum {
    O_LAYER = 1,
    O_HEAD,
    O_EMBD,
    O_INNER,
    O_CTX,
    O_VOCAB,
    O_OUTLIERS,
    O_SEED,
    O_STD,
    O_ACT,
    O_EPS,
    O_UNTIED,
    O_NO_BIAS,
    O_DTYPE,
    O_PREFIX,
    O_VOCABULARY
};

static const struct option long_options[] = {
    { "n_layer", required_argument, NULL, O_LAYER },
    { "n_head", required_argument, NULL, O_HEAD },
    { "n_embd", required_argument, NULL, O_EMBD },
    { "n_inner", required_argument, NULL, O_INNER },
    { "n_ctx", required_argument, NULL, O_CTX },
    { "n_vocab", required_argument, NULL, O_VOCAB },
    { "outliers", required_argument, NULL, O_OUTLIERS },
    { "seed", required_argument, NULL, O_SEED },
    { "std", required_argument, NULL, O_STD },
    { "activation", required_argument, NULL, O_ACT },
    { "epsilon", required_argument, NULL, O_EPS },
    { "untied", no_argument, NULL, O_UNTIED },
    { "no-bias", no_argument, NULL, O_NO_BIAS },
    { "dtype", required_argument, NULL, O_DTYPE },
    { "prefix", required_argument, NULL, O_PREFIX },
    { "vocabulary", required_argument, NULL, O_VOCABULARY },
    { NULL, 0, NULL, 0 },
};

static uint64_t parse_count(const char *text)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (errno || end == text || *end || n > UINT32_MAX) die("not a count", text);
    return n;
}

static double parse_real(const char *text)
{
    char *end;
    double x = strtod(text, &end);
    if (end == text || *end || !isfinite(x)) die("not a number", text);
    return x;
}

static enum dtype parse_dtype(const char *text)
{
    if (!strcmp(text, "f32")) return F32;
    if (!strcmp(text, "f16")) return F16;
    if (!strcmp(text, "bf16")) return BF16;
    die("unknown dtype", text);
}

static void take_option(struct options *o, int option)
{
    switch (option) {
    case O_LAYER:
        o->n_layer = parse_count(optarg);
        break;
    case O_HEAD:
        o->n_head = parse_count(optarg);
        break;
    case O_EMBD:
        o->n_embd = parse_count(optarg);
        break;
    case O_INNER:
        o->n_inner = parse_count(optarg);
        break;
    case O_CTX:
        o->n_ctx = parse_count(optarg);
        break;
    case O_VOCAB:
        o->n_vocab = parse_count(optarg);
        break;
    case O_OUTLIERS:
        o->outliers = parse_count(optarg);
        break;
    case O_SEED:
        o->seed = parse_count(optarg);
        break;
    case O_STD:
        o->std = parse_real(optarg);
        break;
    case O_ACT:
        o->activation = optarg;
        break;
    case O_EPS:
        parse_real(optarg), o->epsilon = optarg;
        break;
    case O_UNTIED:
        o->untied = true;
        break;
    case O_NO_BIAS:
        o->no_bias = true;
        break;
    case O_DTYPE:
        o->dtype = parse_dtype(optarg);
        break;
    case O_PREFIX:
        o->prefix = optarg;
        break;
    case O_VOCABULARY:
        o->vocabulary = optarg;
        break;
    default:
        fputs(usage, stderr);
        exit(2);
    }
}

static struct options parse_options(int argc, char **argv)
{
    struct options o = {
        .activation = "gelu_new", .epsilon = "1e-05", .prefix = "", .vocabulary = "none", .std = 0.08
    };
    o.n_layer = 4, o.n_head = 2, o.n_embd = 128, o.n_ctx = 256, o.seed = 1;
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) take_option(&o, option);
    if (optind + 1 != argc) take_option(&o, '?');
    o.dir = argv[optind];
    if (strcmp(o.vocabulary, "none") && strcmp(o.vocabulary, "bytes")) die("unknown vocabulary", o.vocabulary);
    if (!o.n_inner) o.n_inner = 4 * o.n_embd;
    if (!o.n_vocab) o.n_vocab = strcmp(o.vocabulary, "bytes") ? 2048 : 257;
    if (strlen(o.prefix) > 32) die("prefix too long", o.prefix);
    return o;
}

int main(int argc, char **argv)
{
    struct options o = parse_options(argc, argv);
    if (mkdir(o.dir, 0777) && errno != EEXIST) die(o.dir, strerror(errno));
    write_config(&o);
    write_weights(&o);
    if (!strcmp(o.vocabulary, "bytes")) write_vocabulary(&o);
    return 0;
}

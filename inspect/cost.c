/* cost.c - sums over GPT-2's matrices; doubles, because the largest models that a file may claim overflow 64 bits. */
#include "inspect/cost.h"

#include "runtime/ingot_runtime.h"

static bool is_quantised(enum ingot_dtype dtype)
{
    return dtype == INGOT_Q8 || dtype == INGOT_Q4;
}

static enum ingot_dtype embedding_dtype(const struct cost_question *q)
{
    return q->embedding != INGOT_DTYPE_NONE ? q->embedding : q->dtype;
}

/* The limits of the hyper-parameters keep one matrix, quantised, below 2^64 bytes. */
static double quantised_bytes(enum ingot_dtype dtype, uint64_t n_out, uint64_t n_in)
{
    uint64_t bytes = 0;
    ingot_layout_bytes(dtype, INGOT_PANEL16, 2, (const uint64_t[]){ n_out, n_in }, &bytes);
    return (double)bytes;
}

/* Of the token embedding, or of a head of its own. */
static double embedding_bytes(const struct cost_question *q, enum census_category category)
{
    const enum ingot_dtype dtype = embedding_dtype(q);
    const uint64_t n = q->census->count[category];
    if (!is_quantised(dtype)) return (double)n * (double)ingot_dtype_size(dtype);
    return n > 0 ? quantised_bytes(dtype, q->hp->n_vocab_stored, q->hp->n_embd) : 0;
}

static double position_bytes(const struct cost_question *q)
{
    const size_t size = ingot_dtype_size(is_quantised(q->dtype) ? INGOT_F16 : q->dtype);
    return (double)size * (double)q->census->count[CENSUS_POSITION_EMBEDDING];
}

static double layer_bytes(const struct cost_question *q)
{
    const struct census *c = q->census;
    const uint64_t width = q->hp->n_embd, inner = q->hp->n_inner;
    uint64_t n = c->count[CENSUS_OTHER];
    for (int i = CENSUS_QUERY; i <= CENSUS_DOWN; i++) n += c->count[i];
    if (!is_quantised(q->dtype)) return (double)n * (double)ingot_dtype_size(q->dtype);
    double attention = quantised_bytes(q->dtype, 3 * width, width) + quantised_bytes(q->dtype, width, width);
    double mlp = quantised_bytes(q->dtype, inner, width) + quantised_bytes(q->dtype, width, inner);
    return q->hp->n_layer * (attention + mlp);
}

double cost_weight_bytes(const struct cost_question *q)
{
    const double vectors = (double)sizeof(float) * (double)census_vectors(q->census);
    return embedding_bytes(q, CENSUS_TOKEN_EMBEDDING) + position_bytes(q) + layer_bytes(q) + vectors +
           embedding_bytes(q, CENSUS_UNEMBEDDING);
}

/* Elements of the matrices that every token is multiplied with, in all layers. */
static double layer_elements(const struct ingot_hparams *hp)
{
    double width = hp->n_embd, inner = hp->n_inner;
    return hp->n_layer * (4 * width * width + 2 * width * inner);
}

/* Scores and mixtures: two products with all positions so far, in all layers. */
static double attention_flops(const struct ingot_hparams *hp, double n_positions)
{
    return 4.0 * hp->n_layer * hp->n_embd * n_positions;
}

/* All that a token reads: of the embeddings one row, unless the token embedding is the head as well. */
static double token_bytes(const struct cost_question *q, double weight_bytes)
{
    const double n_ctx = q->hp->n_ctx, n_vocab = q->hp->n_vocab_stored;
    double unread = position_bytes(q) / n_ctx * (n_ctx - 1);
    if (!q->census->tied) unread += embedding_bytes(q, CENSUS_TOKEN_EMBEDDING) / n_vocab * (n_vocab - 1);
    return weight_bytes - unread;
}

struct cost cost_of(const struct cost_question *q)
{
    const struct ingot_hparams *hp = q->hp;
    const bool halves = is_quantised(q->dtype) || is_quantised(embedding_dtype(q));
    struct ingot_session_options options = { .n_ctx = (uint32_t)q->n_ctx, .kv = halves ? INGOT_KV_F16 : INGOT_KV_F32 };
    struct ingot_session_memory memory = ingot_session_memory(hp, &options);
    double n = (double)q->n_ctx, head = 2.0 * hp->n_vocab * hp->n_embd, layers = 2 * layer_elements(hp);
    struct cost cost = { .n_ctx = q->n_ctx, .cache = halves ? INGOT_F16 : INGOT_F32 };
    cost.flops_decode_attention = attention_flops(hp, n);
    cost.flops_decode = layers + head + cost.flops_decode_attention;
    cost.flops_prefill = n * layers + head + attention_flops(hp, n * (n + 1) / 2);
    cost.weight_bytes = cost_weight_bytes(q);
    cost.cache_bytes = (double)memory.cache_bytes;
    cost.activation_bytes = (double)memory.activation_bytes;
    cost.thread_bytes = (double)memory.thread_bytes;
    cost.memory_bytes = cost.weight_bytes + cost.cache_bytes + cost.activation_bytes + cost.thread_bytes;
    const double elem = (double)ingot_dtype_size(cost.cache);
    cost.bytes_decode = token_bytes(q, cost.weight_bytes) + 2.0 * elem * hp->n_layer * hp->n_embd * n;
    return cost;
}

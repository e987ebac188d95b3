/* cost.c - sums over GPT-2's matrices; doubles, because the largest models that a file may claim overflow 64 bits. */
#include "inspect/cost.h"

#include "runtime/ingot_runtime.h"

uint64_t cost_weight_bytes(const struct census *c, enum ingot_dtype dtype)
{
    uint64_t vectors = census_vectors(c);
    return (census_total(c) - vectors) * ingot_dtype_size(dtype) + vectors * ingot_dtype_size(INGOT_F32);
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
    const struct census *c = q->census;
    double size = (double)ingot_dtype_size(q->dtype);
    double unread = (double)c->count[CENSUS_POSITION_EMBEDDING] - q->hp->n_embd;
    if (!c->tied) unread += (double)c->count[CENSUS_TOKEN_EMBEDDING] - q->hp->n_embd;
    return weight_bytes - size * unread;
}

struct cost cost_of(const struct cost_question *q)
{
    const struct ingot_hparams *hp = q->hp;
    struct ingot_session_options options = { .n_ctx = (uint32_t)q->n_ctx };
    struct ingot_session_memory memory = ingot_session_memory(hp, &options);
    double n = (double)q->n_ctx, head = 2.0 * hp->n_vocab * hp->n_embd, layers = 2 * layer_elements(hp);
    struct cost cost = { .n_ctx = q->n_ctx };
    cost.flops_decode_attention = attention_flops(hp, n);
    cost.flops_decode = layers + head + cost.flops_decode_attention;
    cost.flops_prefill = n * layers + head + attention_flops(hp, n * (n + 1) / 2);
    cost.weight_bytes = (double)cost_weight_bytes(q->census, q->dtype);
    cost.cache_bytes = (double)memory.cache_bytes;
    cost.activation_bytes = (double)memory.activation_bytes;
    cost.thread_bytes = (double)memory.thread_bytes;
    cost.memory_bytes = cost.weight_bytes + cost.cache_bytes + cost.activation_bytes + cost.thread_bytes;
    cost.bytes_decode = token_bytes(q, cost.weight_bytes) + 2.0 * sizeof(float) * hp->n_layer * hp->n_embd * n;
    return cost;
}

/* digest.c - XXH3, the one checksum of the format, over bytes and over what makes two models the same. */
#include "format/digest.h"
#include "format/bytes.h"
#include "format/layout.h"
#include "format/simd/cpu.h"
#include "format/simd/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* From here on the first question to the CPU (cpu.c) is small against hashing. The answer serves smaller ones too. */
#define WORTH_DETECTING ((size_t)1 << 20)

uint64_t ingot_hash64(const void *bytes, size_t n)
{
#if defined(__x86_64__)
    const struct cpu_features cpu = n >= WORTH_DETECTING ? cpu_detect() : cpu_remembered();
    if (cpu.avx2) return hash64_avx2(bytes, n);
#endif
    return XXH3_64bits(bytes, n);
}

struct ingot_digest ingot_hash128(const void *bytes, size_t n)
{
    XXH128_hash_t h = XXH3_128bits(bytes, n);
    return (struct ingot_digest){ .lo = h.low64, .hi = h.high64 };
}

struct ingot_digest section_digest(const void *bytes, uint64_t n)
{
    XXH3_state_t state;
    uint8_t entry[8];
    XXH3_128bits_reset(&state);
    for (uint64_t c = 0; c < chunk_count(n); c++) {
        put_u64(entry, ingot_hash64((const uint8_t *)bytes + c * INGOT_CHUNK_BYTES, chunk_bytes(n, c)));
        XXH3_128bits_update(&state, entry, sizeof entry);
    }
    XXH128_hash_t h = XXH3_128bits_digest(&state);
    return (struct ingot_digest){ .lo = h.low64, .hi = h.high64 };
}

bool digest_in_steps(const void *bytes, uint64_t n, bool (*step)(void *ctx, uint64_t bytes), void *ctx,
                     struct ingot_digest *out)
{
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    for (uint64_t c = 0; c < chunk_count(n); c++) {
        XXH3_128bits_update(&state, (const uint8_t *)bytes + c * INGOT_CHUNK_BYTES, chunk_bytes(n, c));
        if (step && !step(ctx, chunk_bytes(n, c))) return false;
    }
    XXH128_hash_t h = XXH3_128bits_digest(&state);
    *out = (struct ingot_digest){ .lo = h.low64, .hi = h.high64 };
    return true;
}

/* name and NUL, u16 dtype, u16 layout, u32 rank, rank x u64 shape, digest */
static void hash_tensor(XXH3_state_t *state, const uint8_t *record, const char *names)
{
    uint8_t head[8];
    uint32_t rank = record[RECORD_RANK_OFF];
    put_u16(head, get_u16(record + RECORD_DTYPE_OFF));
    put_u16(head + 2, get_u16(record + RECORD_LAYOUT_OFF));
    put_u32(head + 4, rank);
    XXH3_128bits_update(state, names + get_u32(record + RECORD_NAME_OFF_OFF),
                        get_u16(record + RECORD_NAME_LEN_OFF) + 1u);
    XXH3_128bits_update(state, head, sizeof head);
    XXH3_128bits_update(state, record + RECORD_SHAPE_OFF, 8 * rank);
    XXH3_128bits_update(state, record + RECORD_DIGEST_OFF, 16);
}

struct ingot_digest content_id(const uint8_t *records, uint32_t n, const char *names, const uint8_t *model)
{
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    if (model) XXH3_128bits_update(&state, model, INGOT_HPARAMS_BYTES);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *record = records + (size_t)i * RECORD_BYTES;
        uint16_t kind = get_u16(record + RECORD_KIND_OFF);
        if (kind == INGOT_KIND_TENSOR || kind == INGOT_KIND_ALIAS) hash_tensor(&state, record, names);
    }
    XXH128_hash_t h = XXH3_128bits_digest(&state);
    return (struct ingot_digest){ .lo = h.low64, .hi = h.high64 };
}

/* fuzz_torch.c - any bytes as a PyTorch file, zip or legacy: pickle, storages and views must be refused, or give
 * tensors inside of the bytes. A zip's checksums, which no mutation survives, are put right in the pickle first. */
#include "convert/torch.h"
#include "format/bytes.h"
#include "format/simd/crc.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Writes the CRC-32 of every member where the three places keep it, as far as the bytes can be walked. */
static void mend_checksums(uint8_t *bytes, size_t n)
{
    if (n < 64 || n > UINT32_MAX) return;
    for (size_t at = 0; at + 46 < n; at++) {
        if (get_u32(bytes + at) != 0x02014b50) continue;
        const uint64_t off = get_u32(bytes + at + 42), size = get_u32(bytes + at + 24);
        if (off + 30 > n) continue;
        const uint64_t begin = off + 30 + get_u16(bytes + off + 26) + get_u16(bytes + off + 28);
        if (begin > n || size > n - begin) continue;
        const uint32_t crc = crc_of(CRC_32, bytes + begin, size);
        put_u32(bytes + at + 16, crc);
        if (get_u32(bytes + off + 14)) put_u32(bytes + off + 14, crc);
        if (begin + size + 8 <= n && get_u32(bytes + begin + size) == 0x08074b50)
            put_u32(bytes + begin + size + 4, crc);
    }
}

/* Reads the first and last byte of every tensor, and some elements as a strided reader would. */
static void touch(const struct ingot_source *src)
{
    uint8_t elems[16 * 16];
    for (size_t i = 0; i < src->n_tensors; i++) {
        const struct ingot_source_tensor *t = &src->tensors[i];
        uint64_t n;
        volatile uint8_t sink;
        if (!ingot_shape_elems(t->rank, t->shape, &n)) abort();
        if ((n == 0) != (t->n_bytes == 0)) abort();
        if (n == 0) continue;
        sink = ((const uint8_t *)t->data)[t->n_bytes - 1];
        (void)sink;
        ingot_source_gather(t, 0, n < 16 ? n : 16, elems);
        ingot_source_gather(t, n < 16 ? 0 : n - 16, n < 16 ? n : 16, elems);
    }
}

static void free_source(struct ingot_source *src)
{
    for (size_t i = 0; i < src->n_facts; i++) {
        free((void *)(uintptr_t)src->facts[i].key);
        free((void *)(uintptr_t)src->facts[i].text);
    }
    name_pool_free(&src->names);
    free(src->tensors);
    free(src->checks);
    free(src->facts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint8_t *bytes = malloc(n ? n : 1);
    if (!bytes) return 0;
    if (n) memcpy(bytes, data, n);
    const bool zip = n >= 4 && get_u32(bytes) == 0x04034b50;
    if (zip) mend_checksums(bytes, n);
    char name[] = "fuzz";
    struct input in = { .path = name, .base = name, .map = { .bytes = bytes, .size = n } };
    struct ingot_source src = { .path = name };
    struct torch_file f = { .src = &src, .in = &in };
    struct ingot_error err = { 0 };
    enum ingot_status status = zip ? torch_open_zip(&f, &err) : torch_open_legacy(&f, &err);
    if (status == INGOT_OK) status = torch_declare(&f, &err);
    if (status == INGOT_OK)
        touch(&src);
    else if (status != err.status || err.message[0] == '\0' || (err.offset != INGOT_NO_OFFSET && err.offset > n))
        abort();
    torch_close(&f);
    free_source(&src);
    free(bytes);
    return 0;
}

/*
 * cpu.c - CPUID says what the CPU can do, XGETBV which registers the operating system saves at a context switch.
 *
 * Both are needed: a CPU with AVX-512 under a system that does not save zmm registers faults on the first use. XGETBV
 * itself is legal only when CPUID says OSXSAVE.
 *
 * Under a hypervisor every CPUID is a trap of some 20 microseconds, longer than opening a file. So the answer, which
 * cannot change while the process lives, is remembered: a memo of a constant, the same whoever writes it first.
 */
#include "format/simd/cpu.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* XCR0: the state that the system saves. */
enum {
    XCR0_YMM = 0x06,      /* xmm and ymm */
    XCR0_ZMM = 0xe6,      /* also the mask registers, zmm 0-15's upper halves and zmm 16-31 */
    XCR0_TILES = 0x60000, /* the tiles and what they are configured to be */
};

enum {
    LEAF_7_EDX_AMX = 1 << 24 | 1 << 25, /* tiles, and their products of bytes */
    LEAF_7_EDX_AMX_BF16 = 1 << 22,
    LEAF_7_1_EAX_AVXVNNI = 1 << 4,
    LEAF_7_1_EAX_AVX512_BF16 = 1 << 5,
};

static uint64_t read_xcr0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool has_all(uint64_t value, uint64_t bits)
{
    return (value & bits) == bits;
}

static struct cpu_features ask_cpu(void)
{
    uint32_t eax, ebx, ecx, edx, most7, ebx7, ecx7, edx7;
    struct cpu_features cpu = { 0 };
    const uint32_t most = (uint32_t)__get_cpuid_max(0, NULL); /* asked once: __get_cpuid() would ask each time */

    if (most < 1) return cpu;
    __cpuid(1, eax, ebx, ecx, edx);
    cpu.sse42 = has_all(ecx, bit_SSE4_2);
    cpu.clmul = has_all(ecx, bit_PCLMUL);
    if (!has_all(ecx, bit_OSXSAVE) || most < 7) return cpu;

    __cpuid_count(7, 0, most7, ebx7, ecx7, edx7);
    const uint64_t saved = read_xcr0();
    cpu.avx2 = has_all(saved, XCR0_YMM) && has_all(ecx, bit_AVX | bit_FMA | bit_F16C) && has_all(ebx7, bit_AVX2);
    cpu.avx512 =
        cpu.avx2 && has_all(saved, XCR0_ZMM) && has_all(ebx7, bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ);
    cpu.avx512vnni = cpu.avx512 && has_all(ecx7, bit_AVX512VNNI);
    cpu.amx = cpu.avx512vnni && has_all(saved, XCR0_TILES) && has_all(edx7, LEAF_7_EDX_AMX);
    /* Leaf 7 says itself how many sub-leaves it has. */
    if (most7 < 1) return cpu;
    __cpuid_count(7, 1, eax, ebx, ecx, edx);
    cpu.avxvnni = cpu.avx2 && has_all(eax, LEAF_7_1_EAX_AVXVNNI);
    cpu.avx512bf16 = cpu.avx512vnni && has_all(eax, LEAF_7_1_EAX_AVX512_BF16);
    cpu.amxbf16 = cpu.amx && cpu.avx512bf16 && has_all(edx7, LEAF_7_EDX_AMX_BF16);
    return cpu;
}

/* Remembered with one bit more than there are features, so that it is never 0. */
enum { MEMO_KNOWN = 1 << 9 };

static unsigned pack(struct cpu_features cpu)
{
    return MEMO_KNOWN |
           (unsigned)(cpu.sse42 << 0 | cpu.clmul << 1 | cpu.avx2 << 2 | cpu.avx512 << 3 | cpu.avxvnni << 4 |
                      cpu.avx512vnni << 5 | cpu.amx << 6 | cpu.avx512bf16 << 7 | cpu.amxbf16 << 8);
}

static struct cpu_features unpack(unsigned memo)
{
    return (struct cpu_features){
        .sse42 = memo >> 0 & 1,
        .clmul = memo >> 1 & 1,
        .avx2 = memo >> 2 & 1,
        .avx512 = memo >> 3 & 1,
        .avxvnni = memo >> 4 & 1,
        .avx512vnni = memo >> 5 & 1,
        .amx = memo >> 6 & 1,
        .avx512bf16 = memo >> 7 & 1,
        .amxbf16 = memo >> 8 & 1,
    };
}

static unsigned remembered(bool ask)
{
    static atomic_uint memo; /* 0 until someone has asked; nothing else hangs on it, so relaxed order is enough */
    unsigned known = atomic_load_explicit(&memo, memory_order_relaxed);
    if (!known && ask) {
        known = pack(ask_cpu());
        atomic_store_explicit(&memo, known, memory_order_relaxed);
    }
    return known;
}

struct cpu_features cpu_detect(void)
{
    return unpack(remembered(true));
}

struct cpu_features cpu_remembered(void)
{
    return unpack(remembered(false));
}

/* Tiles are 8 KiB more to save at every context switch, so Linux hands them out on request, to the whole process. */
bool cpu_request_amx(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return cpu_detect().amx && syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

#elif defined(__aarch64__)

#include <sys/auxv.h>

/* The kernel put the answer beside the program's arguments, and counts in what it saves at a context switch. */
struct cpu_features cpu_detect(void)
{
    return (struct cpu_features){ .dotprod = getauxval(AT_HWCAP) & HWCAP_ASIMDDP };
}

struct cpu_features cpu_remembered(void)
{
    return cpu_detect();
}

#else

struct cpu_features cpu_detect(void)
{
    return (struct cpu_features){ 0 };
}

struct cpu_features cpu_remembered(void)
{
    return cpu_detect();
}

#endif

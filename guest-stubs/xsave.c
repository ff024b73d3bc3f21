/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: XSETBV takes what CPUID leaf 0xD offers and refuses the rest, and two guests on one processor keep their own XCR0
 * and their own upper halves of the YMM registers. Passes also on a processor without XSAVE or AVX.
 *
 *   [guest xsave-1]                    [guest xsave-2]
 *   image = xsave.elf                  image = xsave.elf
 *   memory = 4M                        memory = 4M
 *   cmdline = avx=1                    expect-end = exit 0
 *   expect-end = exit 0
 */
#include "guest-stubs/lib/stub.h"

enum { X87 = 1, SSE = 2, AVX = 4, AVX512 = 0xe0, ECX_XSAVE = 1 << 26, ROUNDS = 5 };

struct write {
    u32 index;
    u64 value;
};

static void xsetbv(void *argument)
{
    const struct write *w = argument;

    __asm__ volatile("xsetbv" : : "c"(w->index), "a"((u32)w->value), "d"((u32)(w->value >> 32)) : "memory");
}

static u64 xgetbv(void)
{
    u32 low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (u64)high << 32 | low;
}

static bool takes(u64 value)
{
    struct write w = { 0, value };

    return catch_exception(xsetbv, &w) == NO_EXCEPTION && xgetbv() == value;
}

static bool refuses(u32 index, u64 value)
{
    struct write w = { index, value };
    u64 before = xgetbv();

    return catch_exception(xsetbv, &w) == EXCEPTION_GP && exception_error_code == 0 && xgetbv() == before;
}

static void read_ymm(void *unused)
{
    __asm__ volatile("vmovd %%xmm0, %%eax" : : : "eax");
}

static u32 size_for(u64 xcr0)
{
    return takes(xcr0) ? cpuid(0xd, 0).ebx : 0;
}

/* The upper half of YMM0, filled again and again while the other guest does the same. */
static bool upper_half_stays(u32 seed)
{
    u32 wanted[8], found[8];

    for (u32 round = 0; round < ROUNDS; round++) {
        u64 start = rdtsc();
        for (u32 i = 0; i < 8; i++)
            wanted[i] = seed * 0x01000193 + round * 8 + i;
        __asm__ volatile("vmovdqu %0, %%ymm0" : : "m"(wanted));
        while (rdtsc() - start < 3000000)
            ;
        __asm__ volatile("vmovdqu %%ymm0, %0" : "=m"(found));
        for (u32 i = 0; i < 8; i++) {
            if (found[i] != wanted[i])
                return false;
        }
    }
    return true;
}

/* XCR0 stays as this guest has set it, while its neighbour has AVX on. */
static bool xcr0_stays(u64 value)
{
    u64 start = rdtsc();

    while (rdtsc() - start < 15000000) {
        if (xgetbv() != value)
            return false;
    }
    return true;
}

static void with_xsave(u64 offered)
{
    write_cr4(read_cr4() | CR4_SSE | CR4_OSXSAVE);
    ok(xgetbv() == X87, "XCR0 is 1 after a reset");
    ok(takes(X87 | SSE) && takes(offered), "XCR0 takes what CPUID offers: 0x%llx", (unsigned long long)offered);
    ok(refuses(0, 0) && refuses(0, SSE) && refuses(0, offered & ~(u64)X87), "it refuses to turn x87 off");
    ok(refuses(1, X87) && refuses(0xffffffff, X87), "there is only XCR0");
    ok(refuses(0, X87 | 1ull << 63) && refuses(0, offered | 1 << 8) && refuses(0, offered | 1ull << 62) &&
           refuses(0, offered | 3 << 17),
       "it refuses bits that CPUID does not offer");
    ok(!(offered & AVX) || refuses(0, X87 | AVX), "it refuses AVX without SSE");
    ok(!(offered & AVX512) || (refuses(0, offered & ~(u64)(1 << 5)) && refuses(0, offered & ~(u64)AVX)),
       "it refuses a part of AVX-512, and AVX-512 without AVX");
    ok(size_for(X87 | SSE) == 576 && size_for(offered) == cpuid(0xd, 0).ecx,
       "CPUID tells the size for the present XCR0");
    takes(X87 | SSE);
    ok(!(offered & AVX) || catch_exception(read_ymm, NULL) == EXCEPTION_UD, "AVX raises #UD while XCR0 has it not");
    if (argument("avx", 0) && offered & AVX) {
        takes(offered);
        ok(upper_half_stays(1), "the upper half of YMM0 stays");
    } else {
        ok(xcr0_stays(X87 | SSE), "XCR0 stays");
    }
}

void stub_main(void)
{
    plan(10);
    write_cr0((read_cr0() & ~(uintptr_t)(CR0_EM | CR0_TS)) | CR0_MP);
    if (cpuid(1, 0).ecx & ECX_XSAVE) {
        struct cpuid leaf = cpuid(0xd, 0);
        with_xsave((u64)leaf.edx << 32 | leaf.eax);
        return;
    }
    for (unsigned i = 0; i < 10; i++)
        ok(true, "# SKIP this processor has no XSAVE");
}

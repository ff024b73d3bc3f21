/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: all that XSAVE manages is a guest's own while others run on the same processor: x87, SSE, and where there are AVX and
 * AVX-512. Two instances with different seeds run side by side, also with different XCR0: each fills the registers, spins for
 * longer than a slice, and looks. Every third round some components are in their initial state meanwhile, every third one they
 * are turned off in XCR0. Passes also on a processor without XSAVE.
 *
 *   [guest vector-1]                   [guest vector-2]
 *   image = vector_neighbour.elf       image = vector_neighbour.elf
 *   memory = 8M                        memory = 8M
 *   cmdline = seed=1                   cmdline = seed=2 xcr0=3
 *   expect-end = exit 0                expect-end = exit 0
 */
#include "guest-stubs/lib/stub.h"

enum { LEGACY = 512, HEADER = 576, X87 = 32, XMM = 160, XMM_END = 416, MXCSR = 24, MXCSR_MASK = 28, AREA = 4096 };
enum { X87_SSE = 3, AVX = 4, ECX_CX16 = 1 << 13, ECX_XSAVE = 1 << 26, EAX_XSAVEC = 1 << 1 };
#define COMPACT (1ull << 63)

static u8 wanted[AREA] __attribute__((aligned(64))), found[AREA] __attribute__((aligned(64)));
static u32 random_state;

static u8 next_random(void)
{
    random_state = random_state * 1664525 + 1013904223;
    return (u8)(random_state >> 16);
}

static void xsetbv(u64 value)
{
    __asm__ volatile("xsetbv" : : "c"(0), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

static void xrstor(const u8 *area)
{
    __asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(~0u), "d"(~0u) : "memory");
}

static void xsave(u8 *area)
{
    __asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(~0u), "d"(~0u) : "memory");
}

static void clear(u8 *area)
{
    for (unsigned i = 0; i < AREA; i++)
        area[i] = 0;
}

static u64 *header(u8 *area, unsigned n)
{
    return (u64 *)(area + LEGACY) + n;
}

/* An image of the components in `state`, with random values; the others are as after a reset. */
static void fill(u64 state)
{
    clear(wanted);
    wanted[0] = 0x7f; /* FCW 0x37f */
    wanted[1] = 3;
    wanted[MXCSR] = 0x80; /* 0x1f80 */
    wanted[MXCSR + 1] = 0x1f;
    if (state & 1) {
        wanted[4] = 0xff; /* all eight registers are in use */
        for (unsigned i = 0; i < 8; i++) {
            u8 *x87 = wanted + X87 + 16 * i;
            for (unsigned j = 0; j < 8; j++)
                x87[j] = next_random();
            x87[7] |= 0x80; /* a normal number: integer bit, exponent 0x3fff */
            x87[8] = 0xff;
            x87[9] = 0x3f;
        }
    }
    if (state & 2)
        for (unsigned i = XMM; i < XMM_END; i++)
            wanted[i] = next_random();
    for (unsigned i = 2; i < 63; i++) {
        struct cpuid component = cpuid(0xd, i);
        for (u32 j = 0; state >> i & 1 && j < component.eax; j++)
            wanted[component.ebx + j] = next_random();
    }
    *header(wanted, 0) = state;
}

static unsigned differences(unsigned from, unsigned size)
{
    unsigned count = 0;

    for (unsigned i = from; i < from + size; i++)
        count += wanted[i] != found[i];
    return count;
}

/* What the registers hold, compared with the image. */
static unsigned compare(const char *when, u64 offered)
{
    unsigned wrong;

    clear(found);
    xsave(found);
    found[MXCSR_MASK] = found[MXCSR_MASK + 1] = found[MXCSR_MASK + 2] = found[MXCSR_MASK + 3] = 0;
    wrong = differences(0, XMM_END);
    for (unsigned i = 2; i < 63; i++)
        if (offered >> i & 1) {
            struct cpuid component = cpuid(0xd, i);
            unsigned here = differences(component.ebx, component.eax);
            if (here)
                print("# %s: %u bytes of component %u differ\n", when, here, i);
            wrong += here;
        }
    return wrong;
}

static void spin(u64 ticks)
{
    u64 start = rdtsc();

    while (rdtsc() - start < ticks)
        ;
}

/* XSAVEC writes as many bytes as leaf 0xd says, and XRSTOR takes them. */
static bool compact_format_works(u64 offered)
{
    u32 size = cpuid(0xd, 1).ebx;
    static u8 area[AREA] __attribute__((aligned(64)));

    if (!(cpuid(0xd, 1).eax & EAX_XSAVEC))
        return size == 0;
    for (unsigned i = 0; i < AREA; i++)
        area[i] = i < LEGACY || i >= HEADER ? 0x5a : 0;
    fill(offered);
    xrstor(wanted);
    __asm__ volatile("xsavec64 (%0)" : : "r"(area), "a"(~0u), "d"(~0u) : "memory");
    if (*header(area, 0) != offered || *header(area, 1) != (COMPACT | offered))
        return false;
    for (unsigned i = size; i < AREA; i++)
        if (area[i] != 0x5a)
            return false;
    if (offered & AVX && area[size - 1] == 0x5a && area[size - 2] == 0x5a && area[size - 3] == 0x5a)
        return false;
    fill(0);
    xrstor(wanted);
    random_state = 77;
    fill(offered);
    xrstor(area);
    return compare("not its own", offered) != 0 && (xrstor(wanted), compare("compact", offered) == 0);
}

/* What only 64-bit mode has; without it they raise #UD, which ends the stub. */
static bool instructions_work(void)
{
    static u64 pair[2] __attribute__((aligned(16))) = { 1, 2 };
    u64 low = 1, high = 2, base = 0x123456789000, back;
    bool right = true;

    if (cpuid(1, 0).ecx & ECX_CX16) {
        __asm__ volatile("cmpxchg16b %0" : "+m"(pair), "+a"(low), "+d"(high) : "b"(3ull), "c"(4ull) : "cc", "memory");
        right = right && pair[0] == 3 && pair[1] == 4;
    }
    if (cpuid(7, 0).ebx & 1) {
        write_cr4(read_cr4() | 1 << 16);
        __asm__ volatile("wrgsbase %1; rdgsbase %0" : "=r"(back) : "r"(base));
        right = right && back == base;
    }
    if (cpuid(0x80000001, 0).ecx & 1)
        __asm__ volatile("lahf" : : : "eax");
    return right;
}

void stub_main(void)
{
    u32 seed = (u32)argument("seed", 1), rounds = (u32)argument("rounds", 9);
    u64 ticks = argument("spin", 3000000);
    unsigned wrong = 0;

    plan(3);
    write_cr0((read_cr0() & ~(uintptr_t)(CR0_EM | CR0_TS)) | CR0_MP);
    write_cr4(read_cr4() | CR4_SSE);
    ok(instructions_work(), "CMPXCHG16B, the bases of FS and GS, LAHF");
    if (!(cpuid(1, 0).ecx & ECX_XSAVE)) {
        ok(true, "# SKIP this processor has no XSAVE");
        ok(true, "# SKIP this processor has no XSAVE");
        return;
    }
    write_cr4(read_cr4() | CR4_OSXSAVE);
    u64 offered = cpuid(0xd, 0).eax & argument("xcr0", ~0u);
    print("# XCR0 0x%llx, %u bytes\n", (unsigned long long)offered, cpuid(0xd, 0).ecx);
    xsetbv(offered);
    random_state = seed;
    ok(compact_format_works(offered), "XSAVEC");
    for (u32 round = 0; round < rounds; round++) {
        random_state = seed * 0x01000193 + round;
        fill(round % 3 == 1 ? offered & ~(u64)(1u << round % 2) & ~(u64)AVX : offered);
        xrstor(wanted);
        if (round % 3 == 2)
            xsetbv(1);
        spin(ticks);
        if (round % 3 == 2)
            xsetbv(offered);
        wrong += compare("after others", offered);
    }
    ok(wrong == 0, "all components stay (%u bytes differ)", wrong);
}

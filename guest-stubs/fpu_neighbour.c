/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: a guest's x87, SSE and debug registers are its own while others run on the same processor. Two instances with
 * different seeds run side by side; each fills the registers, spins for longer than a slice, and checks them.
 * rounds=N and spin=N (in TSC ticks) on the command line.
 *
 *   [guest fpu-1]                      [guest fpu-2]
 *   image = fpu_neighbour.elf          image = fpu_neighbour.elf
 *   memory = 4M                        memory = 4M
 *   cmdline = seed=1                   cmdline = seed=2
 *   expect-end = exit 0                expect-end = exit 0
 */
#include "guest-stubs/lib/stub.h"

enum { DR_COUNT = 4, FXSAVE_XMM = 160, FXSAVE_X87 = 32 };

static u8 wanted[512] __attribute__((aligned(16))), found[512] __attribute__((aligned(16)));

static u32 next_random(u32 *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* A register image: eight x87 numbers (normal ones: exponent 0x3fff, integer bit set) and eight XMM registers. */
static void fill(u32 seed)
{
    __asm__ volatile("fninit; fxsave %0" : "=m"(wanted));
    for (unsigned i = 0; i < 8; i++) {
        u8 *x87 = wanted + FXSAVE_X87 + 16 * i, *xmm = wanted + FXSAVE_XMM + 16 * i;

        for (unsigned j = 0; j < 8; j++)
            x87[j] = (u8)next_random(&seed);
        x87[7] |= 0x80;
        x87[8] = 0xff;
        x87[9] = 0x3f;
        for (unsigned j = 0; j < 16; j++)
            xmm[j] = (u8)next_random(&seed);
    }
    wanted[4] = 0xff; /* all eight x87 registers are in use */
    __asm__ volatile("fxrstor %0" : : "m"(wanted));
}

static unsigned differences(unsigned from, unsigned size)
{
    unsigned count = 0;

    for (unsigned i = from; i < from + size; i++)
        count += wanted[i] != found[i];
    return count;
}

static void write_debug_registers(u32 seed)
{
    __asm__ volatile("mov %0, %%dr0; mov %1, %%dr1; mov %2, %%dr2; mov %3, %%dr3"
                     :
                     : "r"(seed), "r"(seed + 1), "r"(seed + 2), "r"(seed + 3));
}

static bool debug_registers_are(u32 seed)
{
    u32 dr0, dr1, dr2, dr3;

    __asm__ volatile("mov %%dr0, %0; mov %%dr1, %1; mov %%dr2, %2; mov %%dr3, %3"
                     : "=r"(dr0), "=r"(dr1), "=r"(dr2), "=r"(dr3));
    return dr0 == seed && dr1 == seed + 1 && dr2 == seed + 2 && dr3 == seed + 3;
}

void stub_main(void)
{
    u32 seed = (u32)argument("seed", 1), rounds = (u32)argument("rounds", 10);
    u64 spin = argument("spin", 3000000);
    unsigned x87 = 0, xmm = 0, debug = 0;

    plan(3);
    write_cr0((read_cr0() & ~(uintptr_t)(CR0_EM | CR0_TS)) | CR0_MP);
    write_cr4(read_cr4() | CR4_SSE);
    for (u32 round = 0; round < rounds; round++) {
        u32 round_seed = seed * 0x01000193 + round;
        u64 start = rdtsc();

        fill(round_seed);
        write_debug_registers(round_seed);
        while (rdtsc() - start < spin)
            ;
        __asm__ volatile("fxsave %0" : "=m"(found));
        x87 += differences(0, FXSAVE_XMM);
        xmm += differences(FXSAVE_XMM, 8 * 16);
        debug += !debug_registers_are(round_seed);
    }
    print("# seed %u, %u rounds of %llu ticks\n", seed, rounds, (unsigned long long)spin);
    ok(x87 == 0, "x87 registers and their control words (%u bytes differ)", x87);
    ok(xmm == 0, "XMM registers (%u bytes differ)", xmm);
    ok(debug == 0, "debug registers (%u rounds differ)", debug);
}

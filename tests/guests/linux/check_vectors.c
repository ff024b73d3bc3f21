/* SPDX-License-Identifier: BSD-2-Clause */
/* Vector registers, as wide as this processor has them, keep their contents while processes take turns on each processor. */
#include "tests/guests/linux/init.h"

#include <cpuid.h>

enum { XCR0_AVX = 0x6, XCR0_AVX512 = 0xe6, ROUNDS = 20, LOOPS = 500 };

enum { REGISTERS = 3, STRIDE = 64 };

static unsigned width; /* of a register in bytes: xmm, ymm or zmm */

static unsigned vector_width(void)
{
    u32 eax, ebx, ecx, edx, low, high;

    __cpuid(1, eax, ebx, ecx, edx);
    if (!(ecx & bit_OSXSAVE) || !(ecx & bit_AVX))
        return 16;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    __cpuid_count(7, 0, eax, ebx, ecx, edx);
    if ((low & XCR0_AVX512) == XCR0_AVX512 && (ebx & bit_AVX512F))
        return 64;
    return (low & XCR0_AVX) == XCR0_AVX ? 32 : 16;
}

/* Loads three registers, spins without touching them, and stores them. */
#define KEEP(move, name, last)                                                                                    \
    __asm__ volatile(move " (%0), %%" name "0\n\t" move " 64(%0), %%" name "7\n\t" move " 128(%0), %%" name last  \
                          "\n1:\tpause\n\tsub $1, %1\n\tjnz 1b\n\t" move " %%" name "0, (%2)\n\t" move " %%" name \
                          "7, 64(%2)\n\t" move " %%" name last ", 128(%2)"                                        \
                     : "+r"(from), "+r"(loops)                                                                    \
                     : "r"(to)                                                                                    \
                     : "memory")

static void keep(const u8 *from, u8 *to, u64 loops)
{
    if (width == 64)
        KEEP("vmovdqu64", "zmm", "31");
    else if (width == 32)
        KEEP("vmovdqu", "ymm", "15");
    else
        KEEP("movups", "xmm", "15");
}

static int keep_vectors(unsigned processor)
{
    u64 seed = tsc() + processor, wrong = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        u8 before[REGISTERS * STRIDE], after[REGISTERS * STRIDE];
        for (unsigned i = 0; i < sizeof(before); i++) {
            seed = seed * 6364136223846793005 + 1442695040888963407;
            before[i] = (u8)(seed >> 56);
        }
        keep(before, after, LOOPS);
        for (unsigned i = 0; i < sizeof(before); i++)
            wrong += i % STRIDE < width && before[i] != after[i];
        CALL_0(sched_yield);
    }
    return wrong != 0;
}

void check_vectors(void)
{
    width = vector_width();
    ok(on_each_processor(keep_vectors, 2) == 0,
       "vector registers of %u bytes are kept, two processes on each processor", (u64)width);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* See delay.h. */
#include "arch/x86/delay.h"

#include "arch/x86/cpu.h"

static u64 tsc_hz = 1000 * 1000 * 1000;

void delay_init(u64 hz)
{
    tsc_hz = hz;
}

u64 delay_ticks(u64 microseconds)
{
    return tsc_hz * microseconds / 1000000;
}

void delay_us(u64 microseconds)
{
    u64 start = rdtsc(), ticks = delay_ticks(microseconds);

    while (rdtsc() - start < ticks)
        cpu_pause();
}

bool delay_until_equal(const u32 *word, u32 value, u64 microseconds)
{
    u64 start = rdtsc(), ticks = delay_ticks(microseconds);

    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value) {
        if (rdtsc() - start >= ticks)
            return __atomic_load_n(word, __ATOMIC_ACQUIRE) == value;
        cpu_pause();
    }
    return true;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* See host_timer.h. SDM vol. 3, 11.5.4 "APIC Timer". */
#include "arch/x86/host_timer.h"

#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/delay.h"
#include "arch/x86/irq.h"
#include "arch/x86/msr.h"

enum { LVT_DEADLINE = 2 << 17, DIVIDE_BY_1 = 0xb };
enum { TRY_US = 50, TRY_MOST_US = 5000, CALIBRATE_US = 500 };

static const u32 CPUID_ECX_DEADLINE = 1u << 24;

static const u64 MOST_TICKS = 1ull << 31; /* times a rate of up to 2 it fits */

static enum host_timer_kind kind;
/* The countdown's ticks per TSC tick, times 2^32; rounded down, so that it comes too early rather than too late. */
static u64 rate;

static void set_mode(enum host_timer_kind wanted)
{
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER | (wanted == HOST_TIMER_DEADLINE ? LVT_DEADLINE : 0));
    apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
    /* In xAPIC mode the change of mode and the first deadline are in no order otherwise (SDM vol. 3, 11.5.4.1). */
    __asm__ volatile("mfence" : : : "memory");
}

/* The vector waits in the local APIC, because interrupts are off; the first idling takes it. */
static bool comes(void)
{
    u64 start = rdtsc();

    host_timer_arm(start + delay_ticks(TRY_US));
    while (rdtsc() - start < delay_ticks(TRY_MOST_US))
        if (apic_is_requested(VECTOR_TIMER))
            return true;
    return false;
}

static void calibrate(void)
{
    apic_write(APIC_TIMER_INITIAL, ~0u);
    u64 start = rdtsc();
    delay_us(CALIBRATE_US);
    u64 ticks = rdtsc() - start, counted = ~0u - apic_read(APIC_TIMER_CURRENT);
    apic_write(APIC_TIMER_INITIAL, 0);
    rate = ticks >= counted / 2 ? (counted << 32) / ticks : 0;
}

void host_timer_start(void)
{
    if (!apic_is_present())
        return;
    if (cpuid(1).ecx & CPUID_ECX_DEADLINE) {
        kind = HOST_TIMER_DEADLINE;
        set_mode(kind);
        if (comes())
            return;
        host_timer_disarm();
    }
    kind = HOST_TIMER_COUNTDOWN;
    set_mode(kind);
    calibrate();
    if (rate && comes())
        return;
    kind = HOST_TIMER_NONE;
    apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED | VECTOR_TIMER);
}

void host_timer_join(void)
{
    if (kind != HOST_TIMER_NONE)
        set_mode(kind);
}

enum host_timer_kind host_timer_kind(void)
{
    return kind;
}

void host_timer_arm(u64 tsc)
{
    if (kind == HOST_TIMER_DEADLINE) {
        wrmsr(MSR_TSC_DEADLINE, tsc);
        return;
    }
    u64 now = rdtsc(), ticks = tsc > now ? tsc - now : 0;
    /* 0 would stop it. What is too far for the counter comes in pieces. */
    u64 count = ((ticks < MOST_TICKS ? ticks : MOST_TICKS) * rate >> 32) + 1;
    apic_write(APIC_TIMER_INITIAL, count < ~0u ? (u32)count : ~0u);
}

void host_timer_disarm(void)
{
    if (kind == HOST_TIMER_DEADLINE)
        wrmsr(MSR_TSC_DEADLINE, 0);
    else
        apic_write(APIC_TIMER_INITIAL, 0);
}

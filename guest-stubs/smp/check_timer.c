/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local timers, on all processors at the same time. Others may have their turn at any moment: so it is checked that nothing
 * comes early, or too often, and not how late it is.
 */
#include "guest-stubs/smp/smp.h"

enum { DIVIDE_BY_1 = 0xb, INTERVAL = 1 << 17, PERIODS = 5, ATTEMPTS = 8 }; /* in TSC ticks */
enum { CPUID_TSC_DEADLINE = 1 << 24 };

static u32 rate; /* the timer's ticks in INTERVAL of the TSC's */

static void wait_ticks(u64 ticks)
{
    u64 start = rdtsc();

    while (rdtsc() - start < ticks)
        relax();
}

/* a * b / c, which is less than 2^32. */
static u32 scaled(u32 a, u32 b, u32 c)
{
    u32 high;

    __asm__("mull %2\n\tdivl %3" : "+a"(a), "=&d"(high) : "r"(b), "r"(c) : "cc");
    return a;
}

/* The timer's ticks in INTERVAL, divided as `divide` says. Too few, if somebody else has a turn between two readings. */
static u32 measure(u32 divide)
{
    u32 first, last;
    u64 start;

    apic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
    apic_write(APIC_TIMER_DIVIDE, divide);
    apic_write(APIC_TIMER_INITIAL, 0xffffffff);
    start = rdtsc();
    first = apic_read(APIC_TIMER_CURRENT);
    wait_ticks(INTERVAL);
    last = apic_read(APIC_TIMER_CURRENT);
    return scaled(first - last, INTERVAL, (u32)(rdtsc() - start));
}

static u32 measure_most(u32 divide)
{
    u32 most = 0;

    for (unsigned i = 0; i < ATTEMPTS; i++) {
        u32 ticks = measure(divide);
        most = ticks > most ? ticks : most;
    }
    return most;
}

static void start_timer(u32 mode, u32 ticks)
{
    this_processor()->counts[VECTOR_TIMER] = 0;
    apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, mode | VECTOR_TIMER);
    apic_write(APIC_TIMER_INITIAL, ticks);
}

static void stop_timer(void)
{
    apic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
    apic_write(APIC_TIMER_INITIAL, 0);
    take_interrupts();
}

static bool not_early(u64 start, u64 ticks)
{
    return rdtsc() - start >= ticks - ticks / 8;
}

static void one_shot(void)
{
    struct processor *self = this_processor();
    u64 start = rdtsc();
    bool right;

    start_timer(0, rate);
    while (self->counts[VECTOR_TIMER] == 0)
        halt_once();
    right = not_early(start, INTERVAL);
    interrupts_on();
    wait_ticks(3 * INTERVAL);
    interrupts_off();
    self->result = right && self->counts[VECTOR_TIMER] == 1 && apic_read(APIC_TIMER_CURRENT) == 0;
    stop_timer();
}

static void periodic(void)
{
    struct processor *self = this_processor();
    u64 start = rdtsc();
    u32 seen;
    bool right;

    start_timer(LVT_PERIODIC, rate);
    while (self->counts[VECTOR_TIMER] < PERIODS)
        halt_once();
    right = not_early(start, (u64)PERIODS * INTERVAL) && apic_read(APIC_TIMER_CURRENT) <= rate;
    stop_timer();
    seen = self->counts[VECTOR_TIMER];
    interrupts_on();
    wait_ticks(3 * INTERVAL);
    interrupts_off();
    self->result = right && self->counts[VECTOR_TIMER] == seen;
}

/* It counts on while interrupts are off, and comes when they are on. */
static void pending(void)
{
    struct processor *self = this_processor();
    bool early;

    start_timer(0, rate);
    wait_until((apic_read(APIC_IRR + VECTOR_TIMER / 32 * 16) & (1u << (VECTOR_TIMER % 32))) != 0);
    early = self->counts[VECTOR_TIMER] != 0;
    take_interrupts();
    self->result = !early && self->counts[VECTOR_TIMER] == 1;
    stop_timer();
}

static void masked(void)
{
    struct processor *self = this_processor();

    start_timer(LVT_MASKED, rate);
    interrupts_on();
    wait_ticks(3 * INTERVAL);
    interrupts_off();
    self->result = self->counts[VECTOR_TIMER] == 0 && apic_read(APIC_TIMER_CURRENT) == 0;
    stop_timer();
}

static void stopped(void)
{
    struct processor *self = this_processor();

    start_timer(0, rate);
    apic_write(APIC_TIMER_INITIAL, 0);
    interrupts_on();
    wait_ticks(3 * INTERVAL);
    interrupts_off();
    /* Somebody else's turn may have been long enough for it to expire before. */
    self->result = self->counts[VECTOR_TIMER] <= 1 && apic_read(APIC_TIMER_CURRENT) == 0;
    stop_timer();
}

static bool divides(void)
{
    static const struct {
        u32 code, shift;
    } cases[] = { { 0x0, 1 }, { 0x1, 2 }, { 0x2, 3 }, { 0x3, 4 }, { 0x8, 5 }, { 0x9, 6 }, { 0xa, 7 } };
    bool right = true;

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        u32 ticks = measure_most(cases[i].code) << cases[i].shift, slack = rate / 4 + (2u << cases[i].shift);
        if (ticks + slack < rate || ticks > rate + slack) {
            print("# divided by %u: %u ticks, undivided %u\n", 1u << cases[i].shift, ticks, rate);
            right = false;
        }
    }
    return right;
}

/* In the future: not early, and the MSR is 0 then. In the past: at once. */
static void deadline(void)
{
    struct processor *self = this_processor();
    u64 start = rdtsc();
    bool right;

    self->counts[VECTOR_TIMER] = 0;
    apic_write(APIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TIMER);
    __asm__ volatile("mfence" : : : "memory"); /* SDM "TSC-Deadline Mode": the write to memory comes first */
    wrmsr(MSR_TSC_DEADLINE, start + INTERVAL);
    while (self->counts[VECTOR_TIMER] == 0)
        halt_once();
    right = rdtsc() >= start + INTERVAL && rdmsr(MSR_TSC_DEADLINE) == 0;
    wrmsr(MSR_TSC_DEADLINE, start);
    while (self->counts[VECTOR_TIMER] == 1)
        halt_once();
    interrupts_on();
    wait_ticks(INTERVAL);
    interrupts_off();
    self->result = right && self->counts[VECTOR_TIMER] == 2 && rdmsr(MSR_TSC_DEADLINE) == 0;
    stop_timer();
}

/* A deadline of 0 is none; and TSC-deadline mode ignores the initial count. */
static void no_deadline(void)
{
    struct processor *self = this_processor();

    self->counts[VECTOR_TIMER] = 0;
    apic_write(APIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TIMER);
    __asm__ volatile("mfence" : : : "memory");
    wrmsr(MSR_TSC_DEADLINE, rdtsc() + 1000 * (u64)INTERVAL);
    wrmsr(MSR_TSC_DEADLINE, 0);
    apic_write(APIC_TIMER_INITIAL, rate);
    interrupts_on();
    wait_ticks(3 * INTERVAL);
    interrupts_off();
    self->result = self->counts[VECTOR_TIMER] == 0 && rdmsr(MSR_TSC_DEADLINE) == 0;
    stop_timer();
}

static void on_each(void (*function)(void), const char *name)
{
    run_on_all(function);
    ok(results(true) == processor_count, "%s, on each", name);
}

void check_timer(void)
{
    rate = measure_most(DIVIDE_BY_1);
    print("# %u ticks of the timer in %u of the TSC\n", rate, (unsigned)INTERVAL);
    on_each(one_shot, "one-shot: once, and not early");
    on_each(periodic, "periodic: again and again, until it is stopped");
    on_each(pending, "with interrupts off it waits");
    on_each(masked, "masked, it only counts");
    on_each(stopped, "an initial count of 0 stops it");
    ok(divides(), "its clock is divided");
    if (cpuid(1, 0).ecx & CPUID_TSC_DEADLINE && argument("deadline", 1)) {
        on_each(deadline, "TSC deadline: not early, or at once");
        on_each(no_deadline, "TSC deadline: 0 is none");
    } else {
        ok(!argument("deadline", 0), "# SKIP no TSC deadline");
        ok(!argument("deadline", 0), "# SKIP no TSC deadline");
    }
}

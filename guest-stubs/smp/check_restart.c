/* SPDX-License-Identifier: BSD-2-Clause */
/* A processor that runs is stopped by INIT, and starts anew with a SIPI. */
#include "guest-stubs/smp/smp.h"

enum { MOMENTS = 100 };

static volatile u32 beats;
static volatile bool stop;

static void beat(void)
{
    while (!stop)
        beats++;
}

static void wait_a_moment(void)
{
    for (unsigned i = 0; i < 20000; i++)
        relax();
}

void check_restart(void)
{
    unsigned index = processor_count - 1;
    struct processor *last = &processor_table[index];
    u32 before;

    if (index == 0) {
        ok(true, "# SKIP one processor");
        ok(true, "# SKIP one processor");
        return;
    }
    stop = false;
    last->work = beat;
    apic_send(last->apic_id, ICR_FIXED | ICR_ASSERT | VECTOR_WAKE);
    before = beats;
    wait_until(beats != before);
    apic_send(last->apic_id, ICR_INIT | ICR_ASSERT);
    for (unsigned i = 0; i < MOMENTS; i++) {
        before = beats;
        wait_a_moment();
        if (beats == before)
            break;
    }
    ok(beats == before, "INIT stops a processor");
    last->work = NULL;
    trampoline_set_next(index);
    apic_send(last->apic_id, ICR_STARTUP | ICR_ASSERT | 0);
    wait_until(last->arrived == 2);
    stop = true;
    before = beats;
    run_on_one(index, beat);
    run_on_all(take_interrupts);
    ok(beats == before && last->start_edx == cpuid(1, 0).eax, "and a SIPI starts it anew");
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Idle processors, and their end: see processor_start.h. */
#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/delay.h"
#include "arch/x86/host_timer.h"
#include "arch/x86/irq.h"
#include "arch/x86/processor.h"
#include "arch/x86/processor_start.h"
#include "arch/x86/vcpu_switch.h"
#include "arch/x86/vmx.h"
#include "hv/lib/log.h"

enum { STOP_US = 1000000 };

static const u64 NEVER = ~0ull;

static bool stopping;
static u32 stopped;

static _Noreturn void stop_here(void)
{
    vcpu_make_current(NULL);
    vmx_stop();
    __atomic_fetch_add(&stopped, 1, __ATOMIC_RELEASE);
    for (;;) {
        cli();
        hlt();
    }
}

void processors_stop(void)
{
    unsigned others = processor_count() - 1;

    __atomic_store_n(&stopping, true, __ATOMIC_RELEASE);
    for (unsigned i = 1; i <= others; i++)
        processor_kick(i);
    if (!delay_until_equal(&stopped, others, STOP_US))
        log_line("%u of %u other processors do not stop", others - __atomic_load_n(&stopped, __ATOMIC_ACQUIRE), others);
}

void processor_halt_until(u64 tsc)
{
    bool alarm = tsc != NEVER && host_timer_kind() != HOST_TIMER_NONE;

    if (!apic_is_present() || (tsc != NEVER && !alarm)) {
        /* Nothing would end a halt: only what waits already is taken. */
        __asm__ volatile("sti; nop; pause; cli" : : : "memory");
    } else {
        if (alarm)
            host_timer_arm(tsc);
        __asm__ volatile("sti; hlt; cli" : : : "memory"); /* STI holds interrupts back for one instruction */
        if (alarm)
            host_timer_disarm();
    }
    if (__atomic_load_n(&stopping, __ATOMIC_ACQUIRE) && this_processor()->number != 0)
        stop_here();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* What mm/ needs from the hypervisor: mm/port.h. */
#include "mm/port.h"

#include "arch/x86/cpu.h"
#include "arch/x86/irq.h"
#include "arch/x86/paging.h"
#include "arch/x86/processor.h"
#include "arch/x86/vcpu.h"
#include "hv/lib/log.h"
#include "hv/task.h"
#include "mm/vm_memory.h"

static_assert(MM_FRAMES_AT == DIRECT_MAP_BASE, "hypervisor.mk says where boot/ maps RAM");

/* This processor is here, and not in a guest. */
void port_kick(struct vm_memory *vm)
{
    unsigned count = processor_count();

    /* Pairs with the store before vcpu_memory_enter(): one that is not seen to be in the guest sees the caller's request. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < count; i++) {
        struct processor *processor = processor_at(i);

        if (__atomic_load_n(&processor->guest, __ATOMIC_SEQ_CST) == vm && processor != this_processor())
            processor_kick(i);
    }
}

unsigned port_processor(void)
{
    return this_processor()->number;
}

void port_relax(void)
{
    cpu_pause();
}

void port_yield(void)
{
    struct vcpu *vcpu = vcpu_pause();

    task_yield();
    vcpu_resume(vcpu);
}

void port_log(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_line_v(format, args);
    va_end(args);
}

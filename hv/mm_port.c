/* SPDX-License-Identifier: BSD-2-Clause */
/* What mm/ needs from the hypervisor: mm/port.h. */
#include "mm/port.h"

#include "arch/x86/cpu.h"
#include "arch/x86/paging.h"
#include "arch/x86/processor.h"
#include "arch/x86/vcpu.h"
#include "hv/lib/log.h"
#include "hv/task.h"
#include "mm/vm_memory.h"

void *port_frame_address(pfn_t pfn)
{
    return phys_to_virt(pfn_to_hpa(pfn));
}

pfn_t port_frame_of(const void *address)
{
    return hpa_to_pfn((hpa_t){ (u64)address - DIRECT_MAP_BASE });
}

/* There is one processor, and it is here and not in a guest. */
void port_kick(struct vm_memory *vm)
{
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

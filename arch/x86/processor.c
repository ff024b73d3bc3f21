/* SPDX-License-Identifier: BSD-2-Clause */
/* See processor.h. */
#include "arch/x86/processor.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"

static struct processor boot_processor;
static struct processor *processors[PROCESSOR_MAX] = { &boot_processor };
static unsigned count = 1;

unsigned processor_count(void)
{
    return __atomic_load_n(&count, __ATOMIC_ACQUIRE);
}

struct processor *processor_at(unsigned number)
{
    return processors[number];
}

void processor_add(struct processor *processor)
{
    assert(count < PROCESSOR_MAX && processor->number == count);
    processors[count] = processor;
    __atomic_store_n(&count, count + 1, __ATOMIC_RELEASE); /* pairs with processor_count() */
}

void processor_set_self(struct processor *processor)
{
    processor->self = processor;
    wrmsr(MSR_GS_BASE, (u64)processor);
}

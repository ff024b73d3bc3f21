/* SPDX-License-Identifier: BSD-2-Clause */
/* The others start, once each, in the state that INIT leaves. */
#include "guest-stubs/smp/smp.h"

enum { FW_CFG_SELECTOR = 0x510, FW_CFG_DATA = 0x511, FW_CFG_PROCESSORS = 5 };
enum { CPUID_APIC = 1 << 9 };

/* After INIT CD and NW are set or not, as they were (SDM "Processor State After Reset"): a firmware may have cleared them. */
#define CR0_INIT      0x10u
#define CR0_UNCERTAIN (CR0_CD | CR0_NW)

static unsigned fw_cfg_processors(void)
{
    u8 low;

    outw(FW_CFG_SELECTOR, FW_CFG_PROCESSORS);
    low = inb(FW_CFG_DATA);
    return (unsigned)(inb(FW_CFG_DATA) << 8 | low);
}

static unsigned arrived(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < PROCESSORS_MAX; i++)
        count += processor_table[i].arrived == 1;
    return count;
}

static void wait_a_moment(void)
{
    for (unsigned i = 0; i < 20000; i++)
        relax();
}

static void note_apic_base(void)
{
    this_processor()->result = (u32)rdmsr(MSR_APIC_BASE);
}

static bool ids_differ(void)
{
    u32 seen = 0;

    for (unsigned i = 0; i < processor_count; i++) {
        u32 id = processor_table[i].apic_id;
        if (id >= processor_count || seen & 1u << id)
            return false;
        seen |= 1u << id;
    }
    return true;
}

void check_start(void)
{
    unsigned expected = (unsigned)argument("processors", fw_cfg_processors()), bases = 0, states = 0;
    u64 base = rdmsr(MSR_APIC_BASE);

    ok(fw_cfg_processors() == expected, "fw_cfg says %u processors", fw_cfg_processors());
    ok(cpuid(1, 0).edx & CPUID_APIC && base == ((u32)APIC_BASE | BASE_ENABLED | BASE_BSP),
       "the local APIC's base is 0x%llx", (unsigned long long)base);
    apic_enable();
    processor_table[0].apic_id = apic_id();

    trampoline_install();
    apic_send(0, ICR_OTHERS | ICR_ASSERT | ICR_INIT);
    wait_a_moment();
    apic_send(0, ICR_OTHERS | ICR_ASSERT | ICR_STARTUP | 0);
    for (unsigned i = 0; arrived() < expected && i < PATIENCE / 64; i++)
        relax();
    processor_count = arrived();
    ok(processor_count == expected, "%u processors are running", processor_count);
    ok(ids_differ(), "each has an APIC ID of its own, below their number");

    run_on_all(note_apic_base);
    for (unsigned i = 0; i < processor_count; i++)
        bases += processor_table[i].result == ((u32)APIC_BASE | BASE_ENABLED | (i == 0 ? (u32)BASE_BSP : 0));
    ok(bases == processor_count, "only the first one is the bootstrap processor");
    for (unsigned i = 1; i < processor_count; i++)
        states += (processor_table[i].start_cr0 & ~CR0_UNCERTAIN) == CR0_INIT &&
                  processor_table[i].start_edx == cpuid(1, 0).eax;
    ok(states == processor_count - 1, "CR0 and EDX are as INIT leaves them; the last are 0x%x and 0x%x",
       processor_table[processor_count - 1].start_cr0, processor_table[processor_count - 1].start_edx);

    apic_send(0, ICR_OTHERS | ICR_ASSERT | ICR_STARTUP | 0);
    wait_a_moment();
    ok(arrived() == processor_count, "a SIPI does nothing to processors that run");
}

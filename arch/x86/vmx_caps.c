/* SPDX-License-Identifier: BSD-2-Clause */
/* VMX capabilities: the judgement (pure, see vmx_caps.h). Reading them is vmx_caps_read.c. */
#include "arch/x86/vmx_caps.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "arch/x86/vmx_controls.h"
#include "hv/lib/format.h"
#include "hv/lib/string.h"

/* A capability MSR of controls: low half = bits that must be 1, high half = bits that may be 1. SDM vol. 3, A.3 to A.5. */
static bool may_set(u64 msr, u32 bits)
{
    return ((u32)(msr >> 32) & bits) == bits;
}

static u32 controls(u64 msr, u32 wanted)
{
    return (wanted | (u32)msr) & (u32)(msr >> 32);
}

static const u32 PIN_NEEDED = PIN_EXTERNAL_INTERRUPT | PIN_NMI | PIN_VIRTUAL_NMI | PIN_PREEMPTION_TIMER;
/* Set while something waits that can be delivered only later. */
static const u32 CPU_WINDOWS = CPU_INTERRUPT_WINDOW | CPU_NMI_WINDOW;
static const u32 CPU_CR8 = CPU_CR8_LOAD | CPU_CR8_STORE;
static const u32 CPU_NEEDED =
    CPU_TSC_OFFSET | CPU_HLT | CPU_RDPMC | CPU_CR8 | CPU_UNCOND_IO | CPU_MSR_BITMAPS | CPU_SECONDARY;
/* Only where the processor has the instructions. */
static const u32 CPU_WANTED = CPU_MWAIT | CPU_MONITOR;
static const u32 CPU2_WANTED =
    CPU2_RDTSCP | CPU2_VPID | CPU2_WBINVD | CPU2_UNRESTRICTED | CPU2_PAUSE_LOOP | CPU2_ENCLS | CPU2_CONCEAL_PT;
static const u32 EXIT_NEEDED = EXIT_SAVE_DEBUG | EXIT_HOST_LONG | EXIT_ACK_INTERRUPT | EXIT_SAVE_PAT | EXIT_LOAD_PAT |
                               EXIT_SAVE_EFER | EXIT_LOAD_EFER;
static const u32 EXIT_WANTED = EXIT_SAVE_TIMER;
static const u32 ENTRY_NEEDED = ENTRY_LOAD_DEBUG | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER;

struct need {
    const char *what;
    u64 have, bits;
};

/* The first thing without which slat does not run; NULL if there is none. */
static const char *first_missing(const struct vmx_msrs *m)
{
    const struct need needs[] = {
        { "EPT (extended page tables)", m->cpu2 >> 32, CPU2_EPT }, /* also where there are no secondary controls */
        { "a preemption timer", m->pin >> 32, PIN_PREEMPTION_TIMER },
        { "interrupt and NMI exits", m->pin >> 32, PIN_NEEDED },
        { "MSR bitmaps", m->cpu >> 32, CPU_MSR_BITMAPS },
        { "the exits that slat intercepts", m->cpu >> 32, CPU_NEEDED | CPU_WINDOWS },
        { "EFER and PAT switching at VM exit", m->exit >> 32, EXIT_NEEDED },
        { "EFER and PAT switching at VM entry", m->entry >> 32, ENTRY_NEEDED },
        { "EPT with 4 levels", m->ept_vpid, EPT_CAP_WALK_4 },
        { "EPT with write-back tables", m->ept_vpid, EPT_CAP_WB },
        { "INVEPT for all contexts", m->ept_vpid, EPT_CAP_INVEPT | EPT_CAP_INVEPT_ALL },
    };

    for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
        if ((needs[i].have & needs[i].bits) != needs[i].bits)
            return needs[i].what;
    return NULL;
}

static void note_missing(struct vmx_caps *caps, bool have, const char *what)
{
    size_t length = strlen(caps->missing);

    if (!have)
        format_text(caps->missing + length, sizeof(caps->missing) - length, "%s%s", length ? ", " : "", what);
}

/*
 * With the TPR shadow, CR8 is the processor's. Registers are read from the page only where virtual interrupts keep PPR up to date
 * there. "Virtualize x2APIC mode" is no part of cpu2: it follows the guest (apicv.c).
 */
static void fill_apic_caps(const struct vmx_msrs *m, struct vmx_caps *caps)
{
    caps->tpr_shadow = may_set(m->cpu, CPU_TPR_SHADOW) && !((u32)m->cpu & CPU_CR8);
    caps->virtual_x2apic = caps->tpr_shadow && may_set(m->cpu2, CPU2_VIRTUAL_X2APIC);
    caps->virtual_interrupts = caps->tpr_shadow && may_set(m->cpu2, CPU2_VIRTUAL_INTERRUPTS);
    caps->apic_registers = caps->virtual_interrupts && may_set(m->cpu2, CPU2_APIC_REGISTERS);
    if (caps->tpr_shadow)
        caps->cpu = (caps->cpu & ~CPU_CR8) | CPU_TPR_SHADOW;
    if (caps->virtual_interrupts)
        caps->cpu2 |= CPU2_VIRTUAL_INTERRUPTS;
    if (caps->apic_registers)
        caps->cpu2 |= CPU2_APIC_REGISTERS;
}

void vmx_caps_forgo_apic(struct vmx_caps *caps)
{
    if (caps->tpr_shadow)
        note_missing(caps, false, "APIC virtualization");
    caps->tpr_shadow = caps->virtual_x2apic = caps->virtual_interrupts = caps->apic_registers = false;
    caps->cpu = (caps->cpu & ~CPU_TPR_SHADOW) | CPU_CR8;
    caps->cpu2 &= ~(CPU2_VIRTUAL_INTERRUPTS | CPU2_APIC_REGISTERS);
}

static void fill_caps(const struct vmx_msrs *m, struct vmx_caps *caps)
{
    u32 cpu2 = CPU2_EPT | (CPU2_WANTED & (u32)(m->cpu2 >> 32));

    *caps = (struct vmx_caps){
        .revision = (u32)m->basic & 0x7fffffffu,
        .pin = controls(m->pin, PIN_NEEDED),
        .cpu = controls(m->cpu, CPU_NEEDED | CPU_WANTED),
        .exit = controls(m->exit, EXIT_NEEDED | EXIT_WANTED),
        .entry = controls(m->entry, ENTRY_NEEDED),
        .cr0_fixed0 = m->cr0_fixed0,
        .cr0_fixed1 = m->cr0_fixed1,
        .cr4_fixed0 = m->cr4_fixed0,
        .cr4_fixed1 = m->cr4_fixed1,
        .timer_shift = (unsigned)VMX_MISC_TIMER_SHIFT(m->misc),
        .physical_bits = m->physical_bits,
        .linear_bits = m->linear_bits,
        .ept_levels = 4,
        .unrestricted = may_set(m->cpu2, CPU2_UNRESTRICTED),
        .page_2m = m->ept_vpid & EPT_CAP_2M,
        .page_1g = m->ept_vpid & EPT_CAP_1G,
        .access_dirty = m->ept_vpid & EPT_CAP_AD,
        .execute_only = m->ept_vpid & EPT_CAP_EXECUTE_ONLY,
        .pml = may_set(m->cpu2, CPU2_PML) && (m->ept_vpid & EPT_CAP_AD),
        .save_timer = may_set(m->exit, EXIT_SAVE_TIMER),
        .invept_single = m->ept_vpid & EPT_CAP_INVEPT_SINGLE,
        .invvpid = (m->ept_vpid & EPT_CAP_INVVPID) && (m->ept_vpid & EPT_CAP_INVVPID_ALL),
        .ins_outs_info = m->basic & VMX_BASIC_INS_OUTS_INFO,
        .debug = may_set(m->cpu, CPU_MOV_DR | CPU_MONITOR_TRAP),
    };
    /* A VPID whose translations cannot be dropped is of no use. */
    caps->vpid = may_set(m->cpu2, CPU2_VPID) && caps->invvpid;
    if (!caps->vpid)
        cpu2 &= ~CPU2_VPID;
    caps->cpu2 = controls(m->cpu2, cpu2);
    fill_apic_caps(m, caps);

    note_missing(caps, caps->unrestricted, "unrestricted guest");
    note_missing(caps, caps->vpid, "VPID");
    note_missing(caps, caps->page_2m, "2M pages");
    note_missing(caps, caps->page_1g, "1G pages");
    note_missing(caps, caps->access_dirty, "A/D bits");
    note_missing(caps, caps->pml, "PML");
    note_missing(caps, caps->cpu2 & CPU2_PAUSE_LOOP, "pause-loop exits");
    note_missing(caps, caps->tpr_shadow, "TPR shadow");
    note_missing(caps, caps->virtual_x2apic, "virtual x2APIC mode");
    note_missing(caps, caps->virtual_interrupts, "virtual interrupts");
    note_missing(caps, caps->apic_registers, "virtual APIC registers");
}

int vmx_caps_check(const struct vmx_msrs *m, struct vmx_caps *caps, bool *enable_vmx, char reason[VMX_REASON_SIZE])
{
    const char *missing;

    if (!m->intel) {
        format_text(reason, VMX_REASON_SIZE, "this is not an Intel processor");
        return -ENODEV;
    }
    if (!m->vmx) {
        format_text(reason, VMX_REASON_SIZE, "this processor has no VMX (CPUID.1:ECX.VMX is 0)");
        return -ENODEV;
    }
    if ((m->feature_control & FEATURE_CONTROL_LOCKED) && !(m->feature_control & FEATURE_CONTROL_VMX)) {
        format_text(
            reason, VMX_REASON_SIZE,
            "the firmware has locked VMX off (IA32_FEATURE_CONTROL = %#llx): enable virtualization (VT-x) in the "
            "firmware setup",
            (unsigned long long)m->feature_control);
        return -EPERM;
    }
    missing = first_missing(m);
    if (missing) {
        format_text(reason, VMX_REASON_SIZE, "this processor's VMX lacks %s", missing);
        return -ENODEV;
    }
    if (VMX_BASIC_REGION_SIZE(m->basic) > PAGE_SIZE || VMX_BASIC_MEMORY_TYPE(m->basic) != MEMORY_TYPE_WB) {
        format_text(reason, VMX_REASON_SIZE,
                    "this processor's VMCS does not fit one write-back page (IA32_VMX_BASIC = %#llx)",
                    (unsigned long long)m->basic);
        return -ENODEV;
    }
    fill_caps(m, caps);
    *enable_vmx = !(m->feature_control & FEATURE_CONTROL_LOCKED);
    return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this processor's VMX can do. Read once at start from CPUID and the capability MSRs (vmx_caps_read), judged by a pure
 * function (vmx_caps_check) that the host tests run on the values of many processors. Needed and missing: a reason to
 * stop. Wanted and missing: another policy, and a word in the report.
 */
#ifndef ARCH_X86_VMX_CAPS_H
#define ARCH_X86_VMX_CAPS_H

#include "mm/types.h"

/* Raw values; what the processor has not is 0. */
struct vmx_msrs {
    bool intel, vmx; /* CPUID 0 vendor, CPUID 1 ECX bit 5 */
    u64 feature_control;
    u64 basic, pin, cpu, cpu2, exit, entry, misc; /* the TRUE_ ones where VMX_BASIC says so */
    u64 cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
    u64 ept_vpid;
    unsigned physical_bits, linear_bits;
};

struct vmx_caps {
    u32 revision;                    /* VMCS revision identifier */
    u32 pin, cpu, cpu2, exit, entry; /* the controls that slat sets, with all that must be 1 */
    u64 cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
    unsigned timer_shift; /* the preemption timer counts TSC >> timer_shift */
    unsigned physical_bits, linear_bits;
    unsigned ept_levels;
    bool unrestricted, vpid, page_2m, page_1g, access_dirty, execute_only;
    bool pml;        /* with access_dirty; the control is not in cpu2: it is set only while something is logged */
    bool save_timer; /* an exit writes what is left of the preemption timer back */
    bool invept_single;
    bool invvpid; /* all contexts */
    bool ins_outs_info;
    /* APIC virtualization (apicv.h); nothing of it without the first, and no registers without virtual interrupts. */
    bool tpr_shadow, virtual_x2apic, virtual_interrupts, apic_registers;
    bool debug;        /* the exits that a debugger of a guest needs (debug.h) */
    char missing[200]; /* what is wanted and missing, for people: "VPID, 1G pages"; "" if nothing */
};

enum { VMX_REASON_SIZE = 160 };

void vmx_caps_read(struct vmx_msrs *msrs);

/*
 * 0 and *caps; -ENODEV and a reason if slat cannot run here; -EPERM if it could but the firmware has locked VMX off.
 * *enable_vmx is set when the caller must write FEATURE_CONTROL first (unlocked: firmware left the choice to us).
 */
int vmx_caps_check(const struct vmx_msrs *msrs, struct vmx_caps *caps, bool *enable_vmx, char reason[VMX_REASON_SIZE]);

/* As if the processor had no APIC virtualization. Before the first vCPU is made. */
void vmx_caps_forgo_apic(struct vmx_caps *caps);

#endif

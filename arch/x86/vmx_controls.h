/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bits of the VM-execution, VM-exit and VM-entry controls, of VMX_MISC and of EPT_VPID_CAP. SDM vol. 3, 25.6 to 25.8, A.6,
 * A.10.
 */
#ifndef ARCH_X86_VMX_CONTROLS_H
#define ARCH_X86_VMX_CONTROLS_H

#define PIN_EXTERNAL_INTERRUPT (1u << 0)
#define PIN_NMI                (1u << 3)
#define PIN_VIRTUAL_NMI        (1u << 5)
#define PIN_PREEMPTION_TIMER   (1u << 6)

#define CPU_INTERRUPT_WINDOW (1u << 2)
#define CPU_TSC_OFFSET       (1u << 3)
#define CPU_HLT              (1u << 7)
#define CPU_MWAIT            (1u << 10)
#define CPU_RDPMC            (1u << 11)
#define CPU_CR8_LOAD         (1u << 19)
#define CPU_CR8_STORE        (1u << 20)
#define CPU_TPR_SHADOW       (1u << 21)
#define CPU_NMI_WINDOW       (1u << 22)
#define CPU_MOV_DR           (1u << 23)
#define CPU_UNCOND_IO        (1u << 24)
#define CPU_MONITOR_TRAP     (1u << 27)
#define CPU_MSR_BITMAPS      (1u << 28)
#define CPU_MONITOR          (1u << 29)
#define CPU_SECONDARY        (1u << 31)

#define CPU2_EPT                (1u << 1)
#define CPU2_RDTSCP             (1u << 3)
#define CPU2_VIRTUAL_X2APIC     (1u << 4)
#define CPU2_VPID               (1u << 5)
#define CPU2_WBINVD             (1u << 6)
#define CPU2_UNRESTRICTED       (1u << 7)
#define CPU2_APIC_REGISTERS     (1u << 8)
#define CPU2_VIRTUAL_INTERRUPTS (1u << 9)
#define CPU2_PAUSE_LOOP         (1u << 10)
#define CPU2_ENCLS              (1u << 15)
#define CPU2_PML                (1u << 17)
#define CPU2_CONCEAL_PT         (1u << 19)

#define EXIT_SAVE_DEBUG    (1u << 2)
#define EXIT_HOST_LONG     (1u << 9)
#define EXIT_ACK_INTERRUPT (1u << 15)
#define EXIT_SAVE_PAT      (1u << 18)
#define EXIT_LOAD_PAT      (1u << 19)
#define EXIT_SAVE_EFER     (1u << 20)
#define EXIT_LOAD_EFER     (1u << 21)
#define EXIT_SAVE_TIMER    (1u << 22)

#define ENTRY_LOAD_DEBUG (1u << 2)
#define ENTRY_LONG_MODE  (1u << 9)
#define ENTRY_LOAD_PAT   (1u << 14)
#define ENTRY_LOAD_EFER  (1u << 15)

#define VMX_BASIC_REGION_SIZE(basic) (((basic) >> 32) & 0x1fffu)
#define VMX_BASIC_MEMORY_TYPE(basic) (((basic) >> 50) & 0xfu)
#define VMX_BASIC_INS_OUTS_INFO      (1ull << 54)
#define VMX_BASIC_TRUE_CONTROLS      (1ull << 55)

#define VMX_MISC_TIMER_SHIFT(misc) ((misc)&0x1fu)

#define EPT_CAP_EXECUTE_ONLY  (1ull << 0)
#define EPT_CAP_WALK_4        (1ull << 6)
#define EPT_CAP_WB            (1ull << 14)
#define EPT_CAP_2M            (1ull << 16)
#define EPT_CAP_1G            (1ull << 17)
#define EPT_CAP_INVEPT        (1ull << 20)
#define EPT_CAP_AD            (1ull << 21)
#define EPT_CAP_INVEPT_SINGLE (1ull << 25)
#define EPT_CAP_INVEPT_ALL    (1ull << 26)
#define EPT_CAP_INVVPID       (1ull << 32)
#define EPT_CAP_INVVPID_ALL   (1ull << 42)

#define EPTP_AD (1ull << 6)

#endif

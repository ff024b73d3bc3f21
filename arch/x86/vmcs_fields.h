/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VMCS fields that slat uses: name and encoding. SDM vol. 3, appendix B "Field Encoding in VMCS".
 * One list, so that numbers (enum vmcs_field) and names (vmcs_field_name()) cannot differ. X(name, encoding)
 */
#ifndef ARCH_X86_VMCS_FIELDS_H
#define ARCH_X86_VMCS_FIELDS_H

#define VMCS_CONTROL_FIELDS(X)               \
    X(VPID, 0x0000)                          \
    X(MSR_BITMAPS, 0x2004)                   \
    X(PML_ADDRESS, 0x200e)                   \
    X(TSC_OFFSET, 0x2010)                    \
    X(VIRTUAL_APIC_ADDRESS, 0x2012)          \
    X(EPT_POINTER, 0x201a)                   \
    X(EOI_EXIT_BITMAP0, 0x201c)              \
    X(EOI_EXIT_BITMAP1, 0x201e)              \
    X(EOI_EXIT_BITMAP2, 0x2020)              \
    X(EOI_EXIT_BITMAP3, 0x2022)              \
    X(ENCLS_EXITING_BITMAP, 0x202e)          \
    X(PIN_BASED_CONTROLS, 0x4000)            \
    X(PROCESSOR_BASED_CONTROLS, 0x4002)      \
    X(EXCEPTION_BITMAP, 0x4004)              \
    X(PAGE_FAULT_ERROR_CODE_MASK, 0x4006)    \
    X(PAGE_FAULT_ERROR_CODE_MATCH, 0x4008)   \
    X(CR3_TARGET_COUNT, 0x400a)              \
    X(VM_EXIT_CONTROLS, 0x400c)              \
    X(VM_EXIT_MSR_STORE_COUNT, 0x400e)       \
    X(VM_EXIT_MSR_LOAD_COUNT, 0x4010)        \
    X(VM_ENTRY_CONTROLS, 0x4012)             \
    X(VM_ENTRY_MSR_LOAD_COUNT, 0x4014)       \
    X(VM_ENTRY_INTERRUPTION_INFO, 0x4016)    \
    X(VM_ENTRY_EXCEPTION_ERROR_CODE, 0x4018) \
    X(VM_ENTRY_INSTRUCTION_LENGTH, 0x401a)   \
    X(TPR_THRESHOLD, 0x401c)                 \
    X(SECONDARY_PROCESSOR_CONTROLS, 0x401e)  \
    X(PLE_GAP, 0x4020)                       \
    X(PLE_WINDOW, 0x4022)                    \
    X(CR0_GUEST_HOST_MASK, 0x6000)           \
    X(CR4_GUEST_HOST_MASK, 0x6002)           \
    X(CR0_READ_SHADOW, 0x6004)               \
    X(CR4_READ_SHADOW, 0x6006)

#define VMCS_EXIT_FIELDS(X)                 \
    X(GUEST_PHYSICAL_ADDRESS, 0x2400)       \
    X(VM_INSTRUCTION_ERROR, 0x4400)         \
    X(EXIT_REASON, 0x4402)                  \
    X(EXIT_INTERRUPTION_INFO, 0x4404)       \
    X(EXIT_INTERRUPTION_ERROR_CODE, 0x4406) \
    X(IDT_VECTORING_INFO, 0x4408)           \
    X(IDT_VECTORING_ERROR_CODE, 0x440a)     \
    X(EXIT_INSTRUCTION_LENGTH, 0x440c)      \
    X(EXIT_INSTRUCTION_INFO, 0x440e)        \
    X(EXIT_QUALIFICATION, 0x6400)           \
    X(GUEST_LINEAR_ADDRESS, 0x640a)

#define VMCS_GUEST_FIELDS(X)            \
    X(GUEST_ES, 0x0800)                 \
    X(GUEST_CS, 0x0802)                 \
    X(GUEST_SS, 0x0804)                 \
    X(GUEST_DS, 0x0806)                 \
    X(GUEST_FS, 0x0808)                 \
    X(GUEST_GS, 0x080a)                 \
    X(GUEST_LDTR, 0x080c)               \
    X(GUEST_TR, 0x080e)                 \
    X(GUEST_INTERRUPT_STATUS, 0x0810)   \
    X(GUEST_PML_INDEX, 0x0812)          \
    X(LINK_POINTER, 0x2800)             \
    X(GUEST_DEBUGCTL, 0x2802)           \
    X(GUEST_PAT, 0x2804)                \
    X(GUEST_EFER, 0x2806)               \
    X(GUEST_PDPTE0, 0x280a)             \
    X(GUEST_PDPTE1, 0x280c)             \
    X(GUEST_PDPTE2, 0x280e)             \
    X(GUEST_PDPTE3, 0x2810)             \
    X(GUEST_ES_LIMIT, 0x4800)           \
    X(GUEST_CS_LIMIT, 0x4802)           \
    X(GUEST_SS_LIMIT, 0x4804)           \
    X(GUEST_DS_LIMIT, 0x4806)           \
    X(GUEST_FS_LIMIT, 0x4808)           \
    X(GUEST_GS_LIMIT, 0x480a)           \
    X(GUEST_LDTR_LIMIT, 0x480c)         \
    X(GUEST_TR_LIMIT, 0x480e)           \
    X(GUEST_GDTR_LIMIT, 0x4810)         \
    X(GUEST_IDTR_LIMIT, 0x4812)         \
    X(GUEST_ES_ACCESS_RIGHTS, 0x4814)   \
    X(GUEST_CS_ACCESS_RIGHTS, 0x4816)   \
    X(GUEST_SS_ACCESS_RIGHTS, 0x4818)   \
    X(GUEST_DS_ACCESS_RIGHTS, 0x481a)   \
    X(GUEST_FS_ACCESS_RIGHTS, 0x481c)   \
    X(GUEST_GS_ACCESS_RIGHTS, 0x481e)   \
    X(GUEST_LDTR_ACCESS_RIGHTS, 0x4820) \
    X(GUEST_TR_ACCESS_RIGHTS, 0x4822)   \
    X(GUEST_INTERRUPTIBILITY, 0x4824)   \
    X(GUEST_ACTIVITY, 0x4826)           \
    X(GUEST_SYSENTER_CS, 0x482a)        \
    X(PREEMPTION_TIMER, 0x482e)         \
    X(GUEST_CR0, 0x6800)                \
    X(GUEST_CR3, 0x6802)                \
    X(GUEST_CR4, 0x6804)                \
    X(GUEST_ES_BASE, 0x6806)            \
    X(GUEST_CS_BASE, 0x6808)            \
    X(GUEST_SS_BASE, 0x680a)            \
    X(GUEST_DS_BASE, 0x680c)            \
    X(GUEST_FS_BASE, 0x680e)            \
    X(GUEST_GS_BASE, 0x6810)            \
    X(GUEST_LDTR_BASE, 0x6812)          \
    X(GUEST_TR_BASE, 0x6814)            \
    X(GUEST_GDTR_BASE, 0x6816)          \
    X(GUEST_IDTR_BASE, 0x6818)          \
    X(GUEST_DR7, 0x681a)                \
    X(GUEST_RSP, 0x681c)                \
    X(GUEST_RIP, 0x681e)                \
    X(GUEST_RFLAGS, 0x6820)             \
    X(GUEST_PENDING_DEBUG, 0x6822)      \
    X(GUEST_SYSENTER_ESP, 0x6824)       \
    X(GUEST_SYSENTER_EIP, 0x6826)

#define VMCS_HOST_FIELDS(X)      \
    X(HOST_ES, 0x0c00)           \
    X(HOST_CS, 0x0c02)           \
    X(HOST_SS, 0x0c04)           \
    X(HOST_DS, 0x0c06)           \
    X(HOST_FS, 0x0c08)           \
    X(HOST_GS, 0x0c0a)           \
    X(HOST_TR, 0x0c0c)           \
    X(HOST_PAT, 0x2c00)          \
    X(HOST_EFER, 0x2c02)         \
    X(HOST_SYSENTER_CS, 0x4c00)  \
    X(HOST_CR0, 0x6c00)          \
    X(HOST_CR3, 0x6c02)          \
    X(HOST_CR4, 0x6c04)          \
    X(HOST_FS_BASE, 0x6c06)      \
    X(HOST_GS_BASE, 0x6c08)      \
    X(HOST_TR_BASE, 0x6c0a)      \
    X(HOST_GDTR_BASE, 0x6c0c)    \
    X(HOST_IDTR_BASE, 0x6c0e)    \
    X(HOST_SYSENTER_ESP, 0x6c10) \
    X(HOST_SYSENTER_EIP, 0x6c12) \
    X(HOST_RSP, 0x6c14)          \
    X(HOST_RIP, 0x6c16)

#define VMCS_FIELDS(X)     \
    VMCS_CONTROL_FIELDS(X) \
    VMCS_EXIT_FIELDS(X)    \
    VMCS_GUEST_FIELDS(X)   \
    VMCS_HOST_FIELDS(X)

#define VMCS_ENUM(name, encoding) VMCS_##name = (encoding),
enum vmcs_field { VMCS_FIELDS(VMCS_ENUM) };
#undef VMCS_ENUM

/* "GUEST_RIP"; "?" for an encoding that is not in the list. */
const char *vmcs_field_name(enum vmcs_field field);

/* The fields of a segment register lie side by side in each group: es, cs, ss, ds, fs, gs, ldtr, tr. */
enum segment { SEGMENT_ES, SEGMENT_CS, SEGMENT_SS, SEGMENT_DS, SEGMENT_FS, SEGMENT_GS, SEGMENT_LDTR, SEGMENT_TR };
#define VMCS_SEGMENT_SELECTOR(s) ((enum vmcs_field)(VMCS_GUEST_ES + 2 * (s)))
#define VMCS_SEGMENT_LIMIT(s)    ((enum vmcs_field)(VMCS_GUEST_ES_LIMIT + 2 * (s)))
#define VMCS_SEGMENT_RIGHTS(s)   ((enum vmcs_field)(VMCS_GUEST_ES_ACCESS_RIGHTS + 2 * (s)))
#define VMCS_SEGMENT_BASE(s)     ((enum vmcs_field)(VMCS_GUEST_ES_BASE + 2 * (s)))

/* Access rights of a segment (SDM vol. 3, 25.4.1). */
#define RIGHTS_TYPE     0xfu
#define RIGHTS_CODE     (1u << 3) /* of the type: the others mean */
#define RIGHTS_DOWN     (1u << 2) /* for data expand-down, for code conforming */
#define RIGHTS_ACCESS   (1u << 1) /* for data writable, for code readable */
#define RIGHTS_S        (1u << 4)
#define RIGHTS_DPL(r)   (((r) >> 5) & 3u)
#define RIGHTS_P        (1u << 7)
#define RIGHTS_L        (1u << 13)
#define RIGHTS_DB       (1u << 14)
#define RIGHTS_G        (1u << 15)
#define RIGHTS_UNUSABLE (1u << 16)

/* Interruptibility state, and pending debug exceptions. */
/* In the qualification of EPT violations and PML exits, and in the interruption information of exceptions. */
#define QUALIFICATION_NMI_UNBLOCKED (1ull << 12)

/* In the qualification of EPT violations: the guest-linear address field is valid; the access was to its translation. */
#define QUALIFICATION_LINEAR_VALID (1ull << 7)
#define QUALIFICATION_OF_LINEAR    (1ull << 8)

/* In that of I/O instructions. */
#define QUALIFICATION_IO_IN     (1ull << 3)
#define QUALIFICATION_IO_STRING (1ull << 4)
#define QUALIFICATION_IO_REPEAT (1ull << 5)

#define BLOCKING_BY_STI        (1ull << 0)
#define BLOCKING_BY_MOV_SS     (1ull << 1)
#define BLOCKING_BY_NMI        (1ull << 3)
#define BLOCKING_BY_STI_MOV_SS (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS) /* what ends with the next instruction */
#define PENDING_ENABLED        (1ull << 12)                           /* a breakpoint that DR7 enables was met */
#define PENDING_SINGLE_STEP    (1ull << 14)

/* Interruption information: entry, exit, IDT-vectoring. */
#define INTERRUPTION_VECTOR     0xffu
#define INTERRUPTION_TYPE       (7u << 8)
#define INTERRUPTION_ERROR_CODE (1u << 11)
#define INTERRUPTION_VALID      (1u << 31)
#define INTERRUPTION_EXTERNAL   (0u << 8)
#define INTERRUPTION_NMI        (2u << 8)
#define INTERRUPTION_EXCEPTION  (3u << 8)
#define INTERRUPTION_SOFT       (4u << 8) /* INT n */
#define INTERRUPTION_PRIVILEGED (5u << 8) /* INT1 */
#define INTERRUPTION_SOFT_EXC   (6u << 8) /* INT3, INTO */

#endif

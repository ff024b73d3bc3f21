/* SPDX-License-Identifier: BSD-2-Clause */
/* Privileged and other special instructions as inline functions, and the bits of the registers they move. */
#ifndef ARCH_X86_CPU_H
#define ARCH_X86_CPU_H

#include "mm/types.h"

#define CR0_PE (1ull << 0)
#define CR0_MP (1ull << 1)
#define CR0_EM (1ull << 2)
#define CR0_TS (1ull << 3)
#define CR0_ET (1ull << 4)
#define CR0_NE (1ull << 5)
#define CR0_WP (1ull << 16)
#define CR0_AM (1ull << 18)
#define CR0_NW (1ull << 29)
#define CR0_CD (1ull << 30)
#define CR0_PG (1ull << 31)

#define CR3_ADDRESS     0x000ffffffffff000ull
#define CR3_PAE_ADDRESS 0x00000000ffffffe0ull

#define CR4_VME        (1ull << 0)
#define CR4_PVI        (1ull << 1)
#define CR4_TSD        (1ull << 2)
#define CR4_DE         (1ull << 3)
#define CR4_PSE        (1ull << 4)
#define CR4_PAE        (1ull << 5)
#define CR4_MCE        (1ull << 6)
#define CR4_PGE        (1ull << 7)
#define CR4_PCE        (1ull << 8)
#define CR4_OSFXSR     (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_UMIP       (1ull << 11)
#define CR4_LA57       (1ull << 12)
#define CR4_VMXE       (1ull << 13)
#define CR4_FSGSBASE   (1ull << 16)
#define CR4_PCIDE      (1ull << 17)
#define CR4_OSXSAVE    (1ull << 18)
#define CR4_SMEP       (1ull << 20)
#define CR4_SMAP       (1ull << 21)
#define CR4_PKE        (1ull << 22)
#define CR4_CET        (1ull << 23)
#define CR4_PKS        (1ull << 24)

#define RFLAGS_RESERVED (1ull << 1) /* always 1 */
#define RFLAGS_TF       (1ull << 8)
#define RFLAGS_IF       (1ull << 9)
#define RFLAGS_DF       (1ull << 10)
#define RFLAGS_RF       (1ull << 16)
#define RFLAGS_VM       (1ull << 17)
#define RFLAGS_AC       (1ull << 18)

#define DR6_BREAKPOINTS 0xfull       /* the conditions of the four breakpoints */
#define DR6_CAUSES      0xf00full    /* with the other reasons for a #DB */
#define DR6_ACCESS      (1ull << 13) /* a debug register was accessed while DR7.GD was set */
#define DR6_RESET       0xffff0ff0ull
#define DR7_GD          (1ull << 13)
#define DR7_RESET       0x400ull

#define XCR0_X87    (1ull << 0)
#define XCR0_SSE    (1ull << 1)
#define XCR0_AVX    (1ull << 2)
#define XCR0_AVX512 (7ull << 5) /* three components, of use only together */

/* Exception vectors. */
#define VECTOR_DE  0u
#define VECTOR_DB  1u
#define VECTOR_NMI 2u
#define VECTOR_BP  3u
#define VECTOR_OF  4u
#define VECTOR_BR  5u
#define VECTOR_UD  6u
#define VECTOR_NM  7u
#define VECTOR_DF  8u
#define VECTOR_TS  10u
#define VECTOR_NP  11u
#define VECTOR_SS  12u
#define VECTOR_GP  13u
#define VECTOR_PF  14u
#define VECTOR_MF  16u
#define VECTOR_AC  17u
#define VECTOR_MC  18u
#define VECTOR_XM  19u
#define VECTOR_VE  20u
#define VECTOR_CP  21u

/* Whether the bits of a linear address from `bits` - 1 up are all equal: 48 with 4-level paging, 57 with 5-level. */
static inline bool is_canonical(u64 address, unsigned bits)
{
    unsigned unused = 64 - bits;

    return (u64)((s64)(address << unused) >> unused) == address;
}

struct cpuid_result {
    u32 eax, ebx, ecx, edx;
};

/* Leaves that have subleaves need cpuid_count(). */
static inline struct cpuid_result cpuid_count(u32 leaf, u32 subleaf)
{
    struct cpuid_result r;
    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

static inline struct cpuid_result cpuid(u32 leaf)
{
    return cpuid_count(leaf, 0);
}

/* For registers that certainly exist; for others there is rdmsr_safe() in arch/x86/fixup.h. */
static inline u64 rdmsr(u32 msr)
{
    u32 low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return (u64)high << 32 | low;
}

static inline void wrmsr(u32 msr, u64 value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

#define DEFINE_CONTROL_REGISTER_READ(name)                                  \
    static inline u64 name##_read(void)                                     \
    {                                                                       \
        u64 value;                                                          \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(value) : : "memory"); \
        return value;                                                       \
    }
#define DEFINE_CONTROL_REGISTER_WRITE(name)                             \
    static inline void name##_write(u64 value)                          \
    {                                                                   \
        __asm__ volatile("mov %0, %%" #name : : "r"(value) : "memory"); \
    }

DEFINE_CONTROL_REGISTER_READ(cr0)
DEFINE_CONTROL_REGISTER_READ(cr2)
DEFINE_CONTROL_REGISTER_READ(cr3)
DEFINE_CONTROL_REGISTER_READ(cr4)
DEFINE_CONTROL_REGISTER_READ(dr6)
DEFINE_CONTROL_REGISTER_WRITE(cr0)
DEFINE_CONTROL_REGISTER_WRITE(cr2)
DEFINE_CONTROL_REGISTER_WRITE(cr3)
DEFINE_CONTROL_REGISTER_WRITE(cr4)
DEFINE_CONTROL_REGISTER_WRITE(dr6)

/* CR4.OSXSAVE must be set. */
static inline u64 xcr0_read(void)
{
    u32 low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (u64)high << 32 | low;
}

static inline void xcr0_write(u64 value)
{
    __asm__ volatile("xsetbv" : : "c"(0), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

/* Not ordered with what stands around it. */
static inline u64 rdtsc(void)
{
    u32 low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (u64)high << 32 | low;
}

/* What LGDT and LIDT read. */
struct __attribute__((packed)) table_register {
    u16 limit;
    u64 base;
};

static_assert(sizeof(struct table_register) == 10, "SDM vol. 3, 2.4 Memory-Management Registers");

static inline void lgdt(const struct table_register *gdtr)
{
    __asm__ volatile("lgdt %0" : : "m"(*gdtr) : "memory");
}

static inline void lidt(const struct table_register *idtr)
{
    __asm__ volatile("lidt %0" : : "m"(*idtr) : "memory");
}

static inline void ltr(u16 selector)
{
    __asm__ volatile("ltr %0" : : "r"(selector) : "memory");
}

static inline void lldt(u16 selector)
{
    __asm__ volatile("lldt %0" : : "r"(selector) : "memory");
}

static inline void cli(void)
{
    __asm__ volatile("cli" : : : "memory");
}

/* In a loop that waits for another processor. */
static inline void cpu_pause(void)
{
    __asm__ volatile("pause" : : : "memory");
}

static inline void hlt(void)
{
    __asm__ volatile("hlt" : : : "memory");
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For stubs that look at exceptions closely: all registers, and the way back. 32 bits. A stub that includes this defines
 * trap(); when that returns, execution goes on with the registers as it left them.
 */
#ifndef GUEST_STUBS_TRAP_H
#define GUEST_STUBS_TRAP_H

#include "guest-stubs/lib/stub.h"

enum {
    TRAP_DB = 1,
    TRAP_BP = 3,
    TRAP_UD = 6,
    TRAP_DF = 8,
    TRAP_NP = 11,
    TRAP_SS = 12,
    TRAP_GP = 13,
    TRAP_PF = 14,
    TRAP_AC = 17
};
enum { TRAP_COUNT = 32, TRAP_CODE = 0x08, TRAP_GATE = 0x8e00, TRAP_GATE_USER = 0xee00 };
enum { FLAG_TF = 1 << 8, FLAG_RF = 1 << 16, FLAG_VM = 1 << 17, FLAG_AC = 1 << 18 };

struct trap_frame {
    u32 es, ds, edi, esi, ebp, esp_here, ebx, edx, ecx, eax;
    u32 vector, error; /* error code 0 where the processor has none */
    u32 eip, cs, eflags;
    u32 esp, ss;                        /* only from an outer ring */
    u32 v86_es, v86_ds, v86_fs, v86_gs; /* only from virtual-8086 mode */
};

struct trap_gate {
    u16 offset_low, selector, attributes, offset_high;
};

void trap(struct trap_frame *frame);

extern const u32 trap_entries[TRAP_COUNT];
static struct trap_gate trap_idt[TRAP_COUNT] __attribute__((aligned(8)));

/* An entry for each vector, which pushes a 0 where the processor pushes no error code, and the list of them. */
__asm__(".pushsection .rodata\n\t"
        ".balign 4\n\t"
        ".globl trap_entries\n"
        "trap_entries:\n\t"
        ".popsection\n\t"
        ".pushsection .text\n\t"
        ".set trap_vector, 0\n\t"
        ".rept 32\n"
        "1:\n\t"
        ".ifeq (trap_vector == 8) | ((trap_vector >= 10) & (trap_vector <= 14)) | (trap_vector == 17) | (trap_vector "
        "== 21)\n\t"
        "pushl $0\n\t"
        ".endif\n\t"
        "pushl $trap_vector\n\t"
        "jmp trap_common\n\t"
        ".pushsection .rodata\n\t"
        ".long 1b\n\t"
        ".popsection\n\t"
        ".set trap_vector, trap_vector + 1\n\t"
        ".endr\n"
        "trap_common:\n\t"
        "cld\n\t"
        "pushal\n\t"
        "pushl %ds\n\t"
        "pushl %es\n\t"
        "movl $0x10, %eax\n\t"
        "movl %eax, %ds\n\t"
        "movl %eax, %es\n\t"
        "pushl %esp\n\t"
        "call trap\n\t"
        "addl $4, %esp\n\t"
        "popl %es\n\t"
        "popl %ds\n\t"
        "popal\n\t"
        "addl $8, %esp\n\t"
        "iret\n\t"
        ".popsection");

static inline void trap_set_gate(unsigned vector, u16 selector, u32 offset, u16 attributes)
{
    trap_idt[vector] = (struct trap_gate){ (u16)offset, selector, attributes, (u16)(offset >> 16) };
}

static inline void trap_reset_gate(unsigned vector)
{
    trap_set_gate(vector, TRAP_CODE, trap_entries[vector], TRAP_GATE);
}

/* A GDT of `size` bytes, with flat code and data at 0x08 and 0x10, where the segment registers have them already. */
static inline void trap_load_gdt(const u64 *gdt, size_t size)
{
    struct {
        u16 limit;
        u32 base;
    } __attribute__((packed)) pointer = { (u16)(size - 1), (u32)(uintptr_t)gdt };

    __asm__ volatile("lgdt %0" : : "m"(pointer) : "memory");
}

/* All 32 exceptions go to trap(). */
static inline void trap_init(void)
{
    struct {
        u16 limit;
        u32 base;
    } __attribute__((packed)) pointer = { sizeof(trap_idt) - 1, (u32)(uintptr_t)trap_idt };

    for (unsigned i = 0; i < TRAP_COUNT; i++)
        trap_reset_gate(i);
    __asm__ volatile("lidt %0" : : "m"(pointer), "m"(trap_idt));
}

static inline u32 trap_cr2(void)
{
    u32 cr2;
    __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
    return cr2;
}

_Noreturn static inline void trap_unexpected(const struct trap_frame *frame)
{
    bail_out("exception %u, error code 0x%x, at 0x%x, CR2 0x%x", frame->vector, frame->error, frame->eip, trap_cr2());
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* See gdt.h. */
#include "arch/x86/gdt.h"

#include "arch/x86/cpu.h"
#include "arch/x86/idt.h"
#include "arch/x86/stack.h"
#include "arch/x86/symbols.h"

enum { GDT_SIZE = 0x28, EXCEPTION_STACK_PAGES = 4 };

/* SDM vol. 3, 3.4.5 "Segment Descriptors"; accessed is set, so that the processor never writes to the GDT for it. */
#define DESCRIPTOR_CODE64 0x00af9b000000ffffull
#define DESCRIPTOR_DATA   0x00cf93000000ffffull
#define DESCRIPTOR_TSS    0x0000890000000000ull /* available; LTR makes it busy */

/* SDM vol. 3, 8.7 "Task Management in 64-bit Mode". */
struct __attribute__((packed)) tss {
    u32 reserved0;
    u64 rsp[3];
    u64 reserved1;
    u64 ist[7]; /* ist[0] is number 1 */
    u64 reserved2;
    u16 reserved3;
    u16 io_map_base;
};

static_assert(sizeof(struct tss) == 104, "SDM vol. 3, figure 8-11");

static const char *const stack_names[STACK_COUNT] = {
    [STACK_DOUBLE_FAULT] = "double-fault",
    [STACK_NMI] = "NMI",
    [STACK_MACHINE_CHECK] = "machine-check",
    [STACK_PAGE_FAULT] = "page-fault",
};

struct guarded_stack {
    _Alignas(PAGE_SIZE) u8 guard[PAGE_SIZE]; /* paging_init() unmaps it */
    u8 bytes[EXCEPTION_STACK_PAGES * PAGE_SIZE];
};

static _Alignas(16) u64 gdt[GDT_SIZE / 8];
static _Alignas(16) struct tss tss = { .io_map_base = sizeof(struct tss) };
static struct guarded_stack exception_stacks[STACK_COUNT - 1];

u64 gdt_base(void)
{
    return (u64)gdt;
}

u64 tss_base(void)
{
    return (u64)&tss;
}

static void fill_gdt(void)
{
    u64 base = tss_base();

    gdt[SELECTOR_CODE / 8] = DESCRIPTOR_CODE64;
    gdt[SELECTOR_DATA / 8] = DESCRIPTOR_DATA;
    gdt[SELECTOR_TSS / 8] =
        DESCRIPTOR_TSS | (sizeof(struct tss) - 1) | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
    gdt[SELECTOR_TSS / 8 + 1] = base >> 32;
}

static void add_stacks(void)
{
    stack_add("boot", (u64)boot_stack, (u64)boot_stack_top);
    for (unsigned i = 1; i < STACK_COUNT; i++) {
        struct guarded_stack *stack = &exception_stacks[i - 1];

        tss.ist[i - 1] = (u64)(stack + 1);
        stack_add(stack_names[i], (u64)stack->bytes, (u64)(stack + 1));
    }
}

static void load_gdt(void)
{
    struct table_register gdtr = { .limit = GDT_SIZE - 1, .base = gdt_base() };

    lgdt(&gdtr);
    __asm__ volatile("mov %0, %%ds\n\t"
                     "mov %0, %%es\n\t"
                     "mov %0, %%ss\n\t"
                     "mov %1, %%fs\n\t"
                     "mov %1, %%gs\n\t"
                     "pushq %2\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:"
                     :
                     : "r"(SELECTOR_DATA), "r"(0), "i"(SELECTOR_CODE)
                     : "rax", "memory");
    lldt(0);
    ltr(SELECTOR_TSS);
}

void cpu_tables_init(void)
{
    fill_gdt();
    add_stacks();
    load_gdt();
    idt_load();
}

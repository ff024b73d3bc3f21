/* SPDX-License-Identifier: BSD-2-Clause */
/* See gdt.h. */
#include "arch/x86/gdt.h"

#include "arch/x86/cpu.h"
#include "arch/x86/idt.h"
#include "arch/x86/paging.h"
#include "arch/x86/processor.h"
#include "arch/x86/stack.h"
#include "arch/x86/symbols.h"
#include "hv/lib/format.h"

enum { EXCEPTION_STACK_PAGES = 4 };

/* SDM vol. 3, 3.4.5 "Segment Descriptors"; accessed is set, so that the processor never writes to the GDT for it. */
#define DESCRIPTOR_CODE64 0x00af9b000000ffffull
#define DESCRIPTOR_DATA   0x00cf93000000ffffull
#define DESCRIPTOR_TSS    0x0000890000000000ull /* available; LTR makes it busy */

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

static struct guarded_stack exception_stacks[STACK_COUNT - 1]; /* the boot processor's */

u64 gdt_base(void)
{
    return (u64)this_processor()->tables.gdt;
}

u64 tss_base(void)
{
    return (u64)&this_processor()->tables.tss;
}

static void fill(struct cpu_tables *tables)
{
    u64 base = (u64)&tables->tss;

    *tables = (struct cpu_tables){ .tss.io_map_base = sizeof(struct tss) };
    tables->gdt[SELECTOR_CODE / 8] = DESCRIPTOR_CODE64;
    tables->gdt[SELECTOR_DATA / 8] = DESCRIPTOR_DATA;
    tables->gdt[SELECTOR_TSS / 8] =
        DESCRIPTOR_TSS | (sizeof(struct tss) - 1) | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
    tables->gdt[SELECTOR_TSS / 8 + 1] = base >> 32;
}

void cpu_tables_make_first(struct cpu_tables *tables)
{
    fill(tables);
    stack_add("boot", (u64)boot_stack, (u64)boot_stack_top);
    for (unsigned i = 1; i < STACK_COUNT; i++) {
        struct guarded_stack *stack = &exception_stacks[i - 1];

        tables->tss.ist[i - 1] = (u64)(stack + 1);
        stack_add(stack_names[i], (u64)stack->bytes, (u64)(stack + 1));
    }
}

int cpu_tables_make(struct cpu_tables *tables, unsigned number)
{
    char name[STACK_NAME_SIZE];

    fill(tables);
    for (unsigned i = 1; i < STACK_COUNT; i++) {
        format_text(name, sizeof name, "%s %u", stack_names[i], number);
        void *top = vmap_stack(EXCEPTION_STACK_PAGES, name);
        if (!top)
            return -ENOMEM;
        tables->tss.ist[i - 1] = (u64)top;
    }
    return 0;
}

void cpu_tables_load(const struct cpu_tables *tables)
{
    struct table_register gdtr = { .limit = GDT_SIZE - 1, .base = (u64)tables->gdt };

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
    idt_load();
}

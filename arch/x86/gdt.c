/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/gdt.h"

#include "arch/x86/cpu.h"
#include "arch/x86/idt.h"
#include "arch/x86/paging.h"
#include "arch/x86/stack.h"
#include "arch/x86/symbols.h"
#include "hv/lib/format.h"

/* SDM volume 3, 3.4.5 "Segment Descriptors"; accessed is set, so that the processor never writes to the GDT for it. */
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

static struct cpu_tables boot_tables;
static struct guarded_stack boot_exception_stacks[STACK_COUNT - 1];

static void cpu_tables_fill(struct cpu_tables *tables)
{
    u64 base = (u64)&tables->tss;

    tables->gdt[SELECTOR_CODE / 8] = DESCRIPTOR_CODE64;
    tables->gdt[SELECTOR_DATA / 8] = DESCRIPTOR_DATA;
    tables->gdt[SELECTOR_TSS / 8] =
        DESCRIPTOR_TSS | (sizeof(struct tss) - 1) | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
    tables->gdt[SELECTOR_TSS / 8 + 1] = base >> 32;
    tables->tss.io_map_base = sizeof(struct tss);
}

struct cpu_tables *cpu_tables_init_boot(void)
{
    cpu_tables_fill(&boot_tables);
    stack_add("boot", (u64)boot_stack, (u64)boot_stack_top);
    for (unsigned i = 1; i < STACK_COUNT; i++) {
        struct guarded_stack *stack = &boot_exception_stacks[i - 1];

        boot_tables.tss.ist[i - 1] = (u64)(stack + 1);
        stack_add(stack_names[i], (u64)stack->bytes, (u64)(stack + 1));
    }
    cpu_tables_load(&boot_tables);
    return &boot_tables;
}

int cpu_tables_init(struct cpu_tables *tables, unsigned cpu)
{
    *tables = (struct cpu_tables){ 0 };
    cpu_tables_fill(tables);
    for (unsigned i = 1; i < STACK_COUNT; i++) {
        char name[STACK_NAME_SIZE];
        void *top;

        format_text(name, sizeof name, "%s, cpu %u", stack_names[i], cpu);
        top = vmap_stack(EXCEPTION_STACK_PAGES, name);
        if (!top)
            return -ENOMEM;
        tables->tss.ist[i - 1] = (u64)top;
    }
    return 0;
}

void cpu_tables_load(struct cpu_tables *tables)
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
    /* LTR refuses a busy TSS: tables may be loaded again, after INIT. */
    tables->gdt[SELECTOR_TSS / 8] &= ~(1ull << 41);
    lldt(0);
    ltr(SELECTOR_TSS);
    idt_load();
}

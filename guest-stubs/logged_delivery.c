/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: an exception, an interrupt instruction or a single step is delivered once, and as ever, when the pages that
 * its delivery writes to are logged: the stack, the descriptor that it marks as accessed, the table that maps the
 * stack. Where the processor logs, its log is also full just then.
 *
 *   [guest logged-delivery]
 *   image = logged_delivery.elf
 *   hypercalls = yes
 *   expect-end = exit 0
 */
#include "guest-stubs/lib/hypercall.h"
#include "guest-stubs/lib/trap.h"

enum {
    PAGE = 4096,
    REGION = 4 << 20,
    STACK = 8 << 20, /* two pages, mapped by a table of 4K entries where paging is on */
    USER_STACK = STACK + 4 * PAGE,
    FILLING = STACK + 16 * PAGE,
    NO_PAGE = 32 << 20,
    UNKNOWN_MSR = 0x12345,
};
enum { CODE = 0x08, DATA = 0x10, USER_CODE = 0x18 | 3, USER_DATA = 0x20 | 3, TSS = 0x28, ACCESSED = 1 << 8 };
enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, LARGE = 0x80 };
enum { DR7_WRITE_0 = 0x400 | 2 | 1 << 16 | 3 << 18, DR7_OFF = 0x400 };

static u64 gdt[6] __attribute__((aligned(4096)));
static u32 directory[1024] __attribute__((aligned(4096))), table[1024] __attribute__((aligned(4096)));
static u32 tss[26] __attribute__((aligned(4096)));

static volatile struct {
    u32 count, vector, error, eip, cs, dr6;
} seen;
static volatile u32 landmark;               /* where the exception is to be */
static volatile u32 resume;                 /* where to go on; 0: where the frame says */
static volatile u32 kernel_esp, logged_esp; /* of the instructions below */
static bool paging;

void trap(struct trap_frame *frame)
{
    seen.count++;
    seen.vector = frame->vector;
    seen.error = frame->error;
    seen.eip = frame->eip;
    seen.cs = frame->cs;
    __asm__ volatile("mov %%dr6, %0; mov %1, %%dr6" : "=&r"(seen.dr6) : "r"(0xffff0ff0));
    frame->eflags &= ~(u32)FLAG_TF;
    if (seen.count > 3)
        trap_unexpected(frame);
    if (frame->cs & 3) {
        __asm__ volatile("mov %0, %%esp; jmp *%1" : : "m"(kernel_esp), "m"(resume));
        __builtin_unreachable();
    }
    if (resume)
        frame->eip = resume;
}

/* Everything that a delivery writes is as if it had never been used, and logged. */
static void arm(unsigned filled)
{
    for (unsigned i = 1; i < TSS / 8; i++)
        ((volatile u32 *)gdt)[2 * i + 1] &= ~(u32)ACCESSED;
    for (unsigned i = 0; i < 16; i++)
        table[STACK % REGION / PAGE + i] &= ~(u32)(A | D);
    directory[STACK / REGION] &= ~(u32)A;
    if (paging)
        write_cr3((uintptr_t)directory);
    seen.count = 0;
    if (command("dirty harvest").error)
        bail_out("dirty harvest fails");
    for (unsigned i = 0; i < filled; i++)
        poke(FILLING + i * PAGE, i);
}

/* On the logged stack: `what`, with the exception at or behind it; 8: there, 9: where it goes on. */
#define DELIVER(what)                                                 \
    __asm__ volatile("pushal; movl $8f, %0; movl $9f, %1\n\t"         \
                     "mov %%esp, %2; mov %3, %%esp\n\t" what "\n"     \
                     "9: mov %2, %%esp; popal"                        \
                     : "=m"(landmark), "=m"(resume), "=m"(kernel_esp) \
                     : "m"(logged_esp)                                \
                     : "memory", "cc")

static void do_ud(void)
{
    DELIVER("8: ud2");
}

static void do_int3(void)
{
    DELIVER("int3; 8: nop");
}

static void do_int5(void)
{
    DELIVER("int $5; 8: nop");
}

static void do_into(void)
{
    DELIVER("movb $0x7f, %%al; addb $1, %%al; into; 8: nop");
}

static void do_int1(void)
{
    DELIVER(".byte 0xf1; 8: nop");
}

static void do_divide(void)
{
    DELIVER("xorl %%ecx, %%ecx; 8: divl %%ecx");
}

static void do_rdmsr(void)
{
    DELIVER("movl $0x12345, %%ecx; 8: rdmsr");
}

static void do_selector(void)
{
    DELIVER("movl $0xff8, %%ecx; 8: mov %%ecx, %%fs");
}

static void do_page_fault(void)
{
    DELIVER("8: movl %%eax, 0x2000000");
}

static void do_step(void)
{
    DELIVER("mov %2, %%esp; pushfl; orl $0x100, (%%esp); popfl; mov %3, %%esp; 8: nop; movl $0, %%eax");
}

static void do_step_cpuid(void)
{
    DELIVER("mov %%ss, %%edi; mov %2, %%esp; pushfl; orl $0x100, (%%esp); popfl; mov %%edi, %%ss; cpuid; 8: nop");
}

static void do_step_write(void)
{
    DELIVER("mov %%ss, %%edi; mov %2, %%esp; pushfl; orl $0x100, (%%esp); popfl; mov %%edi, %%ss; "
            "movl $1, 0x805000; 8: nop");
}

static void do_breakpoint(void)
{
    __asm__ volatile("mov %0, %%dr0; mov %1, %%dr7" : : "r"(USER_STACK), "r"(DR7_WRITE_0));
    DELIVER("movl $1, 0x804000; 8: nop; movl $0x400, %%eax; mov %%eax, %%dr7");
    __asm__ volatile("mov %0, %%dr7" : : "r"(DR7_OFF));
}

#define USER(what)                                                                                        \
    __asm__ volatile("pushal; movl $8f, %0; movl $9f, %1; mov %%esp, %2\n\t"                              \
                     "movl %3, %%eax; movl %%eax, %4\n\t"                                                 \
                     "pushl %5; pushl %6; pushl $2; pushl %7; pushl $7f; iret\n\t"                        \
                     "7: " what "\n"                                                                      \
                     "9: popal"                                                                           \
                     : "=m"(landmark), "=m"(resume), "=m"(kernel_esp)                                     \
                     : "m"(logged_esp), "m"(tss[1]), "i"(USER_DATA), "i"(USER_STACK + 64), "i"(USER_CODE) \
                     : "memory", "cc")

static void do_user_ud(void)
{
    USER("8: ud2");
}

static void do_user_gp(void)
{
    USER("8: hlt");
}

static void do_user_int3(void)
{
    USER("int3; 8: nop");
}

static const struct kind {
    const char *name;
    void (*run)(void);
    u32 vector, error;
    bool paged; /* only where paging is on */
} kinds[] = {
    { "UD2", do_ud, TRAP_UD, 0, false },
    { "INT3", do_int3, TRAP_BP, 0, false },
    { "INT n", do_int5, 5, 0, false },
    { "INTO", do_into, 4, 0, false },
    { "INT1", do_int1, TRAP_DB, 0, false },
    { "DIV", do_divide, 0, 0, false },
    { "RDMSR of an unknown MSR", do_rdmsr, TRAP_GP, 0, false },
    { "MOV to FS of a wrong selector", do_selector, TRAP_GP, 0xff8, false },
    { "a page fault", do_page_fault, TRAP_PF, 2, true },
    { "a single step", do_step, TRAP_DB, 0, false },
    { "a single step of CPUID in the shadow of MOV SS", do_step_cpuid, TRAP_DB, 0, false },
    { "a single step of a write in the shadow of MOV SS", do_step_write, TRAP_DB, 0, false },
    { "a data breakpoint", do_breakpoint, TRAP_DB, 0, false },
    { "UD2 of a user", do_user_ud, TRAP_UD, 0, false },
    { "HLT of a user", do_user_gp, TRAP_GP, 0, false },
    { "INT3 of a user", do_user_int3, TRAP_BP, 0, false },
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]), OFFSETS = 7 };

static bool deliver(const struct kind *kind, unsigned offset, unsigned filled)
{
    /* Each push can be the first one in a page. */
    logged_esp = STACK + PAGE + offset * 4;
    arm(filled);
    kind->run();
    bool right = seen.count == 1 && seen.vector == kind->vector && seen.error == kind->error && seen.eip == landmark;
    if (!right)
        print("# %s, stack at +%u, %u pages before: %u times, vector %u, error 0x%x, at 0x%x, not 0x%x\n", kind->name,
              offset * 4, filled, seen.count, seen.vector, seen.error, seen.eip, landmark);
    return right;
}

static void deliver_all(const char *mode)
{
    for (const struct kind *kind = kinds; kind < kinds + KINDS; kind++) {
        bool right = true;

        if (kind->paged && !paging)
            continue;
        for (unsigned offset = 0; offset < OFFSETS; offset++)
            right = right && deliver(kind, offset, 0);
        ok(right, "%s, %s", kind->name, mode);
    }
}

/* The processor's log has 512 entries, and this stub's data and stack are in it, too. */
static void fill_log(const char *mode)
{
    bool right = true;

    /* Those that exit before they are delivered find an empty log. */
    for (const struct kind *kind = kinds; kind < kinds + 2; kind++) {
        for (unsigned filled = 512 - 16; filled <= 512; filled++)
            right = right && deliver(kind, 1, filled);
    }
    ok(right, "the log is full when an event is delivered, %s", mode);
}

static void set_up(void)
{
    u32 base = (u32)(uintptr_t)tss;

    trap_init();
    trap_idt[TRAP_BP].attributes = trap_idt[5].attributes = trap_idt[4].attributes = TRAP_GATE_USER;
    gdt[CODE / 8] = 0x00cf9b000000ffff;
    gdt[DATA / 8] = 0x00cf93000000ffff;
    gdt[USER_CODE / 8] = 0x00cffb000000ffff;
    gdt[USER_DATA / 8] = 0x00cff3000000ffff;
    gdt[TSS / 8] = (sizeof(tss) - 1) | (u64)(base & 0xffffff) << 16 | 0x89ull << 40 | (u64)(base >> 24) << 56;
    tss[2] = DATA;
    tss[25] = sizeof(tss) << 16;
    trap_load_gdt(gdt, sizeof(gdt));
    __asm__ volatile("ltr %w0" : : "r"(TSS) : "memory");
    for (u32 i = 0; i < 8; i++)
        directory[i] = i * REGION | P | W | U | A | D | LARGE;
    for (u32 i = 0; i < 1024; i++)
        table[i] = (STACK / REGION * REGION + i * PAGE) | P | W | U | A | D;
    directory[STACK / REGION] = (u32)(uintptr_t)table | P | W | U | A;
}

void stub_main(void)
{
    set_up();
    plan(2 * KINDS - 1 + 2 + 2);
    ok(command("dirty start").error == 0, "logged");
    deliver_all("without paging");
    fill_log("without paging");
    write_cr4(read_cr4() | CR4_PSE);
    write_cr3((uintptr_t)directory);
    write_cr0(read_cr0() | CR0_PG | CR0_WP);
    paging = true;
    deliver_all("with paging");
    fill_log("with paging");
    ok(command("dirty stop").error == 0, "not logged any more");
}

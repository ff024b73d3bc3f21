/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: INS and OUTS, which slat executes for the guest, change registers and memory as on a processor, and fault as
 * there: page faults in the middle of a repetition, address sizes, directions, segments.
 *
 *   [guest string-io]
 *   image = string_io.elf
 *   memory = 4M
 *   expect-end = exit 0
 */
#include "guest-stubs/lib/trap.h"

enum { SCRATCH = COM1 + 7, ABSENT = 0x5a5a };
enum { PTE_P = 1, PTE_W = 2, PTE_A = 0x20, PTE_D = 0x40 };
enum {
    DATA = 0x200000,
    GOOD = DATA + 0x3000,
    MISSING = DATA + 0x4000,
    READ_ONLY = DATA + 0x5000,
    AFTER = DATA + 0x6000
};
enum { DATA_SELECTOR = 0x10, READ_ONLY_SELECTOR = 0x18, SHORT_SELECTOR = 0x20, BASED_SELECTOR = 0x28 };

static u32 directory[1024] __attribute__((aligned(4096))), pages[1024] __attribute__((aligned(4096)));
static u64 gdt[6] = {
    0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00cf91000000ffff, 0x0040932000000fff, 0x00cf93200000ffff
};
static struct trap_frame caught;
static u32 caught_cr2, resume;

void trap(struct trap_frame *frame)
{
    if (!resume)
        trap_unexpected(frame);
    caught = *frame;
    caught_cr2 = trap_cr2();
    frame->eip = resume;
    resume = 0;
}

/* What the registers hold after an instruction with these; caught.vector is the exception, 0 if there was none. */
struct registers {
    u32 ecx, esi, edi, eflags, port, es, fs;
};

#define RUN(r, instruction)                                                                                         \
    do {                                                                                                            \
        caught = (struct trap_frame){ 0 };                                                                          \
        __asm__ volatile(                                                                                           \
            "movl $9f, %[resume]; mov %[es], %%es; mov %[fs], %%fs; pushl %[flags]; popfl; " instruction            \
            "; 9: pushl $2; popfl; mov %[flat], %%es; mov %[flat], %%fs; movl $0, %[resume]"                        \
            : "+c"((r).ecx), "+S"((r).esi), "+D"((r).edi), [resume] "=m"(resume)                                    \
            : "d"((r).port), [flags] "m"((r).eflags), [es] "m"((r).es), [fs] "m"((r).fs), [flat] "m"(flat_selector) \
            : "memory", "cc");                                                                                      \
    } while (0)

static u32 flat_selector = DATA_SELECTOR;

static struct registers registers(u32 ecx, u32 address)
{
    return (struct registers){ ecx, address, address, 2, SCRATCH, DATA_SELECTOR, DATA_SELECTOR };
}

static bool no_fault(void)
{
    return caught.vector == 0;
}

static bool page_fault(u32 address, u32 error)
{
    bool right = caught.vector == TRAP_PF && caught_cr2 == address && caught.error == error;

    if (!right)
        print("# vector %u, CR2 0x%x, error code 0x%x; wanted a page fault at 0x%x, 0x%x\n", caught.vector, caught_cr2,
              caught.error, address, error);
    return right;
}

static bool bytes_are(u32 address, u8 value, unsigned count)
{
    __asm__("" : "+r"(address)); /* also 0 is an address */
    for (unsigned i = 0; i < count; i++) {
        if (((volatile u8 *)address)[i] != value)
            return false;
    }
    return true;
}

static void set_page(u32 address, u32 entry)
{
    pages[address >> 12] = entry;
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static void paging_on(void)
{
    for (u32 i = 0; i < 1024; i++)
        pages[i] = i << 12 | PTE_P | PTE_W;
    directory[0] = (u32)(uintptr_t)pages | PTE_P | PTE_W;
    pages[MISSING >> 12] = 0;
    pages[READ_ONLY >> 12] &= ~(u32)PTE_W;
    write_cr3((uintptr_t)directory);
    write_cr0(read_cr0() | CR0_PG | CR0_WP);
}

static void plain(void)
{
    struct registers r = registers(5, DATA);

    outb(SCRATCH, 0x11);
    RUN(r, "rep insb");
    ok(no_fault() && r.ecx == 0 && r.edi == DATA + 5 && r.esi == DATA && bytes_are(DATA, 0x11, 5) &&
           bytes_are(DATA + 5, 0, 1),
       "REP INSB");

    for (u32 i = 0; i < 4; i++)
        ((volatile u8 *)DATA)[i] = (u8)(0x20 + i);
    r = registers(4, DATA);
    RUN(r, "rep outsb");
    ok(no_fault() && r.ecx == 0 && r.esi == DATA + 4 && r.edi == DATA && inb(SCRATCH) == 0x23, "REP OUTSB");

    r = registers(3, DATA + 3);
    r.eflags |= 1 << 10;
    RUN(r, "rep outsb");
    ok(no_fault() && r.esi == DATA && inb(SCRATCH) == 0x21, "with DF it goes down");

    r = registers(2, DATA);
    RUN(r, "outsb");
    ok(no_fault() && r.ecx == 2 && r.esi == DATA + 1 && inb(SCRATCH) == 0x20, "OUTSB leaves ECX alone");

    r = registers(3, DATA + 0xffe);
    r.port = ABSENT;
    RUN(r, "rep insw");
    ok(no_fault() && r.ecx == 0 && r.edi == DATA + 0x1004 && bytes_are(DATA + 0xffe, 0xff, 6) &&
           bytes_are(DATA + 0x1004, 0, 1),
       "REP INSW over the end of a page");

    r = registers(2, DATA + 0x2000 - 6);
    r.port = ABSENT;
    RUN(r, "rep insl");
    ok(no_fault() && r.ecx == 0 && r.edi == DATA + 0x2002 && bytes_are(DATA + 0x2000 - 6, 0xff, 8),
       "REP INSD, one of them in two pages");

    r = registers(0x12340004, 0x5678fffe);
    outb(SCRATCH, 0x77);
    RUN(r, "addr16 rep insb");
    ok(no_fault() && r.ecx == 0x12340000 && r.edi == 0x56780002 && bytes_are(0xfffe, 0x77, 2) && bytes_are(0, 0x77, 2),
       "16-bit addresses wrap at 64 KiB, and leave the upper halves of ECX and EDI alone");
}

static void page_faults(void)
{
    struct registers r = registers(0, MISSING);

    RUN(r, "rep insb");
    ok(no_fault() && r.edi == MISSING, "a count of 0 does not touch memory");

    r = registers(6, MISSING - 4);
    outb(SCRATCH, 0x33);
    RUN(r, "rep insb");
    ok(page_fault(MISSING, 2) && r.ecx == 2 && r.edi == MISSING && bytes_are(MISSING - 4, 0x33, 4),
       "INS to a missing page: #PF for writing, with the registers of that iteration");

    r = registers(3, MISSING - 2);
    r.port = ABSENT;
    *(volatile u16 *)(MISSING - 2) = 0;
    RUN(r, "rep insl");
    ok(page_fault(MISSING, 2) && r.ecx == 3 && r.edi == MISSING - 2 && bytes_are(MISSING - 2, 0, 2),
       "INS half into a missing page writes nothing");

    r = registers(2, MISSING);
    RUN(r, "rep outsb");
    ok(page_fault(MISSING, 0) && r.ecx == 2 && r.esi == MISSING, "OUTS from a missing page: #PF for reading");

    r = registers(2, READ_ONLY);
    RUN(r, "rep insb");
    ok(page_fault(READ_ONLY, 3) && r.ecx == 2, "INS to a read-only page: #PF with P and W");
    r = registers(2, READ_ONLY);
    RUN(r, "rep outsb");
    ok(no_fault() && r.ecx == 0, "OUTS from a read-only page");
    write_cr0(read_cr0() & ~(uintptr_t)CR0_WP);
    outb(SCRATCH, 0x33);
    r = registers(2, READ_ONLY);
    RUN(r, "rep insb");
    ok(no_fault() && bytes_are(READ_ONLY, 0x33, 2), "without CR0.WP, INS to it is allowed");
    write_cr0(read_cr0() | CR0_WP);

    set_page(AFTER, AFTER | PTE_P | PTE_W);
    r = registers(1, AFTER);
    RUN(r, "rep outsb");
    ok((pages[AFTER >> 12] & (PTE_A | PTE_D)) == PTE_A, "OUTS marks the page accessed");
    r = registers(1, AFTER);
    RUN(r, "rep insb");
    ok((pages[AFTER >> 12] & (PTE_A | PTE_D)) == (PTE_A | PTE_D), "INS marks it dirty");
}

static bool segment_fault(const struct registers *r, u32 vector)
{
    bool right = caught.vector == vector && caught.error == 0 && r->ecx == 2;

    if (!right)
        print("# vector %u, error code 0x%x, ECX %u\n", caught.vector, caught.error, r->ecx);
    return right;
}

static void segments(void)
{
    struct registers r = registers(2, 0x10);

    *(volatile u8 *)(DATA + 0x11) = 0x6b;
    r.fs = BASED_SELECTOR;
    RUN(r, "fs rep outsb");
    ok(no_fault() && inb(SCRATCH) == 0x6b, "OUTS with a segment override");
    r = registers(2, GOOD);
    r.es = 0;
    RUN(r, "rep insb");
    ok(segment_fault(&r, TRAP_GP), "INS with a null ES: #GP(0)");
    r = registers(2, GOOD);
    r.fs = 0;
    RUN(r, "fs rep outsb");
    ok(segment_fault(&r, TRAP_GP), "OUTS with a null segment: #GP(0)");
    r = registers(2, GOOD);
    r.es = READ_ONLY_SELECTOR;
    RUN(r, "rep insb");
    ok(segment_fault(&r, TRAP_GP), "INS with a read-only ES: #GP(0)");
    r = registers(3, 0xfff);
    r.es = SHORT_SELECTOR;
    RUN(r, "rep insb");
    ok(segment_fault(&r, TRAP_GP) && r.edi == 0x1000, "INS beyond the limit of ES: #GP(0)");
    r = registers(2, 0xffe);
    r.fs = SHORT_SELECTOR;
    r.port = ABSENT;
    RUN(r, "fs rep outsl");
    ok(segment_fault(&r, TRAP_GP), "OUTS half beyond the limit of a segment: #GP(0)");
}

void stub_main(void)
{
    trap_init();
    trap_load_gdt(gdt, sizeof(gdt));
    plan(22);
    plain();
    paging_on();
    page_faults();
    segments();
}

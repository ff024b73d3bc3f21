/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: debug exceptions come where a processor has them also around instructions that slat executes for the guest:
 * single steps, the shadows of STI and MOV SS, breakpoints, INT1, and EFLAGS.RF of faults.
 *
 *   [guest single-step]
 *   image = single_step.elf
 *   memory = 4M
 *   expect-end = exit 0
 */
#include "guest-stubs/lib/trap.h"

#define DR6_BS    (1u << 14)
#define DR6_BD    (1u << 13)
#define DR7_GD    (1u << 13)
#define DR7_FIXED 0x400u
#define DR6_FIXED 0xffff0ff0u

enum { UNKNOWN_MSR = 0x12345, SCRATCH = COM1 + 7, PIC1_DATA = 0x21, PIC2_DATA = 0xa1 };
enum { TRAPS_MAX = 16, DR7_EXECUTE_0 = 0x2, DR7_EXECUTE_1 = 0x8, DR7_READ_WRITE_0 = 0x30002, DR7_WORD_0 = 0x40000 };

static struct {
    u32 eip, dr6;
} traps[TRAPS_MAX];
static volatile unsigned trap_count;
static u32 stop_at; /* the single step that arrives here is the last one */
static volatile u32 fault_eflags;
static volatile u32 landmark; /* an address inside the instructions under test */
static u8 buffer[16];
static u16 ss_value;

static void write_dr0(u32 value)
{
    __asm__ volatile("mov %0, %%dr0" : : "r"(value));
}

static void write_dr7(u32 value)
{
    __asm__ volatile("mov %0, %%dr7" : : "r"(value | DR7_FIXED));
}

static u32 take_dr6(void)
{
    u32 value;

    __asm__ volatile("mov %%dr6, %0; mov %1, %%dr6" : "=&r"(value) : "r"(DR6_FIXED));
    return value;
}

void trap(struct trap_frame *frame)
{
    if (frame->vector == TRAP_GP) { /* of RDMSR, two bytes long */
        fault_eflags = frame->eflags;
        frame->eip += 2;
        frame->eflags &= ~(u32)FLAG_RF;
        return;
    }
    if (frame->vector != TRAP_DB)
        trap_unexpected(frame);
    if (trap_count < TRAPS_MAX) {
        traps[trap_count].eip = frame->eip;
        traps[trap_count].dr6 = take_dr6();
    }
    trap_count++;
    if (frame->eip == stop_at || trap_count >= TRAPS_MAX)
        frame->eflags &= ~(u32)FLAG_TF;
    if (!(traps[trap_count - 1].dr6 & DR6_BS))
        frame->eflags |= FLAG_RF; /* an instruction breakpoint is not to come twice */
}

/* The instructions from here to label 9 are single-stepped. */
#define STEP "movl $9f, %0; pushfl; orl $0x100, (%%esp); popfl; "

/* As many single steps as wanted, the last one behind the instructions, all with DR6.BS. */
static void check(const char *what, unsigned wanted)
{
    bool right = trap_count == wanted && traps[wanted - 1].eip == stop_at;

    for (unsigned i = 0; i < wanted; i++)
        right = right && (traps[i].dr6 & 0xe00f) == DR6_BS;
    if (!ok(right, "%s: %u single step%s", what, wanted, wanted == 1 ? "" : "s")) {
        print("# %u came, the last one should be at 0x%x\n", trap_count, stop_at);
        for (unsigned i = 0; i < trap_count && i < TRAPS_MAX; i++)
            print("# at 0x%x, DR6 0x%x\n", traps[i].eip, traps[i].dr6);
    }
}

static void step_each(void)
{
    u32 a, b, c, d;

    trap_count = 0;
    __asm__ volatile(STEP "nop; 9: nop" : "=m"(stop_at) : : "memory", "cc");
    check("NOP", 1);

    trap_count = 0;
    __asm__ volatile(STEP "cpuid; 9: nop"
                     : "=m"(stop_at), "=a"(a), "=b"(b), "=c"(c), "=d"(d)
                     : "a"(0)
                     : "memory", "cc");
    check("CPUID", 1);

    trap_count = 0;
    __asm__ volatile(STEP "inb $0x61, %%al; 9: nop" : "=m"(stop_at), "=a"(a) : : "memory", "cc");
    check("IN", 1);

    trap_count = 0;
    __asm__ volatile(STEP "outb %%al, %%dx; 9: nop" : "=m"(stop_at) : "a"(0x5a), "d"(SCRATCH) : "memory", "cc");
    check("OUT", 1);

    trap_count = 0;
    __asm__ volatile(STEP "rdmsr; 9: nop" : "=m"(stop_at), "=a"(a), "=d"(d) : "c"(MSR_EFER) : "memory", "cc");
    check("RDMSR", 1);

    trap_count = 0;
    __asm__ volatile(STEP "wrmsr; 9: nop" : "=m"(stop_at) : "a"(a), "d"(d), "c"(MSR_EFER) : "memory", "cc");
    check("WRMSR", 1);

    a = read_cr0();
    trap_count = 0;
    __asm__ volatile(STEP "mov %1, %%cr0; 9: nop" : "=m"(stop_at) : "r"(a ^ CR0_NE) : "memory", "cc");
    check("MOV to CR0", 1);
    write_cr0(a);

    trap_count = 0;
    __asm__ volatile(STEP "wbinvd; 9: nop" : "=m"(stop_at) : : "memory", "cc");
    check("WBINVD", 1);

    trap_count = 0;
    __asm__ volatile(STEP "sti; cpuid; 9: cli"
                     : "=m"(stop_at), "=a"(a), "=b"(b), "=c"(c), "=d"(d)
                     : "a"(0)
                     : "memory", "cc");
    check("STI and CPUID", 2);

    trap_count = 0;
    __asm__ volatile(STEP "mov %%ss, %%ecx; mov %%ecx, %%ss; cpuid; 9: nop"
                     : "=m"(stop_at), "=a"(a), "=b"(b), "=c"(c), "=d"(d)
                     : "a"(0)
                     : "memory", "cc");
    check("MOV from SS, MOV to SS and CPUID", 2);

    u8 *to = buffer;
    c = 3;
    trap_count = 0;
    __asm__ volatile(STEP "rep insb; 9: nop" : "=m"(stop_at), "+D"(to), "+c"(c) : "d"(SCRATCH) : "memory", "cc");
    check("REP INSB with a count of 3", 3);
    ok(c == 0 && to == buffer + 3 && buffer[0] == 0x5a && buffer[2] == 0x5a, "which has read all of it");
}

static void breakpoints(void)
{
    u32 a, b, c, d, dr7;

    /* The breakpoint of MOV SS waits for the end of the next instruction, though that one is slat's. */
    __asm__ volatile("mov %%ss, %0" : "=m"(ss_value));
    write_dr0((u32)(uintptr_t)&ss_value);
    write_dr7(DR7_READ_WRITE_0 | DR7_WORD_0);
    trap_count = 0;
    __asm__ volatile("movl $9f, %0; mov %5, %%ss; cpuid; 9: nop"
                     : "=m"(landmark), "=a"(a), "=b"(b), "=c"(c), "=d"(d)
                     : "m"(ss_value), "a"(0)
                     : "memory", "cc");
    write_dr7(0);
    ok(trap_count == 1 && traps[0].eip == landmark && (traps[0].dr6 & 0xe00f) == 1,
       "a data breakpoint of MOV SS comes behind the CPUID that follows (%u at 0x%x, DR6 0x%x, not 0x%x)", trap_count,
       traps[0].eip, traps[0].dr6, landmark);

    trap_count = 0;
    fault_eflags = 0;
    __asm__ volatile(
        "movl $1f, %%eax; mov %%eax, %%dr0; mov %%eax, %0; mov %1, %%eax; mov %%eax, %%dr7; mov %2, %%ecx\n"
        "1: rdmsr\n\t"
        "mov $0x400, %%eax; mov %%eax, %%dr7"
        : "=m"(landmark)
        : "i"(DR7_EXECUTE_0 | DR7_FIXED), "i"(UNKNOWN_MSR)
        : "eax", "ecx", "edx", "memory");
    ok(trap_count == 1 && traps[0].eip == landmark && (traps[0].dr6 & 0xe00f) == 1,
       "an instruction breakpoint at RDMSR (%u, DR6 0x%x)", trap_count, traps[0].dr6);
    ok(fault_eflags & FLAG_RF, "the RDMSR raises #GP with EFLAGS.RF set (0x%x)", fault_eflags);

    /* The first handler returns with RF set: it holds back the breakpoint at CPUID, and not the one behind it. */
    trap_count = 0;
    __asm__ volatile("movl $1f, %%eax; mov %%eax, %%dr0; movl $2f, %%eax; mov %%eax, %%dr1; mov %%eax, %0\n\t"
                     "mov %1, %%eax; mov %%eax, %%dr7; xor %%eax, %%eax\n"
                     "1: cpuid\n"
                     "2: mov $0x400, %%eax; mov %%eax, %%dr7"
                     : "=m"(landmark)
                     : "i"(DR7_EXECUTE_0 | DR7_EXECUTE_1 | DR7_FIXED)
                     : "eax", "ebx", "ecx", "edx", "memory");
    ok(trap_count == 2 && traps[0].eip == landmark - 2 && traps[1].eip == landmark && (traps[1].dr6 & 0xe00f) == 2,
       "instruction breakpoints at CPUID and behind it (%u, the last at 0x%x, DR6 0x%x, not 0x%x)", trap_count,
       traps[trap_count == 2].eip, traps[trap_count == 2].dr6, landmark);

    trap_count = 0;
    __asm__ volatile("movl $1f, %0; mov %2, %%dr7; 1: mov %%dr7, %1"
                     : "=m"(landmark), "=r"(dr7)
                     : "r"(DR7_GD | DR7_FIXED)
                     : "memory");
    ok(trap_count == 1 && traps[0].eip == landmark && (traps[0].dr6 & DR6_BD) && dr7 == DR7_FIXED,
       "DR7.GD guards the debug registers once (%u, DR6 0x%x, DR7 0x%x)", trap_count, traps[0].dr6, dr7);
    write_dr7(0);
}

void stub_main(void)
{
    trap_init();
    outb(PIC1_DATA, 0xff);
    outb(PIC2_DATA, 0xff);
    plan(18);
    step_each();
    breakpoints();
    trap_count = 0;
    __asm__ volatile("movl $9f, %0; .byte 0xf1; 9: nop" : "=m"(landmark) : : "memory");
    ok(trap_count == 1 && traps[0].eip == landmark, "INT1 raises one #DB, behind it (%u at 0x%x, not 0x%x)", trap_count,
       traps[0].eip, landmark);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: a guest that never does anything useful is ended by its timeout, whatever instruction it spends its time with.
 * how=N on the command line, 0 to 13: the numbers of the table below.
 *
 *   [guest hog-0]
 *   image = hog.elf
 *   memory = 4M
 *   cmdline = how=0
 *   timeout = 200ms
 *   expect-end = timeout
 */
#include "guest-stubs/lib/trap.h"

enum { ABSENT = 0x5a5a, UNKNOWN_MSR = 0x12345, BUFFER = 0x200000 };

void trap(struct trap_frame *frame)
{
}

static void mov_ss(void)
{
    u32 ss;

    __asm__ volatile("mov %%ss, %0\n1: mov %0, %%ss; mov %0, %%ss; jmp 1b" : "=r"(ss));
}

static void sti_cli(void)
{
    __asm__ volatile("1: sti; cli; jmp 1b");
}

static void rep_movs(void)
{
    for (;;) {
        u32 from = BUFFER, to = BUFFER, count = 0x100000;
        __asm__ volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(count) : : "memory");
    }
}

static void rep_ins(void)
{
    for (;;) {
        u32 to = BUFFER, count = 0x100000;
        __asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"(ABSENT) : "memory");
    }
}

static void rep_outs(void)
{
    for (;;) {
        u32 from = BUFFER, count = 0x80000;
        __asm__ volatile("rep outsl" : "+S"(from), "+c"(count) : "d"(ABSENT) : "memory");
    }
}

static void cpuids(void)
{
    for (;;)
        cpuid(0, 0);
}

static void cr0_changes(void)
{
    for (;;)
        write_cr0(read_cr0() ^ CR0_NE);
}

static void flushes(void)
{
    for (;;)
        __asm__ volatile("wbinvd");
}

static void undefined(void)
{
    __asm__ volatile("ud2");
}

static void vmcalls(void)
{
    __asm__ volatile("vmcall");
}

static void unknown_msrs(void)
{
    rdmsr(UNKNOWN_MSR);
}

static void single_steps(void)
{
    __asm__ volatile("pushfl; orl $0x100, (%esp); popfl; 1: cpuid; jmp 1b");
}

static void time_stamps(void)
{
    for (;;)
        wrmsr(0x10, 0xffffffffffff0000);
}

static void stepped_mov_ss(void)
{
    __asm__ volatile("pushfl; orl $0x100, (%esp); popfl; 1: mov %ss, %eax; mov %eax, %ss; jmp 1b");
}

static void (*const ways[])(void) = { mov_ss,       sti_cli,      rep_movs,    rep_ins,       rep_outs,
                                      cpuids,       cr0_changes,  flushes,     undefined,     vmcalls,
                                      unknown_msrs, single_steps, time_stamps, stepped_mov_ss };

void stub_main(void)
{
    u32 how = (u32)argument("how", 0);

    if (how >= sizeof(ways) / sizeof(ways[0]))
        bail_out("how=%u: there is no such way", how);
    trap_init();
    print("# way %u\n", how);
    ways[how]();
    bail_out("way %u came to an end", how);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: an exception that raises itself again while it is delivered, for ever, does not hold the machine: the guest ends
 * by its timeout, and others run on (CVE-2015-5307, CVE-2015-8104). Without an argument #AC, with db=1 #DB.
 *
 *   [guest ac-loop]                    [guest db-loop]
 *   image = debug_loop.elf             image = debug_loop.elf
 *   memory = 4M                        memory = 4M
 *   timeout = 300ms                    cmdline = db=1
 *   expect-end = timeout               timeout = 300ms
 *                                      expect-end = timeout
 */
#include "guest-stubs/lib/trap.h"

enum { CODE = 0x08, DATA = 0x10, USER_CODE = 0x1b, USER_DATA = 0x23, STACK_16 = 0x28 };
enum { DR7_EXECUTE_0 = 0x402, STACK_AT = 2 << 20 };

static u64 gdt[6] = { 0,
                      0x00cf9b000000ffff,
                      0x00cf93000000ffff,
                      0x00cffb000000ffff,
                      0x00cff3000000ffff,
                      0x000093200000ffff /* 16-bit stack of 64 KiB at STACK_AT: it wraps */ };
static u32 unaligned[64];

void trap(struct trap_frame *frame)
{
    trap_unexpected(frame);
}

/* Ring 3 with EFLAGS.AC on an unaligned stack, and a #AC handler in ring 3: delivering #AC raises #AC. */
_Noreturn static void alignment_check_loop(void)
{
    write_cr0(read_cr0() | CR0_AM);
    trap_set_gate(TRAP_AC, USER_CODE, trap_entries[TRAP_AC], TRAP_GATE_USER);
    __asm__ volatile("pushl %0; pushl %1; pushl $0x40002; pushl %2; pushl $1f; iret\n"
                     "1: pushl %%eax\n\t"
                     "jmp 1b"
                     :
                     : "i"(USER_DATA), "r"((u32)(uintptr_t)unaligned + 129), "i"(USER_CODE)
                     : "memory");
    __builtin_unreachable();
}

/* A breakpoint at the first instruction of the #DB handler, and a stack that never ends. */
_Noreturn static void debug_exception_loop(void)
{
    __asm__ volatile("mov %0, %%dr0; mov %1, %%dr7; mov %2, %%ss; mov $0x8000, %%esp; .byte 0xf1; ud2"
                     :
                     : "r"(trap_entries[TRAP_DB]), "r"(DR7_EXECUTE_0), "r"(STACK_16)
                     : "memory");
    __builtin_unreachable();
}

void stub_main(void)
{
    trap_init();
    trap_load_gdt(gdt, sizeof(gdt));
    print("# loops\n");
    if (argument("db", 0))
        debug_exception_loop();
    alignment_check_loop();
}

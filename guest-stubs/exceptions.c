/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: exceptions of instructions that slat refuses are delivered as the processor's own: error codes, double faults,
 * and all of that also when their delivery itself is interrupted by EPT violations. end=1 on the command line: at last a
 * triple fault made of an exception of slat's.
 *
 *   [guest exceptions]                 [guest triple-made]
 *   image = exceptions.elf             image = exceptions.elf
 *   memory = 4M                        memory = 4M
 *   largest-page = 4K                  cmdline = end=1
 *   expect-end = exit 0                expect-end = triple-fault
 */
#include "guest-stubs/lib/trap.h"

enum { UNKNOWN_MSR = 0x12345, STACKS = 0x200000, STACK_STEP = 0x2000, TRAPS_MAX = 4 };

static struct {
    u32 vector, error, eip, cs, esp_at;
} traps[TRAPS_MAX];
static volatile unsigned count;
static volatile u32 resume, landmark;
static u32 next_stack = STACKS;

void trap(struct trap_frame *frame)
{
    if (count < TRAPS_MAX) {
        traps[count].vector = frame->vector;
        traps[count].error = frame->error;
        traps[count].eip = frame->eip;
        traps[count].cs = frame->cs;
        traps[count].esp_at = (u32)(uintptr_t)frame;
    }
    count++;
    frame->eip = resume;
}

/* The instructions run with ESP at the top of two pages that nobody has touched: pushing the frame needs them. */
#define RUN(instructions)                                                                                         \
    do {                                                                                                          \
        u32 saved;                                                                                                \
        next_stack += STACK_STEP;                                                                                 \
        count = 0;                                                                                                \
        __asm__ volatile("movl $9f, %[resume]; mov %%esp, %[saved]; mov %[stack], %%esp; movl $8f, %[landmark]\n" \
                         "8: " instructions "\n"                                                                  \
                         "9: mov %[saved], %%esp"                                                                 \
                         : [resume] "=m"(resume), [landmark] "=m"(landmark), [saved] "=&b"(saved)                 \
                         : [stack] "S"(next_stack)                                                                \
                         : "eax", "ecx", "edx", "memory", "cc");                                                  \
    } while (0)

static void check(u32 vector, u32 error, u32 offset, const char *what)
{
    bool right = count == 1 && traps[0].vector == vector && traps[0].error == error &&
                 traps[0].eip == landmark + offset && traps[0].cs == TRAP_CODE &&
                 next_stack - traps[0].esp_at < STACK_STEP;

    if (!ok(right, "%s", what))
        print("# %u exceptions; %u, error code 0x%x, at 0x%x+%d, CS 0x%x\n", count, traps[0].vector, traps[0].error,
              landmark, (int)(traps[0].eip - landmark), traps[0].cs);
}

static void absent(u32 vector)
{
    trap_set_gate(vector, TRAP_CODE, trap_entries[vector], 0x0e00);
}

static void one_each(void)
{
    RUN("ud2");
    check(TRAP_UD, 0, 0, "UD2 on an untouched stack");
    RUN("int $0x1e");
    check(0x1e, 0, 2, "INT n: EIP is behind it");
    RUN("int3");
    check(TRAP_BP, 0, 1, "INT3: EIP is behind it");
    RUN(".byte 0xf1");
    check(TRAP_DB, 0, 1, "INT1: EIP is behind it");
    RUN("mov $0x7fffffff, %%eax; add $1, %%eax; into");
    check(4, 0, 9, "INTO: EIP is behind it");
    RUN("mov $0x28, %%eax; mov %%eax, %%es");
    check(TRAP_GP, 0x28, 5, "#GP of the processor's, with a selector");
    RUN("mov $0x12345, %%ecx; rdmsr");
    check(TRAP_GP, 0, 5, "#GP of slat's");
    RUN("vmcall");
    check(TRAP_UD, 0, 0, "#UD of slat's");
}

static void escalation(void)
{
    absent(TRAP_UD);
    RUN("ud2");
    check(TRAP_NP, TRAP_UD << 3 | 3, 0, "#UD of the processor's without a gate: #NP");
    RUN("vmcall");
    check(TRAP_NP, TRAP_UD << 3 | 3, 0, "#UD of slat's without a gate: #NP");
    trap_reset_gate(TRAP_UD);

    absent(TRAP_BP);
    RUN("int3");
    check(TRAP_NP, TRAP_BP << 3 | 2, 0, "INT3 without a gate: #NP at it");
    trap_reset_gate(TRAP_BP);

    absent(TRAP_GP);
    RUN("mov $0x28, %%eax; mov %%eax, %%es");
    check(TRAP_DF, 0, 5, "#GP of the processor's without a gate: double fault");
    RUN("mov $0x12345, %%ecx; rdmsr");
    check(TRAP_DF, 0, 5, "#GP of slat's without a gate: double fault");
}

void stub_main(void)
{
    trap_init();
    plan(13);
    one_each();
    escalation();
    if (argument("end", 0)) {
        absent(TRAP_DF);
        RUN("mov $0x12345, %%ecx; rdmsr");
        ok(false, "a double fault without a gate did not end the guest");
    }
}

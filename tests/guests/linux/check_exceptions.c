/* SPDX-License-Identifier: BSD-2-Clause */
/* What a program must not do ends it with the signal that fits: so the kernel gets its exceptions. */
#include "tests/guests/linux/init.h"

#include <asm/signal.h>

static void divide_by_zero(void)
{
    __asm__ volatile("divl %0" : : "r"(0), "a"(1), "d"(0));
}

static void undefined_instruction(void)
{
    __asm__ volatile("ud2");
}

static void write_nowhere(void)
{
    __asm__ volatile("movl $1, 8");
}

static void use_port(void)
{
    __asm__ volatile("outb %%al, $0x80" : : "a"(0));
}

static void breakpoint(void)
{
    __asm__ volatile("int3");
}

static void single_step(void)
{
    __asm__ volatile("pushf; orl $0x100, (%%rsp); popf; nop" : : : "memory", "cc");
}

void check_exceptions(void)
{
    static const struct {
        void (*function)(void);
        int signal;
        const char *name;
    } cases[] = {
        { divide_by_zero, SIGFPE, "a division by 0" },
        { undefined_instruction, SIGILL, "an undefined instruction" },
        { write_nowhere, SIGSEGV, "a write where no memory is" },
        { use_port, SIGSEGV, "an access to a port" },
        { breakpoint, SIGTRAP, "a breakpoint" },
        { single_step, SIGTRAP, "a single step" },
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int got = child_signal(cases[i].function);
        ok(got == cases[i].signal, "%s: signal %d", cases[i].name, (int64_t)got);
    }
}

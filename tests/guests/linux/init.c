/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first, and only, program of a Linux guest: looks at the machine as Linux sees it, prints TAP, and switches off.
 *
 * The words `key=value` of the kernel's command line that it knows:
 *   cpus=N megabytes=N  what the guest was given; without, what was found is right
 *   source=NAME         the clock source that Linux should choose
 *   pattern=N           how many MiB of memory a pattern is written to, default 2
 *   test=none           no test; test=one: one after the other, each named before it runs
 *   entry=N             the TSC at the kernel's first instruction, if that was not 0
 *   end=NAME            power-off (default), reboot, halt, panic, or bochs: switches the emulator off by its own port
 *
 * Its first and last line say how many ticks of the TSC the kernel's start and the tests took: where a tick is an instruction,
 * that is what tests/bench/linux_boot compares.
 */
#include "tests/guests/linux/init.h"

#include <asm/ioctls.h>
#include <linux/reboot.h>

static const struct {
    const char *name;
    void (*function)(void);
} checks[] = {
    { "machine", check_machine },        { "clocks", check_clocks },   { "timers", check_timers },
    { "between", check_interprocessor }, { "memory", check_memory },   { "vectors", check_vectors },
    { "exceptions", check_exceptions },  { "hotplug", check_hotplug },
};

static void run_checks(void)
{
    const char *wanted = option("test", "all");

    if (text_is(wanted, "none"))
        return;
    for (unsigned i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        if (text_is(wanted, "one"))
            print("# %s\n", checks[i].name);
        checks[i].function();
    }
    print("1..%u\n", (u64)tests_run);
}

/* The port at which Bochs looks for this word. */
static void switch_bochs_off(void)
{
    if (CALL_1(iopl, 3) == 0) {
        for (const char *c = "Shutdown"; *c; c++)
            __asm__ volatile("outb %0, %1" : : "a"(*c), "d"((uint16_t)0x8900));
    }
}

static void end(void)
{
    const char *how = option("end", "power-off");
    unsigned command = LINUX_REBOOT_CMD_POWER_OFF;

    CALL_3(ioctl, 1, TCSBRK, 1); /* until the serial port has sent everything */
    if (text_is(how, "bochs"))
        switch_bochs_off();
    if (text_is(how, "panic"))
        CALL_1(exit_group, 1);
    if (text_is(how, "reboot"))
        command = LINUX_REBOOT_CMD_RESTART;
    if (text_is(how, "halt"))
        command = LINUX_REBOOT_CMD_HALT;
    CALL_4(reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, command, NULL);
    print("linux: %s does not end the machine\n", how);
    for (;;)
        CALL_0(pause);
}

void init_main(void);

void init_main(void)
{
    u64 start = tsc(), entry;

    CALL_5(mount, "proc", "/proc", "proc", 0, NULL);
    entry = option_number("entry", 0);
    print("linux: user space %u ticks after the kernel's entry\n", start - entry);
    CALL_5(mount, "sysfs", "/sys", "sysfs", 0, NULL);
    run_checks();
    print("linux: done, %u failed, %u ticks after that\n", (u64)tests_failed, tsc() - start);
    end();
}

/* The kernel starts a program with an aligned stack. */
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tcall init_main\n\tud2\n");

void *memset(void *memory, int value, size_t size);
void *memcpy(void *to, const void *from, size_t size);

/* The compiler calls these on its own. */
void *memset(void *memory, int value, size_t size)
{
    for (u8 *byte = memory; size--;)
        *byte++ = (u8)value;
    return memory;
}

void *memcpy(void *to, const void *from, size_t size)
{
    const u8 *source = from;

    for (u8 *byte = to; size--;)
        *byte++ = *source++;
    return to;
}

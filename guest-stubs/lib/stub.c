/* SPDX-License-Identifier: BSD-2-Clause */
/* Start, end and TAP of a stub. */
#include "guest-stubs/lib/stub.h"
#include "guest-stubs/lib/multiboot.h"

static unsigned planned, run, wrong;

u32 multiboot_magic;
const struct multiboot_info *multiboot_info;
const char *stub_command_line = "";

void stub_start(void);

_Noreturn void stub_exit(u32 status)
{
    outl(DEBUG_EXIT, status);
    for (;;)
        __asm__ volatile("cli; hlt");
}

_Noreturn void bail_out(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print("Bail out! ");
    print_v(format, args);
    print("\n");
    va_end(args);
    stub_exit(1);
}

void plan(unsigned tests)
{
    planned = tests;
    print("1..%u\n", tests);
}

bool ok(bool right, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print("%s %u - ", right ? "ok" : "not ok", ++run);
    print_v(format, args);
    print("\n");
    va_end(args);
    wrong += !right;
    return right;
}

uintptr_t memory_end(void)
{
    if (!multiboot_info || !(multiboot_info->flags & MULTIBOOT_MEMORY))
        bail_out("this stub needs Multiboot's memory size");
    return ((uintptr_t)multiboot_info->mem_upper << 10) + (1 << 20);
}

void stub_start(void)
{
    if (sizeof(void *) == 4)
        exceptions_init();
    if (multiboot_info && (multiboot_info->flags & MULTIBOOT_COMMAND_LINE))
        stub_command_line = (const char *)(uintptr_t)multiboot_info->command_line;
    stub_main();
    stub_exit(wrong != 0 || run != planned);
}

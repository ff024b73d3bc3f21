/* SPDX-License-Identifier: BSD-2-Clause */
/* Has the kernel found what the guest was given? `cpus=` and `megabytes=` on the command line say how much that is. */
#include "tests/guests/linux/init.h"

#include <linux/sysinfo.h>

static void check_processors(void)
{
    u64 expected = option_number("cpus", processors());

    ok(processors() == expected, "%u processors online, %u expected", (u64)processors(), expected);
}

/* The kernel keeps some for itself: its image, and a 64th for the table of pages. */
static void check_size(void)
{
    struct sysinfo info = { 0 };
    u64 kib, expected;

    CALL_1(sysinfo, &info);
    kib = info.totalram * info.mem_unit / 1024;
    expected = option_number("megabytes", kib / 1024 + 1) * 1024;
    ok(kib <= expected && kib + kib / 16 + 48 * 1024 >= expected, "%u KiB of memory, out of %u", kib, expected);
}

static void check_description(void)
{
    if (!text_is(option("acpi", ""), "off"))
        ok(file_exists("/sys/firmware/acpi/tables/APIC") && file_exists("/sys/firmware/acpi/tables/FACP"),
           "the kernel has the machine's ACPI tables");
}

void check_machine(void)
{
    check_processors();
    check_size();
    check_description();
}

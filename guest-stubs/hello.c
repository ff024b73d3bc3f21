/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: a Multiboot kernel starts, its console and its exit work.
 *
 *   [guest hello]
 *   image = hello.elf
 *   memory = 4M
 *   expect-end = exit 0
 */
#include "guest-stubs/lib/multiboot.h"

void stub_main(void)
{
    plan(1);
    print("# hello from a guest\n");
    ok(multiboot_magic == MULTIBOOT_MAGIC, "started by Multiboot");
}

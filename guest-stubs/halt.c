/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: a guest that halts with interrupts disabled has ended.
 *
 *   [guest halt]
 *   image = halt.elf
 *   memory = 4M
 *   expect-end = halt
 */
#include "guest-stubs/lib/stub.h"

void stub_main(void)
{
    plan(1);
    print("# now halts\n");
    __asm__ volatile("cli; hlt");
    ok(false, "HLT did not end the guest");
}

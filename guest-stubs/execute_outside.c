/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: a guest that jumps to where it has no memory ends with that reason.
 *
 *   [guest execute-outside]
 *   image = execute_outside.elf
 *   memory = 8M
 *   expect-end = outside-memory
 */
#include "guest-stubs/lib/stub.h"

static void jump(void *address)
{
    __asm__ volatile("jmp *%0" : : "r"(address) : "memory");
}

void stub_main(void)
{
    uintptr_t end = memory_end();
    int vector;

    plan(1);
    print("# now jumps to 0x%x\n", (u32)end);
    vector = catch_exception(jump, (void *)end);
    ok(false, "the jump did not end the guest (exception %d)", vector);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: a guest that reads where it has no memory (or writes: "write" on the command line) ends with that reason.
 *
 *   [guest outside-memory]
 *   image = outside_memory.elf
 *   memory = 8M
 *   expect-end = outside-memory
 */
#include "guest-stubs/lib/stub.h"

void stub_main(void)
{
    uintptr_t end = memory_end();
    bool write = argument("write", 0);

    plan(1);
    print("# 0x%x is the last word there is: 0x%x\n", (u32)end - 4, peek(end - 4));
    print("# now %s 0x%x\n", write ? "writes" : "reads", (u32)end);
    if (write)
        poke(end, 1);
    else
        peek(end);
    ok(false, "the access did not end the guest");
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: an exception that cannot be delivered, whose double fault cannot be delivered either, ends the guest.
 *
 *   [guest triple-fault]
 *   image = triple_fault.elf
 *   memory = 4M
 *   expect-end = triple-fault
 */
#include "guest-stubs/lib/stub.h"

void stub_main(void)
{
    struct {
        u16 limit;
        u32 base;
    } __attribute__((packed)) none = { 0, 0 };

    plan(1);
    print("# now raises #UD without an IDT\n");
    __asm__ volatile("lidt %0; ud2" : : "m"(none));
    ok(false, "the triple fault did not end the guest");
}

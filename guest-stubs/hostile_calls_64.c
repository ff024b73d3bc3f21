/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: addresses of 64 bits that no memory can have are refused, and what 64-bit code has left in the upper halves of
 * registers means nothing in a call from 32-bit code, which does not know of it.
 *
 *   [guest hostile-calls-64]
 *   image = hostile_calls_64.elf
 *   hypercalls = yes
 *   expect-end = exit 0
 */
#include "guest-stubs/lib/hypercall.h"

enum { EFAULT = 14 };

static u64 gdt[] = { 0, 0x00af9b000000ffff, /* 0x08: 64-bit code */
                     0x00cf93000000ffff,    /* 0x10: data */
                     0x00cf9b000000ffff };  /* 0x18: 32-bit code */

/* VMCALL in compatibility mode; its error. */
static int call_from_compatibility_mode(u64 rax, u64 rbx)
{
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) pointer = { sizeof(gdt) - 1, (uintptr_t)gdt };

    __asm__ volatile("lgdt %[gdt]\n\t"
                     "pushq $0x18; pushq $1f; lretq\n"
                     ".code32\n"
                     "1: vmcall\n\t"
                     "ljmp $0x08, $2f\n"
                     ".code64\n"
                     "2:"
                     : "+a"(rax)
                     : "b"(rbx), [gdt] "m"(pointer), "m"(gdt)
                     : "rcx", "memory", "cc");
    return (int)rax;
}

void stub_main(void)
{
    static const char help[] = "help";
    static const u64 wrong[] = { ~0ull,      ~0ull - 4,  ~0xfffull,  1ull << 63,       1ull << 52, (1ull << 52) - 4,
                                 1ull << 40, 1ull << 48, 4ull << 30, (4ull << 30) - 2, 1ull << 47, 0xffff800000000000 };
    u64 text = (uintptr_t)help;

    plan(sizeof(wrong) / sizeof(wrong[0]) + 5);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ok(command((const char *)wrong[i]).error == -EFAULT, "text at 0x%llx", (unsigned long long)wrong[i]);
    ok(command(help).error == 0, "where it is, it is found");
    ok(command((const char *)(text | 1ull << 32)).error == -EFAULT, "but not 4 GiB above");
    ok(call_from_compatibility_mode(HYPERCALL_MAGIC | 0xabcdull << 32, text | 1ull << 32) == 0,
       "which compatibility mode cannot say");
    ok(commands_are_taken(), "commands are taken");
    ok(call_from_compatibility_mode(HYPERCALL_PRESENT | 0xabcdull << 32, 0) == 0, "so in compatibility mode");
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The monitor's commands, given by a guest about itself: hv/hypercall.h. For guests with `hypercalls = yes`. */
#ifndef GUEST_STUBS_HYPERCALL_H
#define GUEST_STUBS_HYPERCALL_H

#include "guest-stubs/lib/stub.h"

enum { HYPERCALL_MAGIC = 0x736c6174, HYPERCALL_PRESENT = HYPERCALL_MAGIC + 1 };

struct command_result {
    int error; /* 0 or -E… */
    u32 number;
};

/* `text` is mapped where it is: paging is off, or maps it to itself. */
static inline struct command_result command(const char *text)
{
    struct command_result result;

    __asm__ volatile("vmcall"
                     : "=a"(result.error), "=c"(result.number)
                     : "a"(HYPERCALL_MAGIC), "b"((uintptr_t)text)
                     : "memory");
    return result;
}

/* Whether RAX = HYPERCALL_PRESENT says that commands are taken, and changes nothing else. */
static inline bool commands_are_taken(void)
{
    u32 a, b, c, d;

    __asm__ volatile("vmcall"
                     : "=a"(a), "=b"(b), "=c"(c), "=d"(d)
                     : "a"(HYPERCALL_PRESENT), "b"(0x22222222), "c"(0x33333333), "d"(0x44444444));
    return a == 0 && b == 0x22222222 && c == 0x33333333 && d == 0x44444444;
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* See fixup.h. The table of fixups is a section of the image, which linker.ld bounds. */
#include "arch/x86/fixup.h"

#include "arch/x86/idt.h"

struct fixup {
    int32_t instruction, target; /* distances from the field itself */
};

extern const struct fixup exception_fixups_start[], exception_fixups_end[];

static u64 fixup_address(const int32_t *field)
{
    return (u64)field + (u64)(s64)*field;
}

bool fixup_apply(struct exception_frame *frame)
{
    for (const struct fixup *fixup = exception_fixups_start; fixup < exception_fixups_end; fixup++) {
        if (fixup_address(&fixup->instruction) == frame->rip) {
            frame->rip = fixup_address(&fixup->target);
            return true;
        }
    }
    return false;
}

int rdmsr_safe(u32 msr, u64 *value)
{
    u32 low, high;

    __asm__ goto volatile("1: rdmsr" FIXUP("%l[fault]") : "=a"(low), "=d"(high) : "c"(msr) : "memory" : fault);
    *value = (u64)high << 32 | low;
    return 0;
fault:
    return -EIO;
}

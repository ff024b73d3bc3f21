/* SPDX-License-Identifier: BSD-2-Clause */
/* The interrupt descriptor table of the 32-bit stubs: exceptions only. Interrupts stay disabled. */
#include "guest-stubs/lib/stub.h"

enum { EXCEPTIONS = 32, CODE_SELECTOR = 0x08, INTERRUPT_GATE = 0x8e00 };

struct gate {
    u16 offset_low, selector, attributes, offset_high;
};

struct frame {
    u32 vector, error_code, eip, cs, eflags;
};

extern const u32 exception_entries[EXCEPTIONS];
void exception_unexpected(struct frame frame);

u32 exception_error_code;

void exception_unexpected(struct frame frame)
{
    uintptr_t cr2;

    __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
    bail_out("exception %u, error code 0x%x, at 0x%x, CR2 0x%x", frame.vector, frame.error_code, frame.eip, (u32)cr2);
}

void exceptions_init(void)
{
    static struct gate idt[EXCEPTIONS];
    struct {
        u16 limit;
        u32 base;
    } __attribute__((packed)) pointer = { sizeof(idt) - 1, (u32)(uintptr_t)idt };

    for (unsigned i = 0; i < EXCEPTIONS; i++)
        idt[i] = (struct gate){ (u16)exception_entries[i], CODE_SELECTOR, INTERRUPT_GATE,
                                (u16)(exception_entries[i] >> 16) };
    __asm__ volatile("lidt %0" : : "m"(pointer), "m"(idt));
}

struct msr_access {
    u32 msr;
    u64 value;
};

static void read_msr(void *argument)
{
    struct msr_access *access = argument;

    access->value = rdmsr(access->msr);
}

static void write_msr(void *argument)
{
    struct msr_access *access = argument;

    wrmsr(access->msr, access->value);
}

int try_rdmsr(u32 msr, u64 *value)
{
    struct msr_access access = { .msr = msr };
    int vector = catch_exception(read_msr, &access);

    *value = access.value;
    return vector;
}

int try_wrmsr(u32 msr, u64 value)
{
    struct msr_access access = { .msr = msr, .value = value };

    return catch_exception(write_msr, &access);
}

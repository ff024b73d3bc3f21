/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A slat that breaks when a guest asks it to, for faults.t: linked in with --wrap=guest_cpuid, so that the hypervisor's own
 * code knows nothing of it. CPUID with EAX = FAULT_LEAF breaks it in the way that ECX says.
 */
#include <assert.h>

#include "arch/x86/guest_features.h"
#include "arch/x86/panic.h"
#include "tests/system/faulty.h"

enum { FAULT_LEAF = 0x534c4154 };

struct cpuid_result __real_guest_cpuid(const struct vcpu *vcpu, u32 leaf, u32 subleaf);
struct cpuid_result __wrap_guest_cpuid(const struct vcpu *vcpu, u32 leaf, u32 subleaf);

static u8 writable_code[16] = { 0xc3 };
static const u8 constant[16] = { 1 };

/* gcc gives a function that calls nobody and needs no stack no frame either, and its caller is missing in the backtrace. */
#define WITH_FRAME() __asm__ volatile("" : : "r"(__builtin_frame_address(0)))

__attribute__((noinline)) static void write_null(void)
{
    volatile u32 *volatile nowhere = NULL;

    nowhere[3] = 1;
}

__attribute__((noinline)) static unsigned overflow_stack(unsigned depth)
{
    volatile unsigned local[50];

    local[depth % 50] = depth;
    return depth < 1000000 ? overflow_stack(depth + 1) + local[depth % 50] : 0;
}

__attribute__((noinline)) static void overflow_array(void)
{
    char local[16];
    volatile unsigned length = 64;

    for (unsigned i = 0; i < length; i++)
        ((volatile char *)local)[i] = (char)i;
}

__attribute__((noinline)) static void fail_assertion(unsigned answer)
{
    assert(answer == 42);
}

__attribute__((noinline)) static void call(u64 address)
{
    void (*volatile function)(void) = (void (*)(void))address;

    function();
}

__attribute__((noinline)) static void write_byte(u64 address)
{
    WITH_FRAME();
    *(volatile u8 *)address = 0xcc;
}

__attribute__((noinline)) static void lose_stack(void)
{
    WITH_FRAME();
    __asm__ volatile("mov $0x1000, %%esp; push %%rax" : : : "memory");
}

__attribute__((noinline)) static void divide(u32 by)
{
    volatile u32 divisor = by;

    __asm__ volatile("xor %%edx, %%edx; mov $1, %%eax; divl %0" : : "m"(divisor) : "eax", "edx");
}

/* A report that itself faults is cut short, but ends. */
static void faulty_report(void)
{
    write_null();
}

__attribute__((noinline)) static void break_slat(u32 how)
{
    switch (how) {
    case 1:
        return write_null();
    case 2:
        overflow_stack(0);
        return;
    case 3:
        return fail_assertion(41);
    case 4:
        return call((u64)writable_code);
    case 5:
        return write_byte((u64)fail_assertion);
    case 6:
        return write_byte((u64)constant);
    case 7:
        return call(0);
    case 8:
        return write_byte(0x8000000000000000);
    case 9:
        return overflow_array();
    case 10:
        return lose_stack();
    case 11:
        return divide(0);
    case 12:
        panic_add_report(faulty_report);
        panic("the %s", "report faults");
    case 13:
        return faulty_processors_break(FAULT_OTHER);
    case 14:
        return faulty_processors_break(FAULT_TOGETHER);
    default:
        return;
    }
}

struct cpuid_result __wrap_guest_cpuid(const struct vcpu *vcpu, u32 leaf, u32 subleaf)
{
    if (leaf == FAULT_LEAF)
        break_slat(subleaf);
    return __real_guest_cpuid(vcpu, leaf, subleaf);
}

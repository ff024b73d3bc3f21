/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does things when the host says so, with as few instructions as possible, and says how long they took: what exits, faults and
 * dirty logging cost a guest. tests/bench/machine runs it under slat, tests/bench/kvm under Linux's KVM.
 *
 *   [guest dirty]
 *   image = bench.elf
 *   memory = 64M
 *   hypercalls = yes
 */
#include "guest-stubs/bench.h"
#include "guest-stubs/lib/hypercall.h"
#include "guest-stubs/lib/stub.h"

#define MSR_MISC_ENABLE  0x1a0
#define MSR_TSC_DEADLINE 0x6e0

enum { LAPIC_SVR = 0xfee000f0, LAPIC_LVT_TIMER = 0xfee00320, TSC_DEADLINE_MODE = 2 << 17, VECTOR = 0x40 };
enum { COM1_SCRATCH = COM1 + 7 };
enum { FAR = 0x7fffffff }; /* upper half of a deadline */

static void write_words(uintptr_t first, u32 step, u32 count)
{
    uintptr_t end = first + step * count;

    __asm__ volatile("1: movl %1, (%0)\n\t"
                     "addl %3, %0\n\t"
                     "cmpl %2, %0\n\t"
                     "jne 1b"
                     : "+r"(first)
                     : "r"(1), "r"(end), "r"(step)
                     : "memory", "cc");
}

static void arm_lapic(void)
{
    poke(LAPIC_SVR, 0x1ff);
    poke(LAPIC_LVT_TIMER,
         TSC_DEADLINE_MODE | VECTOR); /* never delivered: interrupts are off, and the deadlines are far */
}

_Static_assert(BENCH_GROUP == 16, "the .rept of each");

static void work(enum bench_work work, u32 first, u32 count)
{
    u32 groups = count / BENCH_GROUP, a = 0, b = 0, c = 0, d = 0;

    switch (work) {
    case BENCH_WRITE:
        write_words(first, peek(BENCH_STEP), count);
        break;
    case BENCH_CPUID:
        __asm__ volatile("1: .rept 16\n\t"
                         "xorl %%eax, %%eax\n\t"
                         "cpuid\n\t"
                         ".endr\n\t"
                         "decl %4\n\t"
                         "jnz 1b"
                         : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+m"(groups));
        break;
    case BENCH_RDMSR:
        __asm__ volatile("1: .rept 16\n\t"
                         "rdmsr\n\t"
                         ".endr\n\t"
                         "decl %3\n\t"
                         "jnz 1b"
                         : "+a"(a), "+d"(d), "=c"(c), "+m"(groups)
                         : "2"(MSR_MISC_ENABLE));
        break;
    case BENCH_HYPERCALL:
        __asm__ volatile("1: .rept 16\n\t"
                         "movl %5, %%eax\n\t"
                         "vmcall\n\t"
                         ".endr\n\t"
                         "decl %4\n\t"
                         "jnz 1b"
                         : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+m"(groups)
                         : "i"(HYPERCALL_PRESENT));
        break;
    case BENCH_DEADLINE:
        __asm__ volatile("1: .rept 16\n\t"
                         "wrmsr\n\t"
                         "incl %%eax\n\t"
                         ".endr\n\t"
                         "decl %1\n\t"
                         "jnz 1b"
                         : "+a"(a), "+m"(groups)
                         : "d"(FAR), "c"(MSR_TSC_DEADLINE));
        break;
    case BENCH_PORT:
        __asm__ volatile("1: .rept 16\n\t"
                         "outb %%al, %%dx\n\t"
                         ".endr\n\t"
                         "decl %0\n\t"
                         "jnz 1b"
                         : "+m"(groups)
                         : "a"(0), "d"(COM1_SCRATCH));
        break;
    default:
        bail_out("no such work: %u", work);
    }
}

static void check(u32 order)
{
    u32 first = peek(BENCH_FIRST), step = peek(BENCH_STEP), count = peek(BENCH_COUNT);

    if (count == 0 || peek(BENCH_MARK) > count ||
        (peek(BENCH_WORK) == BENCH_WRITE && (first < BENCH_LOWEST || step == 0)))
        bail_out("order %u makes no sense", order);
}

static void do_order(void)
{
    enum bench_work kind = (enum bench_work)peek(BENCH_WORK);
    u32 first = peek(BENCH_FIRST), marked = peek(BENCH_MARK), count = peek(BENCH_COUNT) - marked;
    u64 start = rdtsc();

    if (count)
        work(kind, first, count);
    if (marked) {
        bench_mark();
        work(kind, first + count * peek(BENCH_STEP), marked);
        bench_mark();
    }
    poke(BENCH_TICKS, (u32)(rdtsc() - start));
}

void stub_main(void)
{
    plan(1);
    arm_lapic();
    poke(BENCH_DONE, 0);
    poke(BENCH_READY, 1);
    for (;;) {
        u32 order = peek(BENCH_ORDER);

        if (order == (u32)BENCH_STOP)
            break;
        /* What is done stands in memory alone: the host may take that back to what it was. */
        if (order == peek(BENCH_DONE)) {
            __asm__ volatile("pause");
            continue;
        }
        check(order);
        do_order();
        poke(BENCH_DONE, order);
    }
    ok(peek(BENCH_DONE) > 0, "%u orders are done", peek(BENCH_DONE));
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a benchmark's host and its guest (guest-stubs/bench.c) tell each other, in a page of guest memory. The host writes what
 * it wants and then a new number to BENCH_ORDER; the guest does it, writes how many ticks of its TSC that took, and then that
 * number to BENCH_DONE. The same under slat (tests/bench/in_machine.h) and under Linux's KVM (tests/bench/vmm/).
 */
#ifndef GUEST_STUBS_BENCH_H
#define GUEST_STUBS_BENCH_H

/* Words at these addresses. */
enum {
    BENCH_MAIL = 2 << 20,
    BENCH_READY = BENCH_MAIL,      /* the guest's: 1 when it looks for orders */
    BENCH_ORDER = BENCH_MAIL + 4,  /* the host's: the number of what is wanted; BENCH_STOP ends the guest */
    BENCH_WORK = BENCH_MAIL + 8,   /* the host's: enum bench_work */
    BENCH_COUNT = BENCH_MAIL + 12, /* the host's: how often; at least 1 */
    BENCH_FIRST = BENCH_MAIL + 16, /* the host's, for BENCH_WRITE: the first address, */
    BENCH_STEP = BENCH_MAIL + 20,  /* and how far the next one is from it */
    BENCH_DONE = BENCH_MAIL + 24,  /* the guest's: the number of what is done, */
    BENCH_TICKS = BENCH_MAIL + 28, /* and how many ticks it took */
    BENCH_MARK =
        BENCH_MAIL + 32,    /* the host's: so many of BENCH_COUNT, the last, are between two marks (bench_mark()) */
    BENCH_LOWEST = 4 << 20, /* of BENCH_FIRST: below are the guest itself and this page */
    BENCH_STOP = -1,
};

/* One of it is, instructions for the loop included: */
enum bench_work {
    BENCH_WRITE,     /* a word is written; four instructions */
    BENCH_CPUID,     /* leaf 0 */
    BENCH_RDMSR,     /* IA32_MISC_ENABLE, which no hypervisor lets through */
    BENCH_HYPERCALL, /* one that does nothing: VMCALL with RAX = HYPERCALL_PRESENT */
    BENCH_DEADLINE,  /* IA32_TSC_DEADLINE, each time another one far away */
    BENCH_PORT,      /* OUT to the scratch register of COM1 */
    BENCH_WORKS
};

/* All but BENCH_WRITE are done in groups of so many, so that the loop does not count; of BENCH_COUNT the rest is lost. */
enum { BENCH_GROUP = 16 };

/*
 * Where the emulator begins and ends to say what is executed, if it is asked to (tools/machine --debugger); otherwise nothing
 * happens.
 */
static inline void bench_mark(void)
{
    __asm__ volatile("xchgw %%bx, %%bx" : : : "memory");
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Benchmarks inside the machine: a slat with one task more, linked in with --wrap, that measures operations on the memory of
 * its one guest (guest-stubs/bench.c), and has that guest measure what exits cost it. In the emulator a tick of the TSC is an
 * instruction (--deterministic), so the figures are exact but for the few ticks that RDTSC itself is off. While something is
 * measured here no other task runs. The guest's name says which part is run: in_machine_NAME.c. tests/bench/machine boots it
 * and reads the lines "slat: bench: FIGURE VALUE".
 */
#ifndef TESTS_BENCH_IN_MACHINE_H
#define TESTS_BENCH_IN_MACHINE_H

#include "guest-stubs/bench.h"
#include "mm/vm.h"

/* The parts. A guest whose name only begins so is meant too: exits, exits-1, ... */
void bench_exits(struct vm_memory *vm);
void bench_memory(struct vm_memory *vm);
void bench_dirty(struct vm_memory *vm);
void bench_slots(struct vm_memory *vm);
void bench_pages(struct vm_memory *vm);
void bench_sizes(struct vm_memory *vm);
void bench_map(struct vm_memory *vm);

/*
 * What is measured next, by bench_begin() and bench_end() or by an order, is `what`, and `count` of it. If the guest's command
 * line says profile=WHAT or profile=all it is done between two marks, for tools/profile; of an order's the last `count` are.
 * Each figure's first two times are, since at the first something may still be set up; of many at once, which take long to
 * write down, the first time alone.
 */
void bench_profile(const char *what, u32 count);

/* Around what is measured: ticks that it took. */
void bench_begin(void);
u64 bench_end(void);

/* `what` took `taken` ticks for `count` of something: a line with two decimals. */
void bench_result(const char *what, u64 taken, u64 count);

/* The same for a figure of a series: `what`.AT. */
void bench_result_at(const char *what, u64 at, u64 taken, u64 count);

/* The clock of bench_begin() and bench_end(). */
u64 bench_ticks(void);

/* Panics if it does not hold: there is no figure then. */
void bench_expect(bool holds, const char *what);

/*
 * From now on take() is called when `every` ticks have gone by since it returned: when whatever runs yields, or by the guest's
 * task when its processor is outside of the guest. It yields to nobody between bench_begin() and bench_end().
 */
void bench_sample(void (*take)(void), u64 every);

/* Words of the mail. */
u32 bench_get(u32 at);
void bench_put(u32 at, u32 word);

/* The guest works: its ticks. With BENCH_WRITE to bench_write()'s addresses. */
u64 bench_order(enum bench_work work, u32 count);
u64 bench_write(u64 first, u32 step, u32 count);

/* The number of the last order. */
u32 bench_last_order(void);

#endif

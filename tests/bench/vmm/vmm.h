/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linux's KVM measured as slat is by tests/bench/in_machine.h: a small virtual machine monitor, the one program of an
 * initramfs, that runs the same guest (guest-stubs/bench.c) by the same mail, and does to it with KVM's ioctls what
 * slat does with its own operations. tests/bench/kvm boots it and reads the lines "bench: RUN.FIGURE VALUE".
 *
 * There is one processor and there are two threads. The vCPU's runs the guest. The one that measures has real-time
 * priority: while it works the guest does not run, as in slat; where an ioctl waits, the kernel's own threads run, and
 * the guest. Each run is a process of its own with a VM of its own.
 */
#ifndef TESTS_BENCH_VMM_H
#define TESTS_BENCH_VMM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-stubs/bench.h"

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

enum { PAGE = 4096, LARGE_PAGE = 2 << 20, GUEST_SLOT = 0 };

/*
 * The run of tests/bench/machine that this part stands for: exits, memory, pml, protect; and `ranged` and `manual`,
 * KVM's other ways to do memory and pml. Every figure's name begins so.
 */
extern const char *bench_run;

/* The parts. */
void bench_exits(void);
void bench_memory(void);
void bench_dirty(void);

/* Ends this part, and says what was expected in vain. There is no figure then. */
#define expect(condition, what) ((condition) ? (void)0 : expect_failed(what))
_Noreturn void expect_failed(const char *what);

/* ---- clock.c: what is measured, and a line for it with two decimals ---- */
void bench_begin(void);
u64 bench_end(void);
void bench_result(const char *what, u64 taken, u64 count);

/* ---- order.c: the guest works, and its ticks; see in_machine.h ---- */
u64 bench_order(enum bench_work work, u32 count);
u64 bench_write(u64 first, u32 step, u32 count);
void bench_stop(void);
/* The guest looks for orders, and has been in its loop again since whatever was done to its mappings. */
void bench_settle(void);

/* ---- vm.c ---- */
extern int vm_fd;
extern u8 *vm_memory; /* of GUEST_SLOT */
extern u64 vm_size;

/* A VM with `size` bytes of memory in large pages, and the guest at its first instruction. */
void vm_create(u64 size);

/* Memory for slots, with a frame for every page: of 4K, or of 2M. */
u8 *memory_create(u64 size, bool large);

/* KVM_SET_USER_MEMORY_REGION: size 0 deletes. */
void slot_set(u32 id, u64 base, u64 size, const u8 *memory, u32 flags);

/* ---- statistics.c: a statistic of the VM, or of the vCPU, by KVM's name ---- */
void statistics_open(void); /* before the vCPU runs: no ioctl of a vCPU is answered while it does */
u64 vm_statistic(const char *name);
u64 vcpu_statistic(const char *name);

/* ---- image.c: the Multiboot kernel in the file /bench.elf into the guest's memory; its entry ---- */
u32 image_load(void);

/* ---- vcpu.c: a thread that runs the vCPU ---- */
extern int vcpu_fd;
void vcpu_create(int kvm, u32 entry, u32 multiboot);
void vcpu_start(void);
void vcpu_wait_end(void); /* until the guest has ended */

/* work() in the vCPU's thread, outside of the guest; returns when that is done. */
void vcpu_do(void (*work)(void *argument), void *argument);

#endif

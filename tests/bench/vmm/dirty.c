/* SPDX-License-Identifier: BSD-2-Clause */
/* As logging() of tests/bench/in_machine_dirty.c: dirty logging of a guest whose memory is mapped 2M. See vmm.h. */
#include <string.h>
#include <sys/ioctl.h>

#include "tests/bench/vmm/vmm.h"

enum { ROUNDS = 1000, SAMPLES = 3, BITS = 64 };
#define MEMORY (64ull << 20)
#define PAGES  (MEMORY / PAGE)

/* What the guest writes to. */
static const u64 PASS_PAGES = (MEMORY - BENCH_LOWEST) / PAGE;
static u64 bitmap[PAGES / BITS];

static u64 pass(void)
{
    return bench_write(BENCH_LOWEST, PAGE, (u32)PASS_PAGES);
}

static void log_set(bool on)
{
    slot_set(GUEST_SLOT, 0, MEMORY, vm_memory, on ? KVM_MEM_LOG_DIRTY_PAGES : 0);
}

static void harvest(void)
{
    struct kvm_dirty_log log = { .slot = GUEST_SLOT, .dirty_bitmap = bitmap };

    expect(ioctl(vm_fd, KVM_GET_DIRTY_LOG, &log) == 0, "harvest");
}

static u64 harvested(void)
{
    u64 count = 0;

    for (unsigned i = 0; i < PAGES / BITS; i++)
        count += (u64)__builtin_popcountll(bitmap[i]);
    return count;
}

static void nothing_dirty(void)
{
    harvest();
    bench_begin();
    for (unsigned i = 0; i < ROUNDS; i++)
        harvest();
    u64 taken = bench_end();
    expect(harvested() == 0, "nothing is dirty");
    bench_result("harvest.clean", taken, ROUNDS);
}

void bench_dirty(void)
{
    vm_create(MEMORY);
    (void)pass();
    u64 plain = pass();
    bench_result("pass.plain", plain, PASS_PAGES);
    expect(vm_statistic("pages_2m") >= MEMORY / LARGE_PAGE - 1, "the guest is mapped large");

    bench_begin();
    log_set(true);
    bench_result("start", bench_end(), PAGES);
    expect(vm_statistic("pages_2m") == 0, "all is split");
    /* What KVM splits it does not write-protect where there is a log of the processor's; a first harvest begins the log. */
    harvest();

    for (unsigned i = 0; i < SAMPLES; i++) {
        u64 taken = pass();
        bench_result("pass.logged", taken, PASS_PAGES);
        if (strcmp(bench_run, "protect") == 0)
            bench_result("fault.protect", taken - plain, PASS_PAGES);
        bench_begin();
        harvest();
        bench_result("harvest.all", bench_end(), PAGES);
        expect(harvested() >= PASS_PAGES && harvested() <= PASS_PAGES + 4, "the report is what was written");
    }
    nothing_dirty();

    (void)pass();
    bench_begin();
    log_set(false);
    bench_result("stop", bench_end(), PAGES);
    bench_settle();
    u64 faults = vcpu_statistic("pf_taken");
    (void)pass();
    bench_result("stop.faults", vcpu_statistic("pf_taken") - faults, 1);
    bench_stop();
}

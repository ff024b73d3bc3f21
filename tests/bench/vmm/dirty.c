/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * As logging() of tests/bench/in_machine_dirty.c: dirty logging of a guest whose memory is mapped 2M. See vmm.h.
 *
 * KVM has two ways: to get the log clears it (`pml` and `protect`), or that is a second ioctl (`manual`), and then all
 * pages may be dirty at first, and nothing is split before it is cleared.
 */
#include <string.h>
#include <sys/ioctl.h>

#include "tests/bench/vmm/vmm.h"

enum { ROUNDS = 1000, SAMPLES = 3, BITS = 64 };
#define MEMORY (64ull << 20)
#define PAGES  (MEMORY / PAGE)

/* What the guest writes to. */
static const u64 PASS_PAGES = (MEMORY - BENCH_LOWEST) / PAGE;
static u64 bitmap[PAGES / BITS];
static bool manual;

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
    if (!manual)
        return;
    struct kvm_clear_dirty_log clear = { .slot = GUEST_SLOT, .num_pages = PAGES, .dirty_bitmap = bitmap };
    expect(ioctl(vm_fd, KVM_CLEAR_DIRTY_LOG, &clear) == 0, "clear what was harvested");
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

static void choose_way(void)
{
    struct kvm_enable_cap two_steps = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
                                        .args = { KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET } };

    manual = strcmp(bench_run, "manual") == 0;
    if (manual)
        expect(ioctl(vm_fd, KVM_ENABLE_CAP, &two_steps) == 0, "choose two steps");
}

static void start(void)
{
    bench_begin();
    log_set(true);
    u64 taken = bench_end();
    if (manual) {
        for (unsigned i = 0; i < SAMPLES; i++) {
            log_set(false);
            bench_settle();
            bench_begin();
            log_set(true);
            taken = bench_end();
            bench_result("start.all", taken, 1);
        }
        bench_begin();
        harvest();
        bench_result("start", taken + bench_end(), PAGES);
    } else {
        bench_result("start", taken, PAGES);
    }
    expect(vm_statistic("pages_2m") == 0, "all is split");
    harvest();
}

void bench_dirty(void)
{
    vm_create(MEMORY);
    choose_way();
    (void)pass();
    u64 plain = pass();
    bench_result("pass.plain", plain, PASS_PAGES);
    expect(vm_statistic("pages_2m") >= MEMORY / LARGE_PAGE - 1, "the guest is mapped large");

    start();
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

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * As tests/bench/in_machine_memory.c, with the same slots and loops: faults, and operations on slots. See vmm.h.
 *
 * When a slot goes, KVM zaps everything that the VM has mapped, in all slots (`memory`). A monitor may tell it to zap
 * only what the slot has (`ranged`), since Linux 6.12.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tests/bench/vmm/vmm.h"

enum { SMALL_ID = 1, LARGE_ID, EMPTY_ID, OTHER_ID };
#define MIB         (1ull << 20)
#define MEMORY      (64 * MIB)
#define SMALL_BASE  0x40000000ull
#define SMALL_SIZE  (64 * MIB)
#define LARGE_BASE  0x50000000ull
#define LARGE_SIZE  (256 * MIB)
#define EMPTY_BASE  0x70000000ull
#define EMPTY_SIZE  (16ull * PAGE)
#define MOVED_BASE  0x70100000ull
#define OTHERS_BASE 0x80000000ull
#define SMALL_PAGES (SMALL_SIZE / PAGE)
enum { FEW = 10, MANY = 16384, ROUNDS = 100, SAMPLES = 3 };

/* What the headers of older Linuxes do not have. */
struct pre_fault_memory {
    u64 gpa, size, flags, padding[5];
};
#define PRE_FAULT_MEMORY _IOWR(KVMIO, 0xd5, struct pre_fault_memory)
enum { QUIRK_SLOT_ZAP_ALL = 1 << 7 };

static u8 *small, *large;

static void drop(u32 id)
{
    slot_set(id, 0, 0, NULL, 0);
}

static void faults(void)
{
    u64 count = LARGE_SIZE / LARGE_PAGE;

    for (unsigned i = 0; i < SAMPLES; i++) {
        slot_set(SMALL_ID, SMALL_BASE, SMALL_SIZE, small, 0);
        slot_set(LARGE_ID, LARGE_BASE, LARGE_SIZE, large, 0);
        /* To delete a slot is to zap everything: the guest's own pages are not to count. */
        bench_settle();
        bench_result("first4k", bench_write(SMALL_BASE, PAGE, (u32)SMALL_PAGES), SMALL_PAGES);
        u64 before = vm_statistic("pages_2m");
        bench_result("first2m", bench_write(LARGE_BASE, LARGE_PAGE, (u32)count), count);
        expect(vm_statistic("pages_2m") == before + count, "large pages are mapped large");
        expect(vm_statistic("pages_4k") >= SMALL_PAGES, "small pages are mapped small");
        drop(LARGE_ID);
        drop(SMALL_ID);
    }
}

/* In the vCPU's thread: KVM maps on behalf of a vCPU, and that must not run. */
static void pre_fault(void *argument)
{
    struct pre_fault_memory range = { .gpa = SMALL_BASE, .size = SMALL_SIZE };
    u64 *taken = argument;

    bench_begin();
    while (range.size) {
        if (ioctl(vcpu_fd, PRE_FAULT_MEMORY, &range) == 0 || errno == EINTR || errno == EAGAIN)
            continue;
        *taken = 0; /* a KVM that is too old */
        return;
    }
    *taken = bench_end();
}

static void populate(void)
{
    for (unsigned i = 0; i < SAMPLES; i++) {
        u64 taken;

        slot_set(SMALL_ID, SMALL_BASE, SMALL_SIZE, small, 0);
        bench_settle();
        vcpu_do(pre_fault, &taken);
        if (taken) {
            expect(vm_statistic("pages_4k") >= SMALL_PAGES, "all is mapped");
            bench_result("populate", taken, SMALL_PAGES);
        } else {
            bench_write(SMALL_BASE, PAGE, (u32)SMALL_PAGES);
        }
        bench_begin();
        drop(SMALL_ID);
        bench_result("delete.mapped", bench_end(), SMALL_PAGES);
    }
}

/*
 * The guest runs between the rounds: it looks for orders. How long KVM waits for readers of the old slots depends on what
 * else the kernel has to do; so there are several samples, and the least counts.
 */
static void slots(const char *create_name, const char *delete_name, const char *move_name)
{
    for (unsigned sample = 0; sample < SAMPLES; sample++) {
        u64 created = 0, deleted = 0, moved = 0;

        for (unsigned i = 0; i < ROUNDS; i++) {
            bench_begin();
            slot_set(EMPTY_ID, EMPTY_BASE, EMPTY_SIZE, small, 0);
            created += bench_end();
            bench_settle();
            bench_begin();
            slot_set(EMPTY_ID, MOVED_BASE, EMPTY_SIZE, small, 0);
            moved += bench_end();
            bench_settle();
            bench_begin();
            drop(EMPTY_ID);
            deleted += bench_end();
            bench_settle();
        }
        bench_result(create_name, created, ROUNDS);
        bench_result(delete_name, deleted, ROUNDS);
        bench_result(move_name, moved, ROUNDS);
    }
}

/* `to` slots in all with that of the guest's memory and the one that comes and goes. */
static void grow(u32 *count, u32 to)
{
    for (; *count < to - 2; ++*count)
        slot_set(OTHER_ID + *count, OTHERS_BASE + *count * 2ull * PAGE, PAGE, small, 0);
}

static void logs(void)
{
    slot_set(EMPTY_ID, EMPTY_BASE, EMPTY_SIZE, small, 0);
    bench_settle();
    for (unsigned sample = 0; sample < SAMPLES; sample++) {
        u64 on = 0, off = 0;

        for (unsigned i = 0; i < ROUNDS; i++) {
            bench_begin();
            slot_set(EMPTY_ID, EMPTY_BASE, EMPTY_SIZE, small, KVM_MEM_LOG_DIRTY_PAGES);
            on += bench_end();
            bench_settle();
            bench_begin();
            slot_set(EMPTY_ID, EMPTY_BASE, EMPTY_SIZE, small, 0);
            off += bench_end();
            bench_settle();
        }
        bench_result("log.on", on, ROUNDS);
        bench_result("log.off", off, ROUNDS);
    }
    drop(EMPTY_ID);
}

/* False if this KVM has not the way that this run is about. */
static bool choose_way(void)
{
    struct kvm_enable_cap no_quirk = { .cap = KVM_CAP_DISABLE_QUIRKS2, .args = { QUIRK_SLOT_ZAP_ALL } };
    int quirks = ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_DISABLE_QUIRKS2);

    if (strcmp(bench_run, "ranged") != 0)
        return true;
    if (quirks < 0 || !(quirks & QUIRK_SLOT_ZAP_ALL))
        return false;
    expect(ioctl(vm_fd, KVM_ENABLE_CAP, &no_quirk) == 0, "zap only what a slot has");
    return true;
}

void bench_memory(void)
{
    u32 count = 0;

    vm_create(MEMORY);
    if (!choose_way()) {
        printf("bench: KVM has no %s\n", bench_run);
        bench_stop();
        return;
    }
    small = memory_create(SMALL_SIZE, false);
    large = memory_create(LARGE_SIZE, true);
    faults();
    populate();
    logs();
    grow(&count, FEW);
    slots("create.10", "delete.10", "move.10");
    grow(&count, MANY);
    slots("create.16384", "delete.16384", "move.16384");
    /* The process ends with all those slots: to delete them one by one takes a minute. */
    bench_stop();
}

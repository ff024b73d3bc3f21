/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Benchmarks inside the machine: a slat with one task more, linked in with --wrap, that measures operations on the memory of
 * its one guest (guest-stubs/write_pass.c) with the TSC. In the emulator a tick is an instruction (--deterministic), so the
 * figures are exact but for the few ticks that RDTSC itself is off. While something is measured no other task runs.
 * tests/bench/machine boots it and reads the lines "slat: bench: NAME VALUE".
 */
#include "arch/x86/panic.h"
#include "arch/x86/vcpu.h"
#include "guest-stubs/write_pass.h"
#include "hv/lib/format.h"
#include "hv/lib/log.h"
#include "hv/task.h"
#include "mm/dirty_log.h"
#include "mm/port.h"
#include "mm/recover.h"
#include "mm/snapshot.h"
#include "mm/vm.h"

enum { ROUNDS = 1000, DIRTY_PAGES = 2048, SAMPLES = 3 };

static struct vm_memory *vm;
static u64 pages; /* of slot 0 */
static bool alone;
static u32 order;

void __real_task_run_all(void);
void __wrap_task_run_all(void);
void __real_task_yield(void);
void __wrap_task_yield(void);
void __real_vcpu_run(struct vcpu *vcpu, u64 deadline);
void __wrap_vcpu_run(struct vcpu *vcpu, u64 deadline);

void __wrap_task_yield(void)
{
    if (!alone)
        __real_task_yield();
}

void __wrap_vcpu_run(struct vcpu *vcpu, u64 deadline)
{
    vm = vcpu->memory;
    __real_vcpu_run(vcpu, deadline);
}

static u64 ticks(void)
{
    u32 low, high;

    __asm__ volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (u64)high << 32 | low;
}

static u64 start;

static void begin(void)
{
    alone = true;
    start = ticks();
}

static u64 end(void)
{
    u64 taken = ticks() - start;

    alone = false;
    return taken;
}

/* `what` took `taken` ticks for `count` of something: with two decimals. */
static void result(const char *what, u64 taken, u64 count)
{
    u64 hundredths = (taken * 100 + count / 2) / count;

    log_line("bench: %s %llu.%02llu", what, (unsigned long long)hundredths / 100, (unsigned long long)hundredths % 100);
}

static void expect(bool holds, const char *what)
{
    if (!holds)
        panic("bench: FAILED: %s", what);
}

static u32 get(u32 at)
{
    u32 word = 0;

    expect(vm_memory_read(vm, (gpa_t){ at }, &word, sizeof(word)) == 0, "read the mail");
    return word;
}

static void put(u32 at, u32 word)
{
    expect(vm_memory_write(vm, (gpa_t){ at }, &word, sizeof(word)) == 0, "write the mail");
}

static u64 pass_pages(void)
{
    return pages - (PASS_LOWEST >> PAGE_SHIFT);
}

/* The guest writes to `count` pages. The ticks that took it. */
static u64 pass(u64 count)
{
    put(PASS_FIRST, PASS_LOWEST);
    put(PASS_END, PASS_LOWEST + (u32)(count << PAGE_SHIFT));
    put(PASS_ORDER, ++order);
    while (get(PASS_DONE) != order)
        task_yield();
    return get(PASS_TICKS);
}

static struct page_set *harvest(u64 *taken)
{
    struct page_set *report = NULL;

    expect(vm_memory_create_report(vm, 0, &report) == 0, "make a report");
    begin();
    expect(vm_memory_harvest(vm, 0, DIRTY_OPERATOR, (gfn_t){ 0 }, pages, report) == 0, "harvest");
    *taken = end();
    return report;
}

/* All pages of the pass, and nothing else but the mail. */
static void check_report(struct page_set *report)
{
    u64 count = page_set_count(report), wanted = pass_pages();

    expect(count >= wanted && count <= wanted + 2, "the report is what was written");
    page_set_destroy(report);
}

static void nothing_dirty(void)
{
    struct page_set *report;
    u64 taken;

    /* The mail. */
    page_set_destroy(harvest(&taken));
    expect(vm_memory_create_report(vm, 0, &report) == 0, "make a report");
    begin();
    for (unsigned i = 0; i < ROUNDS; i++)
        vm_memory_harvest(vm, 0, DIRTY_OPERATOR, (gfn_t){ 0 }, pages, report);
    taken = end();
    expect(page_set_count(report) == 0, "nothing is dirty");
    page_set_destroy(report);
    result("harvest.clean", taken, ROUNDS);
}

static void logging(void)
{
    struct recover_result recovered = { 0 };
    u64 taken, plain, stopped;

    expect(vm_memory_populate(vm, (gfn_t){ 0 }, pages) == 0, "populate");
    pass(pass_pages());
    plain = pass(pass_pages());
    result("pass.plain", plain, pass_pages());

    begin();
    expect(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, 0) == 0, "start the log");
    result("start", end(), pages);
    expect(spt_mapped(&vm->spt, LEVEL_2M) == 0, "all is split");

    for (unsigned i = 0; i < SAMPLES; i++) {
        taken = pass(pass_pages());
        result("pass.logged", taken, pass_pages());
        if (!dirty_log_by_processor())
            result("fault.protect", taken - plain, pass_pages());
        struct page_set *report = harvest(&taken);
        result("harvest.all", taken, pages);
        check_report(report);
    }
    nothing_dirty();

    pass(pass_pages());
    begin();
    expect(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR) == 0, "stop the log");
    taken = stopped = end();
    begin();
    expect(vm_memory_recover(vm, (gfn_t){ 0 }, pages, RECOVER_IN_PLACE, 0, &recovered) == 0, "recover");
    taken += end();
    result("stop.log", stopped, 1);
    result("stop", taken, pages);
    expect(spt_mapped(&vm->spt, LEVEL_4K) == 0, "all is large");

    u64 faults = vm_memory_get_stats(vm).faults;
    pass(pass_pages());
    result("stop.faults", vm_memory_get_stats(vm).faults - faults, 1);
}

static void start_all_at_first(void)
{
    u64 taken;

    begin();
    expect(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, DIRTY_ALL_AT_FIRST) == 0, "start the log, all dirty at first");
    taken = end();
    result("start.all", taken, 1);
    expect(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR) == 0, "stop the log");
}

static void snapshots(void)
{
    struct snapshot_result restored;
    struct snapshot *snapshot;

    expect(snapshot_take(vm, &snapshot) == 0, "take a snapshot");
    /* The first writes copy. */
    result("snapshot.first", pass(DIRTY_PAGES), DIRTY_PAGES);
    for (unsigned i = 0; i < SAMPLES; i++) {
        begin();
        expect(snapshot_reset(snapshot, &restored) == 0, "reset");
        result("reset", end(), restored.restored);
        expect(restored.restored >= DIRTY_PAGES && restored.restored <= DIRTY_PAGES + 2, "what was dirty is restored");
        /* The mail is as it was when the snapshot was taken, and so is what the guest knows of it. */
        put(PASS_DONE, order);
        put(PASS_ORDER, order);
        result("snapshot.again", pass(DIRTY_PAGES), DIRTY_PAGES);
    }
    snapshot_drop(snapshot);
}

static void bench(void *argument)
{
    while (vm == NULL || get(PASS_READY) == 0)
        task_yield();

    struct memslot_set *set = memslots_read_begin(&vm->slots);
    pages = memslots_find_id(set, 0)->npages;
    memslots_read_end(set);

    log_line("bench: pages %llu", (unsigned long long)pages);
    start_all_at_first();
    if (pages <= 64 << 8)
        logging();
    snapshots();
    put(PASS_ORDER, (u32)PASS_STOP);
    log_line("bench: done");
}

void __wrap_task_run_all(void)
{
    struct task *task;
    expect(task_create("bench", bench, NULL, 0, &task) == 0, "make a task");
    __real_task_run_all();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: a guest with several processors is stopped, saved, reset and has its memory changed at any moment, by commands that
 * all its processors give at the same time, while others run, halt and interrupt each other; and is always whole. What a
 * processor has in its registers and what all have written together belong to the same moment, also after a reset.
 * processors=N on the command line: how many, 2 to 8; ms=N: for so long of the guest's time, in which resets change nothing;
 * greedy=1: they do nothing but give commands, so that an operator has to get his turn between them.
 *
 *   [guest storm]
 *   image = storm.elf
 *   memory = 16M
 *   processors = 4
 *   cmdline = processors=4 ms=300
 *   hypercalls = yes
 *   expect-end = exit 0
 */
#include "guest-stubs/lib/hypercall.h"
#include "guest-stubs/smp/smp.h"

enum { MOST = 8, PAGE = 4096, DATA = 8 << 20, DATA_PAGES = 64, PAIR_RESETS = 12, TIMER_TICKS = 20000 };
enum { ENTRY_MISSING = -2, BUSY = -16, EXISTS = -17 };

/* All of this is undone by resets, together. */
static volatile u32 go, acknowledged, total, finished, unexpected_error;
static volatile u32 own_total[MOST], wrong_pages[MOST], commands_done[MOST];
static const char *volatile unexpected_command;
static u64 end_tsc;
static bool greedy;

/* ---- a processor that sleeps, and was awake when the snapshot was taken */

static void answer(void)
{
    wait_until(go);
    if (go == 2)
        return;
    apic_send(processor_table[0].apic_id, ICR_FIXED | ICR_ASSERT | VECTOR_LOW);
    acknowledged = 1;
    for (;;)
        halt_once();
}

static u32 reset_pair(void)
{
    __atomic_store_n(&processor_table[1].work, answer, __ATOMIC_RELEASE);
    struct command_result taken = command("snapshot pair");

    if (taken.error)
        bail_out("snapshot pair: %d", taken.error);
    if (taken.number == PAIR_RESETS) {
        go = 2;
        wait_until(!__atomic_load_n(&processor_table[1].work, __ATOMIC_ACQUIRE));
        (void)command("drop pair");
        return taken.number;
    }
    go = 1;
    halt_once(); /* the other one wakes this */
    wait_until(acknowledged);
    for (unsigned i = 0; i < 2000; i++)
        relax(); /* it halts by now */
    bail_out("reset pair: %d", command("reset pair").error);
}

/* ---- the storm */

/* Another one after a reset, too. */
static u32 random(u32 below)
{
    u32 x = (u32)rdtsc() * 2654435761u;

    return (u32)(((u64)(x ^ x >> 15) * below) >> 32);
}

static void give_command(u32 index)
{
    static const char *const texts[] = {
        "snapshot a", "snapshot b",   "reset a",       "reset b",    "drop a",          "drop b",
        "stats",      "zap 2048 512", "split 2048 64", "collapse",   "dirty start",     "dirty harvest",
        "dirty stop", "ept",          "vcpus",         "zap 0 4096", "balloon 2560 64",
    };
    u32 which = random(sizeof(texts) / sizeof(texts[0]));
    int error = command(texts[which]).error;

    commands_done[index]++;
    if (error != 0 && error != ENTRY_MISSING && error != BUSY && error != EXISTS) {
        unexpected_command = texts[which];
        unexpected_error = (u32)error;
    }
}

/* A page of this processor's own holds what was written last, all of it. */
static void write_page(u32 index, u32 page, u32 *expected)
{
    volatile u32 *words = (volatile u32 *)(uintptr_t)(DATA + (index * DATA_PAGES + page) * PAGE);

    for (u32 i = 0; i < PAGE / 4; i += 61)
        wrong_pages[index] += words[i] != *expected;
    *expected = random(~0u);
    for (u32 i = 0; i < PAGE / 4; i += 61)
        words[i] = *expected;
}

/* The first one wakes itself, and all others. */
static void sleep(u32 index)
{
    if (index == 0) {
        apic_write(APIC_TIMER_DIVIDE, 0xb);
        apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
        apic_write(APIC_TIMER_INITIAL, TIMER_TICKS);
    }
    halt_once();
}

static void work(void)
{
    u32 index = this_processor()->index, expected[DATA_PAGES] = { 0 };
    register u32 own = 0;

    while (greedy)
        (void)command("map");
    while (rdtsc() < end_tsc) {
        for (u32 i = random(50); i != 0; i--) {
            own++;
            __atomic_fetch_add(&total, 1, __ATOMIC_SEQ_CST);
        }
        u32 page = random(DATA_PAGES);
        write_page(index, page, &expected[page]);
        if (random(4) == 0)
            apic_send(random(processor_count), ICR_FIXED | ICR_ASSERT | VECTOR_HIGH);
        if (random(3) == 0)
            give_command(index);
        if (index == 0)
            apic_send(0, ICR_FIXED | ICR_ASSERT | ICR_OTHERS | VECTOR_WAKE);
        if (random(6) == 0)
            sleep(index);
        take_interrupts();
    }
    own_total[index] = own;
    __atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
    while (index == 0 && finished != processor_count)
        apic_send(0, ICR_FIXED | ICR_ASSERT | ICR_OTHERS | VECTOR_WAKE);
}

static void start_others(unsigned count)
{
    outb(0x21, 0xff); /* no interrupt but those that the processors send */
    outb(0xa1, 0xff);
    processors_init();
    interrupts_init();
    apic_enable();
    trampoline_install();
    apic_send(0, ICR_OTHERS | ICR_ASSERT | ICR_INIT);
    apic_send(0, ICR_OTHERS | ICR_ASSERT | ICR_STARTUP);
    for (unsigned i = 1; i < count; i++)
        wait_until(processor_table[i].arrived);
    processor_count = count;
}

void stub_main(void)
{
    unsigned count = (unsigned)argument("processors", 4);
    u32 sum = 0, wrong = 0, commands = 0;

    plan(4);
    if (count < 2 || count > MOST)
        bail_out("2 to %u processors", (unsigned)MOST);
    start_others(count);
    ok(reset_pair() == PAIR_RESETS, "%u resets wake a processor that sleeps for ever", (unsigned)PAIR_RESETS);

    greedy = argument("greedy", 0) != 0;
    print("# the storm begins\n");
    end_tsc = rdtsc() + argument("ms", 300) * argument("ticks", 20000);
    run_on_all(work);
    for (unsigned i = 0; i < count; i++) {
        sum += own_total[i];
        wrong += wrong_pages[i];
        commands += commands_done[i];
    }
    print("# %u commands since the last reset\n", commands);
    ok(sum == total, "what each has counted is what all have written: %u, %u", sum, total);
    ok(wrong == 0, "pages are what they were (%u words are not)", wrong);
    ok(!unexpected_command, "no command fails in a way that it should not: %s: %d",
       unexpected_command ? unexpected_command : "none", (int)unexpected_error);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: a guest that is reset to a snapshot has the memory, the processor and the devices that it had. It takes snapshots of
 * itself, and what it has changed afterwards is undone; what counts is only how often, which it is told. pages=N on the
 * command line: so many pages from 8M on are looked at, rounds=N: so many resets.
 *
 *   [guest snapshot]
 *   image = snapshot.elf
 *   hypercalls = yes
 *   expect-end = exit 0
 */
#include "guest-stubs/lib/hypercall.h"
#include "guest-stubs/lib/stub.h"

enum { PAGE = 4096, WORDS = PAGE / 4, FIRST = 8 << 20, SCRATCH = COM1 + 7, MOST = 16 };

static u32 pages;

static u32 next(u32 *random)
{
    *random = *random * 1664525 + 1013904223;
    return *random >> 8;
}

/* Some words of `count` pages become others. */
static void change(u32 count, u32 seed)
{
    u32 random = seed;

    for (u32 i = 0; i < count; i++) {
        uintptr_t page = FIRST + next(&random) % pages * PAGE;

        for (unsigned j = 0; j < 8; j++)
            poke(page + next(&random) % WORDS * 4, random);
    }
    outb(SCRATCH, (u8)seed);
}

static u32 checksum(void)
{
    u32 sum = inb(SCRATCH);

    for (uintptr_t at = FIRST; at < FIRST + pages * PAGE; at += 4)
        sum = (sum << 5 | sum >> 27) ^ peek(at);
    return sum;
}

/* How often it was reset to this snapshot. */
static u32 snapshot(const char *text)
{
    struct command_result result = command(text);

    if (result.error)
        bail_out("%s fails with %d", text, result.error);
    return result.number;
}

_Noreturn static void reset(const char *text)
{
    int error = command(text).error;

    bail_out("%s fails with %d", text, error);
}

/* What the guest counts is undone too: so what is wrong ends it at once. */
static void expect_sum(u32 sum, const char *what, u32 resets)
{
    u32 found = checksum();

    if (found != sum)
        bail_out("%s, reset %u: the checksum is 0x%x, not 0x%x", what, resets, found, sum);
}

static void loop(u32 rounds)
{
    u32 sum = checksum(), resets = snapshot("snapshot loop");

    expect_sum(sum, "loop", resets);
    if (resets < rounds) {
        change(resets * 7 % 50 + 1, resets + 2);
        if (checksum() == sum)
            bail_out("nothing has changed");
        reset("reset loop");
    }
    ok(resets == rounds, "after %u resets memory and devices are as before", resets);
    ok(command("drop loop").error == 0 && command("reset loop").error != 0, "it is dropped");
}

/* outer, inner below it; back to outer, and from there to inner, which is still there. */
static void nested(void)
{
    u32 outer_sum = checksum(), resets = snapshot("snapshot outer");

    expect_sum(outer_sum, "outer", resets);
    if (resets == 1)
        reset("reset inner");
    change(20, 99);

    u32 inner_sum = checksum();
    resets = snapshot("snapshot inner");
    expect_sum(inner_sum, "inner", resets);
    change(30, resets + 77);
    if (resets < 3)
        reset("reset inner");
    if (resets == 3)
        reset("reset outer");
    ok(resets == 4, "inner was reset to %u times, the last time from outer", resets);
    ok(command("snapshot inner").error != 0, "a name is taken once");
    ok(command("drop outer").error == 0, "outer can go before inner");
    ok(command("drop inner").error == 0, "and then inner");
}

static void limit(void)
{
    char text[] = "snapshot a";
    unsigned taken = 0, dropped = 0;

    while (command(text).error == 0 && taken <= MOST) {
        taken++;
        text[sizeof(text) - 2]++;
    }
    ok(taken == MOST, "%u snapshots are possible", taken);
    char drop[] = "drop a";
    while (command(drop).error == 0) {
        dropped++;
        drop[sizeof(drop) - 2]++;
    }
    ok(dropped == taken, "%u are dropped", dropped);
}

void stub_main(void)
{
    pages = (u32)argument("pages", 256);
    plan(8);
    if (memory_end() < FIRST + (uintptr_t)pages * PAGE)
        bail_out("this stub needs more memory");
    change(pages, 1);
    loop((u32)argument("rounds", 20));
    nested();
    limit();
}

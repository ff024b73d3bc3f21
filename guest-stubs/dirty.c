/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: what a guest writes is what its dirty log has, page by page, in every mode of logging; and that the log leaves no
 * trace: afterwards the memory is mapped as before, and writing it faults no more. The guest asks for its log by hypercalls.
 * pages=N on the command line: so many pages from 8M on are written (a multiple of 512).
 *
 *   [guest dirty]
 *   image = dirty.elf
 *   hypercalls = yes
 *   expect-end = exit 0
 *
 * With "script" on the command line it gives no commands, but writes pages, says so, and waits for gap=N million ticks of the
 * TSC, rounds=N times: for a script of slat.conf that looks at it meanwhile.
 */
#include "guest-stubs/lib/hypercall.h"
#include "guest-stubs/lib/stub.h"

enum { PAGE = 4096, FIRST = 8 << 20 };

static u32 pages;

static void write_pages(u32 step, u32 value)
{
    for (u32 i = 0; i < pages; i += step)
        poke(FIRST + i * PAGE, value + i);
}

static unsigned wrong_pages(u32 value)
{
    unsigned wrong = 0;

    for (u32 i = 0; i < pages; i++)
        wrong += peek(FIRST + i * PAGE) != value + i;
    return wrong;
}

static u32 harvest(void)
{
    struct command_result result = command("dirty harvest");

    if (result.error)
        bail_out("dirty harvest fails with %d", result.error);
    return result.number;
}

/* What a harvest finds when pages were written just before. The call itself writes to the stack, each time. */
__attribute__((noinline)) static u32 written(u32 step, u32 value)
{
    if (step)
        write_pages(step, value);
    return harvest();
}

static u32 faults(void)
{
    return command("stats").number;
}

static void log_and_stop(const char *start, const char *stop, bool all)
{
    u32 memory_pages = (u32)(argument("memory", 16 << 20) / PAGE), first, others, twice, each, again, third, none,
        before;
    struct command_result result = command(start);

    ok(result.error == 0, "%s", start);
    result = command(start);
    ok(result.error != 0, "%s: not twice", start);
    /* Nothing is printed before all is counted. */
    first = harvest();
    others = written(0, 0);
    twice = written(0, 0);
    each = written(1, 1) - twice;
    again = written(1, 2) - twice;
    third = written(3, 3) - twice;
    none = written(0, 0) - twice;
    ok(all ? first == memory_pages : first < 16, "%s: %u pages are dirty at first", start, first);
    ok(others <= 4 && twice >= 1 && twice <= others, "%s: nothing but the stack and the like (%u pages, %u)", start,
       others, twice);
    ok(each == pages, "%s: of %u pages, each is found (%u)", start, pages, each);
    ok(again == pages, "%s: and again (%u)", start, again);
    ok(third == (pages + 2) / 3, "%s: every third (%u)", start, third);
    ok(none == 0, "%s: none (%u)", start, none);
    result = command(stop);
    ok(result.error == 0 && result.number >= pages / 512, "%s: %u large pages are back", stop, result.number);
    (void)faults();
    before = faults();
    write_pages(1, 4);
    ok(wrong_pages(4) == 0 && faults() == before, "%s: no fault afterwards (%u before, %u after)", stop, before,
       faults());
    result = command("dirty harvest");
    ok(result.error != 0, "%s: nothing to harvest", stop);
}

/* The first harvest leaves everything as it is; `dirty rearm` takes what it had. */
static void log_manually(void)
{
    u32 found, again, others;

    ok(command("dirty start manual").error == 0, "dirty start manual");
    found = written(1, 5);
    again = written(0, 0);
    ok(found >= pages && again >= found, "a harvest takes nothing: %u, %u", found, again);
    ok(command("dirty rearm").error == 0, "dirty rearm");
    others = written(0, 0);
    ok(others <= 8, "what was taken is gone (%u left)", others);
    ok(command("dirty rearm").error == 0, "dirty rearm");
    found = written(1, 6);
    ok(found >= pages && found <= pages + 8, "what is written afterwards is there (%u)", found);
    ok(command("dirty stop").error == 0 && wrong_pages(6) == 0, "dirty stop");
}

static void wait_for_script(u64 ticks)
{
    for (u64 start = rdtsc(); rdtsc() - start < ticks;)
        __asm__ volatile("pause");
}

static void write_for_script(void)
{
    u32 rounds = (u32)argument("rounds", 3);
    u64 gap = argument("gap", 20) * 1000000;

    plan(1);
    write_pages(1, 0);
    print("# ready\n");
    wait_for_script(gap);
    for (u32 round = 1; round <= rounds; round++) {
        write_pages(1, round);
        print("# written %u\n", round);
        wait_for_script(gap);
    }
    ok(wrong_pages(rounds) == 0, "memory keeps what was written");
}

void stub_main(void)
{
    pages = (u32)argument("pages", 1024);
    if (memory_end() < FIRST + (uintptr_t)pages * PAGE)
        bail_out("this stub needs more memory");
    if (argument("script", 0)) {
        write_for_script();
        return;
    }
    plan(4 * 11 + 8);
    ok(command("dirty nothing").error != 0, "an unknown command is refused");
    write_pages(1, 0);
    log_and_stop("dirty start", "dirty stop", false);
    log_and_stop("dirty start lazy", "dirty stop in-place", false);
    log_and_stop("dirty start all", "dirty stop", true);
    log_and_stop("dirty start all lazy", "dirty stop compact", true);
    log_manually();
}

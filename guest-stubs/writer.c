/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes to pages at a known rate, one word to each, for measurements of that rate from outside: one page in ticks=N of the TSC,
 * out of pages=N from 8M on, one after the other; with random=1 any of them. When it has had to wait for its turn it goes on at
 * the same rate, and does not make up for what it has missed. It says "ready" when all pages have been written once, and
 * ends after writes=N more.
 *
 *   [guest writer]
 *   image = writer.elf
 *   expect-end = exit 0
 */
#include "guest-stubs/lib/stub.h"

enum { PAGE = 4096, FIRST = 8 << 20 };

static u32 random(u32 below)
{
    static u32 state = 1;

    state = state * 1664525 + 1013904223;
    return (u32)(((u64)state * below) >> 32);
}

void stub_main(void)
{
    u32 pages = (u32)argument("pages", 1024), ticks = (u32)argument("ticks", 2000);
    u32 writes = (u32)argument("writes", 5000), page = 0, wrong = 0;
    bool is_random = argument("random", 0);

    if (pages == 0 || memory_end() < FIRST + (uintptr_t)pages * PAGE)
        bail_out("this stub needs more memory, and a page at least");
    plan(1);
    for (u32 i = 0; i < pages; i++)
        poke(FIRST + i * PAGE, 0);
    print("# ready\n");
    u64 next = rdtsc();
    for (u32 i = 1; i <= writes; i++) {
        u64 now = rdtsc();

        for (; now < next; now = rdtsc())
            __asm__ volatile("pause");
        next = (now - next < ticks ? next : now) + ticks;
        wrong += peek(FIRST + page * PAGE) >= i;
        poke(FIRST + page * PAGE, i);
        page = is_random ? random(pages) : page + 1 == pages ? 0 : page + 1;
    }
    ok(wrong == 0, "every page has an older number than that which is written (%u do not)", wrong);
}

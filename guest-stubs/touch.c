/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: all of a guest's memory is there and keeps what is written. It is touched from 2 MiB on, page by page up to
 * 4 MiB and then once in 2 MiB, so that the count of EPT violations tells in which sizes the memory is mapped: with 4K
 * pages at least one for each address, with 2M pages one for each 2 MiB. after=N on the command line: it begins N million
 * ticks of the TSC after its start.
 *
 *   [guest touch]
 *   image = touch.elf
 *   memory = 64M
 *   expect-end = exit 0
 *   backing = on-demand
 *   largest-page = 4K
 */
#include "guest-stubs/lib/stub.h"

enum { SMALL = 4096, LARGE = 2 << 20, START = 2 << 20, SMALL_END = 4 << 20 };

static uintptr_t next(uintptr_t address)
{
    return address + (address < SMALL_END ? SMALL : LARGE);
}

static u32 pattern(uintptr_t address)
{
    return (u32)address * 2654435761u ^ 0x5a5a5a5a;
}

void stub_main(void)
{
    uintptr_t end = memory_end();
    unsigned small = 0, large = 0, dirty = 0, wrong = 0;

    plan(2);
    while (rdtsc() < argument("after", 0) * 1000000)
        ;
    for (uintptr_t address = START; address < end; address = next(address)) {
        dirty += peek(address) != 0;
        poke(address, pattern(address));
        if (address < SMALL_END)
            small++;
        else
            large++;
    }
    for (uintptr_t address = START; address < end; address = next(address))
        wrong += peek(address) != pattern(address);
    print("# touched %u addresses 4K apart, %u addresses 2M apart, up to 0x%x\n", small, large, (u32)end);
    ok(dirty == 0, "memory starts as zeros (%u addresses are not)", dirty);
    ok(wrong == 0, "memory keeps what was written (%u addresses do not)", wrong);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes to pages when the host says so, one word to each, with as few instructions as possible (four for each page), and
 * says how long that took: what dirty logging and faults cost a guest. tests/bench/machine runs it.
 *
 *   [guest pass]
 *   image = write_pass.elf
 *   memory = 64M
 */
#include "guest-stubs/write_pass.h"
#include "guest-stubs/lib/stub.h"

static void write_pages(uintptr_t first, uintptr_t end)
{
    __asm__ volatile("1: movl %1, (%0)\n\t"
                     "addl $4096, %0\n\t"
                     "cmpl %2, %0\n\t"
                     "jb 1b"
                     : "+r"(first)
                     : "r"(1), "r"(end)
                     : "memory", "cc");
}

void stub_main(void)
{
    plan(1);
    poke(PASS_DONE, 0);
    poke(PASS_READY, 1);
    for (;;) {
        u32 order = peek(PASS_ORDER);

        if (order == (u32)PASS_STOP)
            break;
        /* What is done stands in memory alone: the host may take that back to what it was. */
        if (order == peek(PASS_DONE)) {
            __asm__ volatile("pause");
            continue;
        }
        u32 first = peek(PASS_FIRST), end = peek(PASS_END);
        if (first < PASS_LOWEST || end <= first || end > memory_end())
            bail_out("pages from 0x%x to 0x%x cannot be written", first, end);
        u64 start = rdtsc();
        write_pages(first, end);
        poke(PASS_TICKS, (u32)(rdtsc() - start));
        poke(PASS_DONE, order);
    }
    ok(peek(PASS_DONE) > 0, "%u passes are done", peek(PASS_DONE));
}

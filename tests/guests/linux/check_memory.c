/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory keeps what is written to it, also while processes share it until one of them writes. */
#include "tests/guests/linux/init.h"

#include <linux/mman.h>
#include <linux/sysinfo.h>

enum { PAGE = 4096, WORDS = PAGE / 8, COPIED_PAGES = 64, PROTECTION_READ_WRITE = 3 };

static u64 *memory;
static size_t pages;

static u64 pattern(size_t page, size_t word)
{
    return (page * WORDS + word + 1) * 0x9e3779b97f4a7c15;
}

static void write_pages(size_t count, u64 change)
{
    for (size_t page = 0; page < count; page++) {
        for (size_t word = 0; word < WORDS; word++)
            memory[page * WORDS + word] = pattern(page, word) ^ change;
    }
}

static size_t wrong_words(size_t count, u64 change)
{
    size_t wrong = 0;

    for (size_t page = 0; page < count; page++) {
        for (size_t word = 0; word < WORDS; word++)
            wrong += memory[page * WORDS + word] != (pattern(page, word) ^ change);
    }
    return wrong;
}

static int write_own_copy(unsigned processor)
{
    size_t wrong = wrong_words(COPIED_PAGES, 0);

    write_pages(COPIED_PAGES, processor + 1);
    CALL_0(sched_yield);
    return wrong + wrong_words(COPIED_PAGES, processor + 1) != 0;
}

void check_memory(void)
{
    struct sysinfo info = { 0 };
    size_t wrong, limit = option_number("pattern", 2) << 20, size;
    unsigned failed;

    CALL_1(sysinfo, &info);
    size = info.freeram * info.mem_unit / 2;
    size = size < limit ? size : limit;
    pages = size / PAGE;
    memory = (u64 *)CALL_6(mmap, NULL, size, PROTECTION_READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    write_pages(pages, 0);
    wrong = wrong_words(pages, 0);
    ok(pages >= COPIED_PAGES && wrong == 0, "%u KiB of memory keep a pattern, %u words wrong", (u64)size / 1024,
       (u64)wrong);
    failed = on_each_processor(write_own_copy, 1);
    ok(failed == 0 && wrong_words(COPIED_PAGES, 0) == 0, "copies that processes write to are their own");
    CALL_2(munmap, memory, size);
}

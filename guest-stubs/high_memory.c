/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: memory that lies above 4 GiB is there, starts as zeros and is other memory than that below. In 64-bit mode it
 * touches one word in 2 MiB of all memory from 16 MiB on.
 *
 *   [guest high]
 *   image = high_memory.elf
 *   memory = 5G
 *   timeout = 5min
 */
#include "guest-stubs/lib/multiboot.h"

#define GIB           (1ull << 30)
#define PTE_FRAME     0x000ffffffffff000ull
#define PRESENT_WRITE 0x3ull
#define LARGE         0x80ull

enum { STEP = 2 << 20, LOW_START = 16 << 20, ENTRIES = 512, FIRST_HIGH = 4, MOST_HIGH = 28 };

static u64 directories[MOST_HIGH][ENTRIES] __attribute__((aligned(4096))); /* of the GiB from the fourth on */

static u64 *table(u64 entry)
{
    return (u64 *)(entry & PTE_FRAME);
}

/* Extends the identity map from 4 GiB to `end`. */
static void map_up_to(u64 end)
{
    u64 *pointers = table(table(read_cr3())[0]);

    for (unsigned gib = FIRST_HIGH; gib * GIB < end; gib++) {
        u64 *directory = directories[gib - FIRST_HIGH];
        for (unsigned i = 0; i < ENTRIES; i++)
            directory[i] = gib * GIB | (u64)i * STEP | PRESENT_WRITE | LARGE;
        pointers[gib] = (u64)directory | PRESENT_WRITE;
    }
}

static u64 pattern(u64 address)
{
    return address * 0x9e3779b97f4a7c15 ^ 0x5a5a5a5a5a5a5a5a;
}

struct counts {
    unsigned touched, dirty, wrong;
};

static volatile u64 *word(u64 address)
{
    return (volatile u64 *)(uintptr_t)(address + 64);
}

static void write_all(u64 from, u64 end, struct counts *counts)
{
    for (u64 address = from; address < end; address += STEP) {
        counts->touched++;
        counts->dirty += *word(address) != 0;
        *word(address) = pattern(address);
    }
}

static void read_all(u64 from, u64 end, struct counts *counts)
{
    for (u64 address = from; address < end; address += STEP)
        counts->wrong += *word(address) != pattern(address);
}

/* The end of the usable memory that begins at `base`; 0 if there is none. */
static u64 usable_end(u64 base)
{
    u32 at = multiboot_info->map, end = at + multiboot_info->map_length;

    while (at < end) {
        const struct multiboot_map_entry *entry = (const struct multiboot_map_entry *)(uintptr_t)at;
        if (entry->type == MULTIBOOT_USABLE && entry->base == base)
            return entry->base + entry->length;
        at += entry->size + 4;
    }
    return 0;
}

void stub_main(void)
{
    struct counts low = { 0 }, high = { 0 };

    plan(4);
    u64 low_end = usable_end(0x100000), high_end = usable_end(4 * GIB);
    print("# memory from 1 MiB to 0x%llx, and from 4 GiB to 0x%llx\n", (unsigned long long)low_end,
          (unsigned long long)high_end);
    if (high_end > (FIRST_HIGH + MOST_HIGH) * GIB)
        bail_out("this stub can map no more than %u GiB", FIRST_HIGH + MOST_HIGH);
    map_up_to(high_end);
    write_all(LOW_START, low_end, &low);
    write_all(4 * GIB, high_end, &high);
    read_all(LOW_START, low_end, &low);
    read_all(4 * GIB, high_end, &high);
    print("# touched %u words below and %u above\n", low.touched, high.touched);
    ok(low_end == 3 * GIB, "memory below ends at 3 GiB");
    ok(high.touched > 0, "there is memory above 4 GiB");
    ok(low.dirty + high.dirty == 0, "memory starts as zeros (%u words are not)", low.dirty + high.dirty);
    ok(low.wrong + high.wrong == 0, "memory keeps what was written (%u words do not)", low.wrong + high.wrong);
}

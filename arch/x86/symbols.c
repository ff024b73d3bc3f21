/* SPDX-License-Identifier: BSD-2-Clause */
/* Looks an address up in the table of function names. Runs in reports of faults: it trusts the table's size only. */
#include "arch/x86/symbols.h"

bool symbols_find(const u32 *table, size_t words, u64 address, struct symbol *symbol)
{
    const u32 *entries = table + 1;
    size_t count, low = 0, high, names_size;
    u32 key = (u32)address;

    if (words < 1 || table[0] == 0 || table[0] > (words - 1) / 2)
        return false;
    count = table[0];
    high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (entries[2 * middle] <= key)
            low = middle + 1;
        else
            high = middle;
    }
    names_size = (words - 1 - 2 * count) * sizeof(u32);
    if (low == 0 || entries[2 * low - 1] >= names_size)
        return false;
    symbol->name = (const char *)(entries + 2 * count) + entries[2 * low - 1];
    symbol->offset = key - entries[2 * low - 2];
    return true;
}

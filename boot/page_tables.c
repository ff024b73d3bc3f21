/* SPDX-License-Identifier: BSD-2-Clause */
/* See page_tables.h. Pure: address_spaces.c calls it for the tables of the handoff, which no processor uses yet. */
#include "boot/page_tables.h"

#include <errno.h>

#include "boot/page.h"
#include "hv/lib/string.h"

enum { ROOT_LEVEL = 4, ENTRIES = 512 };

static uint64_t level_size(int level)
{
    return 1ull << (12 + 9 * (level - 1));
}

/* The entry for `virtual` in the table of `level`. */
static uint64_t *table_entry(uint64_t table, uint64_t virtual, int level)
{
    return (uint64_t *)(uintptr_t)table + (virtual / level_size(level)) % ENTRIES;
}

uint64_t table_pool_take(struct table_pool *pool)
{
    uint64_t table = pool->next;

    if (table == pool->end)
        return 0;
    pool->next += PAGE_BYTES;
    memset((void *)(uintptr_t)table, 0, PAGE_BYTES);
    return table;
}

/*
 * Finds the table of `level` for `virtual`, and makes what is missing on the way. What a page may do is said in its entry
 * only.
 */
static int find_table(struct table_pool *pool, uint64_t root, uint64_t virtual, int level, uint64_t *table)
{
    int above;

    *table = root;
    for (above = ROOT_LEVEL; above > level; above--) {
        uint64_t *entry = table_entry(*table, virtual, above);

        if (!(*entry & PTE_PRESENT)) {
            uint64_t made = table_pool_take(pool);

            if (!made)
                return -ENOMEM;
            *entry = made | PTE_PRESENT | PTE_WRITABLE;
        } else if (*entry & PTE_LARGE) {
            return -EEXIST;
        }
        *table = *entry & PTE_ADDRESS;
    }
    return 0;
}

int page_tables_map(struct table_pool *pool, uint64_t root, const struct mapping *mapping)
{
    uint64_t done;

    if ((mapping->virtual | mapping->physical | mapping->size) % PAGE_BYTES)
        return -EINVAL;
    for (done = 0; done < mapping->size;) {
        uint64_t virtual = mapping->virtual + done, physical = mapping->physical + done, table, *entry;
        int level = mapping->largest_level, error;

        while ((virtual | physical) % level_size(level) || mapping->size - done < level_size(level))
            level--;
        error = find_table(pool, root, virtual, level, &table);
        if (error)
            return error;
        entry = table_entry(table, virtual, level);
        if (*entry & PTE_PRESENT)
            return -EEXIST;
        *entry = physical | mapping->flags | PTE_PRESENT | (level > 1 ? PTE_LARGE : 0);
        done += level_size(level);
    }
    return 0;
}

size_t page_tables_bound(const struct mapping *mapping)
{
    uint64_t last = mapping->virtual + mapping->size - 1;
    size_t tables = 0;
    int level;

    if (mapping->size == 0)
        return 0;
    for (level = 1; level < ROOT_LEVEL; level++) {
        uint64_t reach = level_size(level + 1);
        uint64_t touched = last / reach - mapping->virtual / reach + 1;

        /* Where larger pages fit, smaller ones are needed at the two ends only. */
        if (level < mapping->largest_level && touched > 2)
            touched = 2;
        tables += touched;
    }
    return tables;
}

int page_tables_prepare(struct table_pool *pool, uint64_t root, uint64_t virtual)
{
    uint64_t table;

    return find_table(pool, root, virtual, ROOT_LEVEL - 1, &table);
}

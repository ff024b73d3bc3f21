/* SPDX-License-Identifier: BSD-2-Clause */
/* See guest_memory_map.h. */
#include "hv/load/guest_memory_map.h"

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

unsigned guest_memory_map(uint64_t size, struct guest_map_entry *map)
{
    const struct guest_map_entry whole[GUEST_MAP_MAX] = {
        { 0, GUEST_LOW_END, GUEST_MAP_USABLE },
        { GUEST_LOW_END, GUEST_HIGH_BASE - GUEST_LOW_END, GUEST_MAP_RESERVED },
        { GUEST_HIGH_BASE, GUEST_BELOW_4G - GUEST_HIGH_BASE, GUEST_MAP_USABLE },
        { GUEST_ABOVE_4G, UINT64_MAX - GUEST_ABOVE_4G, GUEST_MAP_USABLE },
    };
    unsigned count = 0;

    for (unsigned i = 0; i < GUEST_MAP_MAX && size > 0; i++) {
        map[count] = whole[i];
        map[count].size = smaller(whole[i].size, size);
        size -= map[count].size;
        count++;
    }
    return count;
}

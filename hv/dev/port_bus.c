/* SPDX-License-Identifier: BSD-2-Clause */
/* See port_bus.h. Called by the I/O instruction exit. */
#include "hv/dev/port_bus.h"

static u32 end_of(const struct port_range *range)
{
    return (u32)range->first + range->count;
}

/* From `range` on the first that ends behind `port`, or the one behind the last. */
static const struct port_range *first_behind(const struct port_bus *bus, const struct port_range *range, u32 port)
{
    while (range < bus->ranges + bus->count && end_of(range) <= port)
        range++;
    return range;
}

static void index_ranges(struct port_bus *bus)
{
    const struct port_range *range = bus->ranges;

    for (u32 i = 0; i < PORT_BUS_BLOCKS; i++) {
        range = first_behind(bus, range, i * PORT_BUS_BLOCK);
        bus->from[i] = range;
    }
}

void port_bus_init(struct port_bus *bus)
{
    *bus = (struct port_bus){ 0 };
    index_ranges(bus);
}

void port_bus_add(struct port_bus *bus, struct port_range range)
{
    unsigned at = (unsigned)(first_behind(bus, bus->ranges, range.first) - bus->ranges);

    assert(bus->count < PORT_BUS_RANGES && range.count != 0 && end_of(&range) <= 0x10000);
    assert(at == bus->count || bus->ranges[at].first >= end_of(&range));
    for (unsigned i = bus->count++; i > at; i--)
        bus->ranges[i] = bus->ranges[i - 1];
    bus->ranges[at] = range;
    index_ranges(bus);
}

/* The range that `port` is in, or the one that comes after it. */
static const struct port_range *range_from(const struct port_bus *bus, u32 port)
{
    return first_behind(bus, port_bus_from(bus, port), port);
}

static bool begins_before(const struct port_bus *bus, const struct port_range *range, u32 port)
{
    return range < bus->ranges + bus->count && range->first < port;
}

/* `port` may be past 0xffff where an access runs over the end: nothing is there. */
static const struct port_range *range_at(const struct port_bus *bus, u32 port)
{
    const struct port_range *range = range_from(bus, port);

    return begins_before(bus, range, port + 1) ? range : NULL;
}

static unsigned register_at(const struct port_range *range, u32 port)
{
    return range->first_reg + (port - range->first);
}

static void count_absent(struct port_bus *bus, u64 *counter, u16 port)
{
    (*counter)++;
    if (bus->absent_seen)
        return;
    bus->absent_seen = true;
    bus->absent_first = port;
}

u32 port_bus_read(struct port_bus *bus, u16 port, unsigned size, u64 now_ns)
{
    u32 value = 0;
    bool absent = false;

    for (unsigned i = 0; i < size; i++) {
        const struct port_range *range = range_at(bus, (u32)port + i);
        u8 byte = 0xff;
        if (range)
            byte = range->ops->read(range->dev, register_at(range, (u32)port + i), now_ns);
        else
            absent = true;
        value |= (u32)byte << (8 * i);
    }
    if (absent)
        count_absent(bus, &bus->absent_reads, port);
    return value;
}

void port_bus_write(struct port_bus *bus, u16 port, unsigned size, u32 value, u64 now_ns)
{
    const struct port_range *range = range_at(bus, port);
    bool absent = false;

    if (range && range->ops->write_whole) {
        u32 whole = size >= 4 ? value : value & ((1u << (8 * size)) - 1);
        range->ops->write_whole(range->dev, register_at(range, port), whole, size, now_ns);
        return;
    }
    for (unsigned i = 0; i < size; i++) {
        range = range_at(bus, (u32)port + i);
        if (range)
            range->ops->write(range->dev, register_at(range, (u32)port + i), (u8)(value >> (8 * i)), now_ns);
        else
            absent = true;
    }
    if (absent)
        count_absent(bus, &bus->absent_writes, port);
}

bool port_bus_write_further(struct port_bus *bus, u16 port, unsigned size, u32 value)
{
    const struct port_range *range = range_from(bus, port);

    if (!begins_before(bus, range, (u32)port + size)) {
        count_absent(bus, &bus->absent_writes, port);
        return true;
    }
    if (size != 1 || !range->ops->write_quickly)
        return false;
    return range->ops->write_quickly(range->dev, register_at(range, port), (u8)value);
}

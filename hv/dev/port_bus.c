/* SPDX-License-Identifier: BSD-2-Clause */
/* See port_bus.h. Called by the I/O instruction exit; a dozen ranges are searched faster than an index would be. */
#include "hv/dev/port_bus.h"

void port_bus_init(struct port_bus *bus)
{
    *bus = (struct port_bus){ 0 };
}

void port_bus_add(struct port_bus *bus, struct port_range range)
{
    assert(bus->count < PORT_BUS_RANGES && range.count != 0 && (u32)range.first + range.count <= 0x10000);
    for (unsigned i = 0; i < bus->count; i++) {
        const struct port_range *other = &bus->ranges[i];
        assert(range.first >= other->first + other->count || other->first >= range.first + range.count);
    }
    bus->ranges[bus->count++] = range;
}

/* `port` may be past 0xffff where an access runs over the end: nothing is there. */
static const struct port_range *range_at(const struct port_bus *bus, u32 port)
{
    for (unsigned i = 0; i < bus->count; i++) {
        const struct port_range *range = &bus->ranges[i];
        if (port >= range->first && port - range->first < range->count)
            return range;
    }
    return NULL;
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

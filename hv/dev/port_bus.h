/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's I/O ports: which device answers at which port. Devices see single bytes; a wider access is that many
 * consecutive ports, low byte first, as the ISA bus splits it. What nobody answers reads as all ones, is written to
 * nowhere, and is counted for the guest's summary.
 *
 * A bus belongs to one guest and is used by one processor at a time; no lock. It is not moved: it points into itself.
 */
#ifndef HV_DEV_PORT_BUS_H
#define HV_DEV_PORT_BUS_H

#include "mm/types.h"

/*
 * `reg` counts from the range's first_reg, so that one device can sit at several places. `now_ns` is the time since the
 * guest's start; it never runs backwards.
 */
struct port_ops {
    u8 (*read)(void *dev, unsigned reg, u64 now_ns);
    void (*write)(void *dev, unsigned reg, u8 value, u64 now_ns);
    /* Optional: takes a write of 1, 2 or 4 bytes that starts in the range as one value, instead of write(). */
    void (*write_whole)(void *dev, unsigned reg, u32 value, unsigned size, u64 now_ns);
    /*
     * Optional, of a device with write() alone: the same where nothing comes of it but other answers to reads. No line moves,
     * no clock is set or heard, nobody is called, and the time does not matter. False: it is not so; nothing was done.
     */
    bool (*write_quickly)(void *dev, unsigned reg, u8 value);
};

struct port_range {
    u16 first, count;
    u16 first_reg;
    const struct port_ops *ops;
    void *dev;
};

enum { PORT_BUS_RANGES = 16, PORT_BUS_BLOCK = 8, PORT_BUS_BLOCKS = 256 };

struct port_bus {
    /* set once: */
    unsigned count;
    struct port_range ranges[PORT_BUS_RANGES + 1]; /* in the order of their ports; behind the last one without any */
    /* For each block of ports the first range that ends in it or behind it. */
    const struct port_range *from[PORT_BUS_BLOCKS];
    /* counters of accesses of which at least one byte was absent: */
    u64 absent_reads, absent_writes;
    bool absent_seen;
    u16 absent_first; /* of the first such access; valid with absent_seen */
};

void port_bus_init(struct port_bus *bus);

/* The ranges of a bus do not overlap and end at 0xffff at the latest: anything else is our own bug. */
void port_bus_add(struct port_bus *bus, struct port_range range);

/* `size` is 1, 2 or 4. Bytes of the value above `size` are zero (read) or ignored (write). */
u32 port_bus_read(struct port_bus *bus, u16 port, unsigned size, u64 now_ns);
void port_bus_write(struct port_bus *bus, u16 port, unsigned size, u32 value, u64 now_ns);

/*
 * Where to look for the range of this port: none before it has it. (A port behind the blocks has that of a block far below, which
 * is as true.)
 */
static inline const struct port_range *port_bus_from(const struct port_bus *bus, u32 port)
{
    return bus->from[port / PORT_BUS_BLOCK % PORT_BUS_BLOCKS];
}

/* port_bus_write_quickly(), where it is not the first range of the port's block. */
bool port_bus_write_further(struct port_bus *bus, u16 port, unsigned size, u32 value);

/*
 * The same as port_bus_write() where nothing comes of it but other answers to reads: port_ops.write_quickly. It is so of absent
 * ports, too. False: it is not so; nothing was done.
 */
static inline bool port_bus_write_quickly(struct port_bus *bus, u16 port, unsigned size, u32 value)
{
    const struct port_range *range = port_bus_from(bus, port);
    u32 at = (u32)port - range->first;

    if (at < range->count && size == 1 && range->ops->write_quickly)
        return range->ops->write_quickly(range->dev, range->first_reg + at, (u8)value);
    return port_bus_write_further(bus, port, size, value);
}

#endif

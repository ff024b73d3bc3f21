/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/dev/port_bus.c and debug_exit.c: splitting of wide accesses, absent ports, counters, the ends of the space. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hv/dev/debug_exit.h"

/* A device that answers with its register number and logs what is written. */
struct recorder {
    unsigned count;
    unsigned regs[8];
    u32 values[8];
    unsigned sizes[8];
    u64 now;
};

static u8 recorder_read(void *dev, unsigned reg, u64 now_ns)
{
    struct recorder *recorder = dev;

    recorder->now = now_ns;
    return (u8)(0x10 + reg);
}

static void recorder_write(void *dev, unsigned reg, u8 value, u64 now_ns)
{
    struct recorder *recorder = dev;

    assert_true(recorder->count < 8);
    recorder->regs[recorder->count] = reg;
    recorder->values[recorder->count] = value;
    recorder->sizes[recorder->count] = 1;
    recorder->count++;
    recorder->now = now_ns;
}

static void recorder_write_whole(void *dev, unsigned reg, u32 value, unsigned size, u64 now_ns)
{
    struct recorder *recorder = dev;

    recorder_write(dev, reg, 0, now_ns);
    recorder->values[recorder->count - 1] = value;
    recorder->sizes[recorder->count - 1] = size;
}

static const struct port_ops byte_ops = { .read = recorder_read, .write = recorder_write };
static const struct port_ops whole_ops = { .read = recorder_read,
                                           .write = recorder_write,
                                           .write_whole = recorder_write_whole };

static struct port_bus bus;
static struct recorder bytes, whole;

static int setup(void **state)
{
    memset(&bytes, 0, sizeof bytes);
    memset(&whole, 0, sizeof whole);
    port_bus_init(&bus);
    port_bus_add(&bus, (struct port_range){ 0x100, 4, 2, &byte_ops, &bytes });
    port_bus_add(&bus, (struct port_range){ 0x104, 2, 0, &whole_ops, &whole });
    port_bus_add(&bus, (struct port_range){ 0xfffe, 2, 0, &byte_ops, &bytes });
    return 0;
}

static void read_splits_into_bytes(void **state)
{
    assert_int_equal(port_bus_read(&bus, 0x100, 1, 5), 0x12);
    assert_int_equal(bytes.now, 5);
    assert_int_equal(port_bus_read(&bus, 0x101, 2, 6), 0x1413);
    assert_int_equal(port_bus_read(&bus, 0x100, 4, 7), 0x15141312);
    assert_int_equal(bytes.now, 7);
    assert_int_equal(bus.absent_reads, 0);
}

static void write_splits_into_bytes(void **state)
{
    port_bus_write(&bus, 0x100, 4, 0xddccbbaa, 9);
    assert_int_equal(bytes.count, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(bytes.regs[i], 2 + i);
        assert_int_equal(bytes.values[i], 0xaa + 0x11 * i);
    }
    assert_int_equal(bytes.now, 9);
    assert_int_equal(bus.absent_writes, 0);
}

static void read_crosses_devices(void **state)
{
    assert_int_equal(port_bus_read(&bus, 0x102, 4, 0), 0x11101514);
    assert_int_equal(bus.absent_reads, 0);
}

static void absent_reads_as_ones(void **state)
{
    assert_int_equal(port_bus_read(&bus, 0x200, 1, 0), 0xff);
    assert_int_equal(port_bus_read(&bus, 0x200, 2, 0), 0xffff);
    assert_int_equal(port_bus_read(&bus, 0x200, 4, 0), 0xffffffff);
    assert_int_equal(bus.absent_reads, 3);
    assert_int_equal(bus.absent_writes, 0);
}

/* An access is counted once, whether all or one of its bytes are absent. */
static void partly_absent_counts_once(void **state)
{
    assert_int_equal(port_bus_read(&bus, 0x105, 2, 0), 0xff11);
    assert_int_equal(port_bus_read(&bus, 0xff, 2, 0), 0x12ff);
    assert_int_equal(bus.absent_reads, 2);
    port_bus_write(&bus, 0xfe, 4, 0x44332211, 0);
    assert_int_equal(bus.absent_writes, 1);
    assert_int_equal(bytes.count, 2);
    assert_int_equal(bytes.values[0], 0x33);
    assert_int_equal(bytes.regs[1], 3);
}

static void first_absent_is_remembered(void **state)
{
    assert_false(bus.absent_seen);
    port_bus_write(&bus, 0x3e8, 2, 1, 0);
    port_bus_read(&bus, 0x2e8, 1, 0);
    assert_true(bus.absent_seen);
    assert_int_equal(bus.absent_first, 0x3e8);
    assert_int_equal(bus.absent_writes, 1);
    assert_int_equal(bus.absent_reads, 1);
}

/* Behind port 0xffff is nothing, in particular not port 0. */
static void end_of_ports(void **state)
{
    port_bus_add(&bus, (struct port_range){ 0, 4, 0, &byte_ops, &bytes });
    assert_int_equal(port_bus_read(&bus, 0xfffe, 2, 0), 0x1110);
    assert_int_equal(bus.absent_reads, 0);
    assert_int_equal(port_bus_read(&bus, 0xffff, 2, 0), 0xff11);
    assert_int_equal(port_bus_read(&bus, 0xfffd, 4, 0), 0xff1110ff);
    assert_int_equal(bus.absent_reads, 2);
    port_bus_write(&bus, 0xffff, 4, 0x04030201, 0);
    assert_int_equal(bytes.count, 1);
    assert_int_equal(bus.absent_writes, 1);
}

static void whole_writes_stay_whole(void **state)
{
    port_bus_write(&bus, 0x104, 4, 0x87654321, 3);
    port_bus_write(&bus, 0x105, 2, 0x87654321, 3);
    port_bus_write(&bus, 0x104, 1, 0x87654321, 3);
    assert_int_equal(whole.count, 3);
    assert_int_equal(whole.values[0], 0x87654321);
    assert_int_equal(whole.sizes[0], 4);
    assert_int_equal(whole.values[1], 0x4321);
    assert_int_equal(whole.regs[1], 1);
    assert_int_equal(whole.values[2], 0x21);
    assert_int_equal(bus.absent_writes, 0);
}

/* Wherever ranges are, and in whatever order they came: each port has the one that it is in. */
static void every_port_finds_its_device(void **state)
{
    static const struct port_range ranges[] = {
        { 0x7ff, 2, 0, &byte_ops, &bytes },   { 0x10, 1, 0, &byte_ops, &bytes }, { 0x11, 6, 0, &byte_ops, &bytes },
        { 0xfff0, 16, 0, &byte_ops, &bytes }, { 0, 1, 0, &byte_ops, &bytes },    { 0x18, 40, 0, &byte_ops, &bytes },
        { 0x803, 1, 0, &byte_ops, &bytes },   { 0x17, 1, 0, &byte_ops, &bytes }, { 0x1018, 1, 0, &byte_ops, &bytes },
        { 0x3f8, 8, 0, &byte_ops, &bytes },
    };
    enum { RANGES = sizeof(ranges) / sizeof(ranges[0]) };

    port_bus_init(&bus);
    for (unsigned i = 0; i < RANGES; i++)
        port_bus_add(&bus, ranges[i]);
    for (u32 port = 0; port < 0x10000; port++) {
        const struct port_range *range = NULL;

        for (unsigned i = 0; i < RANGES; i++) {
            if (port >= ranges[i].first && port < (u32)ranges[i].first + ranges[i].count)
                range = &ranges[i];
        }
        assert_int_equal(port_bus_read(&bus, (u16)port, 1, 0), range ? 0x10 + port - range->first : 0xff);
        /* They have no quick write, and what is absent needs none. */
        assert_int_equal(port_bus_write_quickly(&bus, (u16)port, 1, 0), range == NULL);
    }
    assert_int_equal(bytes.count, 0);
}

static bool quick_is_done;

static bool recorder_write_quickly(void *dev, unsigned reg, u8 value)
{
    if (quick_is_done)
        recorder_write(dev, reg, value, 7);
    return quick_is_done;
}

static void quick_writes_go_where_others_go(void **state)
{
    static const struct port_ops quick_ops = { .read = recorder_read,
                                               .write = recorder_write,
                                               .write_quickly = recorder_write_quickly };

    port_bus_add(&bus, (struct port_range){ 0x106, 3, 4, &quick_ops, &whole });
    port_bus_add(&bus, (struct port_range){ 0x1106, 3, 4, &quick_ops, &whole });
    quick_is_done = false;
    assert_false(port_bus_write_quickly(&bus, 0x107, 1, 0xabcd));
    quick_is_done = true;
    assert_true(port_bus_write_quickly(&bus, 0x106, 1, 0xabcd));
    assert_true(port_bus_write_quickly(&bus, 0x108, 1, 0x12));
    assert_true(port_bus_write_quickly(&bus, 0x1107, 1, 0x34));
    assert_int_equal(whole.count, 3);
    assert_int_equal(whole.values[0], 0xcd);
    assert_int_equal(whole.regs[0], 4);
    assert_int_equal(whole.regs[1], 6);
    assert_int_equal(whole.regs[2], 5);
    assert_false(port_bus_write_quickly(&bus, 0x106, 2, 0));
    assert_false(port_bus_write_quickly(&bus, 0x108, 2, 0));
    assert_false(port_bus_write_quickly(&bus, 0x10fd + 7, 4, 0)); /* its third byte */
    assert_false(port_bus_write_quickly(&bus, 0xfd, 4, 0));
    assert_int_equal(whole.count, 3);
    assert_int_equal(bus.absent_writes, 0);
    assert_true(port_bus_write_quickly(&bus, 0x109, 4, 0));
    assert_int_equal(bus.absent_writes, 1);
    assert_int_equal(bus.absent_first, 0x109);
}

static u32 exit_status;
static unsigned exits;

static void take_exit(void *context, u32 status)
{
    exits++;
    exit_status = status;
}

static void debug_exit_takes_every_width(void **state)
{
    struct debug_exit device = { .exit = take_exit };

    exits = 0;
    port_bus_add(&bus, (struct port_range){ DEBUG_EXIT_PORT, DEBUG_EXIT_PORTS, 0, &debug_exit_ops, &device });
    port_bus_write(&bus, DEBUG_EXIT_PORT, 4, 0x12345678, 0);
    assert_int_equal(exit_status, 0x12345678);
    port_bus_write(&bus, DEBUG_EXIT_PORT, 2, 0x12345678, 0);
    assert_int_equal(exit_status, 0x5678);
    port_bus_write(&bus, DEBUG_EXIT_PORT, 1, 0, 0);
    assert_int_equal(exit_status, 0);
    assert_int_equal(exits, 3);
    assert_int_equal(port_bus_read(&bus, DEBUG_EXIT_PORT, 4, 0), 0);
    assert_int_equal(exits, 3);
    /* A write that begins below it: the byte that reaches the port. */
    port_bus_write(&bus, DEBUG_EXIT_PORT - 1, 2, 0x0700, 0);
    assert_int_equal(exit_status, 7);
    assert_int_equal(exits, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(read_splits_into_bytes, setup),
        cmocka_unit_test_setup(write_splits_into_bytes, setup),
        cmocka_unit_test_setup(read_crosses_devices, setup),
        cmocka_unit_test_setup(absent_reads_as_ones, setup),
        cmocka_unit_test_setup(partly_absent_counts_once, setup),
        cmocka_unit_test_setup(first_absent_is_remembered, setup),
        cmocka_unit_test_setup(end_of_ports, setup),
        cmocka_unit_test_setup(whole_writes_stay_whole, setup),
        cmocka_unit_test_setup(every_port_finds_its_device, setup),
        cmocka_unit_test_setup(quick_writes_go_where_others_go, setup),
        cmocka_unit_test_setup(debug_exit_takes_every_width, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

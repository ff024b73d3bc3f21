/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/dev/platform.c: which port leads where, and which do not. The devices themselves have their own tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hv/dev/platform.h"

static struct platform platform;
static struct {
    char text[16];
    unsigned length, exits, resets, power_offs;
    u32 status;
} seen;

static void console(void *context, u8 byte)
{
    assert_ptr_equal(context, &seen);
    seen.text[seen.length++ % sizeof seen.text] = (char)byte;
}

static void take_exit(void *context, u32 status)
{
    assert_ptr_equal(context, &seen);
    seen.exits++;
    seen.status = status;
}

static void reset(void *context)
{
    assert_ptr_equal(context, &seen);
    seen.resets++;
}

static void power_off(void *context)
{
    assert_ptr_equal(context, &seen);
    seen.power_offs++;
}

static int setup(void **state)
{
    static const struct platform_config config = {
        .memory = 32 << 20,
        .unix_time = 1000000000, /* 2001-09-09 01:46:40 */
        .processors = 3,
        .context = &seen,
        .console = console,
        .exit = take_exit,
        .reset = reset,
        .power_off = power_off,
    };

    memset(&seen, 0, sizeof seen);
    platform_init(&platform, &config);
    return 0;
}

static u32 in(u16 port, unsigned size)
{
    return port_bus_read(&platform.bus, port, size, 1000);
}

static void out(u16 port, unsigned size, u32 value)
{
    port_bus_write(&platform.bus, port, size, value, 1000);
}

static void com1(void **state)
{
    out(0x3f8, 1, 'o');
    out(0x3f8, 1, 'k');
    assert_int_equal(seen.length, 2);
    assert_memory_equal(seen.text, "ok", 2);
    assert_int_equal(in(0x3fd, 1), 0x60);
    assert_true(uart_receive(&platform.com1, 'x'));
    assert_int_equal(in(0x3f8, 1), 'x');
}

static void timer_clock_and_interrupts(void **state)
{
    out(0x43, 1, 0x34);
    out(0x40, 1, 0x10);
    out(0x40, 1, 0x27);
    assert_int_equal(in(0x40, 1), 0x10);
    assert_int_equal(in(0x40, 1), 0x27);
    out(0x61, 1, 0x03);
    assert_int_equal(in(0x61, 1) & 3, 3);
    out(0x70, 1, 0x04);
    assert_int_equal(in(0x71, 1), 0x01);
    out(0x70, 1, 0x15);
    assert_int_equal(in(0x71, 1), 640 & 0xff);
    out(0x21, 1, 0x12);
    out(0xa1, 1, 0x34);
    out(0x4d1, 1, 0x0c);
    assert_int_equal(in(0x21, 1), 0x12);
    assert_int_equal(in(0xa1, 1), 0x34);
    assert_int_equal(in(0x4d1, 1), 0x0c);
    assert_int_equal(platform.bus.absent_reads + platform.bus.absent_writes, 0);
}

static void ends(void **state)
{
    out(0xf4, 4, 7);
    assert_int_equal(seen.exits, 1);
    assert_int_equal(seen.status, 7);
    out(0x64, 1, 0xd1); /* any other command */
    out(0x60, 1, 0xfe);
    assert_int_equal(seen.resets, 0);
    out(0x64, 1, 0xfe);
    assert_int_equal(seen.resets, 1);
    out(0x92, 1, 0x02);
    assert_int_equal(seen.resets, 1);
    out(0x92, 1, 0x03);
    assert_int_equal(seen.resets, 2);
    assert_int_equal(seen.exits, 1);
    assert_int_equal(seen.power_offs, 0);
    out(0x604, 2, 0x3400); /* S5 */
    assert_int_equal(seen.power_offs, 1);
}

/* Processors, as firmware asks for them. */
static void configuration_for_firmware(void **state)
{
    out(0x510, 2, 5);
    assert_int_equal(in(0x511, 1), 3);
    assert_int_equal(in(0x511, 1), 0);
    out(0x70, 1, 0x5f);
    assert_int_equal(in(0x71, 1), 2);
    platform_mmio_write(&platform, 0, 4, 0, 0);
    assert_int_equal(platform_mmio_read(&platform, 0x10, 4, 0), 3u << 24);
}

static void small_ports(void **state)
{
    assert_int_equal(in(0x92, 1), 0x02);
    assert_int_equal(in(0x60, 1), 0xff);
    assert_int_equal(in(0x64, 1), 0xff);
    out(0x80, 1, 0xab);
    assert_int_equal(platform.post_code, 0xab);
    assert_int_equal(in(0x80, 1), 0xab);
    assert_int_equal(platform.bus.absent_reads + platform.bus.absent_writes, 0);
}

static void absent(void **state)
{
    static const u16 ports[] = { 0x2f8, 0x3e8, 0x2e8, 0x44,  0x62,  0x63,   0x65,  0x72,  0x81,  0x3c0,
                                 0x3d4, 0xcf8, 0xcfc, 0x1f0, 0x700, 0xb008, 0x402, 0x520, 0xffff };
    unsigned count = sizeof ports / sizeof ports[0];

    for (unsigned i = 0; i < count; i++)
        assert_int_equal(in(ports[i], 1), 0xff);
    assert_int_equal(platform.bus.absent_reads, count);
    out(0xcf8, 4, 0x80000000);
    assert_int_equal(in(0xcf8, 4), 0xffffffff);
    assert_int_equal(in(0xcfc, 4), 0xffffffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(com1, setup),   cmocka_unit_test_setup(timer_clock_and_interrupts, setup),
        cmocka_unit_test_setup(ends, setup),   cmocka_unit_test_setup(small_ports, setup),
        cmocka_unit_test_setup(absent, setup), cmocka_unit_test_setup(configuration_for_firmware, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

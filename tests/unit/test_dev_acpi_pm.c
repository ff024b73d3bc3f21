/* SPDX-License-Identifier: BSD-2-Clause */
/* The ACPI power management ports, as a guest reaches them. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "hv/dev/acpi_pm.h"

enum { STATUS = 0x600, ENABLE = 0x602, CONTROL = 0x604, TIMER = 0x608 };
#define SECOND 1000000000ull

static struct port_bus bus;
static struct acpi_pm pm;
static unsigned offs;

static void power_off(void *context)
{
    assert_ptr_equal(context, &offs);
    offs++;
}

static int setup(void **state)
{
    port_bus_init(&bus);
    acpi_pm_init(&pm, power_off, &offs);
    port_bus_add(&bus, (struct port_range){ ACPI_PM_PORT, ACPI_PM_PORTS, 0, &acpi_pm_ops, &pm });
    offs = 0;
    return 0;
}

static u32 timer(u64 now)
{
    return port_bus_read(&bus, TIMER, 4, now);
}

static void timer_counts_at_its_frequency(void **state)
{
    assert_int_equal(timer(0), 0);
    assert_int_equal(timer(279), 0);
    assert_int_equal(timer(280), 1); /* 279.365 ns */
    assert_int_equal(timer(558), 1);
    assert_int_equal(timer(559), 2);
    assert_int_equal(timer(SECOND - 1), 3579544);
    assert_int_equal(timer(SECOND), 3579545);
    assert_int_equal(timer(SECOND + 279), 3579545);
    assert_int_equal(timer(SECOND + 280), 3579546);
    assert_int_equal(timer(86400 * SECOND), (u32)(86400 * 3579545ull));
    assert_int_equal(timer(10ull * 365 * 86400 * SECOND + 280), (u32)(10ull * 365 * 86400 * 3579545 + 1));
    assert_int_equal(timer(UINT64_MAX), (u32)((unsigned __int128)UINT64_MAX * 3579545 / SECOND));
}

static void timer_is_read_in_pieces_and_not_written(void **state)
{
    u64 now = 1000 * SECOND + 12345;
    u32 value = timer(now);

    assert_int_equal(value, (u32)(1000 * 3579545ull + 44));
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(port_bus_read(&bus, (u16)(TIMER + i), 1, now), value >> (8 * i) & 0xff);
    port_bus_write(&bus, TIMER, 4, 0, now);
    assert_int_equal(timer(now), value);
}

/* Bit 31 changes each 599.932 s. */
static void status_says_that_the_timer_passed_its_half(void **state)
{
    u64 half = 599932015941ull; /* the first nanosecond at which 2^31 ticks are over */

    assert_int_equal(timer(half - 1), 0x7fffffff);
    assert_int_equal(timer(half), 0x80000000);
    assert_int_equal(port_bus_read(&bus, STATUS, 2, half - 1), 0);
    assert_int_equal(port_bus_read(&bus, STATUS, 2, half), 1);
    port_bus_write(&bus, STATUS, 2, 0xfffe, half); /* others are cleared, if they were there */
    assert_int_equal(port_bus_read(&bus, STATUS, 2, half), 1);
    port_bus_write(&bus, STATUS + 1, 1, 0xff, half);
    assert_int_equal(port_bus_read(&bus, STATUS, 2, half), 1);
    port_bus_write(&bus, STATUS, 2, 1, half);
    assert_int_equal(port_bus_read(&bus, STATUS, 2, half), 0);
    assert_int_equal(port_bus_read(&bus, STATUS, 2, 2 * half - 1), 0);
    assert_int_equal(port_bus_read(&bus, STATUS, 2, 2 * half), 1);
    port_bus_write(&bus, STATUS, 2, 0xffff, 2 * half);
    assert_int_equal(port_bus_read(&bus, STATUS, 2, 2 * half), 0);
    assert_int_equal(port_bus_read(&bus, STATUS, 4, 2 * half), 0);
}

static void enables_are_kept(void **state)
{
    port_bus_write(&bus, ENABLE, 2, 0xffff, 0);
    assert_int_equal(port_bus_read(&bus, ENABLE, 2, 0), 0x0721);
    port_bus_write(&bus, ENABLE + 1, 1, 0x01, 0);
    assert_int_equal(port_bus_read(&bus, STATUS, 4, 0), 0x01210000);
    port_bus_write(&bus, STATUS, 4, 0x00200000, 0); /* both at once */
    assert_int_equal(port_bus_read(&bus, ENABLE, 2, 0), 0x0020);
}

static void machine_is_in_acpi_mode(void **state)
{
    assert_int_equal(port_bus_read(&bus, CONTROL, 2, 0), 1);
    port_bus_write(&bus, CONTROL, 2, 0xdffe, 0);
    assert_int_equal(port_bus_read(&bus, CONTROL, 2, 0), 0x1c03); /* commands are not kept */
    port_bus_write(&bus, CONTROL, 2, 0, 0);
    assert_int_equal(port_bus_read(&bus, CONTROL, 2, 0), 1);
    assert_int_equal(offs, 0);
}

static void soft_off_switches_off(void **state)
{
    for (u32 type = 0; type < 8; type++) {
        port_bus_write(&bus, CONTROL, 2, type << 10, 0);
        assert_int_equal(offs, 0);
        port_bus_write(&bus, CONTROL, 2, type << 10 | 1 << 13, 0);
        assert_int_equal(offs, type == 5);
        assert_int_equal(port_bus_read(&bus, CONTROL, 2, 0), type << 10 | 1);
        offs = 0;
    }
    port_bus_write(&bus, CONTROL + 1, 1, 0x34, 0); /* the upper byte alone has type and command */
    assert_int_equal(offs, 1);
    port_bus_write(&bus, CONTROL, 4, 0xffff3401, 0);
    assert_int_equal(offs, 2);
    port_bus_write(&bus, CONTROL, 1, 0x34, 0);
    port_bus_write(&bus, ENABLE, 2, 0x3400, 0);
    port_bus_write(&bus, CONTROL + 2, 2, 0x3400, 0);
    assert_int_equal(offs, 2);
}

static void rest_is_zero(void **state)
{
    port_bus_write(&bus, 0x606, 2, 0xffff, 0);
    assert_int_equal(port_bus_read(&bus, 0x606, 2, 0), 0);
    assert_int_equal(port_bus_read(&bus, 0x60c, 1, 0), 0xff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(timer_counts_at_its_frequency, setup),
        cmocka_unit_test_setup(timer_is_read_in_pieces_and_not_written, setup),
        cmocka_unit_test_setup(status_says_that_the_timer_passed_its_half, setup),
        cmocka_unit_test_setup(enables_are_kept, setup),
        cmocka_unit_test_setup(machine_is_in_acpi_mode, setup),
        cmocka_unit_test_setup(soft_off_switches_off, setup),
        cmocka_unit_test_setup(rest_is_zero, setup),
    };

    return cmocka_run_group_tests_name("dev_acpi_pm", tests, NULL, NULL);
}

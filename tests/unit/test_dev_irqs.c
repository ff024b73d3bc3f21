/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/dev/platform_irq.c: the interrupts of COM1, of the RTC, and of other lines. */
#include "tests/unit/wiring_support.h"

static void com1(void **state)
{
    set_pin(4, 0x44, 0);
    out(0x21, 0xef, 0);
    out(0x3f9, 0x01, 0);
    assert_false(platform_can_interrupt(&platform));
    assert_true(platform_receive(&platform, 'a')); /* without OUT2 nobody hears it */
    assert_int_equal(pending(0), LAPIC_NO_VECTOR);
    assert_int_equal(in(0x3f8, 0), 'a');
    out(0x3fc, 0x08, 0);
    assert_true(platform_can_interrupt(&platform));
    assert_true(platform_can_receive(&platform));
    assert_true(platform_receive(&platform, 'b'));
    assert_false(platform_can_receive(&platform));
    assert_false(platform_receive(&platform, 'c'));
    take(0, 0x44);
    lapic_eoi(&apics[0]);
    assert_true(seen.high);
    assert_int_equal(platform_acknowledge(&platform), 0x24);
    assert_int_equal(in(0x3f8, 0), 'c');           /* overrun */
    assert_true(platform_receive(&platform, 'd')); /* the line fell in between */
    take(0, 0x44);
    out(0x20, 0x20, 0);
    assert_int_equal(platform_acknowledge(&platform), 0x24);
    in(0x3f8, 0);
    out(0x3fc, 0x18, 0); /* in loopback the gate is closed */
    out(0x3f8, 'x', 0);
    lapic_eoi(&apics[0]);
    assert_int_equal(pending(0), LAPIC_NO_VECTOR);
    assert_false(platform_can_interrupt(&platform));
}

/* The driver that sends by interrupts: enabling it is the first edge, then one for each time it has filled the FIFO. */
static void com1_transmits(void **state)
{
    set_pin(4, 0x44, 0);
    out(0x3fc, 0x08, 0);
    out(0x3f9, 0x02, 0);
    for (unsigned i = 0; i < 3; i++) {
        take(0, 0x44);
        assert_int_equal(in(0x3fa, 0) & 0x0f, 0x02);
        out(0x3f8, 'x', 0);
        out(0x3f8, 'y', 0);
        lapic_eoi(&apics[0]);
    }
    take(0, 0x44);
    assert_int_equal(in(0x3fa, 0) & 0x0f, 0x02);
    lapic_eoi(&apics[0]);
    assert_int_equal(pending(0), LAPIC_NO_VECTOR);
}

static void rtc_periodic(void **state)
{
    set_pin(8, 0x48, 0);
    out(0xa1, 0xfe, 0);
    out(0x21, 0xfb, 0);
    set_cell(0x0a, 0x2f, 0); /* twice a second */
    assert_int_equal(platform_next_event_ns(&platform), PLATFORM_NEVER);
    set_cell(0x0b, 0x42, 0);
    assert_int_equal(platform_next_event_ns(&platform), SECOND / 2);
    platform_run(&platform, SECOND / 2 - 1);
    assert_false(seen.high);
    platform_run(&platform, SECOND / 2);
    assert_true(seen.high);
    assert_int_equal(platform_acknowledge(&platform), 0x28);
    take(0, 0x48);
    lapic_eoi(&apics[0]);
    out(0xa0, 0x20, SECOND / 2);
    out(0x20, 0x20, SECOND / 2);
    /* Nothing further while status C has not been read. */
    assert_int_equal(platform_next_event_ns(&platform), PLATFORM_NEVER);
    platform_run(&platform, 4 * SECOND + 1);
    assert_false(seen.high);
    assert_int_equal(pending(0), LAPIC_NO_VECTOR);
    assert_int_equal(get_cell(0x0c, 4 * SECOND + 1), 0xd0);
    assert_int_equal(platform_next_event_ns(&platform), 4 * SECOND + SECOND / 2);
    platform_run(&platform, 4 * SECOND + SECOND / 2);
    take(0, 0x48);
    assert_true(seen.high);
}

static void rtc_update_ended(void **state)
{
    set_pin(8, 0x48, 0);
    set_cell(0x0b, 0x12, SECOND / 3);
    assert_int_equal(platform_next_event_ns(&platform), SECOND);
    platform_run(&platform, SECOND);
    take(0, 0x48);
    assert_int_equal(get_cell(0x0c, SECOND), 0xd0);
    set_cell(0x0b, 0x92, SECOND); /* the clock is held */
    assert_int_equal(platform_next_event_ns(&platform), PLATFORM_NEVER);
}

static void rtc_alarm(void **state)
{
    set_pin(8, 0x48, 0);
    set_cell(0x01, 0x42, 0);
    set_cell(0x03, 0x46, 0);
    set_cell(0x05, 0x01, 0);
    set_cell(0x0b, 0x22, 0);
    assert_int_equal(platform_next_event_ns(&platform), 2 * SECOND);
    platform_run(&platform, 2 * SECOND - 1);
    assert_int_equal(pending(0), LAPIC_NO_VECTOR);
    platform_run(&platform, 2 * SECOND);
    take(0, 0x48);
    assert_int_equal(get_cell(0x0c, 2 * SECOND) & 0xb0, 0xb0);
    assert_int_equal(platform_next_event_ns(&platform), 86402 * SECOND);
}

static void level_triggered_line(void **state)
{
    set_pin(9, LEVEL | 0x59, 0);
    lapic_mmio_write(&apics[0], LAPIC_SVR, 4, 0xff, 0);
    platform_set_irq(&platform, 9, true);
    assert_int_equal(pending(0), LAPIC_NO_VECTOR);
    lapic_mmio_write(&apics[0], LAPIC_SVR, 4, 0x1ff, 0);
    platform_run(&platform, 1); /* it is offered again */
    take(0, 0x59);
    lapic_mmio_write(&apics[0], LAPIC_EOI, 4, 0, 0); /* through the IOAPIC and back */
    take(0, 0x59);
    platform_set_irq(&platform, 9, false);
    lapic_mmio_write(&apics[0], LAPIC_EOI, 4, 0, 0);
    assert_int_equal(pending(0), LAPIC_NO_VECTOR);
}

/* What nobody has taken yet can still interrupt, though nothing comes any more. */
static void waiting_interrupts(void **state)
{
    out(0x21, 0xfb, 0);
    out(0xa1, 0xfd, 0);
    assert_false(platform_can_interrupt(&platform));
    platform_set_irq(&platform, 9, true);
    assert_true(platform_can_interrupt(&platform));
    assert_int_equal(platform_acknowledge(&platform), 0x29);
    assert_false(platform_can_interrupt(&platform));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(com1, setup),
        cmocka_unit_test_setup(com1_transmits, setup),
        cmocka_unit_test_setup(rtc_periodic, setup),
        cmocka_unit_test_setup(rtc_update_ended, setup),
        cmocka_unit_test_setup(rtc_alarm, setup),
        cmocka_unit_test_setup(level_triggered_line, setup),
        cmocka_unit_test_setup(waiting_interrupts, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

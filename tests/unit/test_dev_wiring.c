/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/dev/platform_irq.c: the PIT through PIC and IOAPIC to local APICs, at exact times; the PIC through the IOAPIC. */
#include "tests/unit/wiring_support.h"

static void quiet(void **state)
{
    assert_int_equal(platform_next_event_ns(&platform), PLATFORM_NEVER); /* the PIT runs, but is masked everywhere */
    assert_false(platform_can_interrupt(&platform));
    platform_run(&platform, 10 * SECOND);
    assert_int_equal(seen.rises + seen.notified, 0);
    assert_int_equal(platform_mmio_read(&platform, 0x00, 4, 0), 0);
    platform_mmio_write(&platform, 0x00, 4, 1, 0);
    assert_int_equal(platform_mmio_read(&platform, 0x10, 4, 0), 0x170020);
}

static void pit_through_pic(void **state)
{
    set_pit(1000, 0);
    out(0x21, 0xfe, 0);
    /* It came while it was masked: the output is high since the machine was switched on. */
    if (seen.high) {
        assert_int_equal(platform_acknowledge(&platform), 0x20);
        out(0x20, 0x20, 0);
    }
    seen.rises = 0;
    assert_int_equal(platform_next_event_ns(&platform), PERIOD_1000);
    assert_true(platform_can_interrupt(&platform));
    platform_run(&platform, PERIOD_1000 - 1);
    assert_false(seen.high);
    platform_run(&platform, PERIOD_1000);
    assert_true(seen.high);
    platform_run(&platform, PERIOD_1000 + 500000); /* still asking, whatever the output does */
    assert_true(seen.high);
    assert_int_equal(platform_acknowledge(&platform), 0x20);
    assert_false(seen.high);
    assert_int_equal(platform_next_event_ns(&platform), 2 * PERIOD_1000 - 1); /* 1676191.2 */
    platform_run(&platform, 2 * PERIOD_1000);
    assert_false(seen.high); /* in service */
    out(0x20, 0x20, 2 * PERIOD_1000);
    assert_true(seen.high);
    assert_int_equal(platform_acknowledge(&platform), 0x20);
    out(0x20, 0x20, 2 * PERIOD_1000);
    /* Missed ones are one. */
    platform_run(&platform, SECOND);
    assert_int_equal(platform_acknowledge(&platform), 0x20);
    out(0x20, 0x20, SECOND);
    assert_false(seen.high);
    assert_int_equal(seen.rises, 3);
    assert_int_equal(seen.notified, 0);
}

/* A driver that polls the PIC instead of taking interrupts. */
static void irr_is_up_to_date(void **state)
{
    set_pit(1000, 0);
    while (in(0x20, 0) & 1) { /* the edge of its start */
        out(0x21, 0xfe, 0);
        platform_acknowledge(&platform);
        out(0x20, 0x20, 0);
    }
    assert_int_equal(in(0x20, PERIOD_1000 - 1) & 1, 0);
    assert_int_equal(in(0x20, PERIOD_1000) & 1, 1);
}

/* The pulse of mode 2 is low for one tick: it is seen even where nobody looked in between. */
static void short_pulses(void **state)
{
    set_pit(2, 0);
    set_pin(2, 0x30, 0);
    for (u64 now = 10000; now < 100000; now += 10000) {
        platform_run(&platform, now);
        take(0, 0x30);
        lapic_eoi(&apics[0]);
        assert_true(platform_next_event_ns(&platform) > now);
        assert_true(platform_next_event_ns(&platform) <= now + 2 * 839);
    }
}

static void pit_through_ioapic(void **state)
{
    set_pit(1000, 0);
    set_pin(0, 0x35, 0); /* not the PIT's */
    set_pin(2, 0x30, 0);
    assert_int_equal(platform_next_event_ns(&platform), PERIOD_1000);
    platform_run(&platform, PERIOD_1000 - 1);
    assert_int_equal(pending(0), LAPIC_NO_VECTOR);
    platform_run(&platform, PERIOD_1000);
    take(0, 0x30);
    platform_run(&platform, PERIOD_1000 * 3 / 2);
    assert_int_equal(lapic_highest_irr(&apics[0]), LAPIC_NO_VECTOR);
    platform_run(&platform, 2 * PERIOD_1000);
    lapic_eoi(&apics[0]);
    take(0, 0x30);
    lapic_eoi(&apics[0]);
    assert_int_equal(pending(1), LAPIC_NO_VECTOR);
    assert_int_equal(seen.rises, 0);
    set_pin(2, MASKED | 0x30, 2 * PERIOD_1000);
    assert_int_equal(platform_next_event_ns(&platform), PLATFORM_NEVER);
    platform_run(&platform, SECOND);
    set_pin(2, 0x30, SECOND); /* edges that came while it was masked are gone */
    assert_int_equal(pending(0), LAPIC_NO_VECTOR);
}

/* An edge that comes just before the access that masks, stops or changes is not lost. */
static void edges_before_a_write(void **state)
{
    set_pit(1000, 0);
    set_pin(2, 0x30, 0);
    set_pin(2, MASKED | 0x30, PERIOD_1000);
    take(0, 0x30);
    lapic_eoi(&apics[0]);
    set_pin(2, 0x30, PERIOD_1000);
    out(0x43, 0x30, 2 * PERIOD_1000); /* mode 0 without a count: low */
    take(0, 0x30);
    lapic_eoi(&apics[0]);
    assert_int_equal(platform_next_event_ns(&platform), PLATFORM_NEVER);
    out(0x43, 0x34, SECOND); /* the output of mode 2 begins high: an edge */
    assert_int_equal(pending(0), 0x30);
}

static void one_shot_pit(void **state)
{
    set_pin(2, 0x30, 0);
    out(0x43, 0x30, 0);
    out(0x40, 0xe8, 0);
    out(0x40, 0x03, 0);
    assert_int_equal(platform_next_event_ns(&platform), PERIOD_1000);
    platform_run(&platform, SECOND);
    take(0, 0x30);
    lapic_eoi(&apics[0]);
    platform_run(&platform, 2 * SECOND);
    assert_int_equal(pending(0), LAPIC_NO_VECTOR);
    assert_int_equal(platform_next_event_ns(&platform), PLATFORM_NEVER);
}

/* The PIC's output is pin 0, for kernels that take it from there. */
static void pic_through_ioapic(void **state)
{
    struct lapic_events events;

    set_pin(0, 0x700, 0);
    set_pit(1000, 0);
    platform_run(&platform, 0);
    lapic_take_events(&apics[0]);
    out(0x21, 0xee, 0);
    while (seen.high) {
        platform_acknowledge(&platform);
        out(0x20, 0x20, 0);
    }
    lapic_take_events(&apics[0]);
    platform_run(&platform, PERIOD_1000);
    events = lapic_take_events(&apics[0]);
    assert_true(events.extint);
    out(0x3f9, 0x02, PERIOD_1000);
    out(0x3fc, 0x08, PERIOD_1000); /* a second request */
    assert_false(lapic_take_events(&apics[0]).extint);
    out(0x20, 0x0e, PERIOD_1000); /* nothing */
    assert_int_equal(platform_acknowledge(&platform), 0x20);
    assert_false(lapic_take_events(&apics[0]).extint); /* it waits for the EOI */
    out(0x20, 0x20, PERIOD_1000);
    assert_true(lapic_take_events(&apics[0]).extint);
    assert_int_equal(platform_acknowledge(&platform), 0x24);
}

/* Snapshots copy the whole struct. */
static void copied_and_put_back(void **state)
{
    static struct platform saved;

    set_pit(1000, 0);
    set_pin(2, 0x30, 0);
    saved = platform;
    platform_run(&platform, PERIOD_1000);
    take(0, 0x30);
    lapic_eoi(&apics[0]);
    platform = saved;
    platform_run(&platform, SECOND);
    take(0, 0x30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(quiet, setup),
        cmocka_unit_test_setup(pit_through_pic, setup),
        cmocka_unit_test_setup(irr_is_up_to_date, setup),
        cmocka_unit_test_setup(short_pulses, setup),
        cmocka_unit_test_setup(pit_through_ioapic, setup),
        cmocka_unit_test_setup(edges_before_a_write, setup),
        cmocka_unit_test_setup(one_shot_pit, setup),
        cmocka_unit_test_setup(pic_through_ioapic, setup),
        cmocka_unit_test_setup(copied_and_put_back, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

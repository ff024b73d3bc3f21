/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/dev/ioapic.c: registers, edges and levels, remote IRR and EOI, delivery modes, messages that nobody accepts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hv/dev/ioapic.h"

enum { MASKED = 0x10000, LEVEL = 0x8000, REMOTE_IRR = 0x4000, LOGICAL = 0x800 };

static struct ioapic ioapic;
static struct {
    unsigned count;
    bool refuse;
    struct apic_message last;
} seen;

static bool deliver(void *context, const struct apic_message *message)
{
    assert_ptr_equal(context, &seen);
    seen.count++;
    seen.last = *message;
    return !seen.refuse;
}

static int setup(void **state)
{
    memset(&seen, 0, sizeof seen);
    memset(&ioapic, 0xa5, sizeof ioapic);
    ioapic_init(&ioapic, 4, deliver, &seen);
    return 0;
}

static u32 get(u32 reg)
{
    ioapic_mmio_write(&ioapic, 0x00, 4, reg);
    return (u32)ioapic_mmio_read(&ioapic, 0x10, 4);
}

static void set(u32 reg, u32 value)
{
    ioapic_mmio_write(&ioapic, 0x00, 4, reg);
    ioapic_mmio_write(&ioapic, 0x10, 4, value);
}

static void set_pin(unsigned pin, u32 low)
{
    set(0x10 + 2 * pin, low);
}

static u32 pin_low(unsigned pin)
{
    return get(0x10 + 2 * pin);
}

static void registers(void **state)
{
    assert_int_equal(get(0), 0x04000000);
    assert_int_equal(get(1), 0x00170020);
    assert_int_equal(get(2), 0x04000000);
    for (u32 pin = 0; pin < IOAPIC_PINS; pin++) {
        assert_int_equal(pin_low(pin), MASKED);
        assert_int_equal(get(0x11 + 2 * pin), 0);
        set(0x11 + 2 * pin, 0xffffffff);
        assert_int_equal(get(0x11 + 2 * pin), 0xff000000);
        set_pin(pin, 0xffffffff);
        assert_int_equal(pin_low(pin), 0x1afff); /* without delivery status and remote IRR */
        assert_int_equal(get(0x11 + 2 * pin), 0xff000000);
        set(0x11 + 2 * pin, 0x12000000);
        assert_int_equal(get(0x11 + 2 * pin), 0x12000000);
        set_pin(pin, MASKED);
        assert_int_equal(pin_low(pin), MASKED);
    }
    set(0, 0x1f000000);
    assert_int_equal(get(0), 0x1f000000);
    set(1, 0xffffffff);
    assert_int_equal(get(1), 0x00170020);
    for (u32 reg = 0x40; reg < 0x100; reg++) {
        set(reg, 0xffffffff);
        assert_int_equal(get(reg), 0);
    }
    assert_int_equal(get(3), 0);
    assert_int_equal(seen.count, 0);
}

static void window(void **state)
{
    ioapic_mmio_write(&ioapic, 0x00, 1, 0x01);
    assert_int_equal(ioapic_mmio_read(&ioapic, 0x00, 4), 1);
    assert_int_equal(ioapic_mmio_read(&ioapic, 0x10, 1), 0x20);
    assert_int_equal(ioapic_mmio_read(&ioapic, 0x10, 8), 0x170020);
    assert_int_equal(ioapic_mmio_read(&ioapic, 0x14, 4), 0);
    assert_int_equal(ioapic_mmio_read(&ioapic, 0xffc, 4), 0);
    ioapic_mmio_write(&ioapic, 0x00, 4, 0x10);
    ioapic_mmio_write(&ioapic, 0x10, 1, 0x30);
    ioapic_mmio_write(&ioapic, 0x10, 8, 0x30);
    ioapic_mmio_write(&ioapic, 0x14, 4, 0x30);
    assert_int_equal(get(0x10), MASKED);
    ioapic_mmio_write(&ioapic, 0x00, 4, 0x1234); /* eight bits */
    assert_int_equal(ioapic_mmio_read(&ioapic, 0x00, 4), 0x34);
}

static void edges(void **state)
{
    set(0x11 + 2 * 4, 0x03000000);
    set_pin(4, 0x41);
    assert_int_equal(seen.count, 0);
    ioapic_set_line(&ioapic, 4, true);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.last.mode, APIC_FIXED);
    assert_int_equal(seen.last.vector, 0x41);
    assert_int_equal(seen.last.destination, 3);
    assert_int_equal(seen.last.shorthand, APIC_NO_SHORTHAND);
    assert_false(seen.last.logical);
    assert_false(seen.last.level);
    ioapic_set_line(&ioapic, 4, true);
    ioapic_set_line(&ioapic, 4, false);
    assert_int_equal(seen.count, 1);
    ioapic_set_line(&ioapic, 4, true);
    assert_int_equal(seen.count, 2);
    assert_int_equal(pin_low(4), 0x41);
    set_pin(4, MASKED | 0x41);
    ioapic_set_line(&ioapic, 4, false);
    ioapic_set_line(&ioapic, 4, true);
    set_pin(4, 0x41); /* the edge came while it was masked */
    ioapic_eoi(&ioapic, 0x41);
    ioapic_retry(&ioapic);
    assert_int_equal(seen.count, 2);
}

static void destinations(void **state)
{
    set(0x11, 0xff000000);
    set_pin(0, 0x30 | LOGICAL);
    ioapic_set_line(&ioapic, 0, true);
    assert_int_equal(seen.last.destination, APIC_BROADCAST);
    assert_true(seen.last.logical);
    set(0x10 + 2 * 23 + 1, 0xfe000000);
    set_pin(23, 0x31);
    ioapic_set_line(&ioapic, 23, true);
    assert_int_equal(seen.last.destination, 0xfe);
    assert_int_equal(seen.last.vector, 0x31);
}

static void levels(void **state)
{
    set_pin(9, LEVEL | 0x55);
    ioapic_set_line(&ioapic, 9, true);
    assert_int_equal(seen.count, 1);
    assert_true(seen.last.level);
    assert_int_equal(pin_low(9), LEVEL | REMOTE_IRR | 0x55);
    ioapic_set_line(&ioapic, 9, false);
    ioapic_set_line(&ioapic, 9, true);
    ioapic_retry(&ioapic);
    assert_int_equal(seen.count, 1); /* not before its end */
    ioapic_eoi(&ioapic, 0x54);
    assert_int_equal(seen.count, 1);
    ioapic_eoi(&ioapic, 0x55);
    assert_int_equal(seen.count, 2); /* still high */
    ioapic_eoi(&ioapic, 0x55);
    assert_int_equal(seen.count, 3);
    ioapic_set_line(&ioapic, 9, false);
    ioapic_mmio_write(&ioapic, 0x40, 4, 0x55); /* the guest's own EOI */
    assert_int_equal(seen.count, 3);
    assert_int_equal(pin_low(9), LEVEL | 0x55);
    ioapic_eoi(&ioapic, 0x55);
    assert_int_equal(seen.count, 3);
}

static void masked_levels(void **state)
{
    set_pin(9, MASKED | LEVEL | 0x55);
    ioapic_set_line(&ioapic, 9, true);
    assert_int_equal(seen.count, 0);
    set_pin(9, LEVEL | 0x55); /* it is still there */
    assert_int_equal(seen.count, 1);
    set_pin(9, MASKED | LEVEL | 0x55);
    assert_int_equal(pin_low(9), MASKED | LEVEL | REMOTE_IRR | 0x55);
    ioapic_eoi(&ioapic, 0x55);
    assert_int_equal(pin_low(9), MASKED | LEVEL | 0x55);
    assert_int_equal(seen.count, 1);
    set_pin(9, LEVEL | 0x55);
    assert_int_equal(seen.count, 2);
    set_pin(9, MASKED | 0x55); /* edge-triggered and back: drivers clear remote IRR so */
    set_pin(9, MASKED | LEVEL | 0x55);
    assert_int_equal(pin_low(9), MASKED | LEVEL | 0x55);
}

static void shared_vector(void **state)
{
    set_pin(9, LEVEL | 0x55);
    set_pin(10, LEVEL | 0x55);
    ioapic_set_line(&ioapic, 9, true);
    ioapic_set_line(&ioapic, 10, true);
    assert_int_equal(seen.count, 2);
    ioapic_set_line(&ioapic, 9, false);
    ioapic_eoi(&ioapic, 0x55);
    assert_int_equal(seen.count, 3);
    assert_int_equal(pin_low(9), LEVEL | 0x55);
    assert_int_equal(pin_low(10), LEVEL | REMOTE_IRR | 0x55);
}

static void nobody_accepts(void **state)
{
    seen.refuse = true;
    set_pin(9, LEVEL | 0x55);
    ioapic_set_line(&ioapic, 9, true);
    assert_int_equal(pin_low(9), LEVEL | 0x55);
    ioapic_retry(&ioapic);
    assert_int_equal(seen.count, 2);
    seen.refuse = false;
    ioapic_retry(&ioapic);
    assert_int_equal(seen.count, 3);
    assert_int_equal(pin_low(9), LEVEL | REMOTE_IRR | 0x55);
    ioapic_retry(&ioapic);
    assert_int_equal(seen.count, 3);
}

static void delivery_modes(void **state)
{
    for (u32 mode = 0; mode < 8; mode++) {
        bool valid = mode != 3 && mode != 6, request = mode < 2;

        setup(state);
        set_pin(5, mode << 8 | LEVEL | 0x66);
        ioapic_set_line(&ioapic, 5, true);
        assert_int_equal(seen.count, valid);
        assert_int_equal(ioapic_pin_enabled(&ioapic, 5), valid);
        assert_int_equal(ioapic_sends_events(&ioapic), mode == 4 || mode == 5);
        if (valid) {
            assert_int_equal(seen.last.mode, mode);
            assert_int_equal(seen.last.level, request);
        }
        assert_int_equal(pin_low(5), mode << 8 | LEVEL | 0x66 | (request ? REMOTE_IRR : 0));
        ioapic_retry(&ioapic); /* what cannot be ended is an edge */
        assert_int_equal(seen.count, valid);
    }
    assert_false(ioapic_pin_enabled(&ioapic, 6));
    setup(state);
    set_pin(5, MASKED | 4 << 8);
    assert_false(ioapic_sends_events(&ioapic));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(registers, setup),      cmocka_unit_test_setup(window, setup),
        cmocka_unit_test_setup(edges, setup),          cmocka_unit_test_setup(destinations, setup),
        cmocka_unit_test_setup(levels, setup),         cmocka_unit_test_setup(masked_levels, setup),
        cmocka_unit_test_setup(shared_vector, setup),  cmocka_unit_test_setup(nobody_accepts, setup),
        cmocka_unit_test_setup(delivery_modes, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

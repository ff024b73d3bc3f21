/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/dev/pic8259.c: initialization as kernels do it, priority, the forms of EOI, the cascade, spurious requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hv/dev/pic8259.h"

enum { MASTER_COMMAND, MASTER_DATA, SLAVE_COMMAND, SLAVE_DATA, MASTER_BASE = 0x20, SLAVE_BASE = 0x28 };

static struct pic_pair pics;

static void set(unsigned reg, u8 value)
{
    pic_ops.write(&pics, reg, value, 0);
}

static u8 get(unsigned reg)
{
    return pic_ops.read(&pics, reg, 0);
}

static void initialize(u8 icw4)
{
    set(MASTER_COMMAND, 0x11);
    set(SLAVE_COMMAND, 0x11);
    set(MASTER_DATA, MASTER_BASE);
    set(SLAVE_DATA, SLAVE_BASE);
    set(MASTER_DATA, 0x04);
    set(SLAVE_DATA, 0x02);
    set(MASTER_DATA, icw4);
    set(SLAVE_DATA, icw4);
}

static int setup(void **state)
{
    pic_init(&pics);
    initialize(0x01);
    return 0;
}

static void pulse(unsigned irq)
{
    pic_set_line(&pics, irq, true);
    pic_set_line(&pics, irq, false);
}

static u8 irr(unsigned command)
{
    set(command, 0x0a);
    return get(command);
}

static u8 isr(unsigned command)
{
    set(command, 0x0b);
    return get(command);
}

static void eoi(void)
{
    set(MASTER_COMMAND, 0x20);
}

static void quiet_before_initialization(void **state)
{
    pic_init(&pics);
    for (unsigned irq = 0; irq < PIC_LINES; irq++) {
        if (irq != 2)
            pulse(irq);
    }
    assert_false(pic_pending(&pics));
    assert_int_equal(get(MASTER_DATA), 0xff);
}

static void initialization_sequence(void **state)
{
    assert_int_equal(get(MASTER_DATA), 0); /* ICW1 clears the mask */
    set(MASTER_COMMAND, 0x11);
    pulse(3);
    assert_false(pic_pending(&pics)); /* not while it is being initialized */
    set(MASTER_DATA, 0x47);           /* the low bits of the vector are the input's */
    set(MASTER_DATA, 0x04);
    set(MASTER_DATA, 0x01);
    assert_true(pic_pending(&pics));
    assert_int_equal(pic_acknowledge(&pics), 0x43);
    set(MASTER_DATA, 0xfb); /* and now it is the mask */
    assert_int_equal(get(MASTER_DATA), 0xfb);
}

static void short_initialization(void **state)
{
    set(MASTER_COMMAND, 0x12); /* single, no ICW4 */
    set(MASTER_DATA, 0x50);
    set(MASTER_DATA, 0x7f);
    assert_int_equal(get(MASTER_DATA), 0x7f);
    pulse(7);
    assert_int_equal(pic_acknowledge(&pics), 0x57);
    set(MASTER_COMMAND, 0x10); /* with cascade, no ICW4 */
    set(MASTER_DATA, 0x50);
    set(MASTER_DATA, 0x04);
    set(MASTER_DATA, 0x7e);
    assert_int_equal(get(MASTER_DATA), 0x7e);
}

static void edges_are_latched_once(void **state)
{
    pic_set_line(&pics, 1, true);
    assert_int_equal(irr(MASTER_COMMAND), 0x02);
    assert_int_equal(pic_acknowledge(&pics), MASTER_BASE + 1);
    assert_int_equal(irr(MASTER_COMMAND), 0);
    assert_int_equal(isr(MASTER_COMMAND), 0x02);
    set(MASTER_COMMAND, 0x08); /* an OCW3 that chooses nothing */
    assert_int_equal(get(MASTER_COMMAND), 0x02);
    eoi();
    assert_int_equal(isr(MASTER_COMMAND), 0);
    pic_set_line(&pics, 1, true); /* still high: no edge */
    assert_false(pic_pending(&pics));
    pulse(1);
    assert_false(pic_pending(&pics));
    pulse(1);
    assert_true(pic_pending(&pics));
}

static void levels_come_again(void **state)
{
    pic_elcr_ops.write(&pics, 0, 0xff, 0);
    pic_elcr_ops.write(&pics, 1, 0xff, 0);
    assert_int_equal(pic_elcr_ops.read(&pics, 0, 0), 0xf8);
    assert_int_equal(pic_elcr_ops.read(&pics, 1, 0), 0xde);
    pic_set_line(&pics, 5, true);
    assert_int_equal(pic_acknowledge(&pics), MASTER_BASE + 5);
    assert_false(pic_pending(&pics));
    eoi();
    assert_true(pic_pending(&pics));
    pic_set_line(&pics, 5, false);
    assert_false(pic_pending(&pics));
}

static void trigger_mode_changes(void **state)
{
    pic_set_line(&pics, 5, true);
    assert_int_equal(pic_acknowledge(&pics), MASTER_BASE + 5);
    eoi();
    assert_false(pic_pending(&pics));
    pic_elcr_ops.write(&pics, 0, 0x20, 0); /* it is high: a level */
    assert_true(pic_pending(&pics));
    pic_elcr_ops.write(&pics, 0, 0x00, 0); /* and no edge */
    assert_false(pic_pending(&pics));
    pic_set_line(&pics, 10, true);
    assert_int_equal(pic_acknowledge(&pics), SLAVE_BASE + 2);
    set(SLAVE_COMMAND, 0x20);
    eoi();
    pic_elcr_ops.write(&pics, 1, 0x04, 0);
    assert_int_equal(pic_acknowledge(&pics), SLAVE_BASE + 2);
}

static void enabled_lines(void **state)
{
    set(MASTER_DATA, 0xef);
    set(SLAVE_DATA, 0xfe);
    assert_true(pic_line_enabled(&pics, 4));
    assert_false(pic_line_enabled(&pics, 5));
    assert_false(pic_line_enabled(&pics, 8)); /* behind the cascade */
    set(MASTER_DATA, 0xfb);
    assert_true(pic_line_enabled(&pics, 8));
    assert_false(pic_line_enabled(&pics, 9));
    assert_false(pic_line_enabled(&pics, 0));
}

static void mask(void **state)
{
    set(MASTER_DATA, 0x08);
    pulse(3);
    assert_false(pic_pending(&pics));
    assert_int_equal(irr(MASTER_COMMAND), 0x08);
    set(MASTER_DATA, 0x00);
    assert_int_equal(pic_acknowledge(&pics), MASTER_BASE + 3);
}

static void higher_priority_interrupts(void **state)
{
    pulse(4);
    pulse(6);
    assert_int_equal(pic_acknowledge(&pics), MASTER_BASE + 4);
    assert_false(pic_pending(&pics)); /* 6 waits */
    pulse(4);
    assert_false(pic_pending(&pics)); /* the same does not interrupt itself */
    pulse(0);
    assert_int_equal(pic_acknowledge(&pics), MASTER_BASE + 0);
    assert_int_equal(isr(MASTER_COMMAND), 0x11);
    eoi(); /* the highest: 0 */
    assert_int_equal(isr(MASTER_COMMAND), 0x10);
    set(MASTER_COMMAND, 0x64); /* specific */
    assert_int_equal(isr(MASTER_COMMAND), 0);
    assert_int_equal(pic_acknowledge(&pics), MASTER_BASE + 4);
    eoi();
    assert_int_equal(pic_acknowledge(&pics), MASTER_BASE + 6);
}

static void spurious(void **state)
{
    assert_int_equal(pic_acknowledge(&pics), MASTER_BASE + 7);
    assert_int_equal(isr(MASTER_COMMAND), 0);
    pic_elcr_ops.write(&pics, 0, 0x08, 0);
    pic_set_line(&pics, 3, true);
    pic_set_line(&pics, 3, false); /* gone before the acknowledge */
    assert_int_equal(pic_acknowledge(&pics), MASTER_BASE + 7);
    assert_int_equal(isr(MASTER_COMMAND), 0);
}

static void slave_through_cascade(void **state)
{
    pulse(12);
    pulse(8);
    pulse(3);
    assert_int_equal(irr(MASTER_COMMAND), 0x0c);
    assert_int_equal(pic_acknowledge(&pics), SLAVE_BASE + 0); /* input 2 is above 3 */
    assert_int_equal(isr(MASTER_COMMAND), 0x04);
    assert_int_equal(isr(SLAVE_COMMAND), 0x01);
    assert_false(pic_pending(&pics));
    set(SLAVE_COMMAND, 0x20); /* 12 may come now, but the master is still busy with its input 2 */
    assert_false(pic_pending(&pics));
    eoi();
    assert_int_equal(pic_acknowledge(&pics), SLAVE_BASE + 4);
    set(SLAVE_COMMAND, 0x20);
    eoi();
    assert_int_equal(pic_acknowledge(&pics), MASTER_BASE + 3);
    eoi();
    assert_false(pic_pending(&pics));
}

static void slave_request_withdrawn(void **state)
{
    pulse(9);
    assert_true(pic_pending(&pics));
    set(SLAVE_DATA, 0x02);
    assert_false(pic_pending(&pics));
    set(SLAVE_DATA, 0x00);
    assert_int_equal(pic_acknowledge(&pics), SLAVE_BASE + 1);
}

static void auto_eoi(void **state)
{
    initialize(0x03);
    pulse(5);
    assert_int_equal(pic_acknowledge(&pics), MASTER_BASE + 5);
    assert_int_equal(isr(MASTER_COMMAND), 0);
    pulse(10);
    assert_int_equal(pic_acknowledge(&pics), SLAVE_BASE + 2);
    pulse(10);
    assert_int_equal(pic_acknowledge(&pics), SLAVE_BASE + 2);
    set(MASTER_COMMAND, 0x80); /* rotate in automatic EOI */
    pulse(3);
    assert_int_equal(pic_acknowledge(&pics), MASTER_BASE + 3);
    pulse(3);
    pulse(4);
    assert_int_equal(pic_acknowledge(&pics), MASTER_BASE + 4);
    set(MASTER_COMMAND, 0x00);
    assert_int_equal(pic_acknowledge(&pics), MASTER_BASE + 3);
    pulse(3);
    pulse(4);
    assert_int_equal(pic_acknowledge(&pics), MASTER_BASE + 3); /* as rotated before, and no further */
    pic_acknowledge(&pics);
    pulse(12); /* the slave has a second request right away */
    pulse(10);
    assert_int_equal(pic_acknowledge(&pics), SLAVE_BASE + 2);
    assert_int_equal(pic_acknowledge(&pics), SLAVE_BASE + 4);
}

static void rotation(void **state)
{
    pulse(2 + 1);
    pic_acknowledge(&pics);
    set(MASTER_COMMAND, 0xa0); /* EOI, and 3 becomes the lowest */
    pulse(3);
    pulse(4);
    pulse(1);
    assert_int_equal(pic_acknowledge(&pics), MASTER_BASE + 4);
    set(MASTER_COMMAND, 0xe4); /* specific EOI of 4, which becomes the lowest */
    assert_int_equal(pic_acknowledge(&pics), MASTER_BASE + 1);
    set(MASTER_COMMAND, 0xc2); /* 2 is the lowest: 3 above 1 */
    assert_int_equal(pic_acknowledge(&pics), MASTER_BASE + 3);
    set(MASTER_COMMAND, 0x40); /* no operation */
    assert_int_equal(isr(MASTER_COMMAND), 0x0a);
}

static void special_mask_mode(void **state)
{
    pulse(1);
    pic_acknowledge(&pics);
    pulse(6);
    assert_false(pic_pending(&pics));
    set(MASTER_DATA, 0x02);
    assert_false(pic_pending(&pics));
    set(MASTER_COMMAND, 0x68);
    assert_int_equal(pic_acknowledge(&pics), MASTER_BASE + 6);
    eoi(); /* not the masked one */
    assert_int_equal(isr(MASTER_COMMAND), 0x02);
    set(MASTER_COMMAND, 0x48);
    pulse(6);
    assert_false(pic_pending(&pics));
}

static void poll_command(void **state)
{
    set(MASTER_COMMAND, 0x0c);
    assert_int_equal(get(MASTER_COMMAND), 0);
    set(MASTER_DATA, 0x80);
    pulse(5);
    set(MASTER_COMMAND, 0x0c);
    assert_int_equal(get(MASTER_COMMAND), 0x85);
    assert_int_equal(get(MASTER_DATA), 0x80); /* one read only */
    assert_int_equal(isr(MASTER_COMMAND), 0x20);
    eoi();
    pulse(14);
    set(SLAVE_COMMAND, 0x0c);
    assert_int_equal(get(SLAVE_COMMAND), 0x86);
    assert_false(pic_pending(&pics));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(quiet_before_initialization, setup),
        cmocka_unit_test_setup(initialization_sequence, setup),
        cmocka_unit_test_setup(short_initialization, setup),
        cmocka_unit_test_setup(edges_are_latched_once, setup),
        cmocka_unit_test_setup(levels_come_again, setup),
        cmocka_unit_test_setup(trigger_mode_changes, setup),
        cmocka_unit_test_setup(enabled_lines, setup),
        cmocka_unit_test_setup(mask, setup),
        cmocka_unit_test_setup(higher_priority_interrupts, setup),
        cmocka_unit_test_setup(spurious, setup),
        cmocka_unit_test_setup(slave_through_cascade, setup),
        cmocka_unit_test_setup(slave_request_withdrawn, setup),
        cmocka_unit_test_setup(auto_eoi, setup),
        cmocka_unit_test_setup(rotation, setup),
        cmocka_unit_test_setup(special_mask_mode, setup),
        cmocka_unit_test_setup(poll_command, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

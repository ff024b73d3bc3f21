/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * port_bus_write_quickly() and what devices do with it: the same as the ordinary write or nothing at all, in long random lives;
 * and which writes it is there for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/platform_twins.h"

enum { EVENTS = 1 << 16 };

/* What the world sees of a platform. */
struct world {
    struct platform platform;
    unsigned count;
    u32 events[EVENTS];
};

static struct world ordinary, quick;

static void note(struct world *world, u32 event)
{
    world->events[world->count++ % EVENTS] = event;
}

static void console(void *context, u8 byte)
{
    note(context, byte);
}

static void take_exit(void *context, u32 status)
{
    note(context, 0x10000);
}

static void reset(void *context)
{
    note(context, 0x20000);
}

static void power_off(void *context)
{
    note(context, 0x30000);
}

static bool deliver(void *context, const struct apic_message *message)
{
    note(context, 0x40000 | (u32)message->mode << 8 | message->vector);
    return true;
}

static void intr(void *context, bool high)
{
    note(context, 0x50000 | high);
}

static void start(struct world *world)
{
    const struct platform_config config = {
        .memory = 64 << 20,
        .unix_time = 1700000000,
        .processors = 2,
        .context = world,
        .console = console,
        .exit = take_exit,
        .reset = reset,
        .power_off = power_off,
        .deliver = deliver,
        .intr = intr,
    };

    world->count = 0;
    platform_init(&world->platform, &config);
}

static int setup(void **state)
{
    start(&ordinary);
    start(&quick);
    return 0;
}

static void check_agreement(void)
{
    assert_true(platforms_agree(&ordinary.platform, &quick.platform));
    assert_int_equal(ordinary.count, quick.count);
    for (unsigned i = 0; i < ordinary.count; i++)
        assert_int_equal(ordinary.events[i], quick.events[i]);
    ordinary.count = quick.count = 0;
}

/* It hears the same clocks afterwards, and calls nobody. */
static bool write_quickly(u16 port, unsigned size, u32 value)
{
    static struct platform before;
    u64 next = platform_next_event_ns(&quick.platform);
    bool done;

    memcpy(&before, &quick.platform, sizeof(before));
    done = platform_port_write_quickly(&quick.platform, port, size, value);
    if (!done)
        assert_memory_equal(&before, &quick.platform, sizeof(before));
    assert_int_equal(platform_next_event_ns(&quick.platform), next);
    assert_int_equal(quick.count, 0);
    return done;
}

/* As a vCPU does it that has to leave the guest when something is due. Whether it was quick. */
static bool write_both(u16 port, unsigned size, u32 value, u64 now)
{
    bool due = platform_next_event_ns(&quick.platform) <= now;
    bool done = !due && write_quickly(port, size, value);

    platform_port_write(&ordinary.platform, port, size, value, now);
    if (!done)
        platform_port_write(&quick.platform, port, size, value, now);
    platform_run(&ordinary.platform, now);
    platform_run(&quick.platform, now);
    check_agreement();
    return done;
}

static void both_set_irq(unsigned irq, bool high)
{
    platform_set_irq(&ordinary.platform, irq, high);
    platform_set_irq(&quick.platform, irq, high);
}

static bool out(u16 port, u8 value)
{
    return write_both(port, 1, value, 0);
}

static void these_are_quick(void **state)
{
    assert_true(out(0x3ff, 0x5a));
    assert_int_equal(quick.platform.com1.scr, 0x5a);
    assert_true(out(0x3fb, 0x83));
    assert_true(out(0x3f9, 0x01));
    assert_int_equal(quick.platform.com1.divisor[1], 1);
    assert_true(out(0x3fb, 0x03));
    assert_true(out(0x3fa, 0x07));
    assert_true(out(0x80, 0x11));
    assert_true(out(0x70, 0x0f));
    assert_true(out(0x3e8, 1));
    assert_true(write_both(0xcf8, 4, 0x80000000, 0));
    assert_true(write_both(0xffff, 1, 0, 0));
    assert_int_equal(quick.platform.bus.absent_writes, 3);
    assert_int_equal(quick.platform.bus.absent_first, 0x3e8);
    assert_true(out(0x20, 0x20));
    assert_true(out(0x21, 0xff));
    assert_true(out(0x21, 0xf7));
}

static void these_are_not(void **state)
{
    static const u16 never[] = { 0x3f8, 0x40, 0x43, 0x61, 0x64, 0x71, 0x92, 0xf4, 0x4d0, 0x510, 0x604 };

    for (unsigned i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        assert_false(platform_port_write_quickly(&quick.platform, never[i], 1, 0));
    /* Who reaches into a device, from before it or with more than a byte. */
    assert_false(platform_port_write_quickly(&quick.platform, 0x3f7, 2, 0));
    assert_false(platform_port_write_quickly(&quick.platform, 0x3ff, 2, 0));
    assert_false(platform_port_write_quickly(&quick.platform, 0x3f5, 4, 0));
    /* A chip is set up; the clocks' masks. */
    assert_false(platform_port_write_quickly(&quick.platform, 0x20, 1, 0x11));
    assert_false(platform_port_write_quickly(&quick.platform, 0x21, 1, 0xfe));
    assert_false(platform_port_write_quickly(&quick.platform, 0x21, 1, 0xfb));
    assert_false(platform_port_write_quickly(&quick.platform, 0xa1, 1, 0xfe));
}

/* The transmitter's interrupt comes with its permission, and goes with it. */
static void a_line_that_moves_is_not(void **state)
{
    assert_true(out(0x3fc, 0x08));
    assert_false(out(0x3f9, 0x02));
    assert_true(quick.platform.lines & 1 << 4);
    assert_true(out(0x3f9, 0x02));
    assert_false(out(0x3f9, 0x00));
    assert_false(quick.platform.lines & 1 << 4);
    assert_true(out(0x3f9, 0x00));
}

static void an_interrupt_that_comes_through_is_not(void **state)
{
    both_set_irq(5, true);
    assert_false(out(0x21, 0xdf));
    assert_true(quick.platform.intr_high);
    assert_int_equal(platform_acknowledge(&ordinary.platform), platform_acknowledge(&quick.platform));
    both_set_irq(5, false);
    both_set_irq(5, true);
    check_agreement();
    assert_false(out(0x20, 0x20)); /* the second one waited for the end of the first */
    assert_true(quick.platform.intr_high);
}

static u32 next_random(u64 *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return (u32)(*state >> 33);
}

static const u16 ports[] = {
    0x20, 0x20,  0x21,  0xa0,  0xa1,  0x4d0, 0x40,  0x43,  0x61,  0x70,  0x71,  0x80,  0x92,
    0x64, 0x3f8, 0x3f9, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3ff, 0xcf8, 0x3f7, 0x510, 0x602, 0xffff
};

static void random_lives(void **state)
{
    unsigned was_quick = 0, steps = 0;

    for (u64 seed = 1; seed <= 60; seed++) {
        u64 random = seed, now = 0;

        setup(state);
        for (unsigned i = 0; i < 2000; i++, steps++) {
            u16 port = ports[next_random(&random) % (sizeof(ports) / sizeof(ports[0]))];
            u32 what = next_random(&random) % 16, value = next_random(&random) >> 7;
            unsigned irq = 5 + next_random(&random) % 3 * 5; /* 5, 10, 15 */

            now += (u64)next_random(&random) % 1000 << next_random(&random) % 16;
            if (what == 0) {
                both_set_irq(irq, value & 1);
            } else if (what == 1) {
                assert_int_equal(platform_receive(&ordinary.platform, (u8)value),
                                 platform_receive(&quick.platform, (u8)value));
            } else if (what == 2) {
                platform_mmio_write(&ordinary.platform, value & 0x10, 4, value & 0x1ffff, now);
                platform_mmio_write(&quick.platform, value & 0x10, 4, value & 0x1ffff, now);
            } else if (what == 3 && quick.platform.intr_high) {
                assert_int_equal(platform_acknowledge(&ordinary.platform), platform_acknowledge(&quick.platform));
            } else if (what == 4) {
                assert_int_equal(platform_port_read(&ordinary.platform, port, 1, now),
                                 platform_port_read(&quick.platform, port, 1, now));
            } else {
                was_quick += write_both(port, what == 5 ? 2 : 1, value, now);
            }
            platform_run(&ordinary.platform, now);
            platform_run(&quick.platform, now);
            check_agreement();
        }
    }
    assert_true(was_quick > steps / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(these_are_quick, setup),
        cmocka_unit_test_setup(these_are_not, setup),
        cmocka_unit_test_setup(a_line_that_moves_is_not, setup),
        cmocka_unit_test_setup(an_interrupt_that_comes_through_is_not, setup),
        cmocka_unit_test(random_lives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

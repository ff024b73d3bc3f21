/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/dev/pit8254.c: every mode against a counter that really ticks, the ways to read and write, port 0x61, edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hv/dev/pit8254.h"

#define SECOND 1000000000ull

enum { CONTROL = 3, LATCH = 0, LOW = 0x10, HIGH = 0x20, BOTH = 0x30, BCD = 1 };

static struct pit pit;

static int setup(void **state)
{
    pit_init(&pit);
    return 0;
}

/* The first nanosecond of a tick. */
static u64 ns(u64 tick)
{
    u64 seconds = tick / PIT_HZ, rest = tick % PIT_HZ;

    return seconds * SECOND + (rest * SECOND + PIT_HZ - 1) / PIT_HZ;
}

static void program(unsigned counter, unsigned mode, unsigned flags, u16 count, u64 tick)
{
    pit_ops.write(&pit, CONTROL, (u8)(counter << 6 | flags | mode << 1), ns(tick));
    if ((flags & BOTH) != HIGH)
        pit_ops.write(&pit, counter, (u8)count, ns(tick));
    if ((flags & BOTH) != LOW)
        pit_ops.write(&pit, counter, (u8)(count >> 8), ns(tick));
}

static u8 get(unsigned counter, u64 tick)
{
    return pit_ops.read(&pit, counter, ns(tick));
}

static u16 get_both(unsigned counter, u64 tick)
{
    u8 low = get(counter, tick);

    return (u16)(get(counter, tick) << 8 | low);
}

static void gate_2(bool high, u64 tick)
{
    port61_ops.write(&pit, 0, high, ns(tick));
}

static u8 port61(u64 tick)
{
    return port61_ops.read(&pit, 0, ns(tick));
}

/* The data sheet's counting element, tick by tick, in the terms of its "Mode Definitions". */
struct model {
    unsigned mode;
    u32 reload, value, modulus;
    bool out, strobed;
};

static void model_load(struct model *model)
{
    model->value = model->mode == 3 ? model->reload & ~1u : model->reload;
    model->out = model->mode != 0 && model->mode != 1;
}

static void model_tick(struct model *model)
{
    bool odd = model->reload & 1;

    switch (model->mode) {
    case 0:
    case 1:
        model->value = model->value == 0 ? model->modulus - 1 : model->value - 1;
        if (model->value == 0)
            model->out = true;
        break;
    case 2:
        if (model->value == 1) {
            model->value = model->reload;
            model->out = true;
            break;
        }
        model->value--;
        model->out = model->value != 1;
        break;
    case 3:
        /* "out high for (N + 1) / 2 counts and low for (N - 1) / 2": the extra one is spent at 0 while high. */
        if (model->out && odd && model->value == 0) {
            model->out = false;
            model->value = model->reload & ~1u;
        } else if (model->value == 2 && !(model->out && odd)) {
            model->out = !model->out;
            model->value = model->reload & ~1u;
        } else {
            model->value -= 2;
        }
        break;
    default: /* one strobe for each load or trigger */
        model->out = model->strobed || model->value != 1;
        model->strobed = !model->out || model->strobed;
        model->value = model->value == 0 ? model->modulus - 1 : model->value - 1;
        break;
    }
}

/* Runs counter 2 beside the model, for four reloads or a little more than its whole range. */
static void run_beside_model(unsigned mode, unsigned flags, u16 count, u32 reload, u64 start, u32 ticks)
{
    struct model model = { .mode = mode, .reload = reload, .modulus = flags & BCD ? 10000 : 0x10000 };

    pit_init(&pit);
    gate_2(false, start);
    program(2, mode, flags | BOTH, count, start);
    gate_2(true, start); /* the trigger of modes 1 and 5 */
    model_load(&model);
    for (u32 i = 0; i <= ticks; i++) {
        u32 value = model.value % model.modulus;
        u16 seen = get_both(2, start + i), expected = (u16)value;

        if (flags & BCD)
            expected = (u16)(value % 10 | value / 10 % 10 << 4 | value / 100 % 10 << 8 | value / 1000 << 12);
        if (seen != expected || pit_out(&pit, 2, ns(start + i)) != model.out)
            fail_msg("mode %u count %u tick %u: value %x, expected %x, out %d, expected %d", mode, reload, i, seen,
                     expected, pit_out(&pit, 2, ns(start + i)), model.out);
        assert_int_equal(port61(start + i) >> 5 & 1, model.out);
        model_tick(&model);
    }
}

static void modes_count_as_the_model(void **state)
{
    static const u16 counts[] = { 2, 3, 4, 7, 100, 101, 0xffff, 0 };

    for (unsigned mode = 0; mode < 6; mode++) {
        for (unsigned i = 0; i < sizeof counts / sizeof counts[0]; i++)
            run_beside_model(mode, 0, counts[i], counts[i] ? counts[i] : 0x10000, 12345, 140000);
        run_beside_model(mode, BCD, 0x0123, 123, 1, 25000);
        run_beside_model(mode, BCD, 0, 10000, 1, 25000);
    }
}

/* Modes 6 and 7 are 2 and 3 again. */
static void modes_6_and_7(void **state)
{
    program(0, 6, BOTH, 1000, 0);
    assert_int_equal(get_both(0, 1001), 999);
    program(0, 7, BOTH, 1000, 0);
    assert_int_equal(get_both(0, 1001), 998);
}

static void latch_holds_until_read(void **state)
{
    program(0, 2, BOTH, 50000, 0);
    pit_ops.write(&pit, CONTROL, LATCH, ns(1000));
    pit_ops.write(&pit, CONTROL, LATCH, ns(2000)); /* ignored: the first is not read yet */
    assert_int_equal(get_both(0, 3000), 49000);
    assert_int_equal(get_both(0, 4000), 46000); /* live again */
}

static void latch_by_single_bytes(void **state)
{
    program(0, 2, LOW, 200, 0);
    pit_ops.write(&pit, CONTROL, LATCH, ns(50));
    assert_int_equal(get(0, 60), 150);
    assert_int_equal(get(0, 60), 140);
    program(0, 2, HIGH, 0x4000, 0);
    assert_int_equal(get(0, 0x1001), 0x2f);
    assert_int_equal(get(0, 0x2001), 0x1f); /* high bytes only */
}

static void read_back(void **state)
{
    program(0, 3, BOTH, 10000, 0);
    program(2, 0, LOW, 99, 0);
    gate_2(true, 0);
    pit_ops.write(&pit, CONTROL, 0xc0 | 0x02 | 0x08, ns(20)); /* status and count of 0 and 2 */
    assert_int_equal(get(0, 50), 0x80 | 0x30 | 3 << 1);
    assert_int_equal(get_both(0, 50), 10000 - 40);
    assert_int_equal(get(2, 50), 0x10);
    assert_int_equal(get(2, 50), 79);
    pit_ops.write(&pit, CONTROL, 0xe0 | 0x08, ns(99)); /* status only */
    assert_int_equal(get(2, 120), 0x80 | 0x10);
    assert_int_equal(get(2, 120), (99 - 120) & 0xff);
    pit_ops.write(&pit, CONTROL, 0xd0 | 0x02, ns(130)); /* count only */
    assert_int_equal(get_both(0, 200), 10000 - 260);
    pit_ops.write(&pit, CONTROL, 0xd0 | 0x20, ns(130)); /* bit 5 chooses nothing */
    assert_int_equal(get_both(0, 200), 10000 - 400);
}

static void null_count(void **state)
{
    pit_ops.write(&pit, CONTROL, 0x34, ns(0));
    pit_ops.write(&pit, CONTROL, 0xe2, ns(1));
    assert_int_equal(get(0, 1), 0x80 | 0x40 | 0x34); /* no count yet */
    pit_ops.write(&pit, 0, 10, ns(2));
    pit_ops.write(&pit, 0, 0, ns(2));
    pit_ops.write(&pit, CONTROL, 0xe2, ns(3));
    assert_int_equal(get(0, 3), 0x80 | 0x34);
    /* Mode 1: until the trigger. */
    gate_2(false, 3);
    program(2, 1, LOW, 10, 4);
    pit_ops.write(&pit, CONTROL, 0xe8, ns(5));
    assert_int_equal(get(2, 5), 0x80 | 0x40 | 0x12);
    gate_2(true, 6);
    pit_ops.write(&pit, CONTROL, 0xe8, ns(7));
    assert_int_equal(get(2, 7), 0x12);
}

/* Mode 0: the first of two bytes stops the counter with OUT low. */
static void mode_0_first_byte_stops(void **state)
{
    program(0, 0, BOTH, 100, 0);
    assert_true(pit_out(&pit, 0, ns(100)));
    pit_ops.write(&pit, 0, 50, ns(200));
    assert_false(pit_out(&pit, 0, ns(10000)));
    pit_ops.write(&pit, 0, 0, ns(10000));
    assert_false(pit_out(&pit, 0, ns(10049)));
    assert_true(pit_out(&pit, 0, ns(10050)));
}

static void gate_pauses_mode_0(void **state)
{
    gate_2(true, 0);
    program(2, 0, BOTH, 1000, 0);
    gate_2(false, 300);
    assert_int_equal(get_both(2, 5000), 700);
    gate_2(false, 5500);
    gate_2(true, 6000);
    gate_2(true, 6100);
    assert_int_equal(get_both(2, 6200), 500);
    assert_false(pit_out(&pit, 2, ns(6699)));
    assert_true(pit_out(&pit, 2, ns(6700)));
}

static void gate_sets_out_in_modes_2_and_3(void **state)
{
    for (unsigned mode = 2; mode <= 3; mode++) {
        gate_2(true, 0);
        program(2, mode, BOTH, 1000, 0);
        assert_false(pit_out(&pit, 2, ns(999)));
        gate_2(false, 999);
        assert_true(pit_out(&pit, 2, ns(999)));
        gate_2(true, 5000);
        assert_true(pit_out(&pit, 2, ns(5000)));
        assert_false(pit_out(&pit, 2, ns(5999)));
    }
}

/* A gate that rises between the mode and the count. */
static void gate_without_a_count(void **state)
{
    for (unsigned mode = 0; mode < 6; mode++) {
        gate_2(false, 0);
        pit_ops.write(&pit, CONTROL, (u8)(0xb0 | mode << 1), ns(1));
        gate_2(true, 2);
        assert_int_equal(pit_out(&pit, 2, ns(70000)), mode != 0);
        assert_int_equal(get_both(2, 70000), get_both(2, 80000));
        assert_int_equal(pit_next_edge(&pit, 2, ns(3)), PIT_NO_EDGE);
    }
}

static void gate_restarts_mode_2(void **state)
{
    gate_2(true, 0);
    program(2, 2, BOTH, 1000, 0);
    gate_2(false, 1300);
    assert_true(pit_out(&pit, 2, ns(1999)));
    assert_int_equal(get_both(2, 1999), 700);
    gate_2(true, 2000);
    assert_int_equal(get_both(2, 2100), 900);
}

/* Modes 1 and 5: each rising gate is a trigger with the newest count; the level means nothing. */
static void gate_triggers_mode_1(void **state)
{
    gate_2(false, 0);
    program(2, 1, BOTH, 1000, 0);
    assert_true(pit_out(&pit, 2, ns(500)));
    gate_2(true, 600);
    gate_2(false, 700);
    assert_false(pit_out(&pit, 2, ns(1599)));
    assert_true(pit_out(&pit, 2, ns(1600)));
    gate_2(true, 2000);
    pit_ops.write(&pit, 2, 50, ns(2100)); /* for the next trigger */
    pit_ops.write(&pit, 2, 0, ns(2100));
    assert_false(pit_out(&pit, 2, ns(2999)));
    assert_true(pit_out(&pit, 2, ns(3000)));
    gate_2(false, 3000);
    gate_2(true, 3100);
    assert_false(pit_out(&pit, 2, ns(3149)));
    assert_true(pit_out(&pit, 2, ns(3150)));
}

static void port_61(void **state)
{
    assert_int_equal(port61(0) & 0x0f, 0);
    port61_ops.write(&pit, 0, 0xff, ns(0));
    assert_int_equal(port61(0) & 0xcf, 0x0f); /* the upper bits are not the writer's */
    assert_int_equal(port61(0) & 0x10, 0);
    assert_int_equal(port61(17) & 0x10, 0);
    assert_int_equal(port61(18) & 0x10, 0x10);
    assert_int_equal(port61(36) & 0x10, 0);
}

/* What memtest86+ and Linux do to measure 10 ms. */
static void calibration(void **state)
{
    gate_2(true, 0);
    program(2, 0, BOTH, PIT_HZ / 100, 0);
    assert_false(port61_ops.read(&pit, 0, SECOND / 100 - 20000) & 0x20);
    assert_true(port61_ops.read(&pit, 0, SECOND / 100) & 0x20);
}

static void starts_as_a_bios_leaves_it(void **state)
{
    assert_int_equal(get_both(0, 10), 0x10000 - 20);
    pit_ops.write(&pit, CONTROL, 0xe0 | 0x0e, ns(10));
    assert_int_equal(get(0, 10), 0x80 | 0x36);
    assert_int_equal(get(1, 10) & 0x3f, 0x14);
    assert_int_equal(get(2, 10) & 0x3f, 0x36);
    assert_int_equal(get_both(2, 100), 0); /* stopped at its start */
}

static void no_overflow_late(void **state)
{
    u64 century = 100ull * 366 * 86400; /* seconds */

    program(0, 2, BOTH, 1000, 0);
    assert_int_equal(get_both(0, century * PIT_HZ + 7), 1000 - (century * PIT_HZ + 7) % 1000);
    pit_ops.read(&pit, 0, UINT64_MAX);
    assert_true(pit_next_edge(&pit, 0, UINT64_MAX - SECOND) > UINT64_MAX - SECOND);
    assert_int_equal(pit_next_edge(&pit, 0, UINT64_MAX), PIT_NO_EDGE);
}

/* The promised edge is one: low just before, high then, and no other before it. */
static void next_edge(void **state)
{
    static const u16 counts[] = { 2, 3, 100, 4001 };

    for (unsigned mode = 0; mode < 6; mode++) {
        for (unsigned i = 0; i < sizeof counts / sizeof counts[0]; i++) {
            u64 now = 0, edge;

            pit_init(&pit);
            gate_2(false, 0);
            program(2, mode, BOTH, counts[i], 0);
            if (mode == 0 || mode == 2 || mode == 3 || mode == 4)
                assert_int_equal(pit_next_edge(&pit, 2, 0), PIT_NO_EDGE);
            gate_2(true, 0);
            for (unsigned n = 0; n < 3; n++) {
                edge = pit_next_edge(&pit, 2, now);
                if (mode != 2 && mode != 3 && n > 0) {
                    assert_int_equal(edge, PIT_NO_EDGE);
                    break;
                }
                assert_true(edge > now && edge != PIT_NO_EDGE);
                assert_true(pit_out(&pit, 2, edge));
                assert_false(pit_out(&pit, 2, edge - 1));
                for (u64 t = now; t < edge; t += 400) { /* twice a tick */
                    bool rises = pit_out(&pit, 2, t + 400) && !pit_out(&pit, 2, t);
                    assert_true(!rises || t + 400 >= edge);
                }
                now = edge;
            }
        }
    }
}

static void illegal_counts_do_no_harm(void **state)
{
    for (unsigned mode = 0; mode < 8; mode++) {
        program(0, mode, BOTH, 1, 0);
        get_both(0, 5);
        pit_next_edge(&pit, 0, 5);
        program(0, mode, BOTH | BCD, 0xffff, 0);
        get_both(0, 5);
        assert_true((get_both(0, 5) & 0x0f) < 10);
    }
    assert_int_equal(get(CONTROL, 5), 0xff);
    assert_int_equal(pit_ops.read(&pit, 7, 5), 0xff);
    pit_ops.write(&pit, 7, 5, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(modes_count_as_the_model, setup),
        cmocka_unit_test_setup(modes_6_and_7, setup),
        cmocka_unit_test_setup(latch_holds_until_read, setup),
        cmocka_unit_test_setup(latch_by_single_bytes, setup),
        cmocka_unit_test_setup(read_back, setup),
        cmocka_unit_test_setup(null_count, setup),
        cmocka_unit_test_setup(mode_0_first_byte_stops, setup),
        cmocka_unit_test_setup(gate_pauses_mode_0, setup),
        cmocka_unit_test_setup(gate_sets_out_in_modes_2_and_3, setup),
        cmocka_unit_test_setup(gate_without_a_count, setup),
        cmocka_unit_test_setup(gate_restarts_mode_2, setup),
        cmocka_unit_test_setup(gate_triggers_mode_1, setup),
        cmocka_unit_test_setup(port_61, setup),
        cmocka_unit_test_setup(calibration, setup),
        cmocka_unit_test_setup(starts_as_a_bios_leaves_it, setup),
        cmocka_unit_test_setup(no_overflow_late, setup),
        cmocka_unit_test_setup(next_edge, setup),
        cmocka_unit_test_setup(illegal_counts_do_no_harm, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/dev/lapic_timer.c: exact times in the three modes, changes while it runs, missed periods, extreme numbers. */
#include "tests/unit/lapic_support.h"

enum { VECTOR = 0x41, ONE_SHOT = VECTOR, PERIODIC = 0x20000 | VECTOR, DEADLINE = 0x40000 | VECTOR, BY_1 = 0xb };

static int start_timer(void **state)
{
    start_apics(state);
    set(LAPIC_SVR, 0x1ff);
    set(LAPIC_TIMER_DIVIDE, BY_1);
    return 0;
}

/* Runs it at `now`: whether it has fired. */
static bool fires(u64 now)
{
    bool fired = lapic_timer_run(apic, now), pending;

    lapic_collect(apic);
    pending = lapic_highest_irr(apic) == VECTOR;
    assert_int_equal(fired, pending);
    if (pending) {
        lapic_acknowledge(apic, VECTOR);
        lapic_eoi(apic);
    }
    return fired;
}

static void one_shot(void **state)
{
    set_at(LAPIC_LVT_TIMER, ONE_SHOT, 1000);
    assert_int_equal(lapic_timer_next(apic), LAPIC_NEVER);
    set_at(LAPIC_TIMER_INITIAL, 50, 1000);
    assert_int_equal(lapic_timer_next(apic), 1800);
    assert_int_equal(get_at(LAPIC_TIMER_CURRENT, 1000), 50);
    assert_int_equal(get_at(LAPIC_TIMER_CURRENT, 1015), 50);
    assert_int_equal(get_at(LAPIC_TIMER_CURRENT, 1016), 49);
    assert_int_equal(get_at(LAPIC_TIMER_CURRENT, 1799), 1);
    assert_int_equal(get_at(LAPIC_TIMER_CURRENT, 900), 50); /* another processor's clock that is behind */
    assert_false(fires(1799));
    assert_true(fires(1800));
    assert_int_equal(get_at(LAPIC_TIMER_CURRENT, 1800), 0);
    assert_int_equal(get_at(LAPIC_TIMER_INITIAL, 1800), 50);
    assert_int_equal(lapic_timer_next(apic), LAPIC_NEVER);
    assert_false(fires(100000));
    set_at(LAPIC_TIMER_INITIAL, 1, 5000);
    assert_true(fires(7000));
    set_at(LAPIC_TIMER_INITIAL, 10, 8000);
    set_at(LAPIC_TIMER_INITIAL, 0, 8001); /* stops it */
    assert_int_equal(lapic_timer_next(apic), LAPIC_NEVER);
}

/* The guest sees that the count is zero: the interrupt has come. */
static void reading_the_count_fires(void **state)
{
    set_at(LAPIC_LVT_TIMER, ONE_SHOT, 0);
    set_at(LAPIC_TIMER_INITIAL, 10, 0);
    assert_int_equal(get_at(LAPIC_TIMER_CURRENT, 160), 0);
    assert_int_equal(get_at(LAPIC_IRR + 0x20, 160), 2);
}

static void divide_configuration(void **state)
{
    static const u8 codes[8] = { 0xb, 0x0, 0x1, 0x2, 0x3, 0x8, 0x9, 0xa }; /* 1, 2, 4, ... 128 */

    set(LAPIC_LVT_TIMER, ONE_SHOT);
    for (unsigned i = 0; i < 8; i++) {
        set(LAPIC_TIMER_DIVIDE, codes[i]);
        set(LAPIC_TIMER_INITIAL, 3);
        assert_int_equal(lapic_timer_next(apic), (3u << BUS_SHIFT) << i);
    }
    set(LAPIC_TIMER_DIVIDE, BY_1);
    set_at(LAPIC_TIMER_INITIAL, 100, 0);
    set_at(LAPIC_TIMER_DIVIDE, 0x3, 320); /* 80 left, now by 16 */
    assert_int_equal(get_at(LAPIC_TIMER_CURRENT, 320), 80);
    assert_int_equal(lapic_timer_next(apic), 320 + 80 * 256);
}

static void after_reset_it_divides_by_2(void **state)
{
    lapic_reset(apic);
    set(LAPIC_SVR, 0x1ff);
    set(LAPIC_LVT_TIMER, ONE_SHOT);
    set(LAPIC_TIMER_INITIAL, 1);
    assert_int_equal(lapic_timer_next(apic), 32);
}

static void periodic(void **state)
{
    set_at(LAPIC_LVT_TIMER, PERIODIC, 100);
    set_at(LAPIC_TIMER_INITIAL, 10, 100);
    assert_int_equal(lapic_timer_next(apic), 260);
    assert_true(fires(260));
    assert_int_equal(lapic_timer_next(apic), 420);
    assert_int_equal(get_at(LAPIC_TIMER_CURRENT, 260), 10);
    assert_int_equal(get_at(LAPIC_TIMER_CURRENT, 419), 1);
    /* Late: the phase stays. */
    assert_true(fires(425));
    assert_int_equal(lapic_timer_next(apic), 580);
    /* Several periods late: one interrupt, the phase stays. */
    assert_true(fires(100 + 160 * 1000 + 7));
    assert_false(fires(100 + 160 * 1000 + 7));
    assert_int_equal(lapic_timer_next(apic), 100 + 160 * 1001);
    assert_true(fires(100 + 160 * 1001));
    assert_int_equal(lapic_timer_next(apic), 100 + 160 * 1002);
}

/* 2^60 periods at once, and a period of one tick. */
static void tiny_period(void **state)
{
    lapic_init(apic, pages[0], 0, true, 0, &recording_ops, &seen);
    start_timer(state);
    apic->bus_shift = 0;
    set(LAPIC_TIMER_DIVIDE, BY_1);
    set(LAPIC_LVT_TIMER, PERIODIC);
    set(LAPIC_TIMER_INITIAL, 1);
    for (u64 now = 1; now < 10; now++) {
        assert_int_equal(lapic_timer_next(apic), now);
        assert_true(fires(now));
    }
    assert_true(fires(1ull << 60));
    assert_int_equal(lapic_timer_next(apic), (1ull << 60) + 1);
}

static void masked(void **state)
{
    set_at(LAPIC_LVT_TIMER, PERIODIC | 0x10000, 0);
    set_at(LAPIC_TIMER_INITIAL, 10, 0);
    assert_int_equal(lapic_timer_next(apic), LAPIC_NEVER);
    assert_false(fires(160));
    assert_int_equal(get_at(LAPIC_TIMER_CURRENT, 165), 10);
    assert_int_equal(get_at(LAPIC_TIMER_CURRENT, 176), 9);
    set_at(LAPIC_LVT_TIMER, PERIODIC, 400); /* what came due while it was masked is gone */
    assert_false(fires(479));
    assert_int_equal(lapic_timer_next(apic), 480);
    assert_true(fires(480));
    set_at(LAPIC_LVT_TIMER, ONE_SHOT | 0x10000, 500);
    set_at(LAPIC_TIMER_INITIAL, 10, 500);
    set_at(LAPIC_LVT_TIMER, ONE_SHOT, 1000);
    assert_false(fires(2000));
}

/* Due, not noticed yet, and then its registers are written: it has fired before that. */
static void writes_after_expiration(void **state)
{
    set_at(LAPIC_LVT_TIMER, ONE_SHOT, 0);
    set_at(LAPIC_TIMER_INITIAL, 10, 0);
    set_at(LAPIC_TIMER_INITIAL, 10, 200);
    lapic_collect(apic);
    assert_int_equal(lapic_highest_irr(apic), VECTOR);
    lapic_acknowledge(apic, VECTOR);
    lapic_eoi(apic);
    set_at(LAPIC_LVT_TIMER, ONE_SHOT | 0x10000, 400);
    lapic_collect(apic);
    assert_int_equal(lapic_highest_irr(apic), VECTOR);
}

static void mode_changes(void **state)
{
    set_at(LAPIC_LVT_TIMER, ONE_SHOT, 0);
    set_at(LAPIC_TIMER_INITIAL, 100, 0);
    set_at(LAPIC_LVT_TIMER, PERIODIC, 480); /* the count goes on, and then starts again */
    assert_int_equal(get_at(LAPIC_TIMER_CURRENT, 480), 70);
    assert_int_equal(lapic_timer_next(apic), 1600);
    assert_true(fires(1600));
    assert_int_equal(lapic_timer_next(apic), 3200);
    set_at(LAPIC_LVT_TIMER, ONE_SHOT, 2000);
    assert_true(fires(3200));
    assert_int_equal(lapic_timer_next(apic), LAPIC_NEVER);
    set_at(LAPIC_LVT_TIMER, PERIODIC, 3300); /* it has ended: nothing starts */
    assert_int_equal(lapic_timer_next(apic), LAPIC_NEVER);
    set_at(LAPIC_TIMER_INITIAL, 100, 4000);
    set_at(LAPIC_LVT_TIMER, DEADLINE, 4100);
    assert_int_equal(lapic_timer_next(apic), LAPIC_NEVER);
    assert_int_equal(get_at(LAPIC_TIMER_INITIAL, 4100), 0);
    assert_int_equal(get_at(LAPIC_TIMER_CURRENT, 4100), 0);
    set_at(LAPIC_TIMER_INITIAL, 100, 4200); /* ignored */
    assert_int_equal(get_at(LAPIC_TIMER_INITIAL, 4200), 0);
    assert_int_equal(lapic_timer_next(apic), LAPIC_NEVER);
    lapic_msr_write(apic, LAPIC_MSR_TSC_DEADLINE, 9000, 4300);
    set_at(LAPIC_LVT_TIMER, ONE_SHOT, 4400);
    set_at(LAPIC_LVT_TIMER, DEADLINE, 4500);
    assert_int_equal(lapic_timer_next(apic), LAPIC_NEVER);
    lapic_msr_write(apic, LAPIC_MSR_TSC_DEADLINE, 9000, 4600);
    set_at(LAPIC_LVT_TIMER, 0x60000 | VECTOR, 4700); /* the reserved mode */
    set_at(LAPIC_LVT_TIMER, DEADLINE, 4800);
    assert_int_equal(lapic_timer_next(apic), LAPIC_NEVER);
}

static u64 deadline_at(u64 now)
{
    u64 value = 1;

    assert_int_equal(lapic_msr_read(apic, LAPIC_MSR_TSC_DEADLINE, &value, now), 0);
    return value;
}

static void tsc_deadline(void **state)
{
    u64 offset = 0 - 5000ull;

    lapic_set_tsc_offset(apic, offset, 6000);
    lapic_msr_write(apic, LAPIC_MSR_TSC_DEADLINE, 2000, 6000); /* in another mode: ignored */
    assert_int_equal(deadline_at(6000), 0);
    set_at(LAPIC_LVT_TIMER, DEADLINE, 6000);
    lapic_msr_write(apic, LAPIC_MSR_TSC_DEADLINE, 2000, 6000);
    assert_int_equal(lapic_timer_next(apic), 7000);
    assert_int_equal(deadline_at(6999), 2000);
    assert_false(fires(6999));
    assert_true(fires(7000));
    assert_int_equal(deadline_at(7000), 0);
    assert_false(fires(8000));
    lapic_msr_write(apic, LAPIC_MSR_TSC_DEADLINE, 2500, 8000); /* in the past */
    assert_int_equal(lapic_timer_next(apic), 8000);
    assert_true(fires(8000));
    lapic_msr_write(apic, LAPIC_MSR_TSC_DEADLINE, 9000, 8000);
    lapic_msr_write(apic, LAPIC_MSR_TSC_DEADLINE, 0, 8000); /* disarms */
    assert_int_equal(lapic_timer_next(apic), LAPIC_NEVER);
    lapic_msr_write(apic, LAPIC_MSR_TSC_DEADLINE, 3500, 8000);
    assert_int_equal(deadline_at(8500), 0); /* it is over, though nobody has looked: the interrupt has come too */
    assert_int_equal(get_at(LAPIC_IRR + 0x20, 8500), 2);
    lapic_acknowledge(apic, VECTOR);
    lapic_eoi(apic);
    lapic_msr_write(apic, LAPIC_MSR_TSC_DEADLINE, 3600, 8500);
    lapic_msr_write(apic, LAPIC_MSR_TSC_DEADLINE, 9000, 8600);
    assert_int_equal(get_at(LAPIC_IRR + 0x20, 8600), 2);
    lapic_acknowledge(apic, VECTOR);
    lapic_eoi(apic);
    lapic_msr_write(apic, LAPIC_MSR_TSC_DEADLINE, UINT64_MAX, 8600); /* far, though the host's number would wrap */
    assert_int_equal(lapic_timer_next(apic), LAPIC_NEVER);
    assert_false(fires(1ull << 62));
    assert_int_equal(deadline_at(1ull << 62), UINT64_MAX);
}

static void tsc_offset_moves_the_deadline(void **state)
{
    set_at(LAPIC_LVT_TIMER, DEADLINE, 0);
    lapic_msr_write(apic, LAPIC_MSR_TSC_DEADLINE, 2000, 100);
    lapic_set_tsc_offset(apic, 500, 100);
    assert_int_equal(lapic_timer_next(apic), 1500);
    lapic_set_tsc_offset(apic, 5000, 200);
    assert_int_equal(lapic_timer_next(apic), 200);
    assert_true(fires(200));
    lapic_msr_write(apic, LAPIC_MSR_TSC_DEADLINE, 6000, 200);
    lapic_set_tsc_offset(apic, 0, 1000); /* it was due before the guest's clock went back */
    assert_int_equal(get_at(LAPIC_IRR + 0x20, 1000), 2);
}

/* All that a guest and the run loop can find out about two of them. */
static void same(const struct lapic *a, const struct lapic *b)
{
    assert_memory_equal(a->page, b->page, LAPIC_PAGE_WORDS * 4);
    assert_memory_equal(a->posted, b->posted, sizeof(a->posted));
    assert_int_equal(a->attention, b->attention);
    assert_int_equal(a->timer.lvt, b->timer.lvt);
    assert_int_equal(a->timer.initial, b->timer.initial);
    assert_int_equal(a->timer.count, b->timer.count);
    assert_int_equal(a->timer.shift, b->timer.shift);
    assert_int_equal(a->timer.from, b->timer.from);
    assert_int_equal(a->timer.deadline, b->timer.deadline);
    assert_int_equal(a->timer.fires, b->timer.fires);
}

static void quick_deadlines(void **state)
{
    assert_false(lapic_deadline_write_quickly(apic, 2000, 100, 200)); /* another mode */
    set_at(LAPIC_LVT_TIMER, DEADLINE, 0);
    assert_true(lapic_deadline_write_quickly(apic, 2000, 100, 2000));
    assert_int_equal(lapic_timer_next(apic), 2000);
    assert_int_equal(deadline_at(100), 2000);
    assert_false(lapic_deadline_write_quickly(apic, 1999, 100, 2000));  /* it would be missed */
    assert_false(lapic_deadline_write_quickly(apic, 50, 100, 101));     /* it has come */
    assert_false(lapic_deadline_write_quickly(apic, 5000, 2000, 2000)); /* the last one has */
    assert_int_equal(lapic_timer_next(apic), 2000);
    assert_true(lapic_deadline_write_quickly(apic, 0, 1999, 3000)); /* disarms */
    assert_int_equal(lapic_timer_next(apic), LAPIC_NEVER);
    assert_true(lapic_deadline_write_quickly(apic, UINT64_MAX, 1999, 3000));
    assert_false(lapic_needs_attention(apic));
}

/* One has its deadlines written quickly where that is possible, the other never. */
static void quick_deadlines_are_the_same(void **state)
{
    struct lapic *other = &apics[1];
    u64 random = 1, now = 0;
    unsigned quick = 0;

    lapic_init(other, pages[1], 0, true, BUS_SHIFT, &recording_ops, &seen);
    lapic_mmio_write(other, LAPIC_SVR, 4, 0x1ff, 0);
    lapic_mmio_write(other, LAPIC_TIMER_DIVIDE, 4, BY_1, 0);
    for (unsigned i = 0; i < 200000; i++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        u32 what = random >> 60, value = (u32)(random >> 33) & 0xffff;
        u64 deadline = value & 1 ? now + apic->tsc_offset + value - 0x1000 : value & 2 ? 0 : random;
        bool masked = value & 4;

        now += random >> 50 & 0x3ff;
        if (what == 0) {
            u32 lvt = (value & 3) << LAPIC_TIMER_MODE_SHIFT | (masked ? LAPIC_LVT_MASKED : 0) | VECTOR;
            set_at(LAPIC_LVT_TIMER, lvt, now);
            lapic_mmio_write(other, LAPIC_LVT_TIMER, 4, lvt, now);
        } else if (what == 1) {
            lapic_set_tsc_offset(apic, value, now);
            lapic_set_tsc_offset(other, value, now);
        } else if (what == 2) {
            assert_int_equal(lapic_timer_run(apic, now), lapic_timer_run(other, now));
        } else if (what == 3) {
            lapic_collect(apic);
            lapic_collect(other);
        } else if (what == 4) {
            set_at(LAPIC_LVT_TIMER, DEADLINE, now);
            lapic_mmio_write(other, LAPIC_LVT_TIMER, 4, DEADLINE, now);
        } else {
            u64 until = now + (random >> 40 & 0x1fff);
            lapic_msr_write(other, LAPIC_MSR_TSC_DEADLINE, deadline, now);
            if (lapic_deadline_write_quickly(apic, deadline, now, until)) {
                quick++;
                assert_true(lapic_timer_next(apic) >= until);
            } else {
                lapic_msr_write(apic, LAPIC_MSR_TSC_DEADLINE, deadline, now);
            }
        }
        same(apic, other);
    }
    assert_true(quick > 10000);
}

static void illegal_vector(void **state)
{
    set_at(LAPIC_LVT_TIMER, 5, 0);
    set_at(LAPIC_TIMER_INITIAL, 1, 0);
    lapic_timer_run(apic, 16);
    lapic_collect(apic);
    assert_int_equal(lapic_highest_irr(apic), LAPIC_NO_VECTOR);
    assert_int_equal(errors_now(), LAPIC_RECEIVE_ILLEGAL_VECTOR);
}

static void snapshot(void **state)
{
    static struct lapic_state saved;
    u64 offset = 0 - 100ull;

    set_at(LAPIC_LVT_TIMER, PERIODIC, 0);
    set_at(LAPIC_TIMER_INITIAL, 10, 0);
    lapic_post(apic, 0x90, true);
    lapic_post_nmi(apic);
    set_at(0x400, 0, 0);
    lapic_save(apic, &saved);
    assert_true(lapic_take_events(apic).nmi); /* a copy: it stayed */
    assert_int_equal(lapic_collect(apic) & LAPIC_CHANGED_TMR, LAPIC_CHANGED_TMR);
    lapic_base_write(apic, 0xfee00000);
    lapic_post(apic, 0xa0, false);
    lapic_restore(apic, &saved, 1000);
    assert_int_equal(lapic_base_read(apic), 0xfee00900);
    assert_int_equal(lapic_collect(apic), LAPIC_CHANGED_IRR | LAPIC_CHANGED_TMR);
    assert_int_equal(lapic_pending(apic), 0x90);
    assert_true(lapic_take_events(apic).nmi);
    assert_int_equal(errors_now(), LAPIC_ILLEGAL_REGISTER);
    assert_int_equal(lapic_timer_next(apic), 160);
    assert_true(lapic_timer_run(apic, 1000));
    assert_int_equal(lapic_timer_next(apic), 1120);

    set_at(LAPIC_LVT_TIMER, DEADLINE, 1000);
    lapic_msr_write(apic, LAPIC_MSR_TSC_DEADLINE, 2000, 1000);
    lapic_save(apic, &saved);
    lapic_set_tsc_offset(apic, offset, 1000);
    lapic_restore(apic, &saved, 1500);
    assert_int_equal(lapic_timer_next(apic), 2100); /* the guest's TSC is what it is now */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_shot, start_timer),
        cmocka_unit_test_setup(reading_the_count_fires, start_timer),
        cmocka_unit_test_setup(divide_configuration, start_timer),
        cmocka_unit_test_setup(after_reset_it_divides_by_2, start_timer),
        cmocka_unit_test_setup(periodic, start_timer),
        cmocka_unit_test_setup(tiny_period, start_timer),
        cmocka_unit_test_setup(masked, start_timer),
        cmocka_unit_test_setup(writes_after_expiration, start_timer),
        cmocka_unit_test_setup(mode_changes, start_timer),
        cmocka_unit_test_setup(tsc_deadline, start_timer),
        cmocka_unit_test_setup(tsc_offset_moves_the_deadline, start_timer),
        cmocka_unit_test_setup(quick_deadlines, start_timer),
        cmocka_unit_test_setup(quick_deadlines_are_the_same, start_timer),
        cmocka_unit_test_setup(illegal_vector, start_timer),
        cmocka_unit_test_setup(snapshot, start_timer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

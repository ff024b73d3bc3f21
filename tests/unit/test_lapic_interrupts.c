/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/dev/lapic.c: priorities, acknowledge and EOI, trigger modes, events; posting from several threads loses nothing. */
#include <pthread.h>
#include <sched.h>

#include "tests/unit/lapic_support.h"

static void post(u8 vector, bool level)
{
    lapic_post(apic, vector, level);
    lapic_collect(apic);
}

static void take(u8 vector)
{
    assert_int_equal(lapic_pending(apic), vector);
    lapic_acknowledge(apic, vector);
}

static void every_vector(void **state)
{
    for (unsigned vector = 0; vector < 256; vector++) {
        assert_true(lapic_post(apic, (u8)vector, vector % 3 == 0));
        lapic_collect(apic);
        if (vector < 16) {
            assert_int_equal(lapic_highest_irr(apic), LAPIC_NO_VECTOR);
            continue;
        }
        assert_int_equal(lapic_highest_irr(apic), vector);
        assert_int_equal(get(LAPIC_IRR + vector / 32 * 16), 1u << vector % 32);
        take((u8)vector);
        assert_int_equal(lapic_highest_irr(apic), LAPIC_NO_VECTOR);
        assert_int_equal(lapic_highest_isr(apic), vector);
        assert_int_equal(get(LAPIC_ISR + vector / 32 * 16), 1u << vector % 32);
        assert_int_equal(get(LAPIC_PPR), vector & 0xf0);
        seen.ends = 0;
        set(LAPIC_EOI, 0);
        assert_int_equal(lapic_highest_isr(apic), LAPIC_NO_VECTOR);
        assert_int_equal(seen.ends, vector % 3 == 0);
    }
    set(LAPIC_EOI, 0); /* with nothing in service */
    assert_int_equal(get(LAPIC_IRR), 0);
}

/* SDM 11.8.3.1, all classes against each other. */
static void processor_priority(void **state)
{
    for (u32 tpr = 0; tpr < 256; tpr += 5) {
        for (u32 service = 0x10; service < 256; service += 7) {
            u32 expected = tpr >> 4 >= service >> 4 ? tpr : service & 0xf0;

            start_enabled_apics(state);
            post((u8)service, false);
            take((u8)service);
            set(LAPIC_TPR, tpr);
            assert_int_equal(get(LAPIC_PPR), expected);
            for (u32 vector = 0x1f; vector < 256; vector += 16) {
                post((u8)vector, false);
                assert_int_equal(lapic_pending(apic), vector >> 4 > expected >> 4 ? (int)vector : LAPIC_NO_VECTOR);
            }
        }
    }
}

/* Where the processor itself writes TPR and VISR, nobody tells. */
static void registers_change_behind_it(void **state)
{
    post(0x55, false);
    apic->page[LAPIC_TPR / 4] = 0x60;
    assert_int_equal(lapic_pending(apic), LAPIC_NO_VECTOR);
    apic->page[LAPIC_TPR / 4] = 0x40;
    assert_int_equal(lapic_pending(apic), 0x55);
    apic->page[(LAPIC_ISR + 0x40) / 4] = 1;
    assert_int_equal(lapic_pending(apic), LAPIC_NO_VECTOR);
    assert_int_equal(apic->page[LAPIC_PPR / 4], 0x80);
}

static void nesting(void **state)
{
    post(0x31, false);
    take(0x31);
    post(0x3f, false); /* the same class waits */
    assert_int_equal(lapic_pending(apic), LAPIC_NO_VECTOR);
    post(0x41, false);
    take(0x41);
    post(0x31, false); /* in service and requested again */
    set(LAPIC_EOI, 0);
    assert_int_equal(lapic_highest_isr(apic), 0x31);
    assert_int_equal(lapic_pending(apic), LAPIC_NO_VECTOR);
    set(LAPIC_EOI, 0);
    take(0x3f);
    set(LAPIC_EOI, 0);
    take(0x31);
    set(LAPIC_EOI, 0);
    assert_int_equal(lapic_pending(apic), LAPIC_NO_VECTOR);
}

static void trigger_mode(void **state)
{
    u64 bitmap[4];

    lapic_collect(apic);
    lapic_post(apic, 0x51, true);
    lapic_post(apic, 0xef, true);
    assert_int_equal(lapic_collect(apic), LAPIC_CHANGED_IRR | LAPIC_CHANGED_TMR);
    assert_int_equal(get(LAPIC_TMR + 0x20), 1u << 17);
    lapic_eoi_exit_bitmap(apic, bitmap);
    assert_int_equal(bitmap[0], 0);
    assert_int_equal(bitmap[1], 1ull << 17);
    assert_int_equal(bitmap[2], 0);
    assert_int_equal(bitmap[3], 1ull << 47);
    lapic_post(apic, 0x51, true);
    assert_int_equal(lapic_collect(apic), LAPIC_CHANGED_IRR);
    lapic_post(apic, 0x51, false); /* the last one counts */
    lapic_post(apic, 0x52, false);
    assert_int_equal(lapic_collect(apic), LAPIC_CHANGED_IRR | LAPIC_CHANGED_TMR);
    assert_int_equal(get(LAPIC_TMR + 0x20), 0);
    assert_int_equal(lapic_collect(apic), 0);
    lapic_ended(apic, 0x51);
    assert_int_equal(seen.ends, 0);
    lapic_ended(apic, 0xef);
    assert_int_equal(seen.ends, 1);
    assert_int_equal(seen.ended, 0xef);
}

/* Held until they can be taken: by a disabled APIC too (SDM 11.4.7.2). */
static void software_disabled_keeps(void **state)
{
    post(0x51, false);
    set(LAPIC_SVR, 0xff);
    assert_int_equal(lapic_pending(apic), 0x51);
}

static void notification(void **state)
{
    assert_false(lapic_needs_attention(apic));
    assert_true(lapic_post(apic, 0x51, false));
    assert_false(lapic_post(apic, 0x51, false)); /* somebody has told the owner already */
    assert_false(lapic_post(apic, 0x91, false));
    assert_true(lapic_post_nmi(apic));
    assert_false(lapic_post_nmi(apic));
    assert_true(lapic_needs_attention(apic));
    lapic_collect(apic);
    assert_true(lapic_needs_attention(apic));
    lapic_take_events(apic);
    assert_false(lapic_needs_attention(apic));
    assert_true(lapic_post(apic, 0x51, false)); /* though it is in IRR */
}

static void events(void **state)
{
    struct lapic_events taken = lapic_take_events(apic);

    assert_false(taken.init || taken.nmi || taken.sipi || taken.extint);
    lapic_post_init(apic);
    lapic_post_sipi(apic, 0x9a);
    lapic_post_sipi(apic, 0x77); /* the processor does not wait any more */
    lapic_post_extint(apic);
    taken = lapic_take_events(apic);
    assert_true(taken.init && taken.sipi && taken.extint && !taken.nmi);
    assert_int_equal(taken.sipi_vector, 0x9a);
    taken = lapic_take_events(apic);
    assert_false(taken.init || taken.nmi || taken.sipi || taken.extint);

    lapic_post_sipi(apic, 0x12); /* to a processor that runs */
    lapic_post_nmi(apic);
    lapic_post_init(apic);
    taken = lapic_take_events(apic);
    assert_true(taken.init && !taken.sipi && !taken.nmi);
    lapic_post_init(apic);
    lapic_post_sipi(apic, 0);
    taken = lapic_take_events(apic);
    assert_true(taken.init && taken.sipi);
    assert_int_equal(taken.sipi_vector, 0);
}

/*
 * Threads post tokens: each has its own vectors and posts one again only when the owner has taken it. An owner that waited for
 * a lost one would never end. Every third vector is level-triggered, and the owner's TMR must say so.
 */
enum { POSTERS = 3, ROUNDS = 20000, VECTORS_EACH = 72 };

static u32 taken_counts[256];
static u32 waiting; /* posts that said "tell the owner" and that the owner has not heard */

static void *poster(void *argument)
{
    unsigned first = 16 + *(const unsigned *)argument * VECTORS_EACH;

    for (unsigned round = 0; round < ROUNDS; round++) {
        u8 vector = (u8)(first + round % VECTORS_EACH);
        u32 wanted = round / VECTORS_EACH;

        while (__atomic_load_n(&taken_counts[vector], __ATOMIC_ACQUIRE) != wanted)
            sched_yield();
        if (lapic_post(apic, vector, vector % 3 == 0))
            __atomic_store_n(&waiting, 1, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

/* Sleeps unless it is told: a notification that is missing makes this endless. */
static void posting_from_threads(void **state)
{
    static const unsigned numbers[POSTERS] = { 0, 1, 2 };
    pthread_t threads[POSTERS];
    u64 total = 0, levels = 0;

    memset(taken_counts, 0, sizeof taken_counts);
    waiting = 0;
    for (unsigned i = 0; i < POSTERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, poster, (void *)&numbers[i]), 0);
    while (total < (u64)POSTERS * ROUNDS) {
        int vector;

        if (!__atomic_exchange_n(&waiting, 0, __ATOMIC_SEQ_CST)) {
            sched_yield();
            continue;
        }
        lapic_collect(apic);
        while ((vector = lapic_pending(apic)) >= 0) {
            u32 level = apic->page[(LAPIC_TMR + (u32)vector / 32 * 16) / 4] >> vector % 32 & 1;

            assert_int_equal(level, vector % 3 == 0);
            lapic_acknowledge(apic, (u8)vector);
            lapic_eoi(apic);
            total++;
            levels += level;
            __atomic_add_fetch(&taken_counts[vector], 1, __ATOMIC_RELEASE);
        }
    }
    for (unsigned i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    lapic_collect(apic);
    assert_int_equal(lapic_highest_irr(apic), LAPIC_NO_VECTOR);
    assert_int_equal(seen.ends, levels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_vector, start_enabled_apics),
        cmocka_unit_test_setup(processor_priority, start_enabled_apics),
        cmocka_unit_test_setup(registers_change_behind_it, start_enabled_apics),
        cmocka_unit_test_setup(nesting, start_enabled_apics),
        cmocka_unit_test_setup(trigger_mode, start_enabled_apics),
        cmocka_unit_test_setup(software_disabled_keeps, start_enabled_apics),
        cmocka_unit_test_setup(notification, start_enabled_apics),
        cmocka_unit_test_setup(events, start_enabled_apics),
        cmocka_unit_test_setup(posting_from_threads, start_enabled_apics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

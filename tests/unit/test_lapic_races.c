/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv/dev/lapic.c and hv/dev/lapic_deliver.c, where processors meet: one does something, and at each of its atomic operations
 * in turn another one comes between. They are compiled in here, so that every such point is seen.
 */
#define MM_OBSERVER
#include "hv/dev/lapic.c"
#include "hv/dev/lapic_deliver.c"

#include "tests/unit/lapic_support.h"

enum { VECTOR = 0x45, NEIGHBOUR = 0x46, POINTS = 24 };

static unsigned points, stop_at;
static void (*between)(void); /* runs at point number stop_at */

void mm_point(const void *word)
{
    void (*now)(void) = between;

    if (!now || points++ != stop_at)
        return;
    between = NULL;
    now();
}

/* Runs `first` with `second` at its point number `point`. False: it has not so many. */
static bool interrupted(unsigned point, void (*first)(void), void (*second)(void))
{
    points = 0;
    stop_at = point;
    between = second;
    first();
    if (!between)
        return true;
    between = NULL;
    return false;
}

static bool told; /* a post asked for the owner */
static struct lapic_events taken;

static void collect(void)
{
    lapic_collect(apic);
}

static void take_all_events(void)
{
    struct lapic_events events = lapic_take_events(apic);

    taken.init |= events.init;
    taken.nmi |= events.nmi;
    taken.extint |= events.extint;
    if (events.sipi) {
        taken.sipi = true;
        taken.sipi_vector = events.sipi_vector;
    }
}

static void post_edge(void)
{
    told |= lapic_post(apic, VECTOR, false);
}

static void post_level(void)
{
    told |= lapic_post(apic, VECTOR, true);
}

static void post_illegal(void)
{
    told |= lapic_post(apic, 3, false);
}

static void post_nmi(void)
{
    told |= lapic_post_nmi(apic);
}

static void post_init(void)
{
    told |= lapic_post_init(apic);
}

static void post_sipi(void)
{
    told |= lapic_post_sipi(apic, 0x12);
}

static bool in_page(u32 first, u8 vector)
{
    return apic->page[lapic_vector_register(first, vector) / 4] & lapic_vector_bit(vector);
}

/* The owner looks again only where it has been told, or sees it before it sleeps. */
static void look_again(void)
{
    assert_int_equal(told && !lapic_needs_attention(apic), 0);
    if (!lapic_needs_attention(apic))
        return;
    collect();
    take_all_events();
    assert_false(lapic_needs_attention(apic));
}

static void start(void)
{
    start_enabled_apics(NULL);
    memset(&taken, 0, sizeof taken);
    told = false;
}

/* A post comes into the middle of a collection that has something to collect. */
static void post_into_collect(void **state)
{
    static const u8 before[] = { 0, VECTOR, NEIGHBOUR, 0x95 };

    for (unsigned i = 0; i < sizeof before; i++) {
        for (unsigned level = 0; level < 2; level++) {
            for (unsigned point = 0, more = true; more; point++) {
                assert_true(point < POINTS);
                start();
                lapic_post(apic, before[i] ? before[i] : 1, false);
                more = interrupted(point, collect, level ? post_level : post_edge);
                if (!more)
                    continue;
                told = false; /* the owner is awake: it looks before it sleeps */
                look_again();
                assert_true(in_page(LAPIC_IRR, VECTOR));
                assert_int_equal(in_page(LAPIC_TMR, VECTOR), level);
                assert_int_equal(in_page(LAPIC_IRR, NEIGHBOUR), before[i] == NEIGHBOUR);
                assert_int_equal(in_page(LAPIC_IRR, 0x95), before[i] == 0x95);
            }
        }
    }
}

/* A collection comes into the middle of a post. */
static void collect_into_post(void **state)
{
    static void (*const posts[])(void) = { post_edge, post_level };

    for (unsigned waiting = 0; waiting < 2; waiting++) {
        for (unsigned i = 0; i < 2; i++) {
            for (unsigned point = 0, more = true; more; point++) {
                start();
                if (waiting)
                    lapic_post(apic, NEIGHBOUR, false);
                more = interrupted(point, posts[i], collect);
                look_again();
                assert_true(in_page(LAPIC_IRR, VECTOR));
                assert_int_equal(in_page(LAPIC_TMR, VECTOR), i);
                assert_int_equal(in_page(LAPIC_IRR, NEIGHBOUR), waiting);
            }
        }
    }
}

static void errors(void **state)
{
    for (unsigned point = 0, more = true; more; point++) {
        start();
        lapic_post(apic, VECTOR, false);
        lapic_post(apic, 1, false);
        more = interrupted(point, collect, post_illegal);
        told = false;
        look_again();
        assert_int_equal(apic->errors, LAPIC_RECEIVE_ILLEGAL_VECTOR);
        start();
        interrupted(point, post_illegal, collect);
        look_again();
        assert_int_equal(apic->errors, LAPIC_RECEIVE_ILLEGAL_VECTOR);
    }
}

static void events_meet(void **state)
{
    for (unsigned point = 0, more = true; more; point++) {
        start();
        lapic_post_extint(apic);
        more = interrupted(point, take_all_events, post_nmi);
        told = false;
        look_again();
        assert_true(taken.extint && taken.nmi == more);
        start();
        interrupted(point, post_nmi, take_all_events);
        look_again();
        assert_true(taken.nmi);
        start();
        interrupted(point, post_init, take_all_events);
        look_again();
        assert_true(taken.init);
        start();
        interrupted(point, post_sipi, take_all_events);
        look_again();
        assert_true(taken.sipi && taken.sipi_vector == 0x12);
        start();
        interrupted(point, post_sipi, post_nmi);
        look_again();
        assert_true(taken.sipi && taken.sipi_vector == 0x12);
    }
}

/* An INIT comes into a SIPI: before it takes effect, and the SIPI counts; or after that, and it does not. */
static void init_into_sipi(void **state)
{
    bool counted = false, forgotten = false;

    for (unsigned point = 0, more = true; more; point++) {
        start();
        more = interrupted(point, post_sipi, post_init);
        look_again();
        assert_int_equal(taken.init, more);
        counted |= more && taken.sipi;
        forgotten |= !taken.sipi;
        assert_true(more || taken.sipi);
        assert_true(!taken.sipi || taken.sipi_vector == 0x12);
    }
    assert_true(counted && forgotten);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(post_into_collect), cmocka_unit_test(collect_into_post), cmocka_unit_test(errors),
        cmocka_unit_test(events_meet),       cmocka_unit_test(init_into_sipi),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

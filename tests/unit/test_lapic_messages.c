/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/dev/lapic_deliver.c: who is addressed, in every mode, by physical and logical destinations and shorthands; arbitration. */
#include "tests/unit/lapic_support.h"

static u32 notified; /* a bit for each */

static void notify(void *context, unsigned index)
{
    assert_ptr_equal(context, &notified);
    assert_false(notified & 1u << index);
    notified |= 1u << index;
}

static struct apic_message fixed(bool logical, u32 destination)
{
    return (struct apic_message){ .mode = APIC_FIXED, .vector = 0x40, .logical = logical, .destination = destination };
}

/* Delivers to `count` of them: who has been notified. */
static u32 deliver(unsigned count, const struct apic_message *message, const struct lapic *source, unsigned accepted)
{
    struct lapic *list[APICS];

    for (unsigned i = 0; i < count; i++)
        list[i] = &apics[i];
    notified = 0;
    assert_int_equal(apic_deliver(list, count, message, source, notify, &notified), accepted);
    return notified;
}

/* The set of those that match. */
static u32 matching(bool logical, u32 destination)
{
    struct apic_message message = fixed(logical, destination);
    u32 set_of = 0;

    for (unsigned i = 0; i < APICS; i++)
        set_of |= (u32)lapic_matches(&apics[i], &message) << i;
    return set_of;
}

static void set_of_apic(unsigned i, u32 offset, u32 value)
{
    lapic_mmio_write(&apics[i], offset, 4, value, 0);
}

static void physical(void **state)
{
    for (unsigned x2apic = 0; x2apic < 2; x2apic++) {
        for (u32 destination = 0; destination < 300; destination++)
            assert_int_equal(matching(false, destination), destination < APICS ? 1u << destination : 0);
        assert_int_equal(matching(false, APIC_BROADCAST), 0xffffffff);
        assert_int_equal(matching(false, 0x80000001), 0);
        for (unsigned i = 0; i < APICS; i++)
            enable_x2apic(&apics[i]);
    }
}

static void logical_flat(void **state)
{
    assert_int_equal(matching(true, 0xff), 0); /* nobody has a logical ID yet */
    for (unsigned i = 0; i < 8; i++)
        set_of_apic(i, LAPIC_LDR, 1u << (24 + i));
    set_of_apic(9, LAPIC_LDR, 0x81000000);
    for (u32 destination = 0; destination < 256; destination++)
        assert_int_equal(matching(true, destination), destination | (destination & 0x81 ? 1u << 9 : 0));
    assert_int_equal(matching(true, 0x101), 0);
    assert_int_equal(matching(true, APIC_BROADCAST), 0xffffffff);
}

static void logical_clusters(void **state)
{
    for (unsigned i = 0; i < APICS; i++) {
        set_of_apic(i, LAPIC_DFR, 0);
        set_of_apic(i, LAPIC_LDR, (i / 4) << 28 | 1u << (24 + i % 4));
    }
    for (u32 destination = 0; destination < 255; destination++) {
        u32 cluster = destination >> 4;

        assert_int_equal(matching(true, destination), cluster < 8 ? (destination & 15) << 4 * cluster : 0);
    }
    set_of_apic(3, LAPIC_DFR, 0x50000000); /* no model at all */
    assert_int_equal(matching(true, 0x0f), 0x7);
    set_of_apic(2, LAPIC_DFR, 0xf0000000); /* flat among them */
    set_of_apic(2, LAPIC_LDR, 0x10000000);
    assert_int_equal(matching(true, 0x14), 0x44);
    assert_int_equal(matching(true, APIC_BROADCAST), 0xffffffff);
}

static void logical_x2apic(void **state)
{
    for (unsigned i = 0; i < APICS; i++) {
        set_of_apic(i, LAPIC_LDR, 0xff000000); /* what it was in the other mode means nothing */
        enable_x2apic(&apics[i]);
    }
    for (u32 bits = 0; bits < 0x10000; bits += 0x101) {
        assert_int_equal(matching(true, bits), bits);
        assert_int_equal(matching(true, 0x10000 | bits), bits << 16);
        assert_int_equal(matching(true, 0x20000 | bits), 0);
        assert_int_equal(matching(true, 0xffff0000 | bits), bits == 0xffff ? 0xffffffff : 0);
    }
}

static void mixed_modes(void **state)
{
    set_of_apic(0, LAPIC_LDR, 0x02000000);
    enable_x2apic(&apics[1]);
    assert_int_equal(matching(true, 0x02), 3);
    assert_int_equal(matching(true, 0x10002), 0);
    assert_int_equal(matching(false, 1), 2);
    lapic_base_write(&apics[1], 0xfee00000);
    assert_int_equal(matching(false, 1), 0);
    assert_int_equal(matching(false, APIC_BROADCAST), 0xfffffffd);
}

static void shorthands(void **state)
{
    struct apic_message message = fixed(false, 3); /* nobody looks at the destination */

    message.shorthand = APIC_ALL;
    assert_int_equal(deliver(4, &message, &apics[1], 4), 0xf);
    message.shorthand = APIC_OTHERS;
    message.vector = 0x51;
    for (unsigned i = 0; i < 4; i++)
        lapic_collect(&apics[i]);
    assert_int_equal(deliver(4, &message, &apics[1], 3), 0xd);
    message.shorthand = APIC_SELF;
    assert_int_equal(deliver(4, &message, &apics[1], 1), 0x2);
    lapic_base_write(&apics[2], 0xfee00000);
    for (unsigned i = 0; i < 4; i++)
        lapic_collect(&apics[i]);
    message.shorthand = APIC_ALL;
    assert_int_equal(deliver(4, &message, &apics[1], 3), 0xb);
    message.shorthand = APIC_OTHERS;
    message.mode = APIC_LOWEST;
    message.vector = 0x41; /* it would begin with the sender */
    for (unsigned i = 0; i < 4; i++)
        lapic_collect(&apics[i]);
    assert_int_equal(deliver(4, &message, &apics[1], 1), 0x8);
    message.mode = APIC_NMI;
    assert_int_equal(deliver(4, &message, &apics[1], 2), 0x9);
}

static void what_is_accepted(void **state)
{
    struct apic_message message = fixed(false, 2);
    struct lapic_events taken;

    set_of_apic(2, LAPIC_SVR, 0xff);
    assert_int_equal(deliver(4, &message, NULL, 0), 0); /* disabled by software */
    message.mode = APIC_LOWEST;
    assert_int_equal(deliver(4, &message, NULL, 0), 0);
    message.mode = APIC_INIT;
    assert_int_equal(deliver(4, &message, NULL, 1), 4);
    message.mode = APIC_STARTUP;
    message.vector = 0x9f;
    assert_int_equal(deliver(4, &message, NULL, 1), 0); /* it knows of the INIT */
    message.mode = APIC_NMI;
    deliver(4, &message, NULL, 1);
    message.mode = APIC_EXTINT;
    deliver(4, &message, NULL, 1);
    taken = lapic_take_events(&apics[2]);
    assert_true(taken.init && taken.sipi && taken.nmi && taken.extint);
    assert_int_equal(taken.sipi_vector, 0x9f);
    message.mode = APIC_SMI;
    assert_int_equal(deliver(4, &message, NULL, 1), 0);
    message.mode = (enum apic_mode)3;
    assert_int_equal(deliver(4, &message, NULL, 0), 0);
    assert_false(lapic_needs_attention(&apics[2]));

    set_of_apic(2, LAPIC_SVR, 0x1ff);
    message = fixed(false, 2);
    message.level = true;
    assert_int_equal(deliver(4, &message, NULL, 1), 4);
    lapic_collect(&apics[2]);
    assert_int_equal(lapic_pending(&apics[2]), 0x40);
    assert_int_equal(apics[2].page[(LAPIC_TMR + 0x20) / 4], 1);
    message.vector = 15; /* nobody has it, but the receiver notes it */
    assert_int_equal(deliver(4, &message, NULL, 0), 4);
    message.destination = 99;
    assert_int_equal(deliver(4, &message, NULL, 0), 0);
}

static unsigned lowest(u8 vector)
{
    struct apic_message message = { .mode = APIC_LOWEST, .vector = vector, .logical = true, .destination = 0x0f };
    u32 who = deliver(8, &message, NULL, 1);

    for (unsigned i = 0; i < 8; i++)
        lapic_collect(&apics[i]);
    assert_int_not_equal(who, 0);
    assert_int_equal(who & (who - 1), 0);
    return (unsigned)__builtin_ctz(who);
}

static void lowest_priority(void **state)
{
    u32 all = 0;

    for (unsigned i = 0; i < 8; i++)
        set_of_apic(i, LAPIC_LDR, 1u << (24 + i));
    for (u8 vector = 0x40; vector < 0x48; vector++) {
        all |= 1u << lowest(vector);
        assert_int_equal(lowest(vector), lowest(vector)); /* one vector, one processor */
    }
    assert_int_equal(all, 0x0f); /* but not all at the same */
    for (unsigned i = 0; i < 8; i++)
        set_of_apic(i, LAPIC_TPR, i == 2 ? 0x2f : i < 4 ? 0x30 : 0);
    for (u8 vector = 0x40; vector < 0x48; vector++)
        assert_int_equal(lowest(vector), 2);
    set_of_apic(2, LAPIC_SVR, 0xff); /* it cannot accept */
    for (u8 vector = 0x40; vector < 0x48; vector++)
        assert_int_not_equal(lowest(vector), 2);
    set_of_apic(1, LAPIC_TPR, 0x3f); /* the same class: the vector decides */
    assert_int_equal(lowest(0x41), 1);
    set_of_apic(3, LAPIC_TPR, 0x10);
    for (u8 vector = 0x40; vector < 0x48; vector++)
        assert_int_equal(lowest(vector), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(physical, start_enabled_apics),
        cmocka_unit_test_setup(logical_flat, start_enabled_apics),
        cmocka_unit_test_setup(logical_clusters, start_enabled_apics),
        cmocka_unit_test_setup(logical_x2apic, start_enabled_apics),
        cmocka_unit_test_setup(mixed_modes, start_enabled_apics),
        cmocka_unit_test_setup(shorthands, start_enabled_apics),
        cmocka_unit_test_setup(what_is_accepted, start_enabled_apics),
        cmocka_unit_test_setup(lowest_priority, start_enabled_apics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

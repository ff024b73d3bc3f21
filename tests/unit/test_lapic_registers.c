/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/dev/lapic_access.c in xAPIC mode: reset values, writable bits, odd accesses, the ICR, ESR, what the processor wrote. */
#include "tests/unit/lapic_support.h"

static void assert_reset_state(u32 id)
{
    assert_int_equal(get(LAPIC_ID), id << 24);
    assert_int_equal(get(LAPIC_VERSION), 0x00050014);
    assert_int_equal(get(LAPIC_TPR), 0);
    assert_int_equal(get(LAPIC_LDR), 0);
    assert_int_equal(get(LAPIC_DFR), 0xffffffff);
    assert_int_equal(get(LAPIC_SVR), 0xff);
    for (u32 offset = LAPIC_ISR; offset < LAPIC_ESR; offset += 16)
        assert_int_equal(get(offset), 0);
    assert_int_equal(get(LAPIC_ICR), 0);
    for (u32 lvt = LAPIC_LVT_TIMER; lvt <= LAPIC_LVT_ERROR; lvt += 16)
        assert_int_equal(get(lvt), 0x10000);
    assert_int_equal(get(LAPIC_TIMER_INITIAL), 0);
    assert_int_equal(get(LAPIC_TIMER_CURRENT), 0);
    assert_int_equal(get(LAPIC_TIMER_DIVIDE), 0);
    assert_int_equal(errors_now(), 0);
}

static void after_power_up(void **state)
{
    assert_reset_state(0);
    assert_int_equal(lapic_base_read(apic), 0xfee00900);
    assert_int_equal(lapic_base_read(&apics[1]), 0xfee00800);
    assert_int_equal(lapic_mmio_read(&apics[31], LAPIC_ID, 4, 0), 31u << 24);
    assert_int_equal(lapic_collect(apic), LAPIC_CHANGED_IRR | LAPIC_CHANGED_TMR);
    assert_int_equal(lapic_collect(apic), 0);
}

static void after_init(void **state)
{
    set(LAPIC_SVR, 0x1ff);
    set(LAPIC_LDR, 0x01000000);
    set(LAPIC_DFR, 0);
    set(LAPIC_TPR, 0x50);
    set(LAPIC_LVT_TIMER, 0x20030);
    set(LAPIC_TIMER_INITIAL, 100);
    set(0x400, 0); /* an error */
    lapic_post(apic, 0x81, true);
    lapic_collect(apic);
    lapic_post(apic, 0x82, false);
    lapic_post(apic, 3, false);
    lapic_post_nmi(apic);
    lapic_reset(apic);
    assert_reset_state(0);
    assert_int_equal(lapic_base_read(apic), 0xfee00900);
    assert_int_equal(lapic_timer_next(apic), LAPIC_NEVER);
    lapic_collect(apic);
    assert_int_equal(lapic_highest_irr(apic), LAPIC_NO_VECTOR);
    assert_true(lapic_take_events(apic).nmi); /* it came for whoever runs then */
}

static void writable_bits(void **state)
{
    static const struct {
        u32 offset, zeros, ones;
    } registers[] = {
        { LAPIC_ID, 0, 0 },
        { LAPIC_VERSION, 0x50014, 0x50014 },
        { LAPIC_TPR, 0, 0xff },
        { LAPIC_LDR, 0, 0xff000000 },
        { LAPIC_DFR, 0x0fffffff, 0xffffffff },
        { LAPIC_SVR, 0x100, 0x3ff }, /* see below: bit 8 stays */
        { LAPIC_ICR_HIGH, 0, 0xff000000 },
        { LAPIC_LVT_TIMER, 0, 0x700ff },
        { LAPIC_LVT_THERMAL, 0, 0x107ff },
        { LAPIC_LVT_PERFORMANCE, 0, 0x107ff },
        { LAPIC_LVT_LINT0, 0, 0x1a7ff },
        { LAPIC_LVT_LINT1, 0, 0x1a7ff },
        { LAPIC_LVT_ERROR, 0, 0x100ff },
        { LAPIC_TIMER_DIVIDE, 0, 0xb },
        { LAPIC_ISR, 0, 0 },
        { LAPIC_TMR + 0x70, 0, 0 },
        { LAPIC_IRR + 0x30, 0, 0 },
        { LAPIC_EOI, 0, 0 },
        { 0x090, 0, 0 }, /* APR */
        { 0x0c0, 0, 0 }, /* RRD */
    };

    set(LAPIC_SVR, 0x1ff);
    for (unsigned i = 0; i < sizeof registers / sizeof registers[0]; i++) {
        bool svr = registers[i].offset == LAPIC_SVR;

        set(registers[i].offset, 0xffffffff);
        assert_int_equal(get(registers[i].offset), registers[i].ones);
        set(registers[i].offset, svr ? 0x100 : 0);
        assert_int_equal(get(registers[i].offset), registers[i].zeros);
    }
    set(LAPIC_TPR, 0);
    assert_int_equal(errors_now(), 0);
    set(LAPIC_TIMER_INITIAL, 0xffffffff);
    assert_int_equal(get(LAPIC_TIMER_INITIAL), 0xffffffff);
    set(LAPIC_ICR, 0xfffff8ff & ~0xc0000u); /* fixed */
    assert_int_equal(get(LAPIC_ICR), 0xccfff & 0xfffff8ff & ~0xc0000u);
}

static void reserved_registers(void **state)
{
    static const u32 reserved[] = {
        0x000, 0x010, 0x040, 0x070, 0x290, 0x2e0, 0x2f0, 0x3a0, 0x3d0, 0x3f0, 0x400, 0xff0
    };

    for (unsigned i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        assert_int_equal(get(reserved[i]), 0);
        assert_int_equal(errors_now(), LAPIC_ILLEGAL_REGISTER);
        assert_int_equal(errors_now(), 0);
        set(reserved[i], 0xffffffff);
        assert_int_equal(errors_now(), LAPIC_ILLEGAL_REGISTER);
        assert_int_equal(get(reserved[i]), 0);
        assert_int_equal(errors_now(), LAPIC_ILLEGAL_REGISTER);
    }
}

static void odd_accesses(void **state)
{
    assert_int_equal(lapic_mmio_read(apic, LAPIC_VERSION, 1, 0), 0x14);
    assert_int_equal(lapic_mmio_read(apic, LAPIC_VERSION + 2, 1, 0), 0x05);
    assert_int_equal(lapic_mmio_read(apic, LAPIC_VERSION + 2, 2, 0), 0x05);
    assert_int_equal(lapic_mmio_read(apic, LAPIC_VERSION + 1, 4, 0), 0x500);
    assert_int_equal(lapic_mmio_read(apic, LAPIC_VERSION, 8, 0), 0x50014);
    assert_int_equal(lapic_mmio_read(apic, LAPIC_VERSION + 4, 4, 0), 0);
    for (u32 byte = 4; byte < 16; byte++)
        assert_int_equal(lapic_mmio_read(apic, LAPIC_VERSION + byte, 1, 0), 0);
    lapic_mmio_write(apic, LAPIC_TPR, 1, 0x20, 0);
    lapic_mmio_write(apic, LAPIC_TPR, 2, 0x20, 0);
    lapic_mmio_write(apic, LAPIC_TPR, 8, 0x20, 0);
    lapic_mmio_write(apic, LAPIC_TPR + 4, 4, 0x20, 0);
    lapic_mmio_write(apic, LAPIC_TPR + 1, 4, 0x20, 0);
    assert_int_equal(get(LAPIC_TPR), 0);
    assert_int_equal(errors_now(), 0);
}

static void software_disable_masks(void **state)
{
    set(LAPIC_LVT_LINT0, 0x700);
    assert_int_equal(get(LAPIC_LVT_LINT0), 0x10700);
    set(LAPIC_SVR, 0x1ff);
    set(LAPIC_LVT_LINT0, 0x700);
    set(LAPIC_LVT_TIMER, 0x40);
    assert_int_equal(get(LAPIC_LVT_LINT0), 0x700);
    set(LAPIC_SVR, 0xff);
    assert_int_equal(get(LAPIC_LVT_LINT0), 0x10700);
    assert_int_equal(get(LAPIC_LVT_TIMER), 0x10040);
    set(LAPIC_SVR, 0x1ff);
    assert_int_equal(get(LAPIC_LVT_LINT0), 0x10700); /* and they stay masked */
}

static void virtual_wire(void **state)
{
    assert_false(lapic_accepts_extint(apic));
    lapic_virtual_wire(apic);
    assert_int_equal(get(LAPIC_SVR), 0x1ff);
    assert_int_equal(get(LAPIC_LVT_LINT0), 0x700);
    assert_int_equal(get(LAPIC_LVT_LINT1), 0x400);
    assert_true(lapic_accepts_extint(apic));
    set(LAPIC_LVT_LINT0, 0x10700);
    assert_false(lapic_accepts_extint(apic));
    set(LAPIC_LVT_LINT0, 0x400);
    assert_false(lapic_accepts_extint(apic));
    assert_int_equal(lapic_base_write(apic, 0xfee00100), 0);
    assert_true(lapic_accepts_extint(apic));
    assert_int_equal(lapic_base_write(&apics[1], 0xfee00000), 0);
    assert_false(lapic_accepts_extint(&apics[1]));
}

static void assert_sent(u32 icr, enum apic_mode mode, u8 vector, bool logical, enum apic_shorthand shorthand,
                        u32 destination)
{
    unsigned before = seen.sends;

    set(LAPIC_ICR, icr);
    assert_int_equal(seen.sends, before + 1);
    assert_int_equal(seen.message.mode, mode);
    assert_int_equal(seen.message.vector, vector);
    assert_int_equal(seen.message.logical, logical);
    assert_int_equal(seen.message.shorthand, shorthand);
    assert_int_equal(seen.message.destination, destination);
    assert_false(seen.message.level);
}

static void assert_not_sent(u32 icr)
{
    unsigned before = seen.sends;

    set(LAPIC_ICR, icr);
    assert_int_equal(seen.sends, before);
}

static void interrupt_command(void **state)
{
    set(LAPIC_ICR_HIGH, 0x05ffffff);
    assert_sent(0x40fb, APIC_FIXED, 0xfb, false, APIC_NO_SHORTHAND, 5);
    assert_sent(0xc9fb, APIC_LOWEST, 0xfb, true, APIC_NO_SHORTHAND, 5);
    assert_sent(0x4400, APIC_NMI, 0, false, APIC_NO_SHORTHAND, 5);
    assert_sent(0x4200, APIC_SMI, 0, false, APIC_NO_SHORTHAND, 5);
    assert_sent(0xc500, APIC_INIT, 0, false, APIC_NO_SHORTHAND, 5);
    assert_sent(0x0500, APIC_INIT, 0, false, APIC_NO_SHORTHAND, 5);
    assert_not_sent(0x8500); /* the INIT level de-assert */
    assert_sent(0x4608, APIC_STARTUP, 8, false, APIC_NO_SHORTHAND, 5);
    assert_not_sent(0x4300);
    assert_not_sent(0x4700);
    set(LAPIC_ICR_HIGH, 0xff000000);
    assert_sent(0x4030, APIC_FIXED, 0x30, false, APIC_NO_SHORTHAND, APIC_BROADCAST);
    assert_sent(0x84030, APIC_FIXED, 0x30, false, APIC_ALL, APIC_BROADCAST);
    assert_sent(0xc4030, APIC_FIXED, 0x30, false, APIC_OTHERS, APIC_BROADCAST);
    assert_sent(0xc4500, APIC_INIT, 0, false, APIC_OTHERS, APIC_BROADCAST);
    assert_sent(0x84400, APIC_NMI, 0, false, APIC_ALL, APIC_BROADCAST);
    assert_not_sent(0x84500);
    assert_not_sent(0x84600);
    assert_not_sent(0x44500);
    assert_not_sent(0x44600);
    assert_not_sent(0x44200);
    assert_false(lapic_needs_attention(apic));
    assert_int_equal(errors_now(), 0);
}

static void interrupts_to_itself(void **state)
{
    set(LAPIC_ICR, 0x44055); /* disabled by software: not accepted */
    assert_false(lapic_needs_attention(apic));
    set(LAPIC_SVR, 0x1ff);
    set(LAPIC_ICR, 0x44055);
    assert_int_equal(get(LAPIC_IRR + 0x20), 1u << 21);
    assert_int_equal(lapic_collect(apic) & LAPIC_CHANGED_IRR, LAPIC_CHANGED_IRR); /* the read did not hide it */
    assert_int_equal(lapic_pending(apic), 0x55);
    set(LAPIC_ICR, 0x44400);
    assert_true(lapic_take_events(apic).nmi);
    assert_int_equal(seen.sends, 0);
}

static void illegal_vectors(void **state)
{
    set(LAPIC_SVR, 0x1ff);
    set(LAPIC_ICR_HIGH, 0x01000000);
    assert_sent(0x400f, APIC_FIXED, 15, false, APIC_NO_SHORTHAND, 1);
    assert_int_equal(errors_now(), LAPIC_SEND_ILLEGAL_VECTOR);
    assert_sent(0x4010, APIC_FIXED, 16, false, APIC_NO_SHORTHAND, 1);
    assert_sent(0x4600, APIC_STARTUP, 0, false, APIC_NO_SHORTHAND, 1);
    assert_int_equal(errors_now(), 0);
    set(LAPIC_ICR, 0x44003);
    lapic_collect(apic);
    assert_int_equal(errors_now(), LAPIC_SEND_ILLEGAL_VECTOR | LAPIC_RECEIVE_ILLEGAL_VECTOR);
    lapic_post(apic, 15, false);
    assert_int_equal(get(LAPIC_IRR), 0);
    lapic_collect(apic);
    assert_int_equal(get(LAPIC_ESR),
                     LAPIC_SEND_ILLEGAL_VECTOR | LAPIC_RECEIVE_ILLEGAL_VECTOR); /* until it is written */
    assert_int_equal(errors_now(), LAPIC_RECEIVE_ILLEGAL_VECTOR);
    assert_int_equal(get(LAPIC_IRR), 0);
}

static void error_interrupt(void **state)
{
    set(0x400, 0); /* while it is masked */
    set(LAPIC_SVR, 0x1ff);
    set(LAPIC_LVT_ERROR, 0xfe);
    set(0x400, 0);
    lapic_collect(apic);
    assert_int_equal(lapic_pending(apic), LAPIC_NO_VECTOR); /* not the first since ESR was written */
    assert_int_equal(errors_now(), LAPIC_ILLEGAL_REGISTER);
    set(0x400, 0);
    lapic_collect(apic);
    assert_int_equal(lapic_pending(apic), 0xfe);
    lapic_acknowledge(apic, 0xfe);
    set(LAPIC_EOI, 0);
    set(0x410, 0);
    lapic_collect(apic);
    assert_int_equal(lapic_pending(apic), LAPIC_NO_VECTOR);
    set(LAPIC_ESR, 0);
    assert_true(lapic_post(apic, 1, false)); /* from another processor: one collect is enough */
    lapic_collect(apic);
    assert_int_equal(lapic_pending(apic), 0xfe);
    set(LAPIC_ESR, 0);
    set(LAPIC_LVT_ERROR, 0x0e); /* an error while it tells of an error */
    set(0x400, 0);
    assert_int_equal(errors_now(), LAPIC_ILLEGAL_REGISTER | LAPIC_RECEIVE_ILLEGAL_VECTOR);
}

/* The processor stores first, whatever the guest gave it, and tells then. */
static void written_by_the_processor(void **state)
{
    static const u32 offsets[] = { LAPIC_ID,        LAPIC_LDR,       LAPIC_DFR, LAPIC_SVR,         LAPIC_ESR,
                                   LAPIC_LVT_TIMER, LAPIC_LVT_LINT0, LAPIC_TPR, LAPIC_TIMER_DIVIDE };

    lapic_virtual_wire(apic);
    for (unsigned i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        u32 expected;

        set(offsets[i], 0xdeadbeef & ~0x400u);
        expected = get(offsets[i]);
        set(offsets[i], 0x100);
        apic->page[offsets[i] / 4] = 0xdeadbeef & ~0x400u;
        lapic_wrote(apic, offsets[i], 0);
        assert_int_equal(apic->page[offsets[i] / 4], expected);
    }
    apic->page[LAPIC_ICR_HIGH / 4] = 0x03000000;
    apic->page[LAPIC_ICR / 4] = 0x40f1;
    lapic_wrote(apic, LAPIC_ICR, 0);
    assert_int_equal(seen.sends, 1);
    assert_int_equal(seen.message.destination, 3);
    assert_int_equal(seen.message.vector, 0xf1);
    set(LAPIC_TPR, 0);
    lapic_post(apic, 0x77, true);
    lapic_collect(apic);
    lapic_acknowledge(apic, 0x77);
    apic->page[LAPIC_EOI / 4] = 0x1234;
    lapic_wrote(apic, LAPIC_EOI, 0);
    assert_int_equal(apic->page[LAPIC_EOI / 4], 0);
    assert_int_equal(lapic_highest_isr(apic), LAPIC_NO_VECTOR);
    assert_int_equal(seen.ended, 0x77);
}

static void timer_written_by_the_processor(void **state)
{
    set(LAPIC_SVR, 0x1ff);
    set(LAPIC_TIMER_DIVIDE, 0xb);
    apic->page[LAPIC_LVT_TIMER / 4] = 0x20040;
    lapic_wrote(apic, LAPIC_LVT_TIMER, 0);
    apic->page[LAPIC_TIMER_INITIAL / 4] = 100;
    lapic_wrote(apic, LAPIC_TIMER_INITIAL, 0);
    assert_int_equal(lapic_timer_next(apic), 1600);
    /* It is due when the new vector is written: the old one fires. */
    apic->page[LAPIC_LVT_TIMER / 4] = 0x20050;
    lapic_wrote(apic, LAPIC_LVT_TIMER, 1600);
    lapic_collect(apic);
    assert_int_equal(lapic_highest_irr(apic), 0x40);
}

static void task_priority_of_cr8(void **state)
{
    lapic_cr8_write(apic, 0xa);
    assert_int_equal(get(LAPIC_TPR), 0xa0);
    assert_int_equal(get(LAPIC_PPR), 0xa0);
    set(LAPIC_TPR, 0x3f);
    assert_int_equal(lapic_cr8_read(apic), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(after_power_up, start_apics),
        cmocka_unit_test_setup(after_init, start_apics),
        cmocka_unit_test_setup(writable_bits, start_apics),
        cmocka_unit_test_setup(reserved_registers, start_apics),
        cmocka_unit_test_setup(odd_accesses, start_apics),
        cmocka_unit_test_setup(software_disable_masks, start_apics),
        cmocka_unit_test_setup(virtual_wire, start_apics),
        cmocka_unit_test_setup(interrupt_command, start_apics),
        cmocka_unit_test_setup(interrupts_to_itself, start_apics),
        cmocka_unit_test_setup(illegal_vectors, start_apics),
        cmocka_unit_test_setup(error_interrupt, start_apics),
        cmocka_unit_test_setup(written_by_the_processor, start_apics),
        cmocka_unit_test_setup(timer_written_by_the_processor, start_apics),
        cmocka_unit_test_setup(task_priority_of_cr8, start_apics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

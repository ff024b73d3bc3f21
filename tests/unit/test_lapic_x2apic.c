/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/dev/lapic_access.c: the modes of IA32_APIC_BASE, and the registers as MSRs. */
#include "tests/unit/lapic_support.h"

static u64 read_msr(u32 msr)
{
    u64 value = 0x123456789abcdef;

    assert_int_equal(lapic_msr_read(apic, msr, &value, 0), 0);
    return value;
}

static int write_msr(u32 msr, u64 value)
{
    return lapic_msr_write(apic, msr, value, 0);
}

static int start_x2apic(void **state)
{
    start_apics(state);
    enable_x2apic(apic);
    assert_int_equal(write_msr(0x80f, 0x1ff), 0);
    return 0;
}

enum { DISABLED = 0xfee00000, XAPIC = 0xfee00800, X2APIC = 0xfee00c00, INVALID = 0xfee00400 };

static void modes(void **state)
{
    static const struct {
        u32 from, to;
        int result;
    } transitions[] = {
        { DISABLED, DISABLED, 0 },      { DISABLED, XAPIC, 0 },      { DISABLED, X2APIC, -EINVAL },
        { DISABLED, INVALID, -EINVAL }, { XAPIC, DISABLED, 0 },      { XAPIC, XAPIC, 0 },
        { XAPIC, X2APIC, 0 },           { XAPIC, INVALID, -EINVAL }, { X2APIC, DISABLED, 0 },
        { X2APIC, XAPIC, -EINVAL },     { X2APIC, X2APIC, 0 },       { X2APIC, INVALID, -EINVAL },
    };

    for (unsigned i = 0; i < sizeof transitions / sizeof transitions[0]; i++) {
        start_apics(state);
        if (transitions[i].from == X2APIC)
            assert_int_equal(lapic_base_write(apic, X2APIC), 0);
        if (transitions[i].from == DISABLED)
            assert_int_equal(lapic_base_write(apic, DISABLED), 0);
        assert_int_equal(lapic_base_write(apic, transitions[i].from), 0);
        assert_int_equal(lapic_base_write(apic, transitions[i].to), transitions[i].result);
        assert_int_equal(lapic_base_read(apic), transitions[i].result ? transitions[i].from : transitions[i].to);
    }
}

static void reserved_bits_of_base(void **state)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        bool flag = bit == 8 || bit == 10 || bit == 11;

        start_apics(state);
        assert_int_equal(lapic_base_write(apic, XAPIC ^ 1ull << bit), flag ? 0 : -EINVAL);
    }
}

static void disabled_forgets(void **state)
{
    set(LAPIC_SVR, 0x1ff);
    set(LAPIC_LVT_TIMER, 0x20030);
    set(LAPIC_TIMER_INITIAL, 10);
    lapic_post(apic, 0x40, false);
    lapic_collect(apic);
    assert_int_equal(lapic_pending(apic), 0x40);
    assert_int_equal(lapic_base_write(apic, DISABLED), 0);
    assert_int_equal(lapic_highest_irr(apic), LAPIC_NO_VECTOR);
    assert_int_equal(lapic_timer_next(apic), LAPIC_NEVER);
    lapic_post(apic, 0x40, false); /* from a sender that saw it enabled */
    lapic_collect(apic);
    assert_int_equal(lapic_pending(apic), LAPIC_NO_VECTOR);
    assert_false(lapic_has_mmio(apic));
    assert_int_equal(get(LAPIC_VERSION), 0xffffffff);
    assert_int_equal(lapic_mmio_read(apic, LAPIC_VERSION, 8, 0), UINT64_MAX);
    set(LAPIC_SVR, 0x1ff);
    assert_int_equal(lapic_base_write(apic, XAPIC), 0);
    assert_int_equal(get(LAPIC_SVR), 0xff);
}

static void mmio_is_absent(void **state)
{
    assert_false(lapic_has_mmio(apic));
    assert_int_equal(get(LAPIC_VERSION), 0xffffffff);
    set(LAPIC_TPR, 0x20);
    assert_int_equal(read_msr(0x808), 0);
}

static void msrs_are_absent_in_xapic_mode(void **state)
{
    u64 value;

    for (u32 msr = LAPIC_MSR_FIRST; msr <= LAPIC_MSR_LAST; msr++) {
        assert_int_equal(lapic_msr_read(apic, msr, &value, 0), -EINVAL);
        assert_int_equal(lapic_msr_write(apic, msr, 0, 0), -EINVAL);
    }
}

static void what_can_be_read_and_written(void **state)
{
    for (u32 msr = LAPIC_MSR_FIRST; msr <= LAPIC_MSR_LAST; msr++) {
        u32 n = msr - LAPIC_MSR_FIRST;
        bool vectors = n >= 0x10 && n <= 0x27;
        bool both = n == 0x08 || n == 0x0f || n == 0x28 || n == 0x30 || (n >= 0x32 && n <= 0x38) || n == 0x3e;
        bool reads = both || vectors || n == 0x02 || n == 0x03 || n == 0x0a || n == 0x0d || n == 0x39;
        bool writes = both || n == 0x0b || n == 0x3f;
        u64 value = 0x77;

        assert_int_equal(lapic_msr_read(apic, msr, &value, 0), reads ? 0 : -EINVAL);
        if (!reads)
            assert_int_equal(value, 0x77);
        assert_int_equal(write_msr(msr, 0), writes ? 0 : -EINVAL);
    }
}

static void reserved_bits(void **state)
{
    static const struct {
        u32 msr;
        u64 legal;
    } registers[] = {
        { 0x808, 0xff },    { 0x80b, 0 },
        { 0x80f, 0x3ff },   { 0x828, 0 },
        { 0x832, 0x710ff }, { 0x833, 0x117ff },
        { 0x834, 0x117ff }, { 0x835, 0x1f7ff },
        { 0x836, 0x1f7ff }, { 0x837, 0x110ff },
        { 0x838, ~0u },     { 0x83e, 0xb },
        { 0x83f, 0xff },    { 0x830, 0xffffffff000cdfff },
    };

    for (unsigned i = 0; i < sizeof registers / sizeof registers[0]; i++) {
        for (unsigned bit = 0; bit < 64; bit++) {
            u64 value = 1ull << bit;

            assert_int_equal(write_msr(registers[i].msr, value), registers[i].legal & value ? 0 : -EINVAL);
        }
    }
}

static void identity(void **state)
{
    assert_int_equal(read_msr(0x802), 0);
    assert_int_equal(read_msr(0x803), 0x50014);
    assert_int_equal(read_msr(0x80d), 1);
    for (u32 i = 1; i < APICS; i++) {
        u64 value;

        enable_x2apic(&apics[i]);
        assert_int_equal(lapic_msr_read(&apics[i], 0x802, &value, 0), 0);
        assert_int_equal(value, i);
        assert_int_equal(lapic_msr_read(&apics[i], 0x80d, &value, 0), 0);
        assert_int_equal(value, (i >= 16 ? 0x10000 : 0) | 1u << i % 16);
    }
    lapic_reset(&apics[17]); /* INIT stays in the mode */
    assert_int_equal(lapic_base_read(&apics[17]), X2APIC);
    assert_int_equal(apics[17].page[LAPIC_ID / 4], 17);
    assert_int_equal(apics[17].page[LAPIC_LDR / 4], 0x10002);
    assert_int_equal(lapic_base_write(&apics[17], DISABLED), 0);
    assert_int_equal(lapic_base_write(&apics[17], XAPIC), 0);
    assert_int_equal(lapic_mmio_read(&apics[17], LAPIC_ID, 4, 0), 17u << 24);
    assert_int_equal(lapic_mmio_read(&apics[17], LAPIC_LDR, 4, 0), 0);
}

static void interrupt_command(void **state)
{
    assert_int_equal(write_msr(0x830, 0x00010002000048f3ull), 0);
    assert_int_equal(seen.sends, 1);
    assert_int_equal(seen.message.destination, 0x10002);
    assert_true(seen.message.logical);
    assert_int_equal(seen.message.vector, 0xf3);
    assert_int_equal(read_msr(0x830), 0x00010002000048f3ull);
    assert_int_equal(write_msr(0x830, 0x000000ff00004030ull), 0);
    assert_int_equal(seen.message.destination, 0xff); /* a processor, not all of them */
    assert_int_equal(write_msr(0x830, 0xffffffff00004030ull), 0);
    assert_int_equal(seen.message.destination, APIC_BROADCAST);
    assert_int_equal(write_msr(0x830, 0x00000002000c4500ull), 0);
    assert_int_equal(seen.message.shorthand, APIC_OTHERS);
    assert_int_equal(seen.sends, 4);
    assert_int_equal(write_msr(0x830, 0x00000002000050f3ull), 0); /* bit 12 is ignored */
    assert_int_equal(read_msr(0x830), 0x00000002000040f3ull);
}

static void self_ipi(void **state)
{
    assert_int_equal(write_msr(0x83f, 0x31), 0);
    lapic_collect(apic);
    assert_int_equal(lapic_pending(apic), 0x31);
    assert_int_equal(write_msr(0x83f, 0x0f), 0);
    lapic_collect(apic);
    assert_int_equal(write_msr(0x828, 0), 0);
    assert_int_equal(read_msr(0x828), LAPIC_SEND_ILLEGAL_VECTOR | LAPIC_RECEIVE_ILLEGAL_VECTOR);
    assert_int_equal(seen.sends, 0);
    assert_int_equal(write_msr(0x80f, 0xff), 0);
    assert_int_equal(write_msr(0x83f, 0x91), 0);
    lapic_collect(apic);
    assert_int_equal(lapic_pending(apic), 0x31);
}

static void end_of_interrupt(void **state)
{
    lapic_post(apic, 0x31, true);
    lapic_collect(apic);
    lapic_acknowledge(apic, 0x31);
    assert_int_equal(write_msr(0x80b, 1), -EINVAL);
    assert_int_equal(lapic_highest_isr(apic), 0x31);
    assert_int_equal(write_msr(0x80b, 0), 0);
    assert_int_equal(lapic_highest_isr(apic), LAPIC_NO_VECTOR);
    assert_int_equal(seen.ended, 0x31);
}

static void settings_survive_the_change(void **state)
{
    set(LAPIC_SVR, 0x1ff);
    set(LAPIC_LVT_LINT0, 0x700);
    set(LAPIC_TPR, 0x30);
    set(LAPIC_ICR_HIGH, 0x05000000);
    enable_x2apic(apic);
    assert_int_equal(read_msr(0x80f), 0x1ff);
    assert_int_equal(read_msr(0x835), 0x700);
    assert_int_equal(read_msr(0x808), 0x30);
    assert_int_equal(read_msr(0x830), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(modes, start_apics),
        cmocka_unit_test_setup(reserved_bits_of_base, start_apics),
        cmocka_unit_test_setup(disabled_forgets, start_apics),
        cmocka_unit_test_setup(mmio_is_absent, start_x2apic),
        cmocka_unit_test_setup(msrs_are_absent_in_xapic_mode, start_apics),
        cmocka_unit_test_setup(what_can_be_read_and_written, start_x2apic),
        cmocka_unit_test_setup(reserved_bits, start_x2apic),
        cmocka_unit_test_setup(identity, start_x2apic),
        cmocka_unit_test_setup(interrupt_command, start_x2apic),
        cmocka_unit_test_setup(self_ipi, start_x2apic),
        cmocka_unit_test_setup(end_of_interrupt, start_x2apic),
        cmocka_unit_test_setup(settings_survive_the_change, start_apics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

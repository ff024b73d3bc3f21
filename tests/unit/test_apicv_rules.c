/* SPDX-License-Identifier: BSD-2-Clause */
/* What the processor is told about a local APIC that it virtualizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/x86/apicv_rules.h"

static const struct vcpu_apic quiet = { .is_enabled = true, .accepts = true, .irr = -1, .isr = -1 };
static const struct vmx_caps full = {
    .tpr_shadow = true,
    .virtual_x2apic = true,
    .virtual_interrupts = true,
    .apic_registers = true,
};

static void status_is_highest_requested_and_in_service(void **state)
{
    struct vcpu_apic apic = quiet;

    assert_int_equal(apicv_interrupt_status(&apic, false), 0);
    apic.irr = 0xfe;
    assert_int_equal(apicv_interrupt_status(&apic, false), 0x00fe);
    apic.isr = 0x31;
    assert_int_equal(apicv_interrupt_status(&apic, false), 0x31fe);
    apic.irr = -1;
    assert_int_equal(apicv_interrupt_status(&apic, false), 0x3100);
}

/* What is in service still counts: it is what the guest's next EOI ends. */
static void nothing_is_requested_of_one_that_is_held_or_off(void **state)
{
    struct vcpu_apic apic = quiet;

    apic.irr = 0x80;
    apic.isr = 0x31;
    assert_int_equal(apicv_interrupt_status(&apic, true), 0x3100);
    apic.is_enabled = false;
    assert_int_equal(apicv_interrupt_status(&apic, false), 0x3100);
}

static u8 threshold(int irr, int isr, u8 tpr)
{
    struct vcpu_apic apic = quiet;

    apic.irr = irr;
    apic.isr = isr;
    apic.tpr = tpr;
    return apicv_tpr_threshold(&apic);
}

static void threshold_is_the_class_that_tpr_keeps_back(void **state)
{
    assert_int_equal(threshold(-1, -1, 0xf0), 0);
    assert_int_equal(threshold(0x52, -1, 0x50), 5);
    assert_int_equal(threshold(0x52, -1, 0xf0), 5);
    assert_int_equal(threshold(0x52, 0x41, 0x50), 5);
    assert_int_equal(threshold(0x52, -1, 0x5f), 5);
    /* not TPR: it would be delivered, or the one in service keeps it back */
    assert_int_equal(threshold(0x52, -1, 0x4f), 0);
    assert_int_equal(threshold(0x52, 0x51, 0x60), 0);
    assert_int_equal(threshold(0x52, 0x61, 0x60), 0);
}

/* VM entry fails otherwise. */
static void threshold_is_never_above_tpr(void **state)
{
    struct vcpu_apic off = quiet;

    for (int irr = -1; irr < 256; irr++)
        for (int tpr = 0; tpr < 256; tpr++)
            for (int isr = -1; isr < 256; isr += 15)
                assert_true(threshold(irr, isr, (u8)tpr) <= tpr >> 4);
    off.is_enabled = false;
    off.irr = 0x52;
    off.tpr = 0xf0;
    assert_int_equal(apicv_tpr_threshold(&off), 0);
}

/* The numbers of the MSRs that pass, as a list of ranges, ended by one that is empty. */
struct range {
    unsigned first, last;
};

static bool in(const struct range *ranges, unsigned n)
{
    for (; ranges->last; ranges++)
        if (n >= ranges->first && n <= ranges->last)
            return true;
    return false;
}

static void assert_passes(const struct vcpu_apic *apic, const struct vmx_caps *caps, const struct range *reads,
                          const struct range *writes)
{
    for (unsigned n = 0; n < 256; n++) {
        struct apicv_msr msr = apicv_msr(apic, caps, (u8)n);

        if (msr.reads != in(reads, n) || msr.writes != in(writes, n))
            fail_msg("MSR %#x: %s%s", 0x800 + n, msr.reads ? "reads " : "", msr.writes ? "writes" : "");
    }
}

static const struct range none[] = { { 0, 0 } };
static const struct range tpr[] = { { 0x08, 0x08 }, { 0, 0 } };
/* SDM table 11-6, without the current count (0x39) and what can only be written (0x0b, 0x3f). */
static const struct range all_reads[] = { { 0x02, 0x03 }, { 0x08, 0x08 }, { 0x0a, 0x0a },
                                          { 0x0d, 0x0d }, { 0x0f, 0x28 }, { 0x30, 0x30 },
                                          { 0x32, 0x38 }, { 0x3e, 0x3e }, { 0, 0 } };
static const struct range all_writes[] = { { 0x08, 0x08 }, { 0x0b, 0x0b }, { 0x3f, 0x3f }, { 0, 0 } };
static const struct range deaf_writes[] = { { 0x08, 0x08 }, { 0x0b, 0x0b }, { 0, 0 } };

static void msrs_pass_in_x2apic_mode(void **state)
{
    struct vcpu_apic apic = quiet;

    assert_passes(&apic, &full, none, none);
    apic.is_x2apic = true;
    assert_passes(&apic, &full, all_reads, all_writes);
    apic.accepts = false;
    assert_passes(&apic, &full, all_reads, deaf_writes);
    apic.is_enabled = false;
    assert_passes(&apic, &full, none, none);
}

static void msrs_pass_as_far_as_the_processor_can(void **state)
{
    struct vcpu_apic apic = quiet;
    struct vmx_caps caps = full;

    apic.is_x2apic = true;
    caps.apic_registers = false;
    assert_passes(&apic, &caps, tpr, all_writes);
    caps.virtual_interrupts = false;
    assert_passes(&apic, &caps, tpr, tpr);
    caps.virtual_x2apic = false;
    assert_passes(&apic, &caps, none, none);
    caps = full;
    caps.virtual_x2apic = false;
    assert_passes(&apic, &caps, none, none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_is_highest_requested_and_in_service),
        cmocka_unit_test(nothing_is_requested_of_one_that_is_held_or_off),
        cmocka_unit_test(threshold_is_the_class_that_tpr_keeps_back),
        cmocka_unit_test(threshold_is_never_above_tpr),
        cmocka_unit_test(msrs_pass_in_x2apic_mode),
        cmocka_unit_test(msrs_pass_as_far_as_the_processor_can),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

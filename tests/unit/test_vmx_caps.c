/* SPDX-License-Identifier: BSD-2-Clause */
/* The judgement of a processor's VMX: what stops slat, with which words, and what selects another policy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "arch/x86/msr.h"
#include "arch/x86/vmx_caps.h"
#include "arch/x86/vmx_controls.h"

/* A processor that has everything and demands nothing: the tests take things away. */
static struct vmx_msrs full(void)
{
    return (struct vmx_msrs){
        .intel = true,
        .vmx = true,
        .feature_control = FEATURE_CONTROL_LOCKED | FEATURE_CONTROL_VMX,
        .basic = 0x12 | 0x1000ull << 32 | MEMORY_TYPE_WB << 50 | VMX_BASIC_INS_OUTS_INFO | VMX_BASIC_TRUE_CONTROLS,
        .pin = 0xffffffffull << 32 | 0x16,
        .cpu = 0xffffffffull << 32 | 0x4006172,
        .cpu2 = 0xffffffffull << 32,
        .exit = 0xffffffffull << 32 | 0x36dfb,
        .entry = 0xffffffffull << 32 | 0x11fb,
        .misc = 5,
        .cr0_fixed0 = 0x80000021,
        .cr0_fixed1 = 0xffffffff,
        .cr4_fixed0 = 0x2000,
        .cr4_fixed1 = 0x7727ff,
        .ept_vpid = EPT_CAP_EXECUTE_ONLY | EPT_CAP_WALK_4 | EPT_CAP_WB | EPT_CAP_2M | EPT_CAP_1G | EPT_CAP_INVEPT |
                    EPT_CAP_AD | EPT_CAP_INVEPT_SINGLE | EPT_CAP_INVEPT_ALL | EPT_CAP_INVVPID | EPT_CAP_INVVPID_ALL,
        .physical_bits = 46,
        .linear_bits = 57,
    };
}

static struct vmx_caps caps;
static bool enable;
static char reason[VMX_REASON_SIZE];

static int check(const struct vmx_msrs *msrs)
{
    memset(&caps, 0xee, sizeof(caps));
    enable = false;
    reason[0] = 0;
    return vmx_caps_check(msrs, &caps, &enable, reason);
}

static void assert_stops(const struct vmx_msrs *msrs, int error, const char *words)
{
    assert_int_equal(check(msrs), error);
    if (!strstr(reason, words))
        fail_msg("\"%s\" does not say \"%s\"", reason, words);
}

/* Without control bit(s): the high half says what may be 1. */
static u64 without(u64 msr, u32 bits)
{
    return msr & ~((u64)bits << 32);
}

static void test_full_processor(void **state)
{
    struct vmx_msrs m = full();

    assert_int_equal(check(&m), 0);
    assert_string_equal(caps.missing, "");
    assert_int_equal(caps.revision, 0x12);
    assert_true(caps.unrestricted && caps.vpid && caps.page_2m && caps.page_1g && caps.access_dirty &&
                caps.execute_only && caps.pml && caps.save_timer);
    assert_int_equal(caps.timer_shift, 5);
    assert_int_equal(caps.physical_bits, 46);
    assert_int_equal(caps.linear_bits, 57);
    assert_false(enable);
    /* what must be 1 is 1, and what slat relies on */
    assert_int_equal(caps.pin & 0x16, 0x16);
    assert_true(caps.pin & PIN_PREEMPTION_TIMER);
    assert_int_equal(caps.cpu & 0x4006172, 0x4006172);
    assert_true(caps.cpu & CPU_UNCOND_IO && caps.cpu & CPU_HLT && caps.cpu & CPU_MWAIT && caps.cpu & CPU_MSR_BITMAPS);
    assert_true(caps.cpu2 & CPU2_EPT && caps.cpu2 & CPU2_UNRESTRICTED && caps.cpu2 & CPU2_VPID);
    assert_false(caps.cpu2 & CPU2_PML); /* only while something is logged */
    assert_true(caps.exit & EXIT_HOST_LONG && caps.exit & EXIT_SAVE_EFER && caps.exit & EXIT_ACK_INTERRUPT);
    assert_true(caps.exit & EXIT_SAVE_TIMER);
    assert_true(caps.entry & ENTRY_LOAD_EFER);
    assert_false(caps.entry & ENTRY_LONG_MODE);
}

static void test_not_intel(void **state)
{
    struct vmx_msrs m = { .intel = false };

    assert_stops(&m, -ENODEV, "not an Intel processor");
}

static void test_no_vmx(void **state)
{
    struct vmx_msrs m = { .intel = true };

    assert_stops(&m, -ENODEV, "no VMX");
}

static void test_locked_off(void **state)
{
    struct vmx_msrs m = full();

    m.feature_control = FEATURE_CONTROL_LOCKED;
    assert_stops(&m, -EPERM, "firmware has locked VMX off (IA32_FEATURE_CONTROL = 0x1)");
    assert_non_null(strstr(reason, "firmware setup"));
    /* VMX inside SMX only is off for us */
    m.feature_control = FEATURE_CONTROL_LOCKED | FEATURE_CONTROL_VMX_IN_SMX;
    assert_stops(&m, -EPERM, "locked VMX off");
}

static void test_left_open_by_firmware(void **state)
{
    struct vmx_msrs m = full();

    m.feature_control = 0;
    assert_int_equal(check(&m), 0);
    assert_true(enable);
    m.feature_control = FEATURE_CONTROL_VMX; /* on, but not locked: VMXON would fault all the same */
    assert_int_equal(check(&m), 0);
    assert_true(enable);
}

static void test_needed_and_missing(void **state)
{
    struct vmx_msrs m = full();

    m.cpu2 = 0;
    m.cpu = without(m.cpu, CPU_SECONDARY);
    m.ept_vpid = 0;
    m.pin =
        without(m.pin, PIN_PREEMPTION_TIMER); /* an old processor lacks more than one thing: EPT is the one to name */
    assert_stops(&m, -ENODEV, "lacks EPT");
    m = full();
    m.pin = without(m.pin, PIN_PREEMPTION_TIMER);
    assert_stops(&m, -ENODEV, "lacks a preemption timer");
    m = full();
    m.cpu = without(m.cpu, CPU_MSR_BITMAPS);
    assert_stops(&m, -ENODEV, "lacks MSR bitmaps");
    m = full();
    m.exit = without(m.exit, EXIT_LOAD_EFER);
    assert_stops(&m, -ENODEV, "EFER and PAT switching at VM exit");
    m = full();
    m.entry = without(m.entry, ENTRY_LOAD_PAT);
    assert_stops(&m, -ENODEV, "EFER and PAT switching at VM entry");
    m = full();
    m.ept_vpid &= ~EPT_CAP_INVEPT_ALL;
    assert_stops(&m, -ENODEV, "lacks INVEPT");
    m = full();
    m.ept_vpid &= ~EPT_CAP_WALK_4;
    assert_stops(&m, -ENODEV, "EPT with 4 levels");
    m = full();
    m.basic &= ~(0xfull << 50);
    assert_stops(&m, -ENODEV, "IA32_VMX_BASIC");
}

static void test_wanted_and_missing(void **state)
{
    struct vmx_msrs m = full();

    m.cpu2 = without(m.cpu2, CPU2_UNRESTRICTED);
    m.ept_vpid &= ~(EPT_CAP_1G | EPT_CAP_AD);
    assert_int_equal(check(&m), 0);
    assert_string_equal(caps.missing, "unrestricted guest, 1G pages, A/D bits, PML");
    assert_false(caps.unrestricted || caps.page_1g || caps.access_dirty || caps.pml);
    assert_false(caps.cpu2 & CPU2_UNRESTRICTED);
    assert_true(caps.page_2m);
}

/* A VPID without a way to drop its translations is not used. */
static void test_vpid_needs_invvpid(void **state)
{
    struct vmx_msrs m = full();

    m.ept_vpid &= ~EPT_CAP_INVVPID_ALL;
    assert_int_equal(check(&m), 0);
    assert_false(caps.vpid);
    assert_false(caps.cpu2 & CPU2_VPID);
    assert_string_equal(caps.missing, "VPID");
}

/* Without D bits nothing is logged, whatever the controls say; and A/D bits are of use without PML. */
static void test_pml_needs_dirty_bits(void **state)
{
    struct vmx_msrs m = full();

    m.ept_vpid &= ~EPT_CAP_AD;
    assert_int_equal(check(&m), 0);
    assert_false(caps.pml);
    m = full();
    m.cpu2 = without(m.cpu2, CPU2_PML);
    assert_int_equal(check(&m), 0);
    assert_false(caps.pml);
    assert_true(caps.access_dirty);
    assert_string_equal(caps.missing, "PML");
}

static void test_timer_that_is_not_saved(void **state)
{
    struct vmx_msrs m = full();

    m.exit = without(m.exit, EXIT_SAVE_TIMER);
    assert_int_equal(check(&m), 0);
    assert_false(caps.save_timer);
    assert_false(caps.exit & EXIT_SAVE_TIMER);
    assert_string_equal(caps.missing, "");
}

static void test_apic_virtualization(void **state)
{
    const u32 cr8 = CPU_CR8_LOAD | CPU_CR8_STORE, page = CPU2_APIC_REGISTERS | CPU2_VIRTUAL_INTERRUPTS;
    struct vmx_msrs m = full();

    assert_int_equal(check(&m), 0);
    assert_true(caps.tpr_shadow && caps.virtual_x2apic && caps.virtual_interrupts && caps.apic_registers);
    assert_int_equal(caps.cpu & (cr8 | CPU_TPR_SHADOW), CPU_TPR_SHADOW);
    assert_int_equal(caps.cpu2 & (page | CPU2_VIRTUAL_X2APIC), page); /* x2APIC mode follows the guest */

    vmx_caps_forgo_apic(&caps);
    assert_false(caps.tpr_shadow || caps.virtual_x2apic || caps.virtual_interrupts || caps.apic_registers);
    assert_int_equal(caps.cpu & (cr8 | CPU_TPR_SHADOW), cr8);
    assert_int_equal(caps.cpu2 & page, 0);
    assert_true(caps.cpu2 & CPU2_EPT && caps.cpu & CPU_HLT);
    assert_string_equal(caps.missing, "APIC virtualization");
}

/* VM entry refuses everything else without the TPR shadow, and PPR in the page would be stale without virtual interrupts. */
static void test_apic_virtualization_in_part(void **state)
{
    const u32 cr8 = CPU_CR8_LOAD | CPU_CR8_STORE, page = CPU2_APIC_REGISTERS | CPU2_VIRTUAL_INTERRUPTS;
    struct vmx_msrs m = full();

    m.cpu = without(m.cpu, CPU_TPR_SHADOW);
    assert_int_equal(check(&m), 0);
    assert_false(caps.tpr_shadow || caps.virtual_x2apic || caps.virtual_interrupts || caps.apic_registers);
    assert_int_equal(caps.cpu & (cr8 | CPU_TPR_SHADOW), cr8);
    assert_int_equal(caps.cpu2 & page, 0);
    assert_string_equal(caps.missing, "TPR shadow, virtual x2APIC mode, virtual interrupts, virtual APIC registers");
    vmx_caps_forgo_apic(&caps);
    assert_null(strstr(caps.missing, "APIC virtualization")); /* there is nothing to forgo */
    assert_int_equal(caps.cpu & (cr8 | CPU_TPR_SHADOW), cr8);

    m = full();
    m.cpu |= CPU_CR8_STORE; /* CR8 cannot be left to the processor */
    assert_int_equal(check(&m), 0);
    assert_false(caps.tpr_shadow || caps.virtual_interrupts);
    assert_int_equal(caps.cpu & (cr8 | CPU_TPR_SHADOW), cr8);

    m = full();
    m.cpu2 = without(m.cpu2, CPU2_VIRTUAL_INTERRUPTS);
    assert_int_equal(check(&m), 0);
    assert_true(caps.tpr_shadow && caps.virtual_x2apic);
    assert_false(caps.virtual_interrupts || caps.apic_registers);
    assert_int_equal(caps.cpu2 & page, 0);
    assert_string_equal(caps.missing, "virtual interrupts, virtual APIC registers");

    m = full();
    m.cpu2 = without(m.cpu2, CPU2_VIRTUAL_X2APIC | CPU2_APIC_REGISTERS);
    assert_int_equal(check(&m), 0);
    assert_true(caps.tpr_shadow && caps.virtual_interrupts);
    assert_false(caps.virtual_x2apic || caps.apic_registers);
    assert_int_equal(caps.cpu2 & page, CPU2_VIRTUAL_INTERRUPTS);
    assert_string_equal(caps.missing, "virtual x2APIC mode, virtual APIC registers");
}

/* A processor that lacks everything: what is missing has room. */
static void test_all_that_is_missing_is_named(void **state)
{
    struct vmx_msrs m = full();

    m.cpu = without(m.cpu, CPU_TPR_SHADOW);
    m.cpu2 = without(m.cpu2, ~(u32)CPU2_EPT);
    m.ept_vpid &= ~(EPT_CAP_2M | EPT_CAP_1G | EPT_CAP_AD);
    assert_int_equal(check(&m), 0);
    assert_string_equal(caps.missing, "unrestricted guest, VPID, 2M pages, 1G pages, A/D bits, PML, pause-loop exits, "
                                      "TPR shadow, virtual x2APIC mode, virtual interrupts, virtual APIC registers");
}

/* A processor without MWAIT cannot exit for it, and need not. */
static void test_mwait_is_not_needed(void **state)
{
    struct vmx_msrs m = full();

    m.cpu = without(m.cpu, CPU_MWAIT | CPU_MONITOR);
    assert_int_equal(check(&m), 0);
    assert_false(caps.cpu & (CPU_MWAIT | CPU_MONITOR));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_processor),
        cmocka_unit_test(test_not_intel),
        cmocka_unit_test(test_no_vmx),
        cmocka_unit_test(test_locked_off),
        cmocka_unit_test(test_left_open_by_firmware),
        cmocka_unit_test(test_needed_and_missing),
        cmocka_unit_test(test_wanted_and_missing),
        cmocka_unit_test(test_vpid_needs_invvpid),
        cmocka_unit_test(test_pml_needs_dirty_bits),
        cmocka_unit_test(test_timer_that_is_not_saved),
        cmocka_unit_test(test_apic_virtualization),
        cmocka_unit_test(test_apic_virtualization_in_part),
        cmocka_unit_test(test_all_that_is_missing_is_named),
        cmocka_unit_test(test_mwait_is_not_needed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

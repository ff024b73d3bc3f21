/* SPDX-License-Identifier: BSD-2-Clause */
/* The repeated checks of VM entry: good states pass, and each broken field is the one that is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "arch/x86/cpu.h"
#include "arch/x86/entry_failure.h"
#include "arch/x86/msr.h"
#include "arch/x86/vmcs_names.h"
#include "arch/x86/vmx_caps.h"
#include "arch/x86/vmx_controls.h"

enum { FIELD_SPACE = 0x7000 };

static u64 fields[FIELD_SPACE];

static const struct vmx_caps caps = {
    .cr0_fixed0 = 0x80000021,
    .cr0_fixed1 = 0xffffffff,
    .cr4_fixed0 = 0x2000,
    .cr4_fixed1 = 0x7727ff,
    .physical_bits = 40,
    .linear_bits = 48,
};

static u64 read_field(void *context, enum vmcs_field field)
{
    return fields[field];
}

static bool check(struct entry_fault *fault)
{
    const struct vmcs_source source = { read_field, NULL };

    return entry_check_guest_state(&source, &caps, fault);
}

static void set_segment(enum segment s, u64 selector, u64 base, u64 limit, u64 rights)
{
    fields[VMCS_SEGMENT_SELECTOR(s)] = selector;
    fields[VMCS_SEGMENT_BASE(s)] = base;
    fields[VMCS_SEGMENT_LIMIT(s)] = limit;
    fields[VMCS_SEGMENT_RIGHTS(s)] = rights;
}

/* Real mode after INIT, with unrestricted guest. */
static void real_mode(void)
{
    memset(fields, 0, sizeof(fields));
    fields[VMCS_SECONDARY_PROCESSOR_CONTROLS] = CPU2_EPT | CPU2_UNRESTRICTED;
    fields[VMCS_GUEST_CR0] = CR0_NE | CR0_ET;
    fields[VMCS_GUEST_CR4] = CR4_VMXE;
    fields[VMCS_GUEST_PAT] = PAT_RESET;
    fields[VMCS_GUEST_RFLAGS] = RFLAGS_RESERVED;
    fields[VMCS_LINK_POINTER] = ~0ull;
    for (unsigned s = SEGMENT_ES; s <= SEGMENT_GS; s++)
        set_segment(s, 0, 0, 0xffff, s == SEGMENT_CS ? 0x9b : 0x93);
    set_segment(SEGMENT_LDTR, 0, 0, 0xffff, RIGHTS_UNUSABLE);
    set_segment(SEGMENT_TR, 0, 0, 0xffff, 0x8b);
}

static void long_mode(void)
{
    real_mode();
    fields[VMCS_VM_ENTRY_CONTROLS] = ENTRY_LONG_MODE;
    fields[VMCS_GUEST_CR0] |= CR0_PE | CR0_PG;
    fields[VMCS_GUEST_CR4] |= CR4_PAE;
    fields[VMCS_GUEST_EFER] = EFER_LME | EFER_LMA;
    for (unsigned s = SEGMENT_ES; s <= SEGMENT_GS; s++)
        set_segment(s, 8, 0, 0xffffffff, s == SEGMENT_CS ? 0xa09b : 0xc093);
}

static void pae_mode(void)
{
    long_mode();
    fields[VMCS_VM_ENTRY_CONTROLS] = 0;
    fields[VMCS_GUEST_EFER] = 0;
    fields[VMCS_GUEST_CS_ACCESS_RIGHTS] = 0xc09b;
}

static void v86_mode(void)
{
    pae_mode();
    fields[VMCS_GUEST_RFLAGS] |= RFLAGS_VM;
    for (unsigned s = SEGMENT_ES; s <= SEGMENT_GS; s++)
        set_segment(s, 0x1000, 0x10000, 0xffff, 0xf3);
}

static void (*const modes[])(void) = { real_mode, long_mode, pae_mode, v86_mode };

static void test_good_states_pass(void **state)
{
    struct entry_fault fault;

    for (unsigned i = 0; i < 4; i++) {
        modes[i]();
        if (check(&fault))
            fail_msg("mode %u: %s: %s", i, vmcs_field_name(fault.field), fault.rule);
    }
}

/* In `mode`, the value is refused, and the field that is named is `named`. */
static const struct broken {
    void (*mode)(void);
    enum vmcs_field field;
    u64 value;
    enum vmcs_field named;
    const char *rule;
} broken[] = {
    { real_mode, VMCS_GUEST_CR0, CR0_ET, VMCS_GUEST_CR0, "FIXED" },
    { real_mode, VMCS_GUEST_CR0, CR0_NE | CR0_PG, VMCS_GUEST_CR0, "PG without PE" },
    { real_mode, VMCS_GUEST_CR4, 0, VMCS_GUEST_CR4, "FIXED" },
    { real_mode, VMCS_GUEST_CR4, CR4_VMXE | 1u << 31, VMCS_GUEST_CR4, "FIXED" },
    { real_mode, VMCS_VM_ENTRY_CONTROLS, ENTRY_LONG_MODE, VMCS_GUEST_CR0, "without PG" },
    { long_mode, VMCS_GUEST_CR4, CR4_VMXE, VMCS_GUEST_CR4, "without PAE" },
    { pae_mode, VMCS_GUEST_CR4, CR4_VMXE | CR4_PAE | CR4_PCIDE, VMCS_GUEST_CR4, "PCIDE" },
    { long_mode, VMCS_GUEST_CR3, 1ull << 40, VMCS_GUEST_CR3, "width" },
    { long_mode, VMCS_GUEST_DR7, 1ull << 32, VMCS_GUEST_DR7, "63:32" },
    { long_mode, VMCS_GUEST_SYSENTER_ESP, 1ull << 47, VMCS_GUEST_SYSENTER_ESP, "canonical" },
    { long_mode, VMCS_GUEST_SYSENTER_EIP, 1ull << 63, VMCS_GUEST_SYSENTER_EIP, "canonical" },
    { long_mode, VMCS_GUEST_DEBUGCTL, 1ull << 20, VMCS_GUEST_DEBUGCTL, "reserved" },
    { long_mode, VMCS_GUEST_PAT, 2, VMCS_GUEST_PAT, "memory type" },
    { long_mode, VMCS_GUEST_EFER, EFER_LME | EFER_LMA | 2, VMCS_GUEST_EFER, "reserved" },
    { long_mode, VMCS_GUEST_EFER, EFER_LME, VMCS_GUEST_EFER, "IA-32e" },
    { long_mode, VMCS_GUEST_EFER, EFER_LMA, VMCS_GUEST_EFER, "LME" },
    { long_mode, VMCS_GUEST_CS_ACCESS_RIGHTS, 0xa0f3, VMCS_GUEST_CS_ACCESS_RIGHTS, "DPL of a data" },
    { long_mode, VMCS_GUEST_CS_ACCESS_RIGHTS, 0xe09b, VMCS_GUEST_CS_ACCESS_RIGHTS, "both L and D" },
    { long_mode, VMCS_GUEST_CS_ACCESS_RIGHTS, 0xa01b, VMCS_GUEST_CS_ACCESS_RIGHTS, "P is clear" },
    { long_mode, VMCS_GUEST_CS_ACCESS_RIGHTS, 0xa08b, VMCS_GUEST_CS_ACCESS_RIGHTS, "S is clear" },
    { long_mode, VMCS_GUEST_CS_ACCESS_RIGHTS, 0xa0fb, VMCS_GUEST_CS_ACCESS_RIGHTS, "DPL differs" },
    { long_mode, VMCS_GUEST_CS_ACCESS_RIGHTS, 0xa0ff, VMCS_GUEST_CS_ACCESS_RIGHTS, "DPL is above" },
    { long_mode, VMCS_GUEST_CS_BASE, 1ull << 32, VMCS_GUEST_CS_BASE, "63:32" },
    { long_mode, VMCS_GUEST_CS_LIMIT, 0xfffff000, VMCS_GUEST_CS_ACCESS_RIGHTS, "G is set" },
    { real_mode, VMCS_GUEST_DS_LIMIT, 0xffffffff, VMCS_GUEST_DS_ACCESS_RIGHTS, "G is clear" },
    { long_mode, VMCS_GUEST_SS_ACCESS_RIGHTS, 0xc091, VMCS_GUEST_SS_ACCESS_RIGHTS, "writable" },
    { long_mode, VMCS_GUEST_DS_ACCESS_RIGHTS, 0xc092, VMCS_GUEST_DS_ACCESS_RIGHTS, "not accessed" },
    { long_mode, VMCS_GUEST_ES_ACCESS_RIGHTS, 0xc099, VMCS_GUEST_ES_ACCESS_RIGHTS, "cannot be read" },
    { long_mode, VMCS_GUEST_ES_ACCESS_RIGHTS, 0xc193, VMCS_GUEST_ES_ACCESS_RIGHTS, "reserved" },
    { long_mode, VMCS_GUEST_GS_BASE, 1ull << 47, VMCS_GUEST_GS_BASE, "canonical" },
    { long_mode, VMCS_GUEST_DS_BASE, 1ull << 32, VMCS_GUEST_DS_BASE, "63:32" },
    { v86_mode, VMCS_GUEST_FS_BASE, 0x10010, VMCS_GUEST_FS_BASE, "shifted" },
    { v86_mode, VMCS_GUEST_GS_LIMIT, 0xfffff, VMCS_GUEST_GS_LIMIT, "0xffff" },
    { v86_mode, VMCS_GUEST_CS_ACCESS_RIGHTS, 0x9b, VMCS_GUEST_CS_ACCESS_RIGHTS, "0xf3" },
    { long_mode, VMCS_GUEST_TR_ACCESS_RIGHTS, RIGHTS_UNUSABLE, VMCS_GUEST_TR_ACCESS_RIGHTS, "unusable" },
    { long_mode, VMCS_GUEST_TR_ACCESS_RIGHTS, 0x83, VMCS_GUEST_TR_ACCESS_RIGHTS, "busy TSS" },
    { long_mode, VMCS_GUEST_TR, 4, VMCS_GUEST_TR, "LDT" },
    { long_mode, VMCS_GUEST_LDTR_ACCESS_RIGHTS, 0x83, VMCS_GUEST_LDTR_ACCESS_RIGHTS, "not an LDT" },
    { long_mode, VMCS_GUEST_GDTR_BASE, 1ull << 47, VMCS_GUEST_GDTR_BASE, "canonical" },
    { long_mode, VMCS_GUEST_IDTR_LIMIT, 0x10000, VMCS_GUEST_IDTR_LIMIT, "31:16" },
    { long_mode, VMCS_GUEST_RIP, 1ull << 47, VMCS_GUEST_RIP, "canonical" },
    { real_mode, VMCS_GUEST_RIP, 1ull << 32, VMCS_GUEST_RIP, "63:32" },
    { long_mode, VMCS_GUEST_RFLAGS, 0, VMCS_GUEST_RFLAGS, "reserved" },
    { long_mode, VMCS_GUEST_RFLAGS, RFLAGS_RESERVED | 1ull << 40, VMCS_GUEST_RFLAGS, "reserved" },
    { real_mode, VMCS_VM_ENTRY_INTERRUPTION_INFO, INTERRUPTION_VALID | 32, VMCS_GUEST_RFLAGS, "IF" },
    { long_mode, VMCS_GUEST_ACTIVITY, 4, VMCS_GUEST_ACTIVITY, "activity" },
    { long_mode, VMCS_GUEST_INTERRUPTIBILITY, 0x20, VMCS_GUEST_INTERRUPTIBILITY, "reserved" },
    { long_mode, VMCS_GUEST_INTERRUPTIBILITY, 3, VMCS_GUEST_INTERRUPTIBILITY, "both" },
    { long_mode, VMCS_GUEST_INTERRUPTIBILITY, 1, VMCS_GUEST_INTERRUPTIBILITY, "STI" },
    { long_mode, VMCS_GUEST_PENDING_DEBUG, 1ull << 20, VMCS_GUEST_PENDING_DEBUG, "reserved" },
    { long_mode, VMCS_LINK_POINTER, 0, VMCS_LINK_POINTER, "all ones" },
    { pae_mode, VMCS_GUEST_PDPTE2, 3, VMCS_GUEST_PDPTE2, "reserved" },
};

static void test_broken_field_is_named(void **state)
{
    for (unsigned i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        const struct broken *b = &broken[i];
        struct entry_fault fault = { 0 };
        b->mode();
        fields[b->field] = b->value;
        if (!check(&fault))
            fail_msg("%s = %#llx passes", vmcs_field_name(b->field), (unsigned long long)b->value);
        if (fault.field != b->named || !strstr(fault.rule, b->rule)) {
            fail_msg("%s = %#llx: %s: %s, not %s: …%s…", vmcs_field_name(b->field), (unsigned long long)b->value,
                     vmcs_field_name(fault.field), fault.rule, vmcs_field_name(b->named), b->rule);
        }
    }
}

/* What is canonical depends on the processor's width, not on the mode. */
static void test_linear_width(void **state)
{
    struct vmx_caps wide = caps;
    const struct vmcs_source source = { read_field, NULL };
    struct entry_fault fault;

    wide.linear_bits = 57;
    long_mode();
    fields[VMCS_GUEST_RIP] = 1ull << 47;
    assert_false(entry_check_guest_state(&source, &wide, &fault));
    fields[VMCS_GUEST_RIP] = 1ull << 56;
    assert_true(entry_check_guest_state(&source, &wide, &fault));
}

/* Without unrestricted guest, real mode itself is the violation. */
static void test_unrestricted_guest_matters(void **state)
{
    struct entry_fault fault;

    real_mode();
    fields[VMCS_SECONDARY_PROCESSOR_CONTROLS] = CPU2_EPT;
    assert_true(check(&fault));
    assert_int_equal(fault.field, VMCS_GUEST_CR0);
}

static void test_names(void **state)
{
    assert_string_equal(vmcs_field_name(VMCS_GUEST_RIP), "GUEST_RIP");
    assert_string_equal(vmcs_field_name((enum vmcs_field)0x6fff), "?");
    assert_string_equal(vm_instruction_error_name(7), "VM entry with invalid control field(s)");
    assert_string_equal(vm_instruction_error_name(14), "unknown VM-instruction error");
    assert_string_equal(vm_instruction_error_name(1000), "unknown VM-instruction error");
    assert_string_equal(exit_reason_name(48), "EPT_VIOLATION");
    assert_string_equal(exit_reason_name(35), "?");
    assert_string_equal(exit_reason_name(~0u), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_states_pass),
        cmocka_unit_test(test_broken_field_is_named),
        cmocka_unit_test(test_linear_width),
        cmocka_unit_test(test_unrestricted_guest_matters),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

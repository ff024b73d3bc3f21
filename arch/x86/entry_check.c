/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processor's checks on guest state at VM entry, repeated to name the field that it refused. SDM vol. 3, 27.3.1
 * "Checks on the Guest State Area": control and debug registers and MSRs, segments, descriptor tables, RIP and RFLAGS,
 * non-register state. Pure: the host tests run it on good states with one field broken.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/entry_failure.h"
#include "arch/x86/msr.h"
#include "arch/x86/page_entry.h"
#include "arch/x86/vmx_caps.h"
#include "arch/x86/vmx_controls.h"

struct check {
    const struct vmcs_source *vmcs;
    const struct vmx_caps *caps;
    struct entry_fault *fault;
    bool failed, long_mode, v86, unrestricted;
};

static u64 get(const struct check *c, enum vmcs_field field)
{
    return c->vmcs->read(c->vmcs->context, field);
}

/* Notes the first violation only: the later ones may be its consequences. */
static void require(struct check *c, bool ok, enum vmcs_field field, const char *rule)
{
    if (!ok && !c->failed) {
        c->failed = true;
        *c->fault = (struct entry_fault){ field, rule };
    }
}

/* For the width that the processor has, which can be more than the guest uses. */
static bool canonical(const struct check *c, u64 address)
{
    return is_canonical(address, c->caps->linear_bits);
}

static void check_control_registers(struct check *c)
{
    u64 cr0 = get(c, VMCS_GUEST_CR0), cr4 = get(c, VMCS_GUEST_CR4);
    u64 fixed0 = c->caps->cr0_fixed0 & ~(c->unrestricted ? CR0_PE | CR0_PG : 0);

    require(c, (cr0 & fixed0) == fixed0 && !(cr0 & ~c->caps->cr0_fixed1), VMCS_GUEST_CR0,
            "a bit differs from what VMX operation needs (IA32_VMX_CR0_FIXED0/1)");
    require(c, !(cr0 & CR0_PG) || (cr0 & CR0_PE), VMCS_GUEST_CR0, "PG without PE");
    require(c, (cr4 & c->caps->cr4_fixed0) == c->caps->cr4_fixed0 && !(cr4 & ~c->caps->cr4_fixed1), VMCS_GUEST_CR4,
            "a bit differs from what VMX operation needs (IA32_VMX_CR4_FIXED0/1)");
    if (c->long_mode) {
        require(c, cr0 & CR0_PG, VMCS_GUEST_CR0, "IA-32e mode without PG");
        require(c, cr4 & CR4_PAE, VMCS_GUEST_CR4, "IA-32e mode without PAE");
    } else {
        require(c, !(cr4 & CR4_PCIDE), VMCS_GUEST_CR4, "PCIDE outside IA-32e mode");
    }
    require(c, !(get(c, VMCS_GUEST_CR3) >> c->caps->physical_bits), VMCS_GUEST_CR3,
            "beyond the physical-address width");
    require(c, !(get(c, VMCS_GUEST_DR7) >> 32), VMCS_GUEST_DR7, "bits 63:32 are not 0");
    require(c, canonical(c, get(c, VMCS_GUEST_SYSENTER_ESP)), VMCS_GUEST_SYSENTER_ESP, "not canonical");
    require(c, canonical(c, get(c, VMCS_GUEST_SYSENTER_EIP)), VMCS_GUEST_SYSENTER_EIP, "not canonical");
}

static void check_msrs(struct check *c)
{
    u64 efer = get(c, VMCS_GUEST_EFER), pat = get(c, VMCS_GUEST_PAT);
    u64 debugctl = get(c, VMCS_GUEST_DEBUGCTL);

    require(c, !(debugctl & ~0xffc7ull), VMCS_GUEST_DEBUGCTL, "a reserved bit is set");
    require(c, pat_is_valid(pat), VMCS_GUEST_PAT, "an entry is no memory type");
    require(c, !(efer & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)), VMCS_GUEST_EFER, "a reserved bit is set");
    require(c, !!(efer & EFER_LMA) == c->long_mode, VMCS_GUEST_EFER,
            "LMA differs from the \"IA-32e mode guest\" control");
    require(c, !(get(c, VMCS_GUEST_CR0) & CR0_PG) || !(efer & EFER_LMA) == !(efer & EFER_LME), VMCS_GUEST_EFER,
            "LMA differs from LME while paging is on");
}

static bool usable(struct check *c, enum segment s)
{
    return !(get(c, VMCS_SEGMENT_RIGHTS(s)) & RIGHTS_UNUSABLE);
}

/* Virtual-8086 mode prescribes everything. */
static void check_v86_segment(struct check *c, enum segment s)
{
    require(c, get(c, VMCS_SEGMENT_BASE(s)) == get(c, VMCS_SEGMENT_SELECTOR(s)) << 4, VMCS_SEGMENT_BASE(s),
            "virtual-8086: not the selector shifted by 4");
    require(c, get(c, VMCS_SEGMENT_LIMIT(s)) == 0xffff, VMCS_SEGMENT_LIMIT(s), "virtual-8086: not 0xffff");
    require(c, get(c, VMCS_SEGMENT_RIGHTS(s)) == 0xf3, VMCS_SEGMENT_RIGHTS(s), "virtual-8086: not 0xf3");
}

static void check_granularity(struct check *c, enum segment s)
{
    u64 rights = get(c, VMCS_SEGMENT_RIGHTS(s)), limit = get(c, VMCS_SEGMENT_LIMIT(s));

    require(c, (limit & 0xfff) == 0xfff || !(rights & RIGHTS_G), VMCS_SEGMENT_RIGHTS(s),
            "G is set, but bits 11:0 of the limit are not all 1");
    require(c, !(limit >> 20) || (rights & RIGHTS_G), VMCS_SEGMENT_RIGHTS(s),
            "G is clear, but the limit is above 1 MiB");
    require(c, !(rights & 0xf00) && !(rights >> 17), VMCS_SEGMENT_RIGHTS(s), "a reserved bit is set");
}

static void check_code(struct check *c)
{
    u64 rights = get(c, VMCS_GUEST_CS_ACCESS_RIGHTS), type = rights & RIGHTS_TYPE;
    u64 ss = get(c, VMCS_GUEST_SS_ACCESS_RIGHTS);
    enum vmcs_field field = VMCS_GUEST_CS_ACCESS_RIGHTS;

    require(c, type == 9 || type == 11 || type == 13 || type == 15 || (type == 3 && c->unrestricted), field,
            "the type is not an accessed code segment");
    require(c, type != 3 || RIGHTS_DPL(rights) == 0, field, "the DPL of a data segment in CS is not 0");
    require(c, (type != 9 && type != 11) || RIGHTS_DPL(rights) == RIGHTS_DPL(ss), field,
            "the DPL differs from that of SS");
    require(c, (type != 13 && type != 15) || RIGHTS_DPL(rights) <= RIGHTS_DPL(ss), field,
            "the DPL is above that of SS");
    require(c, rights & RIGHTS_S, field, "S is clear");
    require(c, rights & RIGHTS_P, field, "P is clear");
    require(c, !(c->long_mode && (rights & RIGHTS_L) && (rights & RIGHTS_DB)), field, "both L and D are set");
    check_granularity(c, SEGMENT_CS);
    require(c, !(get(c, VMCS_GUEST_CS_BASE) >> 32), VMCS_GUEST_CS_BASE, "bits 63:32 are not 0");
}

static void check_data(struct check *c, enum segment s)
{
    u64 rights = get(c, VMCS_SEGMENT_RIGHTS(s)), type = rights & RIGHTS_TYPE;
    enum vmcs_field field = VMCS_SEGMENT_RIGHTS(s);
    u64 base = get(c, VMCS_SEGMENT_BASE(s));

    if (s == SEGMENT_FS || s == SEGMENT_GS)
        require(c, canonical(c, base), VMCS_SEGMENT_BASE(s), "not canonical");
    if (!usable(c, s))
        return;
    if (s == SEGMENT_SS) {
        require(c, type == 3 || type == 7, field, "the type is not an accessed, writable data segment");
        require(c, c->unrestricted || RIGHTS_DPL(rights) == (get(c, VMCS_GUEST_SS) & 3), field,
                "the DPL differs from the RPL");
    } else {
        require(c, type & 1, field, "the type is not accessed");
        require(c, !(type & 8) || (type & 2), field, "the type is a code segment that cannot be read");
        require(c, c->unrestricted || type > 11 || RIGHTS_DPL(rights) >= (get(c, VMCS_SEGMENT_SELECTOR(s)) & 3), field,
                "the DPL is below the RPL");
    }
    require(c, rights & RIGHTS_S, field, "S is clear");
    require(c, rights & RIGHTS_P, field, "P is clear");
    check_granularity(c, s);
    if (s != SEGMENT_FS && s != SEGMENT_GS)
        require(c, !(base >> 32), VMCS_SEGMENT_BASE(s), "bits 63:32 are not 0");
}

static void check_system_segment(struct check *c, enum segment s)
{
    u64 rights = get(c, VMCS_SEGMENT_RIGHTS(s)), type = rights & RIGHTS_TYPE;
    enum vmcs_field field = VMCS_SEGMENT_RIGHTS(s);
    bool tr = s == SEGMENT_TR;

    if (!tr && !usable(c, s))
        return;
    require(c, usable(c, s), field, "TR is unusable");
    require(c, !(get(c, VMCS_SEGMENT_SELECTOR(s)) & 4), VMCS_SEGMENT_SELECTOR(s), "the selector points into the LDT");
    require(c, canonical(c, get(c, VMCS_SEGMENT_BASE(s))), VMCS_SEGMENT_BASE(s), "not canonical");
    if (tr)
        require(c, type == 11 || (type == 3 && !c->long_mode), field, "the type is not a busy TSS of this mode");
    else
        require(c, type == 2, field, "the type is not an LDT");
    require(c, !(rights & RIGHTS_S), field, "S is set");
    require(c, rights & RIGHTS_P, field, "P is clear");
    check_granularity(c, s);
}

static void check_segments(struct check *c)
{
    static const enum segment code_and_data[] = {
        SEGMENT_CS, SEGMENT_SS, SEGMENT_DS, SEGMENT_ES, SEGMENT_FS, SEGMENT_GS
    };

    for (unsigned i = 0; i < sizeof(code_and_data) / sizeof(code_and_data[0]); i++) {
        enum segment s = code_and_data[i];
        if (c->v86)
            check_v86_segment(c, s);
        else if (s == SEGMENT_CS)
            check_code(c);
        else
            check_data(c, s);
    }
    check_system_segment(c, SEGMENT_TR);
    check_system_segment(c, SEGMENT_LDTR);
    require(c, canonical(c, get(c, VMCS_GUEST_GDTR_BASE)), VMCS_GUEST_GDTR_BASE, "not canonical");
    require(c, canonical(c, get(c, VMCS_GUEST_IDTR_BASE)), VMCS_GUEST_IDTR_BASE, "not canonical");
    require(c, !(get(c, VMCS_GUEST_GDTR_LIMIT) >> 16), VMCS_GUEST_GDTR_LIMIT, "bits 31:16 are not 0");
    require(c, !(get(c, VMCS_GUEST_IDTR_LIMIT) >> 16), VMCS_GUEST_IDTR_LIMIT, "bits 31:16 are not 0");
}

static void check_rip_and_rflags(struct check *c)
{
    u64 rip = get(c, VMCS_GUEST_RIP), rflags = get(c, VMCS_GUEST_RFLAGS);
    bool code64 = c->long_mode && (get(c, VMCS_GUEST_CS_ACCESS_RIGHTS) & RIGHTS_L);
    u64 event = get(c, VMCS_VM_ENTRY_INTERRUPTION_INFO);
    bool external = (event & INTERRUPTION_VALID) && (event & INTERRUPTION_TYPE) == INTERRUPTION_EXTERNAL;

    require(c, code64 || !(rip >> 32), VMCS_GUEST_RIP, "bits 63:32 are not 0 outside 64-bit code");
    require(c, !code64 || canonical(c, rip), VMCS_GUEST_RIP, "not canonical");
    require(c, !(rflags & ~0x3f7fd7ull) && (rflags & RFLAGS_RESERVED), VMCS_GUEST_RFLAGS, "a reserved bit is wrong");
    require(c, !(rflags & RFLAGS_VM) || (!c->long_mode && (get(c, VMCS_GUEST_CR0) & CR0_PE)), VMCS_GUEST_RFLAGS,
            "VM is set in IA-32e mode or in real mode");
    require(c, !external || (rflags & RFLAGS_IF), VMCS_GUEST_RFLAGS,
            "an external interrupt is injected while IF is clear");
}

static void check_non_register_state(struct check *c)
{
    u64 activity = get(c, VMCS_GUEST_ACTIVITY), blocking = get(c, VMCS_GUEST_INTERRUPTIBILITY);
    u64 rflags = get(c, VMCS_GUEST_RFLAGS), pending = get(c, VMCS_GUEST_PENDING_DEBUG);

    require(c, activity <= 3, VMCS_GUEST_ACTIVITY, "no such activity state");
    require(c, !(blocking & ~0x1full), VMCS_GUEST_INTERRUPTIBILITY, "a reserved bit is set");
    require(c, (blocking & BLOCKING_BY_STI_MOV_SS) != BLOCKING_BY_STI_MOV_SS, VMCS_GUEST_INTERRUPTIBILITY,
            "blocking by both STI and MOV SS");
    require(c, !(blocking & BLOCKING_BY_STI) || (rflags & RFLAGS_IF), VMCS_GUEST_INTERRUPTIBILITY,
            "blocking by STI while IF is clear");
    require(c, activity == 0 || !(blocking & BLOCKING_BY_STI_MOV_SS), VMCS_GUEST_INTERRUPTIBILITY,
            "blocking while the activity is not active");
    require(c, !(pending & ~0x1500full), VMCS_GUEST_PENDING_DEBUG, "a reserved bit is set");
    require(c, get(c, VMCS_LINK_POINTER) == ~0ull, VMCS_LINK_POINTER, "not all ones without a shadow VMCS");
    if ((get(c, VMCS_GUEST_CR0) & CR0_PG) && (get(c, VMCS_GUEST_CR4) & CR4_PAE) && !c->long_mode) {
        for (unsigned i = 0; i < 4; i++) {
            enum vmcs_field field = (enum vmcs_field)(VMCS_GUEST_PDPTE0 + 2 * i);

            require(c, pdpte_is_valid(get(c, field), c->caps->physical_bits), field, "a reserved bit is set");
        }
    }
}

bool entry_check_guest_state(const struct vmcs_source *vmcs, const struct vmx_caps *caps, struct entry_fault *fault)
{
    struct check c = { .vmcs = vmcs, .caps = caps, .fault = fault };

    c.long_mode = get(&c, VMCS_VM_ENTRY_CONTROLS) & ENTRY_LONG_MODE;
    c.v86 = get(&c, VMCS_GUEST_RFLAGS) & RFLAGS_VM;
    c.unrestricted = get(&c, VMCS_SECONDARY_PROCESSOR_CONTROLS) & CPU2_UNRESTRICTED;
    check_control_registers(&c);
    check_msrs(&c);
    check_segments(&c);
    check_rip_and_rflags(&c);
    check_non_register_state(&c);
    return c.failed;
}

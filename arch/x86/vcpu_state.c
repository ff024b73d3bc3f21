/* SPDX-License-Identifier: BSD-2-Clause */
/* See vcpu_state.h. */
#include "arch/x86/vcpu_state.h"

#include "arch/x86/debug.h"
#include "arch/x86/vcpu_switch.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx.h"
#include "hv/lib/string.h"
#include "mm/atomic.h"
#include "mm/frame.h"
#include "mm/port.h"

/*
 * The guest-state area, but for what is no guest's: the link pointer, the slice's timer, the index into the log of modifications;
 * and but for the interrupt status, which follows from the local APIC (apicv.h).
 * And of the controls those that say something about the guest: whether it is in IA-32e mode, the event that is to be
 * delivered, what it reads where CR0 and CR4 are not its own.
 */
static const enum vmcs_field fields[] = {
#define FIELD(name, encoding) VMCS_##name,
    VMCS_GUEST_FIELDS(FIELD)
#undef FIELD
        VMCS_VM_ENTRY_CONTROLS,
    VMCS_VM_ENTRY_INTERRUPTION_INFO,
    VMCS_VM_ENTRY_EXCEPTION_ERROR_CODE,
    VMCS_VM_ENTRY_INSTRUCTION_LENGTH,
    VMCS_CR0_GUEST_HOST_MASK,
    VMCS_CR4_GUEST_HOST_MASK,
    VMCS_CR0_READ_SHADOW,
    VMCS_CR4_READ_SHADOW,
};
enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

struct vcpu_state {
    u64 field[FIELDS];
    u64 gpr[GPR_COUNT];
    struct vcpu_registers registers;
    u32 event, event_info, event_error, event_length; /* `event`: REQUEST_EVENT or 0 */
    enum vcpu_activity activity;
    bool nmi_waits, interruptible;
    pfn_t frame, xsave; /* of the struct itself, and of the extended state */
};
static_assert(sizeof(struct vcpu_state) <= PAGE_SIZE, "it lies in a frame");

static bool is_the_guests(enum vmcs_field field)
{
    return field != VMCS_LINK_POINTER && field != VMCS_PREEMPTION_TIMER && field != VMCS_GUEST_PML_INDEX &&
           field != VMCS_GUEST_INTERRUPT_STATUS;
}

int vcpu_state_create(struct vcpu_state **state)
{
    pfn_t frame, xsave;

    if (frame_alloc(0, FRAME_CONTROL, &frame))
        return -ENOMEM;
    if (frame_alloc(0, FRAME_CONTROL, &xsave)) {
        frame_free(frame, 0, FRAME_CONTROL);
        return -ENOMEM;
    }
    struct vcpu_state *created = port_frame_address(frame);
    created->frame = frame;
    created->xsave = xsave;
    *state = created;
    return 0;
}

void vcpu_state_destroy(struct vcpu_state *state)
{
    frame_free(state->xsave, 0, FRAME_CONTROL);
    frame_free(state->frame, 0, FRAME_CONTROL);
}

/* Puts the processor's part of `vcpu` into memory. */
static void put_away(struct vcpu *vcpu, const struct vcpu *before)
{
    if (vcpu == before)
        vcpu_make_current(NULL);
    else
        vcpu_unload(vcpu); /* it may run on another processor */
}

/* What a debugger has in the place of the guest's debug registers is no state of the guest's. */
static void show_slots(struct vcpu *vcpu, const struct vcpu *before)
{
    if (!vcpu->debug.used)
        return;
    vcpu_make_current(vcpu);
    debug_show_slots(vcpu);
    put_away(vcpu, before);
}

void vcpu_save(struct vcpu *vcpu, struct vcpu_state *state)
{
    struct vcpu *before = vcpu_current();

    vcpu_make_current(vcpu);
    debug_hide_slots(vcpu);
    for (unsigned i = 0; i < FIELDS; i++)
        if (is_the_guests(fields[i]))
            state->field[i] = vmcs_read(fields[i]);
    put_away(vcpu, before); /* what the processor held is in the struct and in the xsave area now */

    memcpy(state->gpr, vcpu->gpr, sizeof(state->gpr));
    state->registers = vcpu->registers;
    state->event = vcpu->requests & REQUEST_EVENT;
    state->event_info = vcpu->event_info;
    state->event_error = vcpu->event_error;
    state->event_length = vcpu->event_length;
    state->activity = vcpu->activity;
    state->nmi_waits = vcpu->nmi_waits;
    state->interruptible = vcpu->interruptible;
    memcpy(port_frame_address(state->xsave), port_frame_address(vcpu->xsave), guest_xsave_size());
    show_slots(vcpu, before);
    vcpu_make_current(before);
}

void vcpu_restore(struct vcpu *vcpu, const struct vcpu_state *state)
{
    struct vcpu *before = vcpu_current();

    vcpu_make_current(vcpu);
    debug_hide_slots(vcpu);
    for (unsigned i = 0; i < FIELDS; i++)
        if (is_the_guests(fields[i]))
            vmcs_write(fields[i], state->field[i]);
    vcpu->flush_vpid = true; /* CR0, CR3, CR4 and EFER are others than its translations were made with */
    put_away(vcpu, before);

    memcpy(vcpu->gpr, state->gpr, sizeof(state->gpr));
    vcpu->registers = state->registers;
    atomic_and(&vcpu->requests, ~(u32)REQUEST_EVENT);
    atomic_or(&vcpu->requests, state->event | REQUEST_INTERRUPT);
    vcpu->event_info = state->event_info;
    vcpu->event_error = state->event_error;
    vcpu->event_length = state->event_length;
    vcpu->activity = state->activity;
    vcpu->nmi_waits = state->nmi_waits;
    vcpu->interruptible = state->interruptible;
    memcpy(port_frame_address(vcpu->xsave), port_frame_address(state->xsave), guest_xsave_size());
    show_slots(vcpu, before);
    vcpu_make_current(before);
}

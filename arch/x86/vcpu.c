/* SPDX-License-Identifier: BSD-2-Clause */
/* A vCPU's life: creation, the run loop, its end. */
#include "arch/x86/vcpu.h"

#include "arch/x86/cpu.h"
#include "arch/x86/entry_failure.h"
#include "arch/x86/event.h"
#include "arch/x86/exit.h"
#include "arch/x86/guest_state.h"
#include "arch/x86/interrupt.h"
#include "arch/x86/irq.h"
#include "arch/x86/msr_bitmap.h"
#include "arch/x86/pml.h"
#include "arch/x86/processor.h"
#include "arch/x86/vcpu_switch.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmcs_setup.h"
#include "arch/x86/vmx.h"
#include "hv/lib/format.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "mm/atomic.h"
#include "mm/frame.h"
#include "mm/port.h"

int vmx_enter(struct vcpu *vcpu); /* run.nasm */

static_assert(offsetof(struct vcpu, gpr) == 0 && offsetof(struct vcpu, launched) == 128 &&
                  offsetof(struct vcpu, host_rsp) == 136 && offsetof(struct vcpu, quick_until) == 144 &&
                  offsetof(struct vcpu, exits_by_reason) == 152 && EXIT_REASON_COUNT == 80,
              "run.nasm knows them");

int vcpu_create(struct vcpu *vcpu, const struct vcpu_config *config)
{
    pfn_t *const frames[] = { &vcpu->vmcs, &vcpu->msr_bitmap, &vcpu->xsave, &vcpu->pml };
    unsigned count = vmx_caps.pml ? 4 : 3;

    *vcpu = (struct vcpu){
        .vm = config->vm,
        .memory = config->memory,
        .ops = config->ops,
        .number = config->number,
        .siblings = config->siblings,
        .processor = config->processor,
        .epoch = config->epoch,
        .vpid = vmx_caps.vpid ? config->vpid : 0,
        .apic_page = config->apic_page,
        .activity = config->number == 0 ? VCPU_ACTIVE : VCPU_WAITS_FOR_SIPI,
    };
    assert(guest_xsave_size() <= PAGE_SIZE);
    for (unsigned i = 0; i < count; i++) {
        if (frame_alloc(0, FRAME_CONTROL, frames[i])) {
            while (i--)
                frame_free(*frames[i], 0, FRAME_CONTROL);
            return -ENOMEM;
        }
    }
    u32 *region = port_frame_address(vcpu->vmcs);
    memset(region, 0, PAGE_SIZE);
    region[0] = vmx_caps.revision;
    vmcs_clear(pfn_to_hpa(vcpu->vmcs));
    msr_bitmap_init(vcpu->msr_bitmap);
    vcpu_switch_reset(vcpu);

    vcpu_memory_init(&vcpu->mmu, config->memory);
    vcpu_make_current(vcpu);
    vmcs_set_controls(vcpu);
    guest_state_reset();
    exit_quick_init(vcpu);
    vcpu_unload(vcpu);
    return 0;
}

void vcpu_destroy(struct vcpu *vcpu)
{
    vcpu_memory_destroy(&vcpu->mmu);
    assert(!vcpu_is_current(vcpu));
    frame_free(vcpu->vmcs, 0, FRAME_CONTROL);
    frame_free(vcpu->msr_bitmap, 0, FRAME_CONTROL);
    frame_free(vcpu->xsave, 0, FRAME_CONTROL);
    if (vmx_caps.pml)
        frame_free(vcpu->pml, 0, FRAME_CONTROL);
}

void vcpu_unload(struct vcpu *vcpu)
{
    if (vcpu_is_current(vcpu))
        vcpu_make_current(NULL);
    vmcs_clear(pfn_to_hpa(vcpu->vmcs)); /* what this processor still holds of it goes to memory */
    vcpu->launched = 0;
}

const char *vcpu_cannot_start(const struct guest_start *start)
{
    if (start->mode != START_LONG64 && !vmx_caps.unrestricted) {
        return start->mode == START_REAL || start->mode == START_RESET
                   ? "it starts in real mode, and this processor has no unrestricted guest mode"
                   : "it starts without paging, and this processor has no unrestricted guest mode";
    }
    return NULL;
}

void vcpu_set_start(struct vcpu *vcpu, const struct guest_start *start)
{
    vcpu_make_current(vcpu);
    guest_state_start(start);
    if (start->mode == START_RESET) {
        vcpu_init(vcpu);
        vcpu_unload(vcpu);
        return;
    }
    vcpu->gpr[RAX] = start->rax;
    vcpu->gpr[RBX] = start->rbx;
    vcpu->gpr[RCX] = start->rcx;
    vcpu->gpr[RDX] = start->rdx;
    vcpu->gpr[RSI] = start->rsi;
    vcpu->gpr[RDI] = start->rdi;
    vcpu->gpr[RBP] = start->rbp;
    vcpu_unload(vcpu);
}

void vcpu_set_field(struct vcpu *vcpu, u32 field, u64 value)
{
    vcpu_make_current(vcpu);
    vmcs_write((enum vmcs_field)field, value);
    vcpu_unload(vcpu);
}

void vcpu_request(struct vcpu *vcpu, u32 request)
{
    /* Pairs with enter(): either it sees the request, or it is seen inside here. */
    if (atomic_or(&vcpu->requests, request) & request)
        return; /* who made it first has kicked */
    if (atomic_read(&vcpu->mmu.inside) != 0 && vcpu->processor != this_processor()->number)
        processor_kick(vcpu->processor);
}

void vcpu_bound_run(struct vcpu *vcpu, u64 tsc)
{
    if (tsc < vcpu->run_until)
        vcpu->run_until = tsc;
}

void vcpu_end(struct vcpu *vcpu, enum guest_end end, u32 status, const char *format, ...)
{
    va_list args;

    if (vcpu->end != GUEST_END_NONE)
        return;
    vcpu->end = end;
    vcpu->end_status = status;
    va_start(args, format);
    format_text_v(vcpu->end_text, sizeof(vcpu->end_text), format, args);
    va_end(args);
    atomic_or(&vcpu->requests, REQUEST_STOP);
    vcpu->ops->ended(vcpu);
}

void vcpu_end_no_access(struct vcpu *vcpu, int error, const char *what, gpa_t gpa)
{
    unsigned long long at = gpa.v;

    if (error == -ENOMEM)
        vcpu_end(vcpu, GUEST_END_NO_MEMORY, 0, "the machine has no frame left for its %s at %#llx", what, at);
    else
        vcpu_end(vcpu, GUEST_END_OUTSIDE_MEMORY, 0, "%s at %#llx, where it has no memory; RIP %#llx", what, at,
                 (unsigned long long)vcpu->exit_rip);
}

/* The guest's time starts with its first instruction, and is the same for all of its processors. */
static void first_entry(struct vcpu *vcpu)
{
    vcpu->first_entry_tsc = rdtsc();
    if (*vcpu->epoch == 0)
        *vcpu->epoch = vcpu->first_entry_tsc;
    vcpu->tsc_offset = -*vcpu->epoch;
    vmcs_write(VMCS_TSC_OFFSET, vcpu->tsc_offset);
    vcpu->ops->tsc_offset_changed(vcpu);
}

static void handle_exit(struct vcpu *vcpu)
{
    u32 reason = (u32)vmcs_read(VMCS_EXIT_REASON);

    if (reason & EXIT_REASON_ENTRY_FAILURE) {
        if ((reason & EXIT_REASON_BASIC) == EXIT_REASON_MACHINE_CHECK_AT_ENTRY)
            __asm__ volatile("int $18"); /* the machine's, not the guest's (SDM vol. 3, 27.9) */
        entry_failure_report(vcpu, reason & EXIT_REASON_BASIC);
        return;
    }
    vcpu->exit_rip = vmcs_read(VMCS_GUEST_RIP);
    event_requeue(vcpu);
    exit_dispatch(vcpu, reason);
}

struct vcpu *vcpu_pause(void)
{
    struct processor *processor = this_processor();
    struct vcpu *vcpu = processor->running;

    processor->running = NULL;
    atomic_write(&processor->guest, NULL);
    return vcpu;
}

void vcpu_resume(struct vcpu *vcpu)
{
    struct processor *processor = this_processor();

    if (!vcpu)
        return;
    vcpu_make_current(vcpu);
    processor->running = vcpu;
    /* Pairs with port_kick(): who came before this is seen by vcpu_memory_enter(), who comes later sees this. */
    (void)atomic_xchg(&processor->guest, vcpu->memory);
    if (vcpu->host_state != processor->number + 1) {
        vmcs_set_host_state();
        vcpu->host_state = processor->number + 1;
    }
}

enum entry_result { ENTRY_DONE, ENTRY_FAILED, ENTRY_BLOCKED, ENTRY_REQUESTED };

static bool has_request(struct vcpu *vcpu)
{
    return atomic_read(&vcpu->requests) & ~(u32)REQUEST_EVENT;
}

/* One stay in the guest, as the memory core wants it. */
static enum entry_result enter(struct vcpu *vcpu)
{
    struct vcpu_entry entry = vcpu_memory_enter(&vcpu->mmu);

    if (entry.blocked) {
        vcpu_memory_leave(&vcpu->mmu);
        return ENTRY_BLOCKED;
    }
    if (entry.invept) {
        u64 eptp = vmx_eptp(entry.root, entry.levels);

        vmcs_write(VMCS_EPT_POINTER, eptp);
        vmx_invept(eptp);
    }
    /* Pairs with vcpu_request(). */
    if (has_request(vcpu)) {
        vcpu_memory_leave(&vcpu->mmu);
        return ENTRY_REQUESTED;
    }
    if (vcpu->requests & REQUEST_EVENT)
        event_inject(vcpu);
    if (vcpu->flush_vpid) {
        vmx_invvpid_all();
        vcpu->flush_vpid = false;
    }
    if (entry.log != vcpu->logs_modifications)
        pml_switch(vcpu, entry.log);
    int failed = vmx_enter(vcpu);
    if (vcpu->logs_modifications)
        pml_drain(vcpu);
    vcpu_memory_leave(&vcpu->mmu);
    return failed ? ENTRY_FAILED : ENTRY_DONE;
}

/* What is left of the slice: time that passes in the hypervisor counts too. */
static void set_timer(u64 ticks)
{
    u64 timer = ticks >> vmx_caps.timer_shift;

    vmcs_write(VMCS_PREEMPTION_TIMER, timer < 0xffffffff ? timer : 0xffffffff);
}

/* False: vcpu_run() returns. */
static bool handle_requests(struct vcpu *vcpu)
{
    if (vcpu->requests & REQUEST_INTERRUPT) {
        atomic_and(&vcpu->requests, ~(u32)REQUEST_INTERRUPT);
        vcpu->ops->collect(vcpu);
        if (vcpu->activity != VCPU_ACTIVE) /* by an INIT */
            return false;
        interrupt_prepare(vcpu);
    }
    return !(vcpu->requests & (REQUEST_STOP | REQUEST_LEAVE));
}

static void run(struct vcpu *vcpu)
{
    for (;;) {
        /* What is requested of a halted one is vcpu_wake_if_due()'s. */
        if (vcpu->activity != VCPU_ACTIVE || (has_request(vcpu) && !handle_requests(vcpu)))
            return;
        u64 now = rdtsc();
        if (now >= vcpu->run_until)
            return;
        /*
         * Quick exits do not set the timer: where it would begin anew with each of them there are none. Nor do they know what a
         * debugger does at the end of an instruction. With several processors they stay off: a guest of 4 vCPUs on 4 processors
         * (tests/system/linux.t) has failed with them, and it is not known yet which of them is wrong there.
         */
        vcpu->quick_until =
            vmx_caps.save_timer && !vcpu->debug.controls && processor_count() == 1 ? vcpu->run_until : 0;
        set_timer(vcpu->run_until - now);
        assert(vcpu_is_current(vcpu));
        switch (enter(vcpu)) {
        case ENTRY_DONE:
            handle_exit(vcpu);
            break;
        case ENTRY_FAILED:
            entry_failure_report(vcpu, 0);
            return;
        case ENTRY_BLOCKED:
            port_yield(); /* to who makes room, if he is here */
            break;
        case ENTRY_REQUESTED:
            break;
        }
    }
}

void vcpu_run(struct vcpu *vcpu, u64 deadline)
{
    assert(vcpu->processor == this_processor()->number);
    vcpu_resume(vcpu);
    vcpu->run_until = deadline;
    if (vcpu->nmi_waits) /* it may wait for interrupts to be on: see interrupt_prepare() */
        atomic_or(&vcpu->requests, REQUEST_INTERRUPT);
    if (!vcpu->first_entry_tsc)
        first_entry(vcpu);
    run(vcpu);
    vcpu_pause();
}

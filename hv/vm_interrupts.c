/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between a guest's processors, their local APICs and the devices: device registers in memory, the MSRs of the local APIC,
 * messages, the PIC's line, clocks. A local APIC is its own task's (hv/dev/lapic.h); the devices are guarded by
 * vm->devices_lock.
 */
#include "arch/x86/apicv_rules.h"
#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "arch/x86/vmx.h"
#include "hv/vm_internal.h"
#include "mm/atomic.h"

static struct lapic *lapic_of(struct vcpu *vcpu)
{
    return &vm_processor_of(vcpu)->lapic;
}

/* After an access to the vCPU's own local APIC: what it let through or armed. */
static void apic_changed(struct vcpu *vcpu)
{
    atomic_or(&vcpu->requests, REQUEST_INTERRUPT);
    vcpu_bound_run(vcpu, lapic_timer_next(lapic_of(vcpu)));
}

/* After one that lets nothing through. It may have posted something: the timer that has come due, an error. */
static void apic_accessed(struct vcpu *vcpu)
{
    if (lapic_needs_attention(lapic_of(vcpu)))
        atomic_or(&vcpu->requests, REQUEST_INTERRUPT);
    vcpu_bound_run(vcpu, lapic_timer_next(lapic_of(vcpu)));
}

/* Of the register at this offset. Most kernels write the timer's more often than all others. */
static void apic_written(struct vcpu *vcpu, u32 offset)
{
    switch (offset) {
    case LAPIC_ESR:
    case LAPIC_ICR: /* what it sends is posted, also to itself */
    case LAPIC_ICR_HIGH:
    case LAPIC_SELF_IPI:
    case LAPIC_LVT_TIMER:
    case LAPIC_TIMER_INITIAL:
    case LAPIC_TIMER_DIVIDE:
        apic_accessed(vcpu);
        break;
    default:
        apic_changed(vcpu);
        break;
    }
}

/*
 * The local APIC accepts again, or does so no more: what the IOAPIC could not deliver is offered once more. (A level that is
 * high when nobody accepts it is not sent again by itself.)
 */
static void offer_again(struct vcpu *vcpu)
{
    struct vm *vm = vcpu->vm;

    spin_lock(&vm->devices_lock);
    platform_run(&vm->platform, vm_devices_ns(vm));
    spin_unlock(&vm->devices_lock);
}

/* ---- registers ---- */

static bool is_page(gpa_t gpa, u64 base)
{
    return (gpa.v & ~(PAGE_SIZE - 1)) == base;
}

bool vm_is_device(struct vcpu *vcpu, gpa_t gpa)
{
    return is_page(gpa, IOAPIC_BASE) || (is_page(gpa, LAPIC_DEFAULT_BASE) && lapic_has_mmio(lapic_of(vcpu)));
}

u64 vm_device_read(struct vcpu *vcpu, gpa_t gpa, unsigned size)
{
    struct vm *vm = vcpu->vm;
    u32 offset = gpa.v & (PAGE_SIZE - 1);
    u64 value;

    if (!is_page(gpa, IOAPIC_BASE)) {
        value = lapic_mmio_read(lapic_of(vcpu), offset, size, rdtsc());
        apic_accessed(vcpu);
        return value;
    }
    spin_lock(&vm->devices_lock);
    value = platform_mmio_read(&vm->platform, offset, size, vm_devices_ns(vm));
    vm_clocks_changed(vm_processor_of(vcpu));
    spin_unlock(&vm->devices_lock);
    return value;
}

void vm_device_write(struct vcpu *vcpu, gpa_t gpa, unsigned size, u64 value)
{
    struct vm *vm = vcpu->vm;
    u32 offset = gpa.v & (PAGE_SIZE - 1);

    if (!is_page(gpa, IOAPIC_BASE)) {
        lapic_mmio_write(lapic_of(vcpu), offset, size, value, rdtsc());
        apic_written(vcpu, offset);
        if (offset == LAPIC_SVR || offset == LAPIC_LDR || offset == LAPIC_DFR)
            offer_again(vcpu);
        return;
    }
    spin_lock(&vm->devices_lock);
    platform_mmio_write(&vm->platform, offset, size, value, vm_devices_ns(vm));
    vm_clocks_changed(vm_processor_of(vcpu)); /* a pin that is unmasked lets its clock's interrupts through */
    spin_unlock(&vm->devices_lock);
}

int vm_apic_msr_read(struct vcpu *vcpu, u32 msr, u64 *value)
{
    int error = 0;

    if (msr == MSR_APIC_BASE)
        *value = lapic_base_read(lapic_of(vcpu));
    else
        error = lapic_msr_read(lapic_of(vcpu), msr, value, rdtsc());
    apic_accessed(vcpu);
    return error;
}

int vm_apic_msr_write(struct vcpu *vcpu, u32 msr, u64 value)
{
    int error;

    if (msr == MSR_APIC_BASE) {
        error = lapic_base_write(lapic_of(vcpu), value);
        apic_changed(vcpu);
    } else {
        error = lapic_msr_write(lapic_of(vcpu), msr, value, rdtsc());
        if (msr == MSR_TSC_DEADLINE)
            apic_accessed(vcpu);
        else
            apic_written(vcpu, (msr - MSR_X2APIC_FIRST) * 16);
    }
    if (!error && (msr == MSR_APIC_BASE || msr == MSR_X2APIC_FIRST + LAPIC_SVR / 16))
        offer_again(vcpu);
    return error;
}

/*
 * What is due already, or would be due before run_until, is not quick. What is armed here comes later, and vm_clocks_run() is
 * asked before it does: there is nothing to bound.
 */
bool vm_deadline_write_quickly(struct vcpu *vcpu, u64 value)
{
    return lapic_deadline_write_quickly(lapic_of(vcpu), value, rdtsc(), vcpu->run_until);
}

void vm_tsc_offset_changed(struct vcpu *vcpu)
{
    lapic_set_tsc_offset(lapic_of(vcpu), vcpu->tsc_offset, rdtsc());
    apic_changed(vcpu);
}

u64 vm_priority_read(struct vcpu *vcpu)
{
    return lapic_cr8_read(lapic_of(vcpu));
}

void vm_priority_write(struct vcpu *vcpu, u64 value)
{
    lapic_cr8_write(lapic_of(vcpu), (u8)value);
    atomic_or(&vcpu->requests, REQUEST_INTERRUPT);
}

/* ---- messages ---- */

static void notify(void *context, unsigned index)
{
    struct vm *vm = context;

    vm_processor_notify(vm->processors[index], REQUEST_INTERRUPT);
}

bool vm_deliver(void *context, const struct apic_message *message)
{
    struct vm *vm = context;

    return apic_deliver(vm->apics, vm->processor_count, message, NULL, notify, vm) != 0;
}

static void send(void *context, const struct apic_message *message)
{
    struct vm_processor *source = context;
    struct vm *vm = source->vcpu.vm;

    (void)apic_deliver(vm->apics, vm->processor_count, message, &source->lapic, notify, vm);
}

static void ended(void *context, u8 vector)
{
    struct vm *vm = ((struct vm_processor *)context)->vcpu.vm;

    spin_lock(&vm->devices_lock);
    platform_eoi(&vm->platform, vector);
    spin_unlock(&vm->devices_lock);
}

const struct lapic_ops vm_lapic_ops = { .send = send, .eoi = ended };

/* Under devices_lock. The line goes to all processors; who takes it is told by their local APICs. */
void vm_pic_interrupt(void *context, bool high)
{
    struct vm *vm = context;

    /* Pairs with apic_changed(): who lets the PIC through and then asks sees the line, or is seen here. */
    (void)atomic_xchg(&vm->pic_interrupt, high);
    for (unsigned i = 0; high && i < vm->processor_count; i++) {
        if (lapic_accepts_extint(vm->apics[i]))
            vm_processor_notify(vm->processors[i], REQUEST_INTERRUPT);
    }
}

/* ---- what a vCPU asks before it enters ---- */

void vm_collect(struct vcpu *vcpu)
{
    struct vm_processor *processor = vm_processor_of(vcpu);
    struct lapic *lapic = &processor->lapic;
    struct lapic_events events;

    if (lapic_collect(lapic) & LAPIC_CHANGED_TMR)
        vcpu->eoi_exits_changed = true;
    events = lapic_take_events(lapic);
    if (events.init) {
        processor->extint = false;
        lapic_reset(lapic);
        vcpu_init(vcpu);
    }
    if (events.sipi)
        vcpu_start(vcpu, events.sipi_vector);
    if (events.nmi)
        vcpu_post_nmi(vcpu);
    processor->extint |= events.extint;
}

/* An interrupt of the PIC comes by its line, or by a message of the IOAPIC that names this processor. */
static bool pic_waits(struct vm_processor *processor)
{
    return processor->extint ||
           (atomic_read(&processor->vcpu.vm->pic_interrupt) && lapic_accepts_extint(&processor->lapic));
}

bool vm_interrupt_waits(struct vcpu *vcpu)
{
    struct vm_processor *processor = vm_processor_of(vcpu);

    return pic_waits(processor) || lapic_pending(&processor->lapic) != LAPIC_NO_VECTOR;
}

bool vm_extint_waits(struct vcpu *vcpu)
{
    return pic_waits(vm_processor_of(vcpu));
}

/*
 * Another processor may have masked or served the PIC since it was asked whether something waits: then the PIC answers with its
 * spurious vector, as a real one does whose request has gone.
 */
u8 vm_interrupt_take(struct vcpu *vcpu)
{
    struct vm_processor *processor = vm_processor_of(vcpu);
    struct vm *vm = vcpu->vm;
    /* Where the processor delivers those of the local APIC it is asked for the PIC's only. */
    bool from_pic = vmx_caps.virtual_interrupts || pic_waits(processor);
    int pending = from_pic ? LAPIC_NO_VECTOR : lapic_pending(&processor->lapic);
    u8 vector;

    if (pending != LAPIC_NO_VECTOR) {
        lapic_acknowledge(&processor->lapic, (u8)pending);
        return (u8)pending;
    }
    processor->extint = false;
    spin_lock(&vm->devices_lock);
    vector = platform_acknowledge(&vm->platform);
    spin_unlock(&vm->devices_lock);
    return vector;
}

/* ---- what the processor does by itself in the page of the local APIC ---- */

static_assert(LAPIC_NO_VECTOR == -1, "in struct vcpu_apic, too");

void vm_apic_look(struct vcpu *vcpu, struct vcpu_apic *apic)
{
    const struct lapic *lapic = lapic_of(vcpu);
    u64 base = lapic_base_read(lapic);

    *apic = (struct vcpu_apic){
        .is_enabled = base & LAPIC_BASE_ENABLED,
        .is_x2apic = base & LAPIC_BASE_X2APIC,
        .accepts = lapic->page[LAPIC_SVR / 4] & LAPIC_SVR_ENABLED,
        .irr = lapic_highest_irr(lapic),
        .isr = lapic_highest_isr(lapic),
        .tpr = (u8)lapic->page[LAPIC_TPR / 4],
    };
}

void vm_apic_eoi_exits(struct vcpu *vcpu, u64 bitmap[4])
{
    lapic_eoi_exit_bitmap(lapic_of(vcpu), bitmap);
}

void vm_apic_ended(struct vcpu *vcpu, u8 vector)
{
    lapic_ended(lapic_of(vcpu), vector);
}

void vm_apic_wrote(struct vcpu *vcpu, u32 offset)
{
    lapic_wrote(lapic_of(vcpu), offset, rdtsc());
    apic_written(vcpu, offset);
}

/* ---- clocks ---- */

/* Host TSC of the next event of a device's clock. Under devices_lock. */
static u64 devices_next(const struct vm *vm)
{
    u64 ns = platform_next_event_ns(&vm->platform);

    return ns == PLATFORM_NEVER || vm->epoch == 0 ? ~0ull : vm->epoch + vm_ns_to_ticks(ns);
}

u64 vm_clocks_run(struct vm_processor *processor)
{
    struct vm *vm = processor->vcpu.vm;
    u64 next = ~0ull;

    if (lapic_timer_run(&processor->lapic, rdtsc()))
        atomic_or(&processor->vcpu.requests, REQUEST_INTERRUPT);
    if (processor->vcpu.number == 0) {
        spin_lock(&vm->devices_lock);
        if (rdtsc() >= vm->devices_next)
            platform_run(&vm->platform, vm_devices_ns(vm));
        next = vm->devices_next = devices_next(vm);
        spin_unlock(&vm->devices_lock);
    }
    u64 timer = lapic_timer_next(&processor->lapic);
    return timer < next ? timer : next;
}

void vm_clocks_changed(struct vm_processor *processor)
{
    struct vm *vm = processor->vcpu.vm;
    u64 next = devices_next(vm);

    if (next == vm->devices_next)
        return;
    vm->devices_next = next;
    if (processor->vcpu.number == 0)
        vcpu_bound_run(&processor->vcpu, next);
    else
        vm_processor_notify(vm->processors[0], REQUEST_LEAVE);
}

bool vm_interrupt_can_come(struct vm_processor *processor)
{
    struct vm *vm = processor->vcpu.vm;
    bool can;

    if (lapic_timer_next(&processor->lapic) != LAPIC_NEVER)
        return true;
    spin_lock(&vm->devices_lock);
    can = platform_can_interrupt(&vm->platform);
    spin_unlock(&vm->devices_lock);
    return can;
}

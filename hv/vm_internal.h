/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files that make up a virtual machine share: hv/vm*.c. */
#ifndef HV_VM_INTERNAL_H
#define HV_VM_INTERNAL_H

#include "hv/vm.h"
#include "mm/list.h"

/* As vm_set_environment() was told. */
extern struct vm_environment vm_environment;

/* Nanoseconds from TSC ticks, and back, without overflow in any lifetime. The ticks are not less than the time. */
u64 vm_ticks_to_ns(u64 ticks);
u64 vm_ns_to_ticks(u64 ns);

/* Nanoseconds since the guest's first instruction by the host's clock: a guest that sets its own TSC does not change it. */
u64 vm_age_ns(const struct vm *vm);

/* Under devices_lock: the same for devices, whose time never runs backwards, whatever processors think of it. */
u64 vm_devices_ns(struct vm *vm);

/*
 * Notes how the guest ended, if it has not yet: it does not run any more, and all its vCPUs are told. `text` is copied. From any
 * task; devices_lock may be held.
 */
void vm_end(struct vm *vm, enum guest_end end, u32 status, const char *text);

/* Under devices_lock: ends the guest, of which the line that "expect" names has come on its console. */
void vm_end_as_expected(struct vm *vm);

/* Under devices_lock: the same if that line has come. */
static inline void vm_end_if_expected(struct vm *vm)
{
    if (vm->console.matched)
        vm_end_as_expected(vm);
}

static inline bool vm_runs(const struct vm *vm)
{
    return __atomic_load_n(&vm->runs, __ATOMIC_ACQUIRE);
}

static inline struct vm_processor *vm_processor_of(struct vcpu *vcpu)
{
    return container_of(vcpu, struct vm_processor, vcpu);
}

/* vm_processors.c. 0, -ENOMEM; what was made is destroyed by vm_processors_destroy(), whose records stay. */
int vm_processors_create(struct vm *vm);
void vm_processors_destroy(struct vm *vm);

/* vm_run.c: a task's function, for a struct vm_processor. */
void vm_processor_run(void *processor);

/* From any task: the vCPU sees the request, and its task runs if it slept. */
void vm_processor_notify(struct vm_processor *processor, u32 request);

/*
 * vm_interrupts.c: what is due on the clocks of this processor, and for the first one on those of the VM's devices. The host TSC
 * at which the next is due; ~0: none. For the task of the processor.
 */
u64 vm_clocks_run(struct vm_processor *processor);

/* Under devices_lock, by the task of `processor`, after an access that may have changed a clock of a device. */
void vm_clocks_changed(struct vm_processor *processor);

/* For the task of a processor that is not active: whether an interrupt can come to it from its local APIC or from a device. */
bool vm_interrupt_can_come(struct vm_processor *processor);

/* vm_interrupts.c: what the vCPUs call. */
bool vm_is_device(struct vcpu *vcpu, gpa_t gpa);
u64 vm_device_read(struct vcpu *vcpu, gpa_t gpa, unsigned size);
void vm_device_write(struct vcpu *vcpu, gpa_t gpa, unsigned size, u64 value);
int vm_apic_msr_read(struct vcpu *vcpu, u32 msr, u64 *value);
int vm_apic_msr_write(struct vcpu *vcpu, u32 msr, u64 value);
bool vm_deadline_write_quickly(struct vcpu *vcpu, u64 value);
void vm_tsc_offset_changed(struct vcpu *vcpu);
u64 vm_priority_read(struct vcpu *vcpu);
void vm_priority_write(struct vcpu *vcpu, u64 value);
void vm_collect(struct vcpu *vcpu);
bool vm_interrupt_waits(struct vcpu *vcpu);
bool vm_extint_waits(struct vcpu *vcpu);
u8 vm_interrupt_take(struct vcpu *vcpu);
void vm_apic_look(struct vcpu *vcpu, struct vcpu_apic *apic);
void vm_apic_eoi_exits(struct vcpu *vcpu, u64 bitmap[4]);
void vm_apic_ended(struct vcpu *vcpu, u8 vector);
void vm_apic_wrote(struct vcpu *vcpu, u32 offset);

/* What the local APICs and the platform call. */
extern const struct lapic_ops vm_lapic_ops;
bool vm_deliver(void *vm, const struct apic_message *message);
void vm_pic_interrupt(void *vm, bool high);

/* What the guest's exits and its devices do to the VM. */
extern const struct vcpu_ops vm_vcpu_ops;
void vm_console_byte(void *vm, u8 byte);
void vm_debug_exit(void *vm, u32 status);
void vm_reset(void *vm);
void vm_power_off(void *vm);

/* The console's lines: shown with the guest's name; matched against "expect". */
void vm_emit_line(void *vm, const char *line);
bool vm_match_line(void *vm, const char *line);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest does to the world around it: its exits, called by arch/x86, and what its devices and its console call. */
#include "hv/console.h"
#include "hv/debugger.h"
#include "hv/hypercall.h"
#include "hv/lib/format.h"
#include "hv/lib/log.h"
#include "hv/pattern.h"
#include "hv/vm_internal.h"
#include "hv/vm_list.h"

void vm_emit_line(void *context, const char *line)
{
    const struct vm *vm = context;

    if (console_shows(vm))
        return;
    char text[CONF_NAME_SIZE + GUEST_CONSOLE_LINE_SIZE + 8];
    int length = format_text(text, sizeof(text), "%-*s | %s\n", (int)vm_environment.name_width, vm->conf.name, line);

    log_raw(text, (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1);
}

bool vm_match_line(void *context, const char *line)
{
    struct vm *vm = context;

    console_lines_add(&vm->lines, line);
    return vm->conf.expect[0] != '\0' && pattern_found(vm->conf.expect, line);
}

void vm_console_byte(void *context, u8 byte)
{
    struct vm *vm = context;

    guest_console_put(&vm->console, byte);
    console_guest_byte(vm, byte);
}

void vm_debug_exit(void *context, u32 status)
{
    char text[VCPU_END_TEXT];

    format_text(text, sizeof(text), "it wrote %u to the debug-exit port", (unsigned)status);
    vm_end(context, GUEST_END_EXIT, status, text);
}

void vm_reset(void *context)
{
    vm_end(context, GUEST_END_RESET, 0, "it asked for a reset");
}

void vm_power_off(void *context)
{
    vm_end(context, GUEST_END_POWER_OFF, 0, "it switched its machine off");
}

void vm_end_as_expected(struct vm *vm)
{
    char text[VCPU_END_TEXT];

    format_text(text, sizeof(text), "the expected text came: \"%s\"", vm->conf.expect);
    vm_end(vm, GUEST_END_EXPECT_SEEN, 0, text);
}

/* Under devices_lock: from the queue into the receiver, as far as that has room. */
static void feed_input(struct vm *vm)
{
    u8 byte;

    while (platform_can_receive(&vm->platform) && guest_input_take(&vm->input, &byte))
        (void)platform_receive(&vm->platform, byte);
}

/* A byte may be an interrupt, and its way leads over the local APICs, which go with the guest. */
void vm_input_arrived(struct vm *vm)
{
    if (!vm_use(vm))
        return;
    spin_lock(&vm->devices_lock);
    feed_input(vm);
    spin_unlock(&vm->devices_lock);
    vm_unuse(vm);
}

enum { CMOS_PORT = 0x70 };

/* The devices that have clocks, and those that decide whether a clock's interrupt goes anywhere, are below. */
static bool may_change_clock(u16 port)
{
    return port < 0x100;
}

static u32 port_read(struct vcpu *vcpu, u16 port, unsigned size)
{
    struct vm *vm = vcpu->vm;
    u32 value;

    spin_lock(&vm->devices_lock);
    value = platform_port_read(&vm->platform, port, size, vm_devices_ns(vm));
    if ((port & ~1) == CMOS_PORT) /* reading why the clock has interrupted lets it interrupt again */
        vm_clocks_changed(vm_processor_of(vcpu));
    if (guest_input_waits(&vm->input))
        feed_input(vm);
    spin_unlock(&vm->devices_lock);
    return value;
}

static void port_write(struct vcpu *vcpu, u16 port, unsigned size, u32 value)
{
    struct vm *vm = vcpu->vm;

    spin_lock(&vm->devices_lock);
    platform_port_write(&vm->platform, port, size, value, vm_devices_ns(vm));
    if (may_change_clock(port))
        vm_clocks_changed(vm_processor_of(vcpu));
    vm_end_if_expected(vm);
    spin_unlock(&vm->devices_lock);
}

/*
 * Who has the lock may be printing, while somebody waits for this vCPU to leave the guest: it is not waited for. What is quick
 * changes no clock, and writes nothing to the console.
 */
static bool port_write_quickly(struct vcpu *vcpu, u16 port, unsigned size, u32 value)
{
    struct vm *vm = vcpu->vm;
    bool done;

    if (!spin_trylock(&vm->devices_lock))
        return false;
    done = platform_port_write_quickly(&vm->platform, port, size, value);
    spin_unlock(&vm->devices_lock);
    return done;
}

static void halted(struct vcpu *vcpu)
{
    struct vm *vm = vcpu->vm;

    spin_lock(&vm->devices_lock);
    guest_console_idle(&vm->console);
    vm_end_if_expected(vm);
    spin_unlock(&vm->devices_lock);
}

/* Its slice is over: who holds what it waits for may wait for this very processor. */
static void spins(struct vcpu *vcpu)
{
    vm_processor_of(vcpu)->slice_end = 0;
    vcpu_bound_run(vcpu, 0);
}

static void ended(struct vcpu *vcpu)
{
    vm_end(vcpu->vm, vcpu->end, vcpu->end_status, vcpu->end_text);
}

const struct vcpu_ops vm_vcpu_ops = {
    .port_read = port_read,
    .port_write = port_write,
    .is_device = vm_is_device,
    .device_read = vm_device_read,
    .device_write = vm_device_write,
    .apic_msr_read = vm_apic_msr_read,
    .apic_msr_write = vm_apic_msr_write,
    .tsc_offset_changed = vm_tsc_offset_changed,
    .priority_read = vm_priority_read,
    .priority_write = vm_priority_write,
    .collect = vm_collect,
    .interrupt_waits = vm_interrupt_waits,
    .extint_waits = vm_extint_waits,
    .interrupt_take = vm_interrupt_take,
    .apic_look = vm_apic_look,
    .apic_eoi_exits = vm_apic_eoi_exits,
    .apic_ended = vm_apic_ended,
    .apic_wrote = vm_apic_wrote,
    .halted = halted,
    .spins = spins,
    .hypercall = vm_hypercall,
    .port_write_quickly = port_write_quickly,
    .deadline_write_quickly = vm_deadline_write_quickly,
    .hypercall_quickly = vm_hypercall_quickly,
    .ended = ended,
    .is_breakpoint = debugger_is_breakpoint,
    .stopped = debugger_stopped,
};

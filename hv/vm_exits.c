/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest does to the world around it: its exits, called by arch/x86, and what its devices and its console call. */
#include "hv/hypercall.h"
#include "hv/lib/format.h"
#include "hv/lib/log.h"
#include "hv/pattern.h"
#include "hv/vm_internal.h"

void vm_emit_line(void *context, const char *line)
{
    const struct vm *vm = context;
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
}

void vm_debug_exit(void *context, u32 status)
{
    struct vm *vm = context;

    vcpu_end(&vm->vcpu, GUEST_END_EXIT, status, "it wrote %u to the debug-exit port", status);
}

void vm_reset(void *context)
{
    struct vm *vm = context;

    vcpu_end(&vm->vcpu, GUEST_END_UNSUPPORTED, 0, "it asked for a reset");
}

bool vm_end_if_expected(struct vm *vm)
{
    if (vm->console.matched)
        vcpu_end(&vm->vcpu, GUEST_END_EXPECT_SEEN, 0, "the expected text came: \"%s\"", vm->conf.expect);
    return vm->console.matched;
}

static u32 port_read(struct vcpu *vcpu, u16 port, unsigned size)
{
    struct vm *vm = vcpu->vm;

    return port_bus_read(&vm->platform.bus, port, size, vm_age_ns(vm));
}

static void port_write(struct vcpu *vcpu, u16 port, unsigned size, u32 value)
{
    struct vm *vm = vcpu->vm;

    port_bus_write(&vm->platform.bus, port, size, value, vm_age_ns(vm));
    vm_end_if_expected(vm);
}

/* No interrupt reaches a guest yet: a halted processor stays so. */
static void halt(struct vcpu *vcpu, bool interrupts_enabled)
{
    struct vm *vm = vcpu->vm;

    guest_console_idle(&vm->console);
    if (!vm_end_if_expected(vm))
        vcpu_end(vcpu, GUEST_END_HALT, 0, "it halted at %#llx with interrupts %s", (unsigned long long)vcpu->exit_rip,
                 interrupts_enabled ? "on, and no device can raise one" : "off");
}

static void ended(struct vcpu *vcpu)
{
    vm_end(vcpu->vm, vcpu->end, vcpu->end_status, vcpu->end_text);
}

const struct vcpu_ops vm_vcpu_ops = {
    .port_read = port_read,
    .port_write = port_write,
    .halt = halt,
    .hypercall = vm_hypercall,
    .ended = ended,
};

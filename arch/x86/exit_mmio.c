/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's access to device registers in memory: nothing is mapped there, so it comes as an EPT violation. The instruction is
 * fetched, decoded and executed here, once. What cannot be done so ends the guest with a reason.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/event.h"
#include "arch/x86/exit.h"
#include "arch/x86/guest_segment.h"
#include "arch/x86/guest_state.h"
#include "arch/x86/guest_walk.h"
#include "arch/x86/mmio_op.h"
#include "arch/x86/vmcs.h"
#include "hv/lib/string.h"
#include "mm/vm_memory.h"

static_assert((int)DECODE_REGISTERS == (int)GPR_COUNT, "both number registers as instructions do");

struct mmio_exit {
    struct vcpu *vcpu;
    gpa_t gpa;
    bool crosses; /* the access would leave the device's page */
};

static enum exit_action refuse(struct vcpu *vcpu, gpa_t gpa, const char *what)
{
    vcpu_end(vcpu, GUEST_END_UNSUPPORTED, 0, "%s at %#llx, where it has device registers; RIP %#llx", what,
             (unsigned long long)gpa.v, (unsigned long long)vcpu->exit_rip);
    return EXIT_STAY;
}

static struct decode_mode decode_mode(void)
{
    u64 rights = vmcs_read(VMCS_GUEST_CS_ACCESS_RIGHTS);

    return (struct decode_mode){ .bits = guest_in_64bit_mode() ? 64 : rights & RIGHTS_DB ? 32 : 16 };
}

/* 0; -EFAULT: as guest_linear_fetch(); -EINVAL: no instruction that slat emulates. */
static int fetch(struct vcpu *vcpu, struct mmio_instruction *instruction)
{
    struct decode_mode mode = decode_mode();
    u64 linear = mode.bits == 64 ? vcpu->exit_rip : (u32)(vcpu->exit_rip + vmcs_read(VMCS_GUEST_CS_BASE));
    unsigned in_page = (unsigned)(PAGE_SIZE - (linear & (PAGE_SIZE - 1)));
    unsigned length = in_page < DECODE_LENGTH_MAX ? in_page : DECODE_LENGTH_MAX;
    u8 bytes[DECODE_LENGTH_MAX];
    int error = guest_linear_fetch(vcpu, linear, bytes, length);

    if (!error)
        error = decode_mmio(bytes, length, mode, instruction);
    /* The next page is looked at only when the instruction reaches into it. */
    if (error == -EAGAIN && length < DECODE_LENGTH_MAX) {
        linear = mode.bits == 64 ? linear + length : (u32)(linear + length);
        error = guest_linear_fetch(vcpu, linear, bytes + length, DECODE_LENGTH_MAX - length);
        if (!error)
            error = decode_mmio(bytes, DECODE_LENGTH_MAX, mode, instruction);
    }
    return error == -EAGAIN ? -EINVAL : error;
}

static void get_registers(const struct vcpu *vcpu, struct mmio_registers *registers)
{
    memcpy(registers->gpr, vcpu->gpr, sizeof(registers->gpr));
    registers->gpr[RSP_IN_VMCS] = vmcs_read(VMCS_GUEST_RSP);
    registers->rflags = vmcs_read(VMCS_GUEST_RFLAGS);
    registers->rip = vcpu->exit_rip;
    for (unsigned i = 0; i < DECODE_SEGMENTS; i++)
        registers->segment_base[i] = vmcs_read(VMCS_SEGMENT_BASE((enum segment)i));
}

static void set_registers(struct vcpu *vcpu, const struct mmio_registers *before, const struct mmio_registers *after)
{
    memcpy(vcpu->gpr, after->gpr, sizeof(vcpu->gpr));
    if (after->gpr[RSP_IN_VMCS] != before->gpr[RSP_IN_VMCS])
        vmcs_write(VMCS_GUEST_RSP, after->gpr[RSP_IN_VMCS]);
    if (after->rflags != before->rflags)
        vmcs_write(VMCS_GUEST_RFLAGS, after->rflags);
}

static bool leaves_page(struct mmio_exit *exit, unsigned size)
{
    exit->crosses = (exit->gpa.v & (PAGE_SIZE - 1)) + size > PAGE_SIZE;
    return exit->crosses;
}

static int device_read(void *context, unsigned size, u64 *value)
{
    struct mmio_exit *exit = context;

    if (leaves_page(exit, size))
        return -EINVAL;
    *value = exit->vcpu->ops->device_read(exit->vcpu, exit->gpa, size);
    return 0;
}

static int device_write(void *context, unsigned size, u64 value)
{
    struct mmio_exit *exit = context;

    if (leaves_page(exit, size))
        return -EINVAL;
    exit->vcpu->ops->device_write(exit->vcpu, exit->gpa, size, value);
    return 0;
}

/* The other operand of a string instruction: the processor has not come to it. -EFAULT: the guest got its exception. */
static int check_segment(struct vcpu *vcpu, const struct mmio_place *place, bool write, unsigned size)
{
    if (guest_segment_permits((enum segment)place->segment, write, place->offset, size))
        return 0;
    event_exception_error(vcpu, place->segment == SEGMENT_SS ? VECTOR_SS : VECTOR_GP, 0);
    return -EFAULT;
}

static int other_read(void *context, const struct mmio_place *place, unsigned size, u64 *value)
{
    struct mmio_exit *exit = context;
    int error = check_segment(exit->vcpu, place, false, size);

    *value = 0;
    return error ? error : guest_linear_read(exit->vcpu, place->linear, value, size);
}

static int other_write(void *context, const struct mmio_place *place, unsigned size, u64 value)
{
    struct mmio_exit *exit = context;
    int error = check_segment(exit->vcpu, place, true, size);

    return error ? error : guest_linear_write(exit->vcpu, place->linear, &value, size);
}

static int other_probe(void *context, const struct mmio_place *place, unsigned size)
{
    struct mmio_exit *exit = context;
    int error = check_segment(exit->vcpu, place, true, size);

    return error ? error : guest_linear_probe_write(exit->vcpu, place->linear, size);
}

static enum exit_action execute(struct mmio_exit *exit, const struct mmio_instruction *instruction, bool write)
{
    const struct mmio_access access = {
        .context = exit,
        .read = device_read,
        .write = device_write,
        .other_read = other_read,
        .other_write = other_write,
        .other_probe = other_probe,
    };
    struct mmio_registers before, after;
    struct vcpu *vcpu = exit->vcpu;
    int result = -EINVAL;

    get_registers(vcpu, &before);
    after = before;
    u64 linear = vmcs_read(VMCS_GUEST_LINEAR_ADDRESS);
    const struct mmio_memory *device = decode_find(instruction, &before, linear, write);
    /* The operand begins on the page before, which is memory, and the processor has come to its second part. */
    exit->crosses = device != NULL && decode_linear(instruction, device, &before) != linear;
    if (device != NULL && !exit->crosses)
        result = mmio_execute(instruction, device, &after, &access);
    switch (result) {
    case MMIO_DONE:
        set_registers(vcpu, &before, &after);
        vcpu_skip_bytes(vcpu, instruction->length);
        return EXIT_STAY;
    case MMIO_REPEAT:
        set_registers(vcpu, &before, &after);
        return EXIT_AGAIN;
    case -EFAULT:
        return EXIT_STAY;
    default:
        return refuse(vcpu, exit->gpa,
                      exit->crosses ? "an access across the end of a page" : "an access that is not its instruction's");
    }
}

enum exit_action exit_mmio(struct vcpu *vcpu, gpa_t gpa, u64 qualification)
{
    const u64 of_operand = QUALIFICATION_LINEAR_VALID | QUALIFICATION_OF_LINEAR;
    struct mmio_exit exit = { .vcpu = vcpu, .gpa = gpa };
    struct mmio_instruction instruction;

    if (vmcs_read(VMCS_IDT_VECTORING_INFO) & INTERRUPTION_VALID)
        return refuse(vcpu, gpa, "the delivery of an interrupt or exception");
    if ((qualification & of_operand) != of_operand)
        return refuse(vcpu, gpa, "a page table");
    switch (fetch(vcpu, &instruction)) {
    case 0:
        return execute(&exit, &instruction, qualification & ACCESS_WRITE);
    case -EFAULT:
        return EXIT_STAY;
    default:
        return refuse(vcpu, gpa, "an instruction that slat does not emulate");
    }
}

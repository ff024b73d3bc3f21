/* SPDX-License-Identifier: BSD-2-Clause */
/* Port I/O: IN, OUT, INS, OUTS, one iteration of a repeated instruction for each exit. SDM vol. 3, table 28-5. */
#include "arch/x86/cpu.h"
#include "arch/x86/event.h"
#include "arch/x86/exit.h"
#include "arch/x86/guest_segment.h"
#include "arch/x86/guest_state.h"
#include "arch/x86/guest_walk.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx.h"

struct io_exit {
    u16 port;
    unsigned size; /* 1, 2, 4 */
    bool in, string, repeat;
};

static struct io_exit decode(u64 qualification)
{
    return (struct io_exit){
        .port = (u16)(qualification >> 16),
        .size = (unsigned)(qualification & 7) + 1,
        .in = qualification & QUALIFICATION_IO_IN,
        .string = qualification & QUALIFICATION_IO_STRING,
        .repeat = qualification & QUALIFICATION_IO_REPEAT,
    };
}

/* Bits of RCX, RSI and RDI that the instruction uses: its address size. SDM vol. 3, table 28-9. */
static u64 address_mask(void)
{
    static const u64 masks[] = { 0xffff, 0xffffffff, ~0ull };
    if (vmx_caps.ins_outs_info) {
        u64 size = vmcs_read(VMCS_EXIT_INSTRUCTION_INFO) >> 7 & 7;
        return masks[size < 3 ? size : 2];
    }
    /* Only the very first processors with VMX: the mode's own address size, no prefix. */
    return masks[guest_in_64bit_mode() ? 2 : vmcs_read(VMCS_GUEST_CS_ACCESS_RIGHTS) & RIGHTS_DB ? 1 : 0];
}

/* Writes to a register as an instruction of this address size does: 32 bits clear the upper half, 16 bits leave it. */
static u64 merge(u64 old, u64 value, u64 mask)
{
    return mask == 0xffffffff ? (u32)value : (old & ~mask) | (value & mask);
}

/* ES for INS; for OUTS DS, or the one that a prefix names. */
static enum segment string_segment(const struct io_exit *io)
{
    if (io->in)
        return SEGMENT_ES;
    return vmx_caps.ins_outs_info ? (enum segment)(vmcs_read(VMCS_EXIT_INSTRUCTION_INFO) >> 15 & 7) : SEGMENT_DS;
}

static enum exit_action string_io(struct vcpu *vcpu, const struct io_exit *io)
{
    enum segment segment = string_segment(io);
    u64 mask = address_mask();
    enum gpr index = io->in ? RDI : RSI;
    u64 step = vmcs_read(VMCS_GUEST_RFLAGS) & RFLAGS_DF ? -(u64)io->size : io->size;
    u64 linear = vmcs_read(VMCS_GUEST_LINEAR_ADDRESS);
    u64 count = vcpu->gpr[RCX] & mask;
    u32 value = 0;

    if (io->repeat && count == 0)
        return EXIT_NEXT;
    if (!guest_segment_permits(segment, io->in, vcpu->gpr[index] & mask, io->size)) {
        event_exception_error(vcpu, segment == SEGMENT_SS ? VECTOR_SS : VECTOR_GP, 0);
        return EXIT_STAY;
    }
    if (io->in) {
        /* The page is made certain before the port is read: a read may change the device, and a fault repeats it. */
        if (guest_linear_probe_write(vcpu, linear, io->size))
            return EXIT_STAY;
        value = vcpu->ops->port_read(vcpu, io->port, io->size);
        if (guest_linear_write(vcpu, linear, &value, io->size))
            return EXIT_STAY;
    } else {
        if (guest_linear_read(vcpu, linear, &value, io->size))
            return EXIT_STAY;
        vcpu->ops->port_write(vcpu, io->port, io->size, value);
    }
    vcpu->gpr[index] = merge(vcpu->gpr[index], vcpu->gpr[index] + step, mask);
    if (io->repeat) {
        vcpu->gpr[RCX] = merge(vcpu->gpr[RCX], count - 1, mask);
        return count == 1 ? EXIT_NEXT : EXIT_AGAIN;
    }
    return EXIT_NEXT;
}

enum exit_action exit_io(struct vcpu *vcpu)
{
    struct io_exit io = decode(vmcs_read(VMCS_EXIT_QUALIFICATION));
    u64 mask = io.size == 4 ? 0xffffffff : (1ull << (8 * io.size)) - 1;

    if (io.string)
        return string_io(vcpu, &io);
    if (io.in)
        vcpu->gpr[RAX] = merge(vcpu->gpr[RAX], vcpu->ops->port_read(vcpu, io.port, io.size), mask);
    else
        vcpu->ops->port_write(vcpu, io.port, io.size, (u32)(vcpu->gpr[RAX] & mask));
    return EXIT_NEXT;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* See hypercall.h. */
#include "hv/hypercall.h"

#include "arch/x86/guest_state.h"
#include "hv/lib/string.h"
#include "hv/monitor.h"
#include "hv/vm.h"

/* What a guest is told is in its registers: it does not write to the machine's log in this way. */
static void print_nothing(void *argument, const char *text)
{
}

/* The text may end right before the end of memory. 0, -EFAULT, -ENOMEM, -EIO, -EINVAL (it is too long). */
static int read_text(struct vm *vm, u64 gpa, char text[MONITOR_LINE_SIZE])
{
    size_t length = 0;

    while (length < MONITOR_LINE_SIZE) {
        u64 in_page = PAGE_SIZE - (gpa + length) % PAGE_SIZE, left = MONITOR_LINE_SIZE - length;
        u64 size = in_page < left ? in_page : left;
        int error = vm_memory_read(vm->memory, (gpa_t){ gpa + length }, text + length, size);

        if (error)
            return error;
        if (strnlen(text + length, size) < size)
            return 0;
        length += size;
    }
    return -EINVAL;
}

/* In other modes than 64-bit mode the upper half is undefined (SDM vol. 1, 3.4.1.1). */
static u64 parameter(const struct vcpu *vcpu, enum gpr gpr)
{
    return guest_in_64bit_mode() ? vcpu->gpr[gpr] : (u32)vcpu->gpr[gpr];
}

/* Where the whole of RAX is the number it is that in every mode; else vm_hypercall() looks closer. */
bool vm_hypercall_quickly(struct vcpu *vcpu)
{
    if (vcpu->gpr[RAX] != HYPERCALL_PRESENT || !vcpu->vm->conf.hypercalls)
        return false;
    vcpu->gpr[RAX] = 0;
    return true;
}

enum hypercall_result vm_hypercall(struct vcpu *vcpu)
{
    struct monitor_context context = { .print = print_nothing, .self = vcpu->vm };
    char text[MONITOR_LINE_SIZE];
    int error;

    if (!vcpu->vm->conf.hypercalls)
        return HYPERCALL_UNDEFINED;
    if (parameter(vcpu, RAX) == HYPERCALL_PRESENT) {
        vcpu->gpr[RAX] = 0;
        return HYPERCALL_DONE;
    }
    if (parameter(vcpu, RAX) != HYPERCALL_MAGIC)
        return HYPERCALL_UNDEFINED;
    error = read_text(vcpu->vm, parameter(vcpu, RBX), text);
    /* So goes on who is reset to what the command saves. */
    vcpu_skip_instruction(vcpu);
    vcpu->gpr[RAX] = 0;
    vcpu->gpr[RCX] = 0;
    if (!error)
        error = monitor_execute(text, &context);
    if (!context.state_replaced) {
        vcpu->gpr[RAX] = (u64)(s64)error;
        vcpu->gpr[RCX] = context.number;
    }
    return HYPERCALL_STAY;
}

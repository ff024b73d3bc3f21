/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files that make up a virtual machine share: vm.c (its life), vm_create.c, vm_exits.c (what it does). */
#ifndef HV_VM_INTERNAL_H
#define HV_VM_INTERNAL_H

#include "hv/vm.h"

/* As vm_set_environment() was told. */
extern struct vm_environment vm_environment;

/* Nanoseconds from TSC ticks, without overflow in any lifetime. */
u64 vm_ticks_to_ns(u64 ticks);

/* Nanoseconds since the guest's first instruction by the host's clock: a guest that sets its own TSC does not change it. */
u64 vm_age_ns(const struct vm *vm);

/* Notes how the guest ended: it does not run any more. `text` is copied. */
void vm_end(struct vm *vm, enum guest_end end, u32 status, const char *text);

/* Ends the guest if the line that "expect" names has come on its console. Whether it has. */
bool vm_end_if_expected(struct vm *vm);

/* What the guest's exits and its devices do to the VM. */
extern const struct vcpu_ops vm_vcpu_ops;
void vm_console_byte(void *vm, u8 byte);
void vm_debug_exit(void *vm, u32 status);
void vm_reset(void *vm);

/* The console's lines: shown with the guest's name; matched against "expect". */
void vm_emit_line(void *vm, const char *line);
bool vm_match_line(void *vm, const char *line);

#endif

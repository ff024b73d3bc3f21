/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events that a guest gets at its next entry: one at a time, as the processor delivers them. An event whose delivery an
 * exit interrupted is delivered again; an exception during that makes a double fault where the processor would.
 */
#ifndef ARCH_X86_EVENT_H
#define ARCH_X86_EVENT_H

#include "arch/x86/vcpu.h"

/* A fault without, or with, an error code. RIP stays at the instruction. */
void event_exception(struct vcpu *vcpu, u32 vector);
void event_exception_error(struct vcpu *vcpu, u32 vector, u32 error);
void event_page_fault(struct vcpu *vcpu, u64 linear, u32 error);

/* #DB: DR6 and RFLAGS are right already. */
void event_debug(struct vcpu *vcpu);

/* The #DB of an INT1 instruction of `length` bytes at RIP. */
void event_int1(struct vcpu *vcpu, u32 length);

/* The #BP of an INT3 instruction of `length` bytes at RIP. */
void event_int3(struct vcpu *vcpu, u32 length);

/* An interrupt from a controller, and an NMI. No other event waits, and the guest takes it now. */
void event_interrupt(struct vcpu *vcpu, u8 vector);
void event_nmi(struct vcpu *vcpu);

/* After every exit: takes back the event whose delivery the exit interrupted. */
void event_requeue(struct vcpu *vcpu);

/* Before entry, with REQUEST_EVENT: moves the event into the VMCS. */
void event_inject(struct vcpu *vcpu);

#endif

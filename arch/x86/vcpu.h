/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual processor: its VMCS, the registers that the VMCS does not hold, and what is pending for it.
 * Owned by the task that runs it; nothing here is touched by anybody else while it runs.
 */
#ifndef ARCH_X86_VCPU_H
#define ARCH_X86_VCPU_H

#include "arch/x86/exit_reasons.h"
#include "arch/x86/guest_start.h"
#include "boot/guest_conf.h"
#include "mm/vcpu_memory.h"

struct vm;
struct vm_memory;
struct vcpu;

/* General registers in the order of their numbers in instructions; rsp lives in the VMCS. run.nasm knows the layout. */
enum gpr { RAX, RCX, RDX, RBX, RSP_IN_VMCS, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, GPR_COUNT };

/* What follows a hypercall. */
enum hypercall_result {
    HYPERCALL_UNDEFINED, /* #UD, as without a hypervisor */
    HYPERCALL_DONE,      /* RIP moves behind the instruction */
    HYPERCALL_STAY, /* RIP is right: vcpu_skip_instruction() or vcpu_restore() was called, or the guest has ended */
};

/* What a guest's exits mean to the machine around it: the hypervisor's half (hv/vm_exits.c), given at creation. */
struct vcpu_ops {
    /* `size` is 1, 2 or 4; absent ports read as all ones. */
    u32 (*port_read)(struct vcpu *vcpu, u16 port, unsigned size);
    void (*port_write)(struct vcpu *vcpu, u16 port, unsigned size, u32 value);
    /* HLT, at vcpu->exit_rip. */
    void (*halt)(struct vcpu *vcpu, bool interrupts_enabled);
    /* VMCALL with CPL 0; its registers are vcpu->gpr. NULL: #UD. */
    enum hypercall_result (*hypercall)(struct vcpu *vcpu);
    /* Called once, by vcpu_end(). */
    void (*ended)(struct vcpu *vcpu);
};

/* Reasons not to enter the guest, tested in one place (vcpu_run). */
enum {
    REQUEST_STOP = 1u << 0,  /* the guest has ended */
    REQUEST_EVENT = 1u << 1, /* vcpu->event_info waits to be injected */
};

enum { VCPU_END_TEXT = 200 };

/* Guest state outside the VMCS, loaded while the vCPU is current on a processor; but for cr8, which is in no processor. */
struct vcpu_registers {
    u64 xcr0;
    u64 dr[4], dr6, cr2;
    u64 star, lstar, cstar, fmask, kernel_gs_base, tsc_aux;
    u64 cr8;
};

struct vcpu {
    u64 gpr[GPR_COUNT]; /* offset 0: run.nasm */
    u64 launched;       /* offset 128: VMRESUME instead of VMLAUNCH */
    u64 host_rsp;       /* offset 136: what the VMCS has, so that it is written only when it changes */

    /* set once: */
    struct vm *vm;
    struct vm_memory *memory;
    struct vcpu_memory mmu;
    const struct vcpu_ops *ops;
    pfn_t vmcs, msr_bitmap, xsave;
    pfn_t pml; /* only with vmx_caps.pml: where the processor logs modifications */
    u16 vpid;  /* 0: none */

    /* before the next entry: */
    u32 requests;
    u32 event_info; /* REQUEST_EVENT: interruption information with VALID, error code, instruction length */
    u32 event_error, event_length;

    struct vcpu_registers registers;

    u64 tsc_offset; /* guest's TSC = host's + tsc_offset */

    /* the run loop's: */
    bool logs_modifications; /* PML is on in the VMCS */
    u64 quick_until;         /* host TSC: exits before it may be handled by exit_quickly() */
    u64 exit_rip;            /* RIP at the last exit that was not handled so */

    /* how it ended: */
    enum guest_end end;
    u32 end_status;
    char end_text[VCPU_END_TEXT];

    /* counts: */
    u64 exits, exits_by_reason[EXIT_REASON_COUNT];
    u64 first_entry_tsc; /* host TSC right before the first VM entry; 0: it was never entered */
    u64 unknown_msrs;
    u32 first_unknown_msr;
};

/* 0 or -ENOMEM; the vCPU has the state after INIT. `vpid` 1…: unique among the living vCPUs. */
int vcpu_create(struct vcpu *vcpu, struct vm *vm, struct vm_memory *memory, const struct vcpu_ops *ops, u16 vpid);
void vcpu_destroy(struct vcpu *vcpu);

/* Can this processor start a guest so? NULL, or what it lacks, in words. */
const char *vcpu_cannot_start(const struct guest_start *start);

/* Gives the vCPU the state that the loader decided; before the first run. */
void vcpu_set_start(struct vcpu *vcpu, const struct guest_start *start);

/* Sets a field of the guest-state area (configuration key "vmcs"); before the first run. */
void vcpu_set_field(struct vcpu *vcpu, u32 field, u64 value);

/*
 * Around a yield to other tasks: a handler of an exit may call what yields, and goes on with its VMCS current. The result of
 * vcpu_pause() is NULL outside vcpu_run().
 */
struct vcpu *vcpu_pause(void);
void vcpu_resume(struct vcpu *vcpu);

/*
 * Runs the guest until it ends or the host's TSC passes `deadline`; less where it cannot go on before others have run. The
 * deadline may be passed by as long as the hypervisor itself was busy meanwhile.
 */
void vcpu_run(struct vcpu *vcpu, u64 deadline);

/* The next entry starts behind the instruction that caused the exit. Once, in the handler of that exit. */
void vcpu_skip_instruction(struct vcpu *vcpu);

/* Ends the guest with a reason; the first one stands. Callable from every exit handler and from vcpu_ops. */
__attribute__((format(printf, 4, 5))) void vcpu_end(struct vcpu *vcpu, enum guest_end end, u32 status,
                                                    const char *format, ...);

/*
 * Ends the guest because slat could not access `what`, its memory at `gpa`, on its behalf: `error` is from vm_memory_read()
 * or vm_memory_write().
 */
void vcpu_end_no_access(struct vcpu *vcpu, int error, const char *what, gpa_t gpa);

#endif

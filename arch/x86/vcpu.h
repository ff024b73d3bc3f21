/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual processor: its VMCS, the registers that the VMCS does not hold, and what is pending for it.
 * Owned by the task that runs it, on one processor; others only make requests (vcpu_request()). Who wants its state stops it
 * first: then it is unloaded, and may be looked at from any processor.
 */
#ifndef ARCH_X86_VCPU_H
#define ARCH_X86_VCPU_H

#include "arch/x86/cpu.h"
#include "arch/x86/exit_reasons.h"
#include "arch/x86/guest_mtrr.h"
#include "arch/x86/guest_start.h"
#include "boot/guest_conf.h"
#include "mm/vcpu_memory.h"

struct vm;
struct vm_memory;
struct vcpu;
struct vcpu_apic;

/* General registers in the order of their numbers in instructions; rsp lives in the VMCS. run.nasm knows the layout. */
enum gpr { RAX, RCX, RDX, RBX, RSP_IN_VMCS, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, GPR_COUNT };

/* What follows a hypercall. */
enum hypercall_result {
    HYPERCALL_UNDEFINED, /* #UD, as without a hypervisor */
    HYPERCALL_DONE,      /* RIP moves behind the instruction */
    HYPERCALL_STAY, /* RIP is right: vcpu_skip_instruction() or vcpu_restore() was called, or the guest has ended */
};

/* What a vCPU that is debugged comes upon: see debug.h. `slots` has bits as DR6 has. */
enum debug_stop { DEBUG_STOP_BREAKPOINT, DEBUG_STOP_SLOTS, DEBUG_STOP_STEP };

/* What a guest's exits mean to the machine around it: the hypervisor's half (hv/vm_exits.c), given at creation. */
struct vcpu_ops {
    /* `size` is 1, 2 or 4; absent ports read as all ones. */
    u32 (*port_read)(struct vcpu *vcpu, u16 port, unsigned size);
    void (*port_write)(struct vcpu *vcpu, u16 port, unsigned size, u32 value);
    /* Whether device registers are at this address. An access of 1, 2, 4 or 8 bytes does not leave the page. */
    bool (*is_device)(struct vcpu *vcpu, gpa_t gpa);
    u64 (*device_read)(struct vcpu *vcpu, gpa_t gpa, unsigned size);
    void (*device_write)(struct vcpu *vcpu, gpa_t gpa, unsigned size, u64 value);
    /* MSRs of the local APIC: IA32_APIC_BASE, IA32_TSC_DEADLINE, 0x800 to 0x8ff. 0, -EINVAL (#GP). */
    int (*apic_msr_read)(struct vcpu *vcpu, u32 msr, u64 *value);
    int (*apic_msr_write)(struct vcpu *vcpu, u32 msr, u64 value);
    /* vcpu->tsc_offset has a new value. */
    void (*tsc_offset_changed)(struct vcpu *vcpu);
    /* CR8, the task priority. */
    u64 (*priority_read)(struct vcpu *vcpu);
    void (*priority_write)(struct vcpu *vcpu, u64 value);
    /* After REQUEST_INTERRUPT: takes what others have posted. It may call vcpu_post_nmi(), vcpu_init(), vcpu_start(). */
    void (*collect)(struct vcpu *vcpu);
    /* Whether an interrupt waits that the task priority lets through, at all or from the PIC; and takes it: its vector. */
    bool (*interrupt_waits)(struct vcpu *vcpu);
    bool (*extint_waits)(struct vcpu *vcpu);
    u8 (*interrupt_take)(struct vcpu *vcpu);
    /* For APIC virtualization (apicv.h): the local APIC's state, and the vectors whose EOI must exit. */
    void (*apic_look)(struct vcpu *vcpu, struct vcpu_apic *apic);
    void (*apic_eoi_exits)(struct vcpu *vcpu, u64 bitmap[4]);
    /* In the page of the local APIC the processor has ended this interrupt; it has written the register at this offset. */
    void (*apic_ended)(struct vcpu *vcpu, u8 vector);
    void (*apic_wrote)(struct vcpu *vcpu, u32 offset);
    /* HLT was executed, at vcpu->exit_rip. */
    void (*halted)(struct vcpu *vcpu);
    /* It waits in a loop for another processor, which might need its place. */
    void (*spins)(struct vcpu *vcpu);
    /* VMCALL with CPL 0; its registers are vcpu->gpr. NULL: #UD. */
    enum hypercall_result (*hypercall)(struct vcpu *vcpu);
    /*
     * Called by exit_quick.c, within a stay in the guest: they do not yield, wait for no lock, touch no guest memory and end
     * no guest; they request nothing of this vCPU, and do not bound its run. False: that is not possible now, and nothing was
     * done; the exit is then handled by the functions above. Of the port's value the lower `size` bytes count, the others may be
     * anything.
     */
    bool (*port_write_quickly)(struct vcpu *vcpu, u16 port, unsigned size, u32 value);
    bool (*deadline_write_quickly)(struct vcpu *vcpu, u64 value); /* IA32_TSC_DEADLINE */
    bool (*hypercall_quickly)(struct vcpu *vcpu);                 /* with CPL 0 */
    /* Called once, by vcpu_end(). */
    void (*ended)(struct vcpu *vcpu);
    /* For a debugger (debug.h): whether it has put the breakpoint instruction there; that the vCPU is to stay outside. */
    bool (*is_breakpoint)(struct vcpu *vcpu, gpa_t gpa);
    void (*stopped)(struct vcpu *vcpu, enum debug_stop why, u8 slots);
};

/* Reasons not to enter the guest, tested in one place (vcpu_run). */
enum {
    REQUEST_STOP = 1u << 0,      /* the guest has ended */
    REQUEST_LEAVE = 1u << 1,     /* vcpu_run() returns: its task has something else to do first */
    REQUEST_INTERRUPT = 1u << 2, /* the local APIC may have an interrupt or an event for it */
    REQUEST_EVENT = 1u << 3,     /* vcpu->event_info waits to be injected; only its own task sets this one */
};

/* The local APIC's MSRs: all exit; some pass; the same while it accepts no interrupts, but for self IPIs. See apicv.h. */
enum apicv_msrs { APICV_MSRS_EXIT, APICV_MSRS_PASS, APICV_MSRS_PASS_DEAF };

/* What it does between instructions. SDM vol. 3, 25.4.2 "Guest Non-Register State", and 9.4.3. */
enum vcpu_activity { VCPU_ACTIVE, VCPU_HALTED, VCPU_WAITS_FOR_SIPI };

enum { VCPU_END_TEXT = 200 };

/* Guest state outside the VMCS, loaded while the vCPU is current on a processor. */
struct vcpu_registers {
    u64 xcr0;
    u64 dr[4], dr6, cr2;
    u64 star, lstar, cstar, fmask, kernel_gs_base, tsc_aux;
    struct guest_mtrr mtrr; /* decides nothing: never loaded */
};

/* What CPUID says with this in RAX and RCX, of which it uses the lower halves, whatever else the guest does. */
struct cpuid_answer {
    u64 rax, rcx;
    struct cpuid_result result;
};

enum { VCPU_CPUID_ANSWERS = 32 };

/* All zero: no debugger has anything to do with it. */
struct vcpu_debug {
    u32 controls;          /* of the primary controls, those that are on for the debugger */
    bool holds_interrupts; /* interrupts and NMIs wait */
    u8 used;               /* slots: while there are some, the processor has these instead of the guest's registers */
    u64 dr[4], dr7;
    u64 guest_dr[4], guest_dr7; /* with `used` */
};

struct vcpu {
    u64 gpr[GPR_COUNT]; /* offset 0: run.nasm */
    u64 launched;       /* offset 128: VMRESUME instead of VMLAUNCH */
    u64 host_rsp;       /* offset 136: what the VMCS has, so that it is written only when it changes */
    u64 quick_until; /* offset 144: host TSC; exits before it may be handled within the stay in the guest (exit_quick.c) */
    u64 exits_by_reason[EXIT_REASON_COUNT]; /* offset 152; read by anybody */

    /* set once: */
    struct vm *vm;
    struct vm_memory *memory;
    struct vcpu_memory mmu;
    const struct vcpu_ops *ops;
    unsigned number;    /* in its VM, from 0; also its APIC ID */
    unsigned siblings;  /* how many its VM has, itself included */
    unsigned processor; /* where its task runs */
    u64 *epoch; /* host TSC at which its VM's time began; 0: not yet, the first entry of the first vCPU sets it */
    pfn_t vmcs, msr_bitmap, xsave;
    pfn_t apic_page; /* the registers of the local APIC: with vmx_caps.tpr_shadow the processor uses them, too */
    pfn_t pml;       /* only with vmx_caps.pml: where the processor logs modifications */
    u16 vpid;        /* 0: none */

    /* atomic: */
    u32 requests;

    /* before the next entry: */
    enum vcpu_activity activity;
    bool interruptible; /* while it is halted: an interrupt wakes it */
    bool nmi_blocked;   /* while it is halted: an NMI does not, until the handler of the last one has returned */
    bool nmi_waits;
    bool eoi_exits_changed; /* vcpu_ops.apic_eoi_exits() has something new */
    enum apicv_msrs apicv_msrs;
    u32 windows;    /* the window exits that are on: CPU_INTERRUPT_WINDOW, CPU_NMI_WINDOW */
    u32 event_info; /* REQUEST_EVENT: interruption information with VALID, error code, instruction length */
    u32 event_error, event_length;

    struct vcpu_registers registers;

    u64 tsc_offset; /* guest's TSC = host's + tsc_offset */

    struct vcpu_debug debug; /* its own task, or whoever has borrowed it */

    /* the run loop's: */
    u64 run_until;           /* host TSC: vcpu_run() returns then */
    unsigned host_state;     /* number of the processor whose host state the VMCS has, and 1; 0: none yet */
    bool flush_vpid;         /* before the next entry: what its VPID tagged on its processor is stale */
    bool logs_modifications; /* PML is on in the VMCS */
    u64 exit_rip;            /* RIP at the last exit that was not handled within the stay in the guest */

    struct cpuid_answer cpuid[VCPU_CPUID_ANSWERS]; /* exit_quick.c; each of them is true at any time */

    /* how it ended: */
    enum guest_end end;
    u32 end_status;
    char end_text[VCPU_END_TEXT];

    /* counts: */
    u64 first_entry_tsc; /* host TSC right before the first VM entry; 0: it was never entered */
    u64 unknown_msrs;
    u32 first_unknown_msr;
};

/* What vcpu_create() needs to know. */
struct vcpu_config {
    struct vm *vm;
    struct vm_memory *memory;
    const struct vcpu_ops *ops;
    unsigned number, siblings, processor;
    u64 *epoch;
    u16 vpid; /* 1…: unique among the living vCPUs */
    pfn_t apic_page;
};

/* 0 or -ENOMEM; the vCPU has the state after INIT, and is unloaded. */
int vcpu_create(struct vcpu *vcpu, const struct vcpu_config *config);

/* It is unloaded. */
void vcpu_destroy(struct vcpu *vcpu);

/* Can this processor start a guest so? NULL, or what it lacks, in words. */
const char *vcpu_cannot_start(const struct guest_start *start);

/* Gives the vCPU the state that the loader decided; before the first run. It is unloaded, before and after. */
void vcpu_set_start(struct vcpu *vcpu, const struct guest_start *start);

/* Sets a field of the guest-state area (configuration key "vmcs"); before the first run. It is unloaded, before and after. */
void vcpu_set_field(struct vcpu *vcpu, u32 field, u64 value);

/* From any processor: the vCPU sees the request before its next instruction, in a guest it leaves it. Does not wake its task. */
void vcpu_request(struct vcpu *vcpu, u32 request);

/* For its own task, in an exit handler or between runs: vcpu_run() returns when the host's TSC has passed `tsc`, or earlier. */
void vcpu_bound_run(struct vcpu *vcpu, u64 tsc);

/* For its own task. An NMI is to be delivered; one waits at most. */
void vcpu_post_nmi(struct vcpu *vcpu);

/* INIT: the state after it (SDM vol. 3, table 10-1). The bootstrap processor begins at the reset vector, others wait for SIPI. */
void vcpu_init(struct vcpu *vcpu);

/* SIPI, in VCPU_WAITS_FOR_SIPI: real mode at vector << 12. Otherwise it is ignored. */
void vcpu_start(struct vcpu *vcpu, u8 vector);

/* A halted vCPU with an interrupt or event that it takes becomes active. For its own task, after each wake-up. */
void vcpu_wake_if_due(struct vcpu *vcpu);

/*
 * Around a yield to other tasks: a handler of an exit may call what yields, and goes on with its VMCS current. The result of
 * vcpu_pause() is NULL outside vcpu_run().
 */
struct vcpu *vcpu_pause(void);
void vcpu_resume(struct vcpu *vcpu);

/*
 * Runs the guest, which is active, until it ends, is not active any more, the host's TSC passes `deadline`, or REQUEST_LEAVE
 * comes; yields where it cannot go on before others have run. The deadline may be passed by as long as the hypervisor itself
 * was busy meanwhile. On the processor that vcpu_create() was told.
 */
void vcpu_run(struct vcpu *vcpu, u64 deadline);

/* Outside vcpu_run(), on its processor: its whole state is in memory, and any processor may load it. */
void vcpu_unload(struct vcpu *vcpu);

/* The next entry starts behind the instruction that caused the exit. Once, in the handler of that exit. */
void vcpu_skip_instruction(struct vcpu *vcpu);

/* The same, where the processor does not say how long the instruction is. */
void vcpu_skip_bytes(struct vcpu *vcpu, unsigned length);

/* All of its exits. From any task. */
static inline u64 vcpu_exits(const struct vcpu *vcpu)
{
    u64 exits = 0;

    for (unsigned reason = 0; reason < EXIT_REASON_COUNT; reason++)
        exits += vcpu->exits_by_reason[reason];
    return exits;
}

/* Ends the guest with a reason; the first one stands. Callable from every exit handler and from vcpu_ops. */
__attribute__((format(printf, 4, 5))) void vcpu_end(struct vcpu *vcpu, enum guest_end end, u32 status,
                                                    const char *format, ...);

/*
 * Ends the guest because slat could not access `what`, its memory at `gpa`, on its behalf: `error` is from vm_memory_read()
 * or vm_memory_write().
 */
void vcpu_end_no_access(struct vcpu *vcpu, int error, const char *what, gpa_t gpa);

#endif

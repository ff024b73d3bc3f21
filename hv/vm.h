/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtual machine: memory, devices, console, its processors, and how it went. */
#ifndef HV_VM_H
#define HV_VM_H

#include "arch/x86/vcpu.h"
#include "boot/guest_conf.h"
#include "hv/console_lines.h"
#include "hv/dev/lapic.h"
#include "hv/dev/platform.h"
#include "hv/guest_console.h"
#include "hv/guest_input.h"
#include "hv/load/image.h"
#include "mm/spinlock.h"
#include "mm/vm_memory.h"

/* A guest's memory is one backing, shown in one slot or, where there is more than fits below 4 GiB, in two. */
enum { VM_SLOTS = 2 };
struct vm_slot {
    u32 id;
    gfn_t base;
    u64 npages;
    u64 offset; /* page of the backing that `base` shows */
};

/* The slots of a guest with so many bytes of memory; how many. */
unsigned vm_slots(u64 memory, struct vm_slot slots[VM_SLOTS]);

struct debugger;
struct page_set;
struct task;
struct vm_snapshot;

/* One processor of a guest. It stays as long as the VM, for its counts. */
struct vm_processor {
    struct vcpu vcpu;
    struct lapic lapic;
    pfn_t apic_page; /* the registers of the local APIC */
    pfn_t frame;     /* of this record */
    struct task *task;
    bool extint;   /* a message told it to ask the PIC for a vector */
    u64 slice_end; /* host TSC; of its own task */

    /* atomic: */
    u32 is_out;     /* its vCPU may be loaded in a processor: only its own task touches it (hv/vm_list.h) */
    u32 is_stopped; /* by a debugger, as if the VM were held */

    /* vm->lock: */
    bool sleeps_for_ever; /* nothing of its own will wake it */
};

struct vm {
    struct guest_conf conf;    /* set once */
    struct debugger *debugger; /* set once, before it runs; NULL: none (hv/debugger.h) */
    unsigned processor_count;
    struct vm_processor *processors[CONF_MAX_PROCESSORS];
    struct lapic *apics[CONF_MAX_PROCESSORS]; /* theirs */

    /* atomic: */
    u32 runs;
    u32 tasks;         /* of its processors that have not ended */
    u32 holds;         /* as long as there are some, no vCPU begins to run: hv/vm_list.h */
    u32 is_commanded;  /* the monitor executes a command about it */
    u32 operators;     /* who wait to give one */
    u32 pic_interrupt; /* the INTR output of the PIC */
    u32 clock_stands;  /* a debugger has stopped it: no time passes for its timeout */
    u64 epoch;         /* host TSC at which its time began; 0: it has not */

    /* whoever sets clock_stands, before it is 0 again: */
    u64 uncounted_ticks; /* that have passed meanwhile */

    /* while it runs: */
    bool has_vcpus;
    u64 reserved_frames;      /* of the machine, for this guest's tables */
    struct vm_memory *memory; /* NULL: never created, or destroyed */

    /* A guest's devices and its console are used by one processor at a time. Outside of `lock`. */
    struct spinlock devices_lock;
    struct platform platform;
    u64 devices_next; /* host TSC of the next event of its clocks; ~0: none */
    u64 devices_ns;   /* the time that the devices were told last */
    struct guest_console console;
    struct console_lines lines; /* of the console, for the monitor's `expect` */
    struct guest_input input;   /* for COM1; whoever has devices_lock takes from it */

    struct spinlock lock; /* a leaf */
    u32 users;            /* as long as there are some, memory and vCPUs stay: hv/vm_list.h */

    /* of the monitor, by the one who executes a command about it: */
    bool is_paused;                      /* the monitor has one of the holds */
    struct page_set *reported[VM_SLOTS]; /* by the last `dirty harvest`; NULL: `dirty start` was not given */
    bool keeps_small_pages;              /* said by `dirty stop NAME keep`, until `collapse` */
    u64 recover_at;                      /* vm_now_ns() before which the background looks for no small pages */
    struct vm_snapshot *snapshots;       /* the latest first */

    /* how it ended; `lock`, and set once: */
    enum guest_end end;
    u32 end_status; /* of GUEST_END_EXIT */
    char end_text[VCPU_END_TEXT];
    u64 end_ns;                   /* guest's age when it ended */
    struct vm_memory_stats stats; /* at the end */
    unsigned violations;          /* that the audit found; 0 also where it was not asked for */
};

/* What is common to all guests; set once before the first vm_create(). */
struct vm_environment {
    u64 tsc_hz;
    u64 unix_time; /* seconds since 1970 at tsc_epoch; 0: unknown */
    u64 tsc_epoch;
    u64 slice_ticks;     /* how long a guest runs before the next one's turn */
    bool audit;          /* the memory core, whenever a guest ends */
    unsigned name_width; /* of the longest guest's name, for aligned output */
};
void vm_set_environment(const struct vm_environment *environment);

/* The files of a guest: data NULL and `problem` where it could not be read. */
struct vm_files {
    struct image image;
    struct image modules[CONF_MAX_MODULES];
    const char *problem; /* "\slat\x: not found"; NULL: all are there */
};

/* Makes the guest that `conf` describes, ready to run, or ended with a reason (vm->end); both are a result, not an error. */
void vm_create(struct vm *vm, const struct guest_conf *conf, const struct vm_files *files);

/* Makes the tasks of its processors; or ends it with a reason. On processor 0, before the tasks run. */
void vm_start(struct vm *vm);

/* Nanoseconds of the host's clock, from anywhere. */
u64 vm_now_ns(void);

/* Something was put into vm->input. From any task. */
void vm_input_arrived(struct vm *vm);

/* Ends the guest, from any task: "it was stopped by …". The first reason that a guest ends for stands. */
void vm_stop(struct vm *vm, const char *why);

/* Gives back all that the VM holds, but for the struct itself. */
void vm_destroy(struct vm *vm);

/* Of all its processors together. */
u64 vm_exits(const struct vm *vm);

/* It ended as its configuration expects. */
bool vm_as_expected(const struct vm *vm);

/* "exit 0", "triple-fault": the end in the words of slat.conf. */
enum { VM_END_WORDS = 40 };
void vm_end_words(enum guest_end end, u32 status, char words[VM_END_WORDS]);

/* The line that says how and why it ended. vm_run() writes it; of a guest that vm_create() did not start the caller does. */
void vm_log_end(const struct vm *vm);

#endif

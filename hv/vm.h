/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtual machine: memory, devices, console, its processor, and how it went. */
#ifndef HV_VM_H
#define HV_VM_H

#include "arch/x86/vcpu.h"
#include "boot/guest_conf.h"
#include "hv/console_lines.h"
#include "hv/dev/platform.h"
#include "hv/guest_console.h"
#include "hv/load/image.h"
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

struct page_set;
struct vm_snapshot;

struct vm {
    struct guest_conf conf; /* set once */

    /* while it runs: */
    bool runs;
    bool has_vcpu;
    struct vcpu vcpu;         /* its counts stay */
    u64 reserved_frames;      /* of the machine, for this guest's tables */
    struct vm_memory *memory; /* NULL: never created, or destroyed */
    struct platform platform;
    struct guest_console console;
    struct console_lines lines; /* of the console, for the monitor's `expect` */

    /* who works on it besides its own task: hv/vm_list.h */
    bool in_slice;     /* its task is in vcpu_run() */
    u32 users;         /* as long as there are some, memory and vCPU stay */
    u32 holds;         /* as long as there are some, no slice begins */
    bool is_paused;    /* the monitor has one of the holds */
    bool is_commanded; /* the monitor executes a command about it */

    /* of the monitor: */
    struct page_set *reported[VM_SLOTS]; /* by the last `dirty harvest`; NULL: `dirty start` was not given */
    bool keeps_small_pages;              /* said by `dirty stop NAME keep`, until `collapse` */
    u64 recover_at;                      /* vm_now_ns() before which the background looks for no small pages */
    struct vm_snapshot *snapshots;       /* the latest first */

    /* how it ended: */
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

/*
 * Makes the guest that `conf` describes, ready to run, or ended with a reason (vm->end); both are a result, not an error.
 * `vpid` is unique among all VMs, 1 or more.
 */
void vm_create(struct vm *vm, const struct guest_conf *conf, const struct vm_files *files, u16 vpid);

/* Nanoseconds of the host's clock, from anywhere. */
u64 vm_now_ns(void);

/* A task's function: runs the guest to its end, and destroys it. */
void vm_run(void *vm);

/* Gives back all that the VM holds, but for the struct itself. */
void vm_destroy(struct vm *vm);

/* It ended as its configuration expects. */
bool vm_as_expected(const struct vm *vm);

/* "exit 0", "triple-fault": the end in the words of slat.conf. */
enum { VM_END_WORDS = 40 };
void vm_end_words(enum guest_end end, u32 status, char words[VM_END_WORDS]);

/* The line that says how and why it ended. vm_run() writes it; of a guest that vm_create() did not start the caller does. */
void vm_log_end(const struct vm *vm);

#endif

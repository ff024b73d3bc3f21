/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory of one VM: its slots, its EPT roots, and the operations that the rest of the hypervisor uses. Unless it says
 * otherwise a function here may be called by any task of any processor at any time, takes its own locks, and holds none
 * when it yields.
 */
#ifndef MM_VM_MEMORY_H
#define MM_VM_MEMORY_H

#include "mm/types.h"

struct vm_memory;
struct vcpu_memory;
struct backing;

/* What the processor can do; set once before the first VM (arch/x86/vmx_caps.c: from IA32_VMX_EPT_VPID_CAP). */
struct mm_caps {
    bool page_2m, page_1g; /* large EPT entries */
    bool access_dirty;     /* A/D bits in EPT entries */
    bool execute_only;
    bool log_modifications; /* PML; only with access_dirty */
    bool nx_large;          /* large entries are to be not executable (iTLB multihit), executing splits them (C7) */
    unsigned levels;        /* of an EPT root: 4 or 5 */
    unsigned physical_bits; /* MAXPHYADDR */
};
void mm_init(const struct mm_caps *caps);

struct vm_memory_stats {
    u64 faults;               /* calls of vm_memory_fault() */
    u64 faults_installed;     /* of which installed an entry */
    u64 faults_spurious;      /* of which found the entry already there */
    u64 faults_retried;       /* of which met an invalidation, or a slot on its way out */
    u64 faults_lockless;      /* of which gave a permission back without the lock */
    u64 flushes;              /* rounds of tlb_flush() */
    u64 lookups;              /* in the hash of shadow pages (H6: none with one root) */
    u64 reclaimed;            /* tables, because of the limit */
    u64 splits;               /* large entries that became a table, for any reason */
    u64 splits_for_execution; /* of which because large entries are not executable */
    u64 collapses;            /* tables that became a large entry in place */
    u64 dirty;                /* pages that harvests of dirty logs have reported */
    u64 tables;               /* EPT table pages now, with the roots */
    u64 mapped[LEVEL_1G + 1]; /* present leaf entries now, index enum level (0 unused) */
};
struct vm_memory_stats vm_memory_get_stats(const struct vm_memory *vm);

/*
 * Frames that a VM with `npages` pages of memory in a few slots can need at most besides that memory: tables when all is
 * mapped 4K, and the records of tables.
 */
u64 vm_memory_overhead(u64 npages);

/* Creates an empty VM. 0, -ENOMEM. */
int vm_memory_create(struct vm_memory **vm);

/* Frees everything the VM holds; it has no vCPU any more. Backings that other VMs do not show are freed too. Yields. */
void vm_memory_destroy(struct vm_memory *vm);

/* ---- slots: an error leaves everything as it was (M2). All yield. -EBUSY: another task is changing this VM's slots. */

enum { MEMSLOT_READ_ONLY = 1u << 0 };

/*
 * Shows `backing`, from its page `offset` on, at [base, base + npages). `id` is the caller's name for the slot.
 * `largest` limits the EPT entries of this slot. 0, -EEXIST (id or gfn range taken), -EINVAL, -ENOMEM, -EBUSY.
 */
int vm_memory_add_slot(struct vm_memory *vm, u32 id, gfn_t base, u64 npages, struct backing *backing, u64 offset,
                       u32 flags, enum level largest);

/* Takes the slot away, and all that is mapped of it. 0, -ENOENT, -EBUSY. */
int vm_memory_remove_slot(struct vm_memory *vm, u32 id);

/* Shows the slot's memory at `base` instead. 0, -ENOENT, -EEXIST (gfn range taken), -EINVAL, -ENOMEM, -EBUSY. */
int vm_memory_move_slot(struct vm_memory *vm, u32 id, gfn_t base);

/* When it returns, no guest writes to a slot that became read-only. 0, -ENOENT, -EINVAL, -ENOMEM, -EBUSY. */
int vm_memory_set_slot_flags(struct vm_memory *vm, u32 id, u32 flags);

/* ---- faults */

/* What a guest access did; also the bits of an EPT violation's exit qualification (SDM vol. 3, table "Exit Qualification
 * for EPT Violations"): the caller passes them on as they are. */
enum { ACCESS_READ = 1u << 0, ACCESS_WRITE = 1u << 1, ACCESS_EXECUTE = 1u << 2 };

enum fault_result {
    FAULT_INSTALLED, /* re-enter the guest: the access will work now */
    FAULT_SPURIOUS,  /* re-enter the guest: it is mapped so already, by another processor or without a lock */
    FAULT_RETRY,     /* let others run, then re-enter the guest: the page is being invalidated */
    FAULT_NO_SLOT,   /* there is no memory at this address: a device, or the guest's error */
    FAULT_READ_ONLY, /* a write to a read-only slot */
    FAULT_DENIED,    /* the vCPU's view does not permit it */
    FAULT_LOST,      /* the frame went bad, and its content is lost */
    FAULT_NO_MEMORY, /* no frame or table could be allocated: the guest cannot go on */
};

/* Resolves an EPT violation of a guest access of kind `access` (one or more ACCESS_ bits) at `gpa`. May yield. */
enum fault_result vm_memory_fault(struct vcpu_memory *vcpu, gpa_t gpa, u32 access);

/*
 * After FAULT_NO_SLOT at a device's register: accesses to this page exit with an EPT misconfiguration from now on, for
 * which vm_memory_is_device() needs no slot lookup. Only a hint: nothing happens where there is no table for it, or where
 * the slots are being changed.
 */
void vm_memory_mark_device(struct vcpu_memory *vcpu, gpa_t gpa);

/* For an EPT misconfiguration. False: the slots have changed since, and vm_memory_fault() is to decide. */
bool vm_memory_is_device(struct vcpu_memory *vcpu, gpa_t gpa);

/* ---- whole ranges, [first, first + npages): in bounded steps, yielding between them */

/* Fills and maps what slots show in the range, as a read would. 0, -ENOMEM (a part may be mapped). */
int vm_memory_populate(struct vm_memory *vm, gfn_t first, u64 npages);

/* Unmaps; what is touched again faults again. */
void vm_memory_zap(struct vm_memory *vm, gfn_t first, u64 npages);

/* Splits large pages until none in the range is larger than `largest`. No access faults more than before. 0, -ENOMEM. */
int vm_memory_split(struct vm_memory *vm, gfn_t first, u64 npages, enum level largest);

/* The next write to each page of the range that is mapped faults, and is given back without a lock. */
void vm_memory_write_protect(struct vm_memory *vm, gfn_t first, u64 npages);

/*
 * Balloon: gives the memory behind the range back to the machine. Where it is touched again it is zero. 0, -ENOMEM (pages
 * that are shared in a large piece, which no memory was left to split, keep their content).
 */
int vm_memory_balloon(struct vm_memory *vm, gfn_t first, u64 npages);

/*
 * Unmaps everything. The time until guests run again does not depend on how much is mapped (G6); it returns when the old
 * tables are gone, in bounded steps. 0, -ENOMEM (nothing has changed).
 */
int vm_memory_invalidate_all(struct vm_memory *vm);

/*
 * From now on a fault that finds `tables` tables (at least VM_MIN_TABLES) besides the roots reclaims the oldest subtrees
 * first. 0: no limit.
 */
enum { VM_MIN_TABLES = 32 };
void vm_memory_limit_tables(struct vm_memory *vm, u64 tables);

/* ---- views: other looks at the same memory, with other permissions in some ranges */

/* A view that is equal to the memory as it is. 0, -ENOMEM, -ENOSPC. */
int vm_memory_create_view(struct vm_memory *vm, u32 *view);

/*
 * In `view`, the range has at most `permissions` (ACCESS_ bits; all: as the memory is). When it returns that is so for all
 * vCPUs. 0, -ENOENT, -EINVAL (a combination that the processor cannot have), -ENOMEM, -EBUSY (another task changes a view).
 */
int vm_memory_protect_view(struct vm_memory *vm, u32 view, gfn_t first, u64 npages, u32 permissions);

/* 0, -ENOENT, -EBUSY (a vCPU uses it, or another task changes a view). */
int vm_memory_drop_view(struct vm_memory *vm, u32 view);

/* ---- the rest */

/* The frame of the root that a new vCPU gets. Nobody invalidates all meanwhile. */
pfn_t vm_memory_root(const struct vm_memory *vm);

/*
 * The hypervisor's own accesses to guest memory, for loaders, string I/O and page walks. They fill on demand and go
 * through slots, never through EPT. 0, or -EFAULT where [gpa, gpa + size) is not wholly memory, or for a write not wholly
 * writable by the guest (nothing is transferred then), -ENOMEM or -EIO (a part may be transferred). They yield every 2 MiB;
 * a slot that goes away meanwhile is -EFAULT too. They are plain copies: who changes code that a vCPU may be executing stops
 * that first (G8).
 */
int vm_memory_read(struct vm_memory *vm, gpa_t gpa, void *to, u64 size);
int vm_memory_write(struct vm_memory *vm, gpa_t gpa, const void *from, u64 size);
int vm_memory_zero(struct vm_memory *vm, gpa_t gpa, u64 size);

/*
 * Replaces a word of the guest's, 4 or 8 bytes at a multiple of that, in one step for all of its processors, if it is
 * `expected`. -EBUSY: it is not; else as vm_memory_write().
 */
int vm_memory_exchange(struct vm_memory *vm, gpa_t gpa, u64 expected, u64 value, u64 size);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory of one VM: its slots, its EPT root(s), and the operations that the rest of the hypervisor uses.
 */
#ifndef MM_VM_MEMORY_H
#define MM_VM_MEMORY_H

#include "mm/types.h"

struct vm_memory;
struct backing;

/* What the processor can do; set once before the first VM (arch/x86/vmx_caps.c: from IA32_VMX_EPT_VPID_CAP). */
struct mm_caps {
    bool page_2m, page_1g; /* large EPT entries */
    bool access_dirty;     /* A/D bits in EPT entries */
    bool execute_only;
    unsigned levels;        /* of an EPT root: 4 or 5 */
    unsigned physical_bits; /* MAXPHYADDR */
};
void mm_init(const struct mm_caps *caps);

struct vm_memory_stats {
    u64 faults;               /* calls of vm_memory_fault() */
    u64 faults_installed;     /* of which installed an entry */
    u64 faults_spurious;      /* of which found the entry already there */
    u64 tables;               /* EPT table pages now, with the root */
    u64 mapped[LEVEL_1G + 1]; /* present leaf entries now, index enum level (0 unused) */
};

/*
 * Frames that a VM with `npages` pages of memory in a few slots can need at most besides that memory: tables when all is
 * mapped 4K, and the records of tables.
 */
u64 vm_memory_overhead(u64 npages);

/* Creates an empty VM. 0, -ENOMEM. */
int vm_memory_create(struct vm_memory **vm);

/* Frees everything the VM holds; no vCPU of it runs or will run. Backings that other VMs do not show are freed too. */
void vm_memory_destroy(struct vm_memory *vm);

enum { MEMSLOT_READ_ONLY = 1u << 0 };

/*
 * Shows `backing`, from its page `offset` on, at [base, base + npages). `id` is the caller's name for the slot.
 * `largest` limits the EPT entries of this slot. 0, -EEXIST (id or gfn range taken), -EINVAL, -ENOMEM. Here and below
 * also -EBUSY: another task is changing the slots of this VM.
 */
int vm_memory_add_slot(struct vm_memory *vm, u32 id, gfn_t base, u64 npages, struct backing *backing, u64 offset,
                       u32 flags, enum level largest);

/* Takes the slot away, and all that is mapped of it. Yields. 0, -ENOENT. */
int vm_memory_remove_slot(struct vm_memory *vm, u32 id);

/* What a guest access did; also the bits of an EPT violation's exit qualification (SDM vol. 3, table "Exit Qualification
 * for EPT Violations"): the caller passes them on as they are. */
enum { ACCESS_READ = 1u << 0, ACCESS_WRITE = 1u << 1, ACCESS_EXECUTE = 1u << 2 };

enum fault_result {
    FAULT_INSTALLED, /* re-enter the guest: the access will work now */
    FAULT_SPURIOUS,  /* re-enter the guest: another processor resolved it */
    FAULT_RETRY,     /* re-enter the guest: the range is being invalidated */
    FAULT_NO_SLOT,   /* there is no memory at this address: a device, or the guest's error */
    FAULT_READ_ONLY, /* a write to a read-only slot */
    FAULT_NO_MEMORY, /* no frame or table could be allocated: the guest cannot go on */
};

/* Resolves an EPT violation of a guest access of kind `access` (one or more ACCESS_ bits) at `gpa`. */
enum fault_result vm_memory_fault(struct vm_memory *vm, gpa_t gpa, u32 access);

/* The EPT root's frame, for the EPTP. */
pfn_t vm_memory_root(const struct vm_memory *vm);

struct vm_memory_stats vm_memory_get_stats(const struct vm_memory *vm);

/*
 * The hypervisor's own accesses to guest memory, for loaders, string I/O and page walks. They fill on demand and go
 * through slots, never through EPT. 0, or -EFAULT where [gpa, gpa + size) is not wholly memory, or for a write not wholly
 * writable by the guest (nothing is transferred then), or -ENOMEM (a part may be transferred). They yield every 2 MiB; a
 * slot that goes away meanwhile is -EFAULT too.
 */
int vm_memory_read(struct vm_memory *vm, gpa_t gpa, void *to, u64 size);
int vm_memory_write(struct vm_memory *vm, gpa_t gpa, const void *from, u64 size);
int vm_memory_zero(struct vm_memory *vm, gpa_t gpa, u64 size);

#endif

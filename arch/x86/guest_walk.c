/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest page walk. SDM vol. 3, chapter 5 "Paging": 32-bit, PAE and 4-level paging (5-level is hidden from guests). Sets
 * accessed and dirty bits as the processor does.
 */
#include "arch/x86/guest_walk.h"

#include "arch/x86/cpu.h"
#include "arch/x86/event.h"
#include "arch/x86/guest_features.h"
#include "arch/x86/msr.h"
#include "arch/x86/page_entry.h"
#include "arch/x86/vmcs.h"
#include "hv/lib/string.h"
#include "mm/vm_memory.h"

struct walk {
    struct vcpu *vcpu;
    u64 cr0, cr4;
    bool user, write, fetch;
    bool look;       /* it is no access of the guest's */
    u32 error;       /* of the #PF to deliver */
    int table_error; /* the table at `table` could not be accessed: then there is no #PF */
    gpa_t table;
};

struct format {
    unsigned levels, index_bits, entry_size;
};

/* -EFAULT from here down: what it means is in w->table_error and w->error. */
static int table_access(struct walk *w, gpa_t at, int error)
{
    if (!error)
        return 0;
    w->table = at;
    w->table_error = error;
    return -EFAULT;
}

/* In one step: vm_memory_read() moves 4 bytes one by one, but 8 at once. */
static int entry_read(struct walk *w, gpa_t at, unsigned size, u64 *entry)
{
    u64 word = 0;
    int error = vm_memory_read(w->vcpu->memory, (gpa_t){ at.v & ~7ull }, &word, sizeof(word));

    *entry = size == sizeof(u32) ? (u32)(word >> 8 * (at.v & 4)) : word;
    return table_access(w, at, error);
}

/*
 * In one step, as a processor does it: another one may take the entry away, or mark it, at the same time. -EAGAIN: it is another
 * one now.
 */
static int entry_mark(struct walk *w, gpa_t at, unsigned size, u64 entry, u64 bits)
{
    u64 marked = entry | bits;
    int error = marked == entry || w->look ? 0 : vm_memory_exchange(w->vcpu->memory, at, entry, marked, size);

    return error == -EBUSY ? -EAGAIN : table_access(w, at, error);
}

static bool permitted(const struct walk *w, u64 rights)
{
    if (w->look)
        return true;
    if (w->user)
        return (rights & PTE_USER) && (!w->write || (rights & PTE_WRITABLE));
    if (w->fetch)
        return true; /* it has executed what is there: only data accesses know of SMAP */
    if ((rights & PTE_USER) && (w->cr4 & CR4_SMAP) && !(vmcs_read(VMCS_GUEST_RFLAGS) & RFLAGS_AC))
        return false;
    return !w->write || (rights & PTE_WRITABLE) || !(w->cr0 & CR0_WP);
}

/* From the entry of a table at `level` (1 = last) to the page's address. PSE-36 gives 4M pages bits 39:32 in bits 20:13. */
static u64 page_address(const struct format *f, unsigned level, u64 entry, u64 linear)
{
    u64 span = 1ull << (12 + (level - 1) * f->index_bits);
    u64 frame = entry & PTE_ADDRESS & ~(span - 1);

    if (f->entry_size == 4 && level == 2)
        frame = (entry & 0xffc00000ull) | (entry >> 13 & 0xff) << 32;
    return frame | (linear & (span - 1));
}

static int walk_tables(struct walk *w, const struct format *f, u64 table, u64 linear, u64 rights, gpa_t *gpa)
{
    for (unsigned level = f->levels;; level--) {
        unsigned shift = 12 + (level - 1) * f->index_bits;
        u64 index = linear >> shift & ((1ull << f->index_bits) - 1);
        gpa_t at = { table + index * f->entry_size };
        u64 entry;

        if (entry_read(w, at, f->entry_size, &entry) || !(entry & PTE_PRESENT))
            return -EFAULT;
        rights &= entry;
        bool large = level == 1 || (level <= 3 && (entry & PTE_LARGE) && (f->entry_size == 8 || (w->cr4 & CR4_PSE)));
        if (large) {
            if (!permitted(w, rights)) {
                w->error |= PF_PRESENT;
                return -EFAULT;
            }
            *gpa = (gpa_t){ page_address(f, level, entry, linear) };
            return entry_mark(w, at, f->entry_size, entry, PTE_ACCESSED | (w->write ? PTE_DIRTY : 0));
        }
        int error = entry_mark(w, at, f->entry_size, entry, PTE_ACCESSED);
        if (error)
            return error;
        table = entry & PTE_ADDRESS;
    }
}

static int translate(struct walk *w, u64 linear, gpa_t *gpa)
{
    const struct format legacy = { 2, 10, 4 }, pae = { 2, 9, 8 }, long_mode = { 4, 9, 8 };
    u64 cr3 = vmcs_read(VMCS_GUEST_CR3);

    if (!(w->cr0 & CR0_PG)) {
        *gpa = (gpa_t){ linear };
        return 0;
    }
    if (!(w->cr4 & CR4_PAE))
        return walk_tables(w, &legacy, cr3 & 0xfffff000ull, linear, PTE_WRITABLE | PTE_USER, gpa);
    if (vmcs_read(VMCS_GUEST_EFER) & EFER_LMA)
        return walk_tables(w, &long_mode, cr3 & PTE_ADDRESS, linear, PTE_WRITABLE | PTE_USER, gpa);
    u64 pdpte = vmcs_read((enum vmcs_field)(VMCS_GUEST_PDPTE0 + 2 * (linear >> 30 & 3)));
    if (!(pdpte & PTE_PRESENT))
        return -EFAULT;
    return walk_tables(w, &pae, pdpte & PTE_ADDRESS, linear, PTE_WRITABLE | PTE_USER, gpa);
}

enum access { READ, FETCH, WRITE, PROBE_WRITE };

static int transfer(struct vcpu *vcpu, gpa_t gpa, void *data, unsigned size, enum access access)
{
    u8 there[8];

    switch (access) {
    case READ:
    case FETCH:
        return vm_memory_read(vcpu->memory, gpa, data, size);
    case WRITE:
        return vm_memory_write(vcpu->memory, gpa, data, size);
    default: {
        int error = vm_memory_read(vcpu->memory, gpa, there, size);
        return error ? error : vm_memory_write(vcpu->memory, gpa, there, size);
    }
    }
}

static int access(struct vcpu *vcpu, u64 linear, void *data, unsigned size, enum access access)
{
    bool write = access == WRITE || access == PROBE_WRITE;
    struct walk w = { .vcpu = vcpu,
                      .cr0 = vmcs_read(VMCS_GUEST_CR0),
                      .cr4 = vmcs_read(VMCS_GUEST_CR4),
                      .write = write,
                      .fetch = access == FETCH };
    bool long_mode = vmcs_read(VMCS_GUEST_EFER) & EFER_LMA;
    unsigned first = (unsigned)(PAGE_SIZE - (linear & (PAGE_SIZE - 1)));
    unsigned parts[2] = { size < first ? size : first, size < first ? 0 : size - first };
    gpa_t gpa[2];

    w.user = RIGHTS_DPL(vmcs_read(VMCS_GUEST_SS_ACCESS_RIGHTS)) == 3;
    w.error = (write ? PF_WRITE : 0) | (w.user ? PF_USER : 0);
    if (long_mode && !(is_canonical(linear, GUEST_LINEAR_BITS) && is_canonical(linear + size - 1, GUEST_LINEAR_BITS))) {
        event_exception_error(vcpu, VECTOR_GP, 0);
        return -EFAULT;
    }
    /* Both pages are translated before anything is transferred: the instruction happens wholly or not at all. */
    for (unsigned i = 0; i < 2 && parts[i]; i++) {
        u64 at = linear + (i ? parts[0] : 0);
        if (!long_mode)
            at &= 0xffffffff;
        int error = translate(&w, at, &gpa[i]);
        /* The guest executes the instruction again: it may change its tables for ever, and has its slice for that. */
        if (error == -EAGAIN)
            return -EFAULT;
        if (error) {
            if (w.table_error)
                vcpu_end_no_access(vcpu, w.table_error, "page table", w.table);
            else
                event_page_fault(vcpu, at, w.error);
            return -EFAULT;
        }
    }
    for (unsigned i = 0; i < 2 && parts[i]; i++) {
        int error = transfer(vcpu, gpa[i], (u8 *)data + (i ? parts[0] : 0), parts[i], access);
        if (error) {
            vcpu_end_no_access(vcpu, error, access == FETCH ? "instruction" : "string instruction", gpa[i]);
            return -EFAULT;
        }
    }
    return 0;
}

int guest_linear_read(struct vcpu *vcpu, u64 linear, void *data, unsigned size)
{
    return access(vcpu, linear, data, size, READ);
}

int guest_linear_fetch(struct vcpu *vcpu, u64 linear, void *data, unsigned size)
{
    return access(vcpu, linear, data, size, FETCH);
}

int guest_linear_write(struct vcpu *vcpu, u64 linear, const void *data, unsigned size)
{
    return access(vcpu, linear, (void *)(uintptr_t)data, size, WRITE);
}

int guest_linear_probe_write(struct vcpu *vcpu, u64 linear, unsigned size)
{
    u8 unused[8];

    return access(vcpu, linear, unused, size, PROBE_WRITE);
}

int guest_linear_look(struct vcpu *vcpu, u64 linear, gpa_t *gpa)
{
    struct walk w = { .vcpu = vcpu, .cr0 = vmcs_read(VMCS_GUEST_CR0), .cr4 = vmcs_read(VMCS_GUEST_CR4), .look = true };

    if (!(vmcs_read(VMCS_GUEST_EFER) & EFER_LMA))
        linear = (u32)linear;
    else if (!is_canonical(linear, GUEST_LINEAR_BITS))
        return -EFAULT;
    return translate(&w, linear, gpa);
}

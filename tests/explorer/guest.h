/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vCPU with its guest, as an actor uses it. Its accesses walk the tables in memory, each step a scheduling point, and
 * fault, and are tried again, as those of a real one. Translations, and a pointer to the last 4K table, stay cached until
 * vcpu_memory_enter() asks for INVEPT: also when that is late, and always to be used first. A translation by which was written
 * remembers D. With vcpu_entry.log it logs modifications, of which it has room for a few.
 *
 * The guest is in one stay, from its first access, until guest_leave() or a fault that it cannot resolve inside.
 */
#ifndef TESTS_EXPLORER_GUEST_H
#define TESTS_EXPLORER_GUEST_H

#include "mm/vcpu_memory.h"
#include "mm/vm_memory.h"

enum { GUEST_TLB = 8, GUEST_LOG = 4 };

struct guest {
    struct vcpu_memory vcpu;
    bool sets_bits;       /* A and D, as a processor with them does */
    bool resolves_inside; /* what vcpu_memory_fault_inside() can, without leaving */
    bool inside;
    pfn_t root;
    unsigned levels;
    struct guest_translation {
        gfn_t gfn;
        pfn_t pfn;
        u64 permissions; /* EPT_READ | … */
        bool dirty;
    } tlb[GUEST_TLB];
    unsigned cached;
    bool has_pointer;
    gfn_t pointer_gfn; /* of the table's first page */
    pfn_t pointer;
    unsigned faults;
    bool logs; /* in this stay */
    unsigned logged;
    u64 log[GUEST_LOG];     /* guest-physical addresses */
    void (*wrote)(u64 gpa); /* in the same step as each write; NULL: nothing */
};

void guest_init(struct guest *guest, struct vm_memory *vm);
void guest_destroy(struct guest *guest);

/* Until the access is done, or cannot be: then the result says why, and the guest has left. `done` is FAULT_INSTALLED. */
enum fault_result guest_read(struct guest *guest, u64 gpa, u64 *value);
enum fault_result guest_write(struct guest *guest, u64 gpa, u64 value);
enum fault_result guest_execute(struct guest *guest, u64 gpa);

/* The same, and the scenario fails if it cannot be done. */
u64 guest_load(struct guest *guest, u64 gpa);
void guest_store(struct guest *guest, u64 gpa, u64 value);

void guest_leave(struct guest *guest);

#endif

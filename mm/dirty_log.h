/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dirty logging: which pages of a slot were written, by the guest or on its behalf. Whoever wants to know is a user; each has
 * a log of its own, and none disturbs another's.
 *
 * A page of a slot that is logged is *armed* (its next write will be seen) or in `written`, always: a write finds it armed
 * and puts it into `written`, a harvest takes it out and arms it again. Armed is, where the processor logs modifications
 * (PML), an entry without D; where not, one without write permission and with EPT_MAY_WRITE. Both need entries of 4K. A large
 * one is split when it is armed, or else (DIRTY_LAZY, or no memory for the table) it loses write permission and is split by
 * the first write to it.
 *
 * The order that makes it right (C10, C11):
 *  - start: the slot has its log (vm->logging, then the set where it has one is published), every vCPU has left the guest
 *    once and knows it (tlb_flush), and only then is anything armed.
 *  - harvest: what is in `written` is taken out, then armed, flushed, then reported. A write in between is in this report,
 *    because whoever reads the page does that after the report; a write after that is logged anew.
 *  - a write fault gives the permission first and logs then, both before the vCPU enters again; PML buffers are emptied at
 *    every exit, before the vCPU counts as outside.
 *  - stop: nobody uses the slot with the log any more, then it may be collapsed (C1).
 */
#ifndef MM_DIRTY_LOG_H
#define MM_DIRTY_LOG_H

#include "mm/ept.h"
#include "mm/page_set.h"

struct vm_memory;
struct vcpu_memory;
struct memslot;
struct spt;

enum dirty_user { DIRTY_OPERATOR, DIRTY_RATE, DIRTY_SNAPSHOT, DIRTY_USERS };

enum {
    /* Large pages are split by the first write to them, not before. A slot is split so if its first user said it. */
    DIRTY_LAZY = 1u << 0,
    /* Every page counts as written at the start, and is armed when it is harvested: the start takes constant time. */
    DIRTY_ALL_AT_FIRST = 1u << 1,
    /* vm_memory_harvest() leaves all as it is; vm_memory_rearm() takes out and arms, and comes before pages are read. */
    DIRTY_MANUAL = 1u << 2,
};

/*
 * When it returns, every write from now on to slot `id` will be in what `user` harvests. In bounded steps, while the guest
 * runs. 0, -ENOENT, -EEXIST (it is a user already), -EINVAL, -ENOMEM, -EBUSY (somebody changes slots).
 */
int vm_memory_start_log(struct vm_memory *vm, u32 id, enum dirty_user user, u32 flags);

/*
 * Puts the pages of [first, first + npages) that were written since the last harvest into `report`, a set of gfns. Every
 * write that was done before the call is there or was reported before; of those that come meanwhile, each is in this report
 * or in the next. While vCPUs run, "meanwhile" begins when they were last outside: what the processor has in its buffer, or
 * a fault that is on its way has permitted to another vCPU too, comes with the next. 0, -ENOENT (no such slot, or not a user
 * of its log). Who changes slots waits for it. What is written through another slot that shows the same memory is in that
 * slot's log.
 */
int vm_memory_harvest(struct vm_memory *vm, u32 id, enum dirty_user user, gfn_t first, u64 npages,
                      struct page_set *report);

/* DIRTY_MANUAL: takes `pages` (gfns) out of the log. 0, -ENOENT. */
int vm_memory_rearm(struct vm_memory *vm, u32 id, enum dirty_user user, const struct page_set *pages);

/* 0, -ENOENT, -EBUSY. Large pages come back with vm_memory_recover(). */
int vm_memory_stop_log(struct vm_memory *vm, u32 id, enum dirty_user user);

/* All logs of `user`; waits for whoever changes slots. */
void vm_memory_stop_logs(struct vm_memory *vm, enum dirty_user user);

/* A set for reports of the slot. 0, -ENOENT, -ENOMEM. */
int vm_memory_create_report(struct vm_memory *vm, u32 id, struct page_set **report);

/*
 * The vCPU's processor has logged `count` guest-physical addresses (PML), the last of them first. Before vcpu_memory_leave(),
 * at every exit of a vCPU whose vcpu_entry said `log`.
 */
void vm_memory_log_writes(struct vcpu_memory *vcpu, const u64 *gpas, unsigned count);

/* ---- inside mm/ */

struct dirty_log {
    struct page_set written; /* gfns */
    /* set once: */
    bool lazy;
    /* atomic: */
    bool armed; /* the start is over: what is not in `written` is armed (mm/audit.c) */
    /* atomic: somebody collects, or changes what follows: */
    u32 busy;
    /* who is `busy`: */
    struct page_set held[DIRTY_USERS]; /* what others have collected and it has not; all zeros: no user */
    bool manual[DIRTY_USERS];
    unsigned users;
};

/* By who is not `busy`: it may have changed since. */
static inline bool dirty_log_is_user(const struct dirty_log *log, enum dirty_user user)
{
    return __atomic_load_n(&log->held[user].chunks, __ATOMIC_RELAXED) != NULL;
}

/* Not used by any slot any more. */
void dirty_log_destroy(struct dirty_log *log);

/* Another log with the same users for gfns [first, first + npages), and what each of them would be told. NULL: no memory. */
struct dirty_log *dirty_log_create_moved(gfn_t first, u64 npages, const struct dirty_log *from);

/*
 * Adds to one log what is in the other. Between the slot's INVALID state and its new place, so that whoever looks there finds
 * all; and once more when nobody has the old slot any more, for what came into its log meanwhile.
 */
void dirty_log_move(struct dirty_log *to, gfn_t to_first, struct dirty_log *from, gfn_t from_first);

/* The hypervisor has written to the page. The slot with the log, NULL: with none, cannot go away. */
void dirty_log_mark(struct dirty_log *log, gfn_t gfn);

/* A write of the vCPU to the page has been permitted that will not be seen again until the page is armed. */
void dirty_log_mark_vcpu(struct vcpu_memory *vcpu, struct dirty_log *log, gfn_t gfn);

/*
 * The same where no lock is held, and the slot is to be found. Within vcpu_memory_walk_begin() and _end(): a slot that goes, or
 * moves with its log, takes the permission away and flushes, and so waits for this.
 */
void dirty_log_permitted(struct vcpu_memory *vcpu, gfn_t gfn);

/* Whether the processor logs writes; otherwise entries are write-protected. */
bool dirty_log_by_processor(void);

/* How entries of a slot with this log are armed; ARM_NONE: there is none. */
enum ept_arm dirty_log_arm(const struct dirty_log *log);

/* What an entry of 4K for an access of kind `needed` permits where a slot with this log permits `permissions`. */
u64 dirty_log_permissions(const struct dirty_log *log, u64 permissions, u64 needed);

#endif

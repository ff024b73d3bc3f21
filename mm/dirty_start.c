/* SPDX-License-Identifier: BSD-2-Clause */
/* Dirty logs begin, end, and move with their slots: see mm/dirty_log.h for the order of steps. */
#include "mm/dirty_internal.h"
#include "mm/port.h"
#include "mm/tlb.h"
#include "mm/vm.h"

void dirty_log_destroy(struct dirty_log *log)
{
    for (unsigned user = 0; user < DIRTY_USERS; user++) {
        if (dirty_log_is_user(log, user))
            page_set_release(&log->held[user]);
    }
    page_set_release(&log->written);
    memslot_free_log(log);
}

/* With no user yet. NULL: no memory. */
static struct dirty_log *create(gfn_t first, u64 npages, bool full, bool lazy)
{
    struct dirty_log *log = memslot_alloc_log();

    if (log == NULL)
        return NULL;
    log->lazy = lazy;
    if (page_set_init(&log->written, first.v, first.v + npages, full) != 0) {
        memslot_free_log(log);
        return NULL;
    }
    return log;
}

/* The log is this one's alone, or between begin and end. 0, -EEXIST, -ENOMEM. */
static int add_user(struct dirty_log *log, enum dirty_user user, u32 flags, bool full)
{
    if (dirty_log_is_user(log, user))
        return -EEXIST;
    if (page_set_init(&log->held[user], log->written.first, log->written.end, full) != 0)
        return -ENOMEM;
    log->manual[user] = flags & DIRTY_MANUAL;
    log->users++;
    return 0;
}

struct dirty_log *dirty_log_create_moved(gfn_t first, u64 npages, const struct dirty_log *from)
{
    struct dirty_log *log = create(first, npages, false, from->lazy);

    /* Nothing is mapped there. */
    if (log != NULL)
        log->armed = true;
    for (unsigned user = 0; user < DIRTY_USERS && log != NULL; user++) {
        if (dirty_log_is_user(from, user) &&
            add_user(log, (enum dirty_user)user, from->manual[user] ? DIRTY_MANUAL : 0, false) != 0) {
            dirty_log_destroy(log);
            log = NULL;
        }
    }
    return log;
}

static void move_pages(struct page_set *to, u64 to_first, const struct page_set *from, u64 from_first)
{
    for (u64 word = page_set_next(from, 0); word != PAGE_SET_END; word = page_set_next(from, word + 1)) {
        for (u64 bits = page_set_get(from, word); bits != 0; bits &= bits - 1) {
            u64 page = word * PAGE_SET_WORD + (u64)__builtin_ctzll(bits);

            page_set_add(to, page - from_first + to_first);
        }
        port_yield();
    }
}

void dirty_log_move(struct dirty_log *to, gfn_t to_first, struct dirty_log *from, gfn_t from_first)
{
    dirty_log_begin(from);
    move_pages(&to->written, to_first.v, &from->written, from_first.v);
    for (unsigned user = 0; user < DIRTY_USERS; user++) {
        if (dirty_log_is_user(from, user))
            move_pages(&to->held[user], to_first.v, &from->held[user], from_first.v);
    }
    dirty_log_end(from);
}

/*
 * The pages of the region at `region` that are the slot's, into words of zeros: what else lies in the first and in the last one
 * is another's.
 */
static void mask_region(u64 words[ARM_WORDS], const struct memslot *slot, u64 region)
{
    u64 first = slot->base.v > region ? slot->base.v : region, end = memslot_end(slot).v;

    if (end > region + EPT_ENTRIES)
        end = region + EPT_ENTRIES;
    for (u64 word = first / PAGE_SET_WORD; word * PAGE_SET_WORD < end; word++)
        words[word % ARM_WORDS] = dirty_log_mask(word, first, end);
}

/* Arms the whole slot, one region after the other. */
static void arm_all(struct vm_memory *vm, const struct memslot *slot, const struct dirty_log *log)
{
    TABLE_CACHE(cache);
    TLB_GATHER(gather, vm);
    gfn_t at = { slot->base.v & ~(u64)(EPT_ENTRIES - 1) };

    while (at.v < memslot_end(slot).v) {
        u64 words[ARM_WORDS] = { 0 };

        mask_region(words, slot, at.v);
        at = dirty_log_arm_region(vm, log, at, words, &cache, &gather);
        /* One region at a time is a bounded step. */
        if (at.v < memslot_end(slot).v)
            port_yield();
    }
    tlb_gather_finish(&gather);
}

static int start(struct vm_memory *vm, struct memslot *slot, enum dirty_user user, u32 flags)
{
    bool all = flags & DIRTY_ALL_AT_FIRST;
    struct dirty_log *log = create(slot->base, slot->npages, all, flags & DIRTY_LAZY);

    if (log == NULL)
        return -ENOMEM;
    if (add_user(log, user, flags, false) != 0) {
        dirty_log_destroy(log);
        return -ENOMEM;
    }
    /* Before the slot says so: who finds it 0 has found no log either. */
    atomic_add(&vm->logging, 1);
    vm_set_log(vm, slot, log);
    /*
     * Every vCPU that was in the guest, or in a walk without a lock, before it could know of the log leaves once: what is armed
     * after this is written by nobody who does not log.
     */
    tlb_flush(vm);
    if (!all)
        arm_all(vm, slot, log);
    atomic_write(&log->armed, true);
    return 0;
}

int vm_memory_start_log(struct vm_memory *vm, u32 id, enum dirty_user user, u32 flags)
{
    if (user >= DIRTY_USERS || (flags & ~(u32)(DIRTY_LAZY | DIRTY_ALL_AT_FIRST | DIRTY_MANUAL)) != 0)
        return -EINVAL;

    int error = memslots_begin_change(&vm->slots);
    if (error != 0)
        return error;
    struct memslot *slot = memslots_find_id(memslots_active(&vm->slots), id);
    if (slot == NULL) {
        error = -ENOENT;
    } else if (memslot_log(slot) == NULL) {
        error = start(vm, slot, user, flags);
    } else {
        dirty_log_begin(memslot_log(slot));
        error = add_user(memslot_log(slot), user, flags, flags & DIRTY_ALL_AT_FIRST);
        dirty_log_end(memslot_log(slot));
    }
    memslots_end_change(&vm->slots);
    return error;
}

static void remove_user(struct dirty_log *log, enum dirty_user user)
{
    dirty_log_begin(log);
    page_set_release(&log->held[user]);
    log->users--;
    dirty_log_end(log);
}

int vm_memory_stop_log(struct vm_memory *vm, u32 id, enum dirty_user user)
{
    int error = memslots_begin_change(&vm->slots);

    if (error != 0)
        return error;
    struct memslot *slot = memslots_find_id(memslots_active(&vm->slots), id);
    struct dirty_log *log = slot == NULL ? NULL : memslot_log(slot);
    if (log == NULL || user >= DIRTY_USERS || !dirty_log_is_user(log, user)) {
        error = -ENOENT;
    } else if (log->users > 1) {
        remove_user(log, user);
    } else {
        /* When this returns no fault, no harvest and no vCPU's buffer uses the log any more. */
        vm_set_log(vm, slot, NULL);
        atomic_add(&vm->logging, -1);
        vm_want_recovery(vm, true);
        dirty_log_destroy(log);
    }
    memslots_end_change(&vm->slots);
    return error;
}

void vm_memory_stop_logs(struct vm_memory *vm, enum dirty_user user)
{
    bool has_stopped;

    /* Once more, until there is none: slots may move while this looks for them. */
    do {
        gfn_t at = { 0 };
        u32 id;

        has_stopped = false;
        while (vm_next_slot(vm, &at, &id)) {
            int error = vm_memory_stop_log(vm, id, user);

            for (; error == -EBUSY; error = vm_memory_stop_log(vm, id, user))
                port_yield();
            has_stopped |= error == 0;
        }
    } while (has_stopped);
}

int vm_memory_create_report(struct vm_memory *vm, u32 id, struct page_set **report)
{
    struct memslot_set *set = memslots_read_begin(&vm->slots);
    const struct memslot *slot = memslots_find_id(set, id);
    int error = slot == NULL ? -ENOENT : page_set_create(slot->base.v, memslot_end(slot).v, false, report);

    memslots_read_end(set);
    return error;
}

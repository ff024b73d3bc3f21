/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's own accesses to guest memory. Address and size may be a guest's: the whole range is checked before the
 * first byte moves. A slot that a guest may not write is not written on its behalf either.
 */
#include "mm/atomic.h"
#include "mm/backing_object.h"
#include "mm/dirty_log.h"
#include "mm/mapping_level.h"
#include "mm/mem.h"
#include "mm/port.h"
#include "mm/vm.h"

/* Pages between two calls of port_yield(). */
enum { YIELD_STEP = 512 };

/* Both NULL: zeros are written. */
struct transfer {
    u8 *to;
    const u8 *from;
    const u64 *expected; /* NULL, or `from` replaces only this, in one step: a word of 4 or 8 bytes */
    bool *differs;       /* set where something else was there */
};

static bool writes(const struct transfer *transfer)
{
    return transfer->to == NULL;
}

/* The slot of `gfn` if the transfer may use it, or NULL. */
static const struct memslot *usable_slot(struct memslot_set *set, gfn_t gfn, const struct transfer *transfer)
{
    const struct memslot *slot = memslots_find(set, gfn);

    if (slot == NULL || memslots_is_invalid(set, slot))
        return NULL;
    return writes(transfer) && slot->flags & MEMSLOT_READ_ONLY ? NULL : slot;
}

/* Whether [gpa, gpa + size), size not 0, is usable everywhere. */
static bool range_is_usable(struct vm_memory *vm, gpa_t gpa, u64 size, const struct transfer *transfer)
{
    gpa_t last = { gpa.v + (size - 1) };
    gfn_t gfn = gpa_to_gfn(gpa);
    bool usable = last.v >= gpa.v;

    struct memslot_set *set = memslots_read_begin(&vm->slots);
    while (usable && gfn.v <= gpa_to_gfn(last).v) {
        const struct memslot *slot = usable_slot(set, gfn, transfer);

        usable = slot != NULL;
        if (usable)
            gfn = memslot_end(slot);
    }
    memslots_read_end(set);
    return usable;
}

static void exchange(const struct transfer *transfer, void *memory, u64 size)
{
    u64 expected = *transfer->expected, value = 0;
    u32 expected4 = (u32)expected;

    memcpy(&value, transfer->from, size);
    if (size == sizeof(u32))
        *transfer->differs = !atomic_cmpxchg((u32 *)memory, &expected4, (u32)value);
    else
        *transfer->differs = !atomic_cmpxchg((u64 *)memory, &expected, value);
}

static void transfer_piece(const struct transfer *transfer, u64 done, u8 *memory, u64 size)
{
    if (transfer->expected != NULL)
        exchange(transfer, memory, size);
    else if (transfer->to != NULL)
        memcpy(transfer->to + done, memory, size);
    else if (transfer->from != NULL)
        memcpy(memory, transfer->from + done, size);
    else
        memset(memory, 0, size);
}

/*
 * The part of the transfer that lies in one page. Like a fault: the frame is resolved, and then used under the VM's lock only
 * if it still is the page's, so whoever changes the page waits for the copy (mm/invalidation.h). -EAGAIN: it is being changed.
 */
static int try_in_page(struct vm_memory *vm, const struct memslot *slot, struct dirty_log *log,
                       const struct transfer *transfer, gpa_t gpa, u64 done, u64 size)
{
    u64 page = memslot_page(slot, gpa_to_gfn(gpa));
    enum level level = mapping_piece(slot, gpa_to_gfn(gpa));
    struct backing_page found;

    u64 sequence = backing_sequence(slot->backing);
    int error = backing_resolve(slot->backing, page, level, writes(transfer), &found);
    if (error != 0)
        return error;
    rwlock_lock_shared(&vm->spt.lock);
    if (backing_is_current(slot->backing, sequence, page, &found, LEVEL_4K))
        transfer_piece(transfer, done, (u8 *)port_frame_address(found.pfn) + gpa.v % PAGE_SIZE, size);
    else
        error = -EAGAIN;
    rwlock_unlock_shared(&vm->spt.lock);
    if (error == 0 && writes(transfer))
        dirty_log_mark(log, gpa_to_gfn(gpa));
    return error;
}

static int transfer_in_page(struct vm_memory *vm, const struct transfer *transfer, gpa_t gpa, u64 done, u64 size)
{
    int error = -EAGAIN;

    while (error == -EAGAIN) {
        struct memslot_set *set = memslots_read_begin(&vm->slots);
        const struct memslot *slot = usable_slot(set, gpa_to_gfn(gpa), transfer);

        /* It was there before: it went away at a yield. */
        error = slot == NULL ? -EFAULT : try_in_page(vm, slot, memslots_log(set, slot), transfer, gpa, done, size);
        memslots_read_end(set);
        if (error == -EAGAIN)
            port_yield();
    }
    return error;
}

/*
 * Within one page, where all that it takes is there: most accesses are words of page tables, and instructions. The lock comes
 * before the frame is looked up. What is not in flight in the backing then does not come to change anything before the lock
 * is released (mm/invalidation.h), so what is found is the page's, and there is no sequence to compare. False: nothing was
 * done, and the long way finds out why.
 */
static inline bool transfer_at_once(struct vm_memory *vm, const struct transfer *transfer, gpa_t gpa, u64 size)
{
    gfn_t gfn = gpa_to_gfn(gpa);
    unsigned at = stripe();
    struct backing_page found;
    bool done = false;

    struct memslot_set *set = memslots_read_begin_on(&vm->slots, at);
    const struct memslot *slot = usable_slot(set, gfn, transfer);
    if (slot != NULL && rwlock_try_lock_shared(&vm->spt.lock)) {
        done = !backing_has_changes(slot->backing) &&
               backing_peek(slot->backing, memslot_page(slot, gfn), &found) == 0 &&
               (found.writable || !writes(transfer));
        if (done)
            transfer_piece(transfer, 0, (u8 *)port_frame_address(found.pfn) + gpa.v % PAGE_SIZE, size);
        rwlock_unlock_shared(&vm->spt.lock);
        if (done && writes(transfer))
            dirty_log_mark(memslots_log(set, slot), gfn);
    }
    memslots_read_end_on(set, at);
    return done;
}

static inline bool is_in_page(gpa_t gpa, u64 size)
{
    return size != 0 && size <= PAGE_SIZE - gpa.v % PAGE_SIZE;
}

static __attribute__((noinline)) int transfer_range(struct vm_memory *vm, const struct transfer *transfer, gpa_t gpa,
                                                    u64 size)
{
    u64 done = 0;

    if (size == 0)
        return 0;
    if (!range_is_usable(vm, gpa, size, transfer))
        return -EFAULT;
    for (u64 pages = 1; done < size; pages++) {
        gpa_t at = { gpa.v + done };
        u64 rest = size - done;
        u64 piece = PAGE_SIZE - at.v % PAGE_SIZE;

        if (piece > rest)
            piece = rest;
        int error = transfer_in_page(vm, transfer, at, done, piece);
        if (error != 0)
            return error;
        done += piece;
        if (pages % YIELD_STEP == 0)
            port_yield();
    }
    return 0;
}

static int transfer(struct vm_memory *vm, const struct transfer *transfer, gpa_t gpa, u64 size)
{
    return is_in_page(gpa, size) && transfer_at_once(vm, transfer, gpa, size) ? 0
                                                                              : transfer_range(vm, transfer, gpa, size);
}

/* The compiler leaves nothing of the transfer but the copy. */
__attribute__((flatten)) int vm_memory_read(struct vm_memory *vm, gpa_t gpa, void *to, u64 size)
{
    if (is_in_page(gpa, size) && transfer_at_once(vm, &(struct transfer){ .to = to }, gpa, size))
        return 0;
    return transfer_range(vm, &(struct transfer){ .to = to }, gpa, size);
}

int vm_memory_write(struct vm_memory *vm, gpa_t gpa, const void *from, u64 size)
{
    return transfer(vm, &(struct transfer){ .from = from }, gpa, size);
}

int vm_memory_zero(struct vm_memory *vm, gpa_t gpa, u64 size)
{
    return transfer(vm, &(struct transfer){ 0 }, gpa, size);
}

int vm_memory_exchange(struct vm_memory *vm, gpa_t gpa, u64 expected, u64 value, u64 size)
{
    bool differs = false;
    const struct transfer word = { .from = (const u8 *)&value, .expected = &expected, .differs = &differs };

    assert((size == sizeof(u32) || size == sizeof(u64)) && gpa.v % size == 0);
    int error = transfer(vm, &word, gpa, size);
    return error ? error : differs ? -EBUSY : 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's own accesses to guest memory. Address and size may be a guest's: the whole range is checked before the
 * first byte moves. A slot that a guest may not write is not written on its behalf either.
 */
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
};

static bool writes(const struct transfer *transfer)
{
    return transfer->to == NULL;
}

/* The slot of `gfn` if the transfer may use it, or NULL. */
static const struct memslot *usable_slot(struct vm_memory *vm, gfn_t gfn, const struct transfer *transfer)
{
    const struct memslot *slot = memslots_find(&vm->slots, gfn);

    if (slot == NULL || memslots_is_invalid(&vm->slots, slot))
        return NULL;
    return writes(transfer) && slot->flags & MEMSLOT_READ_ONLY ? NULL : slot;
}

/* Whether [gpa, gpa + size), size not 0, is usable everywhere. */
static bool range_is_usable(struct vm_memory *vm, gpa_t gpa, u64 size, const struct transfer *transfer)
{
    gpa_t last = { gpa.v + (size - 1) };
    gfn_t gfn = gpa_to_gfn(gpa);

    if (last.v < gpa.v)
        return false;
    while (gfn.v <= gpa_to_gfn(last).v) {
        const struct memslot *slot = usable_slot(vm, gfn, transfer);

        if (slot == NULL)
            return false;
        gfn = memslot_end(slot);
    }
    return true;
}

static void transfer_piece(const struct transfer *transfer, u64 done, u8 *memory, u64 size)
{
    if (transfer->to != NULL)
        memcpy(transfer->to + done, memory, size);
    else if (transfer->from != NULL)
        memcpy(memory, transfer->from + done, size);
    else
        memset(memory, 0, size);
}

/* The part of the transfer that lies in one page. */
static int transfer_in_page(struct vm_memory *vm, const struct transfer *transfer, gpa_t gpa, u64 done, u64 size)
{
    gfn_t gfn = gpa_to_gfn(gpa);
    const struct memslot *slot = usable_slot(vm, gfn, transfer);
    enum level level;
    pfn_t pfn;

    /* It was there before: it went away at a yield. */
    if (slot == NULL)
        return -EFAULT;
    level = mapping_level(slot, gfn, LEVEL_1G);
    int error = backing_fill(slot->backing, memslot_page(slot, gfn), level, &pfn, &level);
    if (error != 0)
        return error;
    transfer_piece(transfer, done, (u8 *)port_frame_address(pfn) + gpa.v % PAGE_SIZE, size);
    return 0;
}

static int transfer_range(struct vm_memory *vm, const struct transfer *transfer, gpa_t gpa, u64 size)
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

int vm_memory_read(struct vm_memory *vm, gpa_t gpa, void *to, u64 size)
{
    return transfer_range(vm, &(struct transfer){ .to = to }, gpa, size);
}

int vm_memory_write(struct vm_memory *vm, gpa_t gpa, const void *from, u64 size)
{
    return transfer_range(vm, &(struct transfer){ .from = from }, gpa, size);
}

int vm_memory_zero(struct vm_memory *vm, gpa_t gpa, u64 size)
{
    return transfer_range(vm, &(struct transfer){ 0 }, gpa, size);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/dirty_ring.h. */
#include "mm/dirty_ring.h"

#include "mm/dirty_internal.h"
#include "mm/frame.h"
#include "mm/pool.h"
#include "mm/vm.h"

POOL(ring_pool, struct dirty_ring);

int vcpu_memory_open_ring(struct vcpu_memory *vcpu, u64 entries)
{
    unsigned order = 0;
    pfn_t frame;

    if (entries < DIRTY_RING_MIN || entries > DIRTY_RING_MAX || (entries & (entries - 1)) != 0)
        return -EINVAL;
    if (vcpu->ring != NULL)
        return -EEXIST;
    while (PAGE_SIZE << order < entries * sizeof(u64))
        order++;

    struct dirty_ring *ring = pool_alloc(&ring_pool);
    if (ring == NULL)
        return -ENOMEM;
    if (frame_alloc(order, FRAME_CONTROL, &frame) != 0) {
        pool_free(&ring_pool, ring);
        return -ENOMEM;
    }
    *ring = (struct dirty_ring){ .size = entries, .order = order, .gfns = port_frame_address(frame) };
    spin_lock(&vcpu->vm->vcpus_lock);
    vcpu->ring = ring;
    spin_unlock(&vcpu->vm->vcpus_lock);
    return 0;
}

void vcpu_memory_close_ring(struct vcpu_memory *vcpu)
{
    struct dirty_ring *ring = vcpu->ring;

    if (ring == NULL)
        return;
    spin_lock(&vcpu->vm->vcpus_lock);
    vcpu->ring = NULL;
    spin_unlock(&vcpu->vm->vcpus_lock);
    frame_free(port_frame_of(ring->gfns), ring->order, FRAME_CONTROL);
    pool_free(&ring_pool, ring);
}

void dirty_ring_put(struct dirty_ring *ring, gfn_t gfn)
{
    u64 head = counter_read(&ring->head);

    /* It is in the log, where a harvest finds it. */
    if (head - atomic_read(&ring->tail) == ring->size) {
        counter_add(&ring->dropped, 1);
        return;
    }
    __atomic_store_n(&ring->gfns[head & (ring->size - 1)], gfn.v, __ATOMIC_RELAXED);
    /* Pairs with take(). */
    atomic_write(&ring->head, head + 1);
}

enum { BATCH = 64 };

/* Takes entries out of a ring. Not through mm_point(): a leaf lock is held. */
static u64 take(struct dirty_ring *ring, u64 max, u64 *gfns)
{
    u64 tail = counter_read(&ring->tail), count = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) - tail;

    if (count > max)
        count = max;
    for (u64 i = 0; i < count; i++)
        gfns[i] = __atomic_load_n(&ring->gfns[(tail + i) & (ring->size - 1)], __ATOMIC_RELAXED);
    /* Pairs with dirty_ring_put(): what was read may be overwritten from here on. */
    __atomic_store_n(&ring->tail, tail + count, __ATOMIC_RELEASE);
    return count;
}

/* Of the rings that are not empty the one with the least room: its vCPU is held back first. NULL: all are empty. */
static struct dirty_ring *fullest(const struct vm_memory *vm)
{
    struct dirty_ring *found = NULL;
    u64 least = ~0ull;

    for (const struct list_node *node = vm->vcpus.next; node != &vm->vcpus; node = node->next) {
        struct dirty_ring *ring = container_of(node, struct vcpu_memory, link)->ring;
        u64 used = ring == NULL ? 0 : counter_read(&ring->head) - counter_read(&ring->tail);

        if (used != 0 && ring->size - used < least) {
            least = ring->size - used;
            found = ring;
        }
    }
    return found;
}

/* Some entries of one ring: at most a batch. */
static u64 take_batch(struct vm_memory *vm, u64 max, u64 *gfns)
{
    /* The lock keeps the rings. */
    spin_lock(&vm->vcpus_lock);
    struct dirty_ring *ring = fullest(vm);
    u64 count = ring == NULL ? 0 : take(ring, max < BATCH ? max : BATCH, gfns);
    spin_unlock(&vm->vcpus_lock);
    return count;
}

static u64 take_all(struct vm_memory *vm, u64 max, struct page_set *pages)
{
    u64 taken = 0, gfns[BATCH];

    while (taken < max) {
        u64 count = take_batch(vm, max - taken, gfns);

        if (count == 0)
            break;
        for (u64 i = 0; i < count; i++)
            page_set_add_word(pages, gfns[i] / PAGE_SET_WORD, 1ull << gfns[i] % PAGE_SET_WORD);
        taken += count;
    }
    return taken;
}

/* The pages of one slot. */
static void collect(struct vm_memory *vm, struct dirty_log *log, enum dirty_user user, const struct page_set *pages,
                    struct page_set *report)
{
    dirty_log_begin(log);
    if (dirty_log_has(log, user))
        dirty_log_collect(vm, log, user, log->written.first, log->written.end, pages, report);
    dirty_log_end(log);
}

u64 vm_memory_reap(struct vm_memory *vm, enum dirty_user user, u64 max, struct page_set *report)
{
    struct page_set *pages;

    if (page_set_create(report->first, report->end, false, &pages) != 0)
        return 0;

    u64 taken = take_all(vm, max, pages);
    struct memslot_set *set = memslots_read_begin(&vm->slots);
    const struct memslot *slot = taken == 0 ? NULL : memslots_first(set);
    for (; slot != NULL; slot = memslots_next(set, slot)) {
        struct dirty_log *log = memslots_log(set, slot);

        if (log != NULL)
            collect(vm, log, user, pages, report);
    }
    memslots_read_end(set);
    page_set_destroy(pages);
    return taken;
}

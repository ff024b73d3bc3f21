/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/dirty_rate.h. */
#include "mm/dirty_rate.h"

#include "mm/dirty_log.h"
#include "mm/port.h"
#include "mm/tlb.h"
#include "mm/vm.h"

/* Measurements that are on their way. D bits, and the log's user DIRTY_RATE, are there once for each VM. */
static struct list_node measurements = LIST_EMPTY(measurements); /* struct dirty_rate; lock */
static struct spinlock lock;

static bool enlist(struct dirty_rate *rate)
{
    bool is_first = true;

    spin_lock(&lock);
    for (const struct list_node *node = measurements.next; node != &measurements; node = node->next)
        is_first &= container_of(node, struct dirty_rate, link)->vm != rate->vm;
    if (is_first)
        list_add(&measurements, &rate->link);
    spin_unlock(&lock);
    return is_first;
}

/* Gives back what the measurement has. */
static void release(struct dirty_rate *rate)
{
    page_set_destroy(rate->period);
    page_set_destroy(rate->seen);
    spin_lock(&lock);
    list_remove(&rate->link);
    spin_unlock(&lock);
}

static int create_sets(struct dirty_rate *rate)
{
    struct memslot_set *set = memslots_read_begin(&rate->vm->slots);
    const struct memslot *slot = memslots_first(set);
    u64 first = slot == NULL ? 0 : slot->base.v, end = 0;

    for (; slot != NULL; slot = memslots_next(set, slot))
        end = memslot_end(slot).v;
    memslots_read_end(set);
    if (first >= end)
        return -ENOENT;
    if (page_set_create(first, end, false, &rate->period) != 0 || page_set_create(first, end, false, &rate->seen) != 0)
        return -ENOMEM;
    return 0;
}

/* ---- by logs */

static int start_log(struct vm_memory *vm, u32 id, bool small)
{
    int error = vm_memory_start_log(vm, id, DIRTY_RATE, small ? 0 : DIRTY_LAZY);

    /* It has gone; or there was no memory to stop it when it was used the last time. */
    return error == -ENOENT || error == -EEXIST ? 0 : error;
}

static int start_logs(struct vm_memory *vm, bool small)
{
    gfn_t at = { 0 };
    bool has_started = false;
    int error = 0;
    u32 id;

    while (error == 0 && vm_next_slot(vm, &at, &id)) {
        error = start_log(vm, id, small);
        has_started |= error == 0;
    }
    /* To stop a log waits for whoever changes slots; where there is none, this says at once that somebody does. */
    if (error != 0 && has_started)
        vm_memory_stop_logs(vm, DIRTY_RATE);
    return error;
}

static void take_from_logs(struct dirty_rate *rate)
{
    gfn_t at = { 0 };
    u32 id;

    /* What is in the processors' buffers was written in this period: a guest that never leaves would never be heard of. */
    if (dirty_log_by_processor())
        tlb_flush(rate->vm);
    while (vm_next_slot(rate->vm, &at, &id)) {
        /* A slot that has come since: what of it is not logged now is with the next sample, if it can be. */
        if (vm_memory_harvest(rate->vm, id, DIRTY_RATE, (gfn_t){ 0 }, ~0ull, rate->period) == -ENOENT)
            (void)start_log(rate->vm, id, rate->small);
        port_yield();
    }
}

/* ---- both */

/* Puts what was written since the last time into rate->period. */
static void take(struct dirty_rate *rate, struct dirty_sample *sample)
{
    bool was_disturbed = rate->is_disturbed;

    if (rate->method == RATE_BY_LOG) {
        take_from_logs(rate);
        return;
    }
    rate->is_disturbed = atomic_read(&rate->vm->logging) != 0;
    sample->disturbed = was_disturbed || rate->is_disturbed;
    spt_take_dirty(&rate->vm->spt, (gfn_t){ 0 }, (gfn_t){ vm_gfn_limit() }, rate->period, sample->leaves);
}

static int start(struct dirty_rate *rate)
{
    struct dirty_sample forgotten = { 0 };
    int error = create_sets(rate);

    if (error == 0 && rate->method == RATE_BY_LOG)
        error = start_logs(rate->vm, rate->small);
    else if (error == 0 && rate->small)
        error = vm_memory_split(rate->vm, (gfn_t){ 0 }, ~0ull, LEVEL_4K);
    if (error != 0)
        return error;
    /* Starting has taken its time, which does not belong to the first period. */
    take(rate, &forgotten);
    page_set_clear(rate->period);
    return 0;
}

int dirty_rate_begin(struct vm_memory *vm, enum rate_method method, bool small, struct dirty_rate *rate)
{
    if (method != RATE_BY_D_BITS && method != RATE_BY_LOG)
        return -EINVAL;
    if (method == RATE_BY_D_BITS && !mm_caps()->access_dirty)
        return -ENOTSUP;
    *rate = (struct dirty_rate){ .vm = vm, .method = method, .small = small };
    if (!enlist(rate))
        return -EBUSY;

    int error = start(rate);
    if (error != 0)
        release(rate);
    return error;
}

void dirty_rate_sample(struct dirty_rate *rate, struct dirty_sample *sample)
{
    *sample = (struct dirty_sample){ 0 };
    take(rate, sample);
    sample->pages = page_set_count(rate->period);
    page_set_add_set(rate->seen, rate->period);
    page_set_clear(rate->period);

    u64 count = page_set_count(rate->seen);
    sample->new_pages = count - rate->seen_count;
    rate->seen_count = count;
    /* What was mapped large since. Where memory does not suffice it counts as a whole. */
    if (rate->method == RATE_BY_D_BITS && rate->small)
        (void)vm_memory_split(rate->vm, (gfn_t){ 0 }, ~0ull, LEVEL_4K);
}

void dirty_rate_end(struct dirty_rate *rate)
{
    if (rate->method == RATE_BY_LOG)
        vm_memory_stop_logs(rate->vm, DIRTY_RATE);
    else if (rate->small)
        vm_want_recovery(rate->vm, true);
    release(rate);
}

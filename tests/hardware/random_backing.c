/* SPDX-License-Identifier: BSD-2-Clause */
/* The operations of mm/backing_change.h, each announced to the reference, done, and settled. */
#include "tests/hardware/random.h"
#include "tests/unit/mm_support.h"

/* The slot of a VM where an operation is, or was a moment ago, and the page there. */
static const struct ref_slot *hot_slot(u64 *page)
{
    struct ref_vm *vm = &reference->vms[machine_below(REF_VMS)];
    const struct ref_slot *slot = ref_slot_at(vm, vm->hot);

    if (slot != NULL)
        *page = slot->offset + vm->hot - slot->base;
    return slot;
}

static u64 random_page(const struct ref_backing *backing)
{
    u64 hot;
    const struct ref_slot *slot = hot_slot(&hot);

    if (slot != NULL && slot->backing == backing && machine_below(4) != 0)
        return hot;
    u64 page = machine_below(backing->npages) / 512 * 512 + machine_below(6);

    return machine_below(3) == 0 || page >= backing->npages ? machine_below(backing->npages) : page;
}

static bool create(struct ref_backing *backing)
{
    struct backing *created;

    backing->users++;
    backing->npages = 1 + machine_below(machine_below(2) ? REF_PAGES : 40);
    bool result = random_expect(
        "create", backing_create(backing->npages, machine_below(3) ? BACKING_ON_DEMAND : 0, &created), 0, 0);
    memset(backing->page, 0, sizeof(backing->page));
    backing->backing = result ? created : NULL;
    backing->users--;
    return result;
}

/* The reference forgets a backing only when no slot shows it: then its frames are free at once. */
static bool drop(struct ref_backing *backing)
{
    for (unsigned i = 0; i < REF_VMS * REF_SLOTS; i++) {
        const struct ref_vm *vm = &reference->vms[i / REF_SLOTS];

        if (vm->closing || vm->slots[i % REF_SLOTS].backing == backing ||
            (vm->changing && vm->before.backing == backing))
            return false;
    }
    if (backing->users > 1)
        return false;
    struct backing *last = backing->backing;
    backing->backing = NULL;
    backing_put(last);
    return true;
}

static bool punch(struct ref_backing *backing)
{
    u64 first = random_page(backing), start = ref_now();
    u64 end = first + 1 + machine_below(machine_below(3) ? 8 : 600);

    if (end > backing->npages)
        end = backing->npages;
    for (u64 page = first; page < end; page++)
        backing->page[page].punching++;
    bool done = random_expect("punch", backing_punch(backing->backing, first, end - first), 0, 0);
    for (u64 page = first; page < end; page++) {
        backing->page[page].punching--;
        ref_settle_punch(backing, page, start, done);
    }
    return done;
}

/* Whether the word may be what `page` held at some time since `start`, when it was `old`. */
static bool was_there(const struct ref_page *page, u64 value, u64 old, u64 start, u64 token, unsigned word)
{
    if (value == old || value == page->value[word] || (page->is_pending[word] && value == page->pending[word]))
        return true;
    if (value == 0)
        return page->punching > 0 || page->punched > start || page->stamp[word] > start;
    return value >> 16 > start && (value & 0xffff) == (token & 0xffff);
}

static bool clone(struct ref_backing *from)
{
    struct ref_backing *to = &reference->backings[machine_below(REF_BACKINGS)];
    u64(*old)[REF_WORDS];
    u64 start = ref_now();
    struct backing *created;

    if (to->backing != NULL || to->users > 0)
        return false;
    to->users++;
    old = malloc(sizeof(*old) * from->npages);
    for (u64 page = 0; page < from->npages; page++)
        memcpy(old[page], from->page[page].value, sizeof(old[page]));
    bool result = random_expect("clone", backing_clone(from->backing, &created), 0, 0);
    if (result) {
        to->backing = created;
        to->npages = from->npages;
        memset(to->page, 0, sizeof(to->page));
    }
    for (u64 page = 0; result && page < from->npages; page++) {
        const struct ref_page *source = &from->page[page];
        struct ref_page *copy = &to->page[page];

        copy->lost = !ref_peek(to, page, copy->value);
        if (copy->lost && !source->lost && reference->losses == 0 && source->lost_at < start)
            machine_fail("page %llu: a clone has lost it", (unsigned long long)page);
        for (unsigned word = 0; !copy->lost && word < REF_WORDS; word++) {
            if (!was_there(source, copy->value[word], old[page][word], start, ref_token(from, page), word))
                machine_fail("page %llu: %#llx in the clone, not %#llx", (unsigned long long)page,
                             (unsigned long long)copy->value[word], (unsigned long long)old[page][word]);
        }
    }
    free(old);
    to->users--;
    return result;
}

/* Mostly of pages that can be equal: both never written, or one the clone of the other. */
static bool share(struct ref_backing *a)
{
    struct ref_backing *b = &reference->backings[machine_below(REF_BACKINGS)];

    if (b->backing == NULL)
        return false;
    u64 page_a = random_page(a), page_b = machine_below(2) && page_a < b->npages ? page_a : random_page(b);
    if (a == b && page_a == page_b)
        return false;
    b->users++;
    int result = backing_share(a->backing, page_a, b->backing, page_b);
    b->users--;
    if (result == -EIO)
        return false;
    return random_expect("share", result, -ENOENT, -EINVAL);
}

static int lookup(const struct ref_backing *backing, u64 page, struct backing_page *found)
{
    machine.quiet++;
    int result = backing_lookup(backing->backing, page, found);
    machine.quiet--;
    return result;
}

/* The pages that lead to the frame that is being lost: one such operation at a time. */
static struct {
    bool leads[REF_BACKINGS][REF_PAGES];
} loss;

static void announce_loss(pfn_t frame)
{
    reference->losses++;
    for (unsigned i = 0; i < REF_BACKINGS; i++) {
        struct ref_backing *backing = &reference->backings[i];

        for (u64 page = 0; page < REF_PAGES; page++) {
            struct backing_page found;

            loss.leads[i][page] = backing->backing != NULL && page < backing->npages &&
                                  lookup(backing, page, &found) == 0 && found.pfn.v == frame.v;
            backing->page[page].losing += loss.leads[i][page];
        }
    }
}

static void settle_loss(void)
{
    for (unsigned i = 0; i < REF_BACKINGS; i++) {
        struct ref_backing *backing = &reference->backings[i];

        for (u64 page = 0; backing->backing != NULL && page < backing->npages; page++) {
            if (!loss.leads[i][page])
                continue;
            backing->page[page].losing--;
            ref_settle_loss(backing, page);
        }
    }
    reference->losses--;
}

/* No page leads to a frame that is out of use; with `lost`, pages that got it on the way have lost it too. */
static void check_retired(pfn_t frame, bool retired, bool lost)
{
    for (unsigned i = 0; i < REF_BACKINGS; i++) {
        struct ref_backing *backing = &reference->backings[i];

        for (u64 page = 0; backing->backing != NULL && page < backing->npages; page++) {
            struct backing_page found;
            int error = lookup(backing, page, &found);

            if (retired && error == 0 && found.pfn.v == frame.v)
                machine_fail("page %llu leads to frame %#llx, which is out of use", (unsigned long long)page,
                             (unsigned long long)frame.v);
            if (error == -EIO && lost && !backing->page[page].lost)
                ref_settle_loss(backing, page);
        }
    }
}

/* The frame of a page; sometimes any. */
static bool retire(struct ref_backing *backing)
{
    bool content = machine_below(8) != 0;
    struct backing_page found;

    if (machine_below(4) != 0 || (!content && reference->losses > 0))
        return false;
    if (lookup(backing, random_page(backing), &found) != 0)
        found.pfn = (pfn_t){ PORT_HOST_BASE + machine_below(port_host.frames) };
    /* No backing comes or goes meanwhile. */
    for (unsigned i = 0; i < REF_BACKINGS; i++)
        reference->backings[i].users++;
    if (!content)
        announce_loss(found.pfn);
    int result = memory_retire(found.pfn, content);
    if (!content)
        settle_loss();
    check_retired(found.pfn, result == 0, !content);
    for (unsigned i = 0; i < REF_BACKINGS; i++)
        reference->backings[i].users--;
    return random_expect("retire", result, -EBUSY, -ENOENT);
}

static bool change(struct ref_backing *backing)
{
    u64 page = random_page(backing);
    int result;

    switch (machine_below(12)) {
    case 0:
        return drop(backing);
    case 1:
    case 2:
        return punch(backing);
    case 3:
        result = backing_populate(backing->backing, page, 1 + machine_below(backing->npages - page));
        return random_expect("populate", result, -EIO, 0);
    case 4:
    case 5:
        result = backing_migrate(backing->backing, page);
        return result != -EIO && random_expect("migrate", result, -ENOENT, -EBUSY);
    case 6:
    case 7:
        result = backing_compact(backing->backing, page);
        if (result == -EIO || result == -ENOMEM) /* a block is not there as easily as a frame */
            return false;
        return random_expect("compact", result, -EINVAL, -EBUSY);
    case 8:
        return clone(backing);
    case 9:
    case 10:
        return share(backing);
    default:
        return retire(backing);
    }
}

bool random_backing_operation(void)
{
    struct ref_backing *backing = &reference->backings[machine_below(REF_BACKINGS)];
    u64 page;
    const struct ref_slot *slot = hot_slot(&page);
    bool result;

    if (slot != NULL && machine_below(2) == 0)
        backing = slot->backing;
    if (backing->backing == NULL)
        return backing->users == 0 && create(backing);
    backing->users++;
    result = change(backing);
    backing->users--;
    return result;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* See tests/hardware/reference.h. */
#include "tests/hardware/reference.h"

#include "tests/unit/mm_support.h"

struct reference *reference;

void ref_start(void)
{
    reference = calloc(1, sizeof(*reference));
    if (reference == NULL)
        abort();
}

void ref_stop(void)
{
    free(reference);
}

u64 ref_now(void)
{
    return ++reference->clock;
}

u64 ref_token(const struct ref_backing *backing, u64 page)
{
    return ref_now() << 16 | (u64)(backing - reference->backings) << 12 | page;
}

static bool slot_holds(const struct ref_slot *slot, u64 gfn)
{
    return slot->backing != NULL && gfn >= slot->base && gfn - slot->base < slot->npages;
}

struct ref_slot *ref_slot_at(struct ref_vm *vm, u64 gfn)
{
    for (unsigned i = 0; i < REF_SLOTS; i++) {
        if (slot_holds(&vm->slots[i], gfn))
            return &vm->slots[i];
    }
    return NULL;
}

static u64 page_index(const struct ref_slot *slot, u64 gfn)
{
    return slot->offset + gfn - slot->base;
}

struct ref_page *ref_page_at(const struct ref_slot *slot, u64 gfn)
{
    return &slot->backing->page[page_index(slot, gfn)];
}

bool ref_moved_since(const struct ref_vm *vm, u64 stamp)
{
    bool changing = vm->changing;

    for (unsigned i = 0; i < REF_VIEWS; i++)
        changing = changing || vm->views[i].changing;
    return changing || vm->moved > stamp;
}

static int lookup(const struct ref_backing *backing, u64 page, struct backing_page *found)
{
    machine.quiet++;
    int result = backing_lookup(backing->backing, page, found);
    machine.quiet--;
    return result;
}

static u64 *word_of(pfn_t frame, unsigned word)
{
    return (u64 *)port_frame_address(frame) + (word == 0 ? 0 : PAGE_SIZE / sizeof(u64) - 1);
}

bool ref_peek(const struct ref_backing *backing, u64 page, u64 value[REF_WORDS])
{
    struct backing_page found;
    int result = lookup(backing, page, &found);

    for (unsigned i = 0; i < REF_WORDS; i++)
        value[i] = result == 0 ? *word_of(found.pfn, i) : 0;
    return result != -EIO;
}

static void set_value(struct ref_page *page, unsigned word, u64 value)
{
    page->value[word] = value;
    page->stamp[word] = ref_now();
}

/* Whether `value` may stand there; if so, it is what stands there from now on. */
static bool accept_value(struct ref_page *page, unsigned word, u64 value)
{
    if (value == page->value[word])
        return true;
    if (page->is_pending[word] && value == page->pending[word])
        page->is_pending[word] = false;
    else if (value != 0 || page->punching == 0)
        return false;
    set_value(page, word, value);
    return true;
}

static void access_page(struct ref_vm *vm, const struct ref_slot *slot, u64 gfn, u32 access, pfn_t frame)
{
    struct ref_page *page = ref_page_at(slot, gfn);
    unsigned word = (unsigned)machine_below(REF_WORDS);
    u64 *memory = word_of(frame, word);

    if (page->lost && page->losing == 0 && page->punching == 0)
        machine_fail("gfn %#llx: a page that is lost is accessed", (unsigned long long)gfn);
    if ((access & ACCESS_WRITE) != 0) {
        set_value(page, word, ref_token(slot->backing, page_index(slot, gfn)));
        *memory = page->value[word];
        ref_log_write(vm, slot, gfn);
    } else if (!accept_value(page, word, *memory)) {
        machine_fail("VM %d, gfn %#llx: a guest reads %#llx where %#llx was written", (int)(vm - reference->vms),
                     (unsigned long long)gfn, (unsigned long long)*memory, (unsigned long long)page->value[word]);
    }
}

/* Whether the frame is what the slot shows there, and may be used so. */
static bool slot_leads_to(const struct ref_slot *slot, u64 gfn, u32 access, pfn_t frame)
{
    struct backing_page found;

    return slot_holds(slot, gfn) && !((access & ACCESS_WRITE) != 0 && slot->read_only) &&
           lookup(slot->backing, page_index(slot, gfn), &found) == 0 && found.pfn.v == frame.v &&
           (found.writable || (access & ACCESS_WRITE) == 0);
}

void ref_guest_access(struct ref_vm *vm, unsigned view, u64 gfn, u32 access, pfn_t frame)
{
    const struct ref_view *seen = &vm->views[view];
    u64 mapped = vm->mapping[gfn / 512] > 0 ? reference->clock : vm->mapped[gfn / 512];

    if (view > 0 && (access & ~seen->now[gfn]) != 0 && (access & ~seen->before[gfn]) != 0)
        machine_fail("gfn %#llx: access %u that the view %u denies", (unsigned long long)gfn, access, seen->id);
    if (vm->zapped[gfn] > mapped)
        machine_fail("gfn %#llx: access after it was unmapped", (unsigned long long)gfn);
    if ((access & ACCESS_WRITE) != 0 && vm->protected[gfn] > mapped)
        machine_fail("gfn %#llx: write after it was write-protected", (unsigned long long)gfn);

    for (unsigned i = 0; i < REF_SLOTS; i++) {
        if (slot_leads_to(&vm->slots[i], gfn, access, frame)) {
            access_page(vm, &vm->slots[i], gfn, access, frame);
            return;
        }
    }
    if (vm->changing && slot_leads_to(&vm->before, gfn, access, frame)) {
        access_page(vm, &vm->before, gfn, access, frame);
        return;
    }
    machine_fail("VM %d, gfn %#llx: access %u of frame %#llx, which is not what this page leads to, or not so",
                 (int)(vm - reference->vms), (unsigned long long)gfn, access, (unsigned long long)frame.v);
}

void ref_mapping_begin(struct ref_vm *vm, u64 first, u64 npages)
{
    for (u64 region = first / 512; region * 512 < first + npages && region < REF_REGIONS; region++)
        vm->mapping[region]++;
}

void ref_mapping_end(struct ref_vm *vm, u64 first, u64 npages)
{
    u64 now = ref_now();

    for (u64 region = first / 512; region * 512 < first + npages && region < REF_REGIONS; region++) {
        vm->mapping[region]--;
        vm->mapped[region] = now;
    }
}

void ref_settle_punch(struct ref_backing *backing, u64 index, u64 start, bool done)
{
    struct ref_page *page = &backing->page[index];
    u64 value[REF_WORDS];

    page->punched = ref_now();
    bool kept = ref_peek(backing, index, value);
    if (!kept && reference->losses == 0 && (!page->lost || page->lost_at < start))
        machine_fail("page %llu: lost after a punch", (unsigned long long)index);
    page->lost = !kept;
    for (unsigned i = 0; kept && i < REF_WORDS; i++) {
        bool since = value[i] == page->value[i] && (page->stamp[i] > start || !done);

        if (value[i] != 0 && !since && !(page->is_pending[i] && value[i] == page->pending[i]))
            machine_fail("page %llu: %#llx after a punch", (unsigned long long)index, (unsigned long long)value[i]);
        if (value[i] == 0 && page->value[i] != 0) {
            ref_log_changed(backing, index, start);
            set_value(page, i, 0);
        } else if (!since && value[i] != 0)
            accept_value(page, i, value[i]);
    }
}

void ref_settle_loss(struct ref_backing *backing, u64 index)
{
    struct ref_page *page = &backing->page[index];
    u64 value[REF_WORDS];

    page->lost_at = ref_now();
    page->lost = !ref_peek(backing, index, value);
}

void ref_check_all(void)
{
    for (unsigned i = 0; i < REF_BACKINGS; i++) {
        struct ref_backing *backing = &reference->backings[i];

        for (u64 n = 0; backing->backing != NULL && n < backing->npages; n++) {
            struct ref_page *page = &backing->page[n];
            u64 value[REF_WORDS];

            if (ref_peek(backing, n, value) == page->lost)
                machine_fail("backing %u, page %llu: %s", i, (unsigned long long)n,
                             page->lost ? "was lost, and is there again" : "is lost");
            if (page->lost)
                continue;
            for (unsigned word = 0; word < REF_WORDS; word++) {
                if (value[word] != page->value[word])
                    machine_fail("backing %u, page %llu: holds %#llx, not %#llx that was written", i,
                                 (unsigned long long)n, (unsigned long long)value[word],
                                 (unsigned long long)page->value[word]);
            }
        }
    }
}

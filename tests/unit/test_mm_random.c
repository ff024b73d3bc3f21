/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole memory core against a flat model: VMs, backings and slots come and go, guests touch and write their memory,
 * memory runs out and comes back. After every step all static invariants hold, and every byte is where it belongs.
 */
#include "tests/unit/mm_support.h"

#include "mm/mapping_level.h"

enum { VMS = 2, SLOTS = 6, BACKINGS = 4, MAX_PAGES = 1200, SPACE = 4096, LOW_MEMORY = 8 };

struct model_backing {
    struct backing *backing; /* NULL: there is none */
    u64 npages;
    u8 (*content)[PAGE_SIZE];
};

struct model_slot {
    struct model_backing *backing; /* NULL: there is none */
    u64 base, npages, offset;
    bool read_only;
};

struct model_vm {
    struct vm_memory *vm;
    struct model_slot slots[SLOTS];
};

static struct model_vm vms[VMS];
static struct model_backing backings[BACKINGS];
static u64 seed;
static bool scarce; /* port_host_take_all_but() is in force */
static u64 installed, refused, large;

static u64 below(u64 limit)
{
    return random_below(&seed, limit);
}

/* Mostly a multiple of 512, sometimes a few pages beside it, sometimes anything. */
static u64 random_page(u64 limit)
{
    u64 page = below(4) == 0 ? below(limit) : below(limit) / 512 * 512 + (below(3) == 0 ? below(3) : 0);

    return page < limit ? page : limit - 1;
}

static struct model_slot *slot_at(struct model_vm *model, u64 gfn)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        struct model_slot *slot = &model->slots[i];

        if (slot->backing != NULL && gfn >= slot->base && gfn < slot->base + slot->npages)
            return slot;
    }
    return NULL;
}

/* Mostly within a slot, if there is one. */
static u64 random_gfn(const struct model_vm *model)
{
    const struct model_slot *slot = &model->slots[below(SLOTS)];

    if (slot->backing == NULL || below(5) == 0)
        return below(SPACE + MAX_PAGES);
    return slot->base + below(slot->npages);
}

static u8 *content_at(const struct model_slot *slot, u64 gfn)
{
    return slot->backing->content[slot->offset + gfn - slot->base];
}

static void assert_memory_is_low(void)
{
    assert_true(frame_get_stats().free <= LOW_MEMORY);
    refused++;
}

static void step_backing(void)
{
    struct model_backing *model = &backings[below(BACKINGS)];

    if (model->backing == NULL) {
        model->npages = 1 + random_page(MAX_PAGES);
        if (backing_create(model->npages, below(2) ? BACKING_ON_DEMAND : 0, &model->backing) != 0) {
            assert_true(frame_get_stats().free < model->npages + LOW_MEMORY);
            model->backing = NULL;
            return;
        }
        memset(model->content, 0, model->npages * PAGE_SIZE);
        return;
    }
    /* The model forgets a backing only when no slot shows it: then its frames are free at once. */
    for (unsigned i = 0; i < VMS * SLOTS; i++) {
        if (vms[i / SLOTS].slots[i % SLOTS].backing == model)
            return;
    }
    backing_put(model->backing);
    model->backing = NULL;
}

static void step_slot(void)
{
    struct model_vm *model = &vms[below(VMS)];
    u32 id = (u32)below(SLOTS);
    struct model_slot *slot = &model->slots[id];
    struct model_backing *backing = &backings[below(BACKINGS)];

    if (below(3) == 0) {
        assert_int_equal(vm_memory_remove_slot(model->vm, id), slot->backing != NULL ? 0 : -ENOENT);
        slot->backing = NULL;
        return;
    }
    if (backing->backing == NULL)
        return;
    struct model_slot wanted = { .backing = backing,
                                 .base = random_page(SPACE),
                                 .offset = random_page(backing->npages),
                                 .read_only = below(4) == 0 };
    wanted.npages = 1 + random_page(backing->npages - wanted.offset);
    if (below(2) == 0)
        wanted.npages = backing->npages - wanted.offset;
    enum level largest = LEVEL_4K + (enum level)below(3);

    bool taken = slot->backing != NULL;
    for (u64 i = 0; i < wanted.npages; i++)
        taken = taken || slot_at(model, wanted.base + i) != NULL;
    int error = vm_memory_add_slot(model->vm, id, (gfn_t){ wanted.base }, wanted.npages, backing->backing,
                                   wanted.offset, wanted.read_only ? MEMSLOT_READ_ONLY : 0, largest);
    if (taken) {
        assert_int_equal(error, -EEXIST);
    } else if (error == 0) {
        *slot = wanted;
    } else {
        assert_int_equal(error, -ENOMEM);
        assert_memory_is_low();
    }
}

static void step_fault(void)
{
    struct model_vm *model = &vms[below(VMS)];
    u64 gfn = random_gfn(model);
    struct model_slot *slot = slot_at(model, gfn);
    u32 access = 1 + (u32)below(7);
    enum level level;
    pfn_t pfn;

    bool mapped = ept_walk(model->vm, (gfn_t){ gfn }, access, &pfn, &level);
    enum fault_result result = fault(model->vm, gfn, access);
    if (slot == NULL) {
        assert_int_equal(result, FAULT_NO_SLOT);
        assert_false(mapped);
        return;
    }
    if (slot->read_only && (access & ACCESS_WRITE) != 0) {
        assert_int_equal(result, FAULT_READ_ONLY);
        assert_false(mapped);
        return;
    }
    if (result == FAULT_NO_MEMORY) {
        assert_memory_is_low();
        return;
    }
    assert_int_equal(result, mapped ? FAULT_SPURIOUS : FAULT_INSTALLED);
    assert_true(ept_walk(model->vm, (gfn_t){ gfn }, access, &pfn, &level));
    assert_int_equal(ept_walk(model->vm, (gfn_t){ gfn }, EPT_WRITE, &pfn, &level), !slot->read_only);
    ept_walk(model->vm, (gfn_t){ gfn }, access, &pfn, &level);
    assert_memory_equal(port_frame_address(pfn), content_at(slot, gfn), PAGE_SIZE);

    /* As large as it can be. */
    enum level piece;
    u64 page = slot->offset + gfn - slot->base;
    assert_int_equal(backing_lookup(slot->backing->backing, page, &pfn, &piece), 0);
    assert_int_equal(level, mapping_level(memslots_find(&model->vm->slots, (gfn_t){ gfn }), (gfn_t){ gfn }, piece));
    installed++;
    large += level == LEVEL_2M;

    /* The guest's store. */
    if (access & ACCESS_WRITE) {
        u64 at = below(PAGE_SIZE);
        u8 byte = (u8)random_next(&seed);

        ((u8 *)port_frame_address(pfn))[at] = byte;
        content_at(slot, gfn)[at] = byte;
    }
}

static void step_access(void)
{
    static u8 buffer[3 * PAGE_SIZE];
    struct model_vm *model = &vms[below(VMS)];
    u64 first = random_gfn(model) * PAGE_SIZE + (below(2) ? 0 : below(PAGE_SIZE));
    u64 size = 1 + below(below(3) ? 64 : sizeof(buffer));
    unsigned what = (unsigned)below(3);
    bool readable = true, writable = true;
    int error;

    for (u64 gfn = first / PAGE_SIZE; gfn <= (first + size - 1) / PAGE_SIZE; gfn++) {
        const struct model_slot *slot = slot_at(model, gfn);

        readable = readable && slot != NULL;
        writable = writable && slot != NULL && !slot->read_only;
    }
    for (u64 i = 0; i < size; i++)
        buffer[i] = (u8)random_next(&seed);
    if (what == 0)
        error = vm_memory_read(model->vm, (gpa_t){ first }, buffer, size);
    else if (what == 1)
        error = vm_memory_write(model->vm, (gpa_t){ first }, buffer, size);
    else
        error = vm_memory_zero(model->vm, (gpa_t){ first }, size);
    if (what == 0 ? !readable : !writable) {
        assert_int_equal(error, -EFAULT);
        return;
    }
    if (error != 0) {
        assert_int_equal(error, -ENOMEM);
        assert_memory_is_low();
    }
    for (u64 i = 0; i < size; i++) {
        u64 gpa = first + i;
        u8 *byte = &content_at(slot_at(model, gpa / PAGE_SIZE), gpa / PAGE_SIZE)[gpa % PAGE_SIZE];

        if (error == 0) {
            if (what == 0)
                assert_int_equal(buffer[i], *byte);
            else
                *byte = what == 1 ? buffer[i] : 0;
        } else if (what != 0) {
            /* A part was written: pages in front, as far as there was memory. */
            enum level level;
            pfn_t pfn;
            const struct model_slot *slot = slot_at(model, gpa / PAGE_SIZE);

            if (backing_lookup(slot->backing->backing, slot->offset + gpa / PAGE_SIZE - slot->base, &pfn, &level) != 0)
                break;
            *byte = ((u8 *)port_frame_address(pfn))[gpa % PAGE_SIZE];
        }
    }
}

static void step_memory(void)
{
    if (scarce) {
        port_host_give_back();
        scarce = false;
    } else if (below(4) == 0) {
        u64 free = frame_get_stats().free;
        u64 keep = below(40);

        port_host_take_all_but(keep < free / 4 ? keep : free / 4);
        scarce = true;
    }
}

static void step_vm(void)
{
    struct model_vm *model = &vms[below(VMS)];

    if (below(20) != 0)
        return;
    vm_memory_destroy(model->vm);
    memset(model->slots, 0, sizeof(model->slots));
    while (vm_memory_create(&model->vm) != 0) {
        assert_memory_is_low();
        step_memory();
    }
}

static void run(u64 from)
{
    seed = from;
    port_host_start(SMALL_RAM);
    for (unsigned i = 0; i < VMS; i++)
        vms[i] = (struct model_vm){ .vm = new_vm() };
    for (unsigned i = 0; i < BACKINGS; i++)
        backings[i] = (struct model_backing){ .content = calloc(MAX_PAGES, PAGE_SIZE) };

    for (unsigned step = 0; step < 2500; step++) {
        switch (below(16)) {
        case 0:
            step_backing();
            break;
        case 1:
            step_slot();
            break;
        case 2:
            step_memory();
            break;
        case 3:
            step_vm();
            break;
        case 4:
        case 5:
        case 6:
            step_access();
            break;
        default:
            step_fault();
            break;
        }
        assert_sound();
    }

    if (scarce)
        step_memory();
    for (unsigned i = 0; i < VMS; i++)
        vm_memory_destroy(vms[i].vm);
    for (unsigned i = 0; i < BACKINGS; i++) {
        if (backings[i].backing != NULL)
            backing_put(backings[i].backing);
        free(backings[i].content);
    }
    assert_sound();
    port_host_stop();
}

static void test_random_operations_match_the_model(void **state)
{
    for (u64 from = 1; from <= 25; from++)
        run(from * 0x9e3779b97f4a7c15ull);
    /* The test reaches what it is about. */
    assert_true(installed > 5000 && large > 300 && refused > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations_match_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole memory core against a flat model: VMs, backings and slots come, move, change and go, guests touch and write
 * their memory, ranges of it are mapped, unmapped, split, protected and given back, tables have a limit, memory runs out and
 * comes back. After every step all static invariants hold, and every byte is where it belongs.
 */
#include "tests/unit/mm_model.h"

#include "mm/backing_change.h"

#include "mm/mapping_level.h"

static u64 installed, large, lockless, moved, reclaimed;

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
    struct model_slot wanted = {
        .backing = backing, .base = random_base(), .offset = random_page(backing->npages), .read_only = below(4) == 0
    };
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

static void step_change_slot(void)
{
    struct model_vm *model = &vms[below(VMS)];
    u32 id = (u32)below(SLOTS);
    struct model_slot *slot = &model->slots[id];
    u64 base = below(3) == 0 && slot->base > 2 ? slot->base - 2 + below(5) : random_base();
    bool moves = below(2), read_only = below(4) == 0;
    int error = moves ? vm_memory_move_slot(model->vm, id, (gfn_t){ base })
                      : vm_memory_set_slot_flags(model->vm, id, read_only ? MEMSLOT_READ_ONLY : 0);

    if (slot->backing == NULL) {
        assert_int_equal(error, -ENOENT);
    } else if (moves && is_taken(model, slot, base, slot->npages)) {
        assert_int_equal(error, -EEXIST);
    } else if (error != 0) {
        assert_int_equal(error, -ENOMEM);
        assert_memory_is_low();
    } else if (moves) {
        slot->base = base;
        moved++;
    } else {
        slot->read_only = read_only;
    }
}

static void balloon(struct model_vm *model, u64 first, u64 npages)
{
    assert_int_equal(vm_memory_balloon(model->vm, (gfn_t){ first }, npages), 0);
    for (u64 gfn = first; gfn < first + npages; gfn++) {
        const struct model_slot *slot = slot_at(model, gfn);

        if (slot != NULL)
            memset(content_at(slot, gfn), 0, PAGE_SIZE);
    }
    assert_range(model, first, npages, EPT_READ, 0);
}

static void populate(struct model_vm *model, u64 first, u64 npages)
{
    if (vm_memory_populate(model->vm, (gfn_t){ first }, npages) != 0) {
        assert_memory_is_low();
        return;
    }
    for (u64 gfn = first; gfn < first + npages && !model->limited; gfn++)
        assert_int_equal(mapped_level(model->vm, gfn) != 0, slot_at(model, gfn) != NULL);
}

static void split(struct model_vm *model, u64 first, u64 npages)
{
    enum level largest = LEVEL_4K + (enum level)below(2);
    u64 pages = mapped_pages(model->vm);

    if (vm_memory_split(model->vm, (gfn_t){ first }, npages, largest) == 0)
        assert_range(model, first, npages, EPT_READ, largest);
    else
        assert_true(frame_get_stats().free <= LOW_MEMORY + SPLIT_TABLES);
    assert_int_equal(mapped_pages(model->vm), pages);
}

static void step_range(void)
{
    struct model_vm *model = &vms[below(VMS)];
    /* Often where one was before, so that what is left of that is met. */
    u64 first = below(3) ? model->last : random_gfn(model), npages = 1 + (below(2) ? below(20) : random_page(1500));
    u64 pages = mapped_pages(model->vm);

    model->last = first;
    switch (below(9)) {
    case 0:
    case 1:
        vm_memory_zap(model->vm, (gfn_t){ first }, npages);
        assert_range(model, first, npages, EPT_READ, 0);
        break;
    case 2:
        split(model, first, npages);
        break;
    case 3:
        populate(model, first, npages);
        break;
    case 4:
        /* Gaps between small pages of a large piece. */
        populate(model, first, npages);
        split(model, first, 1);
        vm_memory_zap(model->vm, (gfn_t){ first }, 1 + below(8));
        populate(model, first, npages);
        break;
    case 5:
        balloon(model, first, npages);
        break;
    default:
        vm_memory_write_protect(model->vm, (gfn_t){ first }, npages);
        assert_range(model, first, npages, EPT_WRITE, 0);
        assert_int_equal(mapped_pages(model->vm), pages);
    }
}

static void step_all(void)
{
    struct model_vm *model = &vms[below(VMS)];
    u64 pages = mapped_pages(model->vm);

    if (below(4) != 0) {
        model->limited = below(4) == 0;
        vm_memory_limit_tables(model->vm, model->limited ? VM_MIN_TABLES : 0);
    } else if (vm_memory_invalidate_all(model->vm) == 0) {
        assert_int_equal(mapped_pages(model->vm), 0);
        assert_int_equal(vm_memory_get_stats(model->vm).tables, 1);
    } else {
        assert_memory_is_low();
        assert_int_equal(mapped_pages(model->vm), pages);
    }
}

/* A page gets another frame, or 512 of them one block: nobody notices. */
static void step_frames(void)
{
    struct model_backing *model = &backings[below(BACKINGS)];

    if (model->backing == NULL)
        return;
    u64 page = below(model->npages);
    int error = below(8) == 0 ? backing_migrate(model->backing, page) : backing_compact(model->backing, page);
    assert_true(error == 0 || error == -ENOENT || error == -ENOMEM || error == -EINVAL);
}

static void step_device(void)
{
    struct vcpu_memory vcpu;

    vcpu_memory_init(&vcpu, vms[0].vm);
    for (unsigned i = 0; i < 8; i++) {
        u64 gfn = random_gfn(&vms[0]);

        vm_memory_mark_device(&vcpu, gfn_to_gpa((gfn_t){ gfn }));
        marked[marks++ % 64] = gfn;
    }
    /* Far away from memory each costs tables of its own, so that the limit is reached. */
    for (u64 far = below(3) == 0 ? 20 : 0; far > 0; far--)
        vm_memory_mark_device(&vcpu, gfn_to_gpa((gfn_t){ below(1ull << 30) }));
    vcpu_memory_destroy(&vcpu);
    check_devices();
}

static void step_fault(void)
{
    struct model_vm *model = &vms[below(VMS)];
    u64 gfn = random_gfn(model);
    struct model_slot *slot = slot_at(model, gfn);
    u32 access = 1 + (u32)below(7);
    enum level level;
    pfn_t pfn;

    bool mapped = walk(model, gfn, access, &pfn, &level);
    struct spt_iter stop = stop_at(model->vm, gfn);
    bool gives_back = !mapped && ept_is_leaf(stop.old, stop.level) && stop.old & EPT_MAY_WRITE;
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
    assert_int_equal(result, mapped || gives_back ? FAULT_SPURIOUS : FAULT_INSTALLED);
    lockless += gives_back;
    if (slot->read_only)
        assert_false(walk(model, gfn, EPT_WRITE, &pfn, &level));
    else if (result == FAULT_INSTALLED)
        assert_true(walk(model, gfn, EPT_WRITE, &pfn, &level));
    assert_true(walk(model, gfn, access, &pfn, &level));
    assert_memory_equal(port_frame_address(pfn), content_at(slot, gfn), PAGE_SIZE);

    /* As large as it can be, where smaller tables are not there already. */
    struct backing_page found;
    u64 page = slot->offset + gfn - slot->base;
    assert_int_equal(backing_lookup(slot->backing->backing, page, &found), 0);
    const struct memslot *shown = memslots_find(memslots_active(&model->vm->slots), (gfn_t){ gfn });
    enum level possible = mapping_level(shown, memslot_log(shown), (gfn_t){ gfn }, found.level);
    assert_true(level <= possible);
    if (result == FAULT_INSTALLED && !model->limited)
        assert_int_equal(level, stop.level < possible ? stop.level : possible);
    if (result == FAULT_INSTALLED && model->limited)
        assert_true(vm_memory_get_stats(model->vm).tables <= VM_MIN_TABLES + 3);
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
            struct backing_page found;
            const struct model_slot *slot = slot_at(model, gpa / PAGE_SIZE);

            if (backing_lookup(slot->backing->backing, slot->offset + gpa / PAGE_SIZE - slot->base, &found) != 0)
                break;
            *byte = ((u8 *)port_frame_address(found.pfn))[gpa % PAGE_SIZE];
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
    reclaimed += vm_memory_get_stats(model->vm).reclaimed;
    vm_memory_destroy(model->vm);
    memset(model->slots, 0, sizeof(model->slots));
    model->limited = false;
    while (vm_memory_create(&model->vm) != 0) {
        assert_memory_is_low();
        step_memory();
    }
}

static void run(u64 from)
{
    seed = from;
    port_host_start(2 * SMALL_RAM);
    for (unsigned i = 0; i < VMS; i++)
        vms[i] = (struct model_vm){ .vm = new_vm() };
    for (unsigned i = 0; i < BACKINGS; i++)
        backings[i] = (struct model_backing){ .content = calloc(MAX_PAGES, PAGE_SIZE) };

    for (unsigned step = 0; step < 3000; step++) {
        switch (below(24)) {
        case 0:
            step_backing();
            break;
        case 1:
            step_slot();
            check_devices();
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
        case 7:
        case 8:
        case 9:
            step_range();
            break;
        case 10:
            step_change_slot();
            check_devices();
            break;
        case 11:
            step_frames();
            break;
        case 12:
            step_device();
            break;
        case 13:
            if (below(3) == 0)
                step_all();
            break;
        default:
            step_fault();
            break;
        }
        assert_sound();
    }

    if (scarce)
        step_memory();
    for (unsigned i = 0; i < VMS; i++) {
        reclaimed += vm_memory_get_stats(vms[i].vm).reclaimed;
        vm_memory_destroy(vms[i].vm);
    }
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
    assert_true(installed > 5000 && large > 50 && refused > 50 && lockless > 50 && moved > 100);
    assert_true(reclaimed > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations_match_the_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

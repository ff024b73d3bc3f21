/* SPDX-License-Identifier: BSD-2-Clause */
/* See tests/explorer/scene.h. */
#include "tests/explorer/scene.h"

#include "mm/audit.h"
#include "mm/port.h"
#include "tests/unit/port_host.h"

struct scene scene;

void scene_start(unsigned guests)
{
    EXPECT(vm_memory_create(&scene.vm) == 0);
    EXPECT(backing_create(SCENE_PAGES, 0, &scene.backing) == 0);
    EXPECT(vm_memory_add_slot(scene.vm, SCENE_SLOT, (gfn_t){ SCENE_GFN }, SCENE_PAGES, scene.backing, 0, 0, LEVEL_4K) ==
           0);
    for (unsigned n = 0; n < SCENE_PAGES; n++) {
        struct backing_page found;

        EXPECT(backing_lookup(scene.backing, n, &found) == 0);
        *(u64 *)port_frame_address(found.pfn) = scene_token(n);
    }
    scene.guests = guests;
    for (unsigned i = 0; i < guests; i++)
        guest_init(&scene.guest[i], scene.vm);
}

void scene_map(struct guest *guest, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        guest_load(guest, page(i));
    guest_leave(guest);
}

u64 scene_content(struct backing *backing, unsigned n)
{
    struct backing_page found;

    return backing_lookup(backing, n, &found) == 0 ? *(u64 *)port_frame_address(found.pfn) : 0;
}

void scene_check(void)
{
    /* Tables that wait there for the next fault belong to no VM yet. */
    for (unsigned i = 0; i < scene.guests; i++)
        table_cache_drain(&scene.guest[i].vcpu.cache);
    if (mm_audit() != 0)
        explorer_fail("%s", port_host.last_log);
    for (unsigned i = 0; i < scene.guests; i++)
        guest_destroy(&scene.guest[i]);
    backing_put(scene.backing);
    vm_memory_destroy(scene.vm);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Flat binaries; formats.h says what such a guest finds. */
#include "hv/load/acpi_tables.h"
#include "hv/load/formats.h"
#include "hv/load/long_mode.h"

enum { FLAT_STACK_SIZE = 0x1000, STACK_ALIGN = 16 };

#define REAL_MODE_END       0x100000ull /* what a real-mode CS:IP reaches here: segments up to 0xf000 */
#define REAL_MODE_STACK_END 0xfff0ull   /* the stack segment is 0 */

static int check_entry(struct loader *loader)
{
    const struct guest_conf *conf = loader->request->conf;
    uint64_t size = loader->request->image.size;
    uint64_t end = conf->start == FLAT_REAL ? REAL_MODE_END : IDENTITY_MAP_END;

    if (conf->entry < conf->load || conf->entry - conf->load >= size)
        return loader_fail(loader, "entry %#lx lies outside the image, which is at %#lx..%#lx", conf->entry, conf->load,
                           conf->load + size);
    if (conf->entry >= end)
        return loader_fail(loader, "entry %#lx cannot be reached %s, only what lies below %#lx", conf->entry,
                           conf->start == FLAT_REAL ? "in real mode" : "at the start", end);
    return 0;
}

static int place_stack(struct loader *loader, struct guest_start *start)
{
    uint64_t load = loader->request->conf->load;
    uint64_t limit = start->mode == START_REAL ? REAL_MODE_STACK_END : IDENTITY_MAP_END;
    uint64_t base;

    if (!loader_find_down(loader, load < limit ? load : limit, FLAT_STACK_SIZE, STACK_ALIGN, &base) &&
        !loader_find_down(loader, limit, FLAT_STACK_SIZE, STACK_ALIGN, &base))
        return loader_fail_no_room(loader, "a stack", LOADER_NO_NUMBER, FLAT_STACK_SIZE);
    start->rsp = base + FLAT_STACK_SIZE;
    return loader_claim(loader, base, FLAT_STACK_SIZE, "the stack", LOADER_NO_NUMBER);
}

int flat_load(struct loader *loader)
{
    const struct guest_conf *conf = loader->request->conf;
    const struct image *image = &loader->request->image;
    struct guest_start start = { .rip = conf->entry };
    int error;

    if (conf->module_count > 0)
        return loader_fail(loader, "a flat image takes no modules");
    error = loader_claim(loader, conf->load, image->size, "the image", LOADER_NO_NUMBER);
    if (error)
        return error;
    error = check_entry(loader);
    if (error)
        return error;
    loader_write(loader, conf->load, image->data, image->size);
    acpi_tables_place(loader);

    start.mode = conf->start == FLAT_REAL ? START_REAL : conf->start == FLAT_32 ? START_FLAT32 : START_LONG64;
    error = place_stack(loader, &start);
    if (error)
        return error;
    if (start.mode == START_REAL) {
        start.cs = (conf->entry & 0xf0000) >> 4;
        start.rip = conf->entry & 0xffff;
    } else {
        error = boot_gdt_place(loader, &start);
        if (error)
            return error;
    }
    if (start.mode == START_LONG64) {
        error = identity_map_place(loader, &start);
        if (error)
            return error;
    }
    loader->result->start = start;
    return 0;
}

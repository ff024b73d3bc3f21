/* SPDX-License-Identifier: BSD-2-Clause */
/* See tests/explorer/machine.h. */
#include "tests/explorer/machine.h"

#include <stdlib.h>
#include <string.h>

#include "mm/frame.h"
#include "mm/port.h"
#include "tests/explorer/explorer.h"
#include "tests/unit/port_host.h"

/* Frames of a large block that are looked at. The links of the list of free blocks stand in a frame's first words. */
enum { LARGE_ORDER = 9, LARGE_LOOKED = 4, LINKS = 16, BLOCK = 4096 };

struct region {
    u8 *at, *copy;
    size_t size;
};

static struct machine {
    u64 frames;
    u8 *ram, *ram_copy;
    u8 *touched;                          /* a frame's content may differ from the copy */
    u8 *live;                             /* it was in use when the machine was saved */
    struct region statics, first_statics; /* first: before this scenario */
    struct region *map;                   /* the parts of the allocator's map that say anything */
    unsigned map_parts;
    u8 freed[BLOCK];
} * machine;

extern u8 __data_start[], _end[];
int __real_frame_alloc(unsigned order, enum frame_kind kind, pfn_t *pfn);
void __real_frame_free(pfn_t pfn, unsigned order, enum frame_kind kind);
int __wrap_frame_alloc(unsigned order, enum frame_kind kind, pfn_t *pfn);
void __wrap_frame_free(pfn_t pfn, unsigned order, enum frame_kind kind);

static u64 looked_at(unsigned order)
{
    return order >= LARGE_ORDER ? LARGE_LOOKED : 1ull << order;
}

static u64 index_of(pfn_t pfn)
{
    return pfn.v - PORT_HOST_BASE;
}

static u8 *frame(u64 index)
{
    return machine->ram + index * BLOCK;
}

u64 machine_words(void)
{
    return (machine->frames + 1) * BLOCK / sizeof(u64);
}

u64 machine_word(const void *address)
{
    u64 offset = (u64)((const u8 *)address - machine->ram);

    if (offset >= machine->frames * BLOCK)
        return MACHINE_NO_WORD;
    if (!machine->live[offset / BLOCK])
        offset = machine->frames * BLOCK + offset % BLOCK;
    return offset / sizeof(u64);
}

static void check_frame(u64 index)
{
    if (memcmp(frame(index) + LINKS, machine->freed, BLOCK - LINKS) == 0)
        return;
    for (u64 i = LINKS; i < BLOCK; i += 8) {
        u64 word;

        memcpy(&word, frame(index) + i, 8);
        if (word != FREED)
            explorer_fail("a free frame was written to: frame %llu, offset %llu holds %#llx", (unsigned long long)index,
                          (unsigned long long)i, (unsigned long long)word);
    }
}

int __wrap_frame_alloc(unsigned order, enum frame_kind kind, pfn_t *pfn)
{
    int error = __real_frame_alloc(order, kind, pfn);

    if (error != 0)
        return error;
    for (u64 i = 0; i < looked_at(order); i++) {
        check_frame(index_of(*pfn) + i);
        machine->touched[index_of(*pfn) + i] = true;
    }
    return 0;
}

void __wrap_frame_free(pfn_t pfn, unsigned order, enum frame_kind kind)
{
    for (u64 i = 0; i < looked_at(order); i++) {
        memset(frame(index_of(pfn) + i), FREED & 0xff, BLOCK);
        machine->touched[index_of(pfn) + i] = true;
    }
    __real_frame_free(pfn, order, kind);
}

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);

    if (memory == NULL)
        abort();
    return memory;
}

static void save(struct region *region, u8 *at, size_t size)
{
    *region = (struct region){ at, allocate(size), size };
    memcpy(region->copy, at, size);
}

void machine_start(u64 frames)
{
    struct machine *started = allocate(sizeof(*machine));

    save(&started->first_statics, __data_start, (size_t)(_end - __data_start));
    machine = started;
    port_host_start(frames);
    machine->frames = frames;
    machine->ram = port_frame_address((pfn_t){ PORT_HOST_BASE });
    machine->ram_copy = allocate(frames * BLOCK);
    machine->touched = allocate(frames);
    memset(machine->freed, FREED & 0xff, BLOCK);
    for (u64 i = 0; i < frames; i++)
        memset(frame(i) + LINKS, FREED & 0xff, BLOCK - LINKS);
}

/* Blocks of the map that are all zero belong to frames that are no RAM, unless RAM's records begin there. */
static void save_map(void)
{
    u8 *map = (u8 *)frame_directory((pfn_t){ 0 });
    u64 size = frame_map_bytes((pfn_t){ PORT_HOST_BASE + machine->frames });
    u8 *records = (u8 *)frame_directory((pfn_t){ PORT_HOST_BASE });
    u8 *records_end = (u8 *)frame_directory((pfn_t){ PORT_HOST_BASE + machine->frames - 1 }) + sizeof(u64);

    machine->map = allocate((size / BLOCK + 1) * sizeof(*machine->map));
    for (u64 at = 0; at < size; at += BLOCK) {
        u64 length = size - at < BLOCK ? size - at : BLOCK;
        bool used = map + at < records_end && records < map + at + length;

        for (u64 i = 0; i < length; i++)
            used |= map[at + i] != 0;
        if (used)
            save(&machine->map[machine->map_parts++], map + at, length);
    }
}

void machine_save(void)
{
    memcpy(machine->ram_copy, machine->ram, machine->frames * BLOCK);
    machine->live = allocate(machine->frames);
    memcpy(machine->live, machine->touched, machine->frames);
    save_map();
    save(&machine->statics, __data_start, (size_t)(_end - __data_start));
}

void machine_restore(void)
{
    for (u64 i = 0; i < machine->frames; i++) {
        memcpy(frame(i), machine->ram_copy + i * BLOCK, machine->touched[i] ? BLOCK : LINKS);
        machine->touched[i] = machine->live[i];
    }
    for (unsigned i = 0; i < machine->map_parts; i++)
        memcpy(machine->map[i].at, machine->map[i].copy, machine->map[i].size);
    memcpy(machine->statics.at, machine->statics.copy, machine->statics.size);
}

void machine_check_free(void)
{
    struct frame_stats stats = frame_get_stats();

    if (stats.free + stats.retired != stats.total)
        explorer_fail("%llu frames are lost: %llu control, %llu tables, %llu of guests",
                      (unsigned long long)(stats.total - stats.free - stats.retired),
                      (unsigned long long)stats.used[FRAME_CONTROL], (unsigned long long)stats.used[FRAME_TABLE],
                      (unsigned long long)stats.used[FRAME_GUEST]);
    for (u64 i = 0; i < machine->frames; i++) {
        if (machine->touched[i] && frame_kind_of((pfn_t){ PORT_HOST_BASE + i }) != FRAME_ABSENT)
            check_frame(i);
    }
}

void machine_stop(void)
{
    struct machine *stopped = machine;

    port_host_forget();
    memcpy(stopped->first_statics.at, stopped->first_statics.copy, stopped->first_statics.size);
    for (unsigned i = 0; i < stopped->map_parts; i++)
        free(stopped->map[i].copy);
    free(stopped->map);
    free(stopped->first_statics.copy);
    free(stopped->statics.copy);
    free(stopped->ram_copy);
    free(stopped->touched);
    free(stopped->live);
    free(stopped);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* See loader.h. */
#include "hv/load/loader.h"

#include <assert.h>

#include "hv/lib/format.h"
#include "hv/load/guest_memory_map.h"
#include "mm/vm_memory.h"

enum { LOWEST_PLACE = 0x1000, CLAIM_TEXT_SIZE = 48 };

void loader_set_reason(struct loader *loader, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    format_text_v(loader->result->error, sizeof(loader->result->error), format, args);
    va_end(args);
}

/* "segment 2", "the page tables" */
static const char *claim_text(const char *what, int number, char text[CLAIM_TEXT_SIZE])
{
    if (number == LOADER_NO_NUMBER)
        format_text(text, CLAIM_TEXT_SIZE, "%s", what);
    else
        format_text(text, CLAIM_TEXT_SIZE, "%s %d", what, number);
    return text;
}

int loader_fail_no_room(struct loader *loader, const char *what, int number, uint64_t size)
{
    char text[CLAIM_TEXT_SIZE];

    return loader_fail(loader, "no room for %s (%lu KiB) in the guest's %lu KiB of memory",
                       claim_text(what, number, text), (size + 1023) / 1024, loader->request->memory_size / 1024);
}

static int fail_outside(struct loader *loader, const struct loader_claim *claim)
{
    uint64_t memory = loader->request->memory_size;
    char text[CLAIM_TEXT_SIZE];

    claim_text(claim->what, claim->number, text);
    if (memory > GUEST_BELOW_4G)
        return loader_fail(loader, "%s lies at %#lx..%#lx; the guest's memory is 0..%#llx and %#llx..%#llx", text,
                           claim->base, claim->end, GUEST_BELOW_4G, GUEST_ABOVE_4G,
                           GUEST_ABOVE_4G + memory - GUEST_BELOW_4G);
    if (memory % (1024 * 1024) != 0)
        return loader_fail(loader, "%s lies at %#lx..%#lx, beyond the guest's %lu KiB of memory", text, claim->base,
                           claim->end, memory / 1024);
    return loader_fail(loader, "%s lies at %#lx..%#lx, beyond the guest's %lu MiB of memory", text, claim->base,
                       claim->end, memory / (1024 * 1024));
}

static bool inside_memory(const struct loader *loader, uint64_t base, uint64_t end)
{
    uint64_t memory = loader->request->memory_size;

    if (base >= GUEST_ABOVE_4G - loader->rom_size && end <= GUEST_ABOVE_4G)
        return true;
    if (memory <= GUEST_BELOW_4G)
        return end <= memory;
    return end <= GUEST_BELOW_4G || (base >= GUEST_ABOVE_4G && end - GUEST_ABOVE_4G <= memory - GUEST_BELOW_4G);
}

/* The first claim that [base, end) overlaps; NULL: it is free. */
static const struct loader_claim *claim_in(const struct loader *loader, uint64_t base, uint64_t end)
{
    for (unsigned i = 0; i < loader->claim_count; i++) {
        const struct loader_claim *claim = &loader->claims[i];

        if (base < claim->end && claim->base < end)
            return claim;
    }
    return NULL;
}

bool loader_is_claimed(const struct loader *loader, uint64_t base, uint64_t size)
{
    const struct loader_claim *claim = claim_in(loader, base, base + size);

    return claim && base >= claim->base && base + size <= claim->end;
}

int loader_claim(struct loader *loader, uint64_t base, uint64_t size, const char *what, int number)
{
    const struct loader_claim claim = { base, base + size, what, number };
    const struct loader_claim *other;
    char text[CLAIM_TEXT_SIZE], other_text[CLAIM_TEXT_SIZE];

    assert(size > 0);
    assert(loader->claim_count < LOADER_MAX_CLAIMS);

    if (claim.end < base)
        return loader_fail(loader, "%s at %#lx has %#lx bytes, which go beyond the end of the address space",
                           claim_text(what, number, text), base, size);
    if (!inside_memory(loader, base, claim.end))
        return fail_outside(loader, &claim);
    other = claim_in(loader, base, claim.end);
    if (other)
        return loader_fail(loader, "%s at %#lx..%#lx overlaps %s at %#lx..%#lx", claim_text(what, number, text), base,
                           claim.end, claim_text(other->what, other->number, other_text), other->base, other->end);
    loader->claims[loader->claim_count++] = claim;
    return 0;
}

bool loader_find_in(const struct loader *loader, uint64_t from, uint64_t end, uint64_t size, uint64_t align,
                    uint64_t *base)
{
    for (uint64_t at = from;;) {
        const struct loader_claim *claim;

        at = (at + align - 1) & -align;
        if (at > end || size > end - at)
            return false;
        claim = claim_in(loader, at, at + size);
        if (!claim) {
            *base = at;
            return true;
        }
        at = claim->end;
    }
}

bool loader_find_up(const struct loader *loader, uint64_t from, uint64_t size, uint64_t align, uint64_t *base)
{
    struct guest_map_entry map[GUEST_MAP_MAX];
    unsigned count = guest_memory_map(loader->request->memory_size, map);

    if (from < LOWEST_PLACE)
        from = LOWEST_PLACE;
    for (unsigned i = 0; i < count; i++) {
        uint64_t at = from > map[i].base ? from : map[i].base;

        if (map[i].type != GUEST_MAP_USABLE || map[i].base >= GUEST_ABOVE_4G)
            continue;
        if (loader_find_in(loader, at, map[i].base + map[i].size, size, align, base))
            return true;
    }
    return false;
}

bool loader_find_down(const struct loader *loader, uint64_t end, uint64_t size, uint64_t align, uint64_t *base)
{
    struct guest_map_entry map[GUEST_MAP_MAX];
    unsigned count = guest_memory_map(loader->request->memory_size, map);

    while (count-- > 0) {
        uint64_t map_end = map[count].base + map[count].size;
        uint64_t map_base = map[count].base > LOWEST_PLACE ? map[count].base : LOWEST_PLACE;
        uint64_t at = end < map_end ? end : map_end; /* the range's end, then its base */
        const struct loader_claim *claim;

        if (map[count].type != GUEST_MAP_USABLE || map[count].base >= GUEST_ABOVE_4G)
            continue;
        while (at >= size) {
            at = (at - size) & -align;
            if (at < map_base)
                break;
            claim = claim_in(loader, at, at + size);
            if (!claim) {
                *base = at;
                return true;
            }
            at = claim->base;
        }
    }
    return false;
}

void loader_write(struct loader *loader, uint64_t base, const void *from, uint64_t size)
{
    assert(size == 0 || loader_is_claimed(loader, base, size));
    if (loader->write_error == 0 && size > 0)
        loader->write_error = vm_memory_write(loader->request->memory, (gpa_t){ base }, from, size);
}

uint64_t loader_append(struct loader *loader, uint64_t *at, const void *from, uint64_t size)
{
    uint64_t here = *at;

    loader_write(loader, here, from, size);
    *at += size;
    return here;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Two pages with the same content become one frame, which the first write to either of them parts again. */
#include "mm/backing_change.h"
#include "mm/backing_object.h"
#include "mm/frame_share.h"
#include "mm/invalidation.h"
#include "mm/mem.h"
#include "mm/port.h"

static hva_t hva_of(const struct backing *backing, u64 page)
{
    return (hva_t){ backing->hva.v + page * PAGE_SIZE };
}

static bool content_is_equal(pfn_t a, pfn_t b)
{
    return memcmp(port_frame_address(a), port_frame_address(b), PAGE_SIZE) == 0;
}

/* The caller holds invalidations of both pages. */
static int share(struct backing_map *map_a, u64 page_a, struct backing_map *map_b, u64 page_b)
{
    struct map_place a = map_find(map_a, page_a);
    struct map_place b = map_find(map_b, page_b);

    if (!(a.entry & b.entry & MAP_PIECE))
        return -ENOENT;

    pfn_t frame = map_frame_of(&a, page_a);
    if (frame.v == map_frame_of(&b, page_b).v)
        return 0;
    if (!content_is_equal(frame, map_frame_of(&b, page_b)))
        return -EINVAL;
    if (map_split(map_a, page_a, LEVEL_4K, &a) != 0 || map_split(map_b, page_b, LEVEL_4K, &b) != 0 ||
        frame_share(frame) != 0)
        return -ENOMEM;
    map_replace(&a, a.entry | MAP_SHARED);
    map_replace(&b, a.entry | MAP_SHARED);
    map_release(b.entry, LEVEL_4K);
    return 0;
}

int backing_share(struct backing *a, u64 page_a, struct backing *b, u64 page_b)
{
    struct invalidation lower, upper;
    struct backing_page found;

    if (a == b && page_a == page_b)
        return backing_lookup(a, page_a, &found) == 0 ? 0 : -ENOENT;
    /* In the order of hva: two tasks that share the same pages must not wait for each other. */
    if (hva_of(a, page_a).v < hva_of(b, page_b).v) {
        invalidation_begin(&lower, a, page_a, page_a + 1);
        invalidation_begin(&upper, b, page_b, page_b + 1);
    } else {
        invalidation_begin(&lower, b, page_b, page_b + 1);
        invalidation_begin(&upper, a, page_a, page_a + 1);
    }
    int error = share(&a->map, page_a, &b->map, page_b);
    invalidation_end(&upper);
    invalidation_end(&lower);
    return error;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/backing_run.h. */
#include "mm/backing_run.h"

#include "mm/backing_object.h"

int backing_resolve_run(struct backing *backing, u64 page, enum level largest, u64 most, struct backing_run *run)
{
    struct map_place place;
    int error = map_fill(&backing->map, page, largest < LEVEL_2M ? largest : LEVEL_2M, false, &place);

    if (error == 0)
        error = map_describe(&place, page, &run->first);
    if (error == 0)
        run->count = map_run(&place, page, most);
    return error;
}

bool backing_run_is_current(const struct backing *backing, u64 sequence, u64 page, const struct backing_run *run)
{
    struct backing_page now;

    /* In this order, and for these reasons: see backing_is_current(). */
    if (backing_is_changing(backing, page, page + run->count))
        return false;
    if (backing_sequence(backing) == sequence)
        return true;

    struct map_place place = map_find(&backing->map, page);
    return map_describe(&place, page, &now) == 0 && now.pfn.v == run->first.pfn.v &&
           now.writable == run->first.writable && map_run(&place, page, run->count) == run->count;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See mm/frame_share.h. The count in the record is of the pages after the first, so the record vanishes when a frame is not
 * shared any more. A leaf lock makes "is it the last page" and "one less" one step; inside, that of the records is taken.
 */
#include "mm/frame_share.h"

#include "mm/frame_record.h"
#include "mm/spinlock.h"

static struct spinlock lock;           /* all changes of counts */
static struct frame_share_stats stats; /* lock */

int frame_share(pfn_t pfn)
{
    u64 more;

    spin_lock(&lock);
    int error = frame_count_add(pfn, 1, &more);
    if (error == 0) {
        stats.frames += more == 1;
        stats.pages += more == 1 ? 2 : 1;
    }
    spin_unlock(&lock);
    return error;
}

bool frame_unshare(pfn_t pfn)
{
    u64 more = 0;

    spin_lock(&lock);
    bool is_last = frame_count_get(pfn) == 0;
    /* Taking away needs no memory. */
    if (!is_last && frame_count_add(pfn, -1, &more) == 0) {
        stats.frames -= more == 0;
        stats.pages -= more == 0 ? 2 : 1;
    }
    spin_unlock(&lock);
    return is_last;
}

bool frame_is_shared(pfn_t pfn)
{
    return frame_count_get(pfn) != 0;
}

struct frame_share_stats frame_share_get_stats(void)
{
    spin_lock(&lock);
    struct frame_share_stats copy = stats;
    spin_unlock(&lock);
    return copy;
}

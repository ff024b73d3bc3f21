/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshots of a VM's memory, and the way back to them. A snapshot costs what is written afterwards: it shares frames with
 * the memory, and who writes first gets a copy. Going back costs what is dirty, not what there is: the dirty log
 * (DIRTY_SNAPSHOT, mm/dirty_log.h) names the pages, and each is copied into the frame where it is mapped already.
 *
 * The snapshots of a VM form a tree. The memory is always somewhere in it: at the snapshot that was taken or reset to last,
 * and a few pages further. The first one leads to every frame of the VM's backings; one below another keeps only the pages
 * in which it differs from that.
 *
 * All slots are logged while there are snapshots, from the first to the last. Where slots came, went or moved, the next
 * snapshot is the first of a new tree, and what was taken before can only be dropped.
 *
 * Pages that nobody has touched, and those given to the balloon, are zeros here as for the guest. What another VM writes to
 * a backing that both show is that VM's, and is not undone.
 *
 * Functions take their own locks, yield in bounded steps, and those of one VM wait for each other. During take and reset the
 * VM's vCPUs are outside of the guest, with their last writes logged, and stay there. Other tasks may do with the VM, its
 * backings and their own logs what they like; what they write meanwhile is written before or after, page by page.
 */
#ifndef MM_SNAPSHOT_H
#define MM_SNAPSHOT_H

#include "mm/types.h"

struct vm_memory;
struct snapshot;

/*
 * The memory as it is now. 0, -ENOMEM, -EBUSY (somebody changes the slots), -ENOENT (there is none). On an error nothing has
 * changed, but that, where a slot has come since the last one, that can only be dropped.
 */
int snapshot_take(struct vm_memory *vm, struct snapshot **snapshot);

struct snapshot_result {
    u64 examined; /* pages that may have differed */
    u64 restored; /* of which got other content */
};

/*
 * Makes the memory as it was. 0; -ESTALE: slots have changed since, and nothing is done. -ENOMEM (no frame for a page that is
 * shared with somebody, or for the sets of pages), -EIO (the snapshot's frame of a page went bad): some pages may be as
 * they were and some not, the guest is not to run on, and the same or another snapshot may be reset to.
 */
int snapshot_reset(struct snapshot *snapshot, struct snapshot_result *result);

/*
 * Nobody goes back to it any more. Snapshots below it stay as they are; what only it had goes when it has one branch left,
 * if memory suffices to join the two then.
 */
void snapshot_drop(struct snapshot *snapshot);

/* All of a VM; before vm_memory_destroy(). */
void snapshot_drop_all(struct vm_memory *vm);

/* What the memory was taken as or reset to last; NULL: there is nothing to go back to on this way. Only to show it. */
const struct snapshot *snapshot_at(struct vm_memory *vm);

/* The one that it was taken from; NULL: it is the first of its tree. */
const struct snapshot *snapshot_parent(const struct snapshot *snapshot);

/* Whether the VM has any: asserted to be false at its end. */
bool snapshot_exist(const struct vm_memory *vm);

#endif

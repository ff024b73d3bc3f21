/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of snapshots share: mm/snapshot.h is for everybody else. */
#ifndef MM_SNAPSHOT_INTERNAL_H
#define MM_SNAPSHOT_INTERNAL_H

#include "mm/backing_object.h"
#include "mm/backing_save.h"
#include "mm/invalidation.h"
#include "mm/memslots.h"
#include "mm/page_set.h"
#include "mm/snapshot.h"

/*
 * A slot as a snapshot knows it. What its pages were is in `store`; where that has nothing, in the parent's, and so on up
 * to the first snapshot, which has everything. Slots that show the same backing have the same store.
 *
 * A store below the first has no page that is in none of its slots' deltas: what is not named there is not looked for when
 * the node is joined with another.
 */
struct snapshot_slot {
    /* set once: */
    u32 id;
    gfn_t base;
    u64 npages, offset;
    struct backing *backing; /* a reference */
    bool has_own_backing;    /* the first slot of its backing */
    /* who is `busy`: */
    struct list_node link;        /* snapshot->slots, in the order of gfn */
    struct snapshot_slot *parent; /* the same slot in the snapshot's parent */
    struct page_set *delta;       /* gfns that may differ from the parent; NULL in a first one */
    struct backing *store;        /* a reference; NULL in a draft */
    /* while the store is held: */
    struct invalidation hold;
    struct map_cursor cursor;
};

/*
 * A node of a tree. One of them is the draft: the next snapshot, to which the memory is on its way. Its delta is what has been
 * harvested since its parent was taken or reset to.
 */
struct snapshot {
    /* set once: */
    struct snapshots *all;
    /* who is `busy`: */
    struct list_node link; /* all->list; not of the draft */
    struct snapshot *parent;
    struct list_node slots; /* struct snapshot_slot */
    u64 children;           /* with the draft */
    bool dropped;           /* only there because of more than one child */
    bool on_path;
};

/* All snapshots of a VM. */
struct snapshots {
    /* the lock of the list of these: */
    struct list_node link;
    u64 users; /* who has found it */
    /* set once: */
    struct vm_memory *vm;
    /* atomic: */
    u32 busy; /* somebody takes, resets or drops */
    /* who is `busy`: */
    struct list_node list;
    struct snapshot *draft; /* NULL: there is nothing that the memory has come from */
};

/* The slots of a node that come one after the other. NULL: the end. */
struct snapshot_slot *snapshot_next_slot(const struct snapshot *node, const struct snapshot_slot *slot);

/* A node with the slots of `set`, without stores. 0, -ENOMEM, -ENOENT (there are none), -EBUSY (one is not logged for us). */
int snapshot_create_node(struct snapshots *all, struct memslot_set *set, struct snapshot **node);

/* A node that can be attached below `parent`, with empty sets, and without stores. NULL: no memory. */
struct snapshot *snapshot_create_below(const struct snapshot *parent);

/* Frees a node that is in no tree. Yields. NULL is allowed. */
void snapshot_free_node(struct snapshot *node);

/* Hangs a node, which is nobody's child, below one. */
void snapshot_attach(struct snapshot *node, struct snapshot *parent);

/* Takes the draft out of its tree and frees it (there may be none), or moves it to another snapshot of the tree. */
void snapshot_end_draft(struct snapshots *all);
void snapshot_move_draft(struct snapshots *all, struct snapshot *to);

/* Whether the set has exactly the slots of the node, and all of them are logged for us. */
bool snapshot_matches(const struct snapshot *node, struct memslot_set *set);

/* Takes what was written out of the log, into the draft. The slots match, and do not change. 0, -ENOENT. */
int snapshot_harvest(struct snapshots *all);

/* Frees a node if it is dropped and has not more than one child; then, in the same way, its parent. */
void snapshot_settle(struct snapshots *all, struct snapshot *node);

/* As snapshot_reset(), by who is `busy`. */
int snapshot_go_back(struct snapshots *all, struct snapshot *to, struct snapshot_result *result);

/* From here to release, nobody changes what the store leads to, and that of its parents. Yields. */
void snapshot_hold(const struct snapshot *node);
void snapshot_release(const struct snapshot *node);

#endif

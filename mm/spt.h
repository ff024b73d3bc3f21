/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The second-level page tables of a VM: its roots and all tables below them, under one lock.
 *
 * Faults hold the lock shared: they add tables and leaves, and give permissions, by compare-exchange, any number of them at
 * once. Whoever unlinks a table holds it exclusively (H4). Every change of an entry goes through spt_set_entry(): the one
 * place that counts leaves, present entries and tables, notes the flush, and takes apart what was below a replaced entry
 * (H1, H7). Loops over many leaves of one table of 4K do the same once for all of them: spt_fill() and spt_take_leaves().
 *
 * A VM has one root for the memory as it is; views and roots with another number of levels are further ones. A table that
 * would be equal in two of them exists once: with the second root the hash of mm/shadow_hash.h comes to life (H5). What
 * makes a table is the gfn and the role, and the role is computed from the place alone (spt_role), so equal tables have
 * equal keys by construction.
 */
#ifndef MM_SPT_H
#define MM_SPT_H

#include "mm/pte.h"
#include "mm/rwlock.h"
#include "mm/shadow_hash.h"
#include "mm/shadow_page.h"
#include "mm/spinlock.h"
#include "mm/spt_iter.h"
#include "mm/striped.h"
#include "mm/table_cache.h"
#include "mm/tlb_gather.h"
#include "mm/view.h"

struct vm_memory;

/* What a vCPU holds instead of a table: which table it is changes when all is invalidated. */
struct spt_root {
    /* set once: */
    struct view *view; /* NULL: the memory as it is */
    enum level top;    /* of its entries: LEVEL_512G has 4 levels, LEVEL_256T has 5 */
    /* the lock, exclusive: */
    struct list_node link; /* in spt->roots, or in spt->dying */
    u64 users;             /* vCPUs */
    struct spt_root *next; /* of those that the same owner put into spt->dying */
    /* the same; read atomically without the lock: */
    struct shadow_page *page; /* a reference */
};

/* Leaves by level. */
struct STRIPED leaf_counts {
    u64 mapped[LEVEL_1G + 1];
};

struct spt {
    /* set once: */
    struct vm_memory *vm;
    struct spt_root *base; /* the memory as it is, in as many levels as mm_init() was told */
    struct rwlock lock;
    /* lock, exclusive to change: */
    struct list_node roots;   /* struct spt_root, `base` first */
    struct list_node dying;   /* struct spt_root that no vCPU has any more, until it is taken apart (G3) */
    struct list_node views;   /* struct view */
    u32 changing_views;       /* atomic: somebody changes or drops a view */
    u64 generation;           /* of the tables: moves when all is invalidated (G1) */
    struct shadow_hash *hash; /* NULL: one root, nothing to share (H5); never goes back to NULL */
    /* pages_lock: */
    struct spinlock pages_lock;
    struct list_node pages;    /* struct shadow_page, all of them, the youngest first */
    struct list_node executed; /* those that are there because somebody executes, see spt_note_execution() */
    u64 executed_count;        /* read atomically */
    /* atomic: */
    u64 tables;     /* with the roots */
    u64 root_count; /* in `roots` */
    struct leaf_counts leaves[STRIPES];
    u64 lookups, reclaimed, splits, splits_for_execution, collapses;
    u64 table_limit; /* 0: none */
};

/* Only a root. 0, -ENOMEM. */
int spt_create(struct spt *spt, struct vm_memory *vm);

/* Zaps all and frees all. No vCPU uses it any more. Yields. */
void spt_destroy(struct spt *spt);

static inline u64 spt_mapped(const struct spt *spt, enum level level)
{
    return STRIPED_SUM(spt->leaves, mapped[level]);
}

static inline void spt_count_leaves(struct spt *spt, enum level level, s64 change)
{
    counter_add(&spt->leaves[stripe()].mapped[level], change);
}

/* ---- roots: mm/spt_root.c. No lock is held; they take it exclusively. */

void spt_root_get(struct spt *spt, struct spt_root *root);
void spt_root_put(struct spt *spt, struct spt_root *root);

/*
 * The root for `view` with `levels` levels, with one more user. The first one besides spt->base brings the hash to life. 0,
 * -ENOENT (there is no such view), -EINVAL (levels), -ENOMEM. Yields.
 */
int spt_root_open(struct spt *spt, u32 view, unsigned levels, struct spt_root **root);

/* Empty roots take the place of all roots; returns when no vCPU can use an old one and they are gone. 0, -ENOMEM. Yields. */
int spt_invalidate_all(struct spt *spt);

/* ---- views: mm/spt_view.c. See mm/vm_memory.h. No lock is held, but for spt_find_view(). */

/* NULL: there is none with this id, or it is being dropped. */
struct view *spt_find_view(const struct spt *spt, u32 id);
int spt_create_view(struct spt *spt, u32 *view);
int spt_protect_view(struct spt *spt, u32 view, gfn_t first, gfn_t end, u64 permissions);
int spt_drop_view(struct spt *spt, u32 view);

/* ---- tables and entries. The lock is held, shared is enough unless it says otherwise. */

/* The first gfn that the tree below `root` cannot map. */
gfn_t spt_end(const struct shadow_page *root);

/* The same; without any lock. */
static inline gfn_t spt_root_end(const struct spt_root *root)
{
    return (gfn_t){ level_pages(root->top) * EPT_ENTRIES };
}

/* The role of a table at `gfn` whose entries have `level`, in a tree for `view`. */
union role spt_role(const struct view *view, gfn_t gfn, enum level level);

/* The same for the table below the entry where `it` stands. A table of no view has none of a view below it. */
union role spt_child_role(const struct spt_iter *it, const struct view *view);

/*
 * Whether the table where `it` stands does not belong into a tree for `view`: the view has just been changed, and nobody has
 * taken the table out of it yet. Nothing is added to it: in a table that others have too it would be theirs, and one of the
 * view's own would never become empty.
 */
bool spt_is_out_of_place(const struct spt_iter *it, const struct view *view);

/*
 * The table with gfn and role of `page`, which is filled and not reachable yet: another one that exists already (only in a
 * VM with a hash), or `page`. With a reference, for the entry that will lead to it.
 */
struct shadow_page *spt_table_get(struct spt *spt, struct shadow_page *page);

/* Gives the reference back that no entry got. If nobody else has one the table goes to `cache`: true. */
bool spt_table_unget(struct spt *spt, struct shadow_page *page, struct table_cache *cache);

/* Gives up the reference of an entry, or a root, that led to the table. Exclusive. */
void spt_table_put(struct spt *spt, struct shadow_page *page, struct tlb_gather *gather);

/*
 * Replaces the entry where `it` stands, if it is still it->old; then it->old = value. Otherwise false, with what is there
 * now in it->old. A `value` that points to a table takes over a reference. `gather` may be NULL where nothing is removed.
 * Exclusive where the entry points to a table that it does not point to any more. Without the lock, within
 * vcpu_memory_walk_begin() and _end(), only to give a permission to a leaf.
 */
bool spt_set_entry(struct spt_iter *it, u64 value, struct tlb_gather *gather);

/* Empties the entries [from, to) of a table of 4K that stays in the tree. Exclusive. */
void spt_take_leaves(struct spt *spt, struct shadow_page *page, unsigned from, unsigned to, struct tlb_gather *gather);

/*
 * As spt_set_entry(), for what comes most often: `entry`, of the table `page`, is empty and becomes a leaf of `level`.
 * False: it is not empty any more. The caller knows the stripe() of its processor.
 */
static inline bool spt_fill_entry(struct spt *spt, struct shadow_page *page, u64 *entry, u64 leaf, enum level level,
                                  unsigned stripe)
{
    u64 old = EPT_EMPTY;

    /* Nothing new comes into a dying tree (G1). */
    assert(page->generation == spt->generation);
    if (!pte_cmpxchg(entry, &old, leaf))
        return false;
    counter_add(&page->present, 1);
    counter_add(&spt->leaves[stripe].mapped[level], 1);
    return true;
}

/*
 * Puts the table that belongs where `it` stands in a tree for `view`: one that exists, or an empty one of `cache`. 0 (also
 * if somebody else changed the entry: it->old says what is there), -EAGAIN (the cache is empty).
 */
int spt_link_table(struct spt_iter *it, const struct view *view, struct table_cache *cache, struct tlb_gather *gather);

/* A guest frame and where it shall lead. */
struct spt_mapping {
    gfn_t gfn;
    pfn_t pfn; /* the frame of `gfn` itself, also within a large page */
    enum level level;
    u64 permissions;  /* EPT_READ | …, and EPT_MAY_WRITE */
    enum ept_arm arm; /* what a large page that is split on the way becomes */
};

/*
 * Maps, for an access that needs the permissions `needed`. 0, -EEXIST (an entry that permits it was there), -EAGAIN (more
 * tables are needed than `cache` has, or the entry changes all the time), -EACCES (the view denies it). Where smaller pages
 * are mapped around `gfn` already, it maps one of their size; a larger one that does not permit the access is split, or in a
 * VM with a hash gives way. After 0 and -EEXIST mapping->level is the level of the leaf.
 */
int spt_map(struct spt *spt, struct spt_root *root, struct spt_mapping *mapping, u64 needed, struct table_cache *cache,
            struct tlb_gather *gather);

/* `count` pages of 4K: the first gets the entry `leaf`, which permits reading, and each other one the frame behind. */
struct spt_run {
    u64 leaf;
    u64 count;
};

/*
 * Maps `count` runs, one behind the other from `first` on and below one table, in the memory as it is: as spt_map() would each
 * of the pages for reading, but with one walk (mm/spt_fill.c). How many pages, from `first` on, permit reading now; it is for
 * spt_map() to find out what is in the way of the next one, such as an empty cache.
 */
u64 spt_fill(struct spt *spt, gfn_t first, const struct spt_run *runs, unsigned count, struct table_cache *cache);

/* ---- removing: mm/spt_zap.c */

enum spt_zap {
    ZAP_MAPPED, /* what maps a part of the range, also where a large page reaches beyond it, and tables that become empty */
    ZAP_UNLIKE, /* what is only in a tree for `view`; tables that do not belong into it are given up rather than emptied */
    ZAP_OWN,    /* what tables of views map in it, and not what tables of the memory as it is map */
    ZAP_TREE, /* everything in the range; tables that somebody else has, too, are given up rather than emptied */
};

/*
 * Removes below `root` in [first, end). It stops after a bounded number of tables: then unlock, finish the gather, and go on
 * from the gfn that it returns, until that is `end`. Exclusive.
 */
enum { ZAP_STEP = 128 }; /* tables, of 512 entries each, that are given up in one step: about half a millisecond */
gfn_t spt_zap_range(struct spt *spt, struct shadow_page *root, gfn_t first, gfn_t end, enum spt_zap what,
                    const struct view *view, struct tlb_gather *gather);

/*
 * ZAP_MAPPED of all roots, also dying ones, to the end: with lock, flush, release and yield for each step. No lock is held;
 * a range that is not empty takes the lock exclusively at least once.
 */
void spt_zap_all(struct spt *spt, gfn_t first, gfn_t end);

/* Whether a long operation ends its step when somebody waits for the lock. docs/performance.md says why the default is so. */
extern bool spt_yield_on_contention;

/*
 * Puts a table of leaves of the next smaller level, which map the same and are armed as `arm` says, in the place of the large
 * leaf where `it` stands in a tree for `view` (mm/spt_split.c). 0; 1: the entry or the table is, at least in part, somebody
 * else's work, and may be anything; -EAGAIN (the cache is empty). The lock is held; in a VM with a hash exclusively.
 */
int spt_split_leaf(struct spt_iter *it, const struct view *view, enum ept_arm arm, struct table_cache *cache,
                   struct tlb_gather *gather);

/* The lock as splits need it; the result is for unlocking. */
bool spt_lock_for_split(struct spt *spt);
void spt_unlock_after_split(struct spt *spt, bool is_exclusive);

/* ---- leaves in place, in all roots: mm/spt_range.c, mm/spt_arm.c. No lock is held. Yields. */

/* Splits leaves until none in the range is larger than `largest`. 0, -ENOMEM (a part is split). */
int spt_split_all(struct spt *spt, gfn_t first, gfn_t end, enum level largest);

/* Takes write permission away. `may_return`: a fault may give it back without a lock. */
void spt_write_protect_all(struct spt *spt, gfn_t first, gfn_t end, bool may_return);

/*
 * Arms, in all roots, at least those of the 512 pages from `first`, a multiple of 512, whose bits `words` has. Large pages are
 * split with `cache`, and armed as a whole; with `split` false they are write-protected instead. The lock is held, for splits
 * as spt_lock_for_split(). The gfn up to which nothing else can be armed; `first`, if `cache` is empty: 2 tables for each
 * root suffice.
 */
enum { ARM_WORDS = EPT_ENTRIES / 64 };
gfn_t spt_arm_region(struct spt *spt, gfn_t first, const u64 words[ARM_WORDS], enum ept_arm how, bool split,
                     struct table_cache *cache, struct tlb_gather *gather);

/*
 * For [first, end) in one aligned region of 2M, of a slot that is not logged any more: what was armed by taking write permission
 * away gets it back, so that nothing faults because of the log that is over. The lock is held, shared is enough.
 */
void spt_disarm(struct spt *spt, gfn_t first, gfn_t end);

/* ---- coming together again: mm/spt_collapse.c */

/* What spt_collapse() did, added up. */
struct spt_collapse {
    u64 collapsed; /* tables, for each entry that led to one */
    u64 different; /* tables that stay because they do not say what the large leaf would */
    u64 executed;  /* that stay because a part is executed (C7) */
    u64 absent;    /* that stay because there is nothing in them */
};

/*
 * Puts one leaf in the place of the table of smaller leaves at large->gfn, in each root whose table maps a part of what the leaf
 * would, and nothing else (C4). With `executed` also where execution made the table. What is mapped so, where the view permits
 * it, and that no invalidation is in flight, is the caller's to know, under the same lock (C9, R2). The gfn up to which there
 * is no other table, the region's end at least. Exclusive.
 */
gfn_t spt_collapse(struct spt *spt, const struct spt_mapping *large, bool executed, struct tlb_gather *gather,
                   struct spt_collapse *done);

/* Whether some root has a table where one leaf of `level` could be. The lock is held, shared is enough. */
bool spt_is_split(const struct spt *spt, gfn_t gfn, enum level level);

/*
 * As tlb_gather_finish(), for what only spt_collapse() put into `gather`: what processors noted in the old tables until the
 * flush is not lost (C10). No lock is held.
 */
void spt_collapse_finish(struct spt *spt, struct tlb_gather *gather);

/*
 * The entry where `it` stands leads to a table of leaves only: `leaf` takes its place. The entries of the table stay as they
 * are, because processors may use them until the flush, and note A and D there (P4). Exclusive.
 */
void spt_replace_table(struct spt_iter *it, u64 leaf, struct tlb_gather *gather);

/* A large page became this table because somebody executes in it. The lock is held, shared is enough. */
void spt_note_execution(struct spt *spt, struct shadow_page *page);

/* The oldest of these, which is the youngest from now on; NULL: there is none. Exclusive. */
struct shadow_page *spt_oldest_executed(struct spt *spt);

/* ---- the limit: mm/spt_reclaim.c */

/* Whether the VM has as many tables as its limit allows. */
static inline bool spt_is_at_limit(const struct spt *spt)
{
    u64 limit = counter_read(&spt->table_limit);

    return limit != 0 && counter_read(&spt->tables) >= limit + counter_read(&spt->root_count);
}

/* No lock is held. Yields. If the VM has as many tables as its limit allows: unmaps what the oldest tables map, in all roots. */
void spt_reclaim(struct spt *spt);

#endif

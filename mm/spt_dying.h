/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The death of roots. A table that is no root any more, because all is invalidated, because its view has changed or is gone,
 * goes to spt->dying: from there it is taken apart in steps by the one who put it there (G4), and until that is done it
 * stays findable for spt_zap_all() (G3). Nothing may fail by then, so what is needed is prepared before.
 */
#ifndef MM_SPT_DYING_H
#define MM_SPT_DYING_H

#include "mm/spt.h"

/* A root as it will be, without its table. NULL: no memory. */
struct spt_root *spt_root_alloc(struct view *view, unsigned levels);
void spt_root_free(struct spt_root *root);

/*
 * The first table of a tree for root->view, shared, or an empty one from `cache`, which is not empty. With the reference of
 * `root`. Exclusive lock.
 */
struct shadow_page *spt_root_table(struct spt *spt, const struct spt_root *root, struct table_cache *cache);

/* Spare roots, to hold tables that die. */
struct spt_graves {
    struct spt_root *first;
    unsigned count;
};

#define GRAVES(name) __attribute__((cleanup(spt_graves_free))) struct spt_graves name = { NULL, 0 }
void spt_graves_free(struct spt_graves *graves);

/* Takes the lock exclusively, with a spare root and a table for each root that there is. 0; -ENOMEM: without the lock. */
int spt_lock_with_spares(struct spt *spt, struct spt_graves *graves, struct table_cache *cache);

/*
 * An empty table takes the place of the one of `root`, which dies: from now on it is the first of the chain `mine`. Exclusive
 * lock.
 */
void spt_root_replace_table(struct spt *spt, struct spt_root *root, struct spt_graves *graves,
                            struct table_cache *cache, struct spt_root **mine);

/* Takes the chain of dying roots apart and frees them. No vCPU can use one any more. No lock is held. Yields. */
void spt_take_apart(struct spt *spt, struct spt_root *mine);

#endif

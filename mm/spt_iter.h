/* SPDX-License-Identifier: BSD-2-Clause */
/* A position in a tree: one entry, what it held when it was read, and the tables on the way to it. */
#ifndef MM_SPT_ITER_H
#define MM_SPT_ITER_H

#include "mm/ept.h"

struct spt;
struct shadow_page;

struct spt_iter {
    struct spt *spt;
    gfn_t gfn;                   /* the first that the entry covers */
    enum level level;            /* of the entry */
    u64 old;                     /* the entry as it was read */
    u64 *tables[LEVEL_256T + 1]; /* from the root's level down to `level`: the entries of that level */
};

/* At the entry of the table `root` for `gfn`. */
void spt_iter_start(struct spt_iter *it, struct spt *spt, const struct shadow_page *root, gfn_t gfn);

/* Into the table that it->old points to, to its entry for `gfn`, which it->old covers. */
void spt_iter_down(struct spt_iter *it, gfn_t gfn);

/* Back to the entry that points to this table. Not at the root. */
void spt_iter_up(struct spt_iter *it);

/* To the next entry of the same table. False at its last one. */
bool spt_iter_next(struct spt_iter *it);

static inline bool spt_iter_at_root(const struct spt_iter *it)
{
    return it->level == LEVEL_256T || it->tables[it->level + 1] == NULL;
}

/* To the next entry in the order of gfn that begins below `end`, in this table or in those above it. False: there is none. */
bool spt_iter_forward(struct spt_iter *it, gfn_t end);

/* The record of the table that the entry lies in. */
struct shadow_page *spt_iter_page(const struct spt_iter *it);

static inline u64 *spt_iter_entry(const struct spt_iter *it)
{
    return &it->tables[it->level][ept_index(it->gfn, it->level)];
}

/* The first gfn after the entry. */
static inline gfn_t spt_iter_end(const struct spt_iter *it)
{
    return (gfn_t){ it->gfn.v + level_pages(it->level) };
}

#endif

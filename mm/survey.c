/* SPDX-License-Identifier: BSD-2-Clause */
/* Counting walks: see mm/survey.h. */
#include "mm/survey.h"

#include "mm/dirty_log.h"
#include "mm/port.h"
#include "mm/pte.h"
#include "mm/vm.h"

enum { SURVEY_STEP = 64 }; /* tables that are looked at before others have their turn */

struct walk {
    struct vm_memory *vm;
    gfn_t first, end;
    /* One of them: */
    struct table_survey *tables;
    struct region_survey *region;
    bool count_dirty;        /* of the region */
    struct memslot_set *set; /* of the region; the reader's */
};

/* A leaf is never larger than the piece of the backing that it shows. */
static bool is_shared(struct memslot_set *set, gfn_t gfn)
{
    const struct memslot *slot = memslots_find(set, gfn);
    struct backing_page page;

    return slot != NULL && backing_lookup(slot->backing, memslot_page(slot, gfn), &page) == 0 && !page.writable;
}

static void count_leaf(const struct walk *walk, const struct spt_iter *it)
{
    if (walk->tables != NULL) {
        walk->tables->leaves[it->level]++;
        walk->tables->read_only[it->level] += !(it->old & EPT_WRITE);
        walk->tables->dirty[it->level] += (it->old & EPT_DIRTY) != 0;
        return;
    }

    u64 from = it->gfn.v > walk->first.v ? it->gfn.v : walk->first.v;
    u64 end = spt_iter_end(it).v < walk->end.v ? spt_iter_end(it).v : walk->end.v;

    walk->region->mapped[it->level] += end - from;
    if (is_shared(walk->set, it->gfn))
        walk->region->shared += end - from;
    if (walk->count_dirty && it->old & EPT_DIRTY)
        walk->region->dirty += end - from;
}

/* A table that begins before the step was counted by an earlier one. */
static void count_table(const struct walk *walk, const struct spt_iter *it, gfn_t step)
{
    if (walk->tables != NULL && spt_iter_page(it)->gfn.v >= step.v)
        walk->tables->tables[it->level]++;
}

/* Looks at entries from `at` on; where the next step begins. The lock is held, shared. */
static gfn_t walk_step(const struct walk *walk, gfn_t at)
{
    unsigned tables = 0;
    struct spt_iter it;

    spt_iter_start(&it, &walk->vm->spt, walk->vm->spt.base->page, at);
    count_table(walk, &it, at);
    do {
        while (ept_is_table(it.old, it.level)) {
            gfn_t below = it.gfn.v > at.v ? it.gfn : at;

            /* Never at a table's beginning: those above it would be counted twice. */
            if (tables++ >= SURVEY_STEP && ept_index(it.gfn, it.level) != 0)
                return below;
            spt_iter_down(&it, below);
            count_table(walk, &it, at);
        }
        if (ept_is_leaf(it.old, it.level))
            count_leaf(walk, &it);
    } while (spt_iter_forward(&it, walk->end));
    return walk->end;
}

static void walk_tables(const struct walk *walk)
{
    gfn_t at = walk->first;

    while (at.v < walk->end.v) {
        rwlock_lock_shared(&walk->vm->spt.lock);
        at = walk_step(walk, at);
        rwlock_unlock_shared(&walk->vm->spt.lock);
        port_yield();
    }
}

void vm_memory_survey_tables(struct vm_memory *vm, struct table_survey *survey)
{
    *survey = (struct table_survey){ 0 };
    const struct walk walk = { .vm = vm, .end = spt_root_end(vm->spt.base), .tables = survey };
    walk_tables(&walk);
}

static void survey_written(const struct page_set *written, u64 from, u64 end, struct region_survey *survey)
{
    for (u64 word = page_set_next(written, from / PAGE_SET_WORD); word <= (end - 1) / PAGE_SET_WORD;
         word = page_set_next(written, word + 1)) {
        for (u64 bits = page_set_get(written, word); bits != 0; bits &= bits - 1) {
            u64 gfn = word * PAGE_SET_WORD + (u64)__builtin_ctzll(bits);

            survey->dirty += gfn >= from && gfn < end;
        }
    }
}

void vm_memory_survey_region(struct vm_memory *vm, gfn_t first, u64 npages, struct region_survey *survey)
{
    u64 limit = spt_root_end(vm->spt.base).v;
    u64 end = range_ends_within(first.v, npages, limit) ? first.v + npages : limit;
    struct memslot_set *set = memslots_read_begin(&vm->slots);
    bool logged = false;

    *survey = (struct region_survey){ 0 };
    for (const struct memslot *slot = memslots_find_from(set, first); slot != NULL && slot->base.v < end;
         slot = memslots_next(set, slot)) {
        u64 from = slot->base.v > first.v ? slot->base.v : first.v;
        u64 to = memslot_end(slot).v < end ? memslot_end(slot).v : end;
        const struct dirty_log *log = memslots_log(set, slot);

        survey->memory += to - from;
        if (log != NULL) {
            logged = true;
            survey_written(&log->written, from, to, survey);
        }
    }
    const struct walk walk = { .vm = vm,
                               .first = first,
                               .end = { end },
                               .region = survey,
                               .count_dirty = !logged && mm_caps()->access_dirty,
                               .set = set };
    walk_tables(&walk);
    memslots_read_end(set);
}

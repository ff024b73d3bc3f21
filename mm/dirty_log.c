/* SPDX-License-Identifier: BSD-2-Clause */
/* What comes into a dirty log, and what harvests take out: see mm/dirty_log.h. Start and stop are mm/dirty_start.c. */
#include "mm/dirty_log.h"

#include "mm/dirty_internal.h"
#include "mm/dirty_ring.h"
#include "mm/vm.h"

/* A page of 1G in each root may have to be split down to 4K. */
enum { TABLES_PER_ROOT = 2 };

bool dirty_log_by_processor(void)
{
    return mm_caps()->log_modifications;
}

enum ept_arm dirty_log_arm(const struct dirty_log *log)
{
    if (log == NULL)
        return ARM_NONE;
    return dirty_log_by_processor() ? ARM_DIRTY : ARM_PROTECT;
}

u64 dirty_log_permissions(const struct dirty_log *log, u64 permissions, u64 needed)
{
    if (dirty_log_arm(log) != ARM_PROTECT || !(permissions & EPT_WRITE))
        return permissions;
    return (needed & EPT_WRITE ? permissions : permissions & ~EPT_WRITE) | EPT_MAY_WRITE;
}

void dirty_log_mark(struct dirty_log *log, gfn_t gfn)
{
    if (log != NULL)
        page_set_add(&log->written, gfn.v);
}

static void mark(struct vcpu_memory *vcpu, struct dirty_log *log, gfn_t gfn)
{
    if (page_set_add(&log->written, gfn.v) && vcpu->ring != NULL)
        dirty_ring_put(vcpu->ring, gfn);
}

void dirty_log_mark_vcpu(struct vcpu_memory *vcpu, struct dirty_log *log, gfn_t gfn)
{
    /* With ARM_DIRTY the processor will say so when it has written. */
    if (dirty_log_arm(log) == ARM_PROTECT)
        mark(vcpu, log, gfn);
}

/* NULL: writes to the page are not logged. */
static struct dirty_log *log_at(struct vcpu_memory *vcpu, struct memslot_set *set, gfn_t gfn)
{
    const struct memslot *slot = vcpu_memory_slot(vcpu, set, gfn);

    return slot == NULL ? NULL : memslots_log(set, slot);
}

void dirty_log_permitted(struct vcpu_memory *vcpu, gfn_t gfn)
{
    if (dirty_log_by_processor() || atomic_read(&vcpu->vm->logging) == 0)
        return;

    struct memslot_set *set = memslots_read_begin(&vcpu->vm->slots);
    struct dirty_log *log = log_at(vcpu, set, gfn);
    if (log != NULL)
        mark(vcpu, log, gfn);
    memslots_read_end(set);
}

/* The pages of a word: nearly always one slot's. */
static void log_word(struct vcpu_memory *vcpu, struct memslot_set *set, u64 word, u64 bits)
{
    while (bits != 0) {
        gfn_t gfn = { word * PAGE_SET_WORD + (u64)__builtin_ctzll(bits) };
        const struct memslot *slot = vcpu_memory_slot(vcpu, set, gfn);
        u64 mask = slot == NULL ? bits & -bits : dirty_log_mask(word, slot->base.v, memslot_end(slot).v);

        /* Of slots that are not logged, and in the last moments of one that goes, the processor logs too. */
        if (slot != NULL && memslots_log(set, slot) != NULL)
            page_set_add_word(&memslots_log(set, slot)->written, word, bits & mask);
        bits &= ~mask;
    }
}

/*
 * Guests write to one page after the other: as long as they are of the same word, each costs a few instructions. They are what
 * the processor's log costs a guest, so they are few.
 */
static void log_words(struct vcpu_memory *vcpu, struct memslot_set *set, const u64 *gpas, unsigned count)
{
    const u64 size = PAGE_SET_WORD * PAGE_SIZE;

    for (const u64 *gpa = gpas, *end = gpas + count; gpa < end;) {
        u64 first = *gpa & ~(size - 1), bits = 0, offset;

        for (; gpa < end && (offset = *gpa - first) < size; gpa++)
            bits |= 1ull << offset / PAGE_SIZE;
        log_word(vcpu, set, first / size, bits);
    }
}

/* One by one, the oldest first, as who reaps wants to know them. */
static void log_pages(struct vcpu_memory *vcpu, struct memslot_set *set, const u64 *gpas, unsigned count)
{
    while (count-- > 0) {
        gfn_t gfn = gpa_to_gfn((gpa_t){ gpas[count] });
        struct dirty_log *log = log_at(vcpu, set, gfn);

        if (log != NULL)
            mark(vcpu, log, gfn);
    }
}

void vm_memory_log_writes(struct vcpu_memory *vcpu, const u64 *gpas, unsigned count)
{
    struct memslot_set *set = memslots_read_begin(&vcpu->vm->slots);

    if (vcpu->ring == NULL)
        log_words(vcpu, set, gpas, count);
    else
        log_pages(vcpu, set, gpas, count);
    memslots_read_end(set);
}

void dirty_log_begin(struct dirty_log *log)
{
    while (atomic_xchg(&log->busy, 1) != 0)
        port_yield();
}

void dirty_log_end(struct dirty_log *log)
{
    atomic_write(&log->busy, 0);
}

bool dirty_log_has(const struct dirty_log *log, enum dirty_user user)
{
    /*
     * Not before the start is over: as long as faults with the slot as it was are under way, a page that is harvested could
     * become writable again without anybody's knowledge.
     */
    return user < DIRTY_USERS && atomic_read(&log->armed) && dirty_log_is_user(log, user);
}

/* What is taken out of a log, in words of pages. */
struct harvest {
    struct vm_memory *vm;
    struct dirty_log *log;
    enum dirty_user user;
    u64 first, end;              /* gfns */
    const struct page_set *only; /* NULL: all */
    struct page_set *report;     /* NULL: none */
    struct table_cache *cache;
    struct tlb_gather *gather;
};

static u64 mask_of(const struct harvest *harvest, u64 word)
{
    u64 mask = dirty_log_mask(word, harvest->first, harvest->end);

    return harvest->only == NULL ? mask : mask & page_set_get(harvest->only, word);
}

/* The compiler's own way would be a call into its library on a processor of which it may not assume POPCNT. */
static u64 count_bits(u64 bits)
{
    bits -= bits >> 1 & 0x5555555555555555;
    bits = (bits & 0x3333333333333333) + (bits >> 2 & 0x3333333333333333);
    return ((bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0f) * 0x0101010101010101 >> 56;
}

static void report(const struct harvest *harvest, u64 word, u64 bits)
{
    if (harvest->report == NULL || bits == 0)
        return;
    page_set_add_word(harvest->report, word, bits);
    counter_add(&harvest->vm->harvested, (s64)count_bits(bits));
}

/* The other users have not heard of these pages yet. */
static void keep_for_others(const struct harvest *harvest, u64 word, u64 bits)
{
    struct dirty_log *log = harvest->log;

    if (log->users == 1)
        return;
    for (unsigned user = 0; user < DIRTY_USERS; user++) {
        if (user != harvest->user && dirty_log_is_user(log, user))
            page_set_add_word(&log->held[user], word, bits);
    }
}

gfn_t dirty_log_arm_region(struct vm_memory *vm, const struct dirty_log *log, gfn_t first, const u64 *words,
                           struct table_cache *cache, struct tlb_gather *gather)
{
    struct spt *spt = &vm->spt;
    bool split = !log->lazy;

    for (;;) {
        bool is_exclusive = spt_lock_for_split(spt);
        gfn_t done = spt_arm_region(spt, first, words, dirty_log_arm(log), split, cache, gather);
        bool needs_tables = done.v == first.v;
        unsigned tables = needs_tables ? TABLES_PER_ROOT * (unsigned)counter_read(&spt->root_count) : 0;
        spt_unlock_after_split(spt, is_exclusive);

        if (!needs_tables)
            return done;
        /* Where there is no memory for a table, the first write will split, or its guest has to wait for memory. */
        if (table_cache_fill(cache, tables) != 0)
            split = false;
    }
}

/* Takes what was written in the region of 2M around `word`. */
static void collect_region(const struct harvest *harvest, u64 word)
{
    u64 words[ARM_WORDS] = { 0 }, first = word & ~(u64)(ARM_WORDS - 1), any = 0;
    struct page_set *written = &harvest->log->written;

    for (u64 i = word - first; i < ARM_WORDS; i++) {
        u64 mask = mask_of(harvest, first + i);

        if ((page_set_get(written, first + i) & mask) == 0)
            continue;
        words[i] = page_set_take(written, first + i, mask);
        any |= words[i];
        report(harvest, first + i, words[i]);
        keep_for_others(harvest, first + i, words[i]);
    }
    if (any != 0)
        dirty_log_arm_region(harvest->vm, harvest->log, (gfn_t){ first * PAGE_SET_WORD }, words, harvest->cache,
                             harvest->gather);
}

/* What others have taken, and armed, before. */
static void take_held(const struct harvest *harvest)
{
    struct page_set *held = &harvest->log->held[harvest->user];
    u64 end = (harvest->end - 1) / PAGE_SET_WORD;
    u64 word = page_set_next(held, harvest->first / PAGE_SET_WORD);

    for (; word <= end; word = page_set_next(held, word + 1)) {
        report(harvest, word, page_set_take(held, word, mask_of(harvest, word)));
        if (word % PAGE_SET_WORDS == PAGE_SET_WORDS - 1)
            port_yield();
    }
}

void dirty_log_collect(struct vm_memory *vm, struct dirty_log *log, enum dirty_user user, u64 first, u64 end,
                       const struct page_set *only, struct page_set *report)
{
    TABLE_CACHE(cache);
    TLB_GATHER(gather, vm);
    const struct harvest harvest = { vm, log, user, first, end, only, report, &cache, &gather };
    const struct page_set *guide = only != NULL ? only : &log->written;
    u64 last = (end - 1) / PAGE_SET_WORD, word = page_set_next(guide, first / PAGE_SET_WORD);

    while (word <= last) {
        collect_region(&harvest, word);
        word = page_set_next(guide, (word | (ARM_WORDS - 1)) + 1);
        /* One region at a time is a bounded step. */
        if (word <= last)
            port_yield();
    }
    /* Before anybody hears of it: what is written after the report is logged anew (C11). */
    tlb_gather_finish(&gather);
    take_held(&harvest);
}

/* Puts what `set` has into the report and leaves it there. */
static void copy_words(const struct harvest *harvest, const struct page_set *set)
{
    u64 last = (harvest->end - 1) / PAGE_SET_WORD, word = page_set_next(set, harvest->first / PAGE_SET_WORD);

    for (; word <= last; word = page_set_next(set, word + 1)) {
        report(harvest, word, page_set_get(set, word) & mask_of(harvest, word));
        if (word % PAGE_SET_WORDS == PAGE_SET_WORDS - 1)
            port_yield();
    }
}

static void harvest_log(struct vm_memory *vm, struct dirty_log *log, enum dirty_user user, u64 first, u64 end,
                        struct page_set *report)
{
    const struct harvest harvest = { .vm = vm, .user = user, .first = first, .end = end, .report = report };

    if (!log->manual[user]) {
        dirty_log_collect(vm, log, user, first, end, NULL, report);
        return;
    }
    copy_words(&harvest, &log->written);
    copy_words(&harvest, &log->held[user]);
}

/* The part of [first, end) that the set can hold. False: none. */
static bool clip(const struct page_set *set, u64 *first, u64 *end)
{
    if (*first < set->first)
        *first = set->first;
    if (*end > set->end)
        *end = set->end;
    return *first < *end;
}

int vm_memory_harvest(struct vm_memory *vm, u32 id, enum dirty_user user, gfn_t first, u64 npages,
                      struct page_set *report)
{
    struct memslot_set *set = memslots_read_begin(&vm->slots);
    const struct memslot *slot = memslots_find_id(set, id);
    u64 from = first.v, end = range_ends_within(from, npages, vm_gfn_limit()) ? from + npages : vm_gfn_limit();
    struct dirty_log *log = slot == NULL ? NULL : memslots_log(set, slot);
    int error = -ENOENT;

    if (log != NULL) {
        dirty_log_begin(log);
        if (dirty_log_has(log, user))
            error = 0;
        /* What the report cannot hold, because the slot has moved, stays in the log. */
        if (error == 0 && clip(report, &from, &end) && clip(&log->written, &from, &end))
            harvest_log(vm, log, user, from, end, report);
        dirty_log_end(log);
    }
    memslots_read_end(set);
    return error;
}

int vm_memory_rearm(struct vm_memory *vm, u32 id, enum dirty_user user, const struct page_set *pages)
{
    struct memslot_set *set = memslots_read_begin(&vm->slots);
    const struct memslot *slot = memslots_find_id(set, id);
    struct dirty_log *log = slot == NULL ? NULL : memslots_log(set, slot);
    int error = -ENOENT;

    if (log != NULL) {
        dirty_log_begin(log);
        if (dirty_log_has(log, user)) {
            dirty_log_collect(vm, log, user, log->written.first, log->written.end, pages, NULL);
            error = 0;
        }
        dirty_log_end(log);
    }
    memslots_read_end(set);
    return error;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/audit.h. Written without the code that it judges where that is possible: it walks the tables itself. */
#include "mm/audit.h"

#include "mm/atomic.h"
#include "mm/dirty_log.h"
#include "mm/frame.h"
#include "mm/frame_record.h"
#include "mm/mapping_level.h"
#include "mm/port.h"
#include "mm/pte.h"
#include "mm/vm.h"

struct audit {
    struct vm_memory *vm;
    struct memslot_set *set;
    unsigned violations;
    u64 pass; /* marks the records that were reached */
    u64 tables;
    u64 mapped[LEVEL_1G + 1];
};

/* A table as the place where it was found says that it should be. */
struct place {
    gfn_t gfn;
    union role role;
    const struct view *view; /* of the root */
    bool dying;              /* the root; then the role may be that of a view as it was */
};

#define VIOLATION(audit, format, ...)            \
    do {                                         \
        (audit)->violations++;                   \
        port_log("audit: " format, __VA_ARGS__); \
    } while (false)

static u64 permitted(const struct memslot *slot, const struct backing_page *page, const struct place *place, gfn_t gfn)
{
    u64 permissions = slot->flags & MEMSLOT_READ_ONLY || !page->writable ? EPT_READ | EPT_EXECUTE : EPT_PERMISSIONS;

    return permissions & view_permissions(place->role.view == 0 ? NULL : place->view, gfn);
}

/*
 * In a slot that is logged: a leaf through which a page can be written without anybody noticing, and the page is not in the
 * log. `dirty` says what of the leaf lets that happen.
 */
static void audit_log(struct audit *audit, const struct memslot *slot, u64 entry, enum level level, gfn_t gfn)
{
    u64 dirty = mm_caps()->log_modifications && level == LEVEL_4K ? EPT_DIRTY : EPT_WRITE;
    const struct dirty_log *log = memslots_log(audit->set, slot);

    if (log == NULL || !atomic_read(&log->armed) || !(entry & dirty))
        return;
    for (u64 page = gfn.v; page < gfn.v + level_pages(level); page++) {
        if (!page_set_has(&log->written, page)) {
            VIOLATION(audit, "C10: gfn %#llx, level %d: entry %#llx is not armed and gfn %#llx not in the log",
                      (unsigned long long)gfn.v, level, (unsigned long long)entry, (unsigned long long)page);
            return;
        }
    }
}

/*
 * Whether a leaf maps what its slot says (C4, C5), as large as it says at most (C6), with no more permission. Where writes
 * are logged a large one may have been left (C2): audit_log() says how.
 */
static void audit_leaf(struct audit *audit, u64 entry, const struct place *place, gfn_t gfn)
{
    const struct memslot *slot = memslots_find(audit->set, gfn);
    enum level level = place->role.level;
    struct backing_page page;

    if (level > LEVEL_1G) {
        VIOLATION(audit, "gfn %#llx: a leaf of level %d", (unsigned long long)gfn.v, level);
        return;
    }
    audit->mapped[level]++;
    if (slot == NULL) {
        VIOLATION(audit, "M3: gfn %#llx is mapped without a slot", (unsigned long long)gfn.v);
        return;
    }
    if (backing_lookup(slot->backing, memslot_page(slot, gfn), &page) != 0 || page.pfn.v != ept_frame(entry).v) {
        VIOLATION(audit, "C4: gfn %#llx leads to frame %#llx, not to the backing's", (unsigned long long)gfn.v,
                  (unsigned long long)ept_frame(entry).v);
        return;
    }
    if (page.level < level || mapping_piece(slot, gfn) < level)
        VIOLATION(audit, "C5: gfn %#llx is mapped at level %d", (unsigned long long)gfn.v, level);
    u64 has = entry & EPT_MAY_WRITE ? entry | EPT_WRITE : entry;
    if (!place->dying && !ept_permits(permitted(slot, &page, place, gfn), has & EPT_PERMISSIONS))
        VIOLATION(audit, "gfn %#llx: entry %#llx permits too much", (unsigned long long)gfn.v,
                  (unsigned long long)entry);
    if ((entry & EPT_TYPE) != EPT_TYPE_WB || ((entry & EPT_LARGE) != 0) != (level > LEVEL_4K) ||
        ept_frame(entry).v % level_pages(level) != 0 || pfn_to_hpa(ept_frame(entry)).v >> mm_caps()->physical_bits != 0)
        VIOLATION(audit, "gfn %#llx: entry %#llx is malformed", (unsigned long long)gfn.v, (unsigned long long)entry);
    if (level > LEVEL_4K && entry & EPT_EXECUTE && mm_caps()->nx_large)
        VIOLATION(audit, "C7: gfn %#llx: the large entry %#llx is executable", (unsigned long long)gfn.v,
                  (unsigned long long)entry);
    /* Nobody is in a dying root. */
    if (!place->dying)
        audit_log(audit, slot, entry, level, gfn);
}

static void audit_table(struct audit *audit, pfn_t frame, const struct place *place);

static void audit_entries(struct audit *audit, const struct shadow_page *page, const struct place *place)
{
    const u64 *entries = port_frame_address(page->frame);
    enum level level = place->role.level;
    u64 present = 0;

    for (unsigned i = 0; i < EPT_ENTRIES; i++) {
        u64 entry = pte_read(&entries[i]);
        gfn_t first = { place->gfn.v + i * level_pages(level) };
        gfn_t end = { first.v + level_pages(level) };

        present += ept_is_present(entry);
        if (ept_is_leaf(entry, level)) {
            audit_leaf(audit, entry, place, first);
        } else if (ept_is_present(entry)) {
            struct place below = { first, place->role, place->view, place->dying };

            below.role.level = level - 1;
            if (place->role.view != 0 && !view_differs(place->view, first, end))
                below.role.view = 0;
            audit_table(audit, ept_frame(entry), &below);
        } else if (entry != EPT_EMPTY && !(ept_is_marker(entry) && level == LEVEL_4K)) {
            VIOLATION(audit, "gfn %#llx: the absent entry %#llx is not empty", (unsigned long long)first.v,
                      (unsigned long long)entry);
        }
    }
    if (present != counter_read(&page->present))
        VIOLATION(audit, "H7: the table at gfn %#llx level %d has %llu entries, not %llu",
                  (unsigned long long)place->gfn.v, level, (unsigned long long)present,
                  (unsigned long long)counter_read(&page->present));
}

static void audit_table(struct audit *audit, pfn_t frame, const struct place *place)
{
    struct shadow_page *page = frame_record_get(frame);

    if (page == NULL || page->frame.v != frame.v) {
        VIOLATION(audit, "H1: the table at gfn %#llx level %d has no record", (unsigned long long)place->gfn.v,
                  place->role.level);
        return;
    }
    if (page->gfn.v != place->gfn.v || (page->role.word != place->role.word && !place->dying))
        VIOLATION(audit, "H3: the table at gfn %#llx role %#x is recorded as gfn %#llx role %#x",
                  (unsigned long long)place->gfn.v, place->role.word, (unsigned long long)page->gfn.v, page->role.word);
    if (page->generation != audit->vm->spt.generation && !place->dying)
        VIOLATION(audit, "G1: the table at gfn %#llx is of an old generation", (unsigned long long)place->gfn.v);
    if (page->audited == audit->pass) {
        page->audit_references++;
        return;
    }
    page->audited = audit->pass;
    page->audit_references = 1;
    audit->tables++;
    audit_entries(audit, page, place);
}

static void audit_roots(struct audit *audit, const struct list_node *roots, bool dying)
{
    for (const struct list_node *node = roots->next; node != roots; node = node->next) {
        const struct spt_root *root = container_of(node, struct spt_root, link);
        struct place place = { .gfn = { 0 }, .view = root->view, .dying = dying };

        place.role = dying ? root->page->role : spt_role(root->view, place.gfn, root->top);
        audit_table(audit, root->page->frame, &place);
    }
}

static void audit_listed(struct audit *audit, const struct shadow_page *page)
{
    struct shadow_hash *hash = audit->vm->spt.hash;

    if (page->audited != audit->pass)
        VIOLATION(audit, "H1: the table of gfn %#llx role %#x is not reachable", (unsigned long long)page->gfn.v,
                  page->role.word);
    else if (page->audit_references != page->references)
        VIOLATION(audit, "H1: the table of gfn %#llx role %#x has %llu references, not %llu",
                  (unsigned long long)page->gfn.v, page->role.word, (unsigned long long)page->audit_references,
                  (unsigned long long)page->references);
    if (hash != NULL && shadow_hash_find(hash, page) != page)
        VIOLATION(audit, "H2: the table of gfn %#llx role %#x is not the one that the hash finds",
                  (unsigned long long)page->gfn.v, page->role.word);
}

static void audit_tree(struct audit *audit)
{
    struct spt *spt = &audit->vm->spt;
    u64 listed = 0;

    audit_roots(audit, &spt->roots, false);
    audit_roots(audit, &spt->dying, true);
    for (const struct list_node *node = spt->pages.next; node != &spt->pages; node = node->next) {
        listed++;
        audit_listed(audit, container_of(node, struct shadow_page, link));
    }
    if (listed != audit->tables || counter_read(&spt->tables) != audit->tables)
        VIOLATION(audit, "H1: %llu tables are reachable, %llu listed, %llu counted", (unsigned long long)audit->tables,
                  (unsigned long long)listed, (unsigned long long)counter_read(&spt->tables));
    if (spt->hash != NULL && shadow_hash_count(spt->hash) != listed)
        VIOLATION(audit, "H2: the hash has %llu tables, %llu are listed",
                  (unsigned long long)shadow_hash_count(spt->hash), (unsigned long long)listed);
    for (enum level level = LEVEL_4K; level <= LEVEL_1G; level++) {
        if (audit->mapped[level] != spt_mapped(spt, level))
            VIOLATION(audit, "H7: %llu leaves of level %d, %llu counted", (unsigned long long)audit->mapped[level],
                      level, (unsigned long long)spt_mapped(spt, level));
    }
}

static void audit_slot(struct audit *audit, const struct memslot *slot)
{
    hva_t first = { backing_hva(slot->backing).v + slot->offset * PAGE_SIZE };
    const struct memslot *found = memslots_first_hva(audit->set, first, first);

    if (slot->invalid[0] != slot->invalid[1])
        VIOLATION(audit, "M5: slot %u is invalid in one set", slot->id);
    if (memslots_find_id(audit->set, slot->id) != slot)
        VIOLATION(audit, "M5: slot %u is not found by its id", slot->id);
    while (found != NULL && found != slot)
        found = memslots_next_hva(audit->set, found, first, first);
    if (found == NULL)
        VIOLATION(audit, "M7: slot %u is not found by its hva", slot->id);
}

static void audit_slots(struct audit *audit)
{
    const struct memslot_set *set = audit->vm->slots.set;
    const struct memslot *other = memslots_first(&set[1]);
    u64 count = 0, end = 0;

    for (struct memslot *slot = memslots_first(&set[0]); slot != NULL; slot = memslots_next(&set[0], slot)) {
        count++;
        if (slot != other)
            VIOLATION(audit, "M5: slot %u is not at the same place of both sets", slot->id);
        if (other != NULL)
            other = memslots_next(&set[1], other);
        if (slot->base.v < end)
            VIOLATION(audit, "M7: slot %u overlaps the one below", slot->id);
        end = memslot_end(slot).v;
        audit_slot(audit, slot);
    }
    if (other != NULL || set[0].count != count || set[1].count != count || set[0].generation != set[1].generation)
        VIOLATION(audit, "M5: the sets differ: %llu and %llu slots, generation %llu and %llu",
                  (unsigned long long)set[0].count, (unsigned long long)set[1].count,
                  (unsigned long long)set[0].generation, (unsigned long long)set[1].generation);
}

unsigned vm_memory_audit(struct vm_memory *vm)
{
    static u64 pass;
    struct audit audit = { .vm = vm, .pass = ++pass, .set = memslots_read_begin(&vm->slots) };

    audit_slots(&audit);
    audit_tree(&audit);
    memslots_read_end(audit.set);
    return audit.violations;
}

/* Tables that vCPUs hold for their next fault. */
static u64 cached_tables(const struct vm_memory *vm)
{
    u64 count = 0;

    for (const struct list_node *node = vm->vcpus.next; node != &vm->vcpus; node = node->next)
        count += container_of(node, struct vcpu_memory, link)->cache.count;
    return count;
}

unsigned mm_audit(void)
{
    struct audit audit = { 0 };
    struct frame_stats frames = frame_get_stats();
    u64 tables = 0;

    for (struct vm_memory *vm = vm_next(NULL); vm != NULL; vm = vm_next(vm)) {
        audit.violations += vm_memory_audit(vm);
        tables += counter_read(&vm->spt.tables) + cached_tables(vm);
    }
    if (tables != frames.used[FRAME_TABLE])
        VIOLATION(&audit, "H1: the VMs have %llu tables, %llu frames are tables", (unsigned long long)tables,
                  (unsigned long long)frames.used[FRAME_TABLE]);
    if (backing_audit_frames() != frames.used[FRAME_GUEST])
        VIOLATION(&audit, "R3: the backings have %llu frames, %llu frames are guests'",
                  (unsigned long long)backing_audit_frames(), (unsigned long long)frames.used[FRAME_GUEST]);
    return audit.violations;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* See mm/audit.h. Written without the code that it judges where that is possible: it walks the tables itself. */
#include "mm/audit.h"

#include "mm/atomic.h"
#include "mm/frame.h"
#include "mm/frame_record.h"
#include "mm/mapping_level.h"
#include "mm/port.h"
#include "mm/pte.h"
#include "mm/vm.h"

struct audit {
    struct vm_memory *vm;
    unsigned violations;
    u64 pass; /* marks the records that were reached */
    u64 tables;
    u64 mapped[LEVEL_1G + 1];
};

#define VIOLATION(audit, format, ...)            \
    do {                                         \
        (audit)->violations++;                   \
        port_log("audit: " format, __VA_ARGS__); \
    } while (false)

/* Whether a leaf maps what its slot says (C4, C5), as large as it says at most (C6, C9). */
static void audit_leaf(struct audit *audit, u64 entry, enum level level, gfn_t gfn)
{
    const struct memslot *slot = memslots_find(&audit->vm->slots, gfn);
    enum level piece;
    pfn_t pfn;

    if (level > LEVEL_1G) {
        VIOLATION(audit, "gfn %#llx: a leaf of level %d", (unsigned long long)gfn.v, level);
        return;
    }
    audit->mapped[level]++;
    if (slot == NULL) {
        VIOLATION(audit, "M3: gfn %#llx is mapped without a slot", (unsigned long long)gfn.v);
        return;
    }
    if (backing_lookup(slot->backing, memslot_page(slot, gfn), &pfn, &piece) != 0 || pfn.v != ept_frame(entry).v)
        VIOLATION(audit, "C4: gfn %#llx leads to frame %#llx, not to the backing's", (unsigned long long)gfn.v,
                  (unsigned long long)ept_frame(entry).v);
    else if (mapping_level(slot, gfn, piece) < level)
        VIOLATION(audit, "C5: gfn %#llx is mapped at level %d", (unsigned long long)gfn.v, level);
    if (slot->flags & MEMSLOT_READ_ONLY && entry & EPT_WRITE)
        VIOLATION(audit, "gfn %#llx is writable in a read-only slot", (unsigned long long)gfn.v);
    if ((entry & EPT_TYPE) != EPT_TYPE_WB || ((entry & EPT_LARGE) != 0) != (level > LEVEL_4K) ||
        ept_frame(entry).v % level_pages(level) != 0 || pfn_to_hpa(ept_frame(entry)).v >> mm_caps()->physical_bits != 0)
        VIOLATION(audit, "gfn %#llx: entry %#llx is malformed", (unsigned long long)gfn.v, (unsigned long long)entry);
}

static void audit_table(struct audit *audit, const struct shadow_page *parent, pfn_t frame, gfn_t gfn, union role role)
{
    struct shadow_page *page = frame_record_get(frame);
    const u64 *entries = port_frame_address(frame);
    enum level level = role.level;
    u64 present = 0;

    if (page == NULL || page->frame.v != frame.v) {
        VIOLATION(audit, "H1: the table at gfn %#llx level %d has no record", (unsigned long long)gfn.v, level);
        return;
    }
    if (page->audited == audit->pass) {
        VIOLATION(audit, "H2: the table at gfn %#llx level %d is reached twice", (unsigned long long)gfn.v, level);
        return;
    }
    page->audited = audit->pass;
    audit->tables++;
    if (page->gfn.v != gfn.v || page->role.word != role.word || page->parent != parent)
        VIOLATION(audit, "H3: the table at gfn %#llx level %d is recorded as gfn %#llx role %#x",
                  (unsigned long long)gfn.v, level, (unsigned long long)page->gfn.v, page->role.word);

    for (unsigned i = 0; i < EPT_ENTRIES; i++) {
        u64 entry = pte_read(&entries[i]);
        gfn_t first = { gfn.v + i * level_pages(level) };

        present += ept_is_present(entry);
        if (ept_is_leaf(entry, level)) {
            audit_leaf(audit, entry, level, first);
        } else if (ept_is_present(entry)) {
            union role child = role;

            child.level = level - 1;
            audit_table(audit, page, ept_frame(entry), first, child);
        } else if (entry != EPT_EMPTY) {
            VIOLATION(audit, "gfn %#llx: the absent entry %#llx is not empty", (unsigned long long)first.v,
                      (unsigned long long)entry);
        }
    }
    if (present != counter_read(&page->present))
        VIOLATION(audit, "H7: the table at gfn %#llx level %d has %llu entries, not %llu", (unsigned long long)gfn.v,
                  level, (unsigned long long)present, (unsigned long long)counter_read(&page->present));
}

static void audit_tree(struct audit *audit)
{
    const struct spt *spt = &audit->vm->spt;
    u64 listed = 0;

    audit_table(audit, NULL, spt->root->frame, (gfn_t){ 0 }, spt->root->role);
    for (const struct list_node *node = spt->pages.next; node != &spt->pages; node = node->next) {
        const struct shadow_page *page = container_of(node, struct shadow_page, link);

        listed++;
        if (page->audited != audit->pass)
            VIOLATION(audit, "H1: the table of gfn %#llx role %#x is not reachable", (unsigned long long)page->gfn.v,
                      page->role.word);
    }
    if (listed != audit->tables || counter_read(&spt->tables) != audit->tables)
        VIOLATION(audit, "H1: %llu tables are reachable, %llu listed, %llu counted", (unsigned long long)audit->tables,
                  (unsigned long long)listed, (unsigned long long)counter_read(&spt->tables));
    for (enum level level = LEVEL_4K; level <= LEVEL_1G; level++) {
        if (audit->mapped[level] != counter_read(&spt->mapped[level]))
            VIOLATION(audit, "H7: %llu leaves of level %d, %llu counted", (unsigned long long)audit->mapped[level],
                      level, (unsigned long long)counter_read(&spt->mapped[level]));
    }
}

static void audit_slots(struct audit *audit)
{
    struct memslots *slots = &audit->vm->slots;
    const struct memslot *other = memslots_first(slots, 1);
    u64 count = 0, end = 0;

    for (struct memslot *slot = memslots_first(slots, 0); slot != NULL; slot = memslots_next(slot, 0)) {
        count++;
        if (slot != other)
            VIOLATION(audit, "M5: slot %u is not at the same place of both sets", slot->id);
        if (other != NULL)
            other = memslots_next(other, 1);
        if (slot->base.v < end)
            VIOLATION(audit, "M7: slot %u overlaps the one below", slot->id);
        end = memslot_end(slot).v;
        if (slot->node[0].invalid != slot->node[1].invalid)
            VIOLATION(audit, "M5: slot %u is invalid in one set", slot->id);
        if (memslots_find_id(slots, slot->id) != slot)
            VIOLATION(audit, "M5: slot %u is not found by its id", slot->id);

        hva_t first = { backing_hva(slot->backing).v + slot->offset * PAGE_SIZE };
        const struct memslot *found = memslots_first_hva(slots, first, first);
        while (found != NULL && found != slot)
            found = memslots_next_hva(slots, found, first, first);
        if (found == NULL)
            VIOLATION(audit, "M7: slot %u is not found by its hva", slot->id);
    }
    if (other != NULL || slots->set[0].count != count || slots->set[1].count != count ||
        slots->set[0].generation != slots->set[1].generation)
        VIOLATION(audit, "M5: the sets differ: %llu and %llu slots, generation %llu and %llu",
                  (unsigned long long)slots->set[0].count, (unsigned long long)slots->set[1].count,
                  (unsigned long long)slots->set[0].generation, (unsigned long long)slots->set[1].generation);
}

unsigned vm_memory_audit(struct vm_memory *vm)
{
    static u64 pass;
    struct audit audit = { .vm = vm, .pass = ++pass };

    audit_slots(&audit);
    audit_tree(&audit);
    return audit.violations;
}

unsigned mm_audit(void)
{
    struct audit audit = { 0 };
    struct frame_stats frames = frame_get_stats();
    u64 tables = 0;

    for (struct vm_memory *vm = vm_next(NULL); vm != NULL; vm = vm_next(vm)) {
        audit.violations += vm_memory_audit(vm);
        tables += counter_read(&vm->spt.tables);
    }
    if (tables != frames.used[FRAME_TABLE])
        VIOLATION(&audit, "H1: the VMs have %llu tables, %llu frames are tables", (unsigned long long)tables,
                  (unsigned long long)frames.used[FRAME_TABLE]);
    if (backing_audit_frames() != frames.used[FRAME_GUEST])
        VIOLATION(&audit, "R3: the backings have %llu frames, %llu frames are guests'",
                  (unsigned long long)backing_audit_frames(), (unsigned long long)frames.used[FRAME_GUEST]);
    return audit.violations;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* See tests/explorer/guest.h. The walk knows the format of the entries, and nothing else of mm/. */
#include "tests/explorer/guest.h"

#include "mm/atomic.h"
#include "mm/dirty_log.h"
#include "mm/ept.h"
#include "mm/port.h"
#include "tests/explorer/explorer.h"
#include "tests/explorer/machine.h"

enum { TRIES = 100, A_BIT = 1u << 8, D_BIT = 1u << 9 };

void guest_init(struct guest *guest, struct vm_memory *vm)
{
    *guest = (struct guest){ .sets_bits = false };
    vcpu_memory_init(&guest->vcpu, vm);
}

void guest_destroy(struct guest *guest)
{
    vcpu_memory_destroy(&guest->vcpu);
}

static void enter(struct guest *guest)
{
    struct vcpu_entry entry = vcpu_memory_enter(&guest->vcpu);

    EXPECT(entry.invept || entry.root.v == guest->root.v);
    if (entry.invept) {
        guest->cached = 0;
        guest->has_pointer = false;
    }
    guest->root = entry.root;
    guest->levels = entry.levels;
    guest->logs = entry.log;
    guest->inside = true;
}

void guest_leave(struct guest *guest)
{
    if (!guest->inside)
        return;
    if (guest->logs)
        vm_memory_log_writes(&guest->vcpu, guest->log, guest->logged);
    guest->logged = 0;
    vcpu_memory_leave(&guest->vcpu);
    guest->inside = false;
}

static struct guest_translation *find(struct guest *guest, gfn_t gfn)
{
    for (unsigned i = 0; i < guest->cached; i++) {
        if (guest->tlb[i].gfn.v == gfn.v)
            return &guest->tlb[i];
    }
    return NULL;
}

static void remember(struct guest *guest, struct guest_translation translation)
{
    struct guest_translation *at = find(guest, translation.gfn);

    if (at == NULL)
        at = &guest->tlb[guest->cached < GUEST_TLB ? guest->cached++ : 0];
    *at = translation;
}

/* One entry, as the processor reads it, with the bits that it sets. */
static u64 read_entry(struct guest *guest, pfn_t table, gfn_t gfn, unsigned level, u64 needed)
{
    u64 *at = (u64 *)port_frame_address(table) + (gfn.v >> 9 * (level - 1) & 511);

    for (;;) {
        u64 entry = atomic_read(at);

        if (entry == FREED)
            explorer_fail("a processor walks through a table that was freed (level %u of gfn %#llx)", level,
                          (unsigned long long)gfn.v);

        bool is_leaf = level == 1 || (entry & EPT_LARGE) != 0;
        u64 set = entry | A_BIT | (is_leaf && (needed & EPT_WRITE) != 0 ? D_BIT : 0);
        if (!guest->sets_bits || set == entry || (entry & EPT_PERMISSIONS) == 0 || (needed & ~entry) != 0)
            return entry;
        if (atomic_cmpxchg(at, &entry, set)) {
            if (guest->logs && (set & ~entry & D_BIT) != 0)
                guest->log[guest->logged++] = gfn.v << 12;
            return set;
        }
    }
}

/* Where the tables lead now. False: EPT violation. */
static bool walk(struct guest *guest, gfn_t gfn, u64 needed, struct guest_translation *found)
{
    unsigned level = guest->levels;
    pfn_t table = guest->root;
    u64 permissions = EPT_PERMISSIONS;

    if (guest->has_pointer && guest->pointer_gfn.v == (gfn.v & ~511ull)) {
        level = 1;
        table = guest->pointer;
    }
    for (;; level--) {
        u64 entry = read_entry(guest, table, gfn, level, needed);

        permissions &= entry;
        if ((entry & EPT_PERMISSIONS) == 0 || (needed & ~permissions) != 0)
            return false;
        pfn_t frame = { (entry & EPT_ADDRESS) >> 12 };
        if (level == 1 || (entry & EPT_LARGE) != 0) {
            u64 offset = gfn.v & ((1ull << 9 * (level - 1)) - 1);

            *found = (struct guest_translation){ gfn, { frame.v + offset }, permissions, (entry & D_BIT) != 0 };
            return true;
        }
        table = frame;
        if (level == 2) {
            guest->has_pointer = true;
            guest->pointer_gfn = (gfn_t){ gfn.v & ~511ull };
            guest->pointer = table;
        }
    }
}

/* Translations that deny are not used (SDM: the processor walks again before it faults). */
static bool translate(struct guest *guest, gfn_t gfn, u64 needed, pfn_t *pfn)
{
    struct guest_translation *cached, found;

    if (guest->inside && guest->logged == GUEST_LOG)
        guest_leave(guest);
    if (!guest->inside)
        enter(guest);
    cached = find(guest, gfn);
    if (cached != NULL && (needed & ~cached->permissions) == 0 &&
        (cached->dirty || !guest->sets_bits || (needed & EPT_WRITE) == 0)) {
        *pfn = cached->pfn;
        return true;
    }
    if (!walk(guest, gfn, needed, &found)) {
        /* A violation also drops what is cached for the address, and the pointers to it. */
        guest->has_pointer = false;
        if (cached != NULL)
            *cached = guest->tlb[--guest->cached];
        return false;
    }
    remember(guest, found);
    *pfn = found.pfn;
    return true;
}

static enum fault_result reach(struct guest *guest, u64 gpa, u32 access, u64 **word)
{
    enum fault_result result = FAULT_SPURIOUS; /* so is what is resolved inside */
    gfn_t gfn = { gpa >> 12 };
    pfn_t pfn;

    for (unsigned tries = 0; !translate(guest, gfn, access, &pfn); tries++) {
        guest->faults++;
        if (tries > TRIES)
            explorer_fail("%u faults at gpa %#llx, the last with result %d", tries, (unsigned long long)gpa, result);
        if (guest->resolves_inside && vcpu_memory_fault_inside(&guest->vcpu, (gpa_t){ gpa }, access))
            continue;
        guest_leave(guest);
        result = vm_memory_fault(&guest->vcpu, (gpa_t){ gpa }, access);
        if (result == FAULT_RETRY)
            port_yield();
        else if (result != FAULT_INSTALLED && result != FAULT_SPURIOUS)
            return result;
    }
    *word = (u64 *)port_frame_address(pfn) + gpa % 4096 / sizeof(u64);
    return FAULT_INSTALLED;
}

enum fault_result guest_read(struct guest *guest, u64 gpa, u64 *value)
{
    u64 *word;
    enum fault_result result = reach(guest, gpa, ACCESS_READ, &word);

    if (result == FAULT_INSTALLED) {
        *value = atomic_read(word);
        if (*value == FREED)
            explorer_fail("a guest reads a frame that was freed, at gpa %#llx", (unsigned long long)gpa);
    }
    return result;
}

enum fault_result guest_write(struct guest *guest, u64 gpa, u64 value)
{
    u64 *word;
    enum fault_result result = reach(guest, gpa, ACCESS_WRITE, &word);

    if (result != FAULT_INSTALLED)
        return result;
    if (atomic_xchg(word, value) == FREED)
        explorer_fail("a guest writes to a frame that was freed, at gpa %#llx", (unsigned long long)gpa);
    if (guest->wrote != NULL)
        guest->wrote(gpa);
    return result;
}

enum fault_result guest_execute(struct guest *guest, u64 gpa)
{
    u64 *word;
    enum fault_result result = reach(guest, gpa, ACCESS_EXECUTE, &word);

    if (result == FAULT_INSTALLED && atomic_read(word) == FREED)
        explorer_fail("a guest executes a frame that was freed, at gpa %#llx", (unsigned long long)gpa);
    return result;
}

u64 guest_load(struct guest *guest, u64 gpa)
{
    u64 value = 0;
    enum fault_result result = guest_read(guest, gpa, &value);

    if (result != FAULT_INSTALLED)
        explorer_fail("a read at gpa %#llx ends with fault result %d", (unsigned long long)gpa, result);
    return value;
}

void guest_store(struct guest *guest, u64 gpa, u64 value)
{
    enum fault_result result = guest_write(guest, gpa, value);

    if (result != FAULT_INSTALLED)
        explorer_fail("a write at gpa %#llx ends with fault result %d", (unsigned long long)gpa, result);
}

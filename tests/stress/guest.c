/* SPDX-License-Identifier: BSD-2-Clause */
/* See tests/stress/guest.h. */
#include "tests/stress/guest.h"

#include <sched.h>
#include <time.h>

#include "tests/stress/stress.h"

/* Atomic: which VM the thread's vCPU is of, and whether it was kicked since it came in. */
static struct {
    struct vm_memory *vm;
    u64 kicked;
} processors[GUEST_THREADS];

enum { MAX_LATENCY = 32 };

void guest_kick(struct vm_memory *vm)
{
    for (unsigned i = 0; i < GUEST_THREADS; i++) {
        if (__atomic_load_n(&processors[i].vm, __ATOMIC_RELAXED) == vm)
            __atomic_store_n(&processors[i].kicked, 1, __ATOMIC_SEQ_CST);
    }
}

void guest_init(struct guest *guest, struct vm_memory *vm, u64 *seed)
{
    *guest = (struct guest){ .seed = seed };
    vcpu_memory_init(&guest->memory, vm);
    __atomic_store_n(&processors[port_processor()].vm, vm, __ATOMIC_SEQ_CST);
}

void guest_destroy(struct guest *guest)
{
    __atomic_store_n(&processors[port_processor()].vm, NULL, __ATOMIC_SEQ_CST);
    vcpu_memory_destroy(&guest->memory);
}

/* Of one context: what came from other roots stays. */
static void invept(struct guest *guest)
{
    for (unsigned i = 0; i < GUEST_TLB; i++) {
        if (guest->tlb[i].root.v == guest->entry.root.v)
            guest->tlb[i].root.v = 0;
    }
    for (unsigned i = 0; i < GUEST_TABLES; i++) {
        if (guest->tables[i].root.v == guest->entry.root.v)
            guest->tables[i].root.v = 0;
    }
}

void guest_enter(struct guest *guest)
{
    /* Interrupts are off from here on, so the flag is not lost. */
    __atomic_store_n(&processors[port_processor()].kicked, 0, __ATOMIC_SEQ_CST);
    guest->late = 0;
    guest->latency = chance(guest->seed, 4) ? 1 + (unsigned)random_below(guest->seed, MAX_LATENCY) : 0;
    guest->entry = vcpu_memory_enter(&guest->memory);
    if (guest->entry.invept)
        invept(guest);
}

void guest_leave(struct guest *guest)
{
    if (guest->logged != 0)
        vm_memory_log_writes(&guest->memory, guest->log, guest->logged);
    guest->logged = 0;
    vcpu_memory_leave(&guest->memory);
}

bool guest_may_stay(struct guest *guest)
{
    if (!__atomic_load_n(&processors[port_processor()].kicked, __ATOMIC_RELAXED)) {
        if (chance(guest->seed, 32))
            sched_yield();
        return true;
    }
    /* Others run while this one is inside, most of all those who believe that it is not any more. */
    if (guest->latency != 0)
        nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
    return guest->late++ < guest->latency;
}

/* Through the translation as it is remembered. */
static bool may_write(const struct guest_translation *known)
{
    return known->permissions & EPT_WRITE && (known->dirty || !mm_caps()->access_dirty);
}

bool guest_is_late(const struct guest *guest, gfn_t *gfn, u64 *needed)
{
    u64 first = random_below(guest->seed, GUEST_TLB);

    for (u64 i = 0; guest->late != 0 && i < GUEST_TLB; i++) {
        const struct guest_translation *known = &guest->tlb[(first + i) % GUEST_TLB];

        if (known->root.v == guest->entry.root.v) {
            *gfn = (gfn_t){ known->tag };
            *needed = EPT_READ | (may_write(known) ? EPT_WRITE : 0);
            return true;
        }
    }
    return false;
}

/* The allocator's lock would order what nothing else orders, and hide it from the sanitizer: so this is for some only. */
static void check_kind(struct guest *guest, pfn_t pfn, enum frame_kind kind)
{
    if (chance(guest->seed, guest->late != 0 ? 2 : 16))
        STRESS_CHECK(frame_kind_of(pfn) == kind);
}

/* What the processor notes in an entry that it uses. False: the entry has changed. */
static bool note_use(u64 *entry, u64 *value, u64 bits)
{
    if ((*value & bits) == bits)
        return true;
    if (!__atomic_compare_exchange_n(entry, value, *value | bits, false, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE))
        return false;
    *value |= bits;
    return true;
}

/* Which bits an access through an entry leaves set. */
static u64 bits_to_note(bool is_leaf, u64 needed)
{
    if (!mm_caps()->access_dirty)
        return 0;
    return is_leaf && needed & EPT_WRITE ? EPT_ACCESSED | EPT_DIRTY : EPT_ACCESSED;
}

static void remember(struct guest_translation *place, struct guest *guest, u64 tag, pfn_t pfn, u64 value)
{
    *place =
        (struct guest_translation){ guest->entry.root, tag, pfn, value & EPT_PERMISSIONS, (value & EPT_DIRTY) != 0 };
}

/* From the table, whose entries have `level`. */
static enum guest_result walk(struct guest *guest, pfn_t table, enum level level, gfn_t gfn, u64 needed, pfn_t *pfn)
{
    for (;; level--) {
        u64 *entry = (u64 *)port_frame_address(table) + (gfn.v >> 9 * (level - 1)) % 512;
        u64 value, bits;
        bool is_logged;

        check_kind(guest, table, FRAME_TABLE);
        if (level == 1)
            remember(&guest->tables[(gfn.v >> 9) % GUEST_TABLES], guest, gfn.v >> 9, table, 0);
        value = __atomic_load_n(entry, __ATOMIC_ACQUIRE);
        do {
            if ((value & 7) == 6)
                return GUEST_MISCONFIGURATION;
            if ((needed & ~value & 7) != 0)
                return GUEST_VIOLATION;
            bits = bits_to_note(level == 1 || value & 1u << 7, needed);
            is_logged = guest->entry.log && bits & ~value & EPT_DIRTY;
            if (is_logged && guest->logged == PML_ENTRIES)
                return GUEST_FULL;
        } while (!note_use(entry, &value, bits));
        if (is_logged)
            guest->log[guest->logged++] = gfn.v << PAGE_SHIFT;

        pfn_t next = { value >> 12 & ((1ull << 40) - 1) };
        if (level == 1 || value & 1u << 7) {
            pfn->v = next.v + gfn.v % (1ull << 9 * (level - 1));
            remember(&guest->tlb[gfn.v % GUEST_TLB], guest, gfn.v, *pfn, value);
            return GUEST_DONE;
        }
        table = next;
    }
}

static bool is_of(const struct guest_translation *place, const struct guest *guest, u64 tag)
{
    return place->root.v == guest->entry.root.v && place->tag == tag;
}

static enum guest_result translate(struct guest *guest, gfn_t gfn, u64 needed, pfn_t *pfn)
{
    struct guest_translation *known = &guest->tlb[gfn.v % GUEST_TLB];
    struct guest_translation *table = &guest->tables[(gfn.v >> 9) % GUEST_TABLES];

    if (is_of(known, guest, gfn.v) && (needed & ~known->permissions) == 0 &&
        (may_write(known) || !(needed & EPT_WRITE))) {
        *pfn = known->pfn;
        return GUEST_DONE;
    }
    if (is_of(table, guest, gfn.v >> 9) && chance(guest->seed, 2) &&
        walk(guest, table->pfn, LEVEL_4K, gfn, needed, pfn) == GUEST_DONE)
        return GUEST_DONE;

    /* Before it exits it looks anew, and what was cached for the address is gone. */
    enum guest_result result = walk(guest, guest->entry.root, guest->entry.levels, gfn, needed, pfn);
    if (result != GUEST_DONE) {
        known->root.v = is_of(known, guest, gfn.v) ? 0 : known->root.v;
        table->root.v = is_of(table, guest, gfn.v >> 9) ? 0 : table->root.v;
    }
    return result;
}

enum guest_result guest_translate(struct guest *guest, gfn_t gfn, u64 needed, unsigned word, u64 **address)
{
    pfn_t pfn;
    enum guest_result result = translate(guest, gfn, needed, &pfn);

    if (result == GUEST_DONE) {
        check_kind(guest, pfn, FRAME_GUEST);
        *address = (u64 *)port_frame_address(pfn) + word;
    }
    return result;
}

enum fault_result guest_fault(struct guest *guest, gfn_t gfn, u64 needed)
{
    return vm_memory_fault(&guest->memory, gfn_to_gpa(gfn), (u32)needed);
}

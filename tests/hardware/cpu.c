/* SPDX-License-Identifier: BSD-2-Clause */
/* See tests/hardware/cpu.h. */
#include "tests/hardware/cpu.h"

#include <string.h>

#include "tests/hardware/frame_watch.h"
#include "tests/unit/mm_support.h"

/* Of entries, from the manual, not from mm/ept.h. */
#define READ       1ull
#define WRITE      2ull
#define EXECUTE    4ull
#define ANY        7ull
#define TYPE       0x38ull
#define TYPE_WB    0x30ull
#define LARGE      0x80ull
#define ACCESSED   0x100ull
#define DIRTY      0x200ull
#define TABLE_ZERO 0xf8ull /* bits 7:3 of an entry that points to a table are reserved */

enum { DEVICE = WRITE | EXECUTE }; /* the deliberate misconfiguration of vm_memory_mark_device() */

static u64 below(struct cpu *cpu, u64 limit)
{
    return random_below(cpu->seed, limit);
}

void cpu_init(struct cpu *cpu, const struct mm_caps *caps, enum cpu_policy policy, u64 *seed)
{
    memset(cpu, 0, sizeof(*cpu));
    cpu->caps = caps;
    cpu->policy = policy;
    cpu->seed = seed;
    cpu->log_size = CPU_LOG;
}

void cpu_enter(struct cpu *cpu, pfn_t root, unsigned levels)
{
    cpu->in_guest = true;
    cpu->root = (struct cpu_pointer){ .ep4ta = root,
                                      .level = (enum level)levels,
                                      .table = root,
                                      .permissions = ANY,
                                      .serial = frame_watch(root).serial };
}

void cpu_leave(struct cpu *cpu)
{
    cpu->in_guest = false;
}

static bool translation_covers(const struct cpu_translation *translation, pfn_t ep4ta, gfn_t gfn)
{
    return translation->ep4ta.v == ep4ta.v && gfn.v - translation->first.v < level_pages(translation->level);
}

static bool pointer_covers(const struct cpu_pointer *pointer, pfn_t ep4ta, gfn_t gfn)
{
    return pointer->ep4ta.v == ep4ta.v && gfn.v - pointer->first.v < level_pages((enum level)(pointer->level + 1));
}

/* The order is kept: the first is the oldest. */
static void forget_translation(struct cpu *cpu, unsigned i)
{
    cpu->translation_count--;
    memmove(&cpu->translations[i], &cpu->translations[i + 1],
            (cpu->translation_count - i) * sizeof(cpu->translations[0]));
}

static void forget_pointer(struct cpu *cpu, unsigned i)
{
    cpu->pointer_count--;
    memmove(&cpu->pointers[i], &cpu->pointers[i + 1], (cpu->pointer_count - i) * sizeof(cpu->pointers[0]));
}

void cpu_invept(struct cpu *cpu, pfn_t root)
{
    for (unsigned i = cpu->translation_count; i-- > 0;) {
        if (cpu->translations[i].ep4ta.v == root.v)
            forget_translation(cpu, i);
    }
    for (unsigned i = cpu->pointer_count; i-- > 0;) {
        if (cpu->pointers[i].ep4ta.v == root.v)
            forget_pointer(cpu, i);
    }
}

/* "An EPT violation invalidates any guest-physical mappings (associated with the current EP4TA) that would be used to
 * translate the guest-physical address that caused the EPT violation." Of this processor, this address. */
static enum cpu_result violate(struct cpu *cpu, gfn_t gfn)
{
    for (unsigned i = cpu->translation_count; i-- > 0;) {
        if (translation_covers(&cpu->translations[i], cpu->root.ep4ta, gfn))
            forget_translation(cpu, i);
    }
    for (unsigned i = cpu->pointer_count; i-- > 0;) {
        if (pointer_covers(&cpu->pointers[i], cpu->root.ep4ta, gfn))
            forget_pointer(cpu, i);
    }
    return CPU_VIOLATION;
}

static void keep_translation(struct cpu *cpu, const struct cpu_translation *new)
{
    for (unsigned i = 0; i < cpu->translation_count; i++) {
        struct cpu_translation *old = &cpu->translations[i];

        if (old->ep4ta.v != new->ep4ta.v || old->first.v != new->first.v || old->level != new->level ||
            old->frame.v != new->frame.v || old->permissions != new->permissions)
            continue;
        /* D is remembered where the translation stands; that it is not set is no reason to forget that it was. */
        old->dirty = old->dirty || new->dirty;
        return;
    }
    if (cpu->translation_count == CPU_TRANSLATIONS)
        forget_translation(cpu, (unsigned)below(cpu, CPU_TRANSLATIONS));
    cpu->translations[cpu->translation_count++] = *new;
}

static void keep_pointer(struct cpu *cpu, const struct cpu_pointer *new)
{
    for (unsigned i = 0; i < cpu->pointer_count; i++) {
        const struct cpu_pointer *old = &cpu->pointers[i];

        if (old->ep4ta.v == new->ep4ta.v && old->first.v == new->first.v && old->level == new->level &&
            old->table.v == new->table.v && old->permissions == new->permissions && old->serial == new->serial)
            return;
    }
    if (cpu->pointer_count == CPU_POINTERS)
        forget_pointer(cpu, (unsigned)below(cpu, CPU_POINTERS));
    cpu->pointers[cpu->pointer_count++] = *new;
}

/* Section "EPT Misconfigurations". `entry` is present. */
static bool is_misconfigured(const struct cpu *cpu, u64 entry, enum level level)
{
    u64 address = entry & ((1ull << 52) - PAGE_SIZE);
    bool large = (entry & LARGE) != 0;

    if ((entry & READ) == 0 && ((entry & WRITE) != 0 || !cpu->caps->execute_only))
        return true;
    if (address >> cpu->caps->physical_bits != 0)
        return true;
    if (level != LEVEL_4K && !large)
        return (entry & TABLE_ZERO) != 0;
    if (level > LEVEL_1G || (level == LEVEL_1G && !cpu->caps->page_1g) || (level == LEVEL_2M && !cpu->caps->page_2m))
        return true;
    /* mm/ maps RAM, which is write-back: another type that the processor would take is an error too. */
    return (entry & TYPE) != TYPE_WB || (address & ((PAGE_SIZE << level_order(level)) - PAGE_SIZE)) != 0;
}

static bool is_live_table(const struct cpu_pointer *pointer)
{
    struct frame_use use = frame_watch(pointer->table);

    return use.kind == FRAME_TABLE && use.serial == pointer->serial;
}

static enum cpu_result report(struct cpu *cpu, enum cpu_error error)
{
    if (cpu->error == CPU_NO_ERROR)
        cpu->error = error;
    return CPU_MISCONFIGURED;
}

/* What a leaf says, as the TLB keeps it: sometimes only the part around `gfn`. */
static struct cpu_translation translation_of(struct cpu *cpu, const struct cpu_pointer *at, u64 entry, gfn_t gfn)
{
    bool fragment = cpu->policy == CPU_RANDOM && below(cpu, 4) == 0;
    u64 offset = gfn.v & (level_pages(at->level) - 1);

    return (struct cpu_translation){ .ep4ta = at->ep4ta,
                                     .first = { fragment ? gfn.v : gfn.v - offset },
                                     .level = fragment ? LEVEL_4K : at->level,
                                     .frame = { (entry & ((1ull << 52) - 1)) / PAGE_SIZE + (fragment ? offset : 0) },
                                     .permissions = at->permissions & (u32)(entry & ANY),
                                     .dirty = (entry & DIRTY) != 0 };
}

/* The processor has no room to log a modification: then it sets no bit at all, and exits. */
static bool is_log_full(const struct cpu *cpu)
{
    return cpu->logs && cpu->log_count >= cpu->log_size;
}

static void log_write(struct cpu *cpu, gfn_t gfn)
{
    if (!cpu->logs)
        return;
    cpu->log[cpu->log_count++] = gfn_to_gpa(gfn).v;
    cpu->logged++;
}

/*
 * `access` 0: nobody needs the result yet. Before something is kept its A bit is set, and that is one step with the check
 * that the entry still says the same.
 */
static enum cpu_result walk(struct cpu *cpu, struct cpu_pointer at, gfn_t gfn, u32 access,
                            struct cpu_translation *translation)
{
    cpu->walks++;
    while (true) {
        if (!is_live_table(&at))
            return report(cpu, CPU_FREED_TABLE);
        u64 *entry = (u64 *)port_frame_address(at.table) + (gfn.v >> level_order(at.level)) % 512;
        u64 value = __atomic_load_n(entry, __ATOMIC_ACQUIRE);
        u64 wanted;
        bool leaf;

        do {
            if ((value & ANY) == 0)
                return CPU_VIOLATION;
            if ((value & ANY) == DEVICE)
                return CPU_MISCONFIGURED;
            if (is_misconfigured(cpu, value, at.level))
                return report(cpu, CPU_MISCONFIGURATION);
            leaf = at.level == LEVEL_4K || (value & LARGE) != 0;
            if ((access & ~(at.permissions & value)) != 0)
                return CPU_VIOLATION;
            wanted = value;
            if (cpu->caps->access_dirty)
                wanted |= ACCESSED | (leaf && (access & WRITE) != 0 ? DIRTY : 0);
            if (wanted != value && is_log_full(cpu))
                return CPU_LOG_FULL;
        } while (wanted != value &&
                 !__atomic_compare_exchange_n(entry, &value, wanted, false, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE));

        if ((wanted & ~value & DIRTY) != 0)
            log_write(cpu, gfn);
        if (leaf) {
            *translation = translation_of(cpu, &at, wanted, gfn);
            keep_translation(cpu, translation);
            return CPU_HIT;
        }
        at.table = (pfn_t){ (wanted & ((1ull << 52) - 1)) / PAGE_SIZE };
        at.serial = frame_watch(at.table).serial;
        at.permissions &= (u32)(wanted & ANY);
        at.first = (gfn_t){ gfn.v & ~(level_pages(at.level) - 1) };
        at.level--;
        keep_pointer(cpu, &at);
    }
}

/* Where a walk for `gfn` may begin. */
static struct cpu_pointer choose_start(struct cpu *cpu, gfn_t gfn)
{
    struct cpu_pointer chosen = cpu->root;
    unsigned candidates = 1;

    for (unsigned i = 0; i < cpu->pointer_count; i++) {
        const struct cpu_pointer *pointer = &cpu->pointers[i];

        if (!pointer_covers(pointer, cpu->root.ep4ta, gfn))
            continue;
        if (cpu->policy == CPU_STALEST ? pointer->level < chosen.level : below(cpu, ++candidates) == 0)
            chosen = *pointer;
    }
    cpu->stale_walks += chosen.table.v != cpu->root.table.v;
    return chosen;
}

/* NULL: the access walks. */
static struct cpu_translation *choose_translation(struct cpu *cpu, gfn_t gfn)
{
    struct cpu_translation *chosen = NULL;
    unsigned candidates = 1;

    for (unsigned i = 0; i < cpu->translation_count; i++) {
        struct cpu_translation *translation = &cpu->translations[i];

        if (!translation_covers(translation, cpu->root.ep4ta, gfn))
            continue;
        if (cpu->policy == CPU_STALEST)
            return translation;
        if (below(cpu, ++candidates) != 0)
            chosen = translation;
    }
    return chosen;
}

/* Only to be counted: whether a write to `gfn` by a walk from the root would do more than one by the TLB does. */
static bool is_stale(const struct cpu *cpu, gfn_t gfn)
{
    struct cpu_pointer at = cpu->root;

    for (;; at.level--) {
        if (!is_live_table(&at))
            return true;
        const u64 *entry = (const u64 *)port_frame_address(at.table) + (gfn.v >> level_order(at.level)) % 512;
        u64 value = __atomic_load_n(entry, __ATOMIC_ACQUIRE);

        if ((value & (READ | WRITE)) != (READ | WRITE))
            return true;
        if (at.level == LEVEL_4K || (value & LARGE) != 0)
            return cpu->caps->access_dirty && (value & DIRTY) == 0;
        at.table = (pfn_t){ (value & ((1ull << 52) - 1)) / PAGE_SIZE };
        at.serial = frame_watch(at.table).serial;
    }
}

static void forget_something(struct cpu *cpu)
{
    if (cpu->policy != CPU_RANDOM || below(cpu, 16) != 0)
        return;
    if (cpu->translation_count > 0 && below(cpu, 2) == 0)
        forget_translation(cpu, (unsigned)below(cpu, cpu->translation_count));
    else if (cpu->pointer_count > 0)
        forget_pointer(cpu, (unsigned)below(cpu, cpu->pointer_count));
}

enum cpu_result cpu_access(struct cpu *cpu, gfn_t gfn, u32 access, pfn_t *frame)
{
    forget_something(cpu);

    struct cpu_translation *cached = choose_translation(cpu, gfn);
    if (cached != NULL && (access & ~cached->permissions) != 0)
        return violate(cpu, gfn);

    struct cpu_translation translation;
    if (cached != NULL && ((access & WRITE) == 0 || cached->dirty || !cpu->caps->access_dirty)) {
        translation = *cached;
        cpu->hits++;
        cpu->stale_writes += (access & WRITE) != 0 && is_stale(cpu, gfn);
    } else {
        enum cpu_result result = walk(cpu, choose_start(cpu, gfn), gfn, access, &translation);

        if (result == CPU_VIOLATION)
            return violate(cpu, gfn);
        if (result != CPU_HIT)
            return result;
    }
    *frame = (pfn_t){ translation.frame.v + (gfn.v - translation.first.v) };
    if (frame_watch(*frame).kind != FRAME_GUEST)
        return report(cpu, CPU_FREED_FRAME);
    return CPU_HIT;
}

void cpu_speculate(struct cpu *cpu, gfn_t gfn)
{
    struct cpu_translation translation;

    walk(cpu, choose_start(cpu, gfn), gfn, 0, &translation);
}

const char *cpu_error_text(enum cpu_error error)
{
    static const char *const texts[] = { [CPU_NO_ERROR] = "nothing",
                                         [CPU_FREED_TABLE] = "a walk through a frame that is not this table any more",
                                         [CPU_FREED_FRAME] = "an access to a frame that is not a guest's",
                                         [CPU_MISCONFIGURATION] = "an EPT misconfiguration" };

    return texts[error];
}

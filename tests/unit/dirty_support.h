/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of dirty logs share: two processors that write as hardware does, through what they remember of the tables
 * until they are kicked, with PML or without; and a mirror, as who copies a running guest has one. It takes over the pages of
 * each report after the report. A page that differs at the end is a write that was lost (C10, C11).
 */
#ifndef TESTS_UNIT_DIRTY_SUPPORT_H
#define TESTS_UNIT_DIRTY_SUPPORT_H

#include "mm/dirty_log.h"
#include "tests/unit/backing_support.h"
#include "tests/unit/view_support.h"

enum { SPACE = 6144, BUFFER = 512, FAULTS = 16 };
enum { REMEMBERED = 1 };

struct cpu {
    struct vcpu_memory vcpu;
    bool in_guest, log;
    u64 tlb[SPACE]; /* the address of a frame that is written without a look at the tables, and REMEMBERED; or 0 */
    u64 buffer[BUFFER];
    unsigned count;
};

static struct vm_memory *vm;
static struct cpu cpus[2];
static struct backing *backing; /* of slot 0 */
static u64 base, pages, offset; /* of slot 0 */
static u64 writes;              /* each leaves its number in the first word of its page */
static u64 mirror[SPACE];       /* by page of slot 0 */
static bool reported[SPACE];    /* by gfn, in the last report */

static inline bool pml(void)
{
    return mm_caps()->log_modifications;
}

/* ---- a processor */

static inline void enter(struct cpu *cpu)
{
    if (cpu->in_guest)
        return;
    struct vcpu_entry entry = vcpu_memory_enter(&cpu->vcpu);
    if (entry.invept)
        memset(cpu->tlb, 0, sizeof(cpu->tlb));
    cpu->log = entry.log;
    cpu->in_guest = true;
}

static inline void leave(struct cpu *cpu)
{
    if (!cpu->in_guest)
        return;
    cpu->in_guest = false;
    if (cpu->log)
        vm_memory_log_writes(&cpu->vcpu, cpu->buffer, cpu->count);
    cpu->count = 0;
    vcpu_memory_leave(&cpu->vcpu);
}

static inline void leave_all(void)
{
    leave(&cpus[0]);
    leave(&cpus[1]);
}

static inline u64 *leaf_of(const struct cpu *cpu, u64 gfn, int *level)
{
    pfn_t root = cpu->in_guest ? cpu->vcpu.loaded : cpu->vcpu.root->page->frame;

    return entry_below(root, cpu->vcpu.root->top, gfn, LEVEL_4K, level);
}

/* A write that needs no fault, at any moment. False: it needs one. */
static inline bool hardware_write(struct cpu *cpu, u64 gfn)
{
    if (cpu->count == BUFFER)
        leave(cpu);
    enter(cpu);
    if (cpu->tlb[gfn] == 0) {
        int level;
        u64 *entry = leaf_of(cpu, gfn, &level), old = *entry;

        if ((old & (EPT_READ | EPT_WRITE)) != (EPT_READ | EPT_WRITE))
            return false;
        *entry = old | EPT_ACCESSED | EPT_DIRTY;
        if (cpu->log && !(old & EPT_DIRTY))
            cpu->buffer[cpu->count++] = gfn * PAGE_SIZE + 8;
        pfn_t pfn = { ept_frame(old).v + (gfn & (level_pages((enum level)level) - 1)) };
        cpu->tlb[gfn] = (u64)port_frame_address(pfn) | REMEMBERED;
    }
    *(u64 *)(cpu->tlb[gfn] - REMEMBERED) = ++writes;
    return true;
}

static inline enum fault_result access_fault(struct cpu *cpu, u64 gfn, u32 access)
{
    leave(cpu);
    return vm_memory_fault(&cpu->vcpu, gfn_to_gpa((gfn_t){ gfn }), access);
}

static inline void guest_write(struct cpu *cpu, u64 gfn)
{
    for (unsigned i = 0; !hardware_write(cpu, gfn); i++) {
        assert_true(i < FAULTS);
        assert_true(access_fault(cpu, gfn, ACCESS_WRITE) <= FAULT_RETRY);
    }
}

static inline void guest_read(struct cpu *cpu, u64 gfn)
{
    assert_true(access_fault(cpu, gfn, ACCESS_READ) <= FAULT_SPURIOUS);
}

/* Who is in the guest writes as long as possible, and leaves. */
static u64 last_write; /* to this gfn, of who remembers it; ~0: none */

static inline void on_kick(struct vm_memory *kicked)
{
    void (*on_point)(const void *) = port_host.on_point;

    (void)kicked;
    port_host.on_point = NULL;
    for (unsigned i = 0; i < 2; i++) {
        if (cpus[i].in_guest && last_write < SPACE && cpus[i].tlb[last_write] != 0)
            hardware_write(&cpus[i], last_write);
        leave(&cpus[i]);
    }
    port_host.on_point = on_point;
}

/* ---- the machine */

static inline void start_machine(const struct mm_caps *caps, u64 frames)
{
    port_host_start(frames);
    mm_init(caps);
    vm = new_vm();
    memset(cpus, 0, sizeof(cpus));
    vcpu_memory_init(&cpus[0].vcpu, vm);
    vcpu_memory_init(&cpus[1].vcpu, vm);
    backing = NULL;
    last_write = ~0ull;
    port_host.on_kick = on_kick;
}

static inline int start_protect(void **state)
{
    start_machine(&port_host_caps, 2 * SMALL_RAM);
    return 0;
}

static inline int start_pml(void **state)
{
    struct mm_caps caps = port_host_caps;

    caps.log_modifications = true;
    start_machine(&caps, 2 * SMALL_RAM);
    return 0;
}

static inline void drain_cpus(void)
{
    leave_all();
    table_cache_drain(&cpus[0].vcpu.cache);
    table_cache_drain(&cpus[1].vcpu.cache);
}

#define assert_log_sound()                      \
    do {                                        \
        drain_cpus();                           \
        if (mm_audit() != 0)                    \
            fail_msg("%s", port_host.last_log); \
    } while (false)

static inline int finish(void **state)
{
    port_host.on_point = NULL;
    port_host.on_pte = NULL;
    port_host.on_yield = NULL;
    assert_log_sound();
    port_host.on_kick = NULL;
    vcpu_memory_destroy(&cpus[0].vcpu);
    vcpu_memory_destroy(&cpus[1].vcpu);
    if (backing != NULL)
        backing_put(backing);
    vm_memory_destroy(vm);
    assert_int_equal(mm_audit(), 0);
    port_host_stop();
    return 0;
}

/* A slot that shows a backing of zeros, in the largest pieces, from a page of it on. */
static inline void show(u64 at, u64 npages, u64 from, enum level largest)
{
    base = at;
    pages = npages;
    offset = from;
    backing = new_backing(offset + npages, 0);
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ at }, npages, backing, offset, 0, largest), 0);
}

static inline u64 content_of_page(u64 page)
{
    struct backing_page found;

    if (backing_lookup(backing, offset + page, &found) != 0)
        return 0;
    return *(const u64 *)port_frame_address(found.pfn);
}

/* ---- logs */

static inline void copy_all(void)
{
    for (u64 page = 0; page < pages; page++)
        mirror[page] = content_of_page(page);
}

/* What `user` is told of slot 0; the mirror is DIRTY_OPERATOR's. The number of pages. */
static inline u64 harvest_part(enum dirty_user user, u64 first, u64 npages)
{
    struct page_set *report;
    u64 count = 0;

    memset(reported, 0, sizeof(reported));
    assert_int_equal(vm_memory_create_report(vm, 0, &report), 0);
    assert_int_equal(vm_memory_harvest(vm, 0, user, (gfn_t){ first }, npages, report), 0);
    for (u64 page = 0; page < pages; page++) {
        if (page_set_get(report, (base + page) / PAGE_SET_WORD) == 0 || !page_set_has(report, base + page))
            continue;
        reported[base + page] = true;
        count++;
        if (user == DIRTY_OPERATOR)
            mirror[page] = content_of_page(page);
    }
    assert_int_equal(page_set_count(report), count);
    page_set_destroy(report);
    return count;
}

static inline u64 harvest_of(enum dirty_user user)
{
    return harvest_part(user, 0, ~0ull);
}

static inline u64 harvest(void)
{
    return harvest_of(DIRTY_OPERATOR);
}

/* And the mirror has copied all there was before. */
static inline void start_log(u32 flags)
{
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, flags), 0);
    copy_all();
}

static inline void stop_log(void)
{
    assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR), 0);
}

/* What `user` is told is that page, and nothing else. */
static inline void assert_reported(enum dirty_user user, u64 gfn)
{
    leave_all();
    assert_int_equal(harvest_of(user), 1);
    assert_true(reported[gfn]);
}

/* Everybody is outside; then nothing is missing after one more harvest. */
static inline void assert_nothing_lost(void)
{
    leave_all();
    harvest();
    for (u64 page = 0; page < pages; page++) {
        if (mirror[page] != content_of_page(page))
            fail_msg("page %llu holds %llu, the mirror %llu", (unsigned long long)page,
                     (unsigned long long)content_of_page(page), (unsigned long long)mirror[page]);
    }
}

/* Whether a write of the vCPU would be seen. */
static inline bool is_armed(const struct cpu *cpu, u64 gfn)
{
    int level;
    u64 entry = *leaf_of(cpu, gfn, &level);

    return !ept_is_present(entry) || !(entry & (pml() && level == LEVEL_4K ? EPT_DIRTY : EPT_WRITE));
}

#define BOTH(test)                                              \
    { #test "_protection", test, start_protect, finish, NULL }, \
    {                                                           \
#test "_PML", test, start_pml, finish, NULL             \
    }

#endif

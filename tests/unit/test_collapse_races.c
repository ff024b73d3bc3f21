/* SPDX-License-Identifier: BSD-2-Clause */
/* What others do while tables become leaves: processors, faults, changes of slots and memory, and logs that start. */
#include <pthread.h>
#include <sched.h>

#include "tests/unit/collapse_support.h"

static u64 *old_entry, late_bits;
static void (*also)(void);

/* A processor that still has the old table in its paging-structure cache. */
static void note_late(struct vm_memory *flushed)
{
    port_host.on_kick = NULL;
    assert_int_equal(*old_entry & (EPT_ACCESSED | EPT_DIRTY), 0);
    *old_entry |= late_bits;
    if (also != NULL)
        also();
}

/* The same region is one large page again, of another block. */
static void put_other_memory(void)
{
    assert_int_equal(backing_punch(backing, 0, REGION), 0);
    struct backing *block = new_backing(REGION, 0);
    assert_int_equal(fault_by(&base, 5, ACCESS_READ), FAULT_INSTALLED);
    assert_int_equal(level_of(&base, 5), LEVEL_2M);
    backing_put(block);
}

static void split_again(void)
{
    assert_int_equal(vm_memory_split(vm, (gfn_t){ 0 }, REGION, LEVEL_4K), 0);
}

static void test_C10_what_is_noted_until_the_flush(void **state)
{
    static const u64 bits[] = { EPT_ACCESSED, EPT_ACCESSED | EPT_DIRTY };
    static void (*const meanwhile[])(void) = { NULL, forget, split_again };

    show(0, 0, 0, PAGES, 0);
    for (unsigned i = 0; i < 6; i++) {
        forget();
        map_small(0, REGION);
        /* Noted before: that is in the leaf at once, whoever changes the leaf before the flush. */
        *entry_at(vm, 3, LEVEL_4K) |= i / 2 == 2 ? EPT_DIRTY : 0;
        old_entry = entry_at(vm, 5 + i * 77, LEVEL_4K);
        late_bits = bits[i % 2];
        also = meanwhile[i / 2];
        port_host.on_kick = note_late;
        assert_int_equal(recover(0, REGION).collapsed, 1);
        assert_null(port_host.on_kick);
        if (also == NULL)
            assert_int_equal(*entry_at(vm, 0, LEVEL_2M), large_leaf(0, ALL) | late_bits);
        else if (also == forget)
            assert_int_equal(level_of(&base, 0), 0);
        else
            assert_level(&base, 0, REGION, LEVEL_4K);
        if (also == split_again)
            assert_true(*entry_of(&base, 3) & EPT_DIRTY);
        assert_tree_sound(vm);
    }
    /* Other memory is there by now: what was noted is not about it. */
    forget();
    map_small(0, REGION);
    old_entry = entry_at(vm, 5, LEVEL_4K);
    pfn_t before = lookup(backing, 0).pfn;
    also = put_other_memory;
    port_host.on_kick = note_late;
    recover(0, REGION);
    assert_int_not_equal(lookup(backing, 0).pfn.v, before.v);
    assert_int_equal(*entry_of(&base, 5), large_leaf(0, ALL));
}

/* Both roots learn it. */
static void test_C10_late_in_a_table_of_two_roots(void **state)
{
    show(0, 0, 0, PAGES, 0);
    make_view(7, 1, ACCESS_READ);
    map_small_in_both();
    old_entry = entry_at(vm, REGION + 5, LEVEL_4K);
    late_bits = EPT_ACCESSED | EPT_DIRTY;
    also = NULL;
    port_host.on_kick = note_late;
    assert_int_equal(recover(REGION, REGION).collapsed, 2);
    assert_int_equal(*entry_of(&base, REGION), large_leaf(REGION, ALL) | late_bits);
    assert_int_equal(*entry_of(&a, REGION), large_leaf(REGION, ALL) | late_bits);
}

static void write_by_a(void)
{
    fault_by(&a, 5, ACCESS_WRITE);
}

static void zap_some(void)
{
    vm_memory_zap(vm, (gfn_t){ 100 }, 1);
}

static void migrate(void)
{
    assert_int_equal(backing_migrate(backing, 5), 0);
}

static void punch(void)
{
    assert_int_equal(backing_punch(backing, 300, 100), 0);
}

static void split_it(void)
{
    assert_int_equal(vm_memory_split(vm, (gfn_t){ 0 }, PAGES, LEVEL_4K), 0);
}

static void protect_it(void)
{
    vm_memory_write_protect(vm, (gfn_t){ 0 }, PAGES);
}

static void invalidate_it(void)
{
    assert_int_equal(vm_memory_invalidate_all(vm), 0);
}

static void read_only(void)
{
    assert_int_equal(vm_memory_set_slot_flags(vm, 0, MEMSLOT_READ_ONLY), 0);
}

static void remove_it(void)
{
    assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
}

static void move_it(void)
{
    assert_int_equal(vm_memory_move_slot(vm, 0, (gfn_t){ 100 }), 0);
}

static void recover_it(void)
{
    recover_all();
}

static void log_it_lazily(void)
{
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, DIRTY_LAZY), 0);
}

static void race(void (*what)(void), bool on_slots)
{
    bool acted = true;
    u64 rounds = 0;

    act_on_slots = on_slots;
    for (act_at = 0; acted; rounds++) {
        backing_put(backing);
        backing = new_backing(PAGES, 0);
        show_small();
        acted = recover_with(what);
        assert_all_sound(vm);
        const struct memslot *slot = memslots_find_id(memslots_active(&vm->slots), 0);
        if (slot != NULL && memslot_log(slot) != NULL)
            assert_armed();
        for (u64 gfn = 0; gfn < PAGES && what == read_only && acted; gfn++)
            assert_int_equal(may(&base, gfn) & ACCESS_WRITE, 0);
        if (slot != NULL)
            assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
    }
    assert_true(rounds > 3);
}

static void test_C8_others_at_every_step(void **state)
{
    static void (*const others[])(void) = { write_by_a,    zap_some,   migrate,   punch,     split_it, protect_it,
                                            invalidate_it, recover_it, read_only, remove_it, move_it };
    enum { ON_SLOTS = 3 };
    unsigned count = sizeof(others) / sizeof(others[0]);

    for (unsigned i = 0; i < count; i++)
        race(others[i], i >= count - ON_SLOTS);
}

static void test_C2_a_log_that_starts_at_every_step(void **state)
{
    race(log_it, true);
    race(log_it_lazily, true);
}

static void test_C2_a_slot_that_is_logged(void **state)
{
    show_small();
    log_it();
    struct recover_result result = recover_all();
    assert_int_equal(result.logged, 2);
    assert_int_equal(result.collapsed, 0);
    assert_level(&base, 0, PAGES, LEVEL_4K);
    assert_armed();
    assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR), 0);
    /* What the log took away comes back with the large page, and nothing faults because it was taken away (C1). */
    assert_int_equal(recover_all().collapsed, 2);
    assert_int_equal(*entry_at(vm, 0, LEVEL_2M) & ~(EPT_ACCESSED | EPT_DIRTY), large_leaf(0, ALL));
}

static pthread_t starter;

static void *start_it(void *unused)
{
    port_host_processor = 1;
    assert_int_equal(vm_memory_start_log(vm, 0, DIRTY_OPERATOR, DIRTY_ALL_AT_FIRST), 0);
    return unused;
}

/* Before it has the lock: the slot has a log by now. */
static void log_before_the_lock(const void *word)
{
    if (word != &vm->spt.lock.writer_in)
        return;
    port_host.on_point = NULL;

    const struct memslot_set *set = memslots_active(&vm->slots);
    assert_int_equal(pthread_create(&starter, NULL, start_it, NULL), 0);
    while (memslots_active(&vm->slots) == set)
        sched_yield();
}

static void test_C2_a_log_that_is_published_before_the_lock(void **state)
{
    struct page_set *report;

    show_small();
    port_host.threads = true;
    port_host.on_point = log_before_the_lock;
    assert_int_equal(recover_all().collapsed, 0);
    assert_null(port_host.on_point);
    assert_int_equal(pthread_join(starter, NULL), 0);
    port_host.threads = false;
    assert_int_equal(vm_memory_create_report(vm, 0, &report), 0);
    assert_int_equal(vm_memory_harvest(vm, 0, DIRTY_OPERATOR, (gfn_t){ 0 }, PAGES, report), 0);
    page_set_destroy(report);
    assert_armed();
}

static void log_now(void)
{
    port_host.on_yield = NULL;
    log_it();
}

/* Between two steps. What is large by then is armed as a large page is, or split. */
static void test_C2_a_log_that_starts_halfway(void **state)
{
    enum { MANY = 40 * REGION };

    port_host_start(MANY + 4096);
    vm = new_vm();
    vcpu_memory_init(&base, vm);
    vcpu_memory_init(&a, vm);
    backing = new_backing(MANY, 0);
    show(0, 0, 0, MANY, 0);
    map_small(0, MANY);
    port_host.on_yield = log_now;
    struct recover_result result = recover_all();
    assert_int_equal(result.collapsed, 32);
    assert_int_equal(result.logged, 8);
    assert_level(&base, 0, MANY, LEVEL_4K);
    for (u64 gfn = 0; gfn < MANY; gfn++)
        assert_false(may(&base, gfn) & ACCESS_WRITE);
    assert_tree_sound(vm);
    assert_int_equal(vm_memory_stop_log(vm, 0, DIRTY_OPERATOR), 0);
    assert_int_equal(recover_all().collapsed, 40);
    finish(state);
}

static u64 *children;
static bool is_flushed;
static u64 writes;

static void see_flush(struct vm_memory *unused)
{
    is_flushed = true;
}

/* The processor notes a write through a table that it found before; and a fault gives a permission back, without a lock. */
static void write_through_the_old_table(void)
{
    if (is_flushed)
        return;
    children[5] |= EPT_ACCESSED | EPT_DIRTY;
    writes++;
    fault_by(&a, 7, ACCESS_WRITE);
    assert_true(may(&a, 7) & ACCESS_WRITE);
}

/* At each atomic operation of the collapse until its flush, also under the lock. */
static void test_C10_a_write_at_every_step(void **state)
{
    show(0, 0, 0, PAGES, 0);
    act_anywhere = true;
    act_at = 0;
    for (is_flushed = false; !is_flushed;) {
        forget();
        map_small(0, REGION);
        vm_memory_write_protect(vm, (gfn_t){ 0 }, REGION);
        children = entry_at(vm, 0, LEVEL_4K);
        writes = 0;
        port_host.on_kick = see_flush;
        recover_with(write_through_the_old_table);
        port_host.on_kick = NULL;
        is_flushed = writes == 0;
        if (writes != 0)
            assert_int_equal(*entry_at(vm, 0, LEVEL_2M), large_leaf(0, ALL) | EPT_ACCESSED | EPT_DIRTY);
        assert_tree_sound(vm);
    }
    act_anywhere = false;
    assert_true(act_at > REGION);
}

/* The same on a processor that logs writes. */
#define LOGGING_TEST(test)                                           \
    {                                                                \
#test "_by_the_processor", test, start_logging, finish, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        COLLAPSE_TEST(test_C10_what_is_noted_until_the_flush),
        COLLAPSE_TEST(test_C10_late_in_a_table_of_two_roots),
        COLLAPSE_TEST(test_C8_others_at_every_step),
        COLLAPSE_TEST(test_C2_a_log_that_starts_at_every_step),
        COLLAPSE_TEST(test_C2_a_slot_that_is_logged),
        COLLAPSE_TEST(test_C2_a_log_that_is_published_before_the_lock),
        cmocka_unit_test(test_C2_a_log_that_starts_halfway),
        COLLAPSE_TEST(test_C10_a_write_at_every_step),
        LOGGING_TEST(test_C2_a_log_that_starts_at_every_step),
        LOGGING_TEST(test_C2_a_slot_that_is_logged),
        LOGGING_TEST(test_C2_a_log_that_is_published_before_the_lock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/spt*.c: every state that hardware could have seen is a legal one. */
#include "tests/unit/mm_support.h"

/* For all that is populated. */
enum { RAM = 2 * SMALL_RAM };
static struct vm_memory *vm;

static int start(void **state)
{
    port_host_start(RAM);
    vm = new_vm();
    return 0;
}

static int finish(void **state)
{
    port_host.on_pte = NULL;
    port_host.on_kick = NULL;
    assert_sound();
    vm_memory_destroy(vm);
    port_host_stop();
    return 0;
}

/* Every entry of every table as the reported changes left it. */
static u64 mirror[RAM][EPT_ENTRIES];
static u64 changes, tables_published, splits, populated;

static u64 *mirror_of(const u64 *entry)
{
    pfn_t table = port_frame_of(entry);

    return &mirror[table.v - PORT_HOST_BASE][(uintptr_t)entry % PAGE_SIZE / sizeof(u64)];
}

/* A leaf as populating puts it into a table that is new. */
static bool is_populated(u64 entry, enum level level)
{
    return level == LEVEL_4K && ept_permits(entry, EPT_READ) && (entry & EPT_TYPE) == EPT_TYPE_WB &&
           (entry & (EPT_LARGE | EPT_ACCESSED | EPT_DIRTY)) == 0;
}

/* Hardware walks into the table from now on: it is empty, or new, or maps what the leaf mapped in whose place it is. */
static void check_published(u64 old, u64 value, enum level level)
{
    const u64 *entries = port_frame_address(ept_frame(value));

    for (unsigned i = 0; i < EPT_ENTRIES; i++) {
        *mirror_of(&entries[i]) = entries[i];
        if (!ept_is_leaf(old, level)) {
            assert_true(entries[i] == EPT_EMPTY || is_populated(entries[i], level - 1));
            populated += entries[i] != EPT_EMPTY;
            continue;
        }
        assert_int_equal(ept_frame(entries[i]).v, ept_frame(old).v + i * level_pages(level - 1));
        assert_int_equal((entries[i] ^ old) & ~(EPT_ADDRESS | EPT_LARGE), 0);
        assert_true(ept_is_leaf(entries[i], level - 1));
        assert_int_equal((entries[i] & EPT_LARGE) != 0, level - 1 > LEVEL_4K);
    }
    assert_int_equal(table_with(entries)->role.level, level - 1);
    splits += ept_is_leaf(old, level);
}

static void check_change(u64 *entry, u64 old, u64 value)
{
    enum level level = table_with(entry)->role.level;

    changes++;
    assert_int_equal(*mirror_of(entry), old);
    *mirror_of(entry) = value;
    if (ept_is_table(value, level)) {
        check_published(old, value, level);
        tables_published++;
    } else if (ept_is_present(value)) {
        assert_true(level <= LEVEL_1G);
        assert_int_equal(value & EPT_TYPE, EPT_TYPE_WB);
        assert_int_equal((value & EPT_LARGE) != 0, level > LEVEL_4K);
        assert_int_equal(ept_frame(value).v % level_pages(level), 0);
    } else {
        assert_int_equal(value, EPT_EMPTY);
    }
}

static void compare_with_mirror(pfn_t table, enum level level)
{
    const u64 *entries = port_frame_address(table);

    for (unsigned i = 0; i < EPT_ENTRIES; i++) {
        assert_int_equal(entries[i], *mirror_of(&entries[i]));
        if (ept_is_table(entries[i], level))
            compare_with_mirror(ept_frame(entries[i]), level - 1);
    }
}

static void watch_history(void)
{
    const u64 *root = port_frame_address(vm_memory_root(vm));

    changes = tables_published = splits = populated = 0;
    for (unsigned i = 0; i < EPT_ENTRIES; i++)
        *mirror_of(&root[i]) = root[i];
    port_host.on_pte = check_change;
}

/* Splits, permissions that go and come back, removals, and a whole new tree. */
static void change_ranges(u64 *seed, void (*look)(void))
{
    for (unsigned i = 0; i < 40; i++) {
        gfn_t first = { random_below(seed, 512 * 8) };
        u64 npages = 1 + random_below(seed, 600);

        switch (random_below(seed, 4)) {
        case 0:
            assert_int_equal(vm_memory_split(vm, first, npages, LEVEL_4K), 0);
            break;
        case 1:
            vm_memory_write_protect(vm, first, npages);
            break;
        case 2:
            vm_memory_zap(vm, first, npages);
            break;
        default:
            assert_int_equal(vm_memory_populate(vm, first, npages), 0);
            /* Where nothing is mapped, tables come with what is in them. */
            vm_memory_zap(vm, (gfn_t){ 512 * 1000 }, 512);
            assert_int_equal(vm_memory_populate(vm, (gfn_t){ 512 * 1000 + first.v % 512 }, 40), 0);
        }
        for (u64 page = 0; page < npages; page += 100)
            fault(vm, first.v + page, ACCESS_WRITE);
        look();
    }
    assert_true(splits > 0 && populated > 0);
    assert_int_equal(vm_memory_invalidate_all(vm), 0);
    /* The new root was filled before anybody could reach it; nothing has changed it since. */
    const u64 *root = port_frame_address(vm_memory_root(vm));
    for (unsigned i = 0; i < EPT_ENTRIES; i++) {
        assert_int_equal(root[i], EPT_EMPTY);
        *mirror_of(&root[i]) = EPT_EMPTY;
    }
    fault(vm, 5, ACCESS_WRITE);
    fault(vm, 512 * 1000, ACCESS_WRITE);
    look();
}

/* What a test looks at after every 50th pair of faults, and when a slot is gone. */
static void run_history(void (*look)(void))
{
    u64 seed = 77;

    watch_history();
    add_ram(vm, 0, 0, 512 * 8, LEVEL_2M);
    add_ram(vm, 1, 512 * 1000, 512 * 4, LEVEL_4K);
    for (unsigned i = 0; i < 400; i++) {
        fault(vm, random_below(&seed, 512 * 4), ACCESS_READ);
        fault(vm, 512 * 1000 + random_below(&seed, 512 * 4), ACCESS_WRITE);
        if (i % 50 == 0)
            look();
    }
    assert_int_equal(tables_published, vm_memory_get_stats(vm).tables - 1);
    change_ranges(&seed, look);
    assert_int_equal(vm_memory_remove_slot(vm, 1), 0);
    look();
    assert_int_equal(vm_memory_remove_slot(vm, 0), 0);
    look();
    assert_true(changes > 400);
}

static void look_for_soundness(void)
{
    assert_sound();
}

/* check_change() looks at every table at the moment in which it becomes reachable. */
static void test_P1_every_state_of_the_tree_is_a_legal_one(void **state)
{
    run_history(look_for_soundness);
}

static void look_for_other_writes(void)
{
    compare_with_mirror(vm_memory_root(vm), LEVEL_512G);
}

/* The mirror knows the whole and atomic changes only: whatever else wrote to an entry shows as a difference. */
static void test_P3_entries_change_by_atomic_operations_only(void **state)
{
    run_history(look_for_other_writes);
}

#define SPT_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPT_TEST(test_P1_every_state_of_the_tree_is_a_legal_one),
        SPT_TEST(test_P3_entries_change_by_atomic_operations_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Roots and views in any order: random changes, each of them with faults and zaps at every point where it yields, against an
 * array that says what each view permits. After every step all invariants hold, and no vCPU may do what its view denies.
 */
#include "tests/unit/view_support.h"

enum {
    GB = 1 << 18,
    VIEWS = 3,
    VCPUS = 4,
    SLOTS = 3,
    PIECE = 128,
    SLOT = 1024,
    PIECES = SLOTS * SLOT / PIECE,
    STEPS = 2500
};

static struct vm_memory *vm;
static struct vcpu_memory vcpus[VCPUS];
static u32 view_of[VCPUS];              /* index in `ids`; 0: none */
static u32 ids[VIEWS + 1];              /* 0: there is none */
static u8 permitted[VIEWS + 1][PIECES]; /* in the whole of the piece */
static u8 permitted_before[VIEWS + 1][PIECES];
static u64 seed;
static unsigned depth;

/* Slots of 4 MiB in different tables of every level, the first of small pages. */
static u64 gfn_of(u64 page)
{
    static const u64 bases[SLOTS] = { 0, GB, 1ull << 27 };

    return bases[page / SLOT] + page % SLOT;
}

/* Nobody has more than the view has, or has had before the change that is on its way. */
static void check(void)
{
    for (unsigned i = 0; i < VCPUS; i++) {
        for (u64 piece = 0; piece < PIECES; piece++) {
            u8 allowed = permitted[view_of[i]][piece] | (depth > 0 ? permitted_before[view_of[i]][piece] : 0);

            for (u64 page = 0; page < PIECE; page += 37)
                assert_int_equal(may(&vcpus[i], gfn_of(piece * PIECE + page)) & ~allowed, 0);
        }
    }
    /* In the middle of a change a tree still has tables that do not belong into it. */
    if (depth == 0)
        assert_tree_sound(vm);
}

static void touch(void)
{
    static const u32 accesses[] = { ACCESS_READ, ACCESS_WRITE, ACCESS_EXECUTE, ACCESS_READ | ACCESS_WRITE };
    unsigned i = (unsigned)random_below(&seed, VCPUS);
    u64 page = random_below(&seed, SLOTS * SLOT);
    u32 access = accesses[random_below(&seed, 4)];
    enum fault_result result = fault_by(&vcpus[i], gfn_of(page), access);

    switch (result) {
    case FAULT_INSTALLED:
    case FAULT_SPURIOUS:
        assert_int_equal(access & ~may(&vcpus[i], gfn_of(page)), 0);
        break;
    case FAULT_DENIED:
        assert_true((access & ~permitted[view_of[i]][page / PIECE]) != 0);
        break;
    default:
        assert_int_equal(result, FAULT_RETRY);
        assert_true(depth > 0);
        break;
    }
}

static void disturb(void)
{
    if (depth++ < 2) {
        u64 first = random_below(&seed, SLOTS * SLOT);

        check();
        touch();
        if (random_below(&seed, 4) == 0)
            vm_memory_zap(vm, (gfn_t){ gfn_of(first) }, random_below(&seed, SLOT));
        if (random_below(&seed, 8) == 0)
            assert_int_equal(vm_memory_invalidate_all(vm), 0);
        touch();
    }
    depth--;
}

static void protect_something(void)
{
    static const u32 choices[] = { 0, ACCESS_READ, ACCESS_READ | ACCESS_EXECUTE, ACCESS_READ | ACCESS_WRITE, ALL, ALL };
    unsigned view = 1 + (unsigned)random_below(&seed, VIEWS);
    u64 first = random_below(&seed, PIECES), last = first + random_below(&seed, SLOT / PIECE - first % (SLOT / PIECE));
    u32 permissions = choices[random_below(&seed, 6)];

    if (ids[view] == 0)
        return;
    memcpy(permitted_before, permitted, sizeof(permitted));
    for (u64 piece = first; piece <= last; piece++)
        permitted[view][piece] = (u8)permissions;
    assert_int_equal(protect(vm, ids[view], gfn_of(first * PIECE), (last - first + 1) * PIECE, permissions), 0);
    memcpy(permitted_before, permitted, sizeof(permitted));
}

static void create_or_drop(void)
{
    unsigned view = 1 + (unsigned)random_below(&seed, VIEWS);
    bool used = false;

    for (unsigned i = 0; i < VCPUS; i++)
        used |= view_of[i] == view;
    if (ids[view] == 0) {
        ids[view] = new_view(vm);
        memset(permitted[view], ALL, PIECES);
    } else if (random_below(&seed, 4) == 0) {
        assert_int_equal(vm_memory_drop_view(vm, ids[view]), used ? -EBUSY : 0);
        ids[view] = used ? ids[view] : 0;
    }
}

static void select_something(void)
{
    unsigned i = (unsigned)random_below(&seed, VCPUS), view = (unsigned)random_below(&seed, VIEWS + 1);

    if (view != 0 && ids[view] == 0)
        return;
    assert_int_equal(vcpu_memory_select(&vcpus[i], ids[view], 4 + (unsigned)random_below(&seed, 2)), 0);
    view_of[i] = view;
}

static void change_something(void)
{
    u64 first = gfn_of(random_below(&seed, SLOTS * SLOT)), npages = random_below(&seed, SLOT);

    switch (random_below(&seed, 9)) {
    case 0:
    case 1:
        protect_something();
        break;
    case 2:
        create_or_drop();
        break;
    case 3:
        select_something();
        break;
    case 4:
        vm_memory_zap(vm, (gfn_t){ first }, npages);
        break;
    case 5:
        assert_int_equal(vm_memory_split(vm, (gfn_t){ first }, npages, LEVEL_4K), 0);
        break;
    case 6:
        vm_memory_write_protect(vm, (gfn_t){ first }, npages);
        break;
    case 7:
        if (random_below(&seed, 10) == 0)
            assert_int_equal(vm_memory_invalidate_all(vm), 0);
        vm_memory_limit_tables(vm, random_below(&seed, 2) * VM_MIN_TABLES);
        break;
    default:
        assert_int_equal(vm_memory_populate(vm, (gfn_t){ first }, npages), 0);
        break;
    }
}

static void run(u64 start)
{
    seed = start;
    depth = 0;
    memset(permitted, ALL, sizeof(permitted));
    memset(permitted_before, ALL, sizeof(permitted_before));
    memset(ids, 0, sizeof(ids));
    memset(view_of, 0, sizeof(view_of));
    vm = new_vm();
    for (unsigned i = 0; i < VCPUS; i++)
        vcpu_memory_init(&vcpus[i], vm);
    for (u32 slot = 0; slot < SLOTS; slot++)
        add_ram(vm, slot, gfn_of(slot * SLOT), SLOT, slot == 0 ? LEVEL_4K : LEVEL_2M);
    watch_flushes();
    for (unsigned step = 0; step < STEPS; step++) {
        port_host.on_yield = disturb;
        change_something();
        port_host.on_yield = NULL;
        assert_false(flush_is_due);
        for (unsigned i = 0; i < 6; i++)
            touch();
        check();
        if (step % 50 == 0)
            assert_all_sound(vm);
    }
    port_host.on_pte = NULL;
    port_host.on_kick = NULL;
    for (unsigned i = 0; i < VCPUS; i++)
        vcpu_memory_destroy(&vcpus[i]);
    vm_memory_destroy(vm);
}

static void test_H3_views_and_roots_in_any_order(void **state)
{
    run(1);
    run(0x5eed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(test_H3_views_and_roots_in_any_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

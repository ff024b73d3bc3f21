/* SPDX-License-Identifier: BSD-2-Clause */
/* Roots that change, on processors that use the oldest translation that they have, until INVEPT. */
#include "tests/hardware/frame_watch.h"
#include "tests/hardware/scene.h"

static pfn_t old_root;
static bool came_with_the_new_one, found_nothing, still_found;

/* While the flush of the old root waits for processor 1, processor 2 enters. */
static void enter_meanwhile(void)
{
    scene_enter(2);
    came_with_the_new_one = machine.cpus[2].root.table.v != old_root.v;
    found_nothing = !scene_reaches(2, 5, ACCESS_READ);
    /* Who is in the guest still uses the old one. */
    still_found = machine.cpus[1].root.table.v == old_root.v && scene_reaches(1, 5, ACCESS_READ);
}

static void test_G2_nobody_enters_with_a_dead_root(void **state)
{
    scene_touch(1, 5, ACCESS_WRITE);
    scene_touch(2, 5, ACCESS_WRITE);
    scene_leave(2);
    old_root = machine.cpus[1].root.table;
    scene.on_kick = enter_meanwhile;
    assert_int_equal(vm_memory_invalidate_all(scene.vm), 0);
    assert_true(came_with_the_new_one && found_nothing && still_found);
    assert_true(frame_watch(old_root).kind != FRAME_TABLE);
    scene_enter(1);
    assert_int_not_equal(machine.cpus[1].root.table.v, old_root.v);
    assert_false(scene_reaches(1, 5, ACCESS_READ));
}

static void test_G5_a_root_that_comes_back_brings_nothing_old(void **state)
{
    u32 view;

    scene_touch(1, 5, ACCESS_WRITE);
    scene_leave(1);
    assert_int_equal(vm_memory_create_view(scene.vm, &view), 0);
    assert_int_equal(vm_memory_protect_view(scene.vm, view, (gfn_t){ 5 }, 1, ACCESS_READ), 0);
    assert_int_equal(vcpu_memory_select(&scene.vcpus[1], view, 4), 0);
    assert_false(scene_reaches(1, 5, ACCESS_WRITE));
    scene_touch(1, 5, ACCESS_READ);
    scene_leave(1);
    /* The first root's translations go while the processor has another root: its flush is of that one. */
    vm_memory_balloon(scene.vm, (gfn_t){ 5 }, 1);
    scene_enter(1);
    scene_leave(1);
    assert_int_equal(vcpu_memory_select(&scene.vcpus[1], 0, 4), 0);
    assert_false(scene_reaches(1, 5, ACCESS_READ));
    scene_touch(1, 5, ACCESS_WRITE);
}

/* The new VM's root lies where the old one's was; the processor remembers what that led to. */
static void test_G5_root_frame_reuse(void **state)
{
    struct vm_memory *first = new_vm(), *second, *spare[64];
    unsigned spares = 0;

    add_ram(first, 0, 0, 512, LEVEL_4K);
    struct vcpu_memory other;
    vcpu_memory_init(&other, first);
    port_host_processor = 1;
    machine_enter(&other);
    machine_leave(&other);
    assert_int_equal(vm_memory_fault(&other, (gpa_t){ 5 * PAGE_SIZE }, ACCESS_WRITE), FAULT_INSTALLED);
    machine_enter(&other);
    pfn_t frame;
    assert_int_equal(machine_access((gfn_t){ 5 }, ACCESS_WRITE, &frame), CPU_HIT);
    machine_leave(&other);
    vcpu_memory_destroy(&other);
    pfn_t root = vm_memory_root(first);
    vm_memory_destroy(first);
    for (second = new_vm(); vm_memory_root(second).v != root.v && spares < 64; second = new_vm())
        spare[spares++] = second;
    assert_int_equal(vm_memory_root(second).v, root.v);
    vcpu_memory_init(&other, second);
    machine_enter(&other);
    assert_int_equal(machine_access((gfn_t){ 5 }, ACCESS_WRITE, &frame), CPU_VIOLATION);
    machine_leave(&other);
    vcpu_memory_destroy(&other);
    port_host_processor = 0;
    vm_memory_destroy(second);
    while (spares > 0)
        vm_memory_destroy(spare[--spares]);
}

/* Each of two vCPUs on one processor flushes what the other one has left behind. */
static void test_G5_two_vcpus_of_one_processor(void **state)
{
    struct vcpu_memory second;
    pfn_t frame;

    scene_touch(1, 5, ACCESS_WRITE);
    scene_leave(1);
    vcpu_memory_init(&second, scene.vm);
    port_host_processor = 1;
    machine_enter(&second);
    assert_int_equal(machine_access((gfn_t){ 6 }, ACCESS_READ, &frame), CPU_VIOLATION);
    machine_leave(&second);
    vm_memory_balloon(scene.vm, (gfn_t){ 5 }, 1);
    machine_enter(&second);
    assert_int_equal(machine_access((gfn_t){ 5 }, ACCESS_READ, &frame), CPU_VIOLATION);
    machine_leave(&second);
    port_host_processor = 0;
    assert_false(scene_reaches(1, 5, ACCESS_READ));
    scene_leave(1);
    vcpu_memory_destroy(&second);
}

/* A removal is seen in all roots, and so is a change of what a view permits. */
static void test_G5_all_roots_are_flushed(void **state)
{
    u32 view;

    assert_int_equal(vm_memory_create_view(scene.vm, &view), 0);
    assert_int_equal(vm_memory_protect_view(scene.vm, view, (gfn_t){ 7 }, 1, ACCESS_READ), 0);
    assert_int_equal(vcpu_memory_select(&scene.vcpus[2], view, 4), 0);
    scene_touch(1, 5, ACCESS_WRITE);
    scene_touch(2, 5, ACCESS_WRITE);
    scene_touch(2, 6, ACCESS_READ);
    vm_memory_zap(scene.vm, (gfn_t){ 5 }, 1);
    assert_false(scene_reaches(1, 5, ACCESS_READ));
    assert_false(scene_reaches(2, 5, ACCESS_READ));
    scene_touch(2, 6, ACCESS_WRITE);
    assert_int_equal(vm_memory_protect_view(scene.vm, view, (gfn_t){ 6 }, 1, ACCESS_READ), 0);
    assert_false(scene_reaches(2, 6, ACCESS_WRITE));
    scene_touch(1, 6, ACCESS_WRITE);
    if (scene.inside[2])
        scene_leave(2);
    assert_int_equal(vm_memory_fault(&scene.vcpus[2], (gpa_t){ 6 * PAGE_SIZE }, ACCESS_WRITE), FAULT_DENIED);
}

/* With an argument, the tests that match it. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_G2_nobody_enters_with_a_dead_root),
        SCENE_TEST(test_G5_a_root_that_comes_back_brings_nothing_old),
        SCENE_TEST(test_G5_root_frame_reuse),
        SCENE_TEST(test_G5_two_vcpus_of_one_processor),
        SCENE_TEST(test_G5_all_roots_are_flushed),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

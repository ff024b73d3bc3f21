/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/vcpu_memory.c with mm/tlb.c: who is waited for, and when INVEPT is due. */
#include "tests/unit/view_support.h"

#include "mm/backing_change.h"
#include "mm/tlb.h"

static struct vm_memory *vm;
static struct vcpu_memory a, b;

static int start(void **state)
{
    port_host_start(SMALL_RAM);
    vm = new_vm();
    vcpu_memory_init(&a, vm);
    vcpu_memory_init(&b, vm);
    return 0;
}

static int finish(void **state)
{
    port_host.on_kick = NULL;
    port_host.on_relax = NULL;
    port_host.on_yield = NULL;
    assert_sound();
    vcpu_memory_destroy(&a);
    vcpu_memory_destroy(&b);
    vm_memory_destroy(vm);
    port_host_stop();
    return 0;
}

/* Enters and leaves; whether INVEPT was due. */
static bool stay(struct vcpu_memory *vcpu)
{
    struct vcpu_entry entry = vcpu_memory_enter(vcpu);

    assert_int_equal(entry.root.v, vcpu->root->page->frame.v);
    assert_int_equal(entry.levels, vcpu->root->top);
    vcpu_memory_leave(vcpu);
    return entry.invept;
}

static void test_G5_the_first_entry_invalidates(void **state)
{
    assert_true(stay(&a));
    assert_false(stay(&a));
    assert_true(stay(&b));
    assert_false(stay(&b));
    assert_int_equal(vcpu_memory_enter(&a).levels, 4);
    vcpu_memory_leave(&a);
}

static void test_G5_each_flush_is_due_once_for_each_vcpu(void **state)
{
    stay(&a);
    stay(&b);
    for (unsigned flushes = 1; flushes < 4; flushes++) {
        for (unsigned i = 0; i < flushes; i++)
            tlb_flush(vm);
        assert_true(stay(&b));
        assert_false(stay(&b));
        assert_true(stay(&a));
        assert_false(stay(&a));
    }
    assert_int_equal(vm_memory_get_stats(vm).flushes, 6);
    assert_int_equal(port_host.kicks, 6);
}

static void test_G5_another_root_invalidates_back_and_forth(void **state)
{
    u32 view = new_view(vm);

    stay(&a);
    assert_int_equal(protect(vm, view, 3, 1, ACCESS_READ), 0);
    stay(&a);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(vcpu_memory_select(&a, 0, 5), 0);
        assert_true(stay(&a));
        assert_false(stay(&a));
        assert_int_equal(vcpu_memory_select(&a, view, 4), 0);
        assert_true(stay(&a));
        assert_int_equal(vcpu_memory_select(&a, 0, 4), 0);
        assert_true(stay(&a));
        assert_false(stay(&a));
    }
    /* The way back without an entry in between is none. */
    assert_int_equal(vcpu_memory_select(&a, view, 4), 0);
    assert_int_equal(vcpu_memory_select(&a, 0, 4), 0);
    assert_false(stay(&a));
    assert_int_equal(vm_memory_drop_view(vm, view), 0);
}

static void test_G5_a_new_vm_with_the_frame_of_a_dead_root(void **state)
{
    struct vm_memory *first = new_vm(), *second;
    struct vcpu_memory vcpu;
    pfn_t frame = vm_memory_root(first);

    vcpu_memory_init(&vcpu, first);
    stay(&vcpu);
    vcpu_memory_destroy(&vcpu);
    vm_memory_destroy(first);
    second = new_vm();
    assert_int_equal(vm_memory_root(second).v, frame.v);
    vcpu_memory_init(&vcpu, second);
    assert_true(stay(&vcpu));
    vcpu_memory_destroy(&vcpu);
    vm_memory_destroy(second);
}

static unsigned relaxed, rounds;

static void leave_after_some_rounds(void)
{
    if (++relaxed == rounds)
        vcpu_memory_leave(&a);
}

static void test_P2_who_is_inside_is_waited_for(void **state)
{
    relaxed = 0;
    rounds = 5;
    port_host.on_relax = leave_after_some_rounds;
    vcpu_memory_enter(&a);
    tlb_flush(vm);
    assert_int_equal(relaxed, 5);
    assert_int_equal(port_host.kicks, 1);
    assert_true(stay(&a));
    /* Nobody is inside: nothing to wait for. */
    tlb_flush(vm);
    assert_int_equal(relaxed, 5);
}

static void end_walk_after_some_rounds(void)
{
    if (++relaxed == rounds)
        vcpu_memory_walk_end(&a);
}

static void test_P2_a_walk_is_waited_for(void **state)
{
    relaxed = 0;
    rounds = 3;
    stay(&a);
    port_host.on_relax = end_walk_after_some_rounds;
    vcpu_memory_walk_begin(&a);
    tlb_flush(vm);
    assert_int_equal(relaxed, 3);
    /* A walk executes no INVEPT: it is still due. */
    vcpu_memory_walk_begin(&a);
    vcpu_memory_walk_end(&a);
    assert_true(stay(&a));
    assert_false(stay(&a));
}

static bool invept_after_kick;

static void come_in_late(struct vm_memory *kicked)
{
    assert_ptr_equal(kicked, vm);
    invept_after_kick = vcpu_memory_enter(&b).invept;
}

static void test_P2_who_comes_in_after_the_generation_is_not_waited_for(void **state)
{
    stay(&b);
    port_host.on_kick = come_in_late;
    tlb_flush(vm); /* waiting would abort */
    port_host.on_kick = NULL;
    assert_true(invept_after_kick);
    vcpu_memory_leave(&b);
    assert_false(stay(&b));
}

static void leave_and_come_back(void)
{
    if (++relaxed == 2) {
        vcpu_memory_leave(&a);
        invept_after_kick = vcpu_memory_enter(&a).invept;
    }
}

static void test_P2_who_left_may_be_back(void **state)
{
    relaxed = 0;
    stay(&a);
    vcpu_memory_enter(&a);
    port_host.on_relax = leave_and_come_back;
    tlb_flush(vm);
    assert_int_equal(relaxed, 2);
    assert_true(invept_after_kick);
    vcpu_memory_leave(&a);
}

static void come_in_with_the_old_generation(void)
{
    if (++relaxed == 3)
        a.inside = VCPU_INSIDE + vm->tlb_generation - 1;
    if (relaxed == 6)
        a.inside = 0;
}

/* It has said that it comes in, and not which generation it has read: it may be the one before. */
static void test_P2_who_is_coming_in_is_waited_for(void **state)
{
    relaxed = 0;
    a.inside = VCPU_COMING_IN;
    port_host.on_relax = come_in_with_the_old_generation;
    tlb_flush(vm);
    assert_int_equal(relaxed, 6);
}

static u64 *generation;
static unsigned inside_then;

static void note_inside(const void *word)
{
    if (word == generation)
        inside_then = (unsigned)a.inside;
}

static void test_P2_it_is_inside_before_it_reads_the_generation(void **state)
{
    generation = &vm->tlb_generation;
    inside_then = 99;
    port_host.on_point = note_inside;
    vcpu_memory_enter(&a);
    port_host.on_point = NULL;
    assert_int_equal(inside_then, VCPU_COMING_IN);
    vcpu_memory_leave(&a);
}

static u64 generation_at_kick;

static void note_generation(struct vm_memory *kicked)
{
    generation_at_kick = kicked->tlb_generation;
}

static void test_P2_the_generation_moves_before_the_kick(void **state)
{
    u64 before = vm->tlb_generation;

    port_host.on_kick = note_generation;
    tlb_flush(vm);
    assert_int_equal(generation_at_kick, before + 1);
}

static void test_P2_other_vms_are_not_waited_for(void **state)
{
    struct vm_memory *other = new_vm();

    vcpu_memory_enter(&a);
    tlb_flush(other);
    assert_int_equal(vm_memory_get_stats(other).flushes, 1);
    assert_int_equal(vm_memory_get_stats(vm).flushes, 0);
    vcpu_memory_leave(&a);
    vm_memory_destroy(other);
}

static void test_select_refuses_what_there_is_not(void **state)
{
    struct spt_root *before = a.root;
    u32 view = new_view(vm);

    assert_int_equal(vcpu_memory_select(&a, view + 1, 4), -ENOENT);
    assert_int_equal(vcpu_memory_select(&a, view, 3), -EINVAL);
    assert_int_equal(vcpu_memory_select(&a, view, 6), -EINVAL);
    assert_ptr_equal(a.root, before);
    assert_int_equal(before->users, 2);
    assert_int_equal(tables_of(vm), 1);
    assert_int_equal(vcpu_memory_select(&a, view, 4), 0);
    assert_int_equal(before->users, 1);
    assert_int_equal(vm_memory_drop_view(vm, view), -EBUSY);
    assert_int_equal(vcpu_memory_select(&a, 0, 4), 0);
    assert_ptr_equal(a.root, before);
    assert_int_equal(vm_memory_drop_view(vm, view), 0);
    assert_int_equal(vcpu_memory_select(&a, view, 4), -ENOENT);
}

static void test_R3_select_without_memory_changes_nothing(void **state)
{
    u32 view = new_view(vm);
    struct spt_root *before = a.root;
    int error = -ENOMEM;
    u64 free;

    assert_int_equal(protect(vm, view, 7, 1, 0), 0);
    for (free = 0; error != 0; free++) {
        port_host_take_all_but(free);
        struct frame_stats frames = frame_get_stats();
        error = vcpu_memory_select(&a, view, 5);
        struct frame_stats after = frame_get_stats();
        port_host_give_back();
        if (error != 0) {
            assert_int_equal(error, -ENOMEM);
            assert_memory_equal(&frames, &after, sizeof(frames));
            assert_ptr_equal(a.root, before);
            assert_int_equal(before->users, 2);
            assert_null(vm->spt.hash);
            assert_sound();
        }
    }
    assert_true(free > 1);
    assert_int_equal(a.root->top, 5);
    assert_int_equal(vcpu_memory_select(&a, 0, 4), 0);
}

static void test_destroy_gives_back_its_tables(void **state)
{
    struct vcpu_memory vcpu;

    vcpu_memory_init(&vcpu, vm);
    assert_int_equal(table_cache_fill(&vcpu.cache, 4), 0);
    vcpu_memory_enter(&vcpu);
    assert_true(ASSERTS(vcpu_memory_destroy(&vcpu)));
    assert_true(ASSERTS(vcpu_memory_walk_begin(&vcpu)));
    vcpu_memory_leave(&vcpu);
    vcpu_memory_destroy(&vcpu);
    assert_int_equal(frame_get_stats().used[FRAME_TABLE], 1);
    tlb_flush(vm); /* does not look at what is gone */
}

static struct backing *code;
static u64 old_frame;
static unsigned looks_while_inside;

static u64 frame_of_code(void)
{
    struct backing_page found;

    assert_int_equal(backing_lookup(code, 0, &found), 0);
    return found.pfn.v;
}

static void look_at_the_code(const void *word)
{
    (void)word;
    port_host.on_point = NULL;
    if (a.inside != 0) {
        assert_int_equal(frame_of_code(), old_frame);
        looks_while_inside++;
    }
    port_host.on_point = look_at_the_code;
}

static void leave_the_guest(void)
{
    if (a.inside != 0)
        vcpu_memory_leave(&a);
}

/*
 * The instructions of a page have another place: no vCPU executes any of them while that changes, and INVEPT, which is a
 * serializing instruction, comes before the first one from the new place.
 */
static void test_G8_code_moves_while_nobody_executes_it(void **state)
{
    code = new_backing(1, 0);
    assert_int_equal(vm_memory_add_slot(vm, 0, (gfn_t){ 0 }, 1, code, 0, 0, LEVEL_4K), 0);
    assert_int_equal(vm_memory_fault(&a, (gpa_t){ 0 }, ACCESS_EXECUTE), FAULT_INSTALLED);
    old_frame = frame_of_code();
    stay(&a);
    assert_false(vcpu_memory_enter(&a).invept);

    looks_while_inside = 0;
    port_host.on_point = look_at_the_code;
    port_host.on_relax = leave_the_guest;
    assert_int_equal(backing_migrate(code, 0), 0);
    port_host.on_point = NULL;
    port_host.on_relax = NULL;
    assert_true(looks_while_inside > 0);
    assert_true(frame_of_code() != old_frame);
    assert_int_equal(a.inside, 0);
    assert_true(stay(&a));
    backing_put(code);
}

/* Translations are the processor's: those of an earlier stay may be from before a flush that did not wait for it. */
static void test_G5_another_processor_invalidates(void **state)
{
    assert_true(stay(&a));
    assert_false(stay(&a));
    port_host_processor = 1;
    bool elsewhere = stay(&a), again = stay(&a);
    port_host_processor = 0;
    bool back = stay(&a);
    assert_true(elsewhere && back);
    assert_false(again);
}

/* A flush that it met on one processor does nothing to what it left on the other one. */
static void test_G5_a_flush_counts_on_each_processor(void **state)
{
    bool invept[4];

    for (unsigned i = 0; i < 4; i++) {
        if (i == 2)
            tlb_flush(vm);
        port_host_processor = i % 2;
        invept[i] = stay(&a);
    }
    port_host_processor = 0;
    assert_true(invept[2] && invept[3]);
}

#define VCPU_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        VCPU_TEST(test_G5_the_first_entry_invalidates),
        VCPU_TEST(test_G5_each_flush_is_due_once_for_each_vcpu),
        VCPU_TEST(test_G5_another_root_invalidates_back_and_forth),
        VCPU_TEST(test_G5_another_processor_invalidates),
        VCPU_TEST(test_G5_a_flush_counts_on_each_processor),
        VCPU_TEST(test_G5_a_new_vm_with_the_frame_of_a_dead_root),
        VCPU_TEST(test_P2_who_is_inside_is_waited_for),
        VCPU_TEST(test_P2_a_walk_is_waited_for),
        VCPU_TEST(test_P2_who_comes_in_after_the_generation_is_not_waited_for),
        VCPU_TEST(test_P2_who_left_may_be_back),
        VCPU_TEST(test_P2_who_is_coming_in_is_waited_for),
        VCPU_TEST(test_P2_it_is_inside_before_it_reads_the_generation),
        VCPU_TEST(test_P2_the_generation_moves_before_the_kick),
        VCPU_TEST(test_P2_other_vms_are_not_waited_for),
        VCPU_TEST(test_select_refuses_what_there_is_not),
        VCPU_TEST(test_R3_select_without_memory_changes_nothing),
        VCPU_TEST(test_destroy_gives_back_its_tables),
        VCPU_TEST(test_G8_code_moves_while_nobody_executes_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

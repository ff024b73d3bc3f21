/* SPDX-License-Identifier: BSD-2-Clause */
/* The walk that takes D bits (mm/spt_range.c): what processors remember, what it costs, and that it ends. */
#include "tests/unit/rate_support.h"

/* It costs one flush, and none where nothing was written. */
static void test_D_bits_are_taken_with_one_flush(void **state)
{
    show(1000, 3000, 0, LEVEL_4K);
    map_all();
    port_host.kicks = 0;
    begin(RATE_BY_D_BITS, false);
    assert_int_equal(port_host.kicks, 1);
    sample_is(0, 0);
    assert_int_equal(port_host.kicks, 1);
    write_some(1000, 3000, 1);
    watch_flushes();
    port_host.on_kick = on_kick;
    port_host.kicks = 0;
    sample_is(3000, 3000);
    assert_int_equal(port_host.kicks, 1);
    write_some(1000, 10, 1);
    sample_is(10, 0);
    assert_int_equal(port_host.kicks, 2);
    dirty_rate_end(&rate);
}

static void test_a_log_is_taken_with_one_flush_and_one_for_buffers(void **state)
{
    show(1000, 3000, 0, LEVEL_4K);
    map_all();
    begin(RATE_BY_LOG, false);
    port_host.kicks = 0;
    sample_is(0, 0);
    assert_int_equal(port_host.kicks, pml());
    write_some(1000, 2000, 1);
    port_host.kicks = 0;
    sample_is(2000, 2000);
    assert_int_equal(port_host.kicks, 1 + pml());
    dirty_rate_end(&rate);
}

/* A processor writes until it is kicked, without setting D: that is in the sample, and so nothing is missing. */
static void test_a_write_without_D_belongs_to_the_sample(void **state)
{
    show(1000, 100, 0, LEVEL_4K);
    map_all();
    begin(RATE_BY_D_BITS, false);
    for (unsigned round = 0; round < 3; round++) {
        guest_write(&cpus[0], 1050);
        last_write = 1050;
        sample_is(1, round == 0);
        last_write = ~0ull;
        sample_is(0, 0);
    }
    dirty_rate_end(&rate);
}

/* Somebody else has taken D away and not flushed yet. */
static void test_D_that_others_took_is_waited_for(void **state)
{
    show(1000, 100, 0, LEVEL_4K);
    map_all();
    begin(RATE_BY_D_BITS, false);
    guest_write(&cpus[0], 1050);
    {
        TLB_GATHER(gather, vm);

        tlb_gather_note(&gather);
        *leaf_of(&cpus[0], 1050, &(int){ 0 }) &= ~EPT_DIRTY;
        sample_is(0, 0);
        guest_write(&cpus[0], 1050);
        sample_is(1, 1);
        tlb_gather_finish(&gather);
    }
    dirty_rate_end(&rate);
}

/* A page that two trees map, with a leaf in each, is one page. */
static void test_pages_are_counted_once_for_all_views(void **state)
{
    u32 view = new_view(vm);
    struct dirty_sample sample;

    show(1024, 1024, 0, LEVEL_4K);
    assert_int_equal(protect(vm, view, 1500, 1, ACCESS_READ), 0);
    assert_int_equal(vcpu_memory_select(&cpus[1].vcpu, view, 4), 0);
    for (unsigned i = 0; i < 2; i++)
        for (u64 gfn = 1024; gfn < 2048; gfn++)
            if (gfn != 1500)
                guest_write(&cpus[i], gfn);
    assert_true(table_of(&cpus[0].vcpu, 1500, LEVEL_4K) != table_of(&cpus[1].vcpu, 1500, LEVEL_4K));
    begin(RATE_BY_D_BITS, false);
    sample_is(0, 0);
    /* The first table is both's, the second is not. */
    guest_write(&cpus[0], 1030);
    guest_write(&cpus[1], 1030);
    guest_write(&cpus[0], 1600);
    guest_write(&cpus[1], 1600);
    guest_write(&cpus[1], 1601);
    sample = sample_now();
    assert_int_equal(sample.pages, 3);
    assert_int_equal(sample.new_pages, 3);
    assert_int_equal(sample.leaves[LEVEL_4K], 4);
    dirty_rate_end(&rate);
    assert_int_equal(vcpu_memory_select(&cpus[1].vcpu, 0, 4), 0);
    assert_int_equal(vm_memory_drop_view(vm, view), 0);
}

static void set_D(u64 gfn, enum level level)
{
    *entry_at(vm, gfn, level) |= EPT_DIRTY;
}

enum { HUGE = 1 << 18, HUGES = 6 };

static void write_again(void)
{
    for (u64 i = 0; i < HUGES; i++)
        set_D(i * HUGE, LEVEL_1G);
}

/* Pages of 1G take long to be put into a set; and a guest that writes them all the time does not keep the walk from its end. */
static void test_C8_steps_are_bounded_and_end(void **state)
{
    TABLE_CACHE(cache);
    TLB_GATHER(gather, vm);
    struct page_set *set;

    assert_int_equal(table_cache_fill(&cache, 4), 0);
    rwlock_lock_shared(&vm->spt.lock);
    for (u64 i = 0; i < HUGES; i++) {
        struct spt_mapping mapping = {
            { i * HUGE }, { PORT_HOST_BASE + i * HUGE }, LEVEL_1G, EPT_PERMISSIONS, ARM_NONE
        };

        assert_int_equal(spt_map(&vm->spt, vm->spt.base, &mapping, EPT_WRITE, &cache, &gather), 0);
    }
    rwlock_unlock_shared(&vm->spt.lock);
    tlb_gather_finish(&gather);
    assert_int_equal(page_set_create(0, HUGES * HUGE, false, &set), 0);
    write_again();
    for (unsigned round = 0; round < 2; round++) {
        u64 leaves[LEVEL_1G + 1] = { 0 };

        if (round == 1)
            port_host.on_yield = write_again;
        port_host.yields = 0;
        port_host.kicks = 0;
        spt_take_dirty(&vm->spt, (gfn_t){ 0 }, (gfn_t){ vm_gfn_limit() }, set, leaves);
        port_host.on_yield = NULL;
        assert_int_equal(port_host.yields, HUGES);
        assert_int_equal(port_host.kicks, 1);
        assert_int_equal(leaves[LEVEL_1G], HUGES);
        assert_int_equal(page_set_count(set), (u64)HUGES * HUGE);
        write_again();
    }
    page_set_destroy(set);
    vm_memory_zap(vm, (gfn_t){ 0 }, ~0ull);
}

static void test_a_large_walk_yields(void **state)
{
    add_ram(vm, 1, 0, 512 * 300, LEVEL_4K);
    for (u64 i = 0; i < 300; i++)
        assert_true(access_fault(&cpus[0], i * 512, ACCESS_WRITE) <= FAULT_SPURIOUS);
    begin(RATE_BY_D_BITS, false);
    port_host.yields = 0;
    for (u64 i = 0; i < 300; i++)
        set_D(i * 512, LEVEL_4K);
    sample_is(300, 300);
    assert_in_range(port_host.yields, 300 / 64, 300 / 64 + 4);
    dirty_rate_end(&rate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_D_bits_are_taken_with_one_flush),
        BOTH(test_a_log_is_taken_with_one_flush_and_one_for_buffers),
        BOTH(test_a_write_without_D_belongs_to_the_sample),
        BOTH(test_D_that_others_took_is_waited_for),
        BOTH(test_pages_are_counted_once_for_all_views),
        BOTH(test_C8_steps_are_bounded_and_end),
        BOTH(test_a_large_walk_yields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

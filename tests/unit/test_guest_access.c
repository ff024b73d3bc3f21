/* SPDX-License-Identifier: BSD-2-Clause */
/* mm/guest_access.c: what the hypervisor reads and writes, at the edges of slots and of the address space. */
#include "tests/unit/backing_support.h"

#include "mm/backing_object.h"
#include "mm/invalidation.h"

static struct vm_memory *vm;

static gpa_t at(u64 page, u64 offset)
{
    return (gpa_t){ page * PAGE_SIZE + offset };
}

/* Slots at pages [2, 5), [5, 6), [8, 9); page 9 is read-only. */
static int start(void **state)
{
    struct backing *backing;

    port_host_start(SMALL_RAM);
    vm = new_vm();
    add_ram(vm, 0, 2, 3, LEVEL_1G);
    add_ram(vm, 1, 5, 1, LEVEL_1G);
    add_ram(vm, 2, 8, 1, LEVEL_1G);
    backing = new_backing(1, 0);
    assert_int_equal(vm_memory_add_slot(vm, 3, (gfn_t){ 9 }, 1, backing, 0, MEMSLOT_READ_ONLY, LEVEL_1G), 0);
    backing_put(backing);
    return 0;
}

static int finish(void **state)
{
    assert_sound();
    assert_false(memslots_is_read(&vm->slots.set[0]) || memslots_is_read(&vm->slots.set[1]));
    vm_memory_destroy(vm);
    port_host_stop();
    return 0;
}

static void test_across_pages_and_slots(void **state)
{
    static u8 out[4 * PAGE_SIZE], in[4 * PAGE_SIZE];

    for (u64 i = 0; i < sizeof(out); i++)
        out[i] = (u8)(i * 7 + i / 256);
    assert_int_equal(vm_memory_write(vm, at(2, 0), out, sizeof(out)), 0);
    assert_int_equal(vm_memory_read(vm, at(2, 0), in, sizeof(in)), 0);
    assert_memory_equal(in, out, sizeof(out));
    assert_int_equal(vm_memory_read(vm, at(4, 4000), in, 200), 0);
    assert_memory_equal(in, out + 2 * PAGE_SIZE + 4000, 200);
    assert_int_equal(vm_memory_zero(vm, at(3, 1), 2 * PAGE_SIZE), 0);
    memset(out + PAGE_SIZE + 1, 0, 2 * PAGE_SIZE);
    assert_int_equal(vm_memory_read(vm, at(2, 0), in, sizeof(in)), 0);
    assert_memory_equal(in, out, sizeof(out));
    assert_int_equal(vm_memory_get_stats(vm).tables, 1); /* EPT has no part in this */
}

static void test_exchange(void **state)
{
    u64 word = 0x1122334455667788, got = 0;

    assert_int_equal(vm_memory_write(vm, at(2, 16), &word, 8), 0);
    assert_int_equal(vm_memory_exchange(vm, at(2, 16), word - 1, 5, 8), -EBUSY);
    assert_int_equal(vm_memory_read(vm, at(2, 16), &got, 8), 0);
    assert_int_equal(got, word);
    assert_int_equal(vm_memory_exchange(vm, at(2, 16), word, 5, 8), 0);
    assert_int_equal(vm_memory_read(vm, at(2, 16), &got, 8), 0);
    assert_int_equal(got, 5);
    /* Of 4 bytes the next 4 stay as they are, and what is expected beyond them does not matter. */
    assert_int_equal(vm_memory_write(vm, at(2, 16), &word, 8), 0);
    assert_int_equal(vm_memory_exchange(vm, at(2, 16), word, 6, 4), 0);
    assert_int_equal(vm_memory_exchange(vm, at(2, 16), 7, 8, 4), -EBUSY);
    assert_int_equal(vm_memory_read(vm, at(2, 16), &got, 8), 0);
    assert_int_equal(got, 0x1122334400000006);
    assert_int_equal(vm_memory_exchange(vm, at(6, 0), 0, 1, 8), -EFAULT);
    assert_int_equal(vm_memory_exchange(vm, at(9, 0), 0, 1, 8), -EFAULT);
}

static void test_fresh_memory_reads_zeros(void **state)
{
    u8 in[64];

    memset(in, 0xff, sizeof(in));
    assert_int_equal(vm_memory_read(vm, at(3, 4064), in, sizeof(in)), 0);
    for (unsigned i = 0; i < sizeof(in); i++)
        assert_int_equal(in[i], 0);
}

static void test_every_edge(void **state)
{
    static u8 buffer[8 * PAGE_SIZE];
    static u8 before[8 * PAGE_SIZE];

    /* Every begin and end around the slots, by halves of pages and single bytes. */
    for (u64 begin = PAGE_SIZE; begin < 10 * PAGE_SIZE; begin += PAGE_SIZE / 2) {
        for (int nudge = -1; nudge <= 1; nudge++) {
            for (u64 end = begin + 2; end < 10 * PAGE_SIZE && end - begin < sizeof(buffer); end += PAGE_SIZE / 2 - 1) {
                u64 first = begin + (u64)nudge;
                bool readable = (first >= 2 * PAGE_SIZE && end <= 6 * PAGE_SIZE) || first >= 8 * PAGE_SIZE;
                bool writable = readable && end <= 9 * PAGE_SIZE;
                u64 size = end - first;

                memset(buffer, 0x11, size);
                assert_int_equal(vm_memory_read(vm, (gpa_t){ first }, buffer, size), readable ? 0 : -EFAULT);
                if (!readable)
                    assert_int_equal(buffer[0], 0x11);
                assert_int_equal(vm_memory_write(vm, (gpa_t){ first }, before, size), writable ? 0 : -EFAULT);
                assert_int_equal(vm_memory_zero(vm, (gpa_t){ first }, size), writable ? 0 : -EFAULT);
            }
        }
    }
}

static void test_nothing_is_transferred_of_a_bad_range(void **state)
{
    static u8 ones[2 * PAGE_SIZE], in[PAGE_SIZE];
    static const u8 zeros[PAGE_SIZE];

    memset(ones, 0xff, sizeof(ones));
    assert_int_equal(vm_memory_write(vm, at(5, 0), ones, PAGE_SIZE + 1), -EFAULT);
    assert_int_equal(vm_memory_write(vm, at(8, 0), ones, PAGE_SIZE + 1), -EFAULT);
    assert_int_equal(vm_memory_read(vm, at(5, 0), in, PAGE_SIZE), 0);
    assert_memory_equal(in, zeros, PAGE_SIZE);
    assert_int_equal(vm_memory_read(vm, at(8, 0), in, PAGE_SIZE), 0);
    assert_memory_equal(in, zeros, PAGE_SIZE);
    assert_int_equal(vm_memory_write(vm, at(8, 0), ones, PAGE_SIZE), 0);
    assert_int_equal(vm_memory_zero(vm, at(8, 0), PAGE_SIZE + 1), -EFAULT);
    assert_int_equal(vm_memory_read(vm, at(8, 0), in, PAGE_SIZE), 0);
    assert_memory_equal(in, ones, PAGE_SIZE);
}

static void test_hostile_sizes(void **state)
{
    u8 byte = 0x77;

    assert_int_equal(vm_memory_read(vm, at(2, 0), &byte, ~0ull), -EFAULT);
    assert_int_equal(vm_memory_write(vm, at(2, 1), &byte, ~0ull), -EFAULT);
    assert_int_equal(vm_memory_zero(vm, at(2, 0), 0ull - 2 * PAGE_SIZE), -EFAULT);
    assert_int_equal(vm_memory_zero(vm, at(2, 0), 0ull - PAGE_SIZE), -EFAULT);
    assert_int_equal(vm_memory_zero(vm, at(2, 0), 1ull << 63), -EFAULT);
    assert_int_equal(vm_memory_read(vm, (gpa_t){ ~0ull }, &byte, 1), -EFAULT);
    assert_int_equal(vm_memory_read(vm, (gpa_t){ ~0ull }, &byte, 2), -EFAULT);
    assert_int_equal(vm_memory_read(vm, (gpa_t){ ~0ull - 5 }, &byte, at(3, 0).v), -EFAULT);
    assert_int_equal(byte, 0x77);
    assert_int_equal(frame_get_stats().used[FRAME_GUEST], 1);
}

static void test_size_0_is_no_access(void **state)
{
    assert_int_equal(vm_memory_read(vm, (gpa_t){ ~0ull }, NULL, 0), 0);
    assert_int_equal(vm_memory_write(vm, (gpa_t){ 0 }, NULL, 0), 0);
    assert_int_equal(vm_memory_zero(vm, (gpa_t){ 0 }, 0), 0);
}

static void test_no_memory(void **state)
{
    static u8 buffer[3 * PAGE_SIZE];

    port_host_take_all_but(1);
    assert_int_equal(vm_memory_write(vm, at(2, 0), buffer, sizeof(buffer)), -ENOMEM);
    assert_sound();
    port_host_give_back();
    assert_int_equal(vm_memory_write(vm, at(2, 0), buffer, sizeof(buffer)), 0);
}

static void remove_while_yielding(void)
{
    port_host.on_yield = NULL;
    assert_int_equal(vm_memory_remove_slot(vm, 9), 0);
}

static void test_long_transfers_yield(void **state)
{
    add_ram(vm, 9, 4096, 1600, LEVEL_4K);
    u64 yields = port_host.yields;
    assert_int_equal(vm_memory_zero(vm, at(4096, 0), 1600 * PAGE_SIZE), 0);
    assert_int_equal(port_host.yields - yields, 3);
    /* The slot goes away at such a moment: an error, not an access to what was there. */
    port_host.on_yield = remove_while_yielding;
    assert_int_equal(vm_memory_zero(vm, at(4096, 0), 1600 * PAGE_SIZE), -EFAULT);
}

/* ---- what the memory does meanwhile */

static struct backing *moving;
static u64 act_at, points, acts, looks_outside, looks_inside;

static bool is_locked(void)
{
    return vm->spt.lock.reader_in != vm->spt.lock.reader_out;
}

/* At one moment of the access, at which it holds no lock, its page gets another frame. */
static void migrate(const void *word)
{
    if (points++ < act_at || is_locked())
        return;
    port_host.on_point = NULL;
    assert_int_equal(backing_migrate(moving, 1), 0);
    acts++;
}

static void count_looks(const void *word)
{
    if (word == &moving->changing_count)
        *(is_locked() ? &looks_inside : &looks_outside) += 1;
}

static void show_moving(void)
{
    moving = new_scattered(4, 50);
    assert_int_equal(vm_memory_add_slot(vm, 9, (gfn_t){ 100 }, 4, moving, 0, 0, LEVEL_4K), 0);
    points = acts = looks_outside = looks_inside = 0;
}

/* The first word of page 1: alone, which is done at once, or after the last word of page 0, which takes the long way. */
static void put_word(u64 value, bool across)
{
    const u64 words[2] = { 7, value };

    if (across)
        assert_int_equal(vm_memory_write(vm, at(100, PAGE_SIZE - 8), words, sizeof(words)), 0);
    else
        assert_int_equal(vm_memory_write(vm, at(101, 0), &value, sizeof(value)), 0);
}

static void goes_to_the_frame_that_the_page_has(bool across)
{
    u64 moments = 0;

    show_moving();
    do {
        u64 value = 1000 + moments;

        act_at = moments++;
        points = acts = 0;
        port_host.on_point = migrate;
        put_word(value, across);
        port_host.on_point = NULL;
        assert_int_equal(*(const u64 *)port_frame_address(lookup(moving, 1).pfn), value);
    } while (acts != 0);
    assert_true(moments > 5);
    check_content(moving, 2, 4, 50);
    assert_int_equal(vm_memory_remove_slot(vm, 9), 0);
    backing_put(moving);
}

static void test_R2_an_access_goes_to_the_frame_that_the_page_has(void **state)
{
    goes_to_the_frame_that_the_page_has(false);
    goes_to_the_frame_that_the_page_has(true);
}

/* Who changes the page passes the lock, so whoever looks under it, and copies before it lets go, is waited for. */
static void test_R2_an_access_looks_and_copies_under_the_lock(void **state)
{
    show_moving();
    for (u64 pages = 1; pages <= 2; pages++) {
        looks_inside = looks_outside = 0;
        port_host.on_point = count_looks;
        put_word(7, pages == 2);
        port_host.on_point = NULL;
        assert_int_equal(looks_inside, pages);
        assert_int_equal(looks_outside, 0);
    }
    assert_true(is_free(&vm->spt.lock));
    backing_put(moving);
}

/* At once or not at all: somebody who has the lock is waited for on the long way. */
static bool waited;

static void give_the_lock_back(const void *word)
{
    if (word != &vm->spt.lock.reader_in || waited)
        return;
    waited = true;
    port_host.on_point = NULL;
    port_host_processor = 1;
    rwlock_unlock(&vm->spt.lock);
    port_host_processor = 0;
}

static void test_an_access_beside_a_writer(void **state)
{
    u64 seen = 0;

    show_moving();
    port_host_processor = 1;
    rwlock_lock(&vm->spt.lock);
    port_host_processor = 0;
    waited = false;
    port_host.on_point = give_the_lock_back;
    assert_int_equal(vm_memory_read(vm, at(101, 0), &seen, sizeof(seen)), 0);
    port_host.on_point = NULL;
    assert_true(waited);
    assert_int_equal(seen, 51);
    backing_put(moving);
}

static struct invalidation invalidation;

static void end_while_yielding(void)
{
    static u64 turns;

    if (++turns % 3 == 0)
        invalidation_end(&invalidation);
}

static void test_an_access_waits_for_the_end_of_an_invalidation(void **state)
{
    u64 value = 77, seen = 0;

    show_moving();
    invalidation_begin(&invalidation, moving, 1, 2);
    u64 yields = port_host.yields;
    assert_int_equal(vm_memory_write(vm, at(102, 0), &value, sizeof(value)), 0);
    assert_int_equal(port_host.yields, yields);
    port_host.on_yield = end_while_yielding;
    assert_int_equal(vm_memory_write(vm, at(101, 0), &value, sizeof(value)), 0);
    port_host.on_yield = NULL;
    assert_int_equal(port_host.yields, yields + 3);
    assert_int_equal(vm_memory_read(vm, at(101, 0), &seen, sizeof(seen)), 0);
    assert_int_equal(seen, 77);
    backing_put(moving);
}

static void test_a_write_to_a_shared_page_is_ones_own(void **state)
{
    struct backing *clone;
    u64 value = 77;

    show_moving();
    assert_int_equal(backing_clone(moving, &clone), 0);
    assert_int_equal(vm_memory_write(vm, at(101, 0), &value, sizeof(value)), 0);
    check_content(clone, 0, 4, 50);
    assert_int_equal(*(u64 *)port_frame_address(lookup(moving, 1).pfn), 77);
    backing_put(clone);
    backing_put(moving);
}

static void test_a_lost_page_is_an_error(void **state)
{
    u64 value = 0;

    show_moving();
    assert_int_equal(memory_retire(lookup(moving, 1).pfn, false), 0);
    assert_int_equal(vm_memory_read(vm, at(101, 0), &value, sizeof(value)), -EIO);
    assert_int_equal(vm_memory_write(vm, at(101, 0), &value, sizeof(value)), -EIO);
    assert_int_equal(vm_memory_read(vm, at(102, 0), &value, sizeof(value)), 0);
    assert_int_equal(value, 52);
    backing_put(moving);
}

static int finish_retired(void **state)
{
    assert_sound();
    vm_memory_destroy(vm);
    return stop_retired(state);
}

#define ACCESS_TEST(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ACCESS_TEST(test_across_pages_and_slots),
        ACCESS_TEST(test_exchange),
        ACCESS_TEST(test_fresh_memory_reads_zeros),
        ACCESS_TEST(test_every_edge),
        ACCESS_TEST(test_nothing_is_transferred_of_a_bad_range),
        ACCESS_TEST(test_hostile_sizes),
        ACCESS_TEST(test_size_0_is_no_access),
        ACCESS_TEST(test_no_memory),
        ACCESS_TEST(test_long_transfers_yield),
        ACCESS_TEST(test_R2_an_access_goes_to_the_frame_that_the_page_has),
        ACCESS_TEST(test_R2_an_access_looks_and_copies_under_the_lock),
        ACCESS_TEST(test_an_access_beside_a_writer),
        ACCESS_TEST(test_an_access_waits_for_the_end_of_an_invalidation),
        ACCESS_TEST(test_a_write_to_a_shared_page_is_ones_own),
        cmocka_unit_test_setup_teardown(test_a_lost_page_is_an_error, start, finish_retired),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

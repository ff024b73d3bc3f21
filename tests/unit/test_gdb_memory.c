/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv/gdb_memory.c: breakpoints in memory that the debugger writes, the guest writes, and page tables show elsewhere; and any
 * order of all that against a model that has no breakpoints.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/gdb_support.h"

static struct fake_machine machine;
static struct gdb_memory memory;

static int setup(void **state)
{
    fake_machine_init(&machine, 2, true);
    machine.is_stopped = true;
    memory = (struct gdb_memory){ .ops = &fake_machine_ops, .target = &machine };
    return 0;
}

static u8 seen(u64 linear)
{
    u8 byte;

    assert_int_equal(gdb_memory_read(&memory, 0, linear, &byte, 1), 1);
    return byte;
}

static void writes_below(void **state)
{
    static const u8 data[600] = { [299] = 0x55, [300] = 0x66, [301] = 0x77 };

    assert_int_equal(gdb_breakpoint_insert(&memory, 0, 0x1000 + 300), 0);
    assert_int_equal(gdb_memory_write(&memory, 0, 0x1000, data, sizeof(data)), 0);
    assert_int_equal(machine.memory[1][300], 0xcc);
    assert_int_equal(machine.memory[1][299], 0x55);
    assert_int_equal(machine.memory[1][301], 0x77);
    assert_int_equal(seen(0x1000 + 300), 0x66);
    gdb_breakpoint_remove(&memory, 0x1000 + 300);
    assert_memory_equal(machine.memory[1], data, sizeof(data));
}

static void the_guest_writes(void **state)
{
    assert_int_equal(gdb_breakpoint_insert(&memory, 0, 0x1000), 0);
    assert_int_equal(gdb_breakpoint_insert(&memory, 0, 0x1001), 0);
    machine.memory[1][0] = 0x90;
    assert_int_equal(seen(0x1000), 0x90);
    gdb_breakpoint_remove(&memory, 0x1000);
    assert_int_equal(machine.memory[1][0], 0x90);
    /* Said once more, it stands again. */
    machine.memory[1][1] = 0x91;
    assert_int_equal(gdb_breakpoint_insert(&memory, 0, 0x1001), 0);
    assert_int_equal(memory.count, 1);
    assert_int_equal(machine.memory[1][1], 0xcc);
    gdb_breakpoint_remove_all(&memory);
    assert_int_equal(machine.memory[1][1], 0x91);
}

/* Where it stands does not depend on what the page tables say later. */
static void page_tables_change(void **state)
{
    u8 original = machine.memory[1][0], other = machine.memory[9][0];

    assert_int_equal(gdb_breakpoint_insert(&memory, 0, 0x1000), 0);
    machine.pages[0][1] = 9;
    assert_int_equal(seen(0x1000), other);
    assert_int_equal(gdb_breakpoint_insert(&memory, 0, 0x1000), 0);
    assert_int_equal(memory.count, 2);
    assert_int_equal(machine.memory[9][0], 0xcc);
    machine.pages[0][1] = FAKE_NOWHERE;
    gdb_breakpoint_remove(&memory, 0x1000);
    assert_int_equal(memory.count, 0);
    assert_int_equal(machine.memory[1][0], original);
    assert_int_equal(machine.memory[9][0], other);
}

static void two_addresses_of_one_place(void **state)
{
    u8 original = machine.memory[1][0];

    assert_int_equal(gdb_breakpoint_insert(&memory, 0, 0x1000), 0);
    assert_int_equal(gdb_breakpoint_insert(&memory, 0, FAKE_HIGH + 0x1000), 0);
    assert_int_equal(seen(0x1000), original);
    gdb_breakpoint_remove(&memory, 0x1000);
    assert_int_equal(machine.memory[1][0], 0xcc);
    gdb_breakpoint_remove(&memory, FAKE_HIGH + 0x1000);
    assert_int_equal(machine.memory[1][0], original);
    /* Whichever goes last puts back what the guest wrote in between. */
    assert_int_equal(gdb_breakpoint_insert(&memory, 0, 0x1000), 0);
    machine.memory[1][0] = 0x42;
    assert_int_equal(gdb_breakpoint_insert(&memory, 0, FAKE_HIGH + 0x1000), 0);
    gdb_breakpoint_remove(&memory, FAKE_HIGH + 0x1000);
    gdb_breakpoint_remove(&memory, 0x1000);
    assert_int_equal(machine.memory[1][0], 0x42);
}

static void limits(void **state)
{
    for (unsigned i = 0; i < GDB_MAX_BREAKPOINTS; i++)
        assert_int_equal(gdb_breakpoint_insert(&memory, 0, 0x1000 + i), 0);
    assert_int_equal(gdb_breakpoint_insert(&memory, 0, 0x3000), -ENOSPC);
    assert_int_equal(machine.memory[3][0] == 0xcc, 0);
    assert_int_equal(gdb_breakpoint_insert(&memory, 0, 0x1000 + 7), 0); /* it is there */
    machine.is_absent[1] = true;                                        /* memory that was taken away */
    gdb_breakpoint_remove_all(&memory);
    assert_int_equal(memory.count, 0);
}

enum { ROUNDS = 20000, AREA = 3 * PAGE_SIZE };

/* What the debugger sees, and the guest has in the end, is what the same writes make without breakpoints. */
static void any_order(void **state)
{
    static u8 model[FAKE_PAGES][PAGE_SIZE];
    u8 data[700], read[700];
    unsigned most = 0;

    srand(1);
    memcpy(model, machine.memory, sizeof(model));
    machine.pages[0][2] = 1; /* page 1 twice */
    for (unsigned round = 0; round < ROUNDS; round++) {
        u64 linear = (u64)rand() % AREA % (round % 3 ? 40 : AREA) + (rand() % 2 ? PAGE_SIZE - 20 : 0);
        size_t size = (size_t)rand() % (round % 5 ? 20 : sizeof(data)) + 1;
        u8 *actual = &machine.memory[machine.pages[0][linear / PAGE_SIZE]][linear % PAGE_SIZE];

        switch (rand() % 5) {
        case 0:
            (void)gdb_breakpoint_insert(&memory, 0, linear);
            break;
        case 1:
            gdb_breakpoint_remove(&memory, linear);
            break;
        case 2:
            for (unsigned i = 0; i < size; i++)
                data[i] = (u8)(rand() % 8 == 0 ? 0xcc : rand());
            if (gdb_memory_write(&memory, 0, linear, data, size) != 0)
                fail();
            for (unsigned i = 0; i < size; i++)
                model[machine.pages[0][(linear + i) / PAGE_SIZE]][(linear + i) % PAGE_SIZE] = data[i];
            break;
        case 3: /* the guest: any byte but the one that is a breakpoint */
            *actual = (u8)(rand() % 0xcc);
            model[machine.pages[0][linear / PAGE_SIZE]][linear % PAGE_SIZE] = *actual;
            break;
        default:
            if (rand() % 50 == 0)
                gdb_breakpoint_remove_all(&memory);
            break;
        }
        assert_int_equal(gdb_memory_read(&memory, 0, linear, read, size), size);
        for (unsigned i = 0; i < size; i++)
            assert_int_equal(read[i], model[machine.pages[0][(linear + i) / PAGE_SIZE]][(linear + i) % PAGE_SIZE]);
        most = memory.count > most ? memory.count : most;
    }
    assert_true(most > 8);
    gdb_breakpoint_remove_all(&memory);
    assert_memory_equal(machine.memory, model, sizeof(model));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(writes_below, setup),
        cmocka_unit_test_setup(the_guest_writes, setup),
        cmocka_unit_test_setup(page_tables_change, setup),
        cmocka_unit_test_setup(two_addresses_of_one_place, setup),
        cmocka_unit_test_setup(limits, setup),
        cmocka_unit_test_setup(any_order, setup),
    };

    return cmocka_run_group_tests_name("gdb_memory", tests, NULL, NULL);
}

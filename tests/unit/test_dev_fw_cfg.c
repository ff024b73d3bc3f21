/* SPDX-License-Identifier: BSD-2-Clause */
/* fw_cfg, as firmware and test kernels use it. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "hv/dev/fw_cfg.h"

enum { SELECT = 0x510, DATA = 0x511 };
#define GIB (1ull << 30)

static struct port_bus bus;
static struct fw_cfg cfg;

static void create(u64 memory, unsigned processors)
{
    port_bus_init(&bus);
    fw_cfg_init(&cfg, memory, processors);
    port_bus_add(&bus, (struct port_range){ FW_CFG_PORT, FW_CFG_PORTS, 0, &fw_cfg_ops, &cfg });
}

static int setup(void **state)
{
    create(64 << 20, 3);
    return 0;
}

static u64 next(unsigned size)
{
    u64 value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (u64)port_bus_read(&bus, DATA, 1, 0) << (8 * i);
    return value;
}

static u64 item(u16 key, unsigned size)
{
    port_bus_write(&bus, SELECT, 2, key, 0);
    return next(size);
}

static void items_describe_the_machine(void **state)
{
    assert_int_equal(item(0, 4), 0x554d4551); /* "QEMU" */
    assert_int_equal(item(1, 4), 1);          /* no DMA */
    assert_int_equal(item(3, 8), 64 << 20);
    assert_int_equal(item(5, 2), 3);
    assert_int_equal(item(5, 4), 3); /* as test kernels read it */
    assert_int_equal(item(15, 2), 3);
    assert_int_equal(item(0x8002, 8), 1);
    create(6 * GIB, 32);
    assert_int_equal(item(3, 8), 6 * GIB);
    assert_int_equal(item(5, 2), 32);
}

static void signature_is_selected_at_first(void **state)
{
    assert_int_equal(next(8), 0x554d4551);
}

static void selecting_begins_again(void **state)
{
    assert_int_equal(item(0, 2), 0x4551);
    assert_int_equal(next(2), 0x554d);
    assert_int_equal(next(8), 0); /* behind the end */
    assert_int_equal(item(0, 4), 0x554d4551);
    assert_int_equal(item(5, 1), 3);
    assert_int_equal(item(0, 1), 'Q');
}

static void other_items_are_empty(void **state)
{
    for (u32 key = 0; key <= 0xffff; key++) {
        if (key == 0 || key == 1 || key == 3 || key == 5 || key == 15 || key == 0x19 || key == 0x20 || key == 0x8002)
            continue;
        assert_int_equal(item((u16)key, 8), 0);
    }
}

static void check_map(u64 memory, unsigned count, const u64 map[2][2])
{
    char name[56];
    u16 key;

    create(memory, 1);
    assert_int_equal(item(0x19, 4), 0x01000000); /* big-endian: one file */
    assert_int_equal(next(4), (u64)count * 20 << 24);
    key = (u16)(next(1) << 8);
    key |= (u16)next(1);
    assert_int_equal(next(2), 0);
    for (unsigned i = 0; i < sizeof(name); i++)
        name[i] = (char)next(1);
    assert_string_equal(name, "etc/e820");
    for (size_t i = strlen(name); i < sizeof(name); i++)
        assert_int_equal(name[i], 0);
    assert_int_equal(next(8), 0);

    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(i ? next(8) : item(key, 8), map[i][0]);
        assert_int_equal(next(8), map[i][1]);
        assert_int_equal(next(4), 1);
    }
    assert_int_equal(next(8), 0);
}

static void file_has_the_memory_map(void **state)
{
    check_map(4096, 1, (const u64[2][2]){ { 0, 4096 } });
    check_map(3 * GIB, 1, (const u64[2][2]){ { 0, 3 * GIB } });
    check_map(3 * GIB + 4096, 2, (const u64[2][2]){ { 0, 3 * GIB }, { 4 * GIB, 4096 } });
}

/* Only one access of 16 bits at the first port selects; nothing is written. */
static void other_accesses_do_nothing(void **state)
{
    assert_int_equal(item(0, 1), 'Q');
    port_bus_write(&bus, SELECT, 1, 5, 0);
    port_bus_write(&bus, SELECT, 4, 5, 0);
    port_bus_write(&bus, DATA, 2, 5, 0);
    port_bus_write(&bus, DATA, 1, 5, 0);
    port_bus_write(&bus, SELECT - 1, 2, 5, 0);
    port_bus_write(&bus, SELECT - 2, 4, 0x00050005, 0);
    assert_int_equal(port_bus_read(&bus, SELECT, 1, 0), 0);
    assert_int_equal(next(3), 0x554d45);
    assert_int_equal(item(0, 4), 0x554d4551);
    assert_int_equal(item(0, 1), 'Q');
    assert_int_equal(port_bus_read(&bus, SELECT, 2, 0), 'E' << 8); /* both ports */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(items_describe_the_machine, setup),
        cmocka_unit_test_setup(signature_is_selected_at_first, setup),
        cmocka_unit_test_setup(selecting_begins_again, setup),
        cmocka_unit_test_setup(other_items_are_empty, setup),
        cmocka_unit_test_setup(file_has_the_memory_map, setup),
        cmocka_unit_test_setup(other_accesses_do_nothing, setup),
    };

    return cmocka_run_group_tests_name("dev_fw_cfg", tests, NULL, NULL);
}

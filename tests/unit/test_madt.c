/* SPDX-License-Identifier: BSD-2-Clause */
/* Processors and interrupts of a machine from its ACPI tables, also from ones that are damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/acpi_find.h"
#include "arch/x86/madt.h"

enum { BASE = 0xe0000, SIZE = 0x10000, RSDP = BASE, ROOT = BASE + 0x1000, OTHER = BASE + 0x2000, MADT = BASE + 0x3000 };

static u8 *memory; /* of the machine, from BASE on */
static struct madt madt;

/* What is outside cannot be read; what is inside comes as a copy of just that size, so that the sanitizer sees more. */
static u8 *copies[64];
static unsigned copy_count;

static const void *map(u64 address, u64 size)
{
    if (address < BASE || address >= BASE + SIZE || size > BASE + SIZE - address || copy_count == 64)
        return NULL;
    u8 *copy = copies[copy_count++] = malloc(size);
    memcpy(copy, memory + (address - BASE), size);
    return copy;
}

static int setup(void **state)
{
    memory = calloc(1, SIZE);
    return 0;
}

static void drop_copies(void)
{
    while (copy_count)
        free(copies[--copy_count]);
}

static int teardown(void **state)
{
    drop_copies();
    free(memory);
    return 0;
}

static void put(u64 at, u64 value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        memory[at - BASE + i] = (u8)(value >> (8 * i));
}

static void set_sum(u64 at, u32 size, u32 sum_at)
{
    u8 sum = 0;

    memory[at - BASE + sum_at] = 0;
    for (u32 i = 0; i < size; i++)
        sum = (u8)(sum + memory[at - BASE + i]);
    memory[at - BASE + sum_at] = (u8)-sum;
}

static void put_table(u64 at, const char *signature, u32 size)
{
    memcpy(memory + (at - BASE), signature, 4);
    put(at + 4, size, 4);
    set_sum(at, size, 9);
}

static void put_rsdp(unsigned revision, u64 xsdt, u32 rsdt)
{
    memset(memory, 0, 36);
    memcpy(memory, "RSD PTR ", 8);
    memory[15] = (u8)revision;
    put(RSDP + 16, rsdt, 4);
    put(RSDP + 20, 36, 4);
    put(RSDP + 24, xsdt, 8);
    set_sum(RSDP, 20, 8);
    set_sum(RSDP, 36, 32);
}

/* XSDT with a table of no interest and the MADT; the MADT with the entries. */
static void put_machine(const u8 *entries, u32 size)
{
    put_rsdp(2, ROOT, 0);
    put(ROOT + 36, OTHER, 8);
    put(ROOT + 44, MADT, 8);
    put_table(ROOT, "XSDT", 52);
    put_table(OTHER, "FACP", 116);
    if (size)
        memcpy(memory + (MADT - BASE) + 44, entries, size);
    put_table(MADT, "APIC", 44 + size);
}

static const u8 *find(u32 *size)
{
    return acpi_find(map, RSDP, "APIC", size);
}

static void read_machine(void)
{
    u32 size = 0;
    const u8 *table = find(&size);

    madt_parse(table, size, &madt);
    drop_copies();
}

static void expect_ids(unsigned count, const u32 *ids)
{
    assert_int_equal(madt.processor_count, count);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(madt.apic_ids[i], ids[i]);
}

static void a_usual_machine(void **state)
{
    static const u8 entries[] = {
        0, 8,  0,    0,    1,    0,    0,    0,                             /* processor 0 */
        0, 8,  1,    2,    1,    0,    0,    0,                             /* 2 */
        0, 8,  2,    4,    0,    0,    0,    0,                             /* not enabled */
        0, 8,  3,    6,    2,    0,    0,    0,                             /* can be enabled, and is not */
        0, 8,  1,    2,    1,    0,    0,    0,                             /* 2 again */
        0, 8,  9,    0xff, 1,    0,    0,    0,                             /* nobody */
        9, 16, 0,    0,    2,    0,    0,    0,    1,  0, 0, 0, 9, 0, 0, 0, /* 2 once more */
        9, 16, 0,    0,    0x2c, 1,    0,    0,    1,  0, 0, 0, 9, 0, 0, 0, /* 300 */
        9, 16, 0,    0,    0x2d, 1,    0,    0,    0,  0, 0, 0, 9, 0, 0, 0, /* not enabled */
        9, 16, 0,    0,    0xff, 0xff, 0xff, 0xff, 1,  0, 0, 0, 9, 0, 0, 0,
        1, 12, 7,    0,    0,    0,    0xc0, 0xfe, 0,  0, 0, 0, /* IOAPIC at 0xfec00000 from 0 */
        1, 12, 8,    0,    0,    0x10, 0xc0, 0xfe, 24, 0, 0, 0, /* and from 24 */
        2, 10, 0,    0,    2,    0,    0,    0,    0,  0,       /* IRQ 0 is GSI 2, as the bus has it */
        2, 10, 0,    9,    9,    0,    0,    0,    15, 0,       /* IRQ 9 is level, active low */
        2, 10, 0,    4,    20,   0,    0,    0,    5,  0,       /* IRQ 4 is GSI 20, edge, active high */
        2, 10, 1,    5,    21,   0,    0,    0,    15, 0,       /* of another bus */
        2, 10, 0,    16,   22,   0,    0,    0,    15, 0,       /* of no ISA interrupt */
        4, 6,  0xff, 0,    0,    1,                             /* of no interest */
    };

    put_machine(entries, sizeof entries);
    read_machine();
    expect_ids(3, (const u32[]){ 0, 2, 300 });
    assert_int_equal(madt.processors_left_out, 0);
    assert_int_equal(madt.ioapic_count, 2);
    assert_int_equal(madt.ioapics[0].address, 0xfec00000);
    assert_int_equal(madt.ioapics[1].address, 0xfec01000);
    assert_int_equal(madt.ioapics[1].gsi_base, 24);
    for (u32 irq = 0; irq < ISA_IRQS; irq++) {
        assert_int_equal(madt.isa[irq].gsi, irq == 0 ? 2 : irq == 4 ? 20 : irq);
        assert_int_equal(madt.isa[irq].level, irq == 9);
        assert_int_equal(madt.isa[irq].active_low, irq == 9);
    }
}

static void no_tables_at_all(void **state)
{
    u32 size;

    assert_null(acpi_find(map, 0, "APIC", &size));
    assert_null(acpi_find(map, 0x10, "APIC", &size));
    assert_null(acpi_find(map, RSDP, "APIC", &size));
    madt_parse(NULL, 0, &madt);
    expect_ids(0, NULL);
    assert_int_equal(madt.isa[15].gsi, 15);
}

/* Version 1 has an RSDT only; a later one whose XSDT is of no use has it, too. */
static void the_old_root_table(void **state)
{
    u32 size = 0;

    put_machine(NULL, 0);
    put(ROOT + 0x800 + 36, OTHER, 4);
    put(ROOT + 0x800 + 40, MADT, 4);
    put_table(ROOT + 0x800, "RSDT", 44);
    put_rsdp(0, 0, ROOT + 0x800);
    assert_non_null(find(&size));
    assert_int_equal(size, 44);
    put_rsdp(2, 0x123456789abc, ROOT + 0x800);
    assert_non_null(find(&size));
    put_rsdp(0, 0, ROOT + 0x800);
    put(RSDP + 9, 1, 1);
    assert_null(find(&size)); /* the sum of its first bytes is the only one */
    put_rsdp(0, ROOT, 0);     /* which version 1 has not */
    assert_null(find(&size));
}

static void what_does_not_add_up_is_not_there(void **state)
{
    static const struct {
        u64 at;
        u8 value;
        const char *what;
    } damages[] = {
        { RSDP + 0, 'X', "the root pointer's signature" },
        { RSDP + 9, 1, "its sum" },
        { RSDP + 33, 1, "its longer sum" },
        { ROOT + 0, 'R', "the root table's signature" },
        { ROOT + 20, 1, "its sum" },
        { ROOT + 6, 0x10, "its length is 1 MiB more" },
        { ROOT + 4, 35, "its length is less than a header" },
        { MADT + 0, 'B', "the table's signature" },
        { MADT + 20, 1, "its sum" },
        { MADT + 7, 0xff, "its length" },
    };
    u32 size;

    for (unsigned i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        put_machine(NULL, 0);
        assert_non_null(find(&size));
        put(damages[i].at, damages[i].value, 1);
        if (find(&size))
            fail_msg("found in spite of %s", damages[i].what);
        drop_copies();
    }
}

static void a_table_shorter_than_its_header(void **state)
{
    u32 size;

    put_machine(NULL, 0);
    put(MADT + 4, 16, 4);
    set_sum(MADT, 16, 9);
    assert_null(find(&size));
    put_machine(NULL, 0);
    put(ROOT + 4, 16, 4);
    set_sum(ROOT, 16, 9);
    assert_null(find(&size));
}

/* The second table with that signature counts if the first one is damaged; a root table that names itself does no harm. */
static void the_first_one_that_is_whole(void **state)
{
    u32 size = 0;

    put_machine(NULL, 0);
    put(ROOT + 36, OTHER, 8);
    put_table(OTHER, "APIC", 60);
    put(OTHER + 30, 0x77, 1);
    put_table(ROOT, "XSDT", 52);
    assert_non_null(find(&size));
    assert_int_equal(size, 44);
    put(ROOT + 36, ROOT, 8);
    put_table(ROOT, "XSDT", 52);
    assert_non_null(find(&size));
    put_table(ROOT, "XSDT", 51); /* half an entry at its end */
    assert_null(find(&size));
}

static void damaged_entries(void **state)
{
    static const u8 too_short[] = { 0, 8, 0, 1, 1, 0, 0, 0, 0, 7, 0, 2,  1, 0, 0, 9, 15,   0,    0, 3,
                                    0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 11, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0,
                                    0, 2, 9, 0, 3, 7, 0, 0, 0, 0, 0, 8,  0, 5, 1, 0, 0,    0 };
    static const u8 no_length[] = { 0, 8, 0, 1, 1, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0 };
    static const u8 one_byte[] = { 0, 8, 0, 1, 1, 0, 0, 0, 0, 1, 0, 8, 0, 2, 1, 0, 0, 0 };
    static const u8 beyond[] = { 0, 8, 0, 1, 1, 0, 0, 0, 0, 8, 0, 2, 1, 0, 0 };
    static const u8 half[] = { 0, 8, 0, 1, 1, 0, 0, 0, 0 };
    const u32 one[] = { 1 };

    put_machine(too_short, sizeof too_short);
    read_machine();
    expect_ids(2, (const u32[]){ 1, 5 });
    assert_int_equal(madt.ioapic_count, 0);
    assert_int_equal(madt.isa[3].gsi, 3);
    put_machine(no_length, sizeof no_length);
    read_machine();
    expect_ids(1, one);
    put_machine(one_byte, sizeof one_byte);
    read_machine();
    expect_ids(1, one);
    put_machine(beyond, sizeof beyond);
    read_machine();
    expect_ids(1, one);
    put_machine(half, sizeof half);
    read_machine();
    expect_ids(1, one);
    madt_parse(memory + (MADT - BASE), 40, &madt); /* not even the fixed part */
    expect_ids(0, NULL);
}

static void more_than_there_is_room_for(void **state)
{
    static u8 entries[16 * (MADT_PROCESSORS + 3) + 12 * (MADT_IOAPICS + 2)];
    u32 at = 0;

    for (unsigned i = 0; i < MADT_PROCESSORS + 3; i++, at += 16)
        memcpy(entries + at, (const u8[16]){ 9, 16, 0, 0, (u8)i, (u8)(i >> 8), 0, 0, 1 }, 16);
    for (unsigned i = 0; i < MADT_IOAPICS + 2; i++, at += 12)
        memcpy(entries + at, (const u8[12]){ 1, 12, 0, 0, 0, (u8)(i << 4), 0xc0, 0xfe }, 12);
    memory = realloc(memory, SIZE);
    put_machine(entries, sizeof entries);
    read_machine();
    assert_int_equal(madt.processor_count, MADT_PROCESSORS);
    assert_int_equal(madt.processors_left_out, 3);
    assert_int_equal(madt.apic_ids[MADT_PROCESSORS - 1], MADT_PROCESSORS - 1);
    assert_int_equal(madt.ioapic_count, MADT_IOAPICS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_usual_machine, setup, teardown),
        cmocka_unit_test_setup_teardown(no_tables_at_all, setup, teardown),
        cmocka_unit_test_setup_teardown(the_old_root_table, setup, teardown),
        cmocka_unit_test_setup_teardown(what_does_not_add_up_is_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(a_table_shorter_than_its_header, setup, teardown),
        cmocka_unit_test_setup_teardown(the_first_one_that_is_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_entries, setup, teardown),
        cmocka_unit_test_setup_teardown(more_than_there_is_room_for, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

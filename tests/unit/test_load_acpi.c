/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ACPI tables: where they are, and every field that says something, by its offset in the ACPI Specification (6.4); then
 * all of them by ACPICA, which is what kernels read them with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "hv/dev/acpi_pm.h"
#include "tests/unit/load_support.h"

enum { AREA = 0xe0000, AREA_END = 0x100000, HEADER = 36 };

static u8 at8(const struct load_test *test, u64 gpa)
{
    return *(const u8 *)load_test_at(test, gpa, 1);
}

static void check_sum(const struct load_test *test, u64 gpa, u64 size)
{
    const u8 *bytes = load_test_at(test, gpa, size);
    u8 sum = 0;

    for (u64 i = 0; i < size; i++)
        sum += bytes[i];
    assert_int_equal(sum, 0);
}

/* As a kernel searches it. 0: there is none. */
static u64 find_rsdp(const struct load_test *test)
{
    for (u64 at = AREA; at < AREA_END && at < test->memory_size; at += 16)
        if (memcmp(load_test_at(test, at, 16), "RSD PTR ", 8) == 0)
            return at;
    return 0;
}

static void check_table(const struct load_test *test, u64 gpa, const char *signature, u8 revision)
{
    assert_true(gpa % 16 == 0 && gpa >= AREA);
    assert_memory_equal(load_test_at(test, gpa, 4), signature, 4);
    assert_int_equal(at8(test, gpa + 8), revision);
    assert_true(gpa + load_test_u32(test, gpa + 4) <= AREA_END);
    check_sum(test, gpa, load_test_u32(test, gpa + 4));
    assert_memory_equal(load_test_at(test, gpa + 10, 14), "SLAT  GUEST   ", 14);
}

/* The table number `i` of the XSDT, which the RSDT has too. */
static u64 table(const struct load_test *test, unsigned i)
{
    u64 rsdp = find_rsdp(test);
    u64 address = load_test_u64(test, load_test_u64(test, rsdp + 24) + HEADER + 8 * i);

    assert_int_equal(address, load_test_u32(test, load_test_u32(test, rsdp + 16) + HEADER + 4 * i));
    return address;
}

static u64 fadt(const struct load_test *test)
{
    return table(test, 0);
}

static void load_with(struct load_test *test, unsigned processors)
{
    test->size = 16;
    test->conf.format = IMAGE_FLAT;
    test->conf.start = FLAT_32;
    test->conf.load = test->conf.entry = 0x100000;
    test->conf.processors = processors;
    load_test_accept(test);
}

static void tables_are_found(void **state)
{
    struct load_test *test = *state;
    u64 rsdp;

    load_with(test, 3);
    rsdp = find_rsdp(test);
    assert_int_equal(rsdp, AREA);
    check_sum(test, rsdp, 20);
    check_sum(test, rsdp, 36);
    assert_memory_equal(load_test_at(test, rsdp + 9, 6), "SLAT  ", 6);
    assert_int_equal(at8(test, rsdp + 15), 2);
    assert_int_equal(load_test_u32(test, rsdp + 20), 36);
    check_table(test, load_test_u32(test, rsdp + 16), "RSDT", 1);
    assert_int_equal(load_test_u32(test, load_test_u32(test, rsdp + 16) + 4), HEADER + 3 * 4);
    check_table(test, load_test_u64(test, rsdp + 24), "XSDT", 1);
    assert_int_equal(load_test_u32(test, load_test_u64(test, rsdp + 24) + 4), HEADER + 3 * 8);
    check_table(test, table(test, 0), "FACP", 6);
    check_table(test, table(test, 1), "APIC", 5);
    check_table(test, table(test, 2), "SSDT", 2);
    check_table(test, load_test_u32(test, fadt(test) + 40), "DSDT", 2);
}

static void check_port(const struct load_test *test, unsigned offset, u8 bits, u8 access, u64 number)
{
    const u8 expected[4] = { 1, bits, 0, access };

    assert_memory_equal(load_test_at(test, fadt(test) + offset, 4), expected, 4);
    assert_int_equal(load_test_u64(test, fadt(test) + offset + 4), number);
}

static void check_zeros(const struct load_test *test, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        assert_int_equal(at8(test, fadt(test) + i), 0);
}

static void fadt_describes_the_fixed_registers(void **state)
{
    struct load_test *test = *state;
    u64 at;

    load_with(test, 1);
    at = fadt(test);
    assert_int_equal(load_test_u32(test, at + 4), 276);
    assert_int_equal(load_test_u16(test, at + 46), 9);            /* SCI_INT */
    check_zeros(test, 48, 56);                                    /* SMI_CMD and its values */
    assert_int_equal(load_test_u32(test, at + 56), ACPI_PM_PORT); /* PM1a_EVT_BLK */
    check_zeros(test, 60, 64);
    assert_int_equal(load_test_u32(test, at + 64), ACPI_PM_PORT + ACPI_PM_CONTROL);
    check_zeros(test, 68, 76);
    assert_int_equal(load_test_u32(test, at + 76), ACPI_PM_PORT + ACPI_PM_TIMER);
    check_zeros(test, 80, 88);
    assert_int_equal(load_test_u32(test, at + 88), 0x04000204); /* lengths */
    check_zeros(test, 92, 96);
    assert_int_equal(load_test_u16(test, at + 96), 101); /* no C2, no C3 */
    assert_int_equal(load_test_u16(test, at + 98), 1001);
    check_zeros(test, 100, 108);
    assert_int_equal(at8(test, at + 108), 0x32);          /* CENTURY */
    assert_int_equal(load_test_u16(test, at + 109), 0xd); /* IAPC_BOOT_ARCH */
    assert_int_equal(load_test_u32(test, at + 112), 0x575);
    check_port(test, 116, 8, 1, 0x64);
    assert_int_equal(at8(test, at + 128), 0xfe);
    check_zeros(test, 129, 132);
    check_zeros(test, 132, 140); /* X_FIRMWARE_CTRL: only if there is no other address of the FACS */
    assert_int_equal(load_test_u64(test, at + 140), load_test_u32(test, at + 40)); /* DSDT */
    check_port(test, 148, 32, 2, ACPI_PM_PORT);
    check_zeros(test, 160, 172);
    check_port(test, 172, 16, 2, ACPI_PM_PORT + ACPI_PM_CONTROL);
    check_zeros(test, 184, 208);
    check_port(test, 208, 32, 3, ACPI_PM_PORT + ACPI_PM_TIMER);
    check_zeros(test, 220, 276);
}

static void facs_is_aligned(void **state)
{
    struct load_test *test = *state;
    u64 facs;

    load_with(test, 1);
    facs = load_test_u32(test, fadt(test) + 36);
    assert_int_equal(facs % 64, 0);
    assert_memory_equal(load_test_at(test, facs, 8), "FACS\x40\0\0\0", 8);
    assert_int_equal(at8(test, facs + 32), 2);
}

static void check_madt(struct load_test *test, unsigned processors)
{
    const u8 ioapic[12] = { 1, 12, (u8)processors, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0 };
    const u8 pit[10] = { 2, 10, 0, 0, 2, 0, 0, 0, 0, 0 };
    const u8 sci[10] = { 2, 10, 0, 9, 9, 0, 0, 0, 0x0f, 0 }; /* level, low */
    const u8 nmi[6] = { 4, 6, 0xff, 0, 0, 1 };
    u64 at, end;

    load_with(test, processors);
    at = table(test, 1);
    end = at + load_test_u32(test, at + 4);
    assert_int_equal(end - at, 92 - 10 + 8 * processors);
    assert_int_equal(load_test_u32(test, at + 36), 0xfee00000);
    assert_int_equal(load_test_u32(test, at + 40), 1); /* PCAT_COMPAT */
    assert_memory_equal(load_test_at(test, at + 44, 12), ioapic, 12);
    assert_memory_equal(load_test_at(test, at + 56, 10), pit, 10);
    assert_memory_equal(load_test_at(test, at + 66, 10), sci, 10);
    assert_memory_equal(load_test_at(test, at + 76, 6), nmi, 6);
    for (unsigned i = 0; i < processors; i++) {
        const u8 processor[8] = { 0, 8, (u8)i, (u8)i, 1, 0, 0, 0 };

        assert_memory_equal(load_test_at(test, at + 82 + 8 * i, 8), processor, 8);
    }
}

static void madt_lists_the_interrupt_controllers(void **state)
{
    struct load_test *test = *state;

    check_madt(test, 1);
    check_madt(test, 4);
    check_madt(test, 32);
}

static void tables_evade_the_image(void **state)
{
    struct load_test *test = *state;
    u64 size;

    load_with(test, 32);
    size = load_test_u32(test, fadt(test) + 40) - AREA + load_test_u32(test, load_test_u32(test, fadt(test) + 40) + 4);
    assert_true(size < 0x1000); /* the rest of the area is the image's, if it likes */

    test->size = 16;
    test->conf.load = test->conf.entry = 0xe0801; /* in the middle of where they would be */
    load_test_accept(test);
    assert_int_equal(find_rsdp(test), 0xe0840);
    assert_memory_equal(load_test_at(test, 0xe0801, 16), test->image, 16);
    check_table(test, table(test, 2), "SSDT", 2);

    test->size = 0x20000; /* all of the area */
    test->conf.load = test->conf.entry = AREA;
    load_test_accept(test);
    assert_int_equal(find_rsdp(test), 0);
    test->size = 0x1f000;
    load_test_accept(test);
    assert_int_equal(find_rsdp(test), 0xff000);
}

static void little_memory_has_no_tables(void **state)
{
    struct load_test *test = *state;

    test->size = 16;
    test->conf.load = test->conf.entry = 0x7c00;
    test->memory_size = 0xe0000;
    load_test_accept(test);
    test->memory_size = 0x10000;
    load_test_accept(test);
    test->memory_size = 0xe1000;
    load_test_accept(test);
    assert_int_equal(find_rsdp(test), AREA);
}

static void run(const char *folder, const char *command, char *output, size_t size)
{
    char text[512];
    FILE *pipe;
    size_t length;

    snprintf(text, sizeof(text), "cd %s && %s", folder, command);
    pipe = popen(text, "r");
    assert_non_null(pipe);
    length = fread(output, 1, size - 1, pipe);
    output[length] = '\0';
    if (pclose(pipe) != 0)
        fail_msg("%s: %s", command, output);
}

static void write_file(const struct load_test *test, const char *folder, const char *name, u64 gpa)
{
    u64 size = load_test_u32(test, gpa + 4);
    char path[256];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(load_test_at(test, gpa, size), 1, size, file), size);
    fclose(file);
}

static void expect_in(const char *output, const char *text)
{
    if (!strstr(output, text))
        fail_msg("\"%s\" is not in: %s", text, output);
}

static void expect_not_in(const char *output, const char *text)
{
    if (strstr(output, text))
        fail_msg("\"%s\" is in: %s", text, output);
}

/* The interpreter that kernels have loads the tables, and knows the devices and what the sleep type is. */
static void acpica_accepts_them(void **state)
{
    static const unsigned counts[] = { 1, 2, 32 };
    struct load_test *test = *state;
    char folder[] = "/tmp/slat-acpi-XXXXXX", command[128], expected[64];
    static char output[100000];

    assert_non_null(mkdtemp(folder));
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        load_with(test, counts[i]);
        write_file(test, folder, "facp.dat", table(test, 0));
        write_file(test, folder, "apic.dat", table(test, 1));
        write_file(test, folder, "ssdt.dat", table(test, 2));
        write_file(test, folder, "dsdt.dat", load_test_u32(test, fadt(test) + 40));
        write_file(test, folder, "facs.dat", load_test_u32(test, fadt(test) + 36));

        run(folder, "acpiexec -b 'evaluate \\_S5' dsdt.dat ssdt.dat 2>&1", output, sizeof(output));
        snprintf(expected, sizeof(expected), "Contains 4 Elements:\n    [Integer] = %016X", ACPI_PM_SOFT_OFF);
        expect_in(output, expected);
        expect_not_in(output, "Error");
        expect_not_in(output, "Warning");

        snprintf(command, sizeof(command), "acpiexec -b 'evaluate \\_SB.CP%02X._UID' dsdt.dat ssdt.dat 2>&1",
                 counts[i] - 1);
        run(folder, command, output, sizeof(output));
        snprintf(expected, sizeof(expected), "[Integer] = %016X", counts[i] - 1);
        expect_in(output, expected);
        snprintf(command, sizeof(command), "acpiexec -b 'evaluate \\_SB.CP%02X._HID' dsdt.dat ssdt.dat 2>&1",
                 counts[i]);
        run(folder, command, output, sizeof(output));
        expect_in(output, "AE_NOT_FOUND");
        run(folder, "acpiexec -b 'resources \\_SB.COM1' dsdt.dat ssdt.dat 2>&1", output, sizeof(output));
        expect_in(output, "03F8");
        expect_not_in(output, "Error");

        run(folder, "iasl -d facp.dat apic.dat ssdt.dat facs.dat 2>&1 && cat facp.dsl apic.dsl", output,
            sizeof(output));
        expect_not_in(output, "nvalid");
        expect_not_in(output, "rror");
        expect_not_in(output, "Unknown");
        expect_in(output, "Trigger Mode : 3");
        run(folder, "iasl -we facp.dsl 2>&1 && iasl -we apic.dsl 2>&1 && iasl -ve ssdt.dsl 2>&1", output,
            sizeof(output));
        expect_in(output, "0 Errors, 0 Warnings");
    }
    snprintf(command, sizeof(command), "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOAD_TEST(tables_are_found),       LOAD_TEST(fadt_describes_the_fixed_registers),
        LOAD_TEST(facs_is_aligned),        LOAD_TEST(madt_lists_the_interrupt_controllers),
        LOAD_TEST(tables_evade_the_image), LOAD_TEST(little_memory_has_no_tables),
        LOAD_TEST(acpica_accepts_them),
    };

    return cmocka_run_group_tests_name("load_acpi", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* See acpi_tables.h. Section numbers are those of the ACPI Specification 6.4. */
#include "hv/load/acpi_tables.h"

#include <assert.h>

#include "hv/lib/string.h"
#include "hv/load/acpi_format.h"
#include "hv/load/dsdt.h"

/* hv/dev/acpi_pm.h and hv/dev/cmos.h, and the interrupt controllers. */
enum {
    PM1_EVENT_PORT = 0x600,
    PM1_CONTROL_PORT = 0x604,
    PM_TIMER_PORT = 0x608,
    RESET_PORT = 0x64,
    RESET_VALUE = 0xfe,
    CENTURY_CELL = 0x32,
    SCI = 9,
    PIT_PIN = 2,
};
#define LOCAL_APIC_BASE 0xfee00000u
#define IOAPIC_BASE     0xfec00000u

enum { TABLE_ALIGN = 16, FACS_ALIGN = 64, TABLE_COUNT = 3 };

/* Guest-physical addresses; they end at `end`. The RSDP is the first. */
struct layout {
    uint64_t rsdp, facs, rsdt, xsdt, fadt, madt, ssdt, dsdt, end;
};

static uint64_t madt_size(unsigned processors)
{
    return sizeof(struct acpi_madt) + processors * sizeof(struct acpi_madt_processor);
}

static uint64_t ssdt_size(unsigned processors)
{
    return sizeof(struct acpi_processors) + processors * sizeof(struct acpi_processor);
}

static uint64_t next(uint64_t *at, uint64_t size)
{
    uint64_t here = *at;

    *at = (here + size + TABLE_ALIGN - 1) & -(uint64_t)TABLE_ALIGN;
    return here;
}

static struct layout layout_at(uint64_t base, unsigned processors)
{
    struct layout layout = { .rsdp = base, .facs = base + FACS_ALIGN };
    uint64_t at = layout.facs + sizeof(struct acpi_facs);

    layout.rsdt = next(&at, sizeof(struct acpi_header) + TABLE_COUNT * sizeof(uint32_t));
    layout.xsdt = next(&at, sizeof(struct acpi_header) + TABLE_COUNT * sizeof(uint64_t));
    layout.fadt = next(&at, sizeof(struct acpi_fadt));
    layout.madt = next(&at, madt_size(processors));
    layout.ssdt = next(&at, ssdt_size(processors));
    layout.dsdt = next(&at, acpi_dsdt_size);
    layout.end = at;
    return layout;
}

static uint8_t sum(const void *bytes, uint64_t size)
{
    uint8_t total = 0;

    for (uint64_t i = 0; i < size; i++)
        total += ((const uint8_t *)bytes)[i];
    return total;
}

/* `size`: of the whole table. */
static struct acpi_header header_of(const char *signature, uint8_t revision, uint64_t size)
{
    struct acpi_header header = {
        .length = (uint32_t)size,
        .revision = revision,
        .oem_id = "SLAT  ",
        .oem_table_id = "GUEST   ",
        .oem_revision = 1,
        .creator_id = "SLAT",
        .creator_revision = 1,
    };

    memcpy(header.signature, signature, sizeof(header.signature));
    return header;
}

/* A table in two pieces; the first begins with its header. */
static void write_table(struct loader *loader, uint64_t at, struct acpi_header *table, uint64_t size, const void *rest,
                        uint64_t rest_size)
{
    assert(table->length == size + rest_size);
    table->checksum = (uint8_t)(0 - sum(table, size) - sum(rest, rest_size));
    loader_write(loader, at, table, size);
    loader_write(loader, at + size, rest, rest_size);
}

/* 5.2.5.3 */
static void write_rsdp(struct loader *loader, const struct layout *layout)
{
    struct acpi_rsdp rsdp = {
        .signature = "RSD PTR ",
        .oem_id = "SLAT  ",
        .revision = 2,
        .rsdt = (uint32_t)layout->rsdt,
        .length = sizeof(rsdp),
        .xsdt = layout->xsdt,
    };

    rsdp.checksum = (uint8_t)-sum(&rsdp, ACPI_RSDP_OLD_SIZE);
    rsdp.extended_checksum = (uint8_t)-sum(&rsdp, sizeof(rsdp));
    loader_write(loader, layout->rsdp, &rsdp, sizeof(rsdp));
}

/* 5.2.7, 5.2.8: the tables that nothing else leads to. */
static void write_roots(struct loader *loader, const struct layout *layout)
{
    const uint64_t entries64[TABLE_COUNT] = { layout->fadt, layout->madt, layout->ssdt };
    uint32_t entries32[TABLE_COUNT];
    struct acpi_header rsdt = header_of("RSDT", 1, sizeof(rsdt) + sizeof(entries32));
    struct acpi_header xsdt = header_of("XSDT", 1, sizeof(xsdt) + sizeof(entries64));

    for (unsigned i = 0; i < TABLE_COUNT; i++)
        entries32[i] = (uint32_t)entries64[i];
    write_table(loader, layout->rsdt, &rsdt, sizeof(rsdt), entries32, sizeof(entries32));
    write_table(loader, layout->xsdt, &xsdt, sizeof(xsdt), entries64, sizeof(entries64));
}

static struct acpi_address port(uint64_t number, uint8_t bits, uint8_t access)
{
    return (struct acpi_address){ ACPI_SPACE_IO, bits, 0, access, number };
}

/*
 * 5.2.9. What is 0 is not there: SMI_CMD (the machine is in ACPI mode), a second PM1 block, GPEs, processor clocks. The FACS
 * has its 32-bit address alone: with both, it would be taken for two.
 */
static void write_fadt(struct loader *loader, const struct layout *layout)
{
    struct acpi_fadt fadt = {
        .header = header_of("FACP", 6, sizeof(fadt)),
        .facs = (uint32_t)layout->facs,
        .dsdt = (uint32_t)layout->dsdt,
        .sci_interrupt = SCI,
        .pm1a_event = PM1_EVENT_PORT,
        .pm1a_control = PM1_CONTROL_PORT,
        .pm_timer = PM_TIMER_PORT,
        .pm1_event_length = 4,
        .pm1_control_length = 2,
        .pm_timer_length = 4,
        .c2_latency = ACPI_NO_C2,
        .c3_latency = ACPI_NO_C3,
        .century = CENTURY_CELL,
        .boot_flags = ACPI_BOOT_LEGACY_DEVICES | ACPI_BOOT_NO_VGA | ACPI_BOOT_NO_MSI,
        .flags = ACPI_WBINVD | ACPI_C1 | ACPI_NO_POWER_BUTTON | ACPI_NO_SLEEP_BUTTON | ACPI_NO_RTC_WAKE |
                 ACPI_TIMER_32_BITS | ACPI_RESET_REGISTER,
        .reset_register = port(RESET_PORT, 8, ACPI_ACCESS_8),
        .reset_value = RESET_VALUE,
        .x_dsdt = layout->dsdt,
        .x_pm1a_event = port(PM1_EVENT_PORT, 32, ACPI_ACCESS_16),
        .x_pm1a_control = port(PM1_CONTROL_PORT, 16, ACPI_ACCESS_16),
        .x_pm_timer = port(PM_TIMER_PORT, 32, ACPI_ACCESS_32),
    };

    write_table(loader, layout->fadt, &fadt.header, sizeof(fadt), NULL, 0);
}

/* 5.2.10. It has no checksum. */
static void write_facs(struct loader *loader, const struct layout *layout)
{
    const struct acpi_facs facs = { .signature = "FACS", .length = sizeof(facs), .version = 2 };

    loader_write(loader, layout->facs, &facs, sizeof(facs));
}

/* 5.2.12. The wires of the ISA bus are the IOAPIC's pins of the same number, but for the PIT's. */
static void write_madt(struct loader *loader, const struct layout *layout, unsigned processors)
{
    struct acpi_madt_processor local_apics[CONF_MAX_PROCESSORS];
    struct acpi_madt madt = {
        .header = header_of("APIC", 5, madt_size(processors)),
        .local_apic_base = LOCAL_APIC_BASE,
        .flags = ACPI_MADT_HAS_8259,
        .ioapic = { ACPI_MADT_IOAPIC, sizeof(madt.ioapic), (uint8_t)processors, 0, IOAPIC_BASE, 0 },
        .pit = { ACPI_MADT_OVERRIDE, sizeof(madt.pit), ACPI_MADT_ISA, 0, PIT_PIN, 0 },
        .sci = { ACPI_MADT_OVERRIDE, sizeof(madt.sci), ACPI_MADT_ISA, SCI, SCI, ACPI_MADT_LEVEL | ACPI_MADT_LOW },
        .nmi = { ACPI_MADT_NMI, sizeof(madt.nmi), ACPI_MADT_ALL_PROCESSORS, 0, 1 },
    };

    for (unsigned i = 0; i < processors; i++)
        local_apics[i] = (struct acpi_madt_processor){ ACPI_MADT_PROCESSOR, sizeof(local_apics[i]), (uint8_t)i,
                                                       (uint8_t)i, ACPI_MADT_ENABLED };
    write_table(loader, layout->madt, &madt.header, sizeof(madt), local_apics, processors * sizeof(local_apics[0]));
}

/* Processor devices, as 8.4 asks for them; _UID is what the MADT calls them. 20.2 has the encoding. */
static void write_ssdt(struct loader *loader, const struct layout *layout, unsigned processors)
{
    static const char digits[] = "0123456789ABCDEF";
    struct acpi_processor devices[CONF_MAX_PROCESSORS];
    uint64_t package =
        sizeof(struct acpi_processors) - offsetof(struct acpi_processors, length) + processors * sizeof(devices[0]);
    struct acpi_processors ssdt = {
        .header = header_of("SSDT", 2, ssdt_size(processors)),
        .scope_op = AML_SCOPE_OP,
        .length = { (uint8_t)(AML_LENGTH_OF_2 | (package & 0xf)), (uint8_t)(package >> 4) },
        .scope = "\\_SB_",
    };

    for (unsigned i = 0; i < processors; i++)
        devices[i] = (struct acpi_processor){
            .device_op = { AML_EXTENDED, AML_DEVICE_OP },
            .length = sizeof(devices[i]) - offsetof(struct acpi_processor, length),
            .name = { 'C', 'P', digits[i >> 4], digits[i & 0xf] },
            .hid = { AML_NAME_OP, "_HID", AML_STRING, "ACPI0007" },
            .uid = { AML_NAME_OP, "_UID", AML_BYTE, (uint8_t)i },
        };
    write_table(loader, layout->ssdt, &ssdt.header, sizeof(ssdt), devices, processors * sizeof(devices[0]));
}

uint64_t acpi_tables_place(struct loader *loader)
{
    unsigned processors = loader->request->conf->processors;
    uint64_t memory = loader->request->memory_size;
    uint64_t area_end = memory < ACPI_AREA_END ? memory : ACPI_AREA_END;
    uint64_t base, size = layout_at(0, processors).end;
    struct layout layout;

    assert(processors >= 1 && processors <= CONF_MAX_PROCESSORS);
    if (!loader_find_in(loader, ACPI_AREA, area_end, size, FACS_ALIGN, &base) ||
        loader_claim(loader, base, size, "the ACPI tables", LOADER_NO_NUMBER))
        return 0;

    layout = layout_at(base, processors);
    write_rsdp(loader, &layout);
    write_facs(loader, &layout);
    write_roots(loader, &layout);
    write_fadt(loader, &layout);
    write_madt(loader, &layout, processors);
    write_ssdt(loader, &layout, processors);
    loader_write(loader, layout.dsdt, acpi_dsdt, acpi_dsdt_size);
    return layout.rsdp;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The layout of ACPI's tables, as far as acpi_tables.c fills them: ACPI Specification 6.4, chapter 5, and for AML 20.2. All
 * is little-endian, packed, and unaligned. Texts have no terminating zero unless they are AML strings.
 */
#ifndef HV_LOAD_ACPI_FORMAT_H
#define HV_LOAD_ACPI_FORMAT_H

#include <assert.h>
#include <stdint.h>

#define ACPI_PACKED __attribute__((packed))

struct acpi_rsdp {
    char signature[8];
    uint8_t checksum; /* of the first ACPI_RSDP_OLD_SIZE bytes */
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
    uint8_t extended_checksum;
    uint8_t reserved[3];
} ACPI_PACKED;
static_assert(sizeof(struct acpi_rsdp) == 36, "RSDP");

enum { ACPI_RSDP_OLD_SIZE = 20 };

struct acpi_header {
    char signature[4];
    uint32_t length; /* of the whole table */
    uint8_t revision, checksum;
    char oem_id[6], oem_table_id[8];
    uint32_t oem_revision;
    char creator_id[4];
    uint32_t creator_revision;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_header) == 36, "System Description Table Header");

/* Generic Address Structure. */
enum { ACPI_SPACE_IO = 1, ACPI_ACCESS_8 = 1, ACPI_ACCESS_16 = 2, ACPI_ACCESS_32 = 3 };

struct acpi_address {
    uint8_t space, bits, bit_offset, access;
    uint64_t address;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_address) == 12, "Generic Address Structure");

enum {
    ACPI_NO_C2 = 101, /* latencies that say "there is none" */
    ACPI_NO_C3 = 1001,

    ACPI_BOOT_LEGACY_DEVICES = 1 << 0, /* without bit 1: no keyboard controller */
    ACPI_BOOT_NO_VGA = 1 << 2,
    ACPI_BOOT_NO_MSI = 1 << 3,

    ACPI_WBINVD = 1 << 0,
    ACPI_C1 = 1 << 2,
    ACPI_NO_POWER_BUTTON = 1 << 4, /* none among the fixed registers */
    ACPI_NO_SLEEP_BUTTON = 1 << 5,
    ACPI_NO_RTC_WAKE = 1 << 6,
    ACPI_TIMER_32_BITS = 1 << 8,
    ACPI_RESET_REGISTER = 1 << 10,
};

struct acpi_fadt {
    struct acpi_header header;
    uint32_t facs, dsdt;
    uint8_t reserved1, profile;
    uint16_t sci_interrupt;
    uint32_t smi_command;
    uint8_t acpi_enable, acpi_disable, s4bios, pstate_control;
    uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer, gpe0, gpe1;
    uint8_t pm1_event_length, pm1_control_length, pm2_control_length, pm_timer_length, gpe0_length, gpe1_length;
    uint8_t gpe1_base, cst_control;
    uint16_t c2_latency, c3_latency, flush_size, flush_stride;
    uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
    uint16_t boot_flags;
    uint8_t reserved2;
    uint32_t flags;
    struct acpi_address reset_register;
    uint8_t reset_value;
    uint16_t arm_boot_flags;
    uint8_t minor_revision;
    uint64_t x_facs, x_dsdt;
    struct acpi_address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control, x_pm2_control, x_pm_timer;
    struct acpi_address x_gpe0, x_gpe1, sleep_control, sleep_status;
    uint64_t hypervisor;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_fadt) == 276, "FADT, revision 6");

struct acpi_facs {
    char signature[4];
    uint32_t length, hardware_signature, waking_vector, global_lock, flags;
    uint64_t x_waking_vector;
    uint8_t version, reserved[31];
} ACPI_PACKED;
static_assert(sizeof(struct acpi_facs) == 64, "FACS");

enum {
    ACPI_MADT_HAS_8259 = 1 << 0,

    ACPI_MADT_PROCESSOR = 0, /* types of the structures in the MADT */
    ACPI_MADT_IOAPIC = 1,
    ACPI_MADT_OVERRIDE = 2,
    ACPI_MADT_NMI = 4,

    ACPI_MADT_ENABLED = 1 << 0,
    ACPI_MADT_ISA = 0,
    ACPI_MADT_LOW = 3,        /* polarity; 0: what the bus has */
    ACPI_MADT_LEVEL = 3 << 2, /* trigger mode; 0: what the bus has */
    ACPI_MADT_ALL_PROCESSORS = 0xff,
};

struct acpi_madt_processor {
    uint8_t type, length, uid, apic_id;
    uint32_t flags;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_madt_processor) == 8, "Processor Local APIC Structure");

/* As acpi_tables.c arranges it: the processors follow. */
struct acpi_madt {
    struct acpi_header header;
    uint32_t local_apic_base, flags;
    struct {
        uint8_t type, length, id, reserved;
        uint32_t base, first_gsi;
    } ACPI_PACKED ioapic;
    struct {
        uint8_t type, length, bus, irq;
        uint32_t gsi;
        uint16_t flags;
    } ACPI_PACKED pit, sci;
    struct {
        uint8_t type, length, uid;
        uint16_t flags;
        uint8_t lint;
    } ACPI_PACKED nmi;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_madt) == 44 + 12 + 2 * 10 + 6, "MADT before its processors");

enum {
    AML_NAME_OP = 0x08,
    AML_BYTE = 0x0a,
    AML_STRING = 0x0d,
    AML_SCOPE_OP = 0x10,
    AML_EXTENDED = 0x5b,
    AML_DEVICE_OP = 0x82, /* after AML_EXTENDED */

    AML_LENGTH_OF_2 = 1 << 6, /* PkgLength in two bytes: 4 bits, then 8 */
    AML_LENGTH_1_MAX = 0x3f,
    AML_LENGTH_2_MAX = 0xfff,
};

/* Device (CPnn) { Name (_HID, "ACPI0007") Name (_UID, nn) } */
struct acpi_processor {
    uint8_t device_op[2], length;
    char name[4];
    struct {
        uint8_t op;
        char name[4];
        uint8_t prefix;
        char text[9];
    } ACPI_PACKED hid;
    struct {
        uint8_t op;
        char name[4];
        uint8_t prefix, number;
    } ACPI_PACKED uid;
} ACPI_PACKED;
static_assert(sizeof(struct acpi_processor) <= AML_LENGTH_1_MAX, "its length is one byte");

/* An SSDT with Scope (\_SB); the processors in it follow. */
struct acpi_processors {
    struct acpi_header header;
    uint8_t scope_op, length[2];
    char scope[5];
} ACPI_PACKED;
static_assert(sizeof(struct acpi_processors) == 44, "the SSDT before its processors");

#endif

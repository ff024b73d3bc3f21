/* SPDX-License-Identifier: BSD-2-Clause */
/* See madt.h. */
#include "arch/x86/madt.h"

#include "arch/x86/acpi_find.h"

/* Behind the common header: the local APICs' address and flags; then entries: type, length, content. */
enum { ENTRIES = 44 };
enum { LOCAL_APIC = 0, IO_APIC = 1, OVERRIDE = 2, LOCAL_X2APIC = 9 };
enum { LOCAL_APIC_SIZE = 8, IO_APIC_SIZE = 12, OVERRIDE_SIZE = 10, LOCAL_X2APIC_SIZE = 16 };
enum { POLARITY = 3, POLARITY_LOW = 3, TRIGGER = 3 << 2, TRIGGER_LEVEL = 3 << 2 };

static const u32 ENABLED = 1;
/* Not a processor: entries for sockets that are empty have it. */
static const u32 NOBODY = 0xff, NOBODY_X2 = 0xffffffff;

static void add_processor(struct madt *madt, u32 apic_id, u32 flags)
{
    if (!(flags & ENABLED))
        return;
    for (unsigned i = 0; i < madt->processor_count; i++)
        if (madt->apic_ids[i] == apic_id)
            return;
    if (madt->processor_count == MADT_PROCESSORS)
        madt->processors_left_out++;
    else
        madt->apic_ids[madt->processor_count++] = apic_id;
}

static void add_ioapic(struct madt *madt, u32 address, u32 gsi_base)
{
    if (address && address % 16 == 0 && madt->ioapic_count < MADT_IOAPICS)
        madt->ioapics[madt->ioapic_count++] = (struct madt_ioapic){ address, gsi_base };
}

static void add_override(struct madt *madt, u8 bus, u8 source, u32 gsi, unsigned flags)
{
    if (bus != 0 || source >= ISA_IRQS)
        return;
    /* "As the bus has it" is edge and active high for ISA. */
    madt->isa[source] =
        (struct madt_irq){ gsi, (flags & TRIGGER) == TRIGGER_LEVEL, (flags & POLARITY) == POLARITY_LOW };
}

static void add_entry(struct madt *madt, const u8 *entry, u8 size)
{
    switch (entry[0]) {
    case LOCAL_APIC:
        if (size >= LOCAL_APIC_SIZE && entry[3] != NOBODY)
            add_processor(madt, entry[3], acpi_u32(entry + 4));
        break;
    case LOCAL_X2APIC:
        if (size >= LOCAL_X2APIC_SIZE && acpi_u32(entry + 4) != NOBODY_X2)
            add_processor(madt, acpi_u32(entry + 4), acpi_u32(entry + 8));
        break;
    case IO_APIC:
        if (size >= IO_APIC_SIZE)
            add_ioapic(madt, acpi_u32(entry + 4), acpi_u32(entry + 8));
        break;
    case OVERRIDE:
        if (size >= OVERRIDE_SIZE)
            add_override(madt, entry[2], entry[3], acpi_u32(entry + 4), entry[8] | (unsigned)entry[9] << 8);
        break;
    default:
        break;
    }
}

void madt_parse(const u8 *table, u32 size, struct madt *madt)
{
    *madt = (struct madt){ 0 };
    for (u32 irq = 0; irq < ISA_IRQS; irq++)
        madt->isa[irq].gsi = irq;
    if (!table)
        return;
    for (u32 at = ENTRIES; at < size && size - at >= 2;) {
        u8 length = table[at + 1];

        /* What follows cannot be found. */
        if (length < 2 || length > size - at)
            return;
        add_entry(madt, table + at, length);
        at += length;
    }
}

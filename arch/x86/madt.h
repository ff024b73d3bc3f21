/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the machine's MADT says: its processors and how interrupts reach them. ACPI specification 6.5, 5.2.12 "Multiple APIC
 * Description Table". Pure: what firmware says wrongly is left out.
 */
#ifndef ARCH_X86_MADT_H
#define ARCH_X86_MADT_H

#include "mm/types.h"

enum { MADT_PROCESSORS = 512, MADT_IOAPICS = 32, ISA_IRQS = 16 };

struct madt_ioapic {
    u32 address;  /* physical, of its registers */
    u32 gsi_base; /* the global system interrupt of its first pin */
};

struct madt_irq {
    u32 gsi;
    bool level, active_low;
};

struct madt {
    unsigned processor_count;     /* those that are enabled, each once */
    unsigned processors_left_out; /* enabled, too; there was no room */
    u32 apic_ids[MADT_PROCESSORS];
    unsigned ioapic_count;
    struct madt_ioapic ioapics[MADT_IOAPICS];
    struct madt_irq isa[ISA_IRQS]; /* by ISA number; without a word in the table: the same GSI, edge, active high */
};

/* From the table of `size` bytes, header included; NULL: what a machine without a MADT is like. */
void madt_parse(const u8 *table, u32 size, struct madt *madt);

#endif

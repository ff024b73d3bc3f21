/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An I/O APIC of version 0x20 with 24 inputs. Source: Intel 82093AA data sheet; the EOI register: 82801 (ICH) data sheets.
 * Inputs are logical: high means asserted, whatever polarity the guest has set.
 */
#ifndef HV_DEV_IOAPIC_H
#define HV_DEV_IOAPIC_H

#include "hv/dev/apic_message.h"

#define IOAPIC_BASE 0xfec00000ull

enum { IOAPIC_PINS = 24 };

struct ioapic {
    /*
     * set once: a message for the local APICs, from within any function here. Whether one of them has accepted it: otherwise
     * a level-triggered interrupt is sent again by ioapic_retry().
     */
    bool (*deliver)(void *context, const struct apic_message *message);
    void *context;

    u8 id;
    u8 select;                /* register that the data window shows */
    u32 lines;                /* the inputs as they are */
    u64 entries[IOAPIC_PINS]; /* the redirection table */
};

/* The ID register has eight bits instead of the first chip's four, as a local APIC's: a guest may have 32 processors. */
void ioapic_init(struct ioapic *ioapic, u8 id, bool (*deliver)(void *context, const struct apic_message *message),
                 void *context);

/* `offset` in the page is below 4096, `size` is 1, 2, 4 or 8. Other than 32-bit writes of the data window are ignored. */
u64 ioapic_mmio_read(const struct ioapic *ioapic, u32 offset, unsigned size);
void ioapic_mmio_write(struct ioapic *ioapic, u32 offset, unsigned size, u64 value);

void ioapic_set_line(struct ioapic *ioapic, unsigned pin, bool high);

/* A local APIC has ended the level-triggered `vector`. An input that is still high asks again, once. */
void ioapic_eoi(struct ioapic *ioapic, u8 vector);

/* Sends what is asserted and nobody has accepted yet: the local APIC may have been disabled. */
void ioapic_retry(struct ioapic *ioapic);

/* Whether the input can interrupt anybody. */
bool ioapic_pin_enabled(const struct ioapic *ioapic, unsigned pin);

/* Whether an input is let through as an NMI or an INIT, which reach processors whose interrupts are off. */
bool ioapic_sends_events(const struct ioapic *ioapic);

#endif

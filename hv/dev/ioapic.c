/* SPDX-License-Identifier: BSD-2-Clause */
/* See ioapic.h. */
#include "hv/dev/ioapic.h"

enum {
    WINDOW_SELECT = 0x00,
    WINDOW_DATA = 0x10,
    WINDOW_EOI = 0x40,

    REG_ID = 0,
    REG_VERSION = 1,
    REG_ARBITRATION = 2,
    REG_TABLE = 0x10, /* two for each pin */

    VERSION = 0x20 | (IOAPIC_PINS - 1) << 16,
    ID_SHIFT = 24,

    ENTRY_MODE_SHIFT = 8, /* enum apic_mode */
    ENTRY_LOGICAL = 1u << 11,
    ENTRY_REMOTE_IRR = 1u << 14, /* a local APIC has the interrupt and has not ended it */
    ENTRY_LEVEL = 1u << 15,
    ENTRY_MASKED = 1u << 16,
    ENTRY_WRITABLE = 0x1afff, /* of the low half: all but remote IRR and delivery status, which is never busy */
    ENTRY_DESTINATION_SHIFT = 56,
};

static enum apic_mode entry_mode(u64 entry)
{
    return (enum apic_mode)(entry >> ENTRY_MODE_SHIFT & 7);
}

/* Only interrupt requests can be level-triggered: who gets an NMI or an INIT does not end it. */
static bool entry_is_level(u64 entry)
{
    return (entry & ENTRY_LEVEL) && (entry_mode(entry) == APIC_FIXED || entry_mode(entry) == APIC_LOWEST);
}

static bool entry_is_valid(u64 entry)
{
    enum apic_mode mode = entry_mode(entry);

    return mode != 3 && mode != APIC_STARTUP;
}

static bool send(struct ioapic *ioapic, u64 entry)
{
    u32 destination = (u32)(entry >> ENTRY_DESTINATION_SHIFT);
    struct apic_message message = {
        .mode = entry_mode(entry),
        .logical = entry & ENTRY_LOGICAL,
        .level = entry_is_level(entry),
        .vector = (u8)entry,
        .destination = destination == 0xff ? APIC_BROADCAST : destination,
    };

    return entry_is_valid(entry) && ioapic->deliver(ioapic->context, &message);
}

/* A level is sent while it is asserted and nobody has it. */
static void send_level(struct ioapic *ioapic, unsigned pin)
{
    u64 *entry = &ioapic->entries[pin];

    if (!(ioapic->lines & 1u << pin) || !entry_is_level(*entry) || (*entry & (ENTRY_MASKED | ENTRY_REMOTE_IRR)))
        return;
    if (send(ioapic, *entry))
        *entry |= ENTRY_REMOTE_IRR;
}

/* An edge at a masked input is lost (82093AA, "Interrupt Mask"). */
void ioapic_set_line(struct ioapic *ioapic, unsigned pin, bool high)
{
    u32 bit = 1u << pin;
    bool rises = high && !(ioapic->lines & bit);
    u64 entry = ioapic->entries[pin];

    assert(pin < IOAPIC_PINS);
    ioapic->lines = high ? ioapic->lines | bit : ioapic->lines & ~bit;
    if (entry_is_level(entry))
        send_level(ioapic, pin);
    else if (rises && !(entry & ENTRY_MASKED))
        send(ioapic, entry);
}

void ioapic_retry(struct ioapic *ioapic)
{
    if (!ioapic->lines)
        return;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        send_level(ioapic, pin);
}

void ioapic_eoi(struct ioapic *ioapic, u8 vector)
{
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        u64 *entry = &ioapic->entries[pin];

        if ((u8)*entry != vector || !(*entry & ENTRY_REMOTE_IRR))
            continue;
        *entry &= ~(u64)ENTRY_REMOTE_IRR;
        send_level(ioapic, pin);
    }
}

bool ioapic_pin_enabled(const struct ioapic *ioapic, unsigned pin)
{
    return !(ioapic->entries[pin] & ENTRY_MASKED) && entry_is_valid(ioapic->entries[pin]);
}

bool ioapic_sends_events(const struct ioapic *ioapic)
{
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        enum apic_mode mode = entry_mode(ioapic->entries[pin]);

        if (ioapic_pin_enabled(ioapic, pin) && (mode == APIC_NMI || mode == APIC_INIT))
            return true;
    }
    return false;
}

static void write_entry(struct ioapic *ioapic, unsigned pin, bool high_half, u32 value)
{
    u64 entry = ioapic->entries[pin];

    if (high_half)
        entry = (u32)entry | (u64)(value & 0xff000000) << 32;
    else
        entry = (entry & ~(u64)ENTRY_WRITABLE) | (value & ENTRY_WRITABLE);
    if (!entry_is_level(entry))
        entry &= ~(u64)ENTRY_REMOTE_IRR; /* which is how drivers without an EOI register clear it */
    ioapic->entries[pin] = entry;
    send_level(ioapic, pin);
}

static void write_data(struct ioapic *ioapic, u32 value)
{
    unsigned reg = ioapic->select;

    if (reg == REG_ID)
        ioapic->id = (u8)(value >> ID_SHIFT);
    else if (reg >= REG_TABLE && reg < REG_TABLE + 2 * IOAPIC_PINS)
        write_entry(ioapic, (reg - REG_TABLE) / 2, reg & 1, value);
}

static u32 read_data(const struct ioapic *ioapic)
{
    unsigned reg = ioapic->select;

    if (reg == REG_ID || reg == REG_ARBITRATION)
        return (u32)ioapic->id << ID_SHIFT;
    if (reg == REG_VERSION)
        return VERSION;
    if (reg >= REG_TABLE && reg < REG_TABLE + 2 * IOAPIC_PINS)
        return (u32)(ioapic->entries[(reg - REG_TABLE) / 2] >> (reg & 1 ? 32 : 0));
    return 0;
}

u64 ioapic_mmio_read(const struct ioapic *ioapic, u32 offset, unsigned size)
{
    u64 mask = UINT64_MAX >> (64 - 8 * size);

    if (offset == WINDOW_SELECT)
        return ioapic->select;
    return offset == WINDOW_DATA ? read_data(ioapic) & mask : 0;
}

void ioapic_mmio_write(struct ioapic *ioapic, u32 offset, unsigned size, u64 value)
{
    if (offset == WINDOW_SELECT)
        ioapic->select = (u8)value;
    else if (offset == WINDOW_DATA && size == 4)
        write_data(ioapic, (u32)value);
    else if (offset == WINDOW_EOI)
        ioapic_eoi(ioapic, (u8)value);
}

void ioapic_init(struct ioapic *ioapic, u8 id, bool (*deliver)(void *context, const struct apic_message *message),
                 void *context)
{
    *ioapic = (struct ioapic){ .deliver = deliver, .context = context, .id = id };
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        ioapic->entries[pin] = ENTRY_MASKED;
}

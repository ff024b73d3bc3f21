/* SPDX-License-Identifier: BSD-2-Clause */
/* See irq.h. IOAPIC: "82093AA I/O Advanced Programmable Interrupt Controller", chapter 3. */
#include "arch/x86/irq.h"

#include "arch/x86/apic.h"
#include "arch/x86/machine.h"
#include "arch/x86/paging.h"
#include "arch/x86/processor.h"

/* Two registers to reach the others; each pin has two of those, 32 bits each. */
enum { SELECT = 0x00, WINDOW = 0x10, WINDOWS_SIZE = 0x20, IOAPIC_VERSION = 1, IOAPIC_PINS = 0x10, PINS_MAX = 240 };

static const u32 PIN_MASKED = 1u << 16, PIN_LEVEL = 1u << 15, PIN_ACTIVE_LOW = 1u << 13;

struct ioapic {
    volatile u8 *windows;
    u32 gsi_base;
    unsigned pins;
};

static struct ioapic ioapics[MADT_IOAPICS];
static unsigned ioapic_count;
static void (*handlers[ISA_IRQS])(void);

static u32 ioapic_read(const struct ioapic *ioapic, u32 which)
{
    *(volatile u32 *)(ioapic->windows + SELECT) = which;
    return *(volatile u32 *)(ioapic->windows + WINDOW);
}

static void ioapic_write(const struct ioapic *ioapic, u32 which, u32 value)
{
    *(volatile u32 *)(ioapic->windows + SELECT) = which;
    *(volatile u32 *)(ioapic->windows + WINDOW) = value;
}

void irq_start(void)
{
    const struct madt *madt = machine_madt();

    for (unsigned i = 0; i < madt->ioapic_count; i++) {
        struct ioapic *ioapic = &ioapics[ioapic_count];

        ioapic->windows = vmap_device((hpa_t){ madt->ioapics[i].address }, WINDOWS_SIZE);
        if (!ioapic->windows)
            continue;
        ioapic->gsi_base = madt->ioapics[i].gsi_base;
        ioapic->pins = (ioapic_read(ioapic, IOAPIC_VERSION) >> 16 & 0xff) + 1;
        if (ioapic->pins > PINS_MAX) /* nothing is there: all ones */
            continue;
        for (unsigned pin = 0; pin < ioapic->pins; pin++)
            ioapic_write(ioapic, IOAPIC_PINS + 2 * pin, ioapic_read(ioapic, IOAPIC_PINS + 2 * pin) | PIN_MASKED);
        ioapic_count++;
    }
}

static const struct ioapic *ioapic_of(u32 gsi)
{
    for (unsigned i = 0; i < ioapic_count; i++)
        if (gsi - ioapics[i].gsi_base < ioapics[i].pins)
            return &ioapics[i];
    return NULL;
}

int irq_route(unsigned isa_irq, void (*handler)(void))
{
    if (isa_irq >= ISA_IRQS)
        return -EINVAL;

    const struct madt_irq *irq = &machine_madt()->isa[isa_irq];
    const struct ioapic *ioapic = ioapic_of(irq->gsi);
    u32 id = processor_at(0)->apic_id;
    /* An IOAPIC sends to 8 bits of an APIC ID. */
    if (!ioapic || !apic_is_present() || id > 0xff)
        return -ENODEV;

    u32 pin = IOAPIC_PINS + 2 * (irq->gsi - ioapic->gsi_base);
    __atomic_store_n(&handlers[isa_irq], handler, __ATOMIC_RELEASE);
    ioapic_write(ioapic, pin, PIN_MASKED);
    ioapic_write(ioapic, pin + 1, id << 24);
    ioapic_write(ioapic, pin,
                 (VECTOR_ISA + isa_irq) | (irq->level ? PIN_LEVEL : 0) | (irq->active_low ? PIN_ACTIVE_LOW : 0));
    return 0;
}

void irq_handle(u32 vector)
{
    if (vector == VECTOR_SPURIOUS) /* it is in service nowhere */
        return;
    if (vector - VECTOR_ISA < ISA_IRQS) {
        void (*handler)(void) = __atomic_load_n(&handlers[vector - VECTOR_ISA], __ATOMIC_ACQUIRE);

        if (handler)
            handler();
    }
    apic_acknowledge();
}

void processor_kick(unsigned number)
{
    apic_send(processor_at(number)->apic_id, VECTOR_KICK);
}

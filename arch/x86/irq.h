/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interrupts that slat takes: kicks from one processor to another, the local timer, and ISA interrupts that somebody asked
 * for. Interrupts are enabled only while a processor idles or is in a guest; so a handler never interrupts the hypervisor.
 */
#ifndef ARCH_X86_IRQ_H
#define ARCH_X86_IRQ_H

#include "mm/types.h"

/* The task priority lets these through, and nothing that firmware has left. */
enum {
    VECTOR_FIRST_OWN = 0xe0,
    VECTOR_ISA = 0xe0, /* + number of the ISA interrupt */
    VECTOR_TIMER = 0xf0,
    VECTOR_KICK = 0xf1,
    VECTOR_SPURIOUS = 0xff,
};

/* Masks all pins of all IOAPICs that the MADT names. Once, on the boot processor. */
void irq_start(void);

/*
 * Calls `handler` on processor 0 for every interrupt on ISA line `isa_irq` from now on, as an edge. 0, -EINVAL, or -ENODEV:
 * there is no IOAPIC that has it. The handler finds interrupts off, and is not interrupted by itself.
 */
int irq_route(unsigned isa_irq, void (*handler)(void));

/*
 * An interrupt that was delivered, or acknowledged by a VM exit: calls its handler if it has one, and ends it. One that nobody
 * expects is ended only.
 */
void irq_handle(u32 vector);

/*
 * Interrupts processor `number`: it leaves its guest, or its idling. Nothing happens to one that does neither: who sends it
 * has stored what it is to find before it idles or enters the guest.
 */
void processor_kick(unsigned number);

#endif

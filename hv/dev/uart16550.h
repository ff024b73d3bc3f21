/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A 16550A UART as a driver finds it: all registers, both FIFO modes, loopback. Its line is infinitely fast: what is
 * written has been sent, so the transmitter is always empty, and a receive FIFO that has not reached its trigger level
 * has already timed out. Source: National Semiconductor PC16550D, register descriptions.
 */
#ifndef HV_DEV_UART16550_H
#define HV_DEV_UART16550_H

#include "hv/dev/port_bus.h"

enum { UART_PORTS = 8, UART_FIFO_SIZE = 16 };

struct uart {
    /* set once: */
    void (*transmit)(void *context, u8 byte);
    void *context;

    u8 ier, lcr, mcr, scr, fcr;
    u8 msr;        /* modem lines (bits 4 to 7) and what changed since the last read (bits 0 to 3) */
    u8 lsr_errors; /* overrun, until LSR is read */
    u8 divisor[2];
    bool thre_pending; /* the transmitter became empty, and IIR has not reported it yet */
    u8 fifo[UART_FIFO_SIZE];
    u8 fifo_first, fifo_count;
};

void uart_init(struct uart *uart, void (*transmit)(void *context, u8 byte), void *context);

extern const struct port_ops uart_ops; /* dev: struct uart */

/* A byte from the line. False: it is lost, there was no room, and the guest sees an overrun. */
bool uart_receive(struct uart *uart, u8 byte);

/* Whether uart_receive() would find room: a patient sender asks first. */
bool uart_can_receive(const struct uart *uart);

/* The state of the interrupt line, before OUT2 gates it (a PC's COM port raises its IRQ only with MCR.OUT2). */
bool uart_irq_pending(const struct uart *uart);

/* The PC's IRQ line behind that gate. In loopback OUT2 is inactive, whatever MCR says. */
bool uart_irq_line(const struct uart *uart);

/* Whether a byte that is received would raise the line. */
bool uart_irq_on_receive(const struct uart *uart);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* See serial.h. */
#include "arch/x86/serial.h"

#include "arch/x86/io.h"

/* 16550 registers, from the port's base. */
enum { COM1 = 0x3f8, DATA = 0, IER = 1, FCR = 2, LCR = 3, MCR = 4, LSR = 5, SCRATCH = 7 };
enum { LCR_8N1 = 0x03, LCR_DIVISOR = 0x80, FCR_ENABLE = 0x01, MCR_DTR_RTS = 0x03, DIVISOR_115200 = 1 };
enum { LSR_TRANSMIT_READY = 0x20, LSR_TRANSMIT_IDLE = 0x40 };

/* Reads of the status: one takes about a microsecond on real hardware, a character goes out in 87. */
enum { READY_TRIES = 200000 };

static bool present;

/* Until the port says `bits`; if it never does, it counts as absent. */
static void wait_for(u8 bits)
{
    unsigned tries = READY_TRIES;

    while (present && !(io_read8(COM1 + LSR) & bits))
        present = --tries > 0;
}

static void put(char c)
{
    wait_for(LSR_TRANSMIT_READY);
    if (present)
        io_write8(COM1 + DATA, (u8)c);
}

bool serial_init(void)
{
    /* What is absent reads as all ones, or as the last value on the bus: hence two different values. */
    io_write8(COM1 + SCRATCH, 0x5a);
    present = io_read8(COM1 + SCRATCH) == 0x5a;
    io_write8(COM1 + SCRATCH, 0xa5);
    present = present && io_read8(COM1 + SCRATCH) == 0xa5 && io_read8(COM1 + LSR) != 0xff;
    wait_for(LSR_TRANSMIT_IDLE); /* the firmware's last characters, if it writes here too */
    if (!present)
        return false;
    io_write8(COM1 + IER, 0);
    io_write8(COM1 + LCR, LCR_DIVISOR);
    io_write8(COM1 + DATA, DIVISOR_115200);
    io_write8(COM1 + IER, 0);
    io_write8(COM1 + LCR, LCR_8N1);
    io_write8(COM1 + FCR, FCR_ENABLE);
    io_write8(COM1 + MCR, MCR_DTR_RTS);
    return true;
}

void serial_write(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            put('\r');
        put(text[i]);
    }
}

void serial_drain(void)
{
    wait_for(LSR_TRANSMIT_IDLE);
}

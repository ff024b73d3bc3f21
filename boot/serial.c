/* SPDX-License-Identifier: BSD-2-Clause */
/* Polls: boot/console.c uses it before and after the firmware's console has gone. */
#include "boot/serial.h"

#include "boot/processor.h"

enum { COM1 = 0x3f8 };

enum uart_register {
    UART_DATA = COM1,           /* low half of the divisor while LCR_DIVISOR is set */
    UART_INTERRUPTS = COM1 + 1, /* high half */
    UART_FIFO = COM1 + 2,
    UART_LINE_CONTROL = COM1 + 3,
    UART_MODEM_CONTROL = COM1 + 4,
    UART_LINE_STATUS = COM1 + 5,
    UART_SCRATCH = COM1 + 7,
};

enum {
    FIFO_ENABLE = 0x01,
    LCR_8N1 = 0x03,
    LCR_DIVISOR = 0x80,
    MCR_DTR_RTS = 0x03,
    LSR_CAN_SEND = 0x20,
    DIVISOR_115200 = 1,
    POLLS = 100000, /* reading a port takes about a microsecond */
};

static bool present;

static bool scratch_holds(uint8_t value)
{
    port_write(UART_SCRATCH, value);
    return port_read(UART_SCRATCH) == value;
}

static bool wait_until_it_can_send(void)
{
    unsigned polls;

    for (polls = 0; polls < POLLS; polls++) {
        if (port_read(UART_LINE_STATUS) & LSR_CAN_SEND)
            return true;
        processor_pause();
    }
    return false;
}

bool serial_start(void)
{
    /* Where nothing is, all reads give 0xff. */
    present = port_read(UART_LINE_STATUS) != 0xff && scratch_holds(0x5a) && scratch_holds(0xa5);
    /* The firmware may have characters on the way: they would go out garbled. */
    present = present && wait_until_it_can_send();
    if (!present)
        return false;
    port_write(UART_INTERRUPTS, 0);
    port_write(UART_LINE_CONTROL, LCR_DIVISOR);
    port_write(UART_DATA, DIVISOR_115200);
    port_write(UART_INTERRUPTS, 0);
    port_write(UART_LINE_CONTROL, LCR_8N1);
    port_write(UART_FIFO, FIFO_ENABLE);
    port_write(UART_MODEM_CONTROL, MCR_DTR_RTS);
    return true;
}

static void send(char character)
{
    present = present && wait_until_it_can_send();
    if (present)
        port_write(UART_DATA, (uint8_t)character);
}

void serial_write(const char *text, size_t length)
{
    size_t i;

    for (i = 0; i < length; i++) {
        if (text[i] == '\n')
            send('\r');
        send(text[i]);
    }
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* See serial.h. */
#include "arch/x86/serial.h"

#include "arch/x86/io.h"
#include "mm/atomic.h"

/* 16550 registers, from the port's base. */
enum { DATA = 0, IER = 1, FCR = 2, LCR = 3, MCR = 4, LSR = 5, SCRATCH = 7 };
enum { LCR_8N1 = 0x03, LCR_DIVISOR = 0x80, FCR_ENABLE = 0x01, MCR_DTR_RTS = 0x03, DIVISOR_115200 = 1 };
enum { IER_RECEIVED = 0x01, MCR_OUT2 = 0x08 }; /* OUT2 lets the interrupt through */
enum { LSR_RECEIVED = 0x01, LSR_TRANSMIT_READY = 0x20, LSR_TRANSMIT_IDLE = 0x40 };
enum { LSR_BAD = 0x1c, LSR_ABSENT = 0xff }; /* BAD: parity, framing or break, of the byte that is read next */

/* Reads of the status: one takes about a microsecond on real hardware, a character goes out in 87. */
enum { READY_TRIES = 200000 };

enum { RECEIVED_SIZE = 1024, TRANSMITTER_SIZE = 16 };

struct port {
    u16 base;
    bool present;

    /* What has come, and nobody has read. */
    u32 is_moving;              /* atomic: somebody moves bytes from the port to here */
    u32 put_count, taken_count; /* atomic; they wrap around */
    u8 received[RECEIVED_SIZE];
};

static struct port com1 = { .base = 0x3f8 }, com2 = { .base = 0x2f8 };

/*
 * From the port to the ring; `status` was just read, which forgets what it said about the next byte. Where somebody
 * else does that already there is nothing to do, and nobody waits: not a panic, either.
 */
static void move_received(struct port *port, u8 status)
{
    if (atomic_xchg(&port->is_moving, 1))
        return;
    while (status != LSR_ABSENT && (status & LSR_RECEIVED) &&
           port->put_count - atomic_read(&port->taken_count) < RECEIVED_SIZE) {
        port->received[port->put_count % RECEIVED_SIZE] = io_read8(port->base + DATA);
        if (!(status & LSR_BAD))
            atomic_write(&port->put_count, port->put_count + 1); /* pairs with the read in take() */
        status = io_read8(port->base + LSR);
    }
    atomic_write(&port->is_moving, 0);
}

static int take(struct port *port)
{
    u32 at = port->taken_count;

    if (!port->present)
        return -1;
    move_received(port, io_read8(port->base + LSR));
    if (at == atomic_read(&port->put_count))
        return -1;
    u8 byte = port->received[at % RECEIVED_SIZE];
    atomic_write(&port->taken_count, at + 1); /* pairs with the read in move_received(): the place is free */
    return byte;
}

static void receive_interrupt(struct port *port)
{
    if (port->present)
        move_received(port, io_read8(port->base + LSR));
}

static void enable_receive_interrupt(const struct port *port)
{
    if (!port->present)
        return;
    io_write8(port->base + MCR, MCR_DTR_RTS | MCR_OUT2);
    io_write8(port->base + IER, IER_RECEIVED);
}

/* Until the port says `bits`; if it never does, it counts as absent. */
static void wait_for(struct port *port, u8 bits)
{
    unsigned tries = READY_TRIES;

    while (port->present) {
        u8 status = io_read8(port->base + LSR);

        if (status & LSR_RECEIVED)
            move_received(port, status);
        if (status & bits)
            return;
        port->present = --tries > 0;
    }
}

static void put(struct port *port, char c)
{
    wait_for(port, LSR_TRANSMIT_READY);
    if (port->present)
        io_write8(port->base + DATA, (u8)c);
}

static bool init(struct port *port)
{
    u16 base = port->base;

    /* What is absent reads as all ones, or as the last value on the bus: hence two different values. */
    io_write8(base + SCRATCH, 0x5a);
    port->present = io_read8(base + SCRATCH) == 0x5a;
    io_write8(base + SCRATCH, 0xa5);
    port->present = port->present && io_read8(base + SCRATCH) == 0xa5 && io_read8(base + LSR) != 0xff;
    wait_for(port, LSR_TRANSMIT_IDLE); /* the firmware's last characters, if it writes here too */
    if (!port->present)
        return false;
    io_write8(base + IER, 0);
    io_write8(base + LCR, LCR_DIVISOR);
    io_write8(base + DATA, DIVISOR_115200);
    io_write8(base + IER, 0);
    io_write8(base + LCR, LCR_8N1);
    io_write8(base + FCR, FCR_ENABLE);
    io_write8(base + MCR, MCR_DTR_RTS);
    return true;
}

bool serial_init(void)
{
    return init(&com1);
}

bool serial_is_present(void)
{
    return com1.present;
}

int serial_read(void)
{
    return take(&com1);
}

void serial_receive_interrupt(void)
{
    receive_interrupt(&com1);
}

void serial_enable_receive_interrupt(void)
{
    enable_receive_interrupt(&com1);
}

void serial_write(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            put(&com1, '\r');
        put(&com1, text[i]);
    }
}

void serial_write_raw(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        put(&com1, bytes[i]);
}

void serial_drain(void)
{
    wait_for(&com1, LSR_TRANSMIT_IDLE);
    wait_for(&com2, LSR_TRANSMIT_IDLE);
}

bool serial2_init(void)
{
    return init(&com2);
}

int serial2_read(void)
{
    return take(&com2);
}

void serial2_receive_interrupt(void)
{
    receive_interrupt(&com2);
}

void serial2_enable_receive_interrupt(void)
{
    enable_receive_interrupt(&com2);
}

size_t serial2_write(const char *bytes, size_t length)
{
    size_t count = length < TRANSMITTER_SIZE ? length : TRANSMITTER_SIZE;

    if (!com2.present)
        return length;
    if (!(io_read8(com2.base + LSR) & LSR_TRANSMIT_READY))
        return 0;
    for (size_t i = 0; i < count; i++)
        io_write8(com2.base + DATA, (u8)bytes[i]);
    return count;
}

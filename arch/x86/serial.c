/* SPDX-License-Identifier: BSD-2-Clause */
/* See serial.h. */
#include "arch/x86/serial.h"

#include "arch/x86/io.h"
#include "mm/atomic.h"

/* 16550 registers, from the port's base. */
enum { COM1 = 0x3f8, DATA = 0, IER = 1, FCR = 2, LCR = 3, MCR = 4, LSR = 5, SCRATCH = 7 };
enum { LCR_8N1 = 0x03, LCR_DIVISOR = 0x80, FCR_ENABLE = 0x01, MCR_DTR_RTS = 0x03, DIVISOR_115200 = 1 };
enum { IER_RECEIVED = 0x01, MCR_OUT2 = 0x08 }; /* OUT2 lets the interrupt through */
enum { LSR_RECEIVED = 0x01, LSR_TRANSMIT_READY = 0x20, LSR_TRANSMIT_IDLE = 0x40 };
enum { LSR_BAD = 0x1c, LSR_ABSENT = 0xff }; /* BAD: parity, framing or break, of the byte that is read next */

/* Reads of the status: one takes about a microsecond on real hardware, a character goes out in 87. */
enum { READY_TRIES = 200000 };

static bool present;

/* What has come, and nobody has read. */
enum { RECEIVED_SIZE = 1024 };
static struct {
    u32 is_moving;              /* atomic: somebody moves bytes from the port to here */
    u32 put_count, taken_count; /* atomic; they wrap around */
    u8 bytes[RECEIVED_SIZE];
} received;

/*
 * From the port to the ring; `status` was just read, which forgets what it said about the next byte. Where somebody
 * else does that already there is nothing to do, and nobody waits: not a panic, either.
 */
static void move_received(u8 status)
{
    if (atomic_xchg(&received.is_moving, 1))
        return;
    while (status != LSR_ABSENT && (status & LSR_RECEIVED) &&
           received.put_count - atomic_read(&received.taken_count) < RECEIVED_SIZE) {
        received.bytes[received.put_count % RECEIVED_SIZE] = io_read8(COM1 + DATA);
        if (!(status & LSR_BAD))
            atomic_write(&received.put_count, received.put_count + 1); /* pairs with the read in serial_read() */
        status = io_read8(COM1 + LSR);
    }
    atomic_write(&received.is_moving, 0);
}

int serial_read(void)
{
    u32 at = received.taken_count;

    if (!present)
        return -1;
    move_received(io_read8(COM1 + LSR));
    if (at == atomic_read(&received.put_count))
        return -1;
    u8 byte = received.bytes[at % RECEIVED_SIZE];
    atomic_write(&received.taken_count, at + 1); /* pairs with the read in move_received(): the place is free */
    return byte;
}

void serial_receive_interrupt(void)
{
    if (present)
        move_received(io_read8(COM1 + LSR));
}

void serial_enable_receive_interrupt(void)
{
    if (!present)
        return;
    io_write8(COM1 + MCR, MCR_DTR_RTS | MCR_OUT2);
    io_write8(COM1 + IER, IER_RECEIVED);
}

bool serial_is_present(void)
{
    return present;
}

/* Until the port says `bits`; if it never does, it counts as absent. */
static void wait_for(u8 bits)
{
    unsigned tries = READY_TRIES;

    while (present) {
        u8 status = io_read8(COM1 + LSR);

        if (status & LSR_RECEIVED)
            move_received(status);
        if (status & bits)
            return;
        present = --tries > 0;
    }
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

void serial_write_raw(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        put(bytes[i]);
}

void serial_drain(void)
{
    wait_for(LSR_TRANSMIT_IDLE);
}

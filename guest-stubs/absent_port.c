/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shows: ports where no device is read as all ones and swallow writes, in every width and with string instructions; and
 * string instructions reach devices.
 *
 *   [guest absent-port]
 *   image = absent_port.elf
 *   memory = 4M
 *   expect-end = exit 0
 */
#include "guest-stubs/lib/stub.h"

enum { COM4 = 0x2e8, ABSENT = 0x5678, PCI_ADDRESS = 0xcf8, PCI_DATA = 0xcfc, LSR = 5, LSR_EMPTY = 0x20, COUNT = 40 };

static u8 buffer[8192] __attribute__((aligned(4096)));

static bool is_filled(const u8 *from, unsigned count, u8 value)
{
    for (unsigned i = 0; i < count; i++) {
        if (from[i] != value)
            return false;
    }
    return true;
}

/* REP INS of `unit` bytes, COUNT times, over a page boundary: the bytes arrive, and none beside them. */
static bool string_input(unsigned unit, u16 port)
{
    u8 *to = buffer + 4096 - COUNT / 2, *end = to;
    unsigned count = COUNT;

    for (unsigned i = 0; i < sizeof(buffer); i++)
        buffer[i] = 0x11;
    if (unit == 1)
        __asm__ volatile("rep insb" : "+D"(end), "+c"(count) : "d"(port) : "memory");
    else if (unit == 2)
        __asm__ volatile("rep insw" : "+D"(end), "+c"(count) : "d"(port) : "memory");
    else
        __asm__ volatile("rep insl" : "+D"(end), "+c"(count) : "d"(port) : "memory");
    return count == 0 && end == to + COUNT * unit && is_filled(to, COUNT * unit, 0xff) &&
           is_filled(buffer, (unsigned)(to - buffer), 0x11) &&
           is_filled(end, (unsigned)(buffer + sizeof(buffer) - end), 0x11);
}

/* REP OUTSB to the UART, from memory that spans two pages; short enough for a FIFO of 16 bytes. */
static bool string_output(const char *text)
{
    u8 *from = buffer + 4096 - 7;
    unsigned count = 0;
    const u8 *next = from;

    while (text[count]) {
        from[count] = (u8)text[count];
        count++;
    }
    while (!(inb(COM1 + LSR) & LSR_EMPTY))
        ;
    __asm__ volatile("rep outsb" : "+S"(next), "+c"(count) : "d"((u16)COM1) : "memory");
    return count == 0;
}

static bool backward_output(void)
{
    static const char text[] = ".\n\rbstuo 2 #"; /* without its dot, from its end */
    const char *next = text + sizeof(text) - 2;
    unsigned count = sizeof(text) - 2;

    while (!(inb(COM1 + LSR) & LSR_EMPTY))
        ;
    __asm__ volatile("std; rep outsb; cld" : "+S"(next), "+c"(count) : "d"((u16)COM1) : "memory");
    return count == 0 && next == text;
}

void stub_main(void)
{
    plan(11);
    ok(inb(ABSENT) == 0xff && inw(ABSENT) == 0xffff && inl(ABSENT) == 0xffffffff, "absent: all ones in 8, 16, 32 bits");
    ok(inb(COM4 + LSR) == 0xff, "there is no COM4");
    outb(ABSENT, 1);
    outw(ABSENT, 2);
    outl(ABSENT, 3);
    ok(inl(ABSENT) == 0xffffffff, "writes go nowhere");
    outl(PCI_ADDRESS, 0x80000000);
    ok(inl(PCI_ADDRESS) == 0xffffffff && inl(PCI_DATA) == 0xffffffff, "there is no PCI");
    ok(inl(0xfffe) == 0xffffffff && inw(0xffff) == 0xffff, "the end of the port space is absent");
    ok(string_input(1, ABSENT), "REP INSB over a page boundary");
    ok(string_input(2, ABSENT), "REP INSW");
    ok(string_input(4, ABSENT), "REP INSD");
    ok(string_output("# 1 outsb\r\n"), "REP OUTSB over a page boundary prints");
    ok(backward_output(), "REP OUTSB with the direction flag prints");
    ok(inw(COM1 + 4) >> 8 == inb(COM1 + LSR), "a 16-bit read is two registers of the UART");
}

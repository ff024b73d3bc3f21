/* SPDX-License-Identifier: BSD-2-Clause */
/* See gdb_packet.h. Whatever comes in, at most GDB_PACKET_SIZE bytes of it are kept. */
#include "hv/gdb_packet.h"

#include "hv/gdb_text.h"
#include "hv/lib/string.h"

enum { IDLE, DATA, ESCAPED, CHECKSUM_HIGH, CHECKSUM_LOW };

enum {
    INTERRUPT = 0x03,
    ESCAPE = '}',
    ESCAPE_BIT = 0x20, /* what follows ESCAPE has this bit inverted */
};

void gdb_link_init(struct gdb_link *link, void (*transmit)(void *context, const char *bytes, size_t length),
                   void *context)
{
    link->transmit = transmit;
    link->context = context;
    link->acknowledges = true;
    link->state = IDLE;
    link->length = 0;
    link->packet[0] = '\0';
    link->awaits_acknowledgement = false;
    link->frame_length = 0;
}

static void begin_packet(struct gdb_link *link)
{
    link->state = DATA;
    link->sum = 0;
    link->length = 0;
    link->too_long = false;
}

static void keep(struct gdb_link *link, u8 byte)
{
    if (link->length < GDB_PACKET_SIZE)
        link->packet[link->length++] = (char)byte;
    else
        link->too_long = true;
}

static enum gdb_received receive_idle(struct gdb_link *link, u8 byte)
{
    switch (byte) {
    case '$':
        begin_packet(link);
        break;
    case INTERRUPT:
        return GDB_RECEIVED_INTERRUPT;
    case '+':
        /*
         * Without acknowledgements nobody sends this but a gdb that has just come, after another one that went without
         * a word: a serial line does not tell. The new one expects them.
         */
        if (!link->awaits_acknowledgement)
            link->acknowledges = true;
        link->awaits_acknowledgement = false;
        break;
    case '-':
        if (link->awaits_acknowledgement)
            link->transmit(link->context, link->frame, link->frame_length);
        break;
    default: /* noise */
        break;
    }
    return GDB_RECEIVED_NOTHING;
}

static void receive_data(struct gdb_link *link, u8 byte)
{
    if (byte == '$') { /* only ever at a beginning: the end of the one before was lost */
        begin_packet(link);
    } else if (byte == '#') {
        link->state = CHECKSUM_HIGH;
    } else {
        link->sum = (u8)(link->sum + byte);
        if (byte == ESCAPE)
            link->state = ESCAPED;
        else
            keep(link, byte);
    }
}

static void receive_escaped(struct gdb_link *link, u8 byte)
{
    if (byte == '$' || byte == '#') { /* both would be escaped themselves */
        receive_data(link, byte);
    } else {
        link->sum = (u8)(link->sum + byte);
        link->state = DATA;
        keep(link, byte ^ ESCAPE_BIT);
    }
}

static enum gdb_received end_packet(struct gdb_link *link, u8 byte, bool valid)
{
    link->state = IDLE;
    if (byte == '$')
        begin_packet(link);
    if (link->acknowledges)
        link->transmit(link->context, valid ? "+" : "-", 1);
    if (!valid)
        return GDB_RECEIVED_NOTHING;
    link->awaits_acknowledgement = false; /* it was understood, or it would have been asked for again */
    link->packet[link->length] = '\0';
    return link->too_long ? GDB_RECEIVED_TOO_LONG : GDB_RECEIVED_PACKET;
}

enum gdb_received gdb_link_receive(struct gdb_link *link, u8 byte)
{
    int digit = gdb_text_digit((char)byte);

    switch (link->state) {
    case IDLE:
        return receive_idle(link, byte);
    case DATA:
        receive_data(link, byte);
        break;
    case ESCAPED:
        receive_escaped(link, byte);
        break;
    case CHECKSUM_HIGH:
        link->checksum = (u8)((unsigned)digit << 4);
        link->state = CHECKSUM_LOW;
        if (digit >= 0)
            break;
        return end_packet(link, byte, false);
    default: /* CHECKSUM_LOW */
        return end_packet(link, byte, digit >= 0 && (link->checksum | digit) == link->sum);
    }
    return GDB_RECEIVED_NOTHING;
}

void gdb_link_begin(struct gdb_link *link)
{
    link->frame[0] = '$';
    link->frame_length = 1;
}

size_t gdb_link_room(const struct gdb_link *link)
{
    return GDB_PACKET_SIZE + 1 - link->frame_length;
}

static void put(struct gdb_link *link, char c)
{
    assert(gdb_link_room(link) > 0);
    link->frame[link->frame_length++] = c;
}

static void put_digits(struct gdb_link *link, u8 byte)
{
    put(link, "0123456789abcdef"[byte >> 4]);
    put(link, "0123456789abcdef"[byte & 15]);
}

void gdb_link_put(struct gdb_link *link, const char *text)
{
    while (*text != '\0')
        put(link, *text++);
}

void gdb_link_put_hex(struct gdb_link *link, const void *bytes, size_t count)
{
    const u8 *at = bytes;

    while (count-- > 0)
        put_digits(link, *at++);
}

void gdb_link_put_number(struct gdb_link *link, u64 number)
{
    unsigned digits = 1;

    while (digits < 16 && number >> 4 * digits != 0)
        digits++;
    while (digits-- > 0)
        put(link, "0123456789abcdef"[number >> 4 * digits & 15]);
}

void gdb_link_put_binary(struct gdb_link *link, const void *bytes, size_t count)
{
    const char *at = bytes;

    for (; count-- > 0; at++) {
        if (*at == '$' || *at == '#' || *at == '*' || *at == ESCAPE) { /* '*' would be a run length */
            put(link, ESCAPE);
            put(link, (char)(*at ^ ESCAPE_BIT));
        } else {
            put(link, *at);
        }
    }
}

void gdb_link_end(struct gdb_link *link)
{
    u8 sum = 0;

    for (size_t i = 1; i < link->frame_length; i++)
        sum = (u8)(sum + (u8)link->frame[i]);
    /* The checksum has room besides. */
    link->frame[link->frame_length++] = '#';
    link->frame[link->frame_length++] = "0123456789abcdef"[sum >> 4];
    link->frame[link->frame_length++] = "0123456789abcdef"[sum & 15];
    link->awaits_acknowledgement = link->acknowledges;
    link->transmit(link->context, link->frame, link->frame_length);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The line to a gdb: frames, checksums, acknowledgements, escapes. What is in the packets is gdb_server.c's.
 * Source: "Debugging with GDB", appendix "GDB Remote Serial Protocol", Overview and Packet Acknowledgment.
 */
#ifndef HV_GDB_PACKET_H
#define HV_GDB_PACKET_H

#include "mm/types.h"

enum { GDB_PACKET_SIZE = 4096 }; /* of the data of a packet, in both directions, with what escapes add */

enum gdb_received {
    GDB_RECEIVED_NOTHING,
    GDB_RECEIVED_PACKET,    /* in link->packet; until the next byte is received */
    GDB_RECEIVED_TOO_LONG,  /* a packet, but for its contents */
    GDB_RECEIVED_INTERRUPT, /* ^C outside of any packet */
};

struct gdb_link {
    /* set once: */
    void (*transmit)(void *context, const char *bytes, size_t length);
    void *context;

    bool acknowledges; /* false: QStartNoAckMode was given */

    /* what comes in: */
    u8 state, sum, checksum;
    bool too_long;
    size_t length;
    char packet[GDB_PACKET_SIZE + 1]; /* without escapes; a NUL follows */

    /* what goes out: */
    bool awaits_acknowledgement;
    size_t frame_length;
    char frame[GDB_PACKET_SIZE + 4];
};

void gdb_link_init(struct gdb_link *link, void (*transmit)(void *context, const char *bytes, size_t length),
                   void *context);

enum gdb_received gdb_link_receive(struct gdb_link *link, u8 byte);

/*
 * A packet to gdb: begin, any number of the others, end. It has room for GDB_PACKET_SIZE characters, which the caller sees to;
 * begin again forgets what was put.
 */
void gdb_link_begin(struct gdb_link *link);
void gdb_link_put(struct gdb_link *link, const char *text);
void gdb_link_put_hex(struct gdb_link *link, const void *bytes, size_t count); /* two characters each */
void gdb_link_put_number(struct gdb_link *link, u64 number);                   /* hexadecimal, at most 16 characters */
void gdb_link_put_binary(struct gdb_link *link, const void *bytes, size_t count); /* at most two characters each */
void gdb_link_end(struct gdb_link *link);

/* Characters that still have room in the packet. */
size_t gdb_link_room(const struct gdb_link *link);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* A machine with a gdb server, and the gdb's end of its line. */
#ifndef TESTS_UNIT_GDB_CLIENT_H
#define TESTS_UNIT_GDB_CLIENT_H

#include "tests/unit/gdb_support.h"

extern struct fake_machine machine;
extern struct gdb_server server;
extern char
    sent[1 << 16]; /* the packets' contents, a line each; "+" and "-" as they are; since the last call of these: */

void start(unsigned vcpus, bool is_64, bool is_held);
void feed(const char *bytes, size_t length);

/* The answer to a packet without special characters, which is acknowledged. */
const char *ask(const char *packet);
#define ASK(packet, answer) assert_string_equal(ask(packet), answer)

void stop(enum gdb_stop_reason reason, unsigned vcpu, u8 slots);
void end(bool exited, u8 code, const char *text);

/* The answer to qSupported. */
#define HELLO "PacketSize=1000;QStartNoAckMode+;qXfer:features:read+;vContSupported+;swbreak+;hwbreak+\n"

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* See gdb_client.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/gdb_client.h"

struct fake_machine machine;
struct gdb_server server;
char sent[1 << 16];
static size_t sent_length;

static void transmit(void *context, const char *bytes, size_t length)
{
    assert_true(sent_length + length + 2 < sizeof(sent));
    if (length > 1) { /* $…#xx */
        memcpy(sent + sent_length, bytes + 1, length - 4);
        sent_length += length - 4;
        sent[sent_length++] = '\n';
    } else {
        sent[sent_length++] = bytes[0];
    }
    sent[sent_length] = '\0';
}

void feed(const char *bytes, size_t length)
{
    sent_length = 0;
    sent[0] = '\0';
    for (size_t i = 0; i < length; i++)
        gdb_server_receive(&server, (u8)bytes[i]);
}

const char *ask(const char *packet)
{
    static char frame[2 * GDB_PACKET_SIZE];
    u8 sum = 0;

    for (const char *at = packet; *at != '\0'; at++)
        sum = (u8)(sum + (u8)*at);
    int length = snprintf(frame, sizeof(frame), "$%s#%02x", packet, sum);
    feed(frame, (size_t)length);
    assert_int_equal(sent[0], '+');
    return sent + 1;
}

void stop(enum gdb_stop_reason reason, unsigned vcpu, u8 slots)
{
    const struct gdb_stop what = { .reason = reason, .vcpu = vcpu, .slots = slots };

    sent_length = 0;
    sent[0] = '\0';
    gdb_server_stopped(&server, &what);
}

void end(bool exited, u8 code, const char *text)
{
    const struct gdb_stop what = { .reason = GDB_STOP_ENDED, .exited = exited, .code = code, .text = text };

    sent_length = 0;
    sent[0] = '\0';
    gdb_server_stopped(&server, &what);
}

void start(unsigned vcpus, bool is_64, bool is_held)
{
    fake_machine_init(&machine, vcpus, is_64);
    machine.is_stopped = is_held;
    gdb_server_init(&server, &fake_machine_ops, &machine, vcpus, is_held, transmit, NULL);
}

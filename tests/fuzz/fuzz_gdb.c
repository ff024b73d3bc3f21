/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile gdb, and a machine in which things happen at any time. The input is a list of lines: one that begins with byte 1 goes
 * over the wire as it is, one that begins with byte 2 is a list of what the machine and its guest do, two bytes each; every other
 * one is the contents of a packet. What must always hold: answers are well formed, no function of the machine is called when it
 * may not be, and when gdb has gone the memory is what it saw, without breakpoints.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/gdb_text.h"
#include "tests/unit/gdb_support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

enum { RAW = 1, EVENTS = 2 };

static struct fake_machine machine;
static struct gdb_server server;
static u8 seen[FAKE_PAGES][PAGE_SIZE];

static void transmit(void *context, const char *bytes, size_t length)
{
    u8 sum = 0;

    if (length == 1) {
        CHECK(*bytes == '+' || *bytes == '-');
        return;
    }
    CHECK(length >= 4 && length <= GDB_PACKET_SIZE + 4 && bytes[0] == '$' && bytes[length - 3] == '#');
    for (size_t i = 1; i < length - 3; i++) {
        CHECK(bytes[i] != '$' && bytes[i] != '#' && bytes[i] != '*');
        sum = (u8)(sum + (u8)bytes[i]);
    }
    CHECK(gdb_text_digit(bytes[length - 2]) == sum >> 4 && gdb_text_digit(bytes[length - 1]) == (sum & 15));
}

static void check(void)
{
    CHECK(server.memory.count <= GDB_MAX_BREAKPOINTS);
    CHECK(server.watches.count <= GDB_DEBUG_SLOTS);
    CHECK(server.vcpu < machine.vcpus && server.resumed < (int)machine.vcpus && server.resumed >= -1);
    CHECK(server.state == GDB_STOPPED || server.state == GDB_ENDED || machine.is_killed || !machine.is_stopped);
    CHECK(server.state != GDB_STOPPED || machine.is_stopped);
    CHECK(server.state != GDB_DETACHED || server.memory.count == 0);
    for (unsigned i = 0; i < server.memory.count; i++)
        CHECK(server.memory.breakpoints[i].physical / PAGE_SIZE < FAKE_PAGES);
}

static void receive(u8 byte)
{
    if (!machine.is_killed) /* afterwards it ends, before anything else */
        gdb_server_receive(&server, byte);
    if (machine.is_killed && server.state != GDB_ENDED) {
        const struct gdb_stop stop = { .reason = GDB_STOP_ENDED, .code = 9 };
        gdb_server_stopped(&server, &stop);
    }
}

static void send_packet(const u8 *data, size_t size)
{
    u8 sum = 0;
    char digits[3];

    receive('$');
    for (; size > 0; data++, size--) {
        u8 byte = *data;
        if (byte == '$' || byte == '#') {
            receive('}');
            sum = (u8)(sum + '}');
            byte ^= 0x20;
        }
        receive(byte);
        sum = (u8)(sum + byte);
    }
    receive('#');
    snprintf(digits, sizeof(digits), "%02x", sum);
    receive((u8)digits[0]);
    receive((u8)digits[1]);
}

/* What happens without gdb. */
static void happen(u8 what, u8 detail)
{
    struct gdb_stop stop = { .vcpu = detail % machine.vcpus, .slots = detail >> 4, .code = detail, .text = "end" };

    switch (what % 8) {
    case 0:
        stop.reason = GDB_STOP_BREAKPOINT;
        break;
    case 1:
        stop.reason = GDB_STOP_SLOTS;
        break;
    case 2:
        stop.reason = GDB_STOP_STEP;
        break;
    case 3: /* another address space */
        machine.pages[what >> 3 & 3][detail % FAKE_PAGES] = detail & 0x40 ? FAKE_NOWHERE : (detail + what) % FAKE_PAGES;
        return;
    case 4: /* memory comes and goes */
        machine.is_absent[detail % FAKE_PAGES] = detail & 0x40;
        return;
    case 5: /* the guest writes, also what looks like a breakpoint */
        machine.memory[what >> 3][detail] = detail & 1 ? 0xcc : detail;
        return;
    case 6: /* another mode */
        machine.registers[detail % machine.vcpus].cs_long = detail & 0x80;
        machine.registers[detail % machine.vcpus].efer = detail & 0x40 ? 0x500 : 0;
        return;
    default:
        stop.reason = detail == 0xff ? GDB_STOP_ENDED : GDB_STOP_INTERRUPT;
        stop.exited = what & 8;
        break;
    }
    gdb_server_stopped(&server, &stop);
}

/* Takes the place of everything else: the memory as gdb sees it is the memory that it leaves. */
static void leave(void)
{
    memset(machine.is_absent, 0, sizeof(machine.is_absent));
    for (unsigned i = 0; i < FAKE_PAGES; i++)
        machine.pages[0][i] = (u8)i;
    for (unsigned i = 0; server.state != GDB_ENDED && i < FAKE_ROM; i++) {
        if (server.state != GDB_STOPPED)
            send_packet((const u8 *)"?", 1);
        CHECK(gdb_memory_read(&server.memory, 0, i * PAGE_SIZE, seen[i], PAGE_SIZE) == PAGE_SIZE);
    }
    if (server.state == GDB_ENDED)
        return;
    send_packet((const u8 *)"D", 1);
    check();
    CHECK(server.state == GDB_DETACHED && !machine.is_stopped);
    CHECK(memcmp(machine.memory, seen, FAKE_ROM * PAGE_SIZE) == 0);
    for (unsigned i = 0; i < GDB_DEBUG_SLOTS; i++)
        CHECK(machine.slots[i].kind == GDB_SLOT_FREE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u8 first = size > 0 ? data[0] : 0;

    fake_machine_init(&machine, first % FAKE_VCPUS + 1, first & 4);
    machine.is_stopped = first & 8;
    gdb_server_init(&server, &fake_machine_ops, &machine, machine.vcpus, machine.is_stopped, transmit, NULL);
    while (size > 0) {
        const u8 *end = memchr(data, '\n', size);
        size_t length = end == NULL ? size : (size_t)(end - data);

        if (length > 0 && data[0] == RAW) {
            for (size_t i = 1; i < length; i++)
                receive(data[i]);
        } else if (length > 0 && data[0] == EVENTS) {
            for (size_t i = 1; i + 1 < length; i += 2) {
                happen(data[i], data[i + 1]);
                check();
            }
        } else {
            send_packet(data, length);
        }
        check();
        data += length + (end != NULL);
        size -= length + (end != NULL);
    }
    leave();
    return 0;
}

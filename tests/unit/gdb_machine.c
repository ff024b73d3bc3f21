/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine of gdb_support.h with a processor of a dozen instructions, for a real gdb: what it says comes in on standard
 * input, the answers go to standard output. tests/system/gdb-protocol.t starts it. usage: gdb-machine real|32|64 [VCPUS]
 *
 * vCPU 0 begins at 0x1000 (real: 0x100:0), the others at LOOP. At the end of its input it says on standard error how it stands.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/gdb_support.h"

enum { START = 0x1000, LOOP = 0x800, TURN = 100 /* instructions between looks at the line */ };

static struct fake_machine machine;
static struct gdb_server server;
static bool halted[GDB_MAX_VCPUS];
static bool ended;

static void transmit(void *context, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(STDOUT_FILENO, bytes, length);
        if (written <= 0)
            exit(1);
        bytes += written;
        length -= (size_t)written;
    }
}

static void stop(enum gdb_stop_reason reason, unsigned vcpu, u8 slots)
{
    const struct gdb_stop what = { .reason = reason, .vcpu = vcpu, .slots = slots };

    gdb_server_stopped(&server, &what);
}

static void end_machine(bool exited, u8 code, const char *text)
{
    const struct gdb_stop what = { .reason = GDB_STOP_ENDED, .exited = exited, .code = code, .text = text };

    ended = true;
    gdb_server_stopped(&server, &what);
}

static void *memory_at(unsigned vcpu, u64 linear, size_t size)
{
    u64 page = linear / PAGE_SIZE;

    if (page >= FAKE_PAGES || linear % PAGE_SIZE + size > PAGE_SIZE) {
        fprintf(stderr, "vCPU %u: no memory at %#llx\n", vcpu, (unsigned long long)linear);
        exit(1);
    }
    return &machine.memory[machine.pages[vcpu][page]][linear % PAGE_SIZE];
}

static u32 load(unsigned vcpu, u64 linear)
{
    u32 value;

    memcpy(&value, memory_at(vcpu, linear, sizeof(value)), sizeof(value));
    return value;
}

/* Which slots an access hits, as the bits in DR6. */
static u8 hits(u64 linear, size_t size, bool is_write, bool is_execution)
{
    u8 hit = 0;

    for (unsigned i = 0; i < GDB_DEBUG_SLOTS; i++) {
        const struct gdb_debug_slot *slot = &machine.slots[i];
        bool wanted = slot->kind == GDB_SLOT_EXECUTE ? is_execution : !is_execution;

        if (slot->kind == GDB_SLOT_FREE || (slot->kind == GDB_SLOT_WRITE && !is_write))
            continue;
        if (wanted && linear < slot->linear + slot->length && slot->linear < linear + size)
            hit |= (u8)(1u << i);
    }
    return hit;
}

/* One instruction of a processor that has few. */
static void execute(unsigned vcpu)
{
    struct gdb_registers *registers = &machine.registers[vcpu];
    u64 linear = registers->cs_long ? registers->rip : registers->cs_base + registers->rip;
    const u8 *code = memory_at(vcpu, linear, 1);
    unsigned wide = registers->cs_long ? 8 : 4, length = 1;
    u64 jump = 0, data = 0;
    u8 hit = hits(linear, 1, false, true);
    bool is_write = false;

    if (hit != 0) {
        stop(GDB_STOP_SLOTS, vcpu, hit);
        return;
    }
    switch (code[0]) {
    case 0x90:
        break;
    case 0x83: /* add eax, imm8 */
        registers->gpr[0] = (u32)(registers->gpr[0] + code[2]);
        length = 3;
        break;
    case 0xb8: /* mov eax, imm32 */
        registers->gpr[0] = load(vcpu, linear + 1);
        length = 5;
        break;
    case 0xa1: /* mov eax, [disp32]; mov [disp32], eax */
    case 0xa3:
        data = load(vcpu, linear + 1);
        is_write = code[0] == 0xa3;
        length = 5;
        break;
    case 0x8b: /* the same with a SIB byte, as 64-bit code has to */
    case 0x89:
        data = load(vcpu, linear + 3);
        is_write = code[0] == 0x89;
        length = 7;
        break;
    case 0xe8:
        length = 5;
        jump = (u64)(s64)(int32_t)load(vcpu, linear + 1);
        registers->gpr[4] -= wide;
        registers->rip += length;
        memcpy(memory_at(vcpu, registers->gpr[4], wide), &registers->rip, wide);
        registers->rip -= length;
        break;
    case 0xc3:
        length = 0;
        registers->rip = 0;
        memcpy(&registers->rip, memory_at(vcpu, registers->gpr[4], wide), wide);
        registers->gpr[4] += wide;
        break;
    case 0xeb:
        length = 2;
        jump = (u64)(s64)(int8_t)code[1];
        break;
    case 0xe6: /* out imm8, al */
        end_machine(true, (u8)registers->gpr[0], "exit");
        return;
    case 0xf4:
        halted[vcpu] = true;
        break;
    case 0xcc:
        if (gdb_server_has_breakpoint(&server, linear)) {
            stop(GDB_STOP_BREAKPOINT, vcpu, 0);
            return;
        }
        break;
    default:
        end_machine(false, 6, "triple fault");
        return;
    }
    registers->rip += length + jump;
    if (data != 0 && is_write)
        memcpy(memory_at(vcpu, data, 4), &registers->gpr[0], 4);
    else if (data != 0)
        registers->gpr[0] = load(vcpu, data);
    hit = data != 0 ? hits(data, 4, is_write, false) : 0;
    if (hit != 0)
        stop(GDB_STOP_SLOTS, vcpu, hit);
    else if (machine.actions[vcpu] == GDB_STEP)
        stop(GDB_STOP_STEP, vcpu, 0);
}

/* Every vCPU has its turn; whether any could go on. */
static bool execute_all(void)
{
    bool any = false;

    for (unsigned i = 0; i < machine.vcpus; i++) {
        if (machine.is_stopped || ended || halted[i] || machine.actions[i] == GDB_HOLD)
            continue;
        execute(i);
        any = true;
    }
    return any;
}

static void say_how_it_stands(void)
{
    unsigned breakpoints = 0;

    for (unsigned i = 0; i < sizeof(machine.memory); i++)
        breakpoints += machine.memory[i / PAGE_SIZE][i % PAGE_SIZE] == 0xcc;
    for (unsigned i = 0; i < GDB_DEBUG_SLOTS; i++)
        breakpoints += machine.slots[i].kind != GDB_SLOT_FREE;
    fprintf(stderr, "gdb-machine: %s, %u breakpoints in memory and in debug registers, monitor \"%s\"\n",
            ended                ? "ended"
            : machine.is_killed  ? "killed"
            : machine.is_stopped ? "stopped"
                                 : "runs",
            breakpoints, machine.command);
}

static void init(const char *mode, unsigned vcpus)
{
    bool is_64 = strcmp(mode, "64") == 0;

    fake_machine_init(&machine, vcpus, is_64);
    memset(machine.memory, 0, sizeof(machine.memory));
    memcpy(&machine.memory[LOOP / PAGE_SIZE][LOOP % PAGE_SIZE], "\xeb\xfe", 2); /* jmp $ */
    for (unsigned i = 0; i < vcpus; i++) {
        machine.registers[i].rip = i == 0 ? START : LOOP;
        machine.registers[i].gpr[4] = 0x20000 + 0x1000 * i;
        machine.registers[i].has_avx = is_64;
    }
    if (strcmp(mode, "real") == 0) {
        machine.registers[0].cs_base = START;
        machine.registers[0].selectors[GDB_CS] = START / 16;
        machine.registers[0].rip = 0;
        memcpy(&machine.memory[START / PAGE_SIZE][0], "\x90\x90\x90\x90\xeb\xfa", 6); /* the last: to the first */
    }
    machine.is_stopped = true;
    gdb_server_init(&server, &fake_machine_ops, &machine, vcpus, true, transmit, NULL);
}

int main(int count, char **arguments)
{
    struct pollfd line = { .fd = STDIN_FILENO, .events = POLLIN };
    u8 bytes[256];

    init(count > 1 ? arguments[1] : "64", count > 2 ? (unsigned)atoi(arguments[2]) : 1);
    for (;;) {
        bool busy = true;

        for (unsigned i = 0; i < TURN && busy; i++)
            busy = execute_all();
        if (poll(&line, 1, busy ? 0 : -1) <= 0)
            continue;
        ssize_t length = read(STDIN_FILENO, bytes, sizeof(bytes));
        if (length <= 0)
            break;
        for (ssize_t i = 0; i < length; i++)
            gdb_server_receive(&server, bytes[i]);
    }
    say_how_it_stands();
    return 0;
}

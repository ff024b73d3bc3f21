/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Around the instruction stands code that is written anew for each: all registers are loaded and stored at fixed
 * addresses.
 */
#include "tests/unit/execute_support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CODE = 0x1000, INSTRUCTION = 0x100 };

/* The registers, where the code finds them. */
struct state {
    u64 gpr[DECODE_REGISTERS], rflags, stack;
};

static struct area {
    u8 code[CODE], data[EXECUTE_DATA];
    struct state state;
} * area;

static struct area *area_get(void)
{
    if (!area) {
        area = mmap(NULL, sizeof *area, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1,
                    0);
        if (area == MAP_FAILED)
            abort();
    }
    return area;
}

u8 *execute_data(void)
{
    return area_get()->data;
}

u64 execute_rip(void)
{
    return (u64)area_get()->code + INSTRUCTION;
}

static u8 *put(u8 *at, const u8 *bytes, size_t count)
{
    memcpy(at, bytes, count);
    return at + count;
}

#define PUT(...) (at = put(at, (const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ })))

static u8 *put_address(u8 *at, const void *address)
{
    u32 low = (u32)(uintptr_t)address;

    return put(at, (const u8 *)&low, sizeof low);
}

/* MOV of all registers from (8B) or to (89) the state. */
static u8 *put_registers(u8 *at, u8 opcode)
{
    for (unsigned i = 0; i < DECODE_REGISTERS; i++) {
        PUT(i < 8 ? 0x48 : 0x4c, opcode, (u8)((i & 7) << 3 | 4), 0x25);
        at = put_address(at, &area->state.gpr[i]);
    }
    return at;
}

void execute(const u8 *bytes, unsigned length, struct mmio_registers *registers)
{
    struct state *state = &area_get()->state;
    u8 *at = area->code;

    PUT(0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57, 0x9c); /* push rbx, rbp, r12 … r15, rflags */
    PUT(0x48, 0x89, 0x24, 0x25);                                           /* mov [stack], rsp */
    at = put_address(at, &state->stack);
    PUT(0xff, 0x34, 0x25); /* push [rflags]; popf */
    at = put_address(at, &state->rflags);
    PUT(0x9d);
    at = put_registers(at, 0x8b);
    memset(at, 0x90, (size_t)(area->code + INSTRUCTION - at));
    at = put(area->code + INSTRUCTION, bytes, length);
    at = put_registers(at, 0x89);
    PUT(0x48, 0x8b, 0x24, 0x25); /* mov rsp, [stack] */
    at = put_address(at, &state->stack);
    PUT(0x9c, 0x8f, 0x04, 0x25); /* pushf; pop [rflags] */
    at = put_address(at, &state->rflags);
    PUT(0x9d, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3);

    memcpy(state->gpr, registers->gpr, sizeof state->gpr);
    state->rflags = registers->rflags | 0x202;
    ((void (*)(void))(uintptr_t)area->code)();
    memcpy(registers->gpr, state->gpr, sizeof state->gpr);
    registers->rflags = state->rflags;
}

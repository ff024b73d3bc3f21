/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hostile instructions at device registers: whatever the bytes are, decoder and Zydis agree on them, and what is
 * accepted can be executed with any registers. The input: a byte that chooses the mode, up to 16 of code, registers.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/mmio_op.h"
#include "tests/unit/zydis_support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

enum { CODE = 16 };

struct device {
    u8 size; /* of every access */
    u64 value;
    unsigned accesses;
    int error;
};

static int count(struct device *device, unsigned size)
{
    CHECK(size == device->size);
    CHECK(++device->accesses <= 3);
    return device->error;
}

static int read(void *context, unsigned size, u64 *value)
{
    *value = ((struct device *)context)->value;
    return count(context, size);
}

static int write(void *context, unsigned size, u64 value)
{
    CHECK(size == 8 || value >> (8 * size) == 0);
    return count(context, size);
}

static int other_read(void *context, const struct mmio_place *place, unsigned size, u64 *value)
{
    CHECK(place->segment < DECODE_SEGMENTS);
    return read(context, size, value);
}

static int other_write(void *context, const struct mmio_place *place, unsigned size, u64 value)
{
    CHECK(place->segment < DECODE_SEGMENTS);
    return write(context, size, value);
}

static int other_probe(void *context, const struct mmio_place *place, unsigned size)
{
    return count(context, size);
}

static void execute(const struct mmio_instruction *in, const uint8_t *data, size_t size)
{
    static const u64 flags = 0x8d5; /* all that may change */
    struct mmio_registers registers = { 0 }, before;
    struct device device = { .size = in->size };
    struct mmio_access access = { &device, read, write, other_read, other_write, other_probe };
    const struct mmio_memory *operand;
    bool is_write = mmio_writes(in);
    int result;

    memcpy(&registers, data, size < sizeof registers ? size : sizeof registers);
    device.value = registers.rip;
    device.error = registers.rip & 1 ? -EFAULT : 0;
    before = registers;
    operand = decode_find(in, &registers, decode_linear(in, &in->memory, &registers) + in->size - 1, is_write);
    CHECK(operand == &in->memory || (operand == &in->source && in->operation == MMIO_CMPS));

    result = mmio_execute(in, operand, &registers, &access);
    CHECK(result == MMIO_DONE || (result == MMIO_REPEAT && in->repeat != MMIO_ONCE) ||
          (result == -EFAULT && device.error));
    CHECK(!((registers.rflags ^ before.rflags) & ~flags));
    CHECK(registers.rip == before.rip);
    if (result < 0)
        CHECK(!memcmp(&registers, &before, sizeof before));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const u8 modes[] = { 16, 32, 64, 64 };
    struct mmio_instruction in;
    struct decode_mode mode;
    unsigned length;
    const char *wrong;

    if (!size)
        return 0;
    mode.bits = modes[data[0] & 3];
    data++;
    size--;
    length = size < CODE ? (unsigned)size : CODE;
    wrong = zydis_disagrees(data, length, mode, NULL);
    if (wrong) {
        fprintf(stderr, "%s\n", wrong);
        abort();
    }
    if (!decode_mmio(data, length, mode, &in))
        execute(&in, data + length, size - length);
    return 0;
}

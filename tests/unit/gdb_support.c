/* SPDX-License-Identifier: BSD-2-Clause */
/* See gdb_support.h. */
#include "tests/unit/gdb_support.h"

#include <stdio.h>
#include <string.h>

/* Bytes that are all over the place, made once: a fuzzer starts many machines. */
static void fill(u8 memory[FAKE_PAGES][PAGE_SIZE])
{
    static u8 made[FAKE_PAGES][PAGE_SIZE];
    static bool is_made;

    for (unsigned i = 0; i < FAKE_PAGES && !is_made; i++) {
        for (unsigned j = 0; j < PAGE_SIZE; j++)
            made[i][j] = (u8)(i * 7 + j * 3 + (j >> 8));
    }
    is_made = true;
    memcpy(memory, made, sizeof(made));
}

void fake_machine_init(struct fake_machine *machine, unsigned vcpus, bool is_64)
{
    memset(machine, 0, sizeof(*machine));
    machine->vcpus = vcpus;
    fill(machine->memory);
    for (unsigned i = 0; i < vcpus; i++) {
        struct gdb_registers *registers = &machine->registers[i];
        for (unsigned j = 0; j < FAKE_PAGES; j++)
            machine->pages[i][j] = (u8)j;
        registers->rflags = 0x2;
        registers->cr0 = is_64 ? 0x80000011 : 0x11;
        registers->cr4 = is_64 ? 0x20 : 0;
        registers->efer = is_64 ? 0x500 : 0;
        registers->cs_long = is_64;
        registers->selectors[GDB_CS] = 0x10;
        registers->fxsave[0] = 0x7f;
        registers->fxsave[1] = 0x03;
        registers->fxsave[24] = 0x80;
        registers->fxsave[25] = 0x1f;
    }
}

static void stop_all(void *target)
{
    struct fake_machine *machine = target;

    machine->is_stopped = true;
    machine->stops++;
}

static void resume(void *target, const enum gdb_action actions[])
{
    struct fake_machine *machine = target;
    bool any = false;

    assert(machine->is_stopped);
    for (unsigned i = 0; i < machine->vcpus; i++)
        any |= actions[i] != GDB_HOLD;
    assert(any);
    memcpy(machine->actions, actions, machine->vcpus * sizeof(actions[0]));
    machine->is_stopped = false;
    machine->resumes++;
}

static int get_registers(void *target, unsigned vcpu, struct gdb_registers *registers)
{
    struct fake_machine *machine = target;

    assert(machine->is_stopped && vcpu < machine->vcpus);
    *registers = machine->registers[vcpu];
    return 0;
}

static int set_registers(void *target, unsigned vcpu, const struct gdb_registers *registers)
{
    struct fake_machine *machine = target;

    assert(machine->is_stopped && vcpu < machine->vcpus);
    machine->registers[vcpu] = *registers;
    return 0;
}

static int translate(void *target, unsigned vcpu, u64 linear, u64 *physical)
{
    struct fake_machine *machine = target;
    u64 page = (linear >= FAKE_HIGH ? linear - FAKE_HIGH : linear) / PAGE_SIZE;

    assert(machine->is_stopped && vcpu < machine->vcpus);
    if (linear >= FAKE_LAST)
        page = 0;
    if (page >= FAKE_PAGES || machine->pages[vcpu][page] == FAKE_NOWHERE)
        return -EFAULT;
    *physical = (u64)machine->pages[vcpu][page] * PAGE_SIZE + linear % PAGE_SIZE;
    return 0;
}

static u8 *at(struct fake_machine *machine, u64 physical, size_t size)
{
    assert(machine->is_stopped && !machine->is_killed);
    assert(physical % PAGE_SIZE + size <= PAGE_SIZE && size > 0);
    if (physical / PAGE_SIZE >= FAKE_PAGES || machine->is_absent[physical / PAGE_SIZE])
        return NULL;
    return &machine->memory[physical / PAGE_SIZE][physical % PAGE_SIZE];
}

static int read_physical(void *target, u64 physical, void *data, size_t size)
{
    const u8 *from = at(target, physical, size);

    if (from == NULL)
        return -EFAULT;
    memcpy(data, from, size);
    return 0;
}

static int write_physical(void *target, u64 physical, const void *data, size_t size)
{
    u8 *to = at(target, physical, size);

    if (to == NULL || physical / PAGE_SIZE >= FAKE_ROM)
        return -EFAULT;
    memcpy(to, data, size);
    return 0;
}

static int set_debug_slots(void *target, const struct gdb_debug_slot slots[GDB_DEBUG_SLOTS])
{
    struct fake_machine *machine = target;

    assert(machine->is_stopped);
    for (unsigned i = 0; i < GDB_DEBUG_SLOTS; i++) {
        unsigned length = slots[i].length;
        if (slots[i].kind == GDB_SLOT_FREE)
            continue;
        assert((length == 1 || length == 2 || length == 4 || length == 8) && slots[i].linear % length == 0);
        assert(slots[i].kind != GDB_SLOT_EXECUTE || length == 1);
    }
    memcpy(machine->slots, slots, sizeof(machine->slots));
    return 0;
}

static void describe(void *target, unsigned vcpu, char *text, size_t size)
{
    snprintf(text, size, "%s", vcpu == 0 ? "running" : "halted");
}

static void monitor(void *target, const char *line, void (*print)(void *argument, const char *text), void *argument)
{
    struct fake_machine *machine = target;
    char answer[300];

    snprintf(machine->command, sizeof(machine->command), "%s", line);
    snprintf(answer, sizeof(answer), "you said: %s", line);
    print(argument, answer);
    print(argument, "");
}

static void end(void *target)
{
    struct fake_machine *machine = target;

    assert(machine->is_stopped);
    machine->is_killed = true;
}

const struct gdb_target_ops fake_machine_ops = {
    .stop_all = stop_all,
    .resume = resume,
    .get_registers = get_registers,
    .set_registers = set_registers,
    .translate = translate,
    .read_physical = read_physical,
    .write_physical = write_physical,
    .set_debug_slots = set_debug_slots,
    .describe = describe,
    .monitor = monitor,
    .kill = end,
};

/* SPDX-License-Identifier: BSD-2-Clause */
/* See gdb_memory.h. Several breakpoints may stand in one place: different linear addresses can lead there. */
#include "hv/gdb_memory.h"

#include "hv/lib/string.h"

enum {
    INT3 = 0xcc,
    WRITE_PIECE = 256, /* bytes on the stack */
};

/* The part of [linear, linear + size) that lies in the first page of it. */
static size_t in_page(u64 linear, size_t size)
{
    return (size_t)u64_min(PAGE_SIZE - linear % PAGE_SIZE, size);
}

static bool covers(const struct gdb_breakpoint *at, u64 physical, size_t size)
{
    return at->physical >= physical && at->physical - physical < size;
}

static int read_hidden(const struct gdb_memory *memory, u64 physical, u8 *data, size_t size)
{
    int error = memory->ops->read_physical(memory->target, physical, data, size);

    if (error != 0)
        return error;
    for (unsigned i = 0; i < memory->count; i++) {
        const struct gdb_breakpoint *at = &memory->breakpoints[i];
        if (covers(at, physical, size) && data[at->physical - physical] == INT3)
            data[at->physical - physical] = at->original;
    }
    return 0;
}

size_t gdb_memory_read(const struct gdb_memory *memory, unsigned vcpu, u64 linear, void *data, size_t size)
{
    size_t done = 0;

    while (done < size && linear + done >= linear) {
        size_t piece = in_page(linear + done, size - done);
        u64 physical;

        if (memory->ops->translate(memory->target, vcpu, linear + done, &physical) != 0 ||
            read_hidden(memory, physical, (u8 *)data + done, piece) != 0)
            break;
        done += piece;
    }
    return done;
}

static int write_below(struct gdb_memory *memory, u64 physical, const u8 *data, size_t size)
{
    u8 copy[WRITE_PIECE];

    memcpy(copy, data, size);
    for (unsigned i = 0; i < memory->count; i++) {
        if (covers(&memory->breakpoints[i], physical, size))
            copy[memory->breakpoints[i].physical - physical] = INT3;
    }
    int error = memory->ops->write_physical(memory->target, physical, copy, size);
    if (error != 0)
        return error;
    for (unsigned i = 0; i < memory->count; i++) {
        if (covers(&memory->breakpoints[i], physical, size))
            memory->breakpoints[i].original = data[memory->breakpoints[i].physical - physical];
    }
    return 0;
}

int gdb_memory_write(struct gdb_memory *memory, unsigned vcpu, u64 linear, const void *data, size_t size)
{
    u64 physical;

    if (size > 0 && linear + (size - 1) < linear)
        return -EFAULT;
    for (size_t at = 0; at < size; at += in_page(linear + at, size - at)) {
        if (memory->ops->translate(memory->target, vcpu, linear + at, &physical) != 0)
            return -EFAULT;
    }
    for (size_t at = 0, piece; at < size; at += piece) {
        piece = (size_t)u64_min(in_page(linear + at, size - at), WRITE_PIECE);
        int error = memory->ops->translate(memory->target, vcpu, linear + at, &physical);
        if (error == 0)
            error = write_below(memory, physical, (const u8 *)data + at, piece);
        if (error != 0)
            return error;
    }
    return 0;
}

int gdb_breakpoint_insert(struct gdb_memory *memory, unsigned vcpu, u64 linear)
{
    const u8 int3 = INT3;
    u64 physical;
    u8 original;

    int error = memory->ops->translate(memory->target, vcpu, linear, &physical);
    if (error == 0)
        error = read_hidden(memory, physical, &original, 1);
    if (error != 0)
        return error;
    for (unsigned i = 0; i < memory->count; i++) {
        const struct gdb_breakpoint *at = &memory->breakpoints[i];
        if (at->linear == linear && at->physical == physical) {
            gdb_breakpoint_remove(memory, linear); /* its place is free again; the guest may have overwritten it */
            break;
        }
    }
    if (memory->count == GDB_MAX_BREAKPOINTS)
        return -ENOSPC;
    error = memory->ops->write_physical(memory->target, physical, &int3, 1);
    if (error != 0)
        return error;
    memory->breakpoints[memory->count++] = (struct gdb_breakpoint){ linear, physical, original };
    /* The guest may have overwritten others that stand there: whichever goes last puts this back. */
    for (unsigned i = 0; i < memory->count; i++) {
        if (memory->breakpoints[i].physical == physical)
            memory->breakpoints[i].original = original;
    }
    return 0;
}

static void remove_at(struct gdb_memory *memory, unsigned number)
{
    struct gdb_breakpoint gone = memory->breakpoints[number];
    u8 byte;

    memory->breakpoints[number] = memory->breakpoints[--memory->count];
    /* Memory that is gone has nothing to put back into. */
    if (!gdb_breakpoint_has(memory, gone.physical) &&
        memory->ops->read_physical(memory->target, gone.physical, &byte, 1) == 0 && byte == INT3)
        (void)memory->ops->write_physical(memory->target, gone.physical, &gone.original, 1);
}

void gdb_breakpoint_remove(struct gdb_memory *memory, u64 linear)
{
    for (unsigned i = memory->count; i-- > 0;) {
        if (memory->breakpoints[i].linear == linear)
            remove_at(memory, i);
    }
}

void gdb_breakpoint_remove_all(struct gdb_memory *memory)
{
    while (memory->count > 0)
        remove_at(memory, memory->count - 1);
}

bool gdb_breakpoint_is_at(const struct gdb_memory *memory, u64 linear)
{
    for (unsigned i = 0; i < memory->count; i++) {
        if (memory->breakpoints[i].linear == linear)
            return true;
    }
    return false;
}

bool gdb_breakpoint_has(const struct gdb_memory *memory, u64 physical)
{
    for (unsigned i = 0; i < memory->count; i++) {
        if (memory->breakpoints[i].physical == physical)
            return true;
    }
    return false;
}

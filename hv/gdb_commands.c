/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets about registers, memory and breakpoints. */
#include "hv/gdb_internal.h"

enum { PIECE = 256 }; /* of memory, on the stack */

void gdb_read_registers(struct gdb_server *server)
{
    struct gdb_registers registers;
    u8 value[GDB_REGISTER_SIZE];

    int error = server->ops->get_registers(server->target, server->vcpu, &registers);
    if (error != 0) {
        gdb_answer_error(server, error);
        return;
    }
    gdb_link_begin(&server->link);
    for (unsigned i = 0; i < gdb_register_count(server->layout); i++) {
        gdb_register_get(server->layout, i, &registers, value);
        gdb_link_put_hex(&server->link, value, gdb_register_size(server->layout, i));
    }
    gdb_link_end(&server->link);
}

void gdb_write_registers(struct gdb_server *server, struct gdb_text text)
{
    struct gdb_registers registers;
    u8 value[GDB_REGISTER_SIZE];

    int error = server->ops->get_registers(server->target, server->vcpu, &registers);
    for (unsigned i = 0; i < gdb_register_count(server->layout) && error == 0; i++) {
        error = -EINVAL;
        if (gdb_text_take_bytes(&text, value, gdb_register_size(server->layout, i)))
            error = gdb_register_set(server->layout, i, &registers, value);
    }
    if (error == 0 && gdb_text_left(&text) > 0)
        error = -EINVAL;
    if (error == 0)
        error = server->ops->set_registers(server->target, server->vcpu, &registers);
    gdb_answer_result(server, error);
}

void gdb_read_register(struct gdb_server *server, struct gdb_text text)
{
    struct gdb_registers registers;
    u8 value[GDB_REGISTER_SIZE];
    u64 number;
    int error = -EINVAL;

    if (gdb_text_take_number(&text, &number) && gdb_text_left(&text) == 0 &&
        gdb_register_size(server->layout, number) != 0)
        error = server->ops->get_registers(server->target, server->vcpu, &registers);
    if (error != 0) {
        gdb_answer_error(server, error);
        return;
    }
    gdb_register_get(server->layout, (unsigned)number, &registers, value);
    gdb_link_begin(&server->link);
    gdb_link_put_hex(&server->link, value, gdb_register_size(server->layout, number));
    gdb_link_end(&server->link);
}

void gdb_write_register(struct gdb_server *server, struct gdb_text text)
{
    struct gdb_registers registers;
    u8 value[GDB_REGISTER_SIZE];
    u64 number;
    int error = -EINVAL;

    if (gdb_text_take_number(&text, &number) && gdb_text_take(&text, "=")) {
        size_t size = gdb_register_size(server->layout, number);
        if (size != 0 && gdb_text_take_bytes(&text, value, size) && gdb_text_left(&text) == 0)
            error = server->ops->get_registers(server->target, server->vcpu, &registers);
    }
    if (error == 0)
        error = gdb_register_set(server->layout, (unsigned)number, &registers, value);
    if (error == 0)
        error = server->ops->set_registers(server->target, server->vcpu, &registers);
    gdb_answer_result(server, error);
}

static bool take_range(struct gdb_text *text, u64 *address, u64 *length)
{
    return gdb_text_take_number(text, address) && gdb_text_take(text, ",") && gdb_text_take_number(text, length);
}

/* gdb accepts less than it has asked for. */
void gdb_read_memory(struct gdb_server *server, struct gdb_text text)
{
    u8 data[PIECE];
    u64 address, length, done = 0;

    if (!take_range(&text, &address, &length) || gdb_text_left(&text) > 0) {
        gdb_answer_error(server, -EINVAL);
        return;
    }
    length = u64_min(length, GDB_PACKET_SIZE / 2);
    gdb_link_begin(&server->link);
    while (done < length) {
        size_t wanted = (size_t)u64_min(length - done, PIECE);
        size_t piece =
            address + done < address ? 0 : gdb_memory_read(&server->memory, server->vcpu, address + done, data, wanted);
        gdb_link_put_hex(&server->link, data, piece);
        done += piece;
        if (piece < wanted)
            break;
    }
    if (done == 0 && length > 0)
        gdb_answer_error(server, -EFAULT);
    else
        gdb_link_end(&server->link);
}

void gdb_write_memory(struct gdb_server *server, struct gdb_text text, bool binary)
{
    u64 address, length;
    int error = -EINVAL;

    if (take_range(&text, &address, &length) && gdb_text_take(&text, ":")) {
        size_t left = gdb_text_left(&text);
        /* Digits become bytes in place: a byte needs two. */
        char *data = server->link.packet + (text.at - server->link.packet);
        bool complete = binary ? length == left : left % 2 == 0 && length == left / 2;
        if (complete && (binary || gdb_text_take_bytes(&text, data, (size_t)length)))
            error = gdb_memory_write(&server->memory, server->vcpu, address, data, (size_t)length);
    }
    gdb_answer_result(server, error);
}

static int change_slots(struct gdb_server *server, enum gdb_slot_kind kind, u64 address, u64 length, bool insert)
{
    struct gdb_watches changed = server->watches;
    int error = 0;

    if (insert)
        error = gdb_watches_insert(&changed, kind, address, length);
    else
        gdb_watches_remove(&changed, kind, address, length);
    if (error == 0)
        error = server->ops->set_debug_slots(server->target, changed.slots);
    if (error == 0)
        server->watches = changed;
    return error;
}

/* z and Z type,address,kind. Conditions and commands, which might follow, were not offered. */
void gdb_insert_or_remove(struct gdb_server *server, struct gdb_text text, bool insert)
{
    enum { SOFTWARE, HARDWARE, WRITE, READ, ACCESS };
    u64 type, address, length;
    int error = 0;

    if (!gdb_text_take_number(&text, &type) || !gdb_text_take(&text, ",") || !take_range(&text, &address, &length) ||
        gdb_text_left(&text) > 0) {
        gdb_answer_error(server, -EINVAL);
        return;
    }
    switch (type) {
    case SOFTWARE:
        if (insert)
            error = gdb_breakpoint_insert(&server->memory, server->vcpu, address);
        else
            gdb_breakpoint_remove(&server->memory, address);
        break;
    case HARDWARE:
        error = change_slots(server, GDB_SLOT_EXECUTE, address, 1, insert);
        break;
    case WRITE:
        error = change_slots(server, GDB_SLOT_WRITE, address, length, insert);
        break;
    case ACCESS:
        error = change_slots(server, GDB_SLOT_ACCESS, address, length, insert);
        break;
    default: /* no processor watches for reads alone: gdb then asks for accesses, and sorts them by itself */
        gdb_answer(server, "");
        return;
    }
    gdb_answer_result(server, error);
}

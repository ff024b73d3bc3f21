/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets that let the machine run, and what gdb is told when it stops. */
#include "hv/gdb_internal.h"

enum { SIGNAL_INTERRUPT = 2, SIGNAL_TRAP = 5 }; /* gdb's numbers */

static void put_slot(struct gdb_server *server, const struct gdb_debug_slot *slot)
{
    if (slot->kind == GDB_SLOT_EXECUTE && server->knows_hwbreak) {
        gdb_link_put(&server->link, "hwbreak:;");
    } else if (slot->kind == GDB_SLOT_WRITE || slot->kind == GDB_SLOT_ACCESS) {
        gdb_link_put(&server->link, slot->kind == GDB_SLOT_WRITE ? "watch:" : "awatch:");
        gdb_link_put_number(&server->link, slot->linear);
        gdb_link_put(&server->link, ";");
    }
}

void gdb_answer_stop(struct gdb_server *server)
{
    const struct gdb_stop *stop = &server->last;
    u8 code = stop->reason == GDB_STOP_INTERRUPT ? SIGNAL_INTERRUPT : SIGNAL_TRAP;

    gdb_link_begin(&server->link);
    if (server->state == GDB_ENDED) {
        code = stop->code;
        gdb_link_put(&server->link, stop->exited ? "W" : "X");
        gdb_link_put_hex(&server->link, &code, 1);
    } else {
        gdb_link_put(&server->link, "T");
        gdb_link_put_hex(&server->link, &code, 1);
        gdb_link_put(&server->link, "thread:");
        gdb_link_put_number(&server->link, stop->vcpu + 1);
        gdb_link_put(&server->link, ";");
        if (stop->reason == GDB_STOP_BREAKPOINT && server->knows_swbreak)
            gdb_link_put(&server->link, "swbreak:;");
        else if (stop->reason == GDB_STOP_SLOTS)
            put_slot(server, &server->hit);
    }
    gdb_link_end(&server->link);
}

static void stop_for(struct gdb_server *server, const struct gdb_stop *stop)
{
    server->state = GDB_STOPPED;
    server->last = *stop;
    server->vcpu = stop->vcpu;
    server->resumed = -1;
}

/* The first slot that was hit: one is what the packet has room for. */
static struct gdb_debug_slot slot_of(const struct gdb_server *server, const struct gdb_stop *stop)
{
    for (unsigned i = 0; i < GDB_DEBUG_SLOTS && stop->reason == GDB_STOP_SLOTS; i++) {
        if (stop->slots & 1u << i)
            return server->watches.slots[i];
    }
    return (struct gdb_debug_slot){ .kind = GDB_SLOT_FREE };
}

/*
 * A breakpoint stands in memory, and stops those who come to it by other addresses, too. gdb passes over a breakpoint at an
 * address where it has set none, and the vCPU would come upon it again at once: so there it is told of a trap.
 */
static bool is_at_breakpoint(struct gdb_server *server, const struct gdb_stop *stop)
{
    struct gdb_registers registers;

    return server->ops->get_registers(server->target, stop->vcpu, &registers) == 0 &&
           gdb_breakpoint_is_at(&server->memory, gdb_registers_pc(&registers));
}

static void end(struct gdb_server *server, const struct gdb_stop *stop)
{
    bool is_waited_for = server->state == GDB_RUNNING;

    server->state = GDB_ENDED;
    server->last = *stop;
    server->memory.count = 0; /* nothing is left to put them back into */
    server->watches = (struct gdb_watches){ 0 };
    if (is_waited_for) {
        if (stop->text != NULL)
            gdb_print(server, stop->text);
        gdb_answer_stop(server);
    }
    server->last.text = NULL; /* the caller's */
}

void gdb_server_stopped(struct gdb_server *server, const struct gdb_stop *stop)
{
    assert(stop->vcpu < server->vcpus);
    if (server->state == GDB_ENDED)
        return;
    if (stop->reason == GDB_STOP_ENDED) {
        end(server, stop);
    } else if (server->state == GDB_RUNNING) {
        server->ops->stop_all(server->target);
        server->hit = slot_of(server, stop);
        stop_for(server, stop);
        if (stop->reason == GDB_STOP_BREAKPOINT && !is_at_breakpoint(server, stop))
            server->last.reason = GDB_STOP_STEP;
        gdb_answer_stop(server);
    } else if (server->state == GDB_STOPPED) {
        struct gdb_debug_slot slot = slot_of(server, stop);
        if (slot.kind != GDB_SLOT_FREE && slot.kind != GDB_SLOT_EXECUTE)
            server->pending[stop->vcpu] = slot; /* an access is not made again, unlike the execution of a breakpoint */
    }
}

/* gdb takes everything out while the machine is stopped; what it has not put in again is of no interest any more. */
static bool is_watched(const struct gdb_server *server, const struct gdb_debug_slot *slot)
{
    for (unsigned i = 0; i < GDB_DEBUG_SLOTS; i++) {
        if (server->watches.slots[i].kind == slot->kind && server->watches.slots[i].linear == slot->linear)
            return true;
    }
    return false;
}

/* Instead of letting vCPUs run: one of them has stopped already, besides another one. */
static bool take_pending(struct gdb_server *server, const enum gdb_action actions[])
{
    for (unsigned i = 0; i < server->vcpus; i++) {
        struct gdb_stop stop = { .reason = GDB_STOP_SLOTS, .vcpu = i };
        struct gdb_debug_slot slot = server->pending[i];
        if (actions[i] == GDB_HOLD || slot.kind == GDB_SLOT_FREE)
            continue;
        server->pending[i].kind = GDB_SLOT_FREE;
        if (!is_watched(server, &slot))
            continue;
        server->hit = slot;
        stop_for(server, &stop);
        gdb_answer_stop(server);
        return true;
    }
    return false;
}

static void run(struct gdb_server *server, const enum gdb_action actions[])
{
    bool any = false;

    for (unsigned i = 0; i < server->vcpus; i++)
        any |= actions[i] != GDB_HOLD;
    if (server->state == GDB_ENDED) {
        gdb_answer_stop(server);
    } else if (!any) {
        gdb_answer_error(server, -EINVAL);
    } else if (!take_pending(server, actions)) {
        server->state = GDB_RUNNING;
        server->ops->resume(server->target, actions);
    }
}

/* c [address], s [address], C signal[;address], S signal[;address]. A machine takes no signals: they are passed over. */
void gdb_resume(struct gdb_server *server, struct gdb_text text, char command)
{
    enum gdb_action actions[GDB_MAX_VCPUS] = { GDB_HOLD };
    unsigned first = server->resumed < 0 ? server->vcpu : (unsigned)server->resumed;
    u64 number;
    bool valid = true;

    if (command == 'C' || command == 'S') {
        valid = gdb_text_take_number(&text, &number);
        if (valid && gdb_text_left(&text) > 0)
            valid = gdb_text_take(&text, ";") && gdb_text_left(&text) > 0;
    }
    /* Going on elsewhere is done by writing the register. */
    if (!valid || gdb_text_left(&text) > 0) {
        gdb_answer_error(server, -EINVAL);
        return;
    }
    for (unsigned i = 0; i < server->vcpus && server->resumed < 0; i++)
        actions[i] = GDB_CONTINUE;
    actions[first] = command == 's' || command == 'S' ? GDB_STEP : GDB_CONTINUE;
    run(server, actions);
}

static bool take_action(struct gdb_text *text, enum gdb_action *action)
{
    u64 signal;

    if (gdb_text_take(text, "C") || gdb_text_take(text, "S")) {
        *action = text->at[-1] == 'C' ? GDB_CONTINUE : GDB_STEP;
        return gdb_text_take_number(text, &signal);
    }
    if (gdb_text_take(text, "c"))
        *action = GDB_CONTINUE;
    else if (gdb_text_take(text, "s"))
        *action = GDB_STEP;
    else if (gdb_text_take(text, "t"))
        *action = GDB_HOLD;
    else
        return false;
    return true;
}

/* vCont[;action[:thread]]…: the first action that names a vCPU is its own; those that none names stay where they are. */
void gdb_vcont(struct gdb_server *server, struct gdb_text text)
{
    enum gdb_action actions[GDB_MAX_VCPUS] = { GDB_HOLD };
    bool named[GDB_MAX_VCPUS] = { false };

    while (gdb_text_left(&text) > 0) {
        enum gdb_action action;
        int vcpu = -1;
        bool valid = gdb_text_take(&text, ";") && take_action(&text, &action);

        if (valid && gdb_text_take(&text, ":"))
            valid = gdb_take_thread(server, &text, &vcpu);
        if (!valid) {
            gdb_answer_error(server, -EINVAL);
            return;
        }
        for (unsigned i = 0; i < server->vcpus; i++) {
            if ((vcpu < 0 || i == (unsigned)vcpu) && !named[i]) {
                named[i] = true;
                actions[i] = action;
            }
        }
    }
    run(server, actions);
}

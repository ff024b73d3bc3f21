/* SPDX-License-Identifier: BSD-2-Clause */
/* See gdb_server.h. Who comes and goes, and which packet is what. */
#include "hv/gdb_internal.h"
#include "hv/lib/string.h"

enum { PRINT_PIECE = 256, ANSWER_ERRNO_MAX = 255 };

void gdb_answer(struct gdb_server *server, const char *text)
{
    gdb_link_begin(&server->link);
    gdb_link_put(&server->link, text);
    gdb_link_end(&server->link);
}

void gdb_answer_error(struct gdb_server *server, int error)
{
    u8 code = error < 0 && error >= -ANSWER_ERRNO_MAX ? (u8)-error : EINVAL;

    gdb_link_begin(&server->link);
    gdb_link_put(&server->link, "E");
    gdb_link_put_hex(&server->link, &code, 1);
    gdb_link_end(&server->link);
}

void gdb_answer_result(struct gdb_server *server, int error)
{
    if (error == 0)
        gdb_answer(server, "OK");
    else
        gdb_answer_error(server, error);
}

void gdb_print(void *argument, const char *text)
{
    struct gdb_server *server = argument;
    size_t left = strlen(text);

    do {
        size_t piece = (size_t)u64_min(left, PRINT_PIECE);
        gdb_link_begin(&server->link);
        gdb_link_put(&server->link, "O");
        gdb_link_put_hex(&server->link, text, piece);
        text += piece;
        left -= piece;
        if (left == 0)
            gdb_link_put_hex(&server->link, "\n", 1);
        gdb_link_end(&server->link);
    } while (left > 0);
}

bool gdb_take_thread(struct gdb_server *server, struct gdb_text *text, int *vcpu)
{
    u64 number;

    if (gdb_text_take(text, "-1")) {
        *vcpu = -1;
        return true;
    }
    if (!gdb_text_take_number(text, &number) || number > server->vcpus)
        return false;
    *vcpu = (int)number - 1;
    return true;
}

void gdb_forget_breakpoints(struct gdb_server *server)
{
    gdb_breakpoint_remove_all(&server->memory);
    if (server->watches.count > 0) {
        server->watches = (struct gdb_watches){ 0 };
        (void)server->ops->set_debug_slots(server->target, server->watches.slots);
    }
    memset(server->pending, 0, sizeof(server->pending));
}

/* gdb learns the layout when it comes; it stays until the next one comes, whatever the machine does. */
static void choose_layout(struct gdb_server *server)
{
    struct gdb_registers registers;
    bool is_64 = false;

    server->layout = (struct gdb_layout){ .is_64 = true };
    if (server->state == GDB_STOPPED && server->ops->get_registers(server->target, 0, &registers) == 0) {
        is_64 = registers.efer & 1u << 10; /* LMA */
        server->layout = (struct gdb_layout){ .is_64 = is_64, .has_avx = registers.has_avx };
    }
    if (server->width != GDB_WIDTH_AUTO)
        server->layout.is_64 = server->width == GDB_WIDTH_64;
}

/* What a gdb has left behind that went without a word is not the next one's. */
void gdb_begin_session(struct gdb_server *server)
{
    if (server->state == GDB_STOPPED)
        gdb_forget_breakpoints(server);
    choose_layout(server);
    server->vcpu = server->last.vcpu;
    server->resumed = -1;
    server->knows_swbreak = server->knows_hwbreak = false;
}

/*
 * The gdb that waits for the machine to stop sends nothing but interrupts. So whoever sends a packet now has just come, and
 * wants it stopped.
 */
static void attach(struct gdb_server *server)
{
    server->ops->stop_all(server->target);
    server->last = (struct gdb_stop){ .reason = GDB_STOP_STEP };
    if (server->state == GDB_DETACHED) {
        server->state = GDB_STOPPED;
        gdb_begin_session(server);
    }
    server->state = GDB_STOPPED;
}

static void detach(struct gdb_server *server)
{
    enum gdb_action actions[GDB_MAX_VCPUS];

    gdb_answer(server, "OK");
    if (server->state == GDB_STOPPED) {
        gdb_forget_breakpoints(server);
        for (unsigned i = 0; i < GDB_MAX_VCPUS; i++)
            actions[i] = GDB_CONTINUE;
        server->state = GDB_DETACHED;
        server->ops->resume(server->target, actions);
    }
    server->link.acknowledges = true; /* for the next one */
}

/* Its frames may be shared with others: they get back what is theirs. */
static void end_machine(struct gdb_server *server)
{
    if (server->state == GDB_STOPPED) {
        gdb_forget_breakpoints(server);
        server->state = GDB_DETACHED;
        server->ops->kill(server->target);
    }
    server->link.acknowledges = true;
}

static void choose_thread(struct gdb_server *server, struct gdb_text text)
{
    bool for_resuming = gdb_text_take(&text, "c");
    int vcpu;

    if ((!for_resuming && !gdb_text_take(&text, "g")) || !gdb_take_thread(server, &text, &vcpu) ||
        gdb_text_left(&text) > 0) {
        gdb_answer_error(server, -EINVAL);
        return;
    }
    if (for_resuming)
        server->resumed = vcpu;
    else if (vcpu >= 0)
        server->vcpu = (unsigned)vcpu;
    gdb_answer(server, "OK");
}

static void is_thread_alive(struct gdb_server *server, struct gdb_text text)
{
    int vcpu;

    gdb_answer_result(server, gdb_take_thread(server, &text, &vcpu) && vcpu >= 0 ? 0 : -EINVAL);
}

/* Packets that the machine is needed for. */
static void execute_on_target(struct gdb_server *server, char command, struct gdb_text text)
{
    if (server->state == GDB_ENDED) {
        gdb_answer_error(server, -ESRCH);
        return;
    }
    switch (command) {
    case 'g':
        gdb_read_registers(server);
        break;
    case 'G':
        gdb_write_registers(server, text);
        break;
    case 'p':
        gdb_read_register(server, text);
        break;
    case 'P':
        gdb_write_register(server, text);
        break;
    case 'm':
        gdb_read_memory(server, text);
        break;
    case 'M':
    case 'X':
        gdb_write_memory(server, text, command == 'X');
        break;
    default: /* z, Z */
        gdb_insert_or_remove(server, text, command == 'Z');
        break;
    }
}

static void execute(struct gdb_server *server, struct gdb_text text)
{
    char command = gdb_text_left(&text) > 0 ? *text.at++ : '\0';

    switch (command) {
    case '?':
        gdb_answer_stop(server);
        break;
    case 'g':
    case 'G':
    case 'p':
    case 'P':
    case 'm':
    case 'M':
    case 'X':
    case 'z':
    case 'Z':
        execute_on_target(server, command, text);
        break;
    case 'c':
    case 'C':
    case 's':
    case 'S':
        gdb_resume(server, text, command);
        break;
    case 'H':
        choose_thread(server, text);
        break;
    case 'T':
        is_thread_alive(server, text);
        break;
    case 'D':
        detach(server);
        break;
    case 'k':
        end_machine(server);
        break;
    case 'q':
        gdb_query(server, text);
        break;
    case 'Q':
        if (gdb_text_take(&text, "StartNoAckMode")) {
            gdb_answer(server, "OK"); /* this one is still acknowledged */
            server->link.acknowledges = false;
        } else {
            gdb_answer(server, "");
        }
        break;
    case 'v':
        if (gdb_text_take(&text, "Cont?"))
            gdb_answer(server, "vCont;c;C;s;S;t"); /* gdb uses none of them unless it has the first four */
        else if (gdb_text_take(&text, "Cont"))
            gdb_vcont(server, text);
        else
            gdb_answer(server, "");
        break;
    default:
        gdb_answer(server, "");
        break;
    }
}

void gdb_server_init(struct gdb_server *server, const struct gdb_target_ops *ops, void *target, unsigned vcpus,
                     bool is_held, void (*transmit)(void *context, const char *bytes, size_t length), void *context)
{
    assert(vcpus >= 1 && vcpus <= GDB_MAX_VCPUS);
    memset(server, 0, sizeof(*server));
    server->ops = ops;
    server->target = target;
    server->vcpus = vcpus;
    server->memory.ops = ops;
    server->memory.target = target;
    server->resumed = -1;
    server->last.reason = GDB_STOP_STEP;
    gdb_link_init(&server->link, transmit, context);
    server->state = is_held ? GDB_STOPPED : GDB_DETACHED;
    choose_layout(server);
}

void gdb_server_receive(struct gdb_server *server, u8 byte)
{
    const struct gdb_stop interrupt = { .reason = GDB_STOP_INTERRUPT, .vcpu = server->vcpu };
    enum gdb_received received = gdb_link_receive(&server->link, byte);

    if (received == GDB_RECEIVED_NOTHING)
        return;
    if (received == GDB_RECEIVED_INTERRUPT) {
        gdb_server_stopped(server, &interrupt);
        return;
    }
    if (server->state == GDB_DETACHED || server->state == GDB_RUNNING)
        attach(server);
    if (received == GDB_RECEIVED_TOO_LONG)
        gdb_answer_error(server, -ENOSPC);
    else
        execute(server, (struct gdb_text){ server->link.packet, server->link.packet + server->link.length });
}

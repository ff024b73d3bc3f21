/* SPDX-License-Identifier: BSD-2-Clause */
/* See gdb.h. The gdb server on the line: one task gives it bytes and what vCPUs come upon, in turn, and sends what it says. */
#include "hv/gdb.h"

#include "arch/x86/cpu.h"
#include "arch/x86/irq.h"
#include "arch/x86/serial.h"
#include "arch/x86/vmx.h"
#include "hv/debugger.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "hv/task.h"
#include "hv/vm_internal.h"
#include "hv/vm_list.h"

/* How long the task sleeps when nothing comes: while a gdb talks, and otherwise. What the port takes is sent in SEND. */
enum { TALKING_US = 1000, IDLE_US = 20000, TALKS_FOR_US = 1000000, SEND_US = 1400, SEND_PATIENCE_US = 1000000 };
/* Bytes that are taken in one go, while the guest cannot be destroyed. */
enum { BATCH = 4096 };

static struct {
    struct debugger debugger;
    struct gdb_server server;
    struct task *task;
    u64 ticks_per_us;
    u64 talks_until; /* TSC */
    int ahead;       /* a byte that was read before it is its turn; -1: none */
} gdb;

static bool has_breakpoint(u64 physical)
{
    return gdb_server_has_breakpoint(&gdb.server, physical);
}

/* A port that takes nothing for long loses the rest: a gdb asks again. */
static void transmit(void *context, const char *bytes, size_t length)
{
    u64 patient_until = rdtsc() + SEND_PATIENCE_US * gdb.ticks_per_us;

    while (length > 0 && rdtsc() < patient_until) {
        size_t sent = serial2_write(bytes, length);

        bytes += sent;
        length -= sent;
        if (sent > 0)
            patient_until = rdtsc() + SEND_PATIENCE_US * gdb.ticks_per_us;
        if (length > 0)
            task_sleep_until(rdtsc() + SEND_US * gdb.ticks_per_us);
    }
}

/* What vCPUs have come upon goes first: none of them is let go that the server does not know of. */
static bool serve_stop(void)
{
    struct gdb_stop stop;

    if (!debugger_take(&gdb.debugger, &stop))
        return false;
    gdb_server_stopped(&gdb.server, &stop);
    if (gdb.server.state == GDB_DETACHED)
        debugger_let_go(&gdb.debugger, stop.vcpu);
    return true;
}

/* A gdb is silent while it waits for a command's end, but for acknowledgements of the answer's lines: this is another one. */
static bool is_interrupted(void *argument)
{
    int byte;

    while (gdb.ahead < 0 && (byte = serial2_read()) >= 0) {
        if (byte != '+')
            gdb.ahead = byte;
    }
    return gdb.ahead >= 0;
}

static bool serve_byte(void)
{
    int byte = gdb.ahead >= 0 ? gdb.ahead : serial2_read();

    gdb.ahead = -1;
    if (byte < 0)
        return false;
    gdb.talks_until = rdtsc() + TALKS_FOR_US * gdb.ticks_per_us;
    gdb_server_receive(&gdb.server, (u8)byte);
    return true;
}

static void report_end(void)
{
    const struct gdb_stop end = debugger_end(&gdb.debugger);

    if (gdb.server.state != GDB_ENDED)
        gdb_server_stopped(&gdb.server, &end);
}

/* What there is to do. The server calls nothing of a guest of which it knows that it has ended. */
static void serve(void)
{
    struct vm *vm = gdb.debugger.vm;
    bool runs = vm_use(vm), more = true;

    if (!runs)
        report_end();
    for (unsigned i = 0; i < BATCH && more; i++)
        more = (runs && serve_stop()) || serve_byte();
    if (runs)
        vm_unuse(vm);
}

static void run(void *argument)
{
    while (vm_list_any_runs()) {
        serve();
        u64 now = rdtsc(), pause = now < gdb.talks_until ? TALKING_US : IDLE_US;
        task_sleep_until(now + pause * gdb.ticks_per_us);
    }
    report_end();
}

static void on_receive(void)
{
    serial2_receive_interrupt();
    task_wake(gdb.task);
}

enum gdb_width gdb_width_of_image(const void *image, size_t size)
{
    enum { CLASS = 4, CLASS_64 = 2 };
    static const u8 magic[CLASS] = { 0x7f, 'E', 'L', 'F' };
    const u8 *bytes = image;

    if (size <= CLASS || memcmp(bytes, magic, CLASS) != 0)
        return GDB_WIDTH_AUTO;
    return bytes[CLASS] == CLASS_64 ? GDB_WIDTH_64 : GDB_WIDTH_32;
}

int gdb_start(struct vm *vm, enum gdb_width width, u64 tsc_hz)
{
    if (!vm_runs(vm))
        return 0; /* what it ended for has been said */
    if (!vmx_caps.debug || !serial2_init()) {
        log_line("gdb: cannot debug %s: %s", vm->conf.name,
                 vmx_caps.debug ? "there is no second serial port" : "this processor has no monitor trap flag");
        return 0;
    }
    gdb.ticks_per_us = (tsc_hz + 999999) / 1000000;
    int error = task_create("gdb", run, NULL, 0, &gdb.task);
    if (error)
        return error;
    gdb.debugger.task = gdb.task;
    gdb.debugger.has_breakpoint = has_breakpoint;
    gdb.debugger.is_interrupted = is_interrupted;
    gdb.ahead = -1;
    debugger_attach(&gdb.debugger, vm);
    gdb_server_init(&gdb.server, &debugger_ops, &gdb.debugger, vm->processor_count, true, transmit, NULL);
    gdb.server.width = width;
    if (irq_route(SERIAL2_IRQ, on_receive) == 0)
        serial2_enable_receive_interrupt();
    log_line("gdb: %s waits at the second serial port for a gdb", vm->conf.name);
    return 0;
}

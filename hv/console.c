/* SPDX-License-Identifier: BSD-2-Clause */
/* See console.h. Keys come from the port to here by polling, and by interrupts where they are to be had. */
#include "hv/console.h"

#include "arch/x86/cpu.h"
#include "arch/x86/serial.h"
#include "hv/guest_input.h"
#include "hv/lib/format.h"
#include "hv/lib/string.h"
#include "hv/line_editor.h"
#include "hv/monitor.h"
#include "hv/task.h"
#include "hv/vm.h"
#include "hv/vm_list.h"
#include "mm/atomic.h"

static_assert((int)LINE_EDITOR_SIZE == (int)MONITOR_LINE_SIZE, "a line that is typed is a line of the monitor");

enum { CTRL_C = 0x03, CTRL_BRACKET = 0x1d };

/* How long the task sleeps when nothing comes, while somebody types and otherwise. */
enum { TYPING_MS = 1, IDLE_MS = 20, TYPES_FOR_MS = 1000 };

struct spinlock console_lock;

static struct {
    /* console_lock: */
    struct line_editor editor;
    bool in_row; /* the guest that is connected is in the middle of a row */

    const struct vm *connected; /* atomic, written under console_lock: whose serial port this is; NULL: the monitor's */

    /* the task only: */
    struct task *task;
    u64 ticks_per_ms;
    u64 types_until;          /* TSC */
    struct guest_input ahead; /* bytes that came while a command was executed, or that wait for the connected guest */
    bool stopped;             /* by CTRL_C, or CTRL_BRACKET */
} console;

/* ---- output */

/* The terminal shows whole lines, and nothing of a line that is being typed. */
static void begin_output(void)
{
    if (console.in_row)
        serial_write("\n", 1);
    console.in_row = false;
    line_editor_hide(&console.editor);
}

void console_write(const char *text, size_t length)
{
    begin_output();
    serial_write(text, length);
    if (length > 0 && text[length - 1] != '\n')
        serial_write("\n", 1);
    line_editor_show(&console.editor);
}

void console_guest_byte(const struct vm *vm, u8 byte)
{
    if (!console_shows(vm))
        return;
    spin_lock(&console_lock);
    if (console_shows(vm)) {
        serial_write_raw((const char *)&byte, 1);
        console.in_row = byte != '\n';
    }
    spin_unlock(&console_lock);
}

bool console_shows(const struct vm *vm)
{
    return atomic_read(&console.connected) == vm;
}

void console_end_row(void)
{
    if (console.in_row || console.editor.is_open)
        serial_write("\n", 1);
    console.in_row = console.editor.is_open = false;
}

/* A line of an answer. */
static void print(void *argument, const char *text)
{
    spin_lock(&console_lock);
    console_write(text, strlen(text));
    spin_unlock(&console_lock);
}

static void write_raw(void *context, const char *text, size_t length)
{
    serial_write_raw(text, length);
}

static void ring(void)
{
    spin_lock(&console_lock);
    serial_write_raw("\a", 1);
    spin_unlock(&console_lock);
}

/* ---- input */

static void sleep(void)
{
    bool types = rdtsc() < console.types_until;

    task_sleep_until(rdtsc() + (types ? TYPING_MS : IDLE_MS) * console.ticks_per_ms);
}

static int read_byte(void)
{
    int byte = serial_read();

    if (byte >= 0)
        console.types_until = rdtsc() + TYPES_FOR_MS * console.ticks_per_ms;
    return byte;
}

static void forget_ahead(void)
{
    u8 byte;

    while (guest_input_take(&console.ahead, &byte))
        ;
}

/*
 * What has come, up to the byte that stops what is going on, is kept for later. That byte is found also where there is
 * no room for all that comes before it.
 */
static void read_ahead(int stop)
{
    int byte;

    while (!console.stopped && (byte = read_byte()) >= 0) {
        if (byte == stop)
            console.stopped = true;
        else if (!guest_input_put(&console.ahead, (u8)byte))
            ring();
    }
}

/* -1: nothing has come. */
static int next_byte(void)
{
    u8 byte;

    return guest_input_take(&console.ahead, &byte) ? byte : read_byte();
}

/* ---- commands */

static bool cancelled(void *argument)
{
    read_ahead(CTRL_C);
    if (console.stopped)
        forget_ahead();
    return console.stopped;
}

static void set_connected(const struct vm *vm)
{
    /* Colors and character sets that a guest leaves behind are not for the others. */
    static const char normal[] = "\x0f\x1b[m";

    spin_lock(&console_lock);
    if (vm == NULL)
        serial_write_raw(normal, sizeof(normal) - 1);
    atomic_write(&console.connected, vm);
    spin_unlock(&console_lock);
}

static void forward(struct vm *vm)
{
    bool any = false;
    u8 byte;

    while (guest_input_room(&vm->input) > 0 && guest_input_take(&console.ahead, &byte))
        any = guest_input_put(&vm->input, byte);
    if (any)
        vm_input_arrived(vm);
}

/* Until CTRL_BRACKET comes, or the guest ends. What it has not got then is forgotten: it is no command. */
static void connect(void *argument, struct vm *vm)
{
    char text[MONITOR_TEXT_SIZE];

    format_text(text, sizeof(text), "This is the serial port of %s now. Ctrl-] goes back to the monitor.",
                vm->conf.name);
    print(NULL, text);
    set_connected(vm);
    while (vm->runs && !console.stopped) {
        read_ahead(CTRL_BRACKET);
        forward(vm);
        if (!console.stopped)
            sleep();
    }
    set_connected(NULL);
    forget_ahead();
    print(NULL, console.stopped ? "This is the monitor." : "The guest has ended; this is the monitor.");
    console.stopped = false;
}

static void execute(const char *line)
{
    struct monitor_context context = { .print = print, .cancelled = cancelled, .connect = connect };

    console.stopped = false;
    (void)monitor_execute(line, &context); /* what went wrong has been printed */
}

/* ---- the task */

static enum line_event press(u8 byte, char line[LINE_EDITOR_SIZE], bool *was_open)
{
    enum line_event event;

    spin_lock(&console_lock);
    *was_open = console.editor.is_open;
    event = line_editor_key(&console.editor, byte);
    memcpy(line, console.editor.line, LINE_EDITOR_SIZE);
    spin_unlock(&console_lock);
    return event;
}

static void open_line(void)
{
    spin_lock(&console_lock);
    line_editor_open(&console.editor);
    spin_unlock(&console_lock);
}

static void take(u8 byte)
{
    char line[LINE_EDITOR_SIZE];
    bool was_open;
    enum line_event event = press(byte, line, &was_open);

    if (event == LINE_NOTHING || event == LINE_LEFT)
        return;
    if (!was_open)
        print(NULL, "slat's monitor: help lists the commands, Ctrl-D leaves.");
    else if (event == LINE_ENTERED)
        execute(line);
    if (vm_list_any_runs())
        open_line();
}

static void run(void *argument)
{
    while (vm_list_any_runs()) {
        int byte = next_byte();

        if (byte >= 0)
            take((u8)byte);
        else
            sleep();
    }
    spin_lock(&console_lock);
    line_editor_close(&console.editor);
    spin_unlock(&console_lock);
}

static bool candidate(void *context, const char *line, size_t length, unsigned index, char word[LINE_EDITOR_SIZE])
{
    return monitor_candidate(line, length, index, word);
}

int console_start(enum conf_choice choice, u64 tsc_hz)
{
    static const struct line_editor_config config = { "slat> ", NULL, write_raw, candidate };

    if (choice == CHOICE_NO || !serial_is_present())
        return 0;
    line_editor_init(&console.editor, &config);
    console.ticks_per_ms = tsc_hz / 1000;
    return task_create("console", run, NULL, 0, &console.task);
}

void console_interrupt(void)
{
    serial_receive_interrupt();
    if (console.task)
        task_wake(console.task);
}

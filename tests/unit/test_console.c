/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv/console.c with a serial port, tasks and a monitor of our own: what a person types becomes commands or goes to a
 * guest, and what is printed meanwhile leaves the line that is being typed in order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arch/x86/serial.h"
#include "hv/console.h"
#include "hv/monitor.h"
#include "hv/task.h"
#include "hv/vm.h"
#include "hv/vm_list.h"
#include "tests/unit/terminal.h"

#define TSC_HZ 1000000

static struct terminal terminal;
static bool port_is_present, guests_run;
static const char *keys; /* what comes from the port; a '|' says that nothing comes now */
static void (*on_sleep)(void);
static unsigned sleeps;
static void (*task)(void *argument);
static struct vm guest;
static char executed[1000], arrived[1000];
static int (*command)(struct monitor_context *context);

/* ---- what the console finds in the hypervisor */

bool serial_is_present(void)
{
    return port_is_present;
}

int serial_read(void)
{
    if (*keys == '\0')
        return -1;
    if (*keys == '|') {
        keys++;
        return -1;
    }
    return (u8)*keys++;
}

static bool panics;

void serial_write(const char *text, size_t length)
{
    assert_true(panics || spin_is_locked(&console_lock));
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            terminal_byte(&terminal, '\r');
        terminal_byte(&terminal, (u8)text[i]);
    }
}

void serial_write_raw(const char *bytes, size_t length)
{
    assert_true(spin_is_locked(&console_lock));
    terminal_write(&terminal, bytes, length);
}

/* Nobody else has a lock: who waits for one waits for ever. */
void port_relax(void)
{
    abort();
}

static unsigned interrupts, wakes;

void serial_receive_interrupt(void)
{
    interrupts++;
}

void task_wake(struct task *woken)
{
    wakes++;
}

int task_create(const char *name, void (*run)(void *argument), void *argument, unsigned processor,
                struct task **created)
{
    assert_int_equal(processor, 0);
    task = run;
    *created = (struct task *)&task;
    return 0;
}

void task_sleep_until(u64 tsc)
{
    assert_false(spin_is_locked(&console_lock));
    sleeps++;
    if (on_sleep)
        on_sleep();
    if (*keys == '\0')
        guests_run = false;
    guest.runs = guests_run;
}

bool vm_list_any_runs(void)
{
    return guests_run;
}

bool monitor_candidate(const char *line, size_t length, unsigned index, char word[MONITOR_LINE_SIZE])
{
    if (length > 0 || index > 0)
        return false;
    strcpy(word, "stats");
    return true;
}

int monitor_execute(const char *line, struct monitor_context *context)
{
    assert_false(spin_is_locked(&console_lock));
    strcat(strcat(executed, line), ";");
    return command ? command(context) : 0;
}

void vm_input_arrived(struct vm *vm)
{
    u8 byte;

    assert_ptr_equal(vm, &guest);
    while (guest_input_take(&guest.input, &byte))
        arrived[strlen(arrived)] = (char)byte;
}

/* ---- */

static int start(void **state)
{
    memset(&terminal, 0, sizeof(terminal));
    memset(&guest, 0, sizeof(guest));
    memset(arrived, 0, sizeof(arrived));
    executed[0] = '\0';
    strcpy(guest.conf.name, "linux");
    port_is_present = guests_run = true;
    guest.runs = 1;
    on_sleep = NULL;
    command = NULL;
    task = NULL;
    sleeps = interrupts = wakes = 0;
    assert_int_equal(console_start(CHOICE_AUTO, TSC_HZ), 0);
    assert_non_null(task);
    return 0;
}

/* Until the last byte has been read, and nothing more came. */
static void type(const char *bytes)
{
    keys = bytes;
    task(NULL);
    assert_int_equal(terminal.strange, 0);
    assert_false(spin_is_locked(&console_lock));
}

static void print_line(const char *line)
{
    spin_lock(&console_lock);
    console_write(line, strlen(line));
    spin_unlock(&console_lock);
}

static void whether_there_is_one(void **state)
{
    task = NULL;
    assert_int_equal(console_start(CHOICE_NO, TSC_HZ), 0);
    assert_null(task);
    port_is_present = false;
    assert_int_equal(console_start(CHOICE_AUTO, TSC_HZ), 0);
    assert_null(task);
}

/* Nobody types Enter: nothing is printed, whatever comes. */
static void silence_at_first(void **state)
{
    type("stats x\x03\x04|");
    assert_int_equal(terminal.bytes, 0);
    assert_string_equal(executed, "");
    print_line("slat: a line\n");
    assert_string_equal(terminal.above, "slat: a line\n");
    assert_int_equal(terminal.bytes, 14);
}

static const char greeting[] = "slat's monitor: help lists the commands, Ctrl-D leaves.\n";

static void lines_are_commands(void **state)
{
    char expected[400];

    type("\r\nstats x\x7flinux\rst\t\r\n\rvms\x03||");
    assert_string_equal(executed, "stats linux;stats ;;");
    snprintf(expected, sizeof(expected), "%sslat> stats linux\nslat> stats \nslat> \nslat> vms^C\n", greeting);
    assert_string_equal(terminal.above, expected);
    /* It ended: no prompt is left. */
    assert_int_equal(terminal.row[0], 0);
    assert_int_equal(terminal.column, 0);
}

static void leaving(void **state)
{
    type("\rvms\r\x04"
         "vms x|\rstats\r|");
    assert_string_equal(executed, "vms;stats;");
}

static void others_print(void)
{
    char row[4 * TERMINAL_COLUMNS + 1];

    terminal_row(&terminal, row);
    assert_string_equal(row, "slat> stats lnux");
    assert_int_equal(terminal.column, 13);
    print_line("linux | hello\n");
    print_line("slat: not a whole line");
    terminal_row(&terminal, row);
    assert_string_equal(row, "slat> stats lnux");
    assert_int_equal(terminal.column, 13);
    on_sleep = NULL;
}

static void output_while_a_line_is_edited(void **state)
{
    char expected[400];

    on_sleep = others_print;
    type("\rstats lnux\x1b[D\x1b[D\x1b[D|i\r||");
    assert_string_equal(executed, "stats linux;");
    snprintf(expected, sizeof(expected), "%slinux | hello\nslat: not a whole line\nslat> stats linux\n", greeting);
    assert_string_equal(terminal.above, expected);
}

static unsigned cancel_after;

static int wait_for_cancel(struct monitor_context *context)
{
    for (unsigned i = 0; i < 20; i++) {
        if (context->cancelled(context->argument)) {
            cancel_after = i;
            context->print(context->argument, "cancelled");
            command = NULL;
            return -EINTR;
        }
        context->print(context->argument, "waits");
    }
    cancel_after = ~0u;
    command = NULL;
    return 0;
}

static void commands_are_cancelled(void **state)
{
    command = wait_for_cancel;
    type("\rwait 1s\rvm||\x03stats\r||");
    assert_int_equal(cancel_after, 2);
    /* What was typed before is forgotten, what was typed afterwards is not. */
    assert_string_equal(executed, "wait 1s;stats;");
    assert_non_null(strstr(terminal.above, "slat> wait 1s\nwaits\nwaits\ncancelled\nslat> stats\n"));
}

/* What is typed while a command is executed is the next one. */
static void typing_ahead(void **state)
{
    command = wait_for_cancel;
    type("\rwait 1s\r|vms\r||||||||||||||||||||x");
    assert_int_equal(cancel_after, ~0u);
    assert_string_equal(executed, "wait 1s;vms;");
    /* Without room for all of it, ^C is found, and a bell says so. */
    char many[600] = "\rwait 1s\r";

    start(state);
    memset(many + 9, 'a', 500);
    strcpy(many + 509, "\x03vms\r|");
    command = wait_for_cancel;
    type(many);
    assert_int_equal(cancel_after, 0);
    assert_int_equal(terminal.bells, 500 - GUEST_INPUT_SIZE);
    assert_string_equal(executed, "wait 1s;vms;");
}

static int connect(struct monitor_context *context)
{
    command = NULL;
    context->connect(context->argument, &guest);
    assert_false(console_shows(&guest));
    return 0;
}

static void guest_sends(void)
{
    struct vm other;

    if (!console_shows(&guest))
        return;
    console_guest_byte(&guest, 'h');
    console_guest_byte(&other, 'X');
    print_line("slat: a line\n");
    console_guest_byte(&guest, 'i');
    assert_false(console_shows(&other));
    on_sleep = NULL;
}

static const char there[] = "This is the serial port of linux now. Ctrl-] goes back to the monitor.\n";

static void a_connection(void **state)
{
    char expected[400];

    command = connect;
    on_sleep = guest_sends;
    type("\rconsole linux\r|ls\x03\x04\r\x1b[A\t|z\x1dvms\r||");
    assert_string_equal(arrived, "ls\x03\x04\r\x1b[A\tz");
    assert_string_equal(executed, "console linux;vms;");
    snprintf(expected, sizeof(expected),
             "%sslat> console linux\n%sh\nslat: a line\ni\nThis is the monitor.\nslat> vms\n", greeting, there);
    /* Not to the guest, nor to its terminal, goes anything afterwards. */
    console_guest_byte(&guest, 'y');
    assert_string_equal(terminal.above, expected);
}

static void end_guest(void)
{
    if (console_shows(&guest) && sleeps > 3)
        guest.runs = 0;
}

static void full_then_end(void)
{
    if (console_shows(&guest))
        while (guest_input_put(&guest.input, 'f'))
            ;
}

/* What was typed for a guest is never a command. */
static void a_connection_that_ends(void **state)
{
    command = connect;
    on_sleep = full_then_end;
    type("\rconsole linux\r|rm -rf\rquit\r|\x1dvms\r||");
    assert_string_equal(executed, "console linux;vms;");
    start(state);
    command = connect;
    on_sleep = end_guest;
    type("\rconsole linux\r|||||||||||");
    assert_string_equal(executed, "console linux;");
    assert_non_null(strstr(terminal.above, "The guest has ended; this is the monitor.\n"));
}

static unsigned taken_before;

/* The guest's queue is full at first; later the guest takes it all. */
static void full_for_a_while(void)
{
    static unsigned rounds;

    if (!console_shows(&guest))
        return;
    if (rounds++ == 0) {
        full_then_end();
    } else if (rounds == 4) {
        vm_input_arrived(&guest);
        taken_before = (unsigned)strlen(arrived);
        on_sleep = NULL;
    }
}

static void a_slow_guest(void **state)
{
    command = connect;
    on_sleep = full_for_a_while;
    type("\rconsole linux\r|abc|def|||||\x1d|");
    assert_int_equal(taken_before, GUEST_INPUT_SIZE);
    assert_string_equal(arrived + taken_before, "abcdef");
}

static size_t bytes_at_the_end;

static int end_all(struct monitor_context *context)
{
    guests_run = false;
    bytes_at_the_end = terminal.bytes;
    return 0;
}

/* Not a byte more: the last line of the log is the verdict. */
static void no_prompt_at_the_end(void **state)
{
    command = end_all;
    type("\rquit\r");
    assert_int_equal(terminal.bytes, bytes_at_the_end);
}

static void panic(void)
{
    panics = true;
    console_end_row();
    console_end_row();
    panics = false;
    assert_string_equal(strstr(terminal.above, "slat> "), "slat> vms\n");
    on_sleep = NULL;
}

/* Its lines begin in a row of their own. */
static void a_panic(void **state)
{
    on_sleep = panic;
    type("\rvms|x|");
    assert_null(on_sleep);
}

static void an_interrupt_wakes(void **state)
{
    console_interrupt();
    assert_int_equal(interrupts, 1);
    assert_int_equal(wakes, 1);
}

#define TEST(test) cmocka_unit_test_setup(test, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whether_there_is_one),
        TEST(silence_at_first),
        TEST(lines_are_commands),
        TEST(leaving),
        TEST(output_while_a_line_is_edited),
        TEST(commands_are_cancelled),
        TEST(typing_ahead),
        TEST(a_connection),
        TEST(a_connection_that_ends),
        TEST(a_slow_guest),
        TEST(no_prompt_at_the_end),
        TEST(a_panic),
        TEST(an_interrupt_wakes),
    };

    return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
